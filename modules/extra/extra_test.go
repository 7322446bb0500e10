// Package extra_test runs the modules that operators may drop in, as they are built
// and in the real sandbox.
package extra_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/engine/compiler"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/runtime/render"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

var update = flag.Bool("update", false, "write the golden replies anew")

// TestMain lets the test binary be the child that compiles modules.
func TestMain(m *testing.M) {
	compiler.Main()
	os.Exit(m.Run())
}

// sandbox is a module as an operator gets it, over a host's sources.
type sandbox struct {
	*engine.Module
	grant capability.Set
}

// load builds modules/extra/NAME as `make extra` does, and loads it with what its
// manifest asks for and the host's default limits.
func load(t testing.TB, name string, sources hostcall.Sources) sandbox {
	t.Helper()
	file := filepath.Join(t.TempDir(), name+".wasm")
	if text, err := exec.Command("go", "run", "../../cmd/cofferdam", "module", "build", name, "--out", file).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, text)
	}
	wasm, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s has %d bytes", name, len(wasm))
	manifest, err := abi.ReadManifest(wasm)
	if err != nil || manifest.Name != name {
		t.Fatalf("%q, %v", manifest.Name, err)
	}
	var requests []capability.Request
	for _, c := range manifest.Capabilities {
		requests = append(requests, capability.Request{Name: c.Name, Scope: c.Scope})
	}
	grant, err := capability.Parse(requests)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(engine.Config{Operations: hostcall.Table(sources)})
	if err != nil {
		t.Fatal(err)
	}
	limits := engine.Limits{Memory: 64 << 20, Timeout: 10 * time.Second, HostCalls: 256, Reply: 64 << 10, Log: 16 << 10, Concurrency: 4, Fuel: 20_000_000_000}
	module, err := e.Load(t.Context(), engine.Source{Name: name, Wasm: wasm, Grant: grant, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(module.Close(context.Background()), e.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return sandbox{module, grant}
}

// asks sends a request and returns the reply as the host takes it.
func (s sandbox) asks(t testing.TB, request abi.Request) (abi.Code, abi.Reply) {
	t.Helper()
	if request.Actor.Role == "" {
		request.Actor = abi.Actor{ID: 1, Role: abi.RoleUser}
	}
	encoded, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	caller := &hostcall.Caller{Module: "extra", Grant: s.grant, Actor: request.Actor, Pass: &capability.Pass{Reach: capability.Everywhere}, Log: zap.NewNop()}
	answer, err := s.Invoke(t.Context(), caller, encoded)
	if err != nil {
		t.Fatalf("%s: %v", encoded, err)
	}
	reply, err := render.Parse(answer.Reply)
	if err != nil {
		t.Fatalf("%s: the host does not take %q: %v", encoded, answer.Reply, err)
	}
	return answer.Code, reply
}

// golden compares a reply with testdata/NAME.json.
func golden(t *testing.T, name string, reply abi.Reply) {
	t.Helper()
	var got bytes.Buffer
	encoder := json.NewEncoder(&got)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(reply); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (write it with -update)", err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s differs from the reply, which is:\n%s", path, got.Bytes())
	}
}
