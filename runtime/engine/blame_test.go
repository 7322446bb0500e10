package engine

import (
	"context"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Who is to blame decides whether a module is switched off after some faults.
func TestBlame(t *testing.T) {
	asks := telling([]imported{readsMemory}, i32(0), i32(2), call(1), high)
	asks.data = "{}"
	subscription := make([]byte, 48)
	subscription[24+5] = 1 // the clock, 2⁴⁰ ns away
	var nothing *abi.MemoryInfo
	for _, test := range []struct {
		name   string
		guest  guest
		memory func(context.Context) (abi.MemoryInfo, error)
		want   bool
	}{
		{name: "a trap", guest: guest{handle: ops(unreachable, i32(0))}, want: true},
		{name: "an exit", guest: guest{imports: []imported{wasi("proc_exit", "i:")}, handle: ops(i32(3), call(0), i32(0))}, want: true},
		{name: "a pointer outside", guest: guest{imports: []imported{logs}, handle: ops(i32(1), i32(-1), i32(4), call(0), i32(0))}, want: true},
		{name: "work without end", guest: guest{handle: ops(forever(), i32(0))}, want: true},
		{name: "sleep without end", guest: guest{
			imports: []imported{wasi("poll_oneoff", "iiii:i")}, handle: ops(i32(0), i32(64), i32(1), i32(128), call(0)), data: string(subscription)}, want: true},
		{name: "a slow host call", guest: asks, memory: func(ctx context.Context) (abi.MemoryInfo, error) {
			<-ctx.Done()
			return abi.MemoryInfo{}, ctx.Err()
		}},
		{name: "a host call that panics", guest: asks, memory: func(context.Context) (abi.MemoryInfo, error) { return *nothing, nil }},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := loadWith(t, newEngine(t, "", operations(test.memory)), test.guest.assemble(), quick())
			_, fault := invoke(t, m, "hello!")
			if fault == nil || fault.Blame != test.want {
				t.Errorf("%+v, want a fault with blame %v", fault, test.want)
			}
		})
	}
}

func TestNobodyIsBlamedForAnEndFromOutside(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	e := newEngine(t, "", operations(func(ctx context.Context) (abi.MemoryInfo, error) {
		cancel()
		return abi.MemoryInfo{}, nil
	}))
	g := guest{imports: []imported{readsMemory}, handle: ops(i32(0), i32(2), call(0), drop, forever(), i32(0)), data: "{}"}
	c, _ := caller(t)
	if _, fault := invokeAs(ctx, t, loadWith(t, e, g.assemble(), patient()), c, "hello!"); fault == nil || fault.Blame {
		t.Errorf("got %+v, want a fault without blame", fault)
	}
}
