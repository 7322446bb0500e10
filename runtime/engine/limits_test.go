package engine

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// soon fails a test that took longer than a busy machine explains.
func soon(t *testing.T, began time.Time, least time.Duration) {
	t.Helper()
	if took := time.Since(began); took < least || took > least+5*time.Second {
		t.Errorf("it took %v, want a little more than %v", took, least)
	}
}

func TestLoopIsStoppedAtTheDeadline(t *testing.T) {
	for name, body := range map[string][]byte{
		"nothing in it": nil,
		"a host call":   ops(i32(0), i32(0), call(0), drop),
		"a log line":    ops(i32(1), i32(0), i32(4), call(1)),
		"memory.grow":   ops(i32(1), grow, drop),
		"memory.fill":   ops(i32(0), i32(0), i32(end), fill),
		"another loop":  forever(),
	} {
		t.Run(name, func(t *testing.T) {
			m := load(t, guest{imports: []imported{requestReads, logs}, handle: ops(forever(body), i32(0))}, quick())
			began := time.Now()
			mustFault(t, m, abi.Timeout, "deadline")
			soon(t, began, quick().Timeout)
		})
	}
}

func TestSleepIsCutAtTheDeadline(t *testing.T) {
	// One subscription to the clock, 2⁴⁰ ns away.
	subscription := make([]byte, 48)
	subscription[24+5] = 1
	for name, handle := range map[string][]byte{
		"once":       ops(i32(0), i32(64), i32(1), i32(128), call(0)),
		"in a loop":  ops(forever(i32(0), i32(64), i32(1), i32(128), call(0), drop), i32(0)),
		"many times": ops(times(8, i32(0), i32(64), i32(1), i32(128), call(0), drop), i32(0)),
	} {
		t.Run(name, func(t *testing.T) {
			m := load(t, guest{imports: []imported{wasi("poll_oneoff", "iiii:i")}, handle: handle, data: string(subscription)}, quick())
			began := time.Now()
			mustFault(t, m, abi.Timeout, "sleep")
			soon(t, began, quick().Timeout)
		})
	}
}

// An operation that does not obey its context is not the guest's fault, but
// what it brings home too late does not count.
func TestOperationBeyondTheDeadline(t *testing.T) {
	e := newEngine(t, "", operations(func(ctx context.Context) (abi.MemoryInfo, error) {
		<-ctx.Done()
		return abi.MemoryInfo{Total: 7}, nil
	}))
	g := telling([]imported{readsMemory}, i32(0), i32(2), call(1), high)
	g.data = "{}"
	m := loadWith(t, e, g.assemble(), quick())
	mustFault(t, m, abi.Timeout, "stopped in a host call: context deadline exceeded")
}

// The start is run once: what it drew then, every invocation begins with.
func TestStartRunsOnce(t *testing.T) {
	g := telling([]imported{wasi("random_get", "ii:i")}, i32(16), []byte{0x28, 2, 0}) // i32.load
	g.init = ops(i32(16), i32(4), call(1), drop)
	m := load(t, g, patient())
	first := told(t, m)
	for range 3 {
		if got := told(t, m); got != first {
			t.Errorf("started with %d, then with %d", first, got)
		}
	}
	if again := told(t, load(t, g, patient())); again == first {
		t.Errorf("two modules drew %d", again)
	}
}

func TestMemoryLimit(t *testing.T) {
	limits := patient()
	limits.Memory = 4*pageSize + 1 // counts as 4 pages
	for _, test := range []struct {
		name  string
		guest guest
		want  int
	}{
		{"up to the limit", telling(nil, i32(3), grow), 1},
		{"one page beyond", telling(nil, i32(4), grow), -1},
		{"in two steps", telling(nil, i32(3), grow, drop, i32(1), grow), -1},
		{"65,535 pages", telling(nil, i32(65535), grow), -1},
		{"-1 pages", telling(nil, i32(-1), grow), -1},
		{"beyond its own bound", guest{imports: telling(nil).imports, handle: telling(nil, i32(2), grow).handle, memory: pages(1, 2)}, -1},
		{"a bound above the limit", guest{imports: telling(nil).imports, handle: telling(nil, i32(4), grow).handle, memory: pages(1, 65536)}, -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := told(t, load(t, test.guest, limits)); got != test.want {
				t.Errorf("memory.grow gave %d, want %d", got, test.want)
			}
		})
	}
	if _, err := tryLoad(t, newEngine(t, "", operations(nil)), guest{memory: pages(5)}.assemble(), limits); err == nil {
		t.Error("5 pages at the start were allowed")
	}
	m := load(t, guest{handle: ops(i32(2), grow, drop, i32(0))}, limits)
	if answer, fault := invoke(t, m, ""); fault != nil || answer.Used.Memory != 3*pageSize {
		t.Errorf("used %+v, %v", answer.Used, fault)
	}
}

// Equal bytes may come from equal code, but not under equal limits.
func TestMemoryLimitIsTheModulesOwn(t *testing.T) {
	e := newEngine(t, t.TempDir(), operations(nil))
	wasm := telling(nil, i32(1), grow).assemble()
	small := patient()
	small.Memory = pageSize
	for range 2 {
		if got := told(t, loadWith(t, e, wasm, patient())); got != 1 {
			t.Errorf("with 64 MiB: %d", got)
		}
		if got := told(t, loadWith(t, e, wasm, small)); got != -1 {
			t.Errorf("with 64 KiB: %d", got)
		}
	}
}

func TestHostCallLimit(t *testing.T) {
	limits := patient()
	limits.HostCalls = 3
	ask := ops(i32(0), i32(2), call(0), drop)
	free := ops(i32(8), i32(0), call(1), drop) // not an operation, so not counted
	for calls, fails := range map[int]bool{0: false, 3: false, 4: true} {
		m := load(t, guest{imports: []imported{readsMemory, requestReads}, handle: ops(times(20, free), times(calls, ask), i32(0)), data: "{}"}, limits)
		for range 2 { // counted anew for each invocation
			answer, fault := invoke(t, m, "")
			if failed := fault != nil; failed != fails || fails && fault.Code != abi.Limit {
				t.Errorf("%d calls: %v", calls, fault)
			}
			if want := min(calls, 3); answer.Used.HostCalls != want {
				t.Errorf("%d calls: %d were counted", calls, answer.Used.HostCalls)
			}
		}
	}
	limits.HostCalls = 0
	m := load(t, guest{imports: []imported{readsMemory}, handle: ops(ask, i32(0)), data: "{}"}, limits)
	mustFault(t, m, abi.Limit, "more host calls")
}

// blocking is an engine whose one operation blocks until it is let go.
type blocking struct {
	*Engine
	entered chan struct{}
	release chan struct{}
	inside  atomic.Int32
	most    atomic.Int32
}

func newBlocking(t *testing.T) *blocking {
	b := &blocking{entered: make(chan struct{}, 100), release: make(chan struct{})}
	b.Engine = newEngine(t, "", operations(func(context.Context) (abi.MemoryInfo, error) {
		n := b.inside.Add(1)
		defer b.inside.Add(-1)
		for most := b.most.Load(); n > most && !b.most.CompareAndSwap(most, n); most = b.most.Load() {
		}
		b.entered <- struct{}{}
		<-b.release
		return abi.MemoryInfo{}, nil
	}))
	return b
}

func asking() []byte {
	return guest{imports: []imported{readsMemory}, handle: ops(i32(0), i32(2), call(0), high), data: "{}"}.assemble()
}

func TestConcurrencyIsBounded(t *testing.T) {
	limits := patient()
	limits.Concurrency = 2
	b := newBlocking(t)
	m := loadWith(t, b.Engine, asking(), limits)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			if _, fault := invoke(t, m, ""); fault != nil {
				t.Error(fault)
			}
		})
	}
	<-b.entered
	<-b.entered
	// Both places are taken: who waits obeys its context, and only that.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	c, _ := caller(t)
	if _, fault := invokeAs(ctx, t, m, c, ""); fault == nil || fault.Code != abi.Timeout {
		t.Errorf("who waits: %v", fault)
	}
	// Another module has places of its own.
	other := loadWith(t, newEngine(t, "", operations(nil)), asking(), limits)
	if _, fault := invoke(t, other, ""); fault != nil {
		t.Errorf("another module: %v", fault)
	}
	close(b.release)
	all.Wait()
	if most := b.most.Load(); most != 2 {
		t.Errorf("%d ran at once, want 2", most)
	}
}

func TestCallerMayGiveUp(t *testing.T) {
	for name, handle := range map[string][]byte{
		"in a loop":      ops(forever(), i32(0)),
		"before it runs": i32(0),
	} {
		t.Run(name, func(t *testing.T) {
			m := load(t, guest{imports: []imported{logs}, handle: slices.Concat(i32(1), i32(0), i32(1), call(0), handle), data: "x"}, patient())
			ctx, cancel := context.WithCancel(t.Context())
			if name == "before it runs" {
				cancel()
			} else {
				time.AfterFunc(20*time.Millisecond, cancel)
			}
			defer cancel()
			c, _ := caller(t)
			began := time.Now()
			if _, fault := invokeAs(ctx, t, m, c, ""); fault == nil || fault.Code != abi.Timeout || ctx.Err() == nil {
				t.Errorf("got %v", fault)
			}
			soon(t, began, 0)
		})
	}
}
