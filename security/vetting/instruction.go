package vetting

import "iter"

// Opcode is an instruction's code. Codes after the prefix 0xfc are 0xfc00 and
// on.
type Opcode uint16

// The instructions that are more to the scanner or to a rewriter than bytes.
const (
	OpUnreachable  Opcode = 0x00
	OpBlock        Opcode = 0x02
	OpLoop         Opcode = 0x03
	OpIf           Opcode = 0x04
	OpElse         Opcode = 0x05
	OpEnd          Opcode = 0x0b
	OpBr           Opcode = 0x0c
	OpBrIf         Opcode = 0x0d
	OpBrTable      Opcode = 0x0e
	OpReturn       Opcode = 0x0f
	OpCall         Opcode = 0x10
	OpCallIndirect Opcode = 0x11
	OpSelectTyped  Opcode = 0x1c
	OpLocalGet     Opcode = 0x20
	OpLocalSet     Opcode = 0x21
	OpLocalTee     Opcode = 0x22
	OpGlobalGet    Opcode = 0x23
	OpGlobalSet    Opcode = 0x24
	OpTableGet     Opcode = 0x25
	OpTableSet     Opcode = 0x26
	OpMemorySize   Opcode = 0x3f
	OpMemoryGrow   Opcode = 0x40
	OpI32Const     Opcode = 0x41
	OpI64Const     Opcode = 0x42
	OpF32Const     Opcode = 0x43
	OpF64Const     Opcode = 0x44
	OpRefNull      Opcode = 0xd0
	OpRefFunc      Opcode = 0xd2
	OpMemoryInit   Opcode = 0xfc08
	OpDataDrop     Opcode = 0xfc09
	OpMemoryCopy   Opcode = 0xfc0a
	OpMemoryFill   Opcode = 0xfc0b
	OpTableInit    Opcode = 0xfc0c
	OpElemDrop     Opcode = 0xfc0d
	OpTableCopy    Opcode = 0xfc0e
	OpTableGrow    Opcode = 0xfc0f
	OpTableSize    Opcode = 0xfc10
	OpTableFill    Opcode = 0xfc11
)

const (
	prefix    = 0xfc00 // of the opcodes that follow 0xfc
	noResults = 0x40   // the type of a block that takes and leaves nothing
)

// immediate says what follows an opcode.
type immediate byte

const (
	unknown  immediate = iota // no instruction of ours
	nothing                   //
	oneIndex                  // an index: A
	twoIndex                  // two indexes: A, B
	block                     // a block's type: A or Inline
	targets                   // a vector of labels and one more: A of them, B the outermost
	memarg                    // alignment and offset
	memory                    // a zero byte
	twoBytes                  // two zero bytes
	initial                   // an index A, a zero byte
	i32const
	i64const
	f32const
	f64const
	refType   // a reference type
	valueType // a vector with one value type
	prefixed  // a second opcode
)

// immediates of the instructions of WebAssembly 2.0 without vectors.
var immediates = func() (t [256]immediate) {
	fill := func(from, to int, kind immediate) {
		for op := from; op <= to; op++ {
			t[op] = kind
		}
	}
	fill(0x00, 0x01, nothing)  // unreachable, nop
	fill(0x02, 0x04, block)    // block, loop, if
	t[0x05] = nothing          // else
	t[0x0b] = nothing          // end
	fill(0x0c, 0x0d, oneIndex) // br, br_if
	t[0x0e] = targets          // br_table
	t[0x0f] = nothing          // return
	t[0x10] = oneIndex         // call
	t[0x11] = twoIndex         // call_indirect: type, table
	fill(0x1a, 0x1b, nothing)  // drop, select
	t[0x1c] = valueType        // select with a type
	fill(0x20, 0x26, oneIndex) // locals, globals, table.get, table.set
	fill(0x28, 0x3e, memarg)   // loads and stores
	fill(0x3f, 0x40, memory)   // memory.size, memory.grow
	t[0x41], t[0x42], t[0x43], t[0x44] = i32const, i64const, f32const, f64const
	fill(0x45, 0xc4, nothing) // arithmetic
	t[0xd0] = refType         // ref.null
	t[0xd1] = nothing         // ref.is_null
	t[0xd2] = oneIndex        // ref.func
	t[0xfc] = prefixed
	return t
}()

// prefixedImmediates are those of the opcodes after 0xfc.
var prefixedImmediates = [...]immediate{
	nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing, // trunc_sat
	initial,  // memory.init
	oneIndex, // data.drop
	twoBytes, // memory.copy
	memory,   // memory.fill
	twoIndex, // table.init: segment, table
	oneIndex, // elem.drop
	twoIndex, // table.copy: to, from
	oneIndex, // table.grow
	oneIndex, // table.size
	oneIndex, // table.fill
}

// Instruction is one instruction of a body.
type Instruction struct {
	Op         Opcode
	Start, End int // offsets in the file
	// A and B are the indexes among the immediates, in their order. Of a
	// br_table, A is the number of labels before the last, and B the largest
	// label of all.
	A, B uint32
	// Inline is how the type of a block, loop or if is encoded, 0x40 for none,
	// or 0 if A is the index of the type.
	Inline byte
}

// Code is the instructions of a body, read one by one.
type Code struct{ r reader }

// Code returns the instructions of the body with that index.
func (f *File) Code(body int) Code {
	b := &f.Bodies[body]
	return Code{reader{file: f.Bytes, pos: int(b.Code), end: int(b.End), section: "code"}}
}

// Next reads the next instruction into i. It returns false at the body's end,
// and at what is no instruction.
func (c *Code) Next(i *Instruction) bool {
	if c.r.pos >= c.r.end {
		return false
	}
	c.r.instruction(i)
	return c.r.err == nil
}

// instruction reads an instruction and checks all that can be without knowing
// what it refers to.
func (r *reader) instruction(i *Instruction) {
	start := r.pos
	code := r.byte()
	i.Op, i.Start = Opcode(code), start
	kind := immediates[code]
	if kind == prefixed {
		second := r.u32()
		if second < uint32(len(prefixedImmediates)) {
			kind = prefixedImmediates[second]
			i.Op = prefix | Opcode(second)
		} else {
			r.fail(start, "opcode", "0xfc %d is not allowed", second)
		}
	}
	switch kind {
	case nothing:
	case oneIndex:
		i.A = r.u32()
	case memarg:
		if r.u32() > 3 {
			r.fail(start, "memarg", "an alignment is larger than 8")
		}
		r.u32()
	case i32const:
		r.s32()
	case i64const:
		r.s64()
	case block:
		r.blockType(i)
	case twoIndex:
		i.A, i.B = r.u32(), r.u32()
	case memory:
		r.zero()
	case twoBytes:
		r.zero()
		r.zero()
	case initial:
		i.A = r.u32()
		r.zero()
	case f32const:
		r.bytes(4)
	case f64const:
		r.bytes(8)
	case targets:
		r.targets(i)
	case refType:
		r.refType()
	case valueType:
		if n := r.u32(); n != 1 {
			r.fail(start, "type", "a select with %d types", n)
		}
		r.valueType()
	default:
		r.fail(start, "opcode", "0x%02x is not allowed", code)
	}
	i.End = r.pos
}

func (r *reader) blockType(i *Instruction) {
	start := r.pos
	if r.left() > 0 {
		if b := r.file[start]; b == noResults || isValueType(b) {
			i.A, i.Inline = 0, b
			r.pos++
			return
		}
	}
	n := r.s33()
	if n < 0 {
		r.fail(start, "type", "0x%02x is no type of a block", r.file[start])
	}
	i.A, i.Inline = uint32(n), 0
}

// targets reads the labels of a br_table: i.A of them and the default.
func (r *reader) targets(i *Instruction) {
	i.A, i.B = uint32(r.count(maxTargets)), 0
	for range i.A {
		i.B = max(i.B, r.u32())
	}
	i.B = max(i.B, r.u32())
}

// Labels returns the labels of a br_table, the last one too.
func (f *File) Labels(i *Instruction) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		r := reader{file: f.Bytes, pos: i.Start + 1, end: i.End, section: "code"}
		for range r.u32() + 1 {
			if !yield(r.u32()) {
				return
			}
		}
	}
}

// zero reads the byte in which later versions number memories.
func (r *reader) zero() {
	start := r.pos
	if b := r.byte(); b != 0 {
		r.fail(start, "memory", "memory %d of 1", b)
	}
}

func (r *reader) refType() ValueType {
	start := r.pos
	t := r.byte()
	if !isReference(t) {
		r.fail(start, "type", "0x%02x is no type of a reference", t)
	}
	return t
}

func (r *reader) valueType() ValueType {
	start := r.pos
	t := r.byte()
	if !isValueType(t) {
		r.fail(start, "type", "0x%02x is no type of a value", t)
	}
	return t
}
