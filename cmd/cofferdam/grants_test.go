package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
)

// loadGrants loads a config with the grants in one line each, from line 8 on.
func loadGrants(t *testing.T, lines ...string) ([]config.Warning, error) {
	t.Helper()
	text := "bot_token: {prod_token: '" + fakeToken() + "'}\naccess_control:\n  allowed_user_ids: [5001]\n  allowed_admins_ids: [5001]\n" +
		"  auth_salt: " + fakeToken() + "\nmodules:\n  grants:\n    " + strings.Join(lines, "\n    ") + "\n"
	path := filepath.Join(t.TempDir(), "cofferdam.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, warnings, err := config.Load(path, config.Options{Further: checkGrants})
	return warnings, err
}

func fakeToken() string { return "4815162342:" + strings.Repeat("Ab3_-", 7) }

func TestGrantsAreHeldAgainstWhatModulesAsk(t *testing.T) {
	for _, test := range []struct {
		name, grant string
		refused     string // part of the error
		warned      string
		insecure    bool
	}{
		{"all that it asks", `manage: ["docker.containers.stop{*}"]`, "", "line 8: modules.grants.manage[0]: lets the module stop all containers", false},
		{"narrower", `manage: ["docker.containers.stop{web-*}"]`, "", "", false},
		{"not asked for", `server: [metrics.host, metrics.cpu, "kv{1KiB}"]`, "", "line 8: modules.grants.server[2]: the module does not ask for that, so it changes nothing; remove it", false},
		{"no such capability", `server: [metrics.cpu, metrics.everything]`, "line 8: modules.grants.server[1]: this capability is unknown in this version", "", false},
		{"no scope where one is needed", `manage: [docker.containers.stop]`, "modules.grants.manage[0]: this capability needs a scope", "", false},
		{"a scope where none is", `server: ["metrics.cpu{x}"]`, "modules.grants.server[0]: this capability takes no scope", "", false},
		{"a bad pattern", `manage: ["docker.containers.stop{web,se/cret}"]`, "pattern 2 of its scope: '/' cannot be in a container's name", "", false},
		{"a drop-in's, without bounds", `watch: ["docker.containers.stop{*}"]`, "", "line 8: modules.grants.watch[0]: lets the module stop all containers", true},
		{"a drop-in's", `watch: ["docker.containers.stop{web-*}", "kv{1KiB}"]`, "", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			warnings, err := loadGrants(t, test.grant)
			if test.refused != "" && (err == nil || !strings.Contains(err.Error(), test.refused) || strings.Contains(err.Error(), "se/cret")) || test.refused == "" && err != nil {
				t.Errorf("%v, want %q", err, test.refused)
			}
			said, insecure := "", false
			for _, w := range warnings {
				if strings.HasPrefix(w.Key, "modules.") {
					said += w.String()
					insecure = insecure || w.Insecure
				}
			}
			if test.warned == "" && said != "" || !strings.Contains(said, test.warned) || insecure != test.insecure {
				t.Errorf("%q, insecure %v; want %q", said, insecure, test.warned)
			}
		})
	}
}

// The built-in modules ask for "*": with another manifest a scope can be of no use.
func TestAGrantOfNoUse(t *testing.T) {
	m := watchManifest()
	p, useless := uselessGrant(config.Problem{}, "docker.containers.list", []string{"db"}, m, true)
	if useless {
		t.Errorf("some of all containers: %v", p)
	}
	m.Capabilities = []abi.CapabilityRequest{{Name: "docker.containers.restart", Scope: []string{"web-*"}}}
	p, useless = uselessGrant(config.Problem{Key: "k"}, "docker.containers.restart", []string{"db", "cache-*"}, m, true)
	if want := "k: nothing is in this scope that the module asks for, so it would be of no use; it asks to restart containers named web-*"; !useless || p.String() != want {
		t.Errorf("%v, %q", useless, p)
	}
	if _, useless = uselessGrant(p, "docker.containers.restart", []string{"db"}, m, false); useless {
		t.Error("of a module whose manifest is not known")
	}
}
