package registry

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// echo is a Runner that answers with its request.
type echo struct{ grant capability.Set }

func (e echo) Invoke(_ context.Context, _ *hostcall.Caller, request []byte) (engine.Answer, error) {
	return engine.Answer{Reply: request}, nil
}
func (echo) Close(context.Context) error { return nil }

func newRegistry(t *testing.T) *Registry {
	t.Helper()
	r := New(Config{
		Load: func(_ context.Context, s engine.Source) (Runner, error) {
			if s.Name == "broken" {
				return nil, errors.New("does not compile")
			}
			return echo{s.Grant}, nil
		},
		Username: func(context.Context) (string, error) { return "Coffer_bot", nil },
		Log:      zap.NewNop(), Version: "1", Started: time.UnixMilli(5),
	}, 1)
	t.Cleanup(func() { r.Close(context.Background()) })
	return r
}

// wasm returns the smallest file that carries a manifest.
func wasm(t *testing.T, name string, commands []abi.Command, asks ...abi.CapabilityRequest) Spec {
	t.Helper()
	data, err := abi.WithManifest([]byte("\x00asm\x01\x00\x00\x00"), abi.Manifest{
		Name: name, Version: "1", Description: "d", Author: "a", ABI: abi.Version, Commands: commands, Capabilities: asks,
	})
	if err != nil {
		t.Fatal(err)
	}
	return Spec{Wasm: data, Digest: "digest-of-" + name, BuiltIn: true, Limits: engine.Limits{Memory: 1 << 20, Timeout: time.Second}}
}

func cmd(name, who string, menus ...abi.MenuEntry) abi.Command {
	return abi.Command{Name: name, Description: "does " + name, Who: who, Menus: menus}
}

func menu(label string, row, column int) abi.MenuEntry {
	return abi.MenuEntry{Section: "main", Label: label, Row: row, Column: column}
}

func add(t *testing.T, r *Registry, s Spec) {
	t.Helper()
	if err := r.Add(context.Background(), s); err != nil {
		t.Fatal(err)
	}
}

func TestByText(t *testing.T) {
	r := newRegistry(t)
	about := cmd("about", abi.WhoUser, menu("ℹ️ About me", 2, 1))
	about.Aliases = []string{"who are you?"}
	add(t, r, wasm(t, "core", []abi.Command{about, cmd("load", abi.WhoUser, menu("📈 Load average", 1, 1)), cmd("one", abi.WhoUser, menu("1️⃣ One", 3, 1))}))
	for _, test := range []struct {
		text, command, rest string
		addressed           bool
	}{
		{"/load", "load", "", true},
		{"/LOAD", "load", "", true},
		{"  /load  5 min ", "load", "5 min", true},
		{"/load\n5", "load", "5", true},
		{"/load@coffer_BOT", "load", "", true},
		{"/load@coffer_bot 5", "load", "5", true},
		{"/load@other_bot", "", "", false},
		{"/load@", "", "", false},
		{"/nothing", "", "", false},
		{"/nothing@coffer_bot", "", "", true},
		{"/", "", "", false},
		{"📈 Load average", "load", "", true},
		{"load  Average", "load", "", true},
		{"Load average 📈", "load", "", true},
		{"ℹ️ About me", "about", "", true},
		{"about me", "about", "", true},
		{"One", "one", "", true},
		{"Who are you?", "about", "", true},
		{"the load average is high", "", "", false},
		{"load average?", "", "", false},
		{"load", "", "", false},
		{"📈", "", "", false},
		{"", "", "", false},
		{"🐳 /load", "", "", false},
	} {
		t.Run(test.text, func(t *testing.T) {
			route, found, addressed := r.ByText(context.Background(), test.text)
			if route.Command != test.command || route.Text != test.rest || found != (test.command != "") || addressed != test.addressed {
				t.Errorf("got %+v, %v, %v", route, found, addressed)
			}
		})
	}
}

func TestFirstOwnerKeepsCommandsAndWords(t *testing.T) {
	r := newRegistry(t)
	add(t, r, wasm(t, "first", []abi.Command{cmd("a", abi.WhoUser, menu("🐳 Ships", 1, 1))}))
	for _, test := range []struct {
		name string
		spec Spec
		want string
	}{
		{"a name twice", wasm(t, "first", nil), "of that name"},
		{"a command twice", wasm(t, "second", []abi.Command{cmd("b", abi.WhoUser), cmd("a", abi.WhoUser)}), "belongs to module first"},
		{"a word twice", wasm(t, "second", []abi.Command{cmd("b", abi.WhoUser, menu("ships", 1, 1))}), "belongs to /a"},
		{"a word that only looks like another", wasm(t, "second", []abi.Command{cmd("b", abi.WhoUser, menu("sh\u200dips", 1, 1))}), "belongs to /a"},
		{"the same with an emoji's style", wasm(t, "second", []abi.Command{{Name: "b", Description: "b", Who: abi.WhoUser, Aliases: []string{"🐳\u200d\ufe0f ships\ufe0f"}}}), "belongs to /a"},
		{"a word twice in itself", wasm(t, "second", []abi.Command{cmd("b", abi.WhoUser, menu("x", 1, 1)), cmd("c", abi.WhoUser, menu("X", 1, 2))}), "belongs to /b"},
		{"an unknown capability", wasm(t, "second", nil, abi.CapabilityRequest{Name: "docker.exec", Reason: "r"}), "unknown"},
		{"no manifest", Spec{Wasm: []byte("\x00asm\x01\x00\x00\x00")}, "cofferdam.manifest"},
		{"no module", Spec{Wasm: []byte("hello")}, "not a WebAssembly"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := r.Add(context.Background(), test.spec); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if _, found := r.ByCommand("b"); found {
				t.Error("a refused module left a command behind")
			}
		})
	}
}

func TestOnlyBuiltInsAnswerAnybody(t *testing.T) {
	r := newRegistry(t)
	s := wasm(t, "foreign", []abi.Command{cmd("hi", abi.WhoAnybody)})
	s.BuiltIn = false
	if err := r.Add(context.Background(), s); err == nil || !strings.Contains(err.Error(), "built-in") {
		t.Errorf("got %v", err)
	}
}

func TestGrantsNarrow(t *testing.T) {
	r := newRegistry(t)
	s := wasm(t, "m", nil, abi.CapabilityRequest{Name: "docker.info", Reason: "r"}, abi.CapabilityRequest{Name: "docker.containers.list", Scope: []string{"*"}, Reason: "r"})
	s.Granted = []capability.Request{{Name: "docker.info"}, {Name: "docker.containers.list", Scope: []string{"web-*"}}, {Name: "metrics.cpu"}}
	add(t, r, s)
	grant := r.modules["m"].grant
	if !grant.Has(capability.DockerInfo) || grant.Has(capability.MetricsCPU) ||
		!grant.Allows(capability.ContainersList, capability.Target{Name: "web-1"}) || grant.Allows(capability.ContainersList, capability.Target{Name: "db"}) {
		t.Errorf("got %s", grant)
	}
	s = wasm(t, "n", []abi.Command{cmd("n", abi.WhoUser)}, abi.CapabilityRequest{Name: "docker.info", Reason: "r"})
	s.Granted = []capability.Request{}
	if err := r.Add(context.Background(), s); !errors.Is(err, ErrNotGranted) || !strings.Contains(err.Error(), "docker.info") {
		t.Errorf("without what it asks for: %v", err)
	}
	if _, found := r.ByCommand("n"); found {
		t.Error("a module that cannot run has a command")
	}
}

func TestAModuleThatFailedHasNoButtons(t *testing.T) {
	r := newRegistry(t)
	add(t, r, wasm(t, "broken", []abi.Command{cmd("b", abi.WhoUser, menu("B", 1, 1))}))
	<-r.modules["broken"].ready
	if info := r.Describe(abi.RoleAdmin); len(info.Commands) != 0 || len(info.Modules) != 0 || r.Menu("main", abi.RoleAdmin) != nil {
		t.Errorf("got %+v, %v", info, r.Menu("main", abi.RoleAdmin))
	}
}

func TestRolesSeeTheirCommandsAndMenus(t *testing.T) {
	r := newRegistry(t)
	hidden := cmd("hidden", abi.WhoUser)
	hidden.Hidden = true
	add(t, r, wasm(t, "m", []abi.Command{
		cmd("two", abi.WhoUser, menu("Two", 1, 2)), cmd("one", abi.WhoUser, menu("One", 1, 1)),
		cmd("admin", abi.WhoAdmin, menu("Admin", 2, 1)), cmd("id", abi.WhoAnybody), hidden,
	}))
	for role, want := range map[string]string{
		abi.RoleStranger: "id", abi.RoleUser: "two one id", abi.RoleAdmin: "two one admin id", "": "id", "root": "id",
	} {
		var names []string
		for _, c := range r.Describe(role).Commands {
			names = append(names, c.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%q: got %q, want %q", role, got, want)
		}
	}
	if got := r.Menu("main", abi.RoleUser).Rows; len(got) != 1 || !slices.Equal(got[0], []string{"One", "Two"}) {
		t.Errorf("a user's menu: %v", got)
	}
	if got := r.Menu("main", abi.RoleAdmin).Rows; len(got) != 2 {
		t.Errorf("an admin's menu: %v", got)
	}
	if r.Menu("main", abi.RoleStranger) != nil || r.Menu("other", abi.RoleAdmin) != nil {
		t.Error("an empty menu is shown")
	}
}

func TestInvokeWaitsAndTellsWhatIsNotThere(t *testing.T) {
	ctx := context.Background()
	r := newRegistry(t)
	add(t, r, wasm(t, "good", nil))
	add(t, r, wasm(t, "broken", nil))
	if _, reply, err := r.Invoke(ctx, "good", abi.Actor{}, nil, zap.NewNop(), []byte("x")); err != nil || string(reply) != "x" {
		t.Errorf("got %s, %v", reply, err)
	}
	for _, name := range []string{"broken", "missing"} {
		var fault interface{ FaultCode() abi.Code }
		if _, _, err := r.Invoke(ctx, name, abi.Actor{}, nil, zap.NewNop(), nil); !errors.As(err, &fault) || fault.FaultCode() != abi.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}
