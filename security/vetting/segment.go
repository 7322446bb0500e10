package vetting

// element reads a segment of a table. Of its flags, bit 0 says that it is not
// active, bit 1 that a table is named (or, with bit 0, that it is declared),
// bit 2 that the items are expressions.
func (d *decoder) element() {
	start := d.pos
	e := Element{Flags: d.u32()}
	if e.Flags > 7 {
		d.fail(start, "segment", "the flags %d are not allowed", e.Flags)
	}
	named := e.Flags&2 != 0
	switch {
	case e.Flags&1 == 0:
		if named {
			e.Table = d.index(len(d.f.Tables), "table")
		} else {
			d.within(start, 0, len(d.f.Tables), "table")
		}
		e.Offset = d.expr()
	case named:
		e.Mode = Declared
	default:
		e.Mode = Passive
	}
	e.Expressions = e.Flags&4 != 0
	if e.Flags&3 != 0 {
		e.Kind = d.elementKind(e.Expressions)
	}
	e.Count = d.count(maxItems)
	e.Items = d.pos
	for range e.Count {
		d.item(e.Expressions)
	}
	e.End = d.pos
	if d.items += e.Count; d.items > maxItems {
		d.fail(start, "count", "more than %d elements", maxItems)
	}
	d.f.Elements = append(d.f.Elements, e)
	d.f.HiddenState = d.f.HiddenState || e.Mode != Active
}

func (d *decoder) elementKind(expressions bool) byte {
	if expressions {
		return d.refType()
	}
	start := d.pos
	kind := d.byte()
	if kind != 0 {
		d.fail(start, "segment", "0x%02x is no kind of elements", kind)
	}
	return kind
}

func (d *decoder) item(expression bool) {
	if expression {
		d.expr()
	} else {
		d.index(d.allFunctions(), "function")
	}
}

// EachItem calls yield with each item of an element segment: its constant
// expression, or a ref.func of the function.
func (f *File) EachItem(e *Element, yield func(Expr)) {
	d := &decoder{reader: reader{file: f.Bytes, pos: e.Items, end: e.End, section: "element"}, f: f, functions: len(f.Bodies)}
	for range e.Count {
		if e.Expressions {
			yield(d.expr())
			continue
		}
		item := Expr{Op: OpRefFunc, Start: int32(d.pos)}
		item.Value = int64(d.u32())
		item.End = int32(d.pos)
		yield(item)
	}
}

// data reads a segment of the memory. Flags of 2 name the memory, of which
// there is one.
func (d *decoder) data() {
	start := d.pos
	s := Data{}
	switch flags := d.u32(); flags {
	case 0:
		d.within(start, 0, len(d.f.Memories), "memory")
		s.Offset = d.expr()
	case 1:
		s.Mode = Passive
		d.f.HiddenState = true
	case 2:
		d.index(len(d.f.Memories), "memory")
		s.Offset = d.expr()
	default:
		d.fail(start, "segment", "the flags %d are not allowed", flags)
	}
	s.Bytes = d.bytes(d.u32())
	d.f.Data = append(d.f.Data, s)
}
