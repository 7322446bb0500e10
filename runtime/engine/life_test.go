package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

func TestCloseEndsWhatRuns(t *testing.T) {
	for name, g := range map[string]guest{
		"a loop":  {imports: []imported{logs}, handle: ops(i32(1), i32(0), i32(1), call(0), forever(), i32(0)), data: "x"},
		"a sleep": {imports: []imported{logs, wasi("poll_oneoff", "iiii:i")}, handle: ops(i32(1), i32(0), i32(1), call(0), i32(0), i32(64), i32(1), i32(128), call(1)), data: "x" + strings.Repeat("\x00", 28) + "\x7f" + strings.Repeat("\x00", 18)},
	} {
		t.Run(name, func(t *testing.T) {
			m := load(t, g, patient())
			c, lines := caller(t)
			var running sync.WaitGroup
			running.Go(func() {
				if _, fault := invokeAs(t.Context(), t, m, c, ""); fault == nil || fault.Code != abi.Unavailable {
					t.Errorf("what ran: %v", fault)
				}
			})
			for lines.Len() == 0 { // until the guest has said something
				runtime.Gosched()
			}
			began := time.Now()
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
			soon(t, began, 0)
			running.Wait()
			mustFault(t, m, abi.Unavailable, "closed")
			if err := m.Close(t.Context()); err != nil {
				t.Errorf("closed again: %v", err)
			}
		})
	}
}

// Memory must not go while an operation may still touch it.
func TestCloseWaitsForOperations(t *testing.T) {
	b := newBlocking(t)
	m := loadWith(t, b.Engine, asking(), patient())
	var running sync.WaitGroup
	running.Go(func() {
		if _, fault := invoke(t, m, ""); fault == nil || fault.Code != abi.Unavailable {
			t.Errorf("what ran: %v", fault)
		}
	})
	<-b.entered
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := m.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "hostile") {
		t.Errorf("closed while an operation runs: %v", err)
	}
	mustFault(t, m, abi.Unavailable, "closed")
	close(b.release)
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
	running.Wait()
}

func TestEngineCloseStopsAllModules(t *testing.T) {
	e := newEngine(t, "", operations(nil))
	loops := loadWith(t, e, guest{imports: []imported{logs}, handle: ops(i32(1), i32(0), i32(1), call(0), forever(), i32(0)), data: "x"}.assemble(), patient())
	rests := loadWith(t, e, guest{}.assemble(), patient())
	c, lines := caller(t)
	var running sync.WaitGroup
	running.Go(func() {
		if _, fault := invokeAs(t.Context(), t, loops, c, ""); fault == nil || fault.Code != abi.Unavailable {
			t.Errorf("what ran: %v", fault)
		}
	})
	for lines.Len() == 0 {
		runtime.Gosched()
	}
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
	running.Wait()
	mustFault(t, rests, abi.Unavailable, "closed")
	if _, err := tryLoad(t, e, guest{}.assemble(), patient()); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("loaded afterwards: %v", err)
	}
}

func TestInvocationsLeaveNothingBehind(t *testing.T) {
	const n = 200
	modules := []*Module{
		load(t, guest{memory: pages(64)}, patient()),
		load(t, guest{memory: pages(64), handle: unreachable}, patient()),
		load(t, guest{memory: pages(64), imports: []imported{exits}, handle: ops(i32(1), call(0), i32(0))}, patient()),
		load(t, guest{memory: pages(64), imports: []imported{logs}, handle: ops(i32(1), i32(-1), i32(1), call(0), i32(0))}, patient()),
	}
	round := func(times int) {
		for i := range times {
			invoke(t, modules[i%len(modules)], "")
		}
	}
	round(len(modules))
	goroutines, heap := runtime.NumGoroutine(), heapInUse()
	round(n)
	waitFor(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
	if grown := int64(heapInUse()) - int64(heap); grown > 2<<20 {
		t.Errorf("%d invocations with 4 MiB each left %d KiB on the heap", n, grown>>10)
	}
}

// Modules are loaded again when their files change: neither one that was
// closed nor one that was refused may stay.
func TestLoadsLeaveNothingBehind(t *testing.T) {
	e := newEngine(t, t.TempDir(), operations(nil))
	round := func(from, to int) {
		for i := from; i < to; i++ {
			data := fmt.Sprint("version ", i)
			for _, g := range []guest{
				{memory: pages(64), data: data},
				{init: unreachable, data: data},
				{imports: []imported{host(abi.OpDockerInfo, "ii:I")}, data: data},
			} {
				if m, err := e.Load(t.Context(), Source{Name: "hostile", Wasm: g.assemble(), Limits: patient()}); err == nil {
					if err := m.Close(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		}
	}
	round(0, 1)
	goroutines, heap, code := runtime.NumGoroutine(), heapInUse(), codeMappings(t)
	round(1, 40)
	waitFor(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
	if grown := int64(heapInUse()) - int64(heap); grown > 2<<20 {
		t.Errorf("120 loads left %d KiB on the heap", grown>>10)
	}
	waitFor(t, "native code to be unmapped", func() bool { runtime.GC(); return codeMappings(t) <= code+5 })
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // the first one runs finalizers
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// codeMappings counts this process's executable memory that is no file's.
func codeMappings(t *testing.T) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(maps)) {
		if fields := strings.Fields(line); len(fields) == 5 && strings.Contains(fields[1], "x") {
			n++
		}
	}
	return n
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for began := time.Now(); !done(); time.Sleep(time.Millisecond) {
		if time.Since(began) > 5*time.Second {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
