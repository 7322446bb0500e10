package vetting

// flow follows the blocks of a body and counts the values alive in it: locals,
// and what is on the stack. The heights are those of a valid body; an invalid
// one is refused before anybody has work with it.
type flow struct {
	locals int
	height int
	open   []frame
	places int // at which ways of control part or meet
	work   int // what the compiler has to do for them
	labels int // of all br_table
	loops  int // that are open
}

// frame is an open block: below it are values that it does not touch.
type frame struct {
	op              Opcode
	params, results int
	below           int
}

func (w *flow) begin(locals int) {
	*w = flow{locals: locals, open: append(w.open[:0], frame{op: OpBlock})}
}

func (w *flow) push(n int) { w.height = max(w.height+n, 0) }

// loopsPlaces are how many places more a loop has when it is metered.
const loopsPlaces = 4

// join counts places at which ways of control part or meet. To each of them the
// compiler carries every value that is alive, and it compares them with each
// other, though that takes it less.
func (w *flow) join(places int) {
	w.work += places * (w.locals + w.height + w.places/pairsOfPlaces) * (roundsOfLoops + w.loops) / roundsOfLoops
	w.places += places
}

// block opens a block, loop or if.
func (w *flow) block(op Opcode, params, results int) {
	if op == OpIf {
		w.push(-1)
	}
	w.join(1)
	if op == OpLoop {
		w.join(loopsPlaces)
		w.loops++
	}
	w.push(-params)
	w.open = append(w.open, frame{op, params, results, w.height})
	w.push(params)
}

// otherwise begins the other half of an if. It returns false if there is none
// open.
func (w *flow) otherwise() bool {
	f := &w.open[len(w.open)-1]
	if f.op != OpIf {
		return false
	}
	f.op = OpElse
	w.height = f.below + f.params
	w.join(1)
	return true
}

func (w *flow) end() {
	f := w.open[len(w.open)-1]
	w.open = w.open[:len(w.open)-1]
	if f.op == OpLoop {
		w.loops--
	}
	w.height = f.below + f.results
}

// branch leaves for so many labels, with an operand that chooses or without.
func (w *flow) branch(labels, operands int) {
	w.push(-operands)
	w.join(labels)
}

// metered is an instruction before which a meter puts a condition.
func (w *flow) metered(op Opcode) {
	switch op {
	case OpMemoryGrow, OpMemoryInit, OpMemoryCopy, OpMemoryFill, OpTableInit, OpTableCopy, OpTableFill:
		w.join(1)
	}
}

// effects are what an instruction leaves on the stack, less what it takes, if
// that is the same wherever it stands.
var effects = func() (t [256]int8) {
	fill := func(from, to int, effect int8) {
		for op := from; op <= to; op++ {
			t[op] = effect
		}
	}
	t[0x1a] = -1            // drop
	fill(0x1b, 0x1c, -2)    // select
	t[0x20] = 1             // local.get
	t[0x21] = -1            // local.set
	t[0x23] = 1             // global.get
	t[0x24] = -1            // global.set
	t[0x26] = -2            // table.set
	fill(0x36, 0x3e, -2)    // stores
	t[0x3f] = 1             // memory.size
	fill(0x41, 0x44, 1)     // constants
	fill(0x46, 0x4f, -1)    // comparisons of i32, after eqz
	fill(0x51, 0x66, -1)    // comparisons of the others, after eqz
	fill(0x6a, 0x78, -1)    // arithmetic of i32 with two operands
	fill(0x7c, 0x8a, -1)    // of i64
	fill(0x92, 0x98, -1)    // of f32
	fill(0xa0, 0xa6, -1)    // of f64
	t[0xd0], t[0xd2] = 1, 1 // ref.null, ref.func
	return t
}()

// prefixedEffects are those of the opcodes after 0xfc.
var prefixedEffects = [...]int8{0, 0, 0, 0, 0, 0, 0, 0, -3, 0, -3, -3, -3, 0, -3, -1, 1, -3}

func (w *flow) plain(op Opcode) {
	if op >= prefix {
		w.push(int(prefixedEffects[op-prefix]))
	} else {
		w.push(int(effects[op]))
	}
}
