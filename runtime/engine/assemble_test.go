package engine

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// A small assembler, so that a hostile guest is a few lines that can be read.

// guest is a module. The zero guest has one page of memory and answers every
// request with 0 and no reply.
//
// Functions are numbered: first the imports, then handle, init, start.
type guest struct {
	imports []imported
	handle  []byte   // leaves the i32 that cofferdam_handle returns; parameter 0 is the request's length
	init    []byte   // _initialize, if there is any
	start   []byte   // the start section's function, if there is any
	memory  []byte   // limits; nil: pages(1); empty: none of its own
	data    string   // at address 0
	globals [][]byte // entries of the global section
	table   []byte   // the type of a table, if there is any
	exports []exported
	types   map[string]string // of "handle" and "init", where they are not as they should be
}

// imported is a function of that type ("ii:I" is (i32, i32) -> i64) or, with a
// desc, something else.
type imported struct {
	module, name, typ string
	desc              []byte
}

// exported is one more export, or, if it has the name of one that every guest
// has, what stands in its place; with kind 0xff it is left out.
type exported struct {
	name string
	kind byte
	id   int
}

const left = 0xff

func host(name, typ string) imported { return imported{module: abi.ImportModule, name: name, typ: typ} }
func wasi(name, typ string) imported { return imported{module: wasiModule, name: name, typ: typ} }

var (
	requestReads = host(abi.ImportRequestRead, "ii:i")
	replyWrites  = host(abi.ImportReplyWrite, "ii:i")
	resultReads  = host(abi.ImportResultRead, "ii:i")
	logs         = host(abi.ImportLog, "iii:")
	readsMemory  = host(abi.OpMetricsMemory, "ii:I")
	exits        = wasi("proc_exit", "i:")
)

// The instructions that hostile guests are made of.
var (
	unreachable = []byte{0x00}
	drop        = []byte{0x1a}
	length      = []byte{0x20, 0} // local.get 0
	load8       = []byte{0x2d, 0, 0}
	store32     = []byte{0x36, 2, 0}
	grow        = []byte{0x40, 0}
	fill        = []byte{0xfc, 11, 0} // memory.fill
	unequal     = []byte{0x47}
	wrap        = []byte{0xa7} // i64 -> i32, the low half
	high        = ops([]byte{0x42, 32, 0x88}, wrap)
)

func ops(parts ...[]byte) []byte { return slices.Concat(parts...) }

func call(function int) []byte { return binary.AppendUvarint([]byte{0x10}, uint64(function)) }

func i32(n int) []byte { return appendSigned([]byte{0x41}, int64(int32(n))) }

func forever(body ...[]byte) []byte {
	return ops([]byte{0x03, 0x40}, ops(body...), []byte{0x0c, 0, 0x0b})
}

func iff(body ...[]byte) []byte { return ops([]byte{0x04, 0x40}, ops(body...), []byte{0x0b}) }

func times(n int, body ...[]byte) []byte { return slices.Repeat(ops(body...), n) }

func pages(least int, most ...int) []byte {
	limits := binary.AppendUvarint([]byte{byte(len(most))}, uint64(least))
	for _, n := range most {
		limits = binary.AppendUvarint(limits, uint64(n))
	}
	return limits
}

// telling is a guest that replies with the 4 bytes of the i32 that the code
// leaves, and returns 0. Its import 0 is reply_write; those given follow.
func telling(imports []imported, code ...[]byte) guest {
	return guest{
		imports: append([]imported{replyWrites}, imports...),
		handle:  ops(i32(0), ops(code...), store32, i32(0), i32(4), call(0), drop, i32(0)),
	}
}

// assemble returns the module's file.
func (g guest) assemble() []byte {
	types := map[string]string{"handle": "i:i", "init": ":", "start": ":"}
	for name, typ := range g.types {
		types[name] = typ
	}
	m := &assembly{}
	for _, i := range g.imports {
		m.importOne(i)
	}
	handle := g.handle
	if handle == nil {
		handle = i32(0)
	}
	functions := map[string]int{"handle": m.function(types["handle"], handle)}
	if g.init != nil {
		functions["init"] = m.function(types["init"], g.init)
	}
	if g.start != nil {
		functions["start"] = m.function(types["start"], g.start)
	}
	memory := g.memory
	if memory == nil {
		memory = pages(1)
	}
	return m.file(g, memory, exportsOf(g, functions), functions)
}

func exportsOf(g guest, functions map[string]int) []exported {
	all := []exported{{abi.ExportMemory, 2, 0}, {abi.ExportHandle, 0, functions["handle"]}}
	if g.init != nil {
		all = append(all, exported{abi.ExportInitialize, 0, functions["init"]})
	}
	for _, e := range g.exports {
		all = slices.DeleteFunc(all, func(other exported) bool { return other.name == e.name })
		if e.kind != left {
			all = append(all, e)
		}
	}
	return all
}

// assembly collects the entries of a file's sections.
type assembly struct {
	types, imports, functions, codes [][]byte
	importedFunctions                int
}

func (m *assembly) typeOf(typ string) []byte {
	params, results, _ := strings.Cut(typ, ":")
	values := func(s string) []byte {
		out := binary.AppendUvarint(nil, uint64(len(s)))
		for _, c := range s {
			out = append(out, map[rune]byte{'i': 0x7f, 'I': 0x7e}[c])
		}
		return out
	}
	m.types = append(m.types, ops([]byte{0x60}, values(params), values(results)))
	return binary.AppendUvarint(nil, uint64(len(m.types)-1))
}

func (m *assembly) importOne(i imported) {
	desc := i.desc
	if desc == nil {
		desc = append([]byte{0}, m.typeOf(i.typ)...)
		m.importedFunctions++
	}
	m.imports = append(m.imports, ops(sized([]byte(i.module)), sized([]byte(i.name)), desc))
}

func (m *assembly) function(typ string, body []byte) int {
	m.functions = append(m.functions, m.typeOf(typ))
	m.codes = append(m.codes, sized(ops([]byte{0}, body, []byte{0x0b})))
	return m.importedFunctions + len(m.functions) - 1
}

func (m *assembly) file(g guest, memory []byte, exports []exported, functions map[string]int) []byte {
	var exportEntries [][]byte
	for _, e := range exports {
		exportEntries = append(exportEntries, ops(sized([]byte(e.name)), []byte{e.kind}, binary.AppendUvarint(nil, uint64(e.id))))
	}
	memories := [][]byte{memory}
	if len(memory) == 0 {
		memories = nil
	}
	var tables [][]byte
	if g.table != nil {
		tables = [][]byte{g.table}
	}
	file := ops([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, m.types...), section(2, m.imports...), section(3, m.functions...), section(4, tables...),
		section(5, memories...), section(6, g.globals...), section(7, exportEntries...))
	if index, ok := functions["start"]; ok {
		file = ops(file, []byte{8}, sized(binary.AppendUvarint(nil, uint64(index))))
	}
	file = ops(file, section(10, m.codes...))
	if g.data != "" {
		file = ops(file, section(11, ops([]byte{0}, i32(0), []byte{0x0b}, sized([]byte(g.data)))))
	}
	return file
}

func section(id byte, entries ...[]byte) []byte {
	if len(entries) == 0 {
		return nil
	}
	body := ops(binary.AppendUvarint(nil, uint64(len(entries))), ops(entries...))
	return append([]byte{id}, sized(body)...)
}

func sized(body []byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(body))), body...)
}

func appendSigned(out []byte, n int64) []byte {
	for {
		b := byte(n & 0x7f)
		n >>= 7
		if n == 0 && b&0x40 == 0 || n == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}
