package vetting

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"
)

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
