package meter

import (
	"bytes"
	"context"
	"errors"
	"math"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/cofferdam-bot/cofferdam/security/vetting"
)

// metered is a running module and what its meters told.
type metered struct {
	api.Module
	t     *testing.T
	m     Metered
	ticks []int64 // the arguments
	slice int64   // what a tick adds
	limit int64   // of fuel, after which a tick does not return
	used  int64
}

var errSpent = errors.New("it used too much")

// run starts a module that may use limit instructions, and asks after each
// slice.
func run(t *testing.T, wasm []byte, slice, limit int64) *metered {
	t.Helper()
	g := &metered{t: t, slice: slice, limit: limit, m: rewrite(t, wasm, Options{ExportGlobals: true})}
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigCompiler().WithCoreFeatures(coreFeatures).WithMemoryLimitPages(1024))
	t.Cleanup(func() { r.Close(context.Background()) })
	hostTicks(t, r, g.tick)
	var err error
	if g.Module, err = r.Instantiate(t.Context(), g.m.Wasm); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *metered) tick(left int64) int64 {
	g.ticks = append(g.ticks, left)
	if left == TooDeep {
		panic(errTooDeep)
	}
	g.used += g.slice
	if g.used-left > g.limit+g.slice {
		panic(errSpent)
	}
	return left + g.slice
}

func (g *metered) call(name string, args ...uint64) ([]uint64, error) {
	return g.ExportedFunction(name).Call(g.t.Context(), args...)
}

// cost returns how many instructions a call is charged.
func (g *metered) cost(name string, args ...uint64) int64 {
	g.t.Helper()
	before := g.spent()
	if _, err := g.call(name, args...); err != nil {
		g.t.Fatal(err)
	}
	return g.spent() - before
}

func (g *metered) spent() int64 { return g.used - g.global(g.m.Fuel) }

func (g *metered) global(name string) int64 { return int64(g.ExportedGlobal(name).Get()) }

const (
	small = 1000
	much  = math.MaxInt32
)

func TestWorkIsCharged(t *testing.T) {
	hundred := times(100, nop)
	for _, test := range []struct {
		name      string
		code      []byte
		n         uint64 // parameter 0
		atLeast   int64
		butNoMore int64
	}{
		{"what is in no loop", hundred, 1, 100, 110},
		{"a loop, each time", countdown(hundred), 1000, 100_000, 110_000},
		{"a loop in a loop", countdown(i32(9), set(1), loop(hundred, get(1), i32(1), sub, tee(1), brIf(0))), 1000, 900_000, 1_100_000},
		{"a branch over an inner loop", countdown(block(i32(1), brIf(0), loop(nop)), hundred), 1000, 100_000, 120_000},
		{"a branch out of an inner loop", countdown(block(loop(br(1))), hundred), 1000, 100_000, 120_000},
		{"a branch from an inner loop to the outer one", loop(get(0), i32(1), sub, tee(0), iff(hundred, loop(br(2)))), 1000, 100_000, 120_000},
		{"a fill, by its length", ops(i32(0), i32(1), i32(65_536), fill), 1, 8192, 8300},
		{"a copy, by its length", ops(i32(0), i32(0), i32(65_536), []byte{0xfc, 10, 0, 0}), 1, 8192, 8300},
		{"a copy of a table, by its length", ops(i32(0), i32(0), i32(1), []byte{0xfc, 14, 0, 0}), 1, 1, 20},
		{"a loop of fills", countdown(i32(0), i32(1), i32(65_536), fill), 100, 819_200, 840_000},
		{"a growing memory", ops(i32(1), grow, drop), 1, growCost, growCost + 20},
		{"code that is unreachable", ops(block(br(0), fill, grow, drop), hundred), 1, 100, 120},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := run(t, assemble(function{name: "run", typ: "i:", locals: "i", code: test.code}), small, much)
			if got := g.cost("run", test.n); got < test.atLeast || got > test.butNoMore {
				t.Errorf("it cost %d instructions, want %d to %d", got, test.atLeast, test.butNoMore)
			}
		})
	}
}

// Without a loop and without a host call: the runtime's own check would see
// neither.
func TestWorkIsStopped(t *testing.T) {
	forever := loop(br(0))
	for _, test := range []struct {
		name string
		code []byte
	}{
		{"a tight loop", forever},
		{"an exponential recursion", ops(get(0), iff(get(0), i32(1), sub, call(0), get(0), i32(1), sub, call(0)))},
		{"20,000 fills", times(20, ops(get(0), call(1)))},
	} {
		t.Run(test.name, func(t *testing.T) {
			fills := function{name: "fills", typ: "i:", code: times(1000, ops(i32(0), i32(1), i32(65_536), fill))}
			g := run(t, assemble(function{name: "run", typ: "i:", code: test.code}, fills), small, 1_000_000)
			if _, err := g.call("run", 60); !errors.Is(err, errSpent) {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

func TestTicksTellWhatIsLeft(t *testing.T) {
	g := run(t, assemble(function{name: "run", typ: "i:", code: countdown(times(100, nop))}), 10_000, much)
	total := g.cost("run", 1000)
	if len(g.ticks) < 10 || len(g.ticks) > 12 {
		t.Errorf("%d ticks for %d instructions in slices of %d", len(g.ticks), total, g.slice)
	}
	for i, left := range g.ticks {
		if left >= 0 || left < -120 {
			t.Errorf("tick %d: %d left", i, left)
		}
	}
}

func TestDepthIsBounded(t *testing.T) {
	down := ops(get(0), i32(1), sub)
	for _, test := range []struct {
		name      string
		functions []function
	}{
		{"recursion", []function{{name: "run", typ: "i:i", code: ops(down, call(0))}}},
		{"mutual recursion", []function{{name: "run", typ: "i:i", code: ops(down, call(1))}, {name: "b", typ: "i:i", code: ops(down, call(0))}}},
		{"recursion through a table", []function{{name: "run", typ: "i:i", code: ops(down, i32(0), []byte{0x11, 0, 0})}}},
		{"large frames", []function{{name: "run", typ: "i:i", code: ops(times(20_000, get(0)), call(0), times(19_999, add))}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := run(t, assemble(test.functions...), much, much)
			if _, err := g.call("run", 1); !errors.Is(err, errTooDeep) {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

// A function gives back the slots of its frame however it is left.
func TestDepthComesBack(t *testing.T) {
	g := run(t, assemble(
		function{name: "end", typ: "i:i", code: ops(get(0), call(7))},
		function{name: "return", typ: "i:i", code: ops(block(loop(get(0), call(7), ret)), i32(1))},
		function{name: "return of two", typ: ":iI", code: ops(i32(1), call(7), []byte{0x42, 2}, ret)},
		function{name: "branch", typ: "i:i", code: ops(get(0), call(7), br(0))},
		function{name: "branch from within", typ: "i:i", code: ops(blockI(get(0), call(7), br(1)))},
		function{name: "branch if", typ: "i:i", code: ops(get(0), call(7), i32(1), brIf(0))},
		function{name: "branch by table", typ: "i:i", code: ops(blockI(get(0), call(7), get(0), []byte{0x0e, 2, 0, 1, 1}))},
		function{name: "leaf", typ: "i:i", code: get(0)},
		function{name: "large leaf", typ: "i:i", code: ops(times(2000, nop), get(0), ret)},
		function{name: "indirect", typ: "i:i", code: ops(get(0), i32(7), []byte{0x11, 0, 0})},
	), much, much)
	for _, name := range []string{"end", "return", "return of two", "branch", "branch from within", "branch if", "branch by table", "leaf", "large leaf", "indirect"} {
		args := []uint64{1}[:len(g.ExportedFunction(name).Definition().ParamTypes())]
		for range 1000 {
			if results, err := g.call(name, args...); err != nil || results[0] != 1 {
				t.Fatalf("%s: %v, %v", name, results, err)
			}
		}
		if depth := g.global(g.m.Depth); depth != Depth {
			t.Errorf("%s leaves a depth of %d", name, depth)
		}
	}
}

func TestGlobalsAreExported(t *testing.T) {
	wasm := withSections(assemble(fib), section(6,
		[]byte{0x7f, 1, 0x41, 5, 0x0b}, []byte{0x7f, 0, 0x41, 6, 0x0b}, []byte{0x7c, 1, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b}))
	m := rewrite(t, wasm, Options{ExportGlobals: true})
	want := []Global{{"cofferdam:g0", vetting.I32}, {"cofferdam:g2", vetting.F64}, {"cofferdam:g3", vetting.I64}, {"cofferdam:g4", vetting.I64}}
	if len(m.Globals) != len(want) || m.Fuel != want[2].Name || m.Depth != want[3].Name {
		t.Fatalf("%v, fuel %s, depth %s", m.Globals, m.Fuel, m.Depth)
	}
	g := run(t, wasm, much, much)
	for i, global := range m.Globals {
		if global != want[i] || g.ExportedGlobal(global.Name) == nil || g.ExportedGlobal(global.Name).Type() != global.Type {
			t.Errorf("global %d: %+v, want %+v", i, global, want[i])
		}
	}
	if m := rewrite(t, wasm, Options{}); len(m.Globals) != 0 || bytes.Contains(m.Wasm, []byte(vetting.ReservedPrefix+"g")) {
		t.Error("globals were exported without being asked for")
	}
}

func TestDetach(t *testing.T) {
	segment := func(at int, text string) []byte { return ops([]byte{0}, i32(at), end, []byte(sized(text))) }
	for _, test := range []struct {
		name     string
		sections [][]byte
		want     []Segment // nil: it is an error
	}{
		{"segments", [][]byte{section(11, segment(5, "first"), segment(8, "second"))}, []Segment{{5, []byte("first")}, {8, []byte("second")}}},
		{"segments that were counted", [][]byte{{12, 1, 1}, section(11, segment(5, "x"))}, []Segment{{5, []byte("x")}}},
		{"no segments", nil, []Segment{}},
		{"the last byte", [][]byte{section(11, segment(65_535, "x"))}, []Segment{{65_535, []byte("x")}}},
		{"a byte too far", [][]byte{section(11, segment(65_535, "xy"))}, nil},
		{"a negative offset", [][]byte{section(11, segment(-1, "x"))}, nil},
		{"a passive segment", [][]byte{section(11, []byte{1, 1, 'x'})}, nil},
		{"a segment that is dropped", [][]byte{{12, 1, 1}, section(10, []byte(sized("\x00\xfc\x09\x00\x0b"))), section(11, segment(0, "x"))}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			wasm := withSections(assemble(function{name: "f", typ: ":", code: nop}), test.sections...)
			m, err := Rewrite(scan(t, wasm), Options{Detach: true})
			if (err != nil) != (test.want == nil) || err != nil && !errors.Is(err, ErrAttached) {
				t.Fatal(err)
			}
			for i, s := range m.Segments {
				if s.Offset != test.want[i].Offset || !bytes.Equal(s.Bytes, test.want[i].Bytes) {
					t.Errorf("segment %d: %d %q", i, s.Offset, s.Bytes)
				}
			}
			if len(m.Segments) != len(test.want) {
				t.Errorf("%d segments", len(m.Segments))
			}
			if err == nil {
				f := scan(t, withoutTick(m.Wasm))
				if f.DataCount != nil || len(f.Data) != 0 {
					t.Error("the module still has data")
				}
			}
		})
	}
}

func TestRewriteIsDeterministic(t *testing.T) {
	wasm := assemble(fib, function{name: "two", typ: ":iI", code: ops(i32(1), []byte{0x42, 1})}, function{name: "three", typ: ":iiI", code: ops(i32(1), i32(1), []byte{0x42, 1})})
	first := rewrite(t, wasm, Options{ExportGlobals: true, Detach: true})
	for range 20 {
		if again := rewrite(t, wasm, Options{ExportGlobals: true, Detach: true}); !bytes.Equal(first.Wasm, again.Wasm) {
			t.Fatal("the same module was rewritten otherwise")
		}
	}
}

// The runtime reads the names of functions whether it is to keep custom sections
// or not, and makes room for as many as the section announces.
func TestCustomSectionsAreLeftOut(t *testing.T) {
	bomb := ops([]byte{0}, []byte(sized("\x04name\x01\x06\xff\xff\xff\xff\x0f\x00")))
	m := rewrite(t, ops(assemble(fib), bomb), Options{})
	if bytes.Contains(m.Wasm, []byte("name")) || !bytes.Equal(m.Wasm, rewrite(t, assemble(fib), Options{}).Wasm) {
		t.Error("the section is still there")
	}
}

// A rewritten module must not be taken for one that an author made.
func TestRewrittenIsNotScanned(t *testing.T) {
	m := rewrite(t, assemble(fib), Options{})
	_, err := vetting.Scan(m.Wasm, vetting.Limits{MemoryPages: 1})
	if verdict, ok := errors.AsType[*vetting.Error](err); !ok || verdict.Rule != "reserved" {
		t.Errorf("got %v", err)
	}
}

// A Go guest with meters, and with its data put in place by the host, replies
// as it does without.
func TestGoGuestRuns(t *testing.T) {
	g := newGuest(t, largest(t, "core"), "detached")
	for range 3 {
		if err := handle(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
}
