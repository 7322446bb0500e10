package meter

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// A small assembler, so that a guest is a few lines that can be read.

// function is one that a module defines and exports by its name. Its type
// "iI:i" is (i32, i64) -> i32, and so are its locals.
type function struct {
	name, typ, locals string
	code              []byte
}

var valueTypes = map[rune]byte{'i': 0x7f, 'I': 0x7e, 'f': 0x7d, 'F': 0x7c}

// assemble returns a module with the functions, one page of memory "memory",
// and a table of all the functions.
func assemble(functions ...function) []byte {
	var types, indexes, exports, codes, all [][]byte
	for i, f := range functions {
		params, results, _ := strings.Cut(f.typ, ":")
		types = append(types, ops([]byte{0x60}, values(params), values(results)))
		indexes = append(indexes, leb(i))
		exports = append(exports, ops(sized(f.name), []byte{0}, leb(i)))
		var locals [][]byte
		for _, c := range f.locals {
			locals = append(locals, []byte{1, valueTypes[c]})
		}
		codes = append(codes, []byte(sized(string(ops(leb(len(locals)), ops(locals...), f.code, end)))))
		all = append(all, leb(i))
	}
	exports = append(exports, ops(sized("memory"), []byte{2, 0}))
	return ops([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, types...), section(3, indexes...), section(4, ops([]byte{0x70, 0}, leb(len(all)))),
		section(5, []byte{0, 1}), section(7, exports...),
		section(9, ops([]byte{0}, i32(0), end, leb(len(all)), ops(all...))), section(10, codes...))
}

func section(id byte, entries ...[]byte) []byte {
	return append([]byte{id}, sized(string(ops(leb(len(entries)), ops(entries...))))...)
}

func sized(s string) []byte { return append(leb(len(s)), s...) }

func values(s string) []byte {
	out := leb(len(s))
	for _, c := range s {
		out = append(out, valueTypes[c])
	}
	return out
}

func leb(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func ops(parts ...[]byte) []byte { return slices.Concat(parts...) }

var (
	nop  = []byte{0x01}
	end  = []byte{0x0b}
	ret  = []byte{0x0f}
	add  = []byte{0x6a}
	sub  = []byte{0x6b}
	less = []byte{0x48} // signed
	fill = []byte{0xfc, 11, 0}
	grow = []byte{0x40, 0}
	drop = []byte{0x1a}
)

func get(n int) []byte  { return ops([]byte{0x20}, leb(n)) }
func set(n int) []byte  { return ops([]byte{0x21}, leb(n)) }
func tee(n int) []byte  { return ops([]byte{0x22}, leb(n)) }
func br(n int) []byte   { return ops([]byte{0x0c}, leb(n)) }
func brIf(n int) []byte { return ops([]byte{0x0d}, leb(n)) }
func call(n int) []byte { return ops([]byte{0x10}, leb(n)) }
func i32(n int) []byte  { return appendI64([]byte{0x41}, int64(n)) }

// The blocks have no results, or one i32.
func block(code ...[]byte) []byte  { return ops([]byte{0x02, 0x40}, ops(code...), end) }
func loop(code ...[]byte) []byte   { return ops([]byte{0x03, 0x40}, ops(code...), end) }
func iff(code ...[]byte) []byte    { return ops([]byte{0x04, 0x40}, ops(code...), end) }
func blockI(code ...[]byte) []byte { return ops([]byte{0x02, 0x7f}, ops(code...), end) }

func times(n int, code []byte) []byte { return slices.Repeat(code, n) }

// countdown runs code as often as parameter 0 says.
func countdown(code ...[]byte) []byte {
	return loop(ops(code...), get(0), i32(1), sub, tee(0), brIf(0))
}

// fib is the recursion without a loop.
var fib = function{name: "fib", typ: "i:i", code: ops(
	get(0), i32(2), less, iff(get(0), ret),
	get(0), i32(1), sub, call(0), get(0), i32(2), sub, call(0), add)}

// withSections puts sections in place of those with the same ids, or where they
// belong. Custom sections get lost.
func withSections(wasm []byte, sections ...[]byte) []byte {
	all := map[byte][]byte{}
	for rest := wasm[8:]; len(rest) > 0; {
		size, n := binary.Uvarint(rest[1:])
		whole := 1 + n + int(size)
		all[rest[0]], rest = rest[:whole], rest[whole:]
	}
	for _, s := range sections {
		all[s[0]] = s
	}
	out := wasm[:8:8]
	for _, id := range []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11} {
		out = append(out, all[id]...)
	}
	return out
}

// withoutTick gives the meter's import another name.
func withoutTick(wasm []byte) []byte {
	return bytes.Replace(wasm, []byte(ImportModule), []byte("anybody's:meter"), 1)
}
