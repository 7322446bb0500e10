package vetting

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// refusals are files with one fault each, what is said of it, and where.
// An offset below 0 is not compared.
var refusals = []struct {
	name    string
	file    []byte
	section string
	offset  int
	rule    string
}{
	{"nothing", nil, "header", 0, "magic"},
	{"half a header", header[:5], "header", 0, "magic"},
	{"another version", []byte("\x00asm\x02\x00\x00\x00"), "header", 0, "magic"},
	{"a component", []byte("\x00asm\x0d\x00\x01\x00"), "header", 0, "magic"},
	{"more than 8 MiB", bytes.Repeat([]byte{0}, maxFile+1), "header", maxFile, "size"},

	{"a section of no kind", file([]byte{14, 0}), "header", 8, "section"},
	{"tags of exceptions", file(section(13)), "header", 8, "section"},
	{"a section larger than the file", file([]byte{1, 5, 0}), "type", 8, "size"},
	{"a section of 4 GiB", file(join([]byte{1}, huge)), "type", 8, "size"},
	{"a section's size cut short", file([]byte{1, 0x80}), "type", 9, "leb128"},
	{"a section with bytes left over", file(raw(1, []byte{0, 0})), "type", 11, "size"},
	{"a section twice", file(section(1), section(1)), "type", 11, "order"},
	{"sections in the wrong order", file(section(3), section(1)), "type", 11, "order"},
	{"a data count after the code", file(section(10), raw(12, leb(0))), "datacount", 11, "order"},
	{"a data count before the elements", file(raw(12, leb(0)), section(9)), "element", 11, "order"},
	{"65 custom sections", file(join(times(65, custom("x"))...)), "custom", 8 + 64*4, "count"},
	{"a custom section without its name", file(raw(0, leb(9), []byte("x"))), "custom", 11, "truncated"},
	{"a custom section with a long name", file(custom(strings.Repeat("x", 257))), "custom", 11, "name"},
	{"a custom section whose name is not UTF-8", file(custom("\xff")), "custom", 10, "utf8"},

	{"2³²−1 types", file(raw(1, huge)), "type", 10, "count"},
	{"2³²−1 imports", file(raw(2, huge)), "import", 10, "count"},
	{"2³²−1 functions", file(raw(3, huge)), "function", 10, "count"},
	{"2³²−1 tables", file(raw(4, huge)), "table", 10, "count"},
	{"2³²−1 memories", file(raw(5, huge)), "memory", 10, "count"},
	{"2³²−1 globals", file(raw(6, huge)), "global", 10, "count"},
	{"2³²−1 exports", file(raw(7, huge)), "export", 10, "count"},
	{"2³²−1 elements", file(raw(9, huge)), "element", 10, "count"},
	{"2³²−1 bodies", file(raw(10, huge)), "code", 10, "count"},
	{"2³²−1 data segments", file(raw(11, huge)), "data", 10, "count"},
	{"a count that announces 2³²−1 data segments", file(raw(12, huge)), "datacount", 10, "count"},
	{"2³²−1 parameters", file(raw(1, leb(1), []byte{0x60}, huge)), "type", 12, "count"},
	{"2³²−1 items", with(tableOfTen, raw(9, leb(1), leb(0), atZero, huge)), "element", -1, "count"},
	{"a segment of 4 GiB", with(raw(11, leb(1), leb(0), atZero, huge)), "data", -1, "truncated"},
	{"a body of 4 GiB", with(raw(10, leb(1), huge)), "code", -1, "body"},
	{"2³²−1 groups of locals", with(section(10, sized(join(huge, closed)))), "code", -1, "count"},
	{"2³²−1 labels", running(i32const0, []byte{0x0e}, huge), "code", -1, "count"},

	{"1,025 types", file(section(1, times(1025, functionType("", ""))...)), "type", 11, "count"},
	{"65 parameters", file(section(1, functionType(strings.Repeat("\x7f", 65), ""))), "type", 12, "count"},
	{"17 results", file(section(1, functionType("", strings.Repeat("\x7f", 17)))), "type", 13, "count"},
	{"257 imports", with(section(2, times(257, imported("", "", 0, 0))...)), "import", -1, "count"},
	{"20,001 functions", with(section(3, times(20_001, leb(0))...)), "function", -1, "count"},
	{"1,025 globals", with(section(6, times(1025, join([]byte{I32, 0}, atZero))...)), "global", -1, "count"},
	{"1,025 exports", with(section(7, times(1025, exported("", 0, 0))...)), "export", -1, "count"},
	{"65,537 items", with(tableOfTen, section(9, join(leb(0), atZero, leb(65_537), join(times(65_537, leb(0))...)))), "element", -1, "count"},
	{"65,537 items in two segments", with(tableOfTen, section(9, times(2, join(leb(0), atZero, leb(33_000), join(times(33_000, leb(0))...)))...)), "element", -1, "count"},
	{"131,073 data segments", with(section(11, times(131_073, join(leb(0), atZero, leb(0)))...)), "data", -1, "count"},

	{"a number of six bytes", file([]byte{1, 0x80, 0x80, 0x80, 0x80, 0x80, 0}), "type", 9, "leb128"},
	{"a number of 33 bits", file([]byte{1, 0x80, 0x80, 0x80, 0x80, 0x10}), "type", 9, "leb128"},
	{"an i32.const of 33 bits", running([]byte{0x41, 0xff, 0xff, 0xff, 0xff, 0x0f}, dropped), "code", -1, "leb128"},
	{"an i32.const of six bytes", running([]byte{0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0}, dropped), "code", -1, "leb128"},
	{"an i64.const of 65 bits", running([]byte{0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2}, dropped), "code", -1, "leb128"},
	{"an i64.const cut short", with(section(10, sized([]byte{0, 0x42, 0x80}))), "code", -1, "leb128"},

	{"a type that is no function's", file(section(1, []byte{0x5f, 0, 0})), "type", 11, "type"},
	{"a group of recursive types", file(section(1, join([]byte{0x4e, 1}, functionType("", "")))), "type", 11, "type"},
	{"a parameter that is a vector", file(section(1, functionType("\x7b", ""))), "type", 13, "type"},
	{"a parameter that is a typed reference", file(section(1, functionType("\x64\x00", ""))), "type", 13, "type"},
	{"an import of a type that is not there", with(section(2, imported("a", "b", 0, 1))), "import", -1, "index"},
	{"an import of no kind", with(section(2, imported("a", "b", 5, 0))), "import", -1, "kind"},
	{"an import of a tag", with(section(2, imported("a", "b", 4, 0, 0))), "import", -1, "kind"},
	{"an import whose name is not UTF-8", with(section(2, imported("a", "\xc0\x80", 0, 0))), "import", -1, "utf8"},
	{"an import with a name of 257 bytes", with(section(2, imported(strings.Repeat("a", 257), "b", 0, 0))), "import", -1, "name"},
	{"a function of a type that is not there", with(section(3, leb(1))), "function", -1, "index"},
	{"a table of numbers", with(section(4, []byte{I32, 0, 1})), "table", -1, "type"},
	{"a table with a first value", with(section(4, []byte{0x40, 0, FuncRef, 0, 1, 0xd0, FuncRef, 0x0b})), "table", -1, "type"},
	{"a table whose maximum is below its minimum", with(section(4, []byte{FuncRef, 1, 2, 1})), "table", -1, "limits"},
	{"17 tables", with(section(4, times(17, []byte{FuncRef, 0, 0})...)), "table", -1, "count"},
	{"two memories", with(section(5, pages(1), pages(1))), "memory", -1, "count"},
	{"an imported memory and another", with(section(2, imported("a", "b", 2, 0, 1))), "memory", -1, "memory"},
	{"a shared memory", with(section(5, []byte{3, 1, 1})), "memory", -1, "limits"},
	{"a memory of 64 bits", with(section(5, []byte{4, 1})), "memory", -1, "limits"},
	{"a memory of more than 4 GiB", with(section(5, pages(65_537))), "memory", -1, "limits"},
	{"a memory whose maximum is below its minimum", with(section(5, pages(2, 1))), "memory", -1, "limits"},
	{"a global neither mutable nor not", with(section(6, join([]byte{I32, 2}, atZero))), "global", -1, "global"},
	{"a global from a global", with(section(6, []byte{I32, 0, 0x23, 0, 0x0b})), "global", -1, "index"},
	{"a global from a sum", with(section(6, []byte{I32, 0, 0x41, 1, 0x41, 1, 0x6a, 0x0b})), "global", -1, "constant"},
	{"a global from a call", with(section(6, []byte{I32, 0, 0x10, 0, 0x0b})), "global", -1, "constant"},
	{"a global without a value", with(section(6, []byte{I32, 0, 0x0b})), "global", -1, "constant"},
	{"a global from a function that is not there", with(section(6, []byte{FuncRef, 0, 0xd2, 1, 0x0b})), "global", -1, "index"},
	{"an export of no kind", with(section(7, exported("a", 4, 0))), "export", -1, "kind"},
	{"an export of a function that is not there", with(section(7, exported("a", 0, 1))), "export", -1, "index"},
	{"an export of a table that is not there", with(section(7, exported("a", 1, 0))), "export", -1, "index"},
	{"an export of a memory that is not there", with(section(7, exported("a", 2, 1))), "export", -1, "index"},
	{"an export of a global that is not there", with(section(7, exported("a", 3, 0))), "export", -1, "index"},
	{"an export's name twice", with(section(7, exported("a", 0, 0), exported("a", 2, 0))), "export", -1, "export.name"},
	{"elements without a table", with(section(9, join(leb(0), atZero, leb(0)))), "element", -1, "index"},
	{"elements with flags of no meaning", with(tableOfTen, section(9, leb(8))), "element", -1, "segment"},
	{"elements of no kind", with(section(9, []byte{1, 1, 0})), "element", -1, "segment"},
	{"elements with a function that is not there", with(section(9, []byte{1, 0, 1, 1})), "element", -1, "index"},
	{"data without a memory", file(section(11, join(leb(0), atZero, leb(0)))), "data", -1, "index"},
	{"data for a second memory", with(section(11, join([]byte{2, 1}, atZero, leb(0)))), "data", -1, "index"},
	{"data with flags of no meaning", with(section(11, leb(3))), "data", -1, "segment"},
	{"data that were not announced", with(raw(12, leb(0)), section(11, join(leb(0), atZero, leb(0)))), "data", -1, "datacount"},
	{"data that were announced and are missing", with(raw(12, leb(1))), "data", -1, "datacount"},

	{"a function without a body", file(section(1, functionType("", "")), section(3, leb(0)), section(5, pages(1))), "code", -1, "count"},
	{"a body without a function", file(section(5, pages(1)), section(10, code())), "code", -1, "count"},
	{"a body of 256 KiB", running(bytes.Repeat([]byte{1}, 256<<10)), "code", -1, "body"},
	{"50,001 instructions", running(bytes.Repeat([]byte{1}, 50_000)), "code", -1, "instructions"},
	{"1,001 locals", with(section(10, locals([][]byte{{0xe8, 7, I32}, {1, I64}}))), "code", -1, "locals"},
	{"2³²−1 locals", with(section(10, locals([][]byte{join(huge, []byte{I32})}))), "code", -1, "locals"},
	{"locals that sum up to 2³² and 1", with(section(10, locals([][]byte{join(huge, []byte{I32}), {2, I32}}))), "code", -1, "locals"},
	{"locals that are vectors", with(section(10, locals([][]byte{{1, 0x7b}}))), "code", -1, "type"},
	{"3,000 blocks in each other", running(join(times(3000, opened)...), join(times(3000, closed)...)), "code", -1, "nesting"},
	{"a br_table of 4,097 labels", running(i32const0, []byte{0x0e}, leb(4097), make([]byte, 4098)), "code", -1, "count"},
	{"three br_tables of 2,731 labels", running(join(times(3, join(i32const0, []byte{0x0e}, leb(2731), make([]byte, 2732)))...)), "code", -1, "labels"},
	{"1,000 locals at 250 blocks", with(section(10, locals([][]byte{{0xe8, 7, I32}}, join(times(251, join(opened, closed))...)))), "code", -1, "work"},
	{"1,000 values under 250 blocks", running(join(times(1000, i32const0)...), join(times(251, join(opened, closed))...)), "code", -1, "work"},
	{"5,000 places for a meter", running(join(times(5000, join(i32const0, []byte{0x40, 0}, dropped))...)), "code", -1, "work"},
	{"25 bodies that are nearly too much each", crowded(25), "code", -1, "work"},

	{"a body without an end", with(section(10, sized([]byte{0}))), "code", -1, "truncated"},
	{"code after the last end", running(closed, []byte{1}), "code", -1, "body"},
	{"a block that is not closed", running(opened), "code", -1, "truncated"},
	{"an else without an if", running([]byte{0x05}), "code", -1, "else"},
	{"a second else", running(i32const0, []byte{0x04, 0x40, 0x05, 0x05, 0x0b}), "code", -1, "else"},
	{"a block of a type that is not there", running([]byte{0x02, 1, 0x0b}), "code", -1, "index"},
	{"a block with a vector", running([]byte{0x02, 0x7b, 0x0b}), "code", -1, "type"},
	{"a branch out of the function", running([]byte{0x0c, 1}), "code", -1, "index"},
	{"a br_table out of the function", running(i32const0, []byte{0x0e, 1, 1, 0}), "code", -1, "index"},
	{"a local that is not there", running([]byte{0x20, 0}, dropped), "code", -1, "index"},
	{"a global that is not there", running([]byte{0x23, 0}, dropped), "code", -1, "index"},
	{"a call of a function that is not there", running([]byte{0x10, 1}), "code", -1, "index"},
	{"a call_indirect without a table", running(i32const0, []byte{0x11, 0, 0}), "code", -1, "index"},
	{"a call_indirect of a type that is not there", with(tableOfTen, section(10, code(i32const0, []byte{0x11, 1, 0}))), "code", -1, "index"},
	{"a ref.func of a function that is not there", running([]byte{0xd2, 1}, dropped), "code", -1, "index"},
	{"a table.get without a table", running(i32const0, []byte{0x25, 0}, dropped), "code", -1, "index"},
	{"a table.init of a segment that is not there", with(tableOfTen, section(10, code([]byte{0xfc, 12, 0, 0}))), "code", -1, "index"},
	{"a memory.init without a count of the data", running([]byte{0xfc, 8, 0, 0}), "code", -1, "datacount"},
	{"a memory.init of a segment that is not there", with(raw(12, leb(0)), section(10, code([]byte{0xfc, 8, 0, 0}))), "code", -1, "index"},
	{"a load without a memory", file(section(1, functionType("", "")), section(3, leb(0)), section(10, code(i32const0, []byte{0x28, 2, 0}, dropped))), "code", -1, "index"},
	{"a load from a second memory", running(i32const0, []byte{0x28, 0x42, 1, 0}, dropped), "code", -1, "memarg"},
	{"a memory.size of a second memory", running([]byte{0x3f, 1}, dropped), "code", -1, "memory"},
	{"a select with two types", running([]byte{0x1c, 2, I32, I32}), "code", -1, "type"},
	{"a ref.null of a number", running([]byte{0xd0, I32}, dropped), "code", -1, "type"},

	{"an opcode of none", running([]byte{0xff}), "code", -1, "opcode"},
	{"a vector instruction", running([]byte{0xfd, 12}), "code", -1, "opcode"},
	{"an atomic instruction", running([]byte{0xfe, 0}), "code", -1, "opcode"},
	{"a tail call", running([]byte{0x12, 0}), "code", -1, "opcode"},
	{"a throw", running([]byte{0x08, 0}), "code", -1, "opcode"},
	{"a call of a typed reference", running([]byte{0x14, 0}), "code", -1, "opcode"},
	{"a prefixed opcode of none", running([]byte{0xfc, 18}), "code", -1, "opcode"},
	{"a prefixed opcode of many bits", running([]byte{0xfc, 0x88, 0x80, 4}), "code", -1, "opcode"},

	{"no memory", file(section(1, functionType("", "")), section(3, leb(0)), section(10, code())), "memory", -1, "memory"},
	{"a memory larger than allowed", with(section(5, pages(17))), "memory", -1, "memory"},
	{"an imported memory", file(section(2, imported("a", "b", 2, 0, 1))), "import", -1, "kind"},
	{"an imported table", with(section(2, imported("a", "b", 1, FuncRef, 0, 1))), "import", -1, "kind"},
	{"an imported global", with(section(2, imported("a", "b", 3, I32, 0))), "import", -1, "kind"},
	{"an import of the meter's", with(section(2, imported("cofferdam:meter", "tick", 0, 0))), "import", -1, "reserved"},
	{"an export in the host's name", with(section(7, exported("cofferdam:g0", 0, 0))), "export", -1, "reserved"},
	{"two tables", with(section(4, times(2, []byte{FuncRef, 0, 0})...)), "table", -1, "table"},
	{"a table of 65,537 places", with(section(4, join([]byte{FuncRef, 0}, leb(65_537)))), "table", -1, "table"},
	{"a table of 2³²−1 places", with(section(4, join([]byte{FuncRef, 0}, huge))), "table", -1, "table"},
	{"a table that grows", with(tableOfTen, section(10, code([]byte{0xd0, FuncRef}, i32const0, []byte{0xfc, 15, 0}, dropped))), "code", -1, "table.grow"},
	{"a start section", with(raw(8, leb(0))), "start", -1, "start"},
	{"a start section with a function that is not there", with(raw(8, leb(1))), "start", -1, "index"},
}

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

// memoryFactor and memoryBase bound what reading a file allocates: so many
// bytes for each of the file's, and what all the small tables may have.
const (
	memoryFactor = 32
	memoryBase   = 1 << 20
)

func TestScanAllocatesInProportion(t *testing.T) {
	for _, test := range []struct {
		name string
		file []byte
	}{
		{"data segments", with(section(11, times(maxData, []byte{1, 0})...))},
		{"a count of data segments that are not there", with(raw(11, leb(maxData), bytes.Repeat([]byte{9}, maxData)))},
		{"functions", with(section(3, times(maxFunctions, leb(0))...), section(10, times(maxFunctions, code())...))},
		{"types", file(section(1, times(maxTypes, functionType("", ""))...))},
		{"globals", with(section(6, times(maxGlobals, join([]byte{I32, 0}, atZero))...))},
		{"imports with long names", with(section(2, times(maxImports, imported(strings.Repeat("m", maxName), strings.Repeat("n", maxName), 0, 0))...))},
		{"elements", with(tableOfTen, section(9, times(maxElements, join(leb(0), atZero, leb(0)))...))},
		{"blocks in each other", running(join(times(2999, opened)...), join(times(2999, closed)...))},
	} {
		if got, most := allocated(test.file), memoryFactor*len(test.file)+memoryBase; got > most {
			t.Errorf("%s: %d bytes for a file of %d, at most %d", test.name, got, len(test.file), most)
		}
	}
}

// allocated returns how many bytes it takes to scan a file.
func allocated(file []byte) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, _ := Scan(file, Limits{MemoryPages: 1 << 16})
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(f)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// FuzzScan holds the scanner to what everything after it relies on: it ends,
// in bounded memory, with a verdict or with ranges that lie within the file.
func FuzzScan(f *testing.F) {
	for _, test := range refusals {
		if len(test.file) < 10_000 {
			f.Add(test.file)
		}
	}
	f.Add(with(tableOfTen, section(9, []byte{5, FuncRef, 1, 0xd2, 0, 0x0b}, join(leb(0), atZero, leb(1), leb(0))),
		section(7, exported("run", 0, 0)), raw(12, leb(1)),
		section(10, locals([][]byte{{2, I64}}, i32const0, []byte{0x04, 0x40, 0x03, 0x40, 0x0c, 0, 0x0b, 0x05, 0x0b, 0xfc, 9, 0})),
		section(11, []byte{1, 1, 'x'}), custom("name")))
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, most := allocated(data), memoryFactor*len(data)+memoryBase; got > most {
			t.Errorf("%d bytes for a file of %d", got, len(data))
		}
		if _, err := Scan(data, Limits{MemoryPages: 16}); err != nil {
			if v, ok := errors.AsType[*Error](err); !ok || v.Offset < 0 || v.Offset > len(data) || v.Section == "" || v.Rule == "" {
				t.Errorf("the verdict %#v", err)
			}
		}
		if file, err := Decode(data); err == nil {
			checkRanges(t, file)
		}
	})
}

// checkRanges walks over all that a decoded file points to.
func checkRanges(t *testing.T, f *File) {
	last := len(header)
	for _, s := range f.Sections {
		if s.Start < last || s.End < s.Start || s.End > len(f.Bytes) {
			t.Errorf("a section from %d to %d after byte %d", s.Start, s.End, last)
		}
		last = s.End
	}
	for index, b := range f.Bodies {
		var i Instruction
		n, at := 0, int(b.Code)
		for code := f.Code(index); code.Next(&i); n++ {
			if i.Start != at || i.End <= i.Start {
				t.Fatalf("an instruction from %d to %d after byte %d", i.Start, i.End, at)
			}
			at = i.End
		}
		if n != int(b.Instructions) || at != int(b.End) || i.Op != OpEnd {
			t.Errorf("body %d: %d instructions to byte %d, want %d to %d", index, n, at, b.Instructions, b.End)
		}
	}
	for i := range f.Elements {
		n, end := 0, int32(0)
		f.EachItem(&f.Elements[i], func(e Expr) { n, end = n+1, e.End })
		if n != f.Elements[i].Count || n > 0 && int(end) != f.Elements[i].End {
			t.Errorf("element %d: %d items", i, n)
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
