package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/engine/compiler"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// machine answers metrics_memory_v1, the one operation that guests here use.
type machine struct {
	hostcall.Metrics
	memory func(context.Context) (abi.MemoryInfo, error)
}

func (m machine) Memory(ctx context.Context) (abi.MemoryInfo, error) { return m.memory(ctx) }

// operations is the real table over a fake machine.
func operations(memory func(context.Context) (abi.MemoryInfo, error)) []hostcall.Operation {
	if memory == nil {
		memory = func(context.Context) (abi.MemoryInfo, error) { return abi.MemoryInfo{Total: 7}, nil }
	}
	return hostcall.Table(hostcall.Sources{Metrics: machine{memory: memory}})
}

// memoryGrant grants metrics.memory.
func memoryGrant(t testing.TB) capability.Set {
	t.Helper()
	set, err := capability.Parse([]capability.Request{{Name: string(capability.MetricsMemory)}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// quick are limits for tests: whatever does not end by itself ends soon.
func quick() Limits {
	l := usualLimits()
	l.Timeout = 200 * time.Millisecond
	return l
}

// patient is for guests that are expected to end by themselves, on a machine
// that may be busy.
func patient() Limits {
	l := usualLimits()
	l.Timeout = time.Minute
	return l
}

func newEngine(t testing.TB, cacheDir string, operations []hostcall.Operation) *Engine {
	t.Helper()
	e, err := New(Config{CacheDir: cacheDir, Operations: operations})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(context.Background()) })
	return e
}

// tryLoad loads a file that is granted metrics.memory.
func tryLoad(t testing.TB, e *Engine, wasm []byte, limits Limits) (*Module, error) {
	t.Helper()
	m, err := e.Load(t.Context(), Source{Name: "hostile", Wasm: wasm, Grant: memoryGrant(t), Limits: limits})
	if err == nil {
		t.Cleanup(func() {
			if err := m.Close(context.Background()); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	return m, err
}

func load(t testing.TB, g guest, limits Limits) *Module {
	t.Helper()
	return loadWith(t, newEngine(t, "", operations(nil)), g.assemble(), limits)
}

func loadWith(t testing.TB, e *Engine, wasm []byte, limits Limits) *Module {
	t.Helper()
	m, err := tryLoad(t, e, wasm, limits)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return m
}

// caller is an allowed user. Its log can be read.
func caller(t testing.TB) (*hostcall.Caller, *observer.ObservedLogs) {
	t.Helper()
	core, lines := observer.New(zapcore.DebugLevel)
	return &hostcall.Caller{Module: "hostile", Grant: memoryGrant(t), Actor: abi.Actor{ID: 1, Role: abi.RoleUser}, Log: zap.New(core)}, lines
}

// invoke sends the request and returns the answer or the fault. Every error
// must be a Fault whose reason is fit for a log.
func invoke(t testing.TB, m *Module, request string) (Answer, *Fault) {
	t.Helper()
	c, _ := caller(t)
	return invokeAs(t.Context(), t, m, c, request)
}

func invokeAs(ctx context.Context, t testing.TB, m *Module, c *hostcall.Caller, request string) (Answer, *Fault) {
	t.Helper()
	answer, err := m.Invoke(ctx, c, []byte(request))
	if err == nil {
		return answer, nil
	}
	var fault *Fault
	if !errors.As(err, &fault) {
		t.Fatalf("%v is not a Fault", err)
	}
	if fault.Reason == "" || len(fault.Reason) > 2*maxReason || strings.ContainsAny(fault.Reason, "\n\r\t\x1b") ||
		strings.Contains(fault.Reason, "goroutine ") || strings.Contains(fault.Reason, ".go:") {
		t.Errorf("reason %q is not fit for a log", fault.Reason)
	}
	if answer.Code != abi.OK || answer.Reply != nil {
		t.Errorf("a fault came with the answer %+v", answer)
	}
	return answer, fault
}

// mustFault invokes and demands a fault of that code.
func mustFault(t testing.TB, m *Module, code abi.Code, reason string) *Fault {
	t.Helper()
	answer, fault := invoke(t, m, "hello!")
	if fault == nil {
		t.Fatalf("answer %v %q, want a fault", answer.Code, answer.Reply)
	}
	if fault.Code != code || !strings.Contains(fault.Reason, reason) {
		t.Errorf("fault %v, want %v and %q", fault, code, reason)
	}
	return fault
}

// told returns what a guest made by telling replied.
func told(t testing.TB, m *Module) int {
	t.Helper()
	answer, fault := invoke(t, m, "hello!")
	if fault != nil {
		t.Fatal(fault)
	}
	if answer.Code != abi.OK || len(answer.Reply) != 4 {
		t.Fatalf("answer %v %q, want 4 bytes", answer.Code, answer.Reply)
	}
	return int(int32(binary.LittleEndian.Uint32(answer.Reply)))
}

// scratch is removed when all tests are done.
var scratch string

func TestMain(m *testing.M) {
	compiler.Main()
	dir, err := os.MkdirTemp("", "cofferdam-engine-test-")
	if err != nil {
		log.Fatal(err)
	}
	scratch = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// goGuest compiles testdata/guest once.
var goGuest = sync.OnceValues(func() ([]byte, error) {
	out := filepath.Join(scratch, "guest.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", out, "./testdata/guest")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return nil, errors.New(string(text))
	}
	return os.ReadFile(out)
})

func goGuestFile(t testing.TB) []byte {
	t.Helper()
	wasm, err := goGuest()
	if err != nil {
		t.Fatalf("build the guest: %v", err)
	}
	return wasm
}

// goCacheDir holds the compiled code of the Go guest, so that it is compiled
// once for all tests; under the race detector that takes half a minute, which
// COFFERDAM_TEST_CACHE saves after a run without it.
func goCacheDir() string {
	if kept := os.Getenv("COFFERDAM_TEST_CACHE"); kept != "" {
		return filepath.Join(kept, "engine")
	}
	return filepath.Join(scratch, "cache")
}

func loadGo(t testing.TB, limits Limits) *Module {
	t.Helper()
	wasm := goGuestFile(t)
	return loadWith(t, newEngine(t, goCacheDir(), operations(nil)), wasm, limits)
}

// usualLimits are those that a module gets of which the config says nothing.
func usualLimits() Limits {
	l := config.DefaultLimits
	return Limits{
		Memory: int64(l.Memory), Timeout: l.Timeout, HostCalls: l.HostCalls,
		Reply: int(l.Reply), Log: int(l.Log), Concurrency: l.Concurrency, Fuel: uint64(l.Fuel),
	}
}
