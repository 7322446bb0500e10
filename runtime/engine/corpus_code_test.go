package engine

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
)

// What stands in the braces of a crime's source: bytes, numbers, instructions.

// body returns a function's body: its locals, its code, and an end.
func (a *textAssembler) body(w wordList) []byte {
	if w.is("raw") {
		return a.emit(w)
	}
	var groups [][]byte
	for w.is("local") {
		n := binary.AppendUvarint(nil, uint64(w.number()))
		groups = append(groups, append(n, valueTypes[w.next()]))
	}
	out := binary.AppendUvarint(nil, uint64(len(groups)))
	return append(append(append(out, slices.Concat(groups...)...), a.emit(w)...), 0x0b)
}

// emit returns the bytes that words in braces mean.
func (a *textAssembler) emit(w wordList) []byte {
	var out []byte
	for len(w) > 0 {
		out = append(out, a.emitOne(w.next(), &w)...)
	}
	return out
}

func (a *textAssembler) emitOne(word string, w *wordList) []byte {
	switch {
	case strings.HasPrefix(word, "0x"):
		n, err := strconv.ParseUint(word, 0, 8)
		if err != nil {
			bad("%q is no byte", word)
		}
		return []byte{byte(n)}
	case word[0] == '"' || word[0] == '`':
		return []byte((&wordList{word}).text())
	}
	switch word {
	case "u":
		return padded(binary.AppendUvarint(nil, uint64(w.number())), w)
	case "s":
		return appendSigned(nil, w.number())
	case "zeros":
		return make([]byte, w.number())
	case "name":
		return sized([]byte(w.text()))
	case "sized":
		if !w.numeric() {
			return sized(a.emit(w.block()))
		}
		size := binary.AppendUvarint(nil, uint64(w.number()))
		return append(size, a.emit(w.block())...)
	case "repeat":
		n := int(w.number())
		return bytes.Repeat(a.emit(w.block()), n)
	}
	return a.instruction(word, w)
}

// padded gives a LEB128 number the length that follows, if one does.
func padded(number []byte, w *wordList) []byte {
	if !w.is("in") {
		return number
	}
	for length := int(w.number()); len(number) < length; {
		number[len(number)-1] |= 0x80
		number = append(number, 0)
	}
	return number
}

// instructions by name: the opcode, and a letter for each immediate: i an
// index, s and S signed numbers of 32 and 64 bits, m alignment and offset, z a
// zero byte, b a block's type, t a type and a table.
var instructions = map[string]struct {
	code       []byte
	immediates string
}{
	"unreachable": {[]byte{0x00}, ""}, "nop": {[]byte{0x01}, ""}, "block": {[]byte{0x02}, "b"}, "loop": {[]byte{0x03}, "b"}, "if": {[]byte{0x04}, "b"},
	"else": {[]byte{0x05}, ""}, "end": {[]byte{0x0b}, ""}, "br": {[]byte{0x0c}, "i"}, "br_if": {[]byte{0x0d}, "i"}, "return": {[]byte{0x0f}, ""},
	"call": {[]byte{0x10}, "i"}, "call_indirect": {[]byte{0x11}, "t"}, "drop": {[]byte{0x1a}, ""}, "select": {[]byte{0x1b}, ""},
	"local.get": {[]byte{0x20}, "i"}, "local.set": {[]byte{0x21}, "i"}, "local.tee": {[]byte{0x22}, "i"}, "global.get": {[]byte{0x23}, "i"}, "global.set": {[]byte{0x24}, "i"},
	"i32.load": {[]byte{0x28}, "m"}, "i32.load8_u": {[]byte{0x2d}, "m"}, "i32.store": {[]byte{0x36}, "m"}, "i32.store8": {[]byte{0x3a}, "m"},
	"memory.size": {[]byte{0x3f}, "z"}, "memory.grow": {[]byte{0x40}, "z"}, "i32.const": {[]byte{0x41}, "s"}, "i64.const": {[]byte{0x42}, "S"},
	"i32.eqz": {[]byte{0x45}, ""}, "i32.eq": {[]byte{0x46}, ""}, "i32.ne": {[]byte{0x47}, ""}, "i32.lt_u": {[]byte{0x49}, ""}, "i32.ge_u": {[]byte{0x4f}, ""},
	"i32.add": {[]byte{0x6a}, ""}, "i32.sub": {[]byte{0x6b}, ""}, "i32.mul": {[]byte{0x6c}, ""}, "i32.div_s": {[]byte{0x6d}, ""},
	"i64.add": {[]byte{0x7c}, ""}, "i64.shr_u": {[]byte{0x88}, ""}, "i32.wrap_i64": {[]byte{0xa7}, ""}, "i64.extend_i32_u": {[]byte{0xad}, ""},
	"ref.null": {[]byte{0xd0, 0x70}, ""}, "memory.init": {[]byte{0xfc, 8}, "iz"}, "data.drop": {[]byte{0xfc, 9}, "i"},
	"memory.copy": {[]byte{0xfc, 10}, "zz"}, "memory.fill": {[]byte{0xfc, 11}, "z"}, "table.grow": {[]byte{0xfc, 15}, "i"}, "table.fill": {[]byte{0xfc, 17}, "i"},
}

func (a *textAssembler) instruction(word string, w *wordList) []byte {
	i, ok := instructions[word]
	if !ok {
		bad("there is no instruction %q", word)
	}
	out := slices.Clone(i.code)
	for _, immediate := range i.immediates {
		switch immediate {
		case 'i':
			out = append(out, a.index(w.next())...)
		case 's':
			out = appendSigned(out, int64(int32(w.number())))
		case 'S':
			out = appendSigned(out, w.number())
		case 'm':
			out = append(out, 0, 0)
		case 'z':
			out = append(out, 0)
		case 'b':
			out = append(out, blockType(w))
		case 't':
			out = append(append(out, a.typeIndex(w.signature(""))...), 0)
		}
	}
	return out
}

// blockType reads the type of what a block leaves, if it leaves anything.
func blockType(w *wordList) byte {
	if len(*w) > 0 {
		if typ, ok := valueTypes[(*w)[0]]; ok {
			w.next()
			return typ
		}
	}
	return 0x40
}
