package engine

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// kinds are the ways to make an instance pristine again.
var kinds = map[string]memories{"mapped": systemMemories(), "copied": plain{}}

func loadKind(t *testing.T, kind memories, g guest, limits Limits) *Module {
	t.Helper()
	e := newEngine(t, "", operations(nil))
	e.memories = kind
	return loadWith(t, e, g.assemble(), limits)
}

// canary tells the first byte of the request that the last invocation had, and
// then does something with its own: ends, traps, grows or works for ever. The
// request is copied to 1024, which is zero at first.
func canary(then ...[]byte) guest {
	g := telling([]imported{requestReads}, ops(
		i32(1024), load8, // what the last one left
		i32(1024), i32(6), call(1), drop), ops(then...))
	return g
}

const sayGrow, saySpin, sayTrap = 'g', 's', 't'

// misbehaving does what the first byte of its request says.
func misbehaving() guest {
	says := func(what byte, code ...[]byte) []byte {
		return ops(i32(1024), load8, i32(int(what)), []byte{0x46}, iff(code...)) // i32.eq
	}
	return canary(
		says(sayGrow, i32(1), grow, drop),
		says(sayTrap, unreachable),
		says(saySpin, forever()))
}

// What one invocation was told, the next never sees, whatever the one did in
// between (F5).
func TestACanaryIsNeverSeenAgain(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			limits := patient()
			limits.Timeout = 50 * time.Millisecond
			m := loadKind(t, kind, misbehaving(), limits)
			for range 3 {
				for _, request := range []string{"x-secret", "grow-secret", "trap-secret", "spin-secret"} {
					answer, fault := invoke(t, m, request)
					bad := request[0] == sayTrap || request[0] == saySpin
					if (fault != nil) != bad {
						t.Fatalf("%s: %v", request, fault)
					}
					if !bad && binary.LittleEndian.Uint32(answer.Reply) != 0 {
						t.Fatalf("%s: the invocation before left %q", request, answer.Reply)
					}
				}
			}
		})
	}
}

func TestCanariesSideBySide(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			m := loadKind(t, kind, misbehaving(), patient())
			var all sync.WaitGroup
			for range 2 * m.limits.Concurrency {
				all.Go(func() {
					for _, request := range strings.Fields(strings.Repeat("x-secret grow-secret trap-secret ", 30)) {
						answer, fault := invoke(t, m, request)
						if fault == nil && binary.LittleEndian.Uint32(answer.Reply) != 0 {
							t.Errorf("%s: another invocation left %q", request, answer.Reply)
						}
					}
				})
			}
			all.Wait()
			if n := len(m.code.idle); n > m.limits.Concurrency {
				t.Errorf("%d instances wait for work; at most %d run at a time", n, m.limits.Concurrency)
			}
		})
	}
}

// Globals are wiped as memory is: here one that counts.
func TestGlobalsAreWiped(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			g := telling(nil, []byte{0x23, 0}, []byte{0x23, 0}, i32(1), []byte{0x6a, 0x24, 0}) // global.get 0, then add 1 to it
			g.globals = [][]byte{{0x7f, 1, 0x41, 5, 0x0b}}                                     // a mutable i32 of 5
			m := loadKind(t, kind, g, patient())
			for range 3 {
				if got := told(t, m); got != 5 {
					t.Errorf("it begins with %d", got)
				}
			}
		})
	}
}

// State that no snapshot holds means an instance from nothing for each
// invocation: here a table that the module writes.
func TestHiddenStateIsFresh(t *testing.T) {
	g := telling(nil,
		i32(0), []byte{0x25, 0}, []byte{0xd1}, // is element 0 null?
		i32(0), []byte{0xd2, 1}, []byte{0x26, 0}) // then make it function 1
	g.table = []byte{0x70, 0, 1}
	m := load(t, g, patient())
	if m.code.pristine != nil {
		t.Fatal("a module that writes its table has a snapshot")
	}
	for range 3 {
		if got := told(t, m); got != 1 {
			t.Errorf("the table is written already")
		}
	}
}

// Its start runs in nobody's name, at every invocation.
func TestAFreshStartRunsInNobodysName(t *testing.T) {
	asks := ops(i32(0), i32(2), call(0), high)
	g := guest{
		imports: []imported{readsMemory, replyWrites},
		init:    ops(asks, i32(int(abi.Denied)), unequal, iff(unreachable)),
		handle:  ops(i32(0), []byte{0xd2, 2}, []byte{0x26, 0}, asks), // writes the table, and returns the code
		table:   []byte{0x70, 0, 1}, data: "{}",
		exports: []exported{{"f", 0, 2}}, // what ref.func names must be declared
	}
	m := load(t, g, patient())
	for range 2 {
		answer, fault := invoke(t, m, "")
		if fault != nil || answer.Code != abi.OK || answer.Used.HostCalls != 2 { // of both
			t.Errorf("%+v, %v", answer, fault)
		}
	}
}

// What the start wrote belongs to the pristine state.
func TestTheStartIsKept(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			g := telling(nil, i32(70_000), load8)
			g.memory = pages(1)
			g.init = ops(i32(1), grow, drop, i32(70_000), i32(7), []byte{0x3a, 0, 0})
			m := loadKind(t, kind, g, patient())
			for range 3 {
				if got := told(t, m); got != 7 {
					t.Errorf("it sees %d", got)
				}
			}
			// One that is made from the snapshot, and not used before.
			m.code.idle[0].close(t.Context())
			m.code.idle = nil
			if got := told(t, m); got != 7 {
				t.Errorf("a new instance sees %d", got)
			}
		})
	}
}

// Memory that grew is given back, and so is that of a fault.
func TestNothingIsLeftBehind(t *testing.T) {
	count := func() (mappings, descriptors int) {
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(maps), "cofferdam-image") + strings.Count(string(maps), "---p 00000000 00:00 0"), len(fds)
	}
	limits := patient()
	limits.Timeout = 20 * time.Millisecond
	m := load(t, misbehaving(), limits)
	invoke(t, m, "x")
	mappings, descriptors := count()
	for range 30 {
		for _, request := range []string{"grow", "trap", "spin"} {
			invoke(t, m, request)
		}
	}
	invoke(t, m, "x")
	if again, fds := count(); again > mappings+4 || fds > descriptors+4 {
		t.Errorf("%d mappings became %d, %d descriptors %d", mappings, again, descriptors, fds)
	}
}

// A module that nobody uses gives its memory back, and comes again.
func TestAnIdleModuleComesBack(t *testing.T) {
	e, err := New(Config{CacheDir: filepath.Join(t.TempDir(), "cache"), Operations: operations(nil), Idle: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(context.Background()) })
	m := loadWith(t, e, returning(3), patient())
	for range 3 {
		m.doze()
		if m.code != nil {
			t.Fatal("the code is still there")
		}
		if answer, fault := invoke(t, m, ""); fault != nil || int(answer.Code) != 3 {
			t.Errorf("%+v, %v", answer, fault)
		}
	}
	// Its code on disk may have gone, too.
	m.doze()
	if err := os.RemoveAll(e.own); err != nil {
		t.Fatal(err)
	}
	mustFault(t, m, abi.Unavailable, "compile")
	if err := os.MkdirAll(e.own, 0o700); err != nil {
		t.Fatal(err)
	}
	if answer, fault := invoke(t, m, ""); fault != nil || int(answer.Code) != 3 {
		t.Errorf("compiled anew: %+v, %v", answer, fault)
	}
}

func TestAModuleInUseDoesNotDoze(t *testing.T) {
	b := newBlocking(t)
	m := loadWith(t, b.Engine, asking(), patient())
	var running sync.WaitGroup
	running.Go(func() {
		if _, fault := invoke(t, m, ""); fault != nil {
			t.Error(fault)
		}
	})
	<-b.entered
	m.doze()
	if m.code == nil {
		t.Error("the code went under an invocation")
	}
	close(b.release)
	running.Wait()
}

// The project's own modules answer before they are compiled.
func TestBuiltInModulesAreInterpretedFirst(t *testing.T) {
	e := newEngine(t, t.TempDir(), operations(nil))
	for range cap(e.turn) { // no child gets its turn
		e.turn <- struct{}{}
	}
	g := telling(nil, i32(42))
	m, err := e.Load(t.Context(), Source{Name: "own", Wasm: g.assemble(), Limits: patient(), BuiltIn: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := told(t, m); got != 42 {
		t.Errorf("interpreted: %d", got)
	}
	interpreted := m.code
	for range cap(e.turn) {
		<-e.turn
	}
	m.working.Wait()
	if m.code == interpreted || !interpreted.retired || interpreted.runtime != nil {
		t.Error("the interpreted code is still there")
	}
	if got := told(t, m); got != 42 {
		t.Errorf("compiled: %d", got)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestFuelIsCounted(t *testing.T) {
	limits := patient()
	limits.Fuel = 1_000_000
	work := func(rounds int) guest {
		// local 1 counts down.
		return guest{handle: ops(i32(rounds), []byte{0x21, 0}, []byte{0x03, 0x40}, length, i32(1), []byte{0x6b, 0x22, 0}, []byte{0x0d, 0, 0x0b}, i32(0))}
	}
	m := load(t, work(1000), limits)
	answer, fault := invoke(t, m, "")
	if fault != nil || answer.Used.Fuel < 5_000 || answer.Used.Fuel > 2*7_000 {
		t.Errorf("1,000 rounds of 6 instructions, charged twice at most: %+v, %v", answer.Used, fault)
	}
	again, _ := invoke(t, m, "")
	if again.Used.Fuel != answer.Used.Fuel {
		t.Errorf("the same work took %d, then %d", answer.Used.Fuel, again.Used.Fuel)
	}
	m = load(t, work(1_000_000), limits)
	answer, fault = invoke(t, m, "")
	if fault == nil || fault.Code != abi.Limit || !fault.Blame || answer.Used.Fuel < limits.Fuel || answer.Used.Fuel > limits.Fuel+quantum {
		t.Errorf("used %+v, %v", answer.Used, fault)
	}
}
