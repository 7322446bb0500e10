package meter

import "github.com/cofferdam-bot/cofferdam/security/vetting"

// Instructions that only the meter adds.
const (
	opDrop          = 0x1a
	opI64LtS        = 0x53
	opI64GeS        = 0x59
	opI64Add        = 0x7c
	opI64Sub        = 0x7d
	opI64Or         = 0x84
	opI64ShrU       = 0x88
	opI64ExtendI32U = 0xad
	noResults       = 0x40
)

// body is the one that is being rewritten.
type body struct {
	index int
	vetting.Body
	results  []vetting.ValueType
	costs    []uint32 // of what is in no loop, then of each loop in its order
	open     []int    // of each open block, the index in costs
	loops    loops
	copied   int    // up to where the file was copied
	straight bool   // whether the code runs straight into its first loop
	bulk     bool   // whether there are bulk operations
	left     uint32 // the added i64 local: the fuel that is left
	length   uint32 // the added i32 local: of a bulk operation
	slots    int64  // what the frame takes of the depth
	nested   bool   // whether the depth is counted
}

func (w *writer) code() {
	w.section(vetting.SectionCode, func() {
		w.u32(uint32(len(w.f.Bodies) + 1))
		for i := range w.f.Bodies {
			w.measure(i)
			w.sized(w.writeBody)
		}
		w.sized(w.writeAsk)
	})
}

// sized writes what contents write after its size.
func (w *writer) sized(contents func()) {
	outer := w.out
	w.out = w.scratch[:0]
	contents()
	w.scratch, w.out = w.out, appendSized(outer, w.out)
}

// measure makes w.body of the body with that index.
func (w *writer) measure(index int) {
	b := &w.body
	b.index, b.Body = index, w.f.Bodies[index]
	t := w.f.Types[b.Type]
	locals := len(t.Params) + int(b.Locals)
	b.results = t.Results
	b.left, b.length = uint32(locals), uint32(locals+1)
	// An instruction leaves one value, but for calls, so that there are no more
	// to keep in the frame than this.
	b.slots = frameSlots + int64(locals) + int64(b.Instructions)
	w.weigh()
	b.nested = b.Calls || b.slots > leafSlots
}

// weigh counts the instructions of each loop that are in no inner one. Within
// one round of a loop each of them runs once at most, whichever way it goes:
// to go back is to begin another round. What is in no loop runs at most once in
// a call.
func (w *writer) weigh() {
	b := &w.body
	b.costs, b.open, b.bulk, b.straight = append(b.costs[:0], 0), append(b.open[:0], 0), false, false
	var i vetting.Instruction
	turned := false
	for code := w.f.Code(b.index); code.Next(&i); {
		innermost := b.open[len(b.open)-1]
		b.costs[innermost]++
		switch i.Op {
		case vetting.OpLoop:
			b.straight = b.straight || !turned && len(b.costs) == 1
			b.open = append(b.open, len(b.costs))
			b.costs = append(b.costs, 0)
		case vetting.OpBlock, vetting.OpIf:
			b.open = append(b.open, innermost)
		case vetting.OpEnd:
			b.open = b.open[:len(b.open)-1]
		}
		b.slots += w.further(&i)
		turned = turned || turns(i.Op)
		b.bulk = b.bulk || isBulk(i.Op)
	}
}

// further is how many values a call leaves beyond the first.
func (w *writer) further(i *vetting.Instruction) int64 {
	typ := i.A
	switch i.Op {
	case vetting.OpCall:
		typ = w.functionTypes[i.A]
	case vetting.OpCallIndirect:
	default:
		return 0
	}
	return max(0, int64(len(w.f.Types[typ].Results))-1)
}

func (w *writer) writeBody() {
	b := &w.body
	w.locals()
	w.enter()
	if !b.nested {
		w.instructions()
		return
	}
	w.op(vetting.OpBlock)
	w.resultType()
	// The block ends where the function did, and labels count from inside, so
	// that a branch to the function's end now goes to the block's.
	w.instructions()
	w.take(w.depth, -b.slots)
	w.op(vetting.OpEnd)
}

// enter charges what is in no loop, and takes the function's slots from the
// depth. Code that runs straight into a loop leaves the first to that loop,
// which takes it in each round: too much, but at most twice. It saves most
// functions of a Go guest one of two charges in a row.
func (w *writer) enter() {
	b := &w.body
	b.straight = b.straight && b.costs[0] <= b.costs[1]
	if b.straight {
		b.costs[1] += b.costs[0]
	} else {
		w.take(w.fuel, int64(b.costs[0]))
	}
	if b.nested {
		w.take(w.depth, b.slots)
	}
	if !b.straight {
		w.check(b.nested)
	}
}

func (w *writer) locals() {
	b := &w.body
	added := uint32(1)
	if b.bulk {
		added = 2
	}
	w.u32(uint32(b.Groups) + added)
	groups := int(b.Start)
	for w.f.Bytes[groups]&0x80 != 0 { // the count
		groups++
	}
	w.copy(groups+1, int(b.Code))
	w.out = append(w.out, 1, vetting.I64)
	if b.bulk {
		w.out = append(w.out, 1, vetting.I32)
	}
}

func (w *writer) resultType() {
	switch results := w.body.results; len(results) {
	case 0:
		w.out = append(w.out, noResults)
	case 1:
		w.out = append(w.out, results[0])
	default:
		w.out = appendI64(w.out, int64(w.wrappers[string(results)]))
	}
}

// instructions writes the code with what is added to it.
func (w *writer) instructions() {
	b := &w.body
	b.copied = int(b.Code)
	b.loops.begin()
	var i vetting.Instruction
	for code := w.f.Code(b.index); code.Next(&i); {
		w.instruction(&i)
	}
	w.until(int(b.End), int(b.End))
}

func (w *writer) instruction(i *vetting.Instruction) {
	b := &w.body
	switch i.Op {
	case vetting.OpBlock, vetting.OpIf:
		b.loops.open()
	case vetting.OpLoop:
		w.until(i.Start, i.End)
		w.loop(i)
	case vetting.OpEnd:
		w.end(i)
	case vetting.OpBr, vetting.OpBrIf, vetting.OpBrTable:
		w.branch(i)
	case vetting.OpReturn:
		if b.nested {
			w.until(i.Start, i.End)
			w.op(vetting.OpBr)
			w.u32(b.loops.whole())
		}
	case vetting.OpCall, vetting.OpRefFunc:
		w.until(i.Start, i.End)
		w.op(i.Op)
		w.u32(w.function(i.A))
	case vetting.OpMemoryGrow:
		w.until(i.Start, i.Start)
		w.charge(growCost)
	default:
		if isBulk(i.Op) {
			w.until(i.Start, i.Start)
			w.chargeLength(i.Op)
		}
	}
}

// until copies what is not copied yet, to end, and leaves out what is before
// next.
func (w *writer) until(end, next int) {
	w.copy(w.body.copied, end)
	w.body.copied = next
}

// charge takes so many instructions from the fuel, and asks the host if there
// were fewer.
func (w *writer) charge(cost int64) {
	w.take(w.fuel, cost)
	w.check(false)
}

// chargeLength charges the length that is the last operand of a bulk
// operation.
func (w *writer) chargeLength(op vetting.Opcode) {
	w.local(vetting.OpLocalTee, w.body.length)
	w.global(vetting.OpGlobalGet, w.fuel)
	w.local(vetting.OpLocalGet, w.body.length)
	w.out = append(w.out, opI64ExtendI32U)
	if op == vetting.OpMemoryFill || op == vetting.OpMemoryCopy || op == vetting.OpMemoryInit {
		// 8 bytes are as much as an instruction.
		w.i64(7)
		w.out = append(w.out, opI64Add)
		w.i64(3)
		w.out = append(w.out, opI64ShrU)
	}
	w.out = append(w.out, opI64Sub)
	w.global(vetting.OpGlobalSet, w.fuel)
	w.check(false)
}

// take subtracts n from a counter.
func (w *writer) take(counter uint32, n int64) {
	w.global(vetting.OpGlobalGet, counter)
	w.i64(n)
	w.out = append(w.out, opI64Sub)
	w.global(vetting.OpGlobalSet, counter)
}

// check asks the host if the fuel is negative or, where it was taken from, the
// depth.
func (w *writer) check(depth bool) {
	w.global(vetting.OpGlobalGet, w.fuel)
	if depth {
		w.global(vetting.OpGlobalGet, w.depth)
		w.out = append(w.out, opI64Or)
	}
	w.unlessNegative(func() { w.call(w.ask) })
}

// unlessNegative goes on if the i64 on the stack is not negative, and otherwise
// does what is to be done. The usual case stands first: the runtime has its
// values in the registers where that one leaves them, and the other one, with
// a call, leaves them in none.
func (w *writer) unlessNegative(otherwise func()) {
	w.i64(0)
	w.out = append(w.out, opI64GeS, byte(vetting.OpIf), noResults, byte(vetting.OpElse))
	otherwise()
	w.op(vetting.OpEnd)
}

// writeAsk writes a function that the module gets in addition: it calls tick
// for what is negative. It keeps the code short from where it is called.
func (w *writer) writeAsk() {
	w.u32(0) // locals
	w.global(vetting.OpGlobalGet, w.depth)
	w.unlessNegative(func() {
		w.i64(TooDeep)
		w.call(w.tick)
		w.out = append(w.out, opDrop)
	})
	w.global(vetting.OpGlobalGet, w.fuel)
	w.unlessNegative(func() {
		w.global(vetting.OpGlobalGet, w.fuel)
		w.call(w.tick)
		w.global(vetting.OpGlobalSet, w.fuel)
	})
	w.op(vetting.OpEnd)
}

func (w *writer) call(function uint32) {
	w.op(vetting.OpCall)
	w.u32(function)
}

func (w *writer) global(op vetting.Opcode, index uint32) {
	w.op(op)
	w.u32(index)
}

func (w *writer) local(op vetting.Opcode, index uint32) {
	w.op(op)
	w.u32(index)
}

// turns tells whether code may go on elsewhere than at the next instruction, or
// in another function first. A block alone is no turn.
func turns(op vetting.Opcode) bool {
	switch op {
	case vetting.OpUnreachable, vetting.OpIf, vetting.OpElse, vetting.OpBr, vetting.OpBrIf, vetting.OpBrTable, vetting.OpReturn, vetting.OpCall, vetting.OpCallIndirect:
		return true
	}
	return false
}

func isBulk(op vetting.Opcode) bool {
	switch op {
	case vetting.OpMemoryInit, vetting.OpMemoryCopy, vetting.OpMemoryFill, vetting.OpTableInit, vetting.OpTableCopy, vetting.OpTableFill:
		return true
	}
	return false
}
