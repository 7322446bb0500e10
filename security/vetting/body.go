package vetting

import "math"

// body reads a function: its locals and its code.
func (d *decoder) body() {
	start := d.pos
	if len(d.f.Bodies) >= d.functions {
		d.fail(start, "count", "more bodies than the %d functions", d.functions)
		return
	}
	size := d.u32()
	if uint64(size) > uint64(d.left()) {
		d.fail(start, "body", "%d bytes are announced, %d are left", size, d.left())
	}
	d.atMost(start, "body", size, maxBody)
	if d.err != nil {
		return
	}
	b := Body{Type: d.functionTypes[d.f.ImportedFunctions+len(d.f.Bodies)], Start: int32(d.pos), End: int32(d.pos + int(size))}
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
	var i Instruction
	d.flow.begin(int(b.Locals) + len(d.f.Types[b.Type].Params))
	for len(d.flow.open) > 0 && d.err == nil {
		d.instruction(&i)
		b.Instructions++
		if d.err == nil {
			d.follow(&i, b)
		}
	}
	if d.err == nil && d.pos != d.end {
		d.fail(d.pos, "body", "%d bytes after the last end", d.end-d.pos)
	}
	start := int(b.Start)
	d.atMost(start, "instructions", uint32(b.Instructions), maxInstructions)
	d.atMost(start, "labels", uint32(d.flow.labels), maxLabels)
	d.atMost(start, "work", uint32(min(d.flow.work, math.MaxUint32)), maxWork)
	if d.work += d.flow.work; d.work > maxAllWork {
		d.fail(start, "work", "more than %d in all bodies", maxAllWork)
	}
}

// follow checks the labels, blocks and locals of an instruction.
func (d *decoder) follow(i *Instruction, b *Body) {
	w := &d.flow
	switch i.Op {
	case OpBlock, OpLoop, OpIf:
		d.blockIn(i)
	case OpElse:
		if !w.otherwise() {
			d.fail(i.Start, "else", "there is no if that it belongs to")
		}
	case OpEnd:
		w.end()
	case OpBr:
		d.within(i.Start, i.A, len(w.open), "label")
		w.branch(1, 0)
	case OpBrIf:
		d.within(i.Start, i.A, len(w.open), "label")
		w.branch(1, 1)
	case OpBrTable:
		d.within(i.Start, i.B, len(w.open), "label")
		w.branch(int(i.A)+1, 1)
		w.labels += int(i.A)
	case OpLocalGet, OpLocalSet, OpLocalTee:
		d.within(i.Start, i.A, w.locals, "local")
		w.plain(i.Op)
	case OpCall, OpCallIndirect:
		d.call(i)
		b.Calls = true
	default:
		d.refers(i)
		w.metered(i.Op)
		w.plain(i.Op)
	}
}

func (d *decoder) blockIn(i *Instruction) {
	var params, results int
	switch {
	case i.Inline == 0:
		params, results = d.arity(i.Start, i.A)
	case i.Inline != noResults:
		results = 1
	}
	d.flow.block(i.Op, params, results)
	if len(d.flow.open) > maxNesting {
		d.fail(i.Start, "nesting", "more than %d blocks in each other", maxNesting)
	}
	if d.flow.loops > maxLoops {
		d.fail(i.Start, "nesting", "more than %d loops in each other", maxLoops)
	}
}

func (d *decoder) call(i *Instruction) {
	var params, results int
	if i.Op == OpCall {
		if d.within(i.Start, i.A, d.allFunctions(), "function"); d.err == nil {
			params, results = d.arity(i.Start, d.functionTypes[i.A])
		}
	} else {
		params, results = d.arity(i.Start, i.A)
		d.within(i.Start, i.B, len(d.f.Tables), "table")
		d.flow.push(-1)
	}
	d.flow.push(-params)
	d.flow.push(results)
}

func (d *decoder) arity(start int, typ uint32) (params, results int) {
	if d.within(start, typ, len(d.f.Types), "type"); d.err != nil {
		return 0, 0
	}
	t := &d.f.Types[typ]
	return len(t.Params), len(t.Results)
}

// refers checks what an instruction refers to outside of its function, and
// notes what the file's facts say.
func (d *decoder) refers(i *Instruction) {
	f := d.f
	switch i.Op {
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
