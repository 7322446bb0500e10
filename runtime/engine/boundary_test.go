package engine

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

const end = pageSize // of a memory of one page

// where is a place in a guest's memory, with what handing it over must lead to.
type where struct {
	name        string
	ptr, length int // as the guest writes them: -1 is 2³²−1
	want        int // the function's result, if there is no fault
	fault       abi.Code
}

func TestRequestRead(t *testing.T) {
	for _, test := range []where{
		{"all of it", 64, 6, 6, 0},
		{"more room than needed", 64, 100, 6, 0},
		{"no room", 64, 0, 6, 0},
		{"half the room", 64, 3, 6, 0},
		{"at 0", 0, 6, 6, 0},
		{"up to the end", end - 6, 6, 6, 0},
		{"one beyond the end", end - 5, 6, 0, abi.Invalid},
		{"a room beyond the end that is not needed", end - 6, 7, 0, abi.Invalid},
		{"nothing at the end", end, 0, 6, 0},
		{"nothing behind the end", end + 1, 0, 0, abi.Invalid},
		{"at -1", -1, 1, 0, abi.Invalid},
		{"nothing at -1", -1, 0, 0, abi.Invalid},
		{"4 GiB", 0, -1, 0, abi.Invalid},
		{"a sum that wraps to 5", 6, -1, 0, abi.Invalid},
		{"twice -1", -1, -1, 0, abi.Invalid},
		{"2 GiB", -1 << 31, -1 << 31, 0, abi.Invalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := load(t, telling([]imported{requestReads}, i32(test.ptr), i32(test.length), call(1)), patient())
			expect(t, m, test)
		})
	}
}

func expect(t *testing.T, m *Module, test where) {
	t.Helper()
	if test.fault != 0 {
		mustFault(t, m, test.fault, "the module ")
		return
	}
	if got := told(t, m); got != test.want {
		t.Errorf("got %d, want %d", got, test.want)
	}
}

// A buffer is never written beyond what the guest said of it.
func TestPartialReadsLeaveTheRestAlone(t *testing.T) {
	const canary = "################"
	m := load(t, guest{
		imports: []imported{requestReads, replyWrites, resultReads, readsMemory},
		handle: ops(
			i32(2), i32(3), call(0), drop,
			i32(0), i32(0), call(3), drop, // refused: not JSON
			i32(8), i32(4), call(2), drop,
			i32(0), i32(16), call(1)),
		data: canary,
	}, patient())
	answer, fault := invoke(t, m, "hello!")
	if got, want := string(answer.Reply), "##hel###"+`{"co`+"####"; fault != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, fault, want)
	}
}

func TestResultRead(t *testing.T) {
	refusal := `{"code":9,"message":"The module asked for something that makes no sense."}`
	for _, test := range []struct {
		name string
		code []byte
		want int
	}{
		{"before any call", ops(i32(0), i32(8), call(1)), 0},
		{"after a call", ops(i32(0), i32(2), call(2), drop, i32(64), i32(256), call(1)), len(`{"total":7,"used":0,"free":0,"available":0,"percent":0,"active":0,"inactive":0,"cached":0,"buffers":0,"shared":0,"swap":{"total":0,"used":0,"free":0,"percent":0,"in":0,"out":0}}`)},
		{"the length in the call's result", ops(i32(0), i32(0), call(2), wrap), len(refusal)},
		{"the code in the call's result", ops(i32(0), i32(0), call(2), high), int(abi.Invalid)},
		{"after a refusal", ops(i32(0), i32(0), call(2), drop, i32(64), i32(0), call(1)), len(refusal)},
		{"of the last call only", ops(i32(0), i32(2), call(2), drop, i32(0), i32(0), call(2), drop, i32(64), i32(0), call(1)), len(refusal)},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := telling([]imported{resultReads, readsMemory}, test.code)
			g.data = "{}"
			if got := told(t, load(t, g, patient())); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
	m := load(t, telling([]imported{resultReads}, i32(end), i32(1), call(1)), patient())
	mustFault(t, m, abi.Invalid, "outside its memory")
}

func TestReplyWrite(t *testing.T) {
	limits := patient()
	limits.Reply = 1000
	for _, test := range []where{
		{"nothing", 0, 0, 0, 0},
		{"one byte", 64, 1, 1, 0},
		{"the limit", 64, 1000, 1000, 0},
		{"one above the limit", 64, 1001, 0, abi.Limit},
		{"the last byte", end - 1, 1, 1, 0},
		{"one beyond the end", end - 1, 2, 0, abi.Invalid},
		{"at the end", end, 1, 0, abi.Invalid},
		{"nothing behind the end", end + 1, 0, 0, abi.Invalid},
		{"at -1", -1, 1, 0, abi.Invalid},
		{"4 GiB", 0, -1, 0, abi.Limit},
		{"2 GiB", 0, -1 << 31, 0, abi.Limit},
		{"a sum that wraps", -1, 2, 0, abi.Invalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := load(t, guest{imports: []imported{replyWrites}, handle: ops(i32(test.ptr), i32(test.length), call(0))}, limits)
			if test.fault != 0 {
				mustFault(t, m, test.fault, "the module ")
				return
			}
			if answer, fault := invoke(t, m, "hello!"); fault != nil || answer.Code != abi.OK || len(answer.Reply) != test.want {
				t.Errorf("got %v %d bytes, %v; want %d bytes", answer.Code, len(answer.Reply), fault, test.want)
			}
		})
	}
}

func TestReplyIsWrittenOnce(t *testing.T) {
	m := load(t, guest{
		imports: []imported{replyWrites},
		handle:  ops(i32(0), i32(5), call(0), drop, i32(5), i32(6), call(0)),
		data:    "firstsecond",
	}, patient())
	answer, fault := invoke(t, m, "")
	if fault != nil || answer.Code != abi.Conflict || string(answer.Reply) != "first" {
		t.Errorf("got %v %q, %v", answer.Code, answer.Reply, fault)
	}
}

// The reply is the host's own copy: what the guest does to its memory after
// handing it over does not show.
func TestReplyIsACopy(t *testing.T) {
	m := load(t, guest{
		imports: []imported{replyWrites},
		handle:  ops(i32(0), i32(5), call(0), drop, i32(0), i32('X'), i32(5), fill, i32(0)),
		data:    "first",
	}, patient())
	if answer, fault := invoke(t, m, ""); fault != nil || string(answer.Reply) != "first" {
		t.Errorf("got %q, %v", answer.Reply, fault)
	}
}

func TestOperationReadsItsRequestFromTheMemory(t *testing.T) {
	for _, test := range []where{
		{"good", 0, 2, int(abi.OK), 0},
		{"empty", 0, 0, int(abi.Invalid), 0},
		{"not JSON", 0, 1, int(abi.Invalid), 0},
		{"as long as allowed, but not JSON", 0, maxHostRequest, int(abi.Invalid), 0},
		{"too long", 0, maxHostRequest + 1, 0, abi.Limit},
		{"4 GiB", 0, -1, 0, abi.Limit},
		{"one beyond the end", 2*end - 1, 2, 0, abi.Invalid},
		{"at -1", -1, 2, 0, abi.Invalid},
		{"nothing behind the end", 2*end + 1, 0, 0, abi.Invalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := telling([]imported{readsMemory}, i32(test.ptr), i32(test.length), call(1), high)
			g.data, g.memory = "{}", pages(2)
			expect(t, load(t, g, patient()), test)
		})
	}
}

// An operation that is linked still asks the grant of the call: the one with
// which the module was loaded may be older.
func TestOperationAsksTheCallersGrant(t *testing.T) {
	g := telling([]imported{readsMemory}, i32(0), i32(2), call(1), high)
	g.data = "{}"
	m := load(t, g, patient())
	c, _ := caller(t)
	c.Actor.Role = abi.RoleStranger
	if answer, fault := invokeAs(t.Context(), t, m, c, ""); fault != nil || answer.Reply[0] != byte(abi.Denied) {
		t.Errorf("a stranger: %+v, %v", answer, fault)
	}
}

func TestReturnCodes(t *testing.T) {
	for returned, want := range map[int]abi.Code{
		0: abi.OK, 1: abi.Denied, 2: abi.AuthRequired, 9: abi.Invalid, 10: abi.Internal,
		11: abi.Internal, -1: abi.Internal, 1 << 30: abi.Internal, -1 << 31: abi.Internal, 256: abi.Internal,
	} {
		m := load(t, guest{handle: i32(returned)}, patient())
		if answer, fault := invoke(t, m, ""); fault != nil || answer.Code != want {
			t.Errorf("%d became %v, %v; want %v", returned, answer.Code, fault, want)
		}
	}
}

func TestTraps(t *testing.T) {
	for _, test := range []struct {
		name   string
		guest  guest
		reason string
	}{
		{"unreachable", guest{handle: unreachable}, "unreachable"},
		{"a load beyond the memory", guest{handle: ops(i32(-1), load8)}, "out of bounds memory access"},
		{"a division by zero", guest{handle: ops(i32(1), i32(0), []byte{0x6d})}, "divide by zero"},
		{"exit with 0", guest{imports: []imported{exits}, handle: ops(i32(0), call(0), i32(0))}, "exited with status 0"},
		{"exit with 1", guest{imports: []imported{exits}, handle: ops(i32(1), call(0), i32(0))}, "exited with status 1"},
		{"exit with wazero's code for a deadline", guest{imports: []imported{exits}, handle: ops(i32(-0x10000001), call(0), i32(0))}, "exited with status 4026531839"},
		{"an exit after a reply", guest{imports: []imported{exits, replyWrites}, handle: ops(i32(0), i32(5), call(1), drop, i32(0), call(0), i32(0))}, "exited with status 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := load(t, test.guest, patient())
			for range 2 { // a fault costs its own invocation only
				mustFault(t, m, abi.Internal, test.reason)
			}
		})
	}
}

func TestRecursionIsBounded(t *testing.T) {
	mustFault(t, load(t, guest{handle: ops(length, call(0))}, patient()), abi.Limit, "calls itself too deeply")
}

func TestStdinIsEmptyAndThereAreNoFiles(t *testing.T) {
	const reads, prestat = 1, 2
	imports := []imported{wasi("fd_read", "iiii:i"), wasi("fd_prestat_get", "ii:i")}
	for _, test := range []struct {
		name string
		code []byte
		want int
	}{
		{"stdin can be read", ops(i32(0), i32(0), i32(1), i32(16), call(reads)), 0},
		{"and is at its end", ops(i32(0), i32(0), i32(1), i32(16), call(reads), drop, i32(16), load8), 0},
		{"descriptor 3 is not open", ops(i32(3), i32(0), i32(1), i32(16), call(reads)), 8},
		{"and leads to no folder", ops(i32(3), i32(0), call(prestat)), 8},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := telling(imports, test.code)
			g.data = "\x40\x00\x00\x00\x10\x00\x00\x00........\xff" // a buffer of 16 bytes at 64
			if got := told(t, load(t, g, patient())); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

// A mistake in our own operations costs the invocation, not the process, and
// its stack is for DEBUG.
func TestPanicInAnOperation(t *testing.T) {
	type deep struct{ next *deep }
	for name, boom := range map[string]func(){
		"nil pointer":           func() { var d *deep; d.next = nil },
		"index":                 func() { var s []int; n := 3; s[n] = 1 },
		"an error":              func() { panic(errors.New("first line\nsecond line")) },
		"text":                  func() { panic("first line\n\x1b[31msecond line\ngoroutine 1 [running]:") },
		"text without end":      func() { panic(strings.Repeat("x", 1<<20)) },
		"text in control codes": func() { panic("\r\x1b[2J\u202e") },
	} {
		t.Run(name, func(t *testing.T) {
			armed := true
			e := newEngine(t, "", operations(func(context.Context) (abi.MemoryInfo, error) {
				if armed {
					boom()
				}
				return abi.MemoryInfo{}, nil
			}))
			g := telling([]imported{readsMemory}, i32(0), i32(2), call(1), high)
			g.data = "{}"
			m := loadWith(t, e, g.assemble(), patient())
			fault := mustFault(t, m, abi.Internal, "")
			if fault.Stack == "" || len(fault.Stack) > maxStack {
				t.Errorf("a stack of %d bytes", len(fault.Stack))
			}
			armed = false
			if got := told(t, m); got != 0 {
				t.Errorf("afterwards: code %d", got)
			}
		})
	}
}

func TestEachInvocationIsPristine(t *testing.T) {
	// Adds 1 to the byte at 16 and tells what it was.
	m := load(t, telling(nil, i32(16), load8, i32(16), i32(16), load8, i32(1), []byte{0x6a, 0x3a, 0, 0}), patient())
	for range 3 {
		if got := told(t, m); got != 0 {
			t.Fatalf("a later invocation sees %d", got)
		}
	}
}
