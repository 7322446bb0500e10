package vetting

import "math"

func (d *decoder) typ() {
	start := d.pos
	if form := d.byte(); form != 0x60 {
		d.fail(start, "type", "0x%02x is no function type", form)
	}
	params := d.valueTypes(maxParams)
	d.f.Types = append(d.f.Types, Type{Params: params, Results: d.valueTypes(maxResults)})
}

func (d *decoder) valueTypes(most int) []ValueType {
	n := d.count(most)
	start := d.pos
	for range n {
		d.valueType()
	}
	if d.err != nil {
		return nil
	}
	return d.file[start:d.pos:d.pos]
}

func (d *decoder) imported() {
	i := Import{Offset: d.pos}
	i.Module, i.Name = d.name(), d.name()
	start := d.pos
	i.Kind = d.byte()
	switch i.Kind {
	case KindFunction:
		i.Type = d.index(len(d.f.Types), "type")
		d.functionTypes = append(d.functionTypes, i.Type)
		d.f.ImportedFunctions++
	case KindTable:
		d.table()
		d.f.ImportedTables++
	case KindMemory:
		d.memory()
		d.f.ImportedMemories++
	case KindGlobal:
		d.f.Globals = append(d.f.Globals, d.globalType())
		d.f.ImportedGlobals++
	default:
		d.fail(start, "kind", "0x%02x is no kind of an import", i.Kind)
	}
	d.f.Imports = append(d.f.Imports, i)
}

func (d *decoder) function() {
	d.functionTypes = append(d.functionTypes, d.index(len(d.f.Types), "type"))
}

func (d *decoder) table() {
	t := Table{Offset: d.pos}
	t.Type, t.Size = d.refType(), d.size(math.MaxUint32)
	d.f.Tables = append(d.f.Tables, t)
	if len(d.f.Tables) > maxTables {
		d.fail(t.Offset, "count", "more than %d tables", maxTables)
	}
}

func (d *decoder) memory() {
	m := Memory{Offset: d.pos}
	m.Size = d.size(1 << 16)
	d.f.Memories = append(d.f.Memories, m)
	if len(d.f.Memories) > 1 {
		d.fail(m.Offset, "memory", "more than one memory")
	}
}

// size reads limits. Shared and 64-bit memories have flags of their own.
func (d *decoder) size(most int) Size {
	start := d.pos
	flags := d.byte()
	if flags > 1 {
		d.fail(start, "limits", "the flags 0x%02x are not allowed", flags)
	}
	s := Size{Min: d.atMost(start, "limits", d.u32(), most)}
	if flags == 1 {
		largest := d.atMost(start, "limits", d.u32(), most)
		if largest < s.Min {
			d.fail(start, "limits", "a maximum of %d below the minimum of %d", largest, s.Min)
		}
		s.Max = &largest
	}
	return s
}

func (d *decoder) global() {
	g := d.globalType()
	g.Init = d.expr()
	d.f.Globals = append(d.f.Globals, g)
	d.f.HiddenState = d.f.HiddenState || g.Mutable && isReference(g.Type)
}

func (d *decoder) globalType() Global {
	g := Global{Start: int32(d.pos)}
	g.Type = d.valueType()
	start := d.pos
	mutable := d.byte()
	if mutable > 1 {
		d.fail(start, "global", "0x%02x is no mutability", mutable)
	}
	g.Mutable = mutable == 1
	return g
}

func (d *decoder) export() {
	e := Export{Offset: d.pos}
	e.Name = d.name()
	start := d.pos
	e.Kind = d.byte()
	switch e.Kind {
	case KindFunction:
		e.Index = d.index(d.allFunctions(), "function")
	case KindTable:
		e.Index = d.index(len(d.f.Tables), "table")
	case KindMemory:
		e.Index = d.index(len(d.f.Memories), "memory")
	case KindGlobal:
		e.Index = d.index(len(d.f.Globals), "global")
	default:
		d.fail(start, "kind", "0x%02x is no kind of an export", e.Kind)
	}
	if d.exported[e.Name] {
		d.fail(e.Offset, "export.name", "%q is exported twice", e.Name)
	}
	d.exported[e.Name] = true
	d.f.Exports = append(d.f.Exports, e)
}

// expr reads a constant expression: one instruction that gives a value, and an
// end.
func (d *decoder) expr() Expr {
	e := Expr{Start: int32(d.pos)}
	e.Op = Opcode(d.byte())
	switch e.Op {
	case OpI32Const:
		e.Value = int64(d.s32())
	case OpI64Const:
		e.Value = d.s64()
	case OpF32Const:
		d.bytes(4)
	case OpF64Const:
		d.bytes(8)
	case OpGlobalGet: // of an imported one, so that there is no order to mind
		e.Value = int64(d.index(d.f.ImportedGlobals, "imported global"))
	case OpRefNull:
		d.refType()
	case OpRefFunc:
		e.Value = int64(d.index(d.allFunctions(), "function"))
	default:
		d.fail(int(e.Start), "constant", "0x%02x in a constant expression", byte(e.Op))
	}
	end := d.pos
	if d.byte() != byte(OpEnd) {
		d.fail(end, "constant", "a constant expression of more than one instruction")
	}
	e.End = int32(d.pos)
	return e
}
