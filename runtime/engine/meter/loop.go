package meter

import "github.com/cofferdam-bot/cofferdam/security/vetting"

// A loop is put into another one, to which it goes back when the fuel is spent:
//
//	loop                ;; the added one
//	  ask if fuel < 0
//	  loop
//	    go back to the added one if fuel < 0
//	    fuel -= cost
//	    ...
//
// For a call, with which it asks, the runtime keeps in memory whatever is needed
// after it. So there must be none in a loop that is to be fast: with one, loops
// took twice as long. Labels that lead out of the loop count one more.

// loops are the blocks of a body, as they are open while it is rewritten.
type loops struct {
	met   int      // how many loops there were
	added uint32   // how many added loops are open
	upTo  []uint32 // of each open block, how many added ones are around it
}

func (l *loops) begin() { *l = loops{upTo: append(l.upTo[:0], 0)} }

func (l *loops) open() { l.upTo = append(l.upTo, l.added) }

// label returns the label that now means the same block.
func (l *loops) label(old uint32) uint32 {
	return old + l.added - l.upTo[len(l.upTo)-1-int(old)]
}

// whole returns the label of the outermost block.
func (l *loops) whole() uint32 { return l.label(uint32(len(l.upTo) - 1)) }

// close leaves a block, and tells whether an added loop ends behind it.
func (l *loops) close() bool {
	last := len(l.upTo) - 1
	around := last > 0 && l.upTo[last] > l.upTo[last-1]
	if around {
		l.added--
	}
	l.upTo = l.upTo[:last]
	return around
}

// loop writes the beginning of a loop.
func (w *writer) loop(i *vetting.Instruction) {
	b := &w.body
	b.loops.met++
	typ := w.f.Bytes[i.Start+1 : i.End]
	w.op(vetting.OpLoop)
	w.out = append(w.out, typ...)
	w.check(b.nested && b.straight && b.loops.met == 1)
	w.op(vetting.OpLoop)
	w.out = append(w.out, typ...)
	w.global(vetting.OpGlobalGet, w.fuel)
	w.local(vetting.OpLocalTee, b.left)
	if i.Inline == 0 && len(w.f.Types[i.A].Params) > 0 {
		// Only from here the parameters can be taken back.
		w.i64(0)
		w.out = append(w.out, opI64LtS, byte(vetting.OpBrIf), 1)
	} else {
		w.unlessNegative(func() { w.out = append(w.out, byte(vetting.OpBr), 2) })
	}
	w.local(vetting.OpLocalGet, b.left)
	w.i64(int64(b.costs[b.loops.met]))
	w.out = append(w.out, opI64Sub)
	w.global(vetting.OpGlobalSet, w.fuel)
	b.loops.added++
	b.loops.open()
}

// end writes the end of a block.
func (w *writer) end(i *vetting.Instruction) {
	if w.body.loops.close() {
		w.until(i.End, i.End)
		w.op(vetting.OpEnd)
	}
}

// branch writes a branch. Most lead out of no loop and are copied with what is
// around them.
func (w *writer) branch(i *vetting.Instruction) {
	l := &w.body.loops
	outermost := i.A
	if i.Op == vetting.OpBrTable {
		outermost = i.B
	}
	if l.label(outermost) == outermost {
		return
	}
	w.until(i.Start, i.End)
	w.op(i.Op)
	if i.Op != vetting.OpBrTable {
		w.u32(l.label(i.A))
		return
	}
	w.u32(i.A)
	for old := range w.f.Labels(i) {
		w.u32(l.label(old))
	}
}
