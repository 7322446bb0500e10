package vetting

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// crowded has so many bodies of 240 places with 1,000 locals.
func crowded(n int) []byte {
	body := locals([][]byte{{0xe8, 7, I32}}, join(times(240, join(opened, closed))...))
	return with(section(3, times(n, leb(0))...), section(10, times(n, body)...))
}

func TestScanRefuses(t *testing.T) {
	for _, test := range refusals {
		t.Run(test.name, func(t *testing.T) {
			f, err := Scan(test.file, Limits{MemoryPages: 16})
			verdict, ok := errors.AsType[*Error](err)
			if !ok || f != nil {
				t.Fatalf("got %v", err)
			}
			if verdict.Section != test.section || verdict.Rule != test.rule || test.offset >= 0 && verdict.Offset != test.offset {
				t.Errorf("got %v, want %s section, byte %d: %s", err, test.section, test.offset, test.rule)
			}
			if text := err.Error(); strings.ContainsAny(text, "\n\r\x1b") || len(text) > 300 {
				t.Errorf("the verdict is no plain line: %q", text)
			}
		})
	}
}

// What stands in the table above as refused is one step beyond what is
// admitted.
func TestScanAdmits(t *testing.T) {
	for _, test := range []struct {
		name string
		file []byte
	}{
		{"the smallest module", file(section(5, pages(0)))},
		{"one function", with()},
		{"the largest memory", with(section(5, pages(16)))},
		{"a memory that may grow beyond the limit", with(section(5, pages(1, 65_536)))},
		{"64 custom sections, anywhere", join(header, join(times(32, custom("x"))...), section(5, pages(1)), join(times(32, custom("y"))...))},
		{"a padded number", with(section(10, code([]byte{0x41, 0x80, 0x80, 0x80, 0x80, 0}, dropped)))},
		{"the smallest i32", running([]byte{0x41, 0x80, 0x80, 0x80, 0x80, 0x78}, dropped)},
		{"the largest i32", running([]byte{0x41, 0xff, 0xff, 0xff, 0xff, 0x07}, dropped)},
		{"the smallest i64", running([]byte{0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f}, dropped)},
		{"1,000 locals", with(section(10, locals([][]byte{{0xe7, 7, I32}, {1, I64}})))},
		{"50,000 instructions", running(bytes.Repeat([]byte{1}, 49_999))},
		{"2,999 blocks in each other", running(join(times(2999, opened)...), join(times(2999, closed)...))},
		{"16 loops in each other", running(join(times(16, looped)...), join(times(16, closed)...))},
		{"2,000 blocks in a loop", running(looped, join(times(2000, join(opened, closed))...), closed)},
		{"a br_table of 4,096 labels", running(i32const0, []byte{0x0e}, leb(4096), make([]byte, 4097))},
		{"1,000 locals at 248 blocks", with(section(10, locals([][]byte{{0xe8, 7, I32}}, join(times(248, join(opened, closed))...))))},
		{"24 bodies that are nearly too much each", crowded(24)},
		{"values that were dropped before the blocks", running(join(times(1000, join(i32const0, dropped))...), join(times(251, join(opened, closed))...))},
		{"a table of 65,536 places", with(section(4, join([]byte{FuncRef, 0}, leb(65_536))))},
		{"a function's import", with(section(2, imported("anything", "at all", 0, 0)))},
		{"data, announced", with(raw(12, leb(1)), section(11, join(leb(1), sized([]byte("x")))))},
		{"an if with both halves", running(i32const0, []byte{0x04, 0x40, 0x05, 0x0b})},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Scan(test.file, Limits{MemoryPages: 16}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestZeroLimitsAdmitNoPage(t *testing.T) {
	if _, err := Scan(with(), Limits{}); err == nil {
		t.Error("a page was admitted")
	}
}

func TestDecodeAdmitsWhatIsOnlyAgainstThePolicy(t *testing.T) {
	for name, file := range map[string][]byte{
		"no memory":          file(section(1)),
		"an imported global": with(section(2, imported("a", "b", 3, I32, 0)), section(6, []byte{I32, 0, 0x23, 0, 0x0b})),
		"a start section":    with(raw(8, leb(0))),
		"two tables":         with(section(4, times(2, []byte{FuncRef, 0, 0})...)),
		"table.grow":         with(tableOfTen, section(10, code([]byte{0xd0, FuncRef}, i32const0, []byte{0xfc, 15, 0}, dropped))),
	} {
		if _, err := Decode(file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Scan(file, Limits{MemoryPages: 16}); err == nil {
			t.Errorf("%s was scanned without objection", name)
		}
	}
}

func TestHiddenState(t *testing.T) {
	funcs := []byte{1, 0, 1, 0} // a passive segment with function 0
	for _, test := range []struct {
		name string
		file []byte
		want bool
	}{
		{"memory and numbers", with(section(6, join([]byte{I32, 1}, atZero)), section(11, join(leb(0), atZero, leb(0)))), false},
		{"a table that only calls", with(tableOfTen, section(9, join(leb(0), atZero, leb(1), leb(0))), section(10, code(i32const0, []byte{0x11, 0, 0}))), false},
		{"passive elements", with(section(9, funcs)), true},
		{"declared elements", with(section(9, []byte{3, 0, 1, 0})), true},
		{"passive data", with(section(11, []byte{1, 0})), true},
		{"a mutable reference", with(section(6, []byte{FuncRef, 1, 0xd0, FuncRef, 0x0b})), true},
		{"a reference that stays", with(section(6, []byte{FuncRef, 0, 0xd0, FuncRef, 0x0b})), false},
		{"table.set", with(tableOfTen, section(10, code(i32const0, []byte{0xd0, FuncRef, 0x26, 0}))), true},
		{"table.fill", with(tableOfTen, section(10, code([]byte{0xfc, 17, 0}))), true},
		{"table.copy", with(tableOfTen, section(10, code([]byte{0xfc, 14, 0, 0}))), true},
		{"table.init", with(tableOfTen, section(9, funcs), section(10, code([]byte{0xfc, 12, 0, 0}))), true},
		{"elem.drop", with(section(9, funcs), section(10, code([]byte{0xfc, 13, 0}))), true},
		{"memory.init", with(raw(12, leb(1)), section(10, code([]byte{0xfc, 8, 0, 0})), section(11, join(leb(0), atZero, leb(0)))), true},
		{"data.drop", with(raw(12, leb(1)), section(10, code([]byte{0xfc, 9, 0})), section(11, join(leb(0), atZero, leb(0)))), true},
	} {
		f, err := Scan(test.file, Limits{MemoryPages: 16})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		} else if f.HiddenState != test.want {
			t.Errorf("%s: hidden state %v, want %v", test.name, f.HiddenState, test.want)
		}
	}
}

// TestInstructions reads code back in which every kind of immediate occurs.
func TestInstructions(t *testing.T) {
	f, err := Scan(with(tableOfTen,
		section(3, leb(0)),
		section(10, code(
			[]byte{0x02, 0}, closed, // block of type 0
			[]byte{0x02, 0x40}, closed,
			i32const0, []byte{0x0e, 2, 0, 0, 0},
			i32const0, []byte{0x11, 0, 0},
			[]byte{0x43, 0x0b, 0x0b, 0x0b, 0x0b}, dropped,
			i32const0, i32const0, i32const0, []byte{0xfc, 10, 0, 0},
		))), Limits{MemoryPages: 1})
	if err != nil {
		t.Fatal(err)
	}
	var got []Opcode
	var i Instruction
	last := int(f.Bodies[0].Code)
	for code := f.Code(0); code.Next(&i); last = i.End {
		if i.Start != last {
			t.Errorf("%#x begins at byte %d, the last ended at %d", i.Op, i.Start, last)
		}
		if i.Op == OpBrTable && (i.A != 2 || i.B != 0) {
			t.Errorf("br_table with %d labels, the outermost %d", i.A, i.B)
		}
		if i.Op == OpBlock && (len(got) == 0) != (i.Inline == 0) {
			t.Errorf("block %d: type %d, inline %#x", len(got), i.A, i.Inline)
		}
		got = append(got, i.Op)
	}
	want := []Opcode{OpBlock, OpEnd, OpBlock, OpEnd, OpI32Const, OpBrTable, OpI32Const, OpCallIndirect,
		OpF32Const, 0x1a, OpI32Const, OpI32Const, OpI32Const, OpMemoryCopy, OpEnd}
	if len(got) != len(want) || last != int(f.Bodies[0].End) || int(f.Bodies[0].Instructions) != len(want) {
		t.Fatalf("%d instructions to byte %d, want %d to %d", len(got), last, len(want), f.Bodies[0].End)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("instruction %d: %#x, want %#x", i, got[i], want[i])
		}
	}
}

// The built-in modules are read from their folder, not through the package that
// embeds them: rules import nothing of ours, in tests too.
func builtin(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("../../modules/built/*.wasm")
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		if os.Getenv("COFFERDAM_CI") != "" {
			t.Fatal("the modules are not built: run `make modules`")
		}
		t.Skip("the modules are not built: run `make modules`")
	}
	files := map[string][]byte{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = data
	}
	return files
}

func TestScanAdmitsBuiltinModules(t *testing.T) {
	for name, data := range builtin(t) {
		f, err := Scan(data, Limits{MemoryPages: 1024})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if f.HiddenState || f.UsesData || len(f.Bodies) < 1000 || len(f.Data) < 1000 {
			t.Errorf("%s: hidden state %v, %d bodies, %d segments", name, f.HiddenState, len(f.Bodies), len(f.Data))
		}
	}
}

// BenchmarkScan is how long the largest built-in module keeps a reader.
func BenchmarkScan(b *testing.B) {
	var largest []byte
	for _, data := range builtin(b) {
		if len(data) > len(largest) {
			largest = data
		}
	}
	b.SetBytes(int64(len(largest)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Scan(largest, Limits{MemoryPages: 1024}); err != nil {
			b.Fatal(err)
		}
	}
}
