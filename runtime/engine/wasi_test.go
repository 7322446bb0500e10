package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// wasiRig calls WASI's functions as a guest with one page of memory would.
type wasiRig struct {
	*invocation
	ctx   context.Context
	guest api.Module
}

func newWASIRig(t testing.TB, timeout time.Duration) *wasiRig {
	t.Helper()
	return wasiRigOf(t, load(t, guest{}, patient()), timeout)
}

func wasiRigOf(t testing.TB, m *Module, timeout time.Duration) *wasiRig {
	t.Helper()
	i, err := m.code.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.code.give(t.Context(), i, true) })
	c, _ := caller(t)
	inv := m.invocation(c, nil)
	ctx, cancel := context.WithTimeout(withInvocation(t.Context(), inv), timeout)
	t.Cleanup(cancel)
	return &wasiRig{inv, ctx, i.guest}
}

// call returns the errno.
func (r *wasiRig) call(name string, params ...uint64) uint32 {
	f := wasiFunctions[name]
	stack := make([]uint64, max(f.params, 1))
	copy(stack, params)
	return f.call(r.ctx, r.guest, stack)
}

func (r *wasiRig) bytes(at, n uint32) []byte {
	part, _ := r.guest.Memory().Read(at, n)
	return slices.Clone(part)
}

const minusOne = math.MaxUint32

func TestWASIRefusesWhatMakesNoSense(t *testing.T) {
	r := newWASIRig(t, time.Minute)
	for _, test := range []struct {
		name   string
		params []uint64
		want   uint32
	}{
		{"args_sizes_get", []uint64{0, 4}, wasiOK},
		{"args_sizes_get", []uint64{end - 3, 0}, wasiFault},
		{"args_sizes_get", []uint64{0, minusOne}, wasiFault},
		{"environ_sizes_get", []uint64{end, 0}, wasiFault},
		{"args_get", []uint64{minusOne, minusOne}, wasiOK}, // there is nothing to write
		{"clock_res_get", []uint64{0, 0}, wasiOK},
		{"clock_res_get", []uint64{1, end - 7}, wasiFault},
		{"clock_res_get", []uint64{2, 0}, wasiInval},
		{"clock_time_get", []uint64{0, 0, 0}, wasiOK},
		{"clock_time_get", []uint64{1, math.MaxUint64, end - 8}, wasiOK},
		{"clock_time_get", []uint64{1, 0, end - 7}, wasiFault},
		{"clock_time_get", []uint64{3, 0, 0}, wasiInval}, // processor time of a thread
		{"random_get", []uint64{0, end}, wasiOK},
		{"random_get", []uint64{1, end}, wasiFault},
		{"random_get", []uint64{minusOne, 1}, wasiFault},
		{"random_get", []uint64{end, 0}, wasiOK},
		{"fd_write", []uint64{0, 0, 0, 0}, wasiBadF},
		{"fd_write", []uint64{3, 0, 0, 0}, wasiBadF},
		{"fd_write", []uint64{minusOne, 0, 0, 0}, wasiBadF},
		{"fd_write", []uint64{1, minusOne, 0, 64}, wasiOK}, // no buffers
		{"fd_write", []uint64{1, minusOne - 7, 1, 64}, wasiFault},
		{"fd_write", []uint64{1, minusOne - 3, 2, 64}, wasiFault},
		{"fd_write", []uint64{1, end - 7, 1, 64}, wasiFault},
		{"fd_write", []uint64{1, 0, maxVectors + 1, 64}, wasiInval},
		{"fd_write", []uint64{1, 0, minusOne, 64}, wasiInval},
		{"fd_write", []uint64{1, 0, 0, end - 3}, wasiFault},
		{"fd_read", []uint64{0, minusOne, minusOne, 64}, wasiOK},
		{"fd_read", []uint64{0, 0, 0, end}, wasiFault},
		{"fd_read", []uint64{1, 0, 0, 64}, wasiBadF},
		{"fd_close", []uint64{2}, wasiOK},
		{"fd_close", []uint64{3}, wasiBadF},
		{"fd_fdstat_get", []uint64{2, end - 24}, wasiOK},
		{"fd_fdstat_get", []uint64{2, end - 23}, wasiFault},
		{"fd_fdstat_get", []uint64{3, 0}, wasiBadF},
		{"fd_fdstat_set_flags", []uint64{1, 4}, wasiOK},
		{"fd_seek", []uint64{1, 0, 0, 0}, wasiSPipe},
		{"fd_seek", []uint64{9, 0, 0, 0}, wasiBadF},
		{"fd_prestat_get", []uint64{3, 0}, wasiBadF},
		{"fd_prestat_dir_name", []uint64{3, 0, 0}, wasiBadF},
		{"poll_oneoff", []uint64{0, 0, 0, 64}, wasiInval},
		{"poll_oneoff", []uint64{0, 0, maxSubscriptions + 1, 64}, wasiInval},
		{"poll_oneoff", []uint64{0, 0, 1 << 28, 64}, wasiInval}, // times 48 it wraps to 0
		{"poll_oneoff", []uint64{end - 47, 0, 1, 64}, wasiFault},
		{"sched_yield", nil, wasiOK},
	} {
		t.Run(fmt.Sprintf("%s%v", test.name, test.params), func(t *testing.T) {
			r.guest.Memory().Write(0, make([]byte, end))
			if got := r.call(test.name, test.params...); got != test.want {
				t.Errorf("errno %d, want %d", got, test.want)
			}
		})
	}
}

func TestWASIHasNoArgumentsAndNoEnvironment(t *testing.T) {
	r := newWASIRig(t, time.Minute)
	for _, name := range []string{"args_sizes_get", "environ_sizes_get"} {
		r.guest.Memory().Write(0, []byte("########"))
		if errno := r.call(name, 0, 4); errno != wasiOK || string(r.bytes(0, 8)) != strings.Repeat("\x00", 8) {
			t.Errorf("%s: %d, %q", name, errno, r.bytes(0, 8))
		}
	}
}

// subscribe writes one subscription: to a clock with its time, or to a
// descriptor.
func subscribe(userdata uint64, kind byte, what uint32, ns uint64, absolute bool) []byte {
	s := make([]byte, subscriptionSize)
	binary.LittleEndian.PutUint64(s, userdata)
	s[8] = kind
	binary.LittleEndian.PutUint32(s[16:], what)
	binary.LittleEndian.PutUint64(s[24:], ns)
	if absolute {
		s[40] = 1
	}
	return s
}

func TestWASIPolls(t *testing.T) {
	const soonNS, never = uint64(2e6), uint64(1) << 62
	for _, test := range []struct {
		name          string
		subscriptions [][]byte
		events        []string // userdata and errno
	}{
		{"a clock", [][]byte{subscribe(7, 0, clockMonotonic, soonNS, false)}, []string{"7:0"}},
		{"the first of two clocks", [][]byte{subscribe(7, 0, clockMonotonic, never, false), subscribe(8, 0, clockReal, soonNS, false)}, []string{"8:0"}},
		{"a time that is over", [][]byte{subscribe(7, 0, clockReal, 1, true)}, []string{"7:0"}},
		{"a time to come", [][]byte{subscribe(7, 0, clockReal, uint64(time.Now().Add(5*time.Millisecond).UnixNano()), true)}, []string{"7:0"}},
		{"a stream is ready at once", [][]byte{subscribe(7, 0, clockMonotonic, never, false), subscribe(8, 2, 1, 0, false)}, []string{"8:0"}},
		{"a descriptor that there is not", [][]byte{subscribe(8, 1, 3, 0, false)}, []string{"8:8"}},
		{"a clock that there is not", [][]byte{subscribe(8, 0, 3, 0, false)}, []string{"8:58"}},
		{"a kind that there is not", [][]byte{subscribe(8, 3, 0, 0, false)}, []string{"8:28"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newWASIRig(t, time.Minute)
			r.guest.Memory().Write(0, slices.Concat(test.subscriptions...))
			if errno := r.call("poll_oneoff", 0, 4096, uint64(len(test.subscriptions)), 8192); errno != wasiOK {
				t.Fatalf("errno %d", errno)
			}
			var got []string
			for n := range binary.LittleEndian.Uint32(r.bytes(8192, 4)) {
				event := r.bytes(4096+n*eventSize, eventSize)
				got = append(got, fmt.Sprintf("%d:%d", binary.LittleEndian.Uint64(event), binary.LittleEndian.Uint16(event[8:])))
			}
			if !slices.Equal(got, test.events) {
				t.Errorf("events %v, want %v", got, test.events)
			}
		})
	}
}

// A guest that closes its streams does so for nobody, itself included: there is
// no state in which it could leave a mark.
func TestWASIKeepsNoState(t *testing.T) {
	r := newWASIRig(t, time.Minute)
	r.guest.Memory().Write(0, []byte{16, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'h', 'i', '\n'})
	for _, fd := range []uint64{1, 2} {
		if errno := r.call("fd_close", fd); errno != wasiOK {
			t.Error(errno)
		}
		if errno := r.call("fd_write", fd, 0, 1, 64); errno != wasiOK || r.bytes(64, 1)[0] != 3 {
			t.Errorf("written after it was closed: %d, %v", errno, r.bytes(64, 4))
		}
	}
}

func TestRandomIsCutAtTheDeadline(t *testing.T) {
	r := newWASIRig(t, time.Nanosecond)
	<-r.ctx.Done()
	defer func() {
		if fault, ok := recover().(*Fault); !ok || fault.Code != abi.Timeout || !fault.Blame {
			t.Errorf("recovered %v", fault)
		}
	}()
	r.call("random_get", 0, end)
	t.Error("it went on")
}

// FuzzWASI calls each function with whatever a guest may hand over.
func FuzzWASI(f *testing.F) {
	names := slices.Sorted(maps.Keys(wasiFunctions))
	for n := range names {
		f.Add(uint8(n), uint64(0), uint64(0), uint64(1), uint64(64), []byte{1, 2, 3})
		f.Add(uint8(n), uint64(1), uint64(end-4), uint64(minusOne), uint64(minusOne), subscribe(1, 0, 1, 1<<62, true))
	}
	m := load(f, guest{}, patient())
	f.Fuzz(func(t *testing.T, which uint8, a, b, c, d uint64, content []byte) {
		r := wasiRigOf(t, m, 2*time.Millisecond)
		r.guest.Memory().Write(0, content[:min(len(content), end)])
		defer func() {
			if r := recover(); r != nil {
				if fault, ok := r.(*Fault); !ok || fault.Code != abi.Timeout {
					panic(r)
				}
			}
		}()
		if errno := r.call(names[int(which)%len(names)], a, b, c, d); errno > 76 {
			t.Errorf("errno %d is not WASI's", errno)
		}
	})
}
