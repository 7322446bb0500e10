package registry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/engine/compiler"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// What is tested here needs the real sandbox: what a module that was dropped in
// could try.

func TestMain(m *testing.M) {
	compiler.Main()
	os.Exit(m.Run())
}

// returning is a module's file that returns a code, and imports operations.
func returning(code byte, imports ...string) []byte {
	section := func(id byte, items int, body string) string {
		return string([]byte{id, byte(len(body) + 1), byte(items)}) + body
	}
	var list strings.Builder
	for _, name := range imports {
		fmt.Fprintf(&list, "%c%s%c%s\x00\x01", len(abi.ImportModule), abi.ImportModule, len(name), name)
	}
	file := "\x00asm\x01\x00\x00\x00" +
		section(1, 2, "\x60\x01\x7f\x01\x7f"+"\x60\x02\x7f\x7f\x01\x7e") // (i32) -> i32, (i32, i32) -> i64
	if len(imports) > 0 {
		file += section(2, len(imports), list.String())
	}
	file += section(3, 1, "\x00") + section(5, 1, "\x00\x01") +
		section(7, 2, "\x06memory\x02\x00"+"\x10cofferdam_handle\x00"+string(rune(len(imports)))) +
		section(10, 1, "\x04\x00\x41"+string(rune(code))+"\x0b")
	return []byte(file)
}

// dropped is a file with a manifest that asks for something.
func dropped(t *testing.T, name string, file []byte, asks ...abi.CapabilityRequest) Spec {
	t.Helper()
	data, err := abi.WithManifest(file, abi.Manifest{
		Name: name, Version: "1", Description: "d", Author: "a", ABI: abi.Version, Capabilities: asks,
		Commands: []abi.Command{cmd(name, abi.WhoUser)},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := foreign(t, Spec{Wasm: data})
	s.Limits = engine.Limits{Memory: 1 << 20, Timeout: time.Minute, HostCalls: 10, Reply: 1 << 10, Log: 1 << 10, Concurrency: 4, Fuel: 1 << 30}
	return s
}

func sandboxed(t *testing.T) *Registry {
	t.Helper()
	e, err := engine.New(engine.Config{CacheDir: t.TempDir(), Operations: hostcall.Table(hostcall.Sources{})})
	if err != nil {
		t.Fatal(err)
	}
	r := New(Config{
		Load: func(ctx context.Context, s engine.Source) (Runner, error) {
			m, err := e.Load(ctx, s)
			if err != nil {
				return nil, err
			}
			return m, nil
		},
		Username: func(context.Context) (string, error) { return "b", nil }, Log: zap.NewNop(),
	}, 2)
	t.Cleanup(func() {
		if err := errors.Join(r.Close(context.Background()), e.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return r
}

func asks(name string, scope ...string) abi.CapabilityRequest {
	return abi.CapabilityRequest{Name: name, Scope: scope, Reason: "r"}
}

func TestAttackImports(t *testing.T) {
	r := sandboxed(t)
	granted := func(s Spec, names ...string) Spec {
		s.Granted = []capability.Request{}
		for _, name := range names {
			s.Granted = append(s.Granted, capability.Request{Name: name})
		}
		return s
	}
	for _, test := range []struct {
		name string
		spec Spec
		want string // empty: it is let in
	}{
		{"declared and granted", granted(dropped(t, "fair", returning(0, abi.OpDockerInfo), asks("docker.info")), "docker.info"), ""},
		{"used, not declared", dropped(t, "x", returning(0, abi.OpDockerInfo)), "without a grant of docker.info"},
		{"used and granted, not declared", granted(dropped(t, "x", returning(0, abi.OpDockerInfo)), "docker.info"), "without a grant of docker.info"},
		{"declared, not granted", granted(dropped(t, "x", returning(0, abi.OpDockerInfo), asks("docker.info"))), "not granted"},
		{"another one declared", dropped(t, "x", returning(0, abi.OpDockerInfo), asks("metrics.memory")), "without a grant of docker.info"},
		{"one of two declared", dropped(t, "x", returning(0, abi.OpDockerInfo, abi.OpMetricsMemory), asks("metrics.memory")), "without a grant of docker.info"},
		{"what only the project's own can have", dropped(t, "x", returning(0), asks(string(capability.ModulesApprove))), "only built-in"},
		{"what does not exist", dropped(t, "x", returning(0, "docker_exec_v1")), "does not exist here"},
		{"a scope where there is none", dropped(t, "x", returning(0), asks("docker.info", "*")), "docker.info"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := inventory(r)
			err := r.Put(t.Context(), test.spec)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if err != nil && inventory(r) != before {
				t.Errorf("it left something behind:\n%s", inventory(r))
			}
		})
	}
}

// A manifest is the author's word: a capability that it claims twice is no
// manifest, and one in a wide scope is granted in the narrow one.
func TestAttackManifest(t *testing.T) {
	r := sandboxed(t)
	wide := dropped(t, "wide", returning(0, abi.OpContainerList), asks("docker.containers.list", "*"))
	twice := wide
	twice.Manifest.Capabilities = append(twice.Manifest.Capabilities, twice.Manifest.Capabilities...)
	if err := r.Put(t.Context(), twice); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a capability twice: %v", err)
	}
	wide.Granted = []capability.Request{{Name: "docker.containers.list", Scope: []string{"web-*"}}}
	if err := r.Put(t.Context(), wide); err != nil {
		t.Fatal(err)
	}
	if got := r.List()[0].Capabilities; len(got) != 1 || !strings.Contains(got[0], "web-*") || strings.Contains(got[0], "{*}") {
		t.Errorf("granted is %q", got)
	}
}

// A module is replaced a hundred times while it is invoked. Every answer is that
// of one of its versions, and none is a fault.
func TestReplacedAHundredTimesUnderLoad(t *testing.T) {
	r := sandboxed(t)
	var versions []Spec
	for code := range byte(4) {
		versions = append(versions, dropped(t, "busy", returning(code)))
	}
	put(t, r, versions[0])
	var asking sync.WaitGroup
	var answers atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	for range 2 {
		asking.Go(func() {
			for ctx.Err() == nil {
				code, _, err := r.Invoke(t.Context(), "busy", abi.Actor{}, nil, zap.NewNop(), []byte("{}"))
				if err != nil || code < 0 || int(code) >= len(versions) {
					t.Errorf("code %d, %v", code, err)
				}
				answers.Add(1)
			}
		})
	}
	for i := range 100 {
		put(t, r, versions[i%len(versions)])
		for seen := answers.Load(); answers.Load() == seen; { // at least one in each life
			time.Sleep(time.Millisecond)
		}
	}
	stop()
	asking.Wait()
	if got := r.List(); len(got) != 1 || got[0].State != StateLoaded || got[0].Use.Traps != 0 {
		t.Errorf("left are %+v", got)
	}
}

// What is found out at the first request of a module that was let in before is
// what an operator sees.
func TestARefusalThatComesLateIsSeen(t *testing.T) {
	r := sandboxed(t)
	s := dropped(t, "late", returning(0))
	honest := s.Read
	put(t, r, s)
	if err := r.Remove(t.Context(), "late"); err != nil {
		t.Fatal(err)
	}
	s.Read = func() ([]byte, error) { return []byte("something else"), nil }
	put(t, r, s) // its code is there, and it was started before
	_, _, err := r.Invoke(t.Context(), "late", abi.Actor{}, nil, zap.NewNop(), []byte("{}"))
	fault, ok := errors.AsType[*engine.Fault](err)
	if !ok || fault.Code != abi.Unavailable || fault.Blame {
		t.Errorf("got %v", err)
	}
	if got := r.List()[0]; got.State != StateRefused || !strings.Contains(got.Why, "not the one that was meant") {
		t.Errorf("an operator sees %+v", got)
	}
	if err := r.Remove(t.Context(), "late"); err != nil {
		t.Fatal(err)
	}
	s.Read = honest
	put(t, r, s)
	if _, _, err := r.Invoke(t.Context(), "late", abi.Actor{}, nil, zap.NewNop(), []byte("{}")); err != nil || r.List()[0].State != StateLoaded {
		t.Errorf("with the file that was meant: %v, %+v", err, r.List()[0])
	}
}

// Five hundred modules come one after the other, and go.
func TestFiveHundredModules(t *testing.T) {
	const n = 500
	w := &workshop{}
	r := w.newRegistry(t)
	add(t, r, core(t))
	began := time.Now()
	for i := range n {
		put(t, r, drop(t, fmt.Sprint("m", i), menu(fmt.Sprint("Module ", i), 1, 1)))
	}
	t.Logf("%d came in %v", n, time.Since(began))
	if info := r.Describe(abi.RoleUser); len(info.Modules) != n+1 || len(info.Commands) != n+1 {
		t.Errorf("%d modules and %d commands", len(info.Modules), len(info.Commands))
	}
	if route, found, _ := r.ByText(t.Context(), "module 499"); !found || route.Module != "m499" {
		t.Errorf("the last one's word leads to %+v", route)
	}
	for i := range n {
		if err := r.Remove(t.Context(), fmt.Sprint("m", i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.commands) != 1 || len(r.words) != 1 || len(r.order) != 1 {
		t.Errorf("%d commands, %d words and %d modules are left", len(r.commands), len(r.words), len(r.order))
	}
	put(t, r, drop(t, "last"))
	if len(r.conducts) > conductsAtMost+1 {
		t.Errorf("%d are remembered", len(r.conducts))
	}
}
