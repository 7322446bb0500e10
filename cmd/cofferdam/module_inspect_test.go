package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/security/signature"
)

func watchManifest() abi.Manifest {
	return abi.Manifest{
		Name: "watch", Version: "1.2.0", Description: "Restarts what hangs, and says so", Author: "Ada Example", ABI: abi.Version,
		Commands: []abi.Command{{Name: "watch", Description: "What was restarted", Who: abi.WhoAdmin}},
		Capabilities: []abi.CapabilityRequest{
			{Name: "docker.containers.list", Scope: []string{"*"}, Reason: "looks which containers hang"},
			{Name: "kv", Scope: []string{"64KiB"}, Reason: "remembers what it restarted"},
			{Name: "docker.containers.restart", Scope: []string{"web-*", "label:watch=yes"}, Reason: "restarts what hangs"},
			{Name: "schedule", Scope: []string{"5m"}, Reason: "looks every five minutes"},
			{Name: "metrics.cpu", Reason: "thought of using it"},
		},
		Schedules: []abi.Schedule{{Name: "look", Every: "5m", Action: "look"}},
		Limits:    abi.LimitRequest{MemoryMiB: 16},
	}
}

var watchImports = []string{abi.OpContainerList, abi.OpKVGet, abi.OpKVPut, abi.OpContainerRestart}

// place a file, and return its path.
func placeFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// inspected is what is printed of a file, with its digest and folder replaced.
func inspected(t *testing.T, path string, cfg *config.Config) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := inspect(&out, path, cfg, false)
	text := strings.ReplaceAll(out.String(), filepath.Dir(path)+"/", "")
	text = regexp.MustCompile(`\d+ bytes`).ReplaceAllString(text, "SIZE bytes")
	return regexp.MustCompile(`[0-9a-f]{64}`).ReplaceAllString(text, "DIGEST"), err
}

const watchText = `watch 1.2.0
  about     Restarts what hangs, and says so
  author    Ada Example
  file      watch.wasm, SIZE bytes
  sha256    DIGEST
  signed    no
  command   /watch, for admins: What was restarted
  runs      look, every 5m
  limits    asks for 16 MiB of memory
  asks      for what follows, the most dangerous first

    Changes something, when a user asks for it:
    - restart containers named web-* and containers with the label watch=yes
      docker.containers.restart{web-*,label:watch=yes}
      The author says: restarts what hangs

    Reaches out, keeps something or acts by itself:
    - keep up to 64KiB of its own data
      kv{64KiB}
      The author says: remembers what it restarted
    - run by itself, at most every 5 minutes
      schedule{5m}
      The author says: looks every five minutes

    Reads what every user may read:
    - list all containers
      docker.containers.list{*}
      The author says: looks which containers hang
    - read how busy the processors are
      metrics.cpu
      The author says: thought of using it

  imports   docker_container_list_v1 (docker.containers.list), kv_get_v1 (kv),
            kv_put_v1 (kv), docker_container_restart_v1
            (docker.containers.restart)
  exports   memory, cofferdam_handle
  note      it asks for metrics.cpu and cannot use it: the manifest should not
            ask for it
  verdict   nothing in it speaks against running it
`

func TestInspect(t *testing.T) {
	path := placeFile(t, "watch.wasm", tinyModule(t, watchManifest(), watchImports...))
	if got, err := inspected(t, path, nil); err != nil || got != watchText {
		t.Errorf("%v\n%s", err, got)
	}
}

// What a config says of the same file.
func TestInspectWithAConfig(t *testing.T) {
	file := tinyModule(t, watchManifest(), watchImports...)
	path := placeFile(t, "watch.wasm", file)
	trusted, other := newKey(t), newKey(t)
	digest := digestOf(file)
	all := []config.Grant{
		{Capability: "docker.containers.list", Scope: []string{"*"}}, {Capability: "kv", Scope: []string{"64KiB"}},
		{Capability: "schedule", Scope: []string{"5m"}}, {Capability: "metrics.cpu"},
	}
	with := func(restart ...string) []config.Grant {
		return append([]config.Grant{{Capability: "docker.containers.restart", Scope: restart}}, all...)
	}
	for _, test := range []struct {
		name    string
		modules config.Modules
		sig     []byte
		ok      bool
		says    string
	}{
		{"nothing is said", config.Modules{}, nil, true, "here      pending: it is neither pinned nor signed"},
		{"it is pinned", config.Modules{Pins: map[string]string{"watch": digest}}, nil, true, "here      pinned"},
		{"another file is pinned", config.Modules{Pins: map[string]string{"watch": strings.Repeat("0", 64)}}, nil, false, "refused   the config pins another file for watch"},
		{"a trusted key signed it", config.Modules{TrustedKeys: []string{trusted.Key().String()}}, mustSign(t, file, trusted), true, "here      signed by the trusted key " + trusted.Key().ID()},
		{"another key signed it", config.Modules{TrustedKeys: []string{trusted.Key().String()}}, mustSign(t, file, other), true, "is none of modules.trusted_keys"},
		{"the signature is of another file", config.Modules{TrustedKeys: []string{trusted.Key().String()}}, mustSign(t, []byte("x"), trusted), false, "refused   its signature is no good"},
		{"the signature is none", config.Modules{}, []byte("signed, honestly"), false, "refused   its signature is no good"},
		{"a narrower grant", config.Modules{Grants: map[string][]config.Grant{"watch": with("web-1")}}, nil, true, "The config leaves: restart containers named web-1"},
		{"a wider grant", config.Modules{Grants: map[string][]config.Grant{"watch": with("*")}}, nil, true, "here      pending"},
		{"a grant beside", config.Modules{Grants: map[string][]config.Grant{"watch": with("db-*", "project:shop")}}, nil, true, "The config leaves: restart containers named db-*"},
		{"a grant of no use", config.Modules{Grants: map[string][]config.Grant{"watch": {{Capability: "kv", Scope: []string{"1KiB"}}}}}, nil, false, "leaves out docker.containers.restart"},
	} {
		t.Run(test.name, func(t *testing.T) {
			os.Remove(path + signature.Suffix)
			if test.sig != nil {
				if err := os.WriteFile(path+signature.Suffix, test.sig, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := inspected(t, path, &config.Config{Modules: test.modules})
			flat := strings.Join(strings.Fields(got), " ")
			if (err == nil) != test.ok || !strings.Contains(flat, strings.Join(strings.Fields(test.says), " ")) {
				t.Errorf("%v\n%s", err, got)
			}
		})
	}
}

// The faults for which a bot refuses a file, whatever its config.
func TestInspectSaysWhatIsRefused(t *testing.T) {
	changed := func(change func(*abi.Manifest)) abi.Manifest {
		m := watchManifest()
		change(&m)
		return m
	}
	for _, test := range []struct {
		name    string
		file    []byte
		refused string
	}{
		{"no module", []byte("#!/bin/sh\n"), "this is no WebAssembly"},
		{"empty", nil, "no good manifest"},
		{"no manifest", tiny(), "no good manifest"},
		{"used and not declared", tinyModule(t, watchManifest(), append([]string{abi.OpContainerStop}, watchImports...)...), "it uses docker.containers.stop, and its manifest does not ask for it"},
		{"an import of nobody's", tinyModule(t, watchManifest(), "env:system"), `it imports "system" of "env"`},
		{"a capability of nobody's", tinyModule(t, changed(func(m *abi.Manifest) { m.Capabilities[0].Name = "docker.everything" })), "docker.everything"},
		{"what only the bot's own may", tinyModule(t, changed(func(m *abi.Manifest) {
			m.Capabilities = append(m.Capabilities, abi.CapabilityRequest{Name: "bot.modules.approve", Reason: "r"})
		})), "only built-in modules can have"},
		{"for anybody", tinyModule(t, changed(func(m *abi.Manifest) { m.Commands[0].Who = abi.WhoAnybody })), "only built-in modules may answer anybody"},
		{"a built-in's name", tinyModule(t, changed(func(m *abi.Manifest) { m.Name = "core" })), "a built-in module has its name"},
		{"a built-in's command", tinyModule(t, changed(func(m *abi.Manifest) { m.Commands[0].Name = "start" })), "its command /start is taken"},
		{"a schedule that it does not ask for", tinyModule(t, changed(func(m *abi.Manifest) { m.Capabilities = m.Capabilities[:3] }), watchImports...), "schedules need the capability schedule"},
		{"a schedule sooner than it asks for", tinyModule(t, changed(func(m *abi.Manifest) { m.Schedules[0].Every = "1m" }), watchImports...), "is more often than"},
		{"events that it does not ask for", tinyModule(t, changed(func(m *abi.Manifest) {
			m.Events = []abi.Subscription{{Types: []string{"container.die"}, Action: "died"}}
		}), watchImports...), `event "container.die" needs the capability docker.events`},
	} {
		got, err := inspected(t, placeFile(t, "m.wasm", test.file), nil)
		if flat := strings.Join(strings.Fields(got), " "); err == nil || !strings.Contains(flat, test.refused) {
			t.Errorf("%s: %v\n%s", test.name, err, got)
		}
	}
}

// A file of a stranger does nothing to the terminal in which it is looked at.
func TestInspectingAHostileFile(t *testing.T) {
	clear := "\x1b[2J\x9b\u202e\r\n"
	m := watchManifest()
	m.Capabilities[2].Scope = []string{"label:x=\u009b2J\u202egnp.", strings.Repeat("w", 250)}
	file := tinyModule(t, m, append([]string{"env:\x1b[2J\u009b\u202e\r\n", "env:" + strings.Repeat("long", 100)}, watchImports...)...)
	path := placeFile(t, "m"+clear[:5]+".wasm", file)
	if err := os.WriteFile(path+signature.Suffix, []byte("untrusted comment: "+clear+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := inspect(&out, path, nil, false)
	if err == nil {
		t.Error("nobody would refuse it")
	}
	for line := range strings.Lines(out.String() + err.Error()) {
		line = strings.TrimSuffix(line, "\n")
		if n := utf8.RuneCountInString(line); n > 80 && !strings.Contains(line, "would be refused") {
			t.Errorf("%d columns: %q", n, line)
		}
		if strings.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
			t.Errorf("the terminal is told something: %q", line)
		}
	}
	out.Reset()
	if err := inspect(&out, path, nil, true); err == nil {
		t.Error("nobody would refuse it")
	}
	var whole map[string]any
	if err := json.Unmarshal(out.Bytes(), &whole); err != nil || whole["ok"] != false {
		t.Errorf("%v: %s", err, out.String())
	}
	if strings.ContainsFunc(strings.TrimSuffix(out.String(), "\n"), unicode.IsControl) {
		t.Errorf("the terminal is told something: %q", out.String())
	}
}
