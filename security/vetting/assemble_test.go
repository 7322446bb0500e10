package vetting

import (
	"encoding/binary"
	"slices"
)

// A small assembler, so that a hostile file is a few lines that can be read.

// plain are the sections of a module without fault: one function () -> (), one
// page of memory.
func plain() map[byte][]byte {
	return map[byte][]byte{
		SectionType:     section(SectionType, functionType("", "")),
		SectionFunction: section(SectionFunction, leb(0)),
		SectionMemory:   section(SectionMemory, pages(1)),
		SectionCode:     section(SectionCode, code()),
	}
}

// with returns a module without fault but for the sections, which stand in
// place of those of the same ids.
func with(sections ...[]byte) []byte {
	all := plain()
	for _, s := range sections {
		all[s[0]] = s
	}
	file := slices.Clone(header)
	for _, id := range []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11, 0} {
		file = append(file, all[id]...)
	}
	return file
}

// running returns a module whose one function has that code.
func running(parts ...[]byte) []byte { return with(section(SectionCode, code(parts...))) }

// file returns the sections in the order given, and no others.
func file(sections ...[]byte) []byte { return join(header, join(sections...)) }

func section(id byte, entries ...[]byte) []byte {
	return raw(id, leb(len(entries)), join(entries...))
}

// raw is a section with these contents.
func raw(id byte, contents ...[]byte) []byte { return append([]byte{id}, sized(join(contents...))...) }

func functionType(params, results string) []byte {
	return join([]byte{0x60}, sized([]byte(params)), sized([]byte(results)))
}

func pages(least int, most ...int) []byte {
	limits := append([]byte{byte(len(most))}, leb(least)...)
	for _, n := range most {
		limits = append(limits, leb(n)...)
	}
	return limits
}

// code is a body without locals; its last end is added.
func code(parts ...[]byte) []byte { return locals(nil, parts...) }

func locals(groups [][]byte, parts ...[]byte) []byte {
	return sized(join(leb(len(groups)), join(groups...), join(parts...), []byte{0x0b}))
}

func imported(module, name string, desc ...byte) []byte {
	return join(sized([]byte(module)), sized([]byte(name)), desc)
}

func exported(name string, kind byte, index int) []byte {
	return join(sized([]byte(name)), []byte{kind}, leb(index))
}

func custom(name string) []byte { return raw(SectionCustom, sized([]byte(name))) }

func sized(b []byte) []byte { return append(leb(len(b)), b...) }

func leb(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

// times repeats an entry.
func times(n int, entry []byte) [][]byte { return slices.Repeat([][]byte{entry}, n) }

var (
	i32const0  = []byte{0x41, 0}
	dropped    = []byte{0x1a}
	closed     = []byte{0x0b}
	opened     = []byte{0x02, 0x40}
	looped     = []byte{0x03, 0x40}
	atZero     = []byte{0x41, 0, 0x0b} // an offset
	huge       = []byte{0xff, 0xff, 0xff, 0xff, 0x0f}
	tableOfTen = section(SectionTable, []byte{FuncRef, 0, 10})
)
