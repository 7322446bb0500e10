//go:build !wasip1

package testkit_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/guest/testkit"
	"github.com/cofferdam-bot/cofferdam/guest/testkit/headroom"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/engine/compiler"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/runtime/render"
	"github.com/cofferdam-bot/cofferdam/runtime/transcript"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// TestMain lets the test binary be the child that compiles modules.
func TestMain(m *testing.M) {
	compiler.Main()
	os.Exit(m.Run())
}

// each runs a test for every vector.
func each(t *testing.T, run func(*testing.T, transcript.Transcript, *transcript.Replay)) {
	names, files, err := testkit.Vectors()
	if err != nil || len(names) < 10 {
		t.Fatalf("%d vectors, %v", len(names), err)
	}
	for _, name := range names {
		v, err := transcript.Parse(files[name])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Run(filepath.Base(name), func(t *testing.T) { run(t, v, transcript.NewReplay(v)) })
	}
}

// native answers the SDK's calls from a vector.
type native struct{ *transcript.Replay }

func (native) Log(int32, string) {}

func TestTheGoSDK(t *testing.T) {
	each(t, func(t *testing.T, v transcript.Transcript, replay *transcript.Replay) {
		reply, code := headroom.Module().ServeJSON(sdk.NativeHost(native{replay}), v.Request)
		if err := replay.End(code, reply, ""); err != nil {
			t.Errorf("%s: %v", v.About, err)
		}
	})
}

// TestTheHeaderForC runs the example in C in the sandbox.
func TestTheHeaderForC(t *testing.T) {
	if _, err := exec.LookPath("clang"); err != nil && os.Getenv("COFFERDAM_CI") == "" {
		t.Skip("there is no clang: apt-get install clang lld")
	}
	wasm := filepath.Join(t.TempDir(), "headroom.wasm")
	if text, err := exec.Command("go", "run", "../../cmd/cofferdam", "module", "build", "../c/example", "--out", wasm).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	file, err := os.ReadFile(wasm)
	if err != nil {
		t.Fatal(err)
	}
	grant, err := capability.Parse([]capability.Request{{Name: string(capability.MetricsMemory)}})
	if err != nil {
		t.Fatal(err)
	}
	var replay *transcript.Replay
	operations := hostcall.Replayed(hostcall.Table(hostcall.Sources{}), func(op string, request []byte) (abi.Code, []byte) { return replay.Call(op, request) })
	e, err := engine.New(engine.Config{Operations: operations})
	if err != nil {
		t.Fatal(err)
	}
	limits := engine.Limits{Memory: 1 << 20, Timeout: 10 * time.Second, HostCalls: 4, Reply: 64 << 10, Log: 1 << 10, Concurrency: 1, Fuel: 100_000_000}
	m, err := e.Load(t.Context(), engine.Source{Name: "headroom", Wasm: file, Grant: grant, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(m.Close(context.Background()), e.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	each(t, func(t *testing.T, v transcript.Transcript, r *transcript.Replay) {
		replay = r
		answer, err := m.Invoke(t.Context(), &hostcall.Caller{Module: "headroom", Grant: grant, Pass: &capability.Pass{}, Log: zap.NewNop()}, v.Request)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.End(answer.Code, answer.Reply, ""); err != nil {
			t.Errorf("%s: %v", v.About, err)
		}
		if _, err := render.Parse(answer.Reply); err != nil {
			t.Errorf("no host takes it: %v", err)
		}
	})
}

// TestVectorsCanFail shows that another reply is a difference.
func TestVectorsCanFail(t *testing.T) {
	failed := 0
	each(t, func(_ *testing.T, v transcript.Transcript, replay *transcript.Replay) {
		host := sdk.NativeHost(native{replay})
		module := headroom.Module()
		module.Commands["headroom"] = module.Actions["refresh"]
		if reply, code := module.ServeJSON(host, v.Request); replay.End(code, reply, "") != nil {
			failed++
		}
	})
	if failed < 5 {
		t.Errorf("%d vectors see that a command's text is ignored", failed)
	}
}
