package vetting

// code reads the code section: a body for each function of the function
// section.
func (d *decoder) code(s *Section) {
	types := reader{file: d.functionTypes, end: len(d.functionTypes)}
	d.each(s, maxFunctions, func() {
		if len(d.f.Bodies) >= d.functions {
			d.fail(d.pos, "count", "more bodies than the %d functions", d.functions)
			return
		}
		d.body(types.u32())
	})
}

func (d *decoder) body(typ uint32) {
	start := d.pos
	size := d.u32()
	if uint64(size) > uint64(d.left()) {
		d.fail(start, "body", "%d bytes are announced, %d are left", size, d.left())
	}
	d.atMost(start, "body", size, maxBody)
	if d.err != nil {
		return
	}
	b := Body{Type: typ, Start: int32(d.pos), End: int32(d.pos + int(size))}
	outer := d.end
	d.end = int(b.End)
	d.locals(&b)
	b.Code = int32(d.pos)
	d.instructions(&b)
	if d.err == nil {
		d.end = outer
	}
	d.f.Bodies = append(d.f.Bodies, b)
}

func (d *decoder) locals(b *Body) {
	groups := d.count(maxLocals)
	b.Groups = int32(groups)
	for range groups {
		start := d.pos
		n := d.u32()
		d.valueType()
		if uint64(n)+uint64(b.Locals) > maxLocals {
			d.fail(start, "locals", "more than %d", maxLocals)
			return
		}
		b.Locals += int32(n)
	}
}

// instructions reads a body's code: blocks are closed in their order, the last
// end is the last byte, and what an index names is there.
func (d *decoder) instructions(b *Body) {
	var (
		i       Instruction
		locals  = int(b.Locals) + len(d.f.Types[b.Type].Params)
		blocks  = append(d.blocks[:0], byte(OpBlock))
		places  = 1 // at which ways of control may meet
		labels  = 0
		started = d.pos
	)
	for len(blocks) > 0 && d.err == nil {
		d.instruction(&i)
		b.Instructions++
		switch i.Op {
		case OpBlock, OpLoop, OpIf:
			if i.Inline == 0 {
				d.within(i.Start, i.A, len(d.f.Types), "type")
			}
			places++
			blocks = append(blocks, byte(i.Op))
			if len(blocks) > maxNesting {
				d.fail(i.Start, "nesting", "more than %d blocks in each other", maxNesting)
			}
		case OpElse:
			if blocks[len(blocks)-1] != byte(OpIf) {
				d.fail(i.Start, "else", "there is no if that it belongs to")
			}
			blocks[len(blocks)-1] = byte(OpElse)
			places++
		case OpEnd:
			blocks = blocks[:len(blocks)-1]
		case OpBr, OpBrIf:
			d.within(i.Start, i.A, len(blocks), "label")
			places++
		case OpBrTable:
			d.within(i.Start, i.B, len(blocks), "label")
			places += int(i.A) + 1
			labels += int(i.A)
		case OpLocalGet, OpLocalSet, OpLocalTee:
			d.within(i.Start, i.A, locals, "local")
		default:
			d.refers(&i, b)
		}
	}
	d.blocks = blocks
	if d.err == nil && d.pos != d.end {
		d.fail(d.pos, "body", "%d bytes after the last end", d.end-d.pos)
	}
	d.atMost(started, "instructions", uint32(b.Instructions), maxInstructions)
	d.atMost(started, "labels", uint32(labels), maxLabels)
	d.atMost(started, "joins", uint32(places*locals), maxJoins)
}

// refers checks what an instruction refers to outside of its function, and
// notes what the file's facts say.
func (d *decoder) refers(i *Instruction, b *Body) {
	f := d.f
	switch i.Op {
	case OpCall:
		d.within(i.Start, i.A, d.allFunctions(), "function")
		b.Calls = true
	case OpCallIndirect:
		d.within(i.Start, i.A, len(f.Types), "type")
		d.within(i.Start, i.B, len(f.Tables), "table")
		b.Calls = true
	case OpGlobalGet, OpGlobalSet:
		d.within(i.Start, i.A, len(f.Globals), "global")
	case OpRefFunc:
		d.within(i.Start, i.A, d.allFunctions(), "function")
	case OpTableGet, OpTableSize:
		d.within(i.Start, i.A, len(f.Tables), "table")
	case OpTableSet, OpTableFill, OpTableGrow:
		d.within(i.Start, i.A, len(f.Tables), "table")
		f.HiddenState = true
	case OpTableCopy:
		d.within(i.Start, i.A, len(f.Tables), "table")
		d.within(i.Start, i.B, len(f.Tables), "table")
		f.HiddenState = true
	case OpTableInit:
		d.within(i.Start, i.A, len(f.Elements), "element segment")
		d.within(i.Start, i.B, len(f.Tables), "table")
		f.HiddenState = true
	case OpElemDrop:
		d.within(i.Start, i.A, len(f.Elements), "element segment")
		f.HiddenState = true
	case OpMemoryInit, OpDataDrop:
		d.dataIndex(i)
		f.HiddenState, f.UsesData = true, true
	}
	if i.Op == OpTableGrow && f.tableGrow == 0 {
		f.tableGrow = i.Start
	}
	if usesMemory(i.Op) {
		d.within(i.Start, 0, len(f.Memories), "memory")
	}
}

// dataIndex checks a data segment's index against the count that stands before
// the code: the segments come after it.
func (d *decoder) dataIndex(i *Instruction) {
	if d.f.DataCount == nil {
		d.fail(i.Start, "datacount", "the code names data segments and no section counts them")
		return
	}
	d.within(i.Start, i.A, int(*d.f.DataCount), "data segment")
}

func usesMemory(op Opcode) bool {
	return op >= 0x28 && op <= OpMemoryGrow || op == OpMemoryInit || op == OpMemoryCopy || op == OpMemoryFill
}
