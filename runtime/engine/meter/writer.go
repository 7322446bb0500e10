package meter

import (
	"encoding/binary"

	"github.com/cofferdam-bot/cofferdam/security/vetting"
)

// writer appends the rewritten module to out.
type writer struct {
	f             *vetting.File
	out           []byte
	tick          uint32 // the import's index; functions from there on move up
	ask           uint32 // the function's that is added after all others
	fuel, depth   uint32 // the globals' indexes
	types         []byte // entries that are added to the types
	typesAdded    uint32
	tickType      uint32
	askType       uint32
	functionTypes []uint32          // of all functions, as the file numbers them
	wrappers      map[string]uint32 // types () -> results, by the results
	scratch       []byte
	body          body
}

func newWriter(f *vetting.File) *writer {
	n := uint32(len(f.Globals))
	w := &writer{f: f, tick: uint32(f.ImportedFunctions), fuel: n, depth: n + 1, wrappers: map[string]uint32{}}
	w.ask = w.tick + 1 + uint32(len(f.Bodies))
	w.tickType = w.addType([]byte{vetting.I64}, []byte{vetting.I64})
	w.askType = w.addType(nil, nil)
	for _, i := range f.Imports {
		if i.Kind == vetting.KindFunction {
			w.functionTypes = append(w.functionTypes, i.Type)
		}
	}
	for i := range f.Bodies {
		w.functionTypes = append(w.functionTypes, f.Bodies[i].Type)
	}
	for i := range f.Bodies {
		if results := f.Types[f.Bodies[i].Type].Results; len(results) > 1 && w.wrappers[string(results)] == 0 {
			w.wrappers[string(results)] = w.addType(nil, results)
		}
	}
	w.out = make([]byte, 0, len(f.Bytes)+len(f.Bytes)/8+64*len(f.Bodies)+256)
	return w
}

func (w *writer) addType(params, results []byte) uint32 {
	w.types = append(w.types, 0x60)
	w.types = appendSized(w.types, params)
	w.types = appendSized(w.types, results)
	w.typesAdded++
	return uint32(len(w.f.Types)) + w.typesAdded - 1
}

// module writes all sections in their order.
func (w *writer) module(o Options) {
	w.out = append(w.out, "\x00asm\x01\x00\x00\x00"...)
	w.extended(vetting.SectionType, int(w.typesAdded), w.types)
	w.extended(vetting.SectionImport, 1, w.tickImport())
	w.extended(vetting.SectionFunction, 1, binary.AppendUvarint(nil, uint64(w.askType)))
	w.copied(vetting.SectionTable)
	w.copied(vetting.SectionMemory)
	w.globals()
	w.exports(o)
	if w.f.Start != nil {
		w.section(vetting.SectionStart, func() { w.u32(w.function(w.f.Start.Function)) })
	}
	w.elements()
	if !o.Detach {
		w.copied(vetting.SectionDataCount)
	}
	w.code()
	if !o.Detach {
		w.copied(vetting.SectionData)
	}
}

// section writes a section whose size is known when its contents are.
func (w *writer) section(id byte, contents func()) {
	w.out = append(w.out, id, 0, 0, 0, 0, 0)
	start := len(w.out)
	contents()
	size := len(w.out) - start
	for i := range 5 {
		w.out[start-5+i] = byte(size>>(7*i)) & 0x7f
		if i < 4 {
			w.out[start-5+i] |= 0x80
		}
	}
}

// copied writes a section as it was.
func (w *writer) copied(id byte) {
	if s := w.f.Section(id); s != nil {
		w.section(id, func() { w.copy(s.Start, s.End) })
	}
}

// extended writes a section with more entries at its end.
func (w *writer) extended(id byte, n int, entries []byte) {
	s := w.f.Section(id)
	if s == nil {
		s = &vetting.Section{}
	}
	w.section(id, func() {
		w.u32(uint32(s.Count + n))
		w.copy(s.Entries, s.End)
		w.out = append(w.out, entries...)
	})
}

func (w *writer) tickImport() []byte {
	i := appendSized(nil, []byte(ImportModule))
	i = appendSized(i, []byte(ImportTick))
	return binary.AppendUvarint(append(i, vetting.KindFunction), uint64(w.tickType))
}

func (w *writer) globals() {
	w.section(vetting.SectionGlobal, func() {
		defined := w.f.Globals[w.f.ImportedGlobals:]
		w.u32(uint32(len(defined) + 2))
		for _, g := range defined {
			w.copy(int(g.Start), int(g.Init.Start))
			w.expr(g.Init)
		}
		w.counter(0)
		w.counter(Depth)
	})
}

// counter writes a mutable i64.
func (w *writer) counter(initial int64) {
	w.out = append(w.out, vetting.I64, 1)
	w.i64(initial)
	w.op(vetting.OpEnd)
}

func (w *writer) exports(o Options) {
	var more []Global
	if o.ExportGlobals {
		more = globals(w.f)
	}
	if len(w.f.Exports)+len(more) == 0 {
		return
	}
	w.section(vetting.SectionExport, func() {
		w.u32(uint32(len(w.f.Exports) + len(more)))
		for _, e := range w.f.Exports {
			index := e.Index
			if e.Kind == vetting.KindFunction {
				index = w.function(index)
			}
			w.export(e.Name, e.Kind, index)
		}
		if o.ExportGlobals {
			w.exportGlobals()
		}
	})
}

func (w *writer) exportGlobals() {
	for i, g := range w.f.Globals {
		if g.Mutable {
			w.export(globalName(uint32(i)), vetting.KindGlobal, uint32(i))
		}
	}
	w.export(globalName(w.fuel), vetting.KindGlobal, w.fuel)
	w.export(globalName(w.depth), vetting.KindGlobal, w.depth)
}

func (w *writer) export(name string, kind byte, index uint32) {
	w.u32(uint32(len(name)))
	w.out = append(w.out, name...)
	w.out = append(w.out, kind)
	w.u32(index)
}

func (w *writer) elements() {
	if len(w.f.Elements) == 0 {
		return
	}
	w.section(vetting.SectionElement, func() {
		w.u32(uint32(len(w.f.Elements)))
		for i := range w.f.Elements {
			w.element(&w.f.Elements[i])
		}
	})
}

func (w *writer) element(e *vetting.Element) {
	w.u32(e.Flags)
	if e.Mode == vetting.Active {
		if e.Flags&2 != 0 {
			w.u32(e.Table)
		}
		w.expr(e.Offset)
	}
	if e.Flags&3 != 0 {
		w.out = append(w.out, e.Kind)
	}
	w.u32(uint32(e.Count))
	w.f.EachItem(e, func(item vetting.Expr) {
		if e.Expressions {
			w.expr(item)
		} else {
			w.u32(w.function(uint32(item.Value)))
		}
	})
}

func (w *writer) expr(e vetting.Expr) {
	if e.Op != vetting.OpRefFunc {
		w.copy(int(e.Start), int(e.End))
		return
	}
	w.op(e.Op)
	w.u32(w.function(uint32(e.Value)))
	w.op(vetting.OpEnd)
}

// function returns the new index of a function of the file: what it defines
// moves up behind one more import.
func (w *writer) function(index uint32) uint32 {
	if index >= w.tick {
		return index + 1
	}
	return index
}

func (w *writer) copy(start, end int)  { w.out = append(w.out, w.f.Bytes[start:end]...) }
func (w *writer) op(op vetting.Opcode) { w.out = append(w.out, byte(op)) }
func (w *writer) u32(n uint32)         { w.out = binary.AppendUvarint(w.out, uint64(n)) }
func (w *writer) i64(n int64)          { w.out = appendI64(append(w.out, byte(vetting.OpI64Const)), n) }
func appendSized(out, b []byte) []byte {
	return append(binary.AppendUvarint(out, uint64(len(b))), b...)
}

func appendI64(out []byte, n int64) []byte {
	for {
		b := byte(n & 0x7f)
		n >>= 7
		if n == 0 && b&0x40 == 0 || n == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}
