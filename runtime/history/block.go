package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ring says how densely something is kept, and in what portions it is written.
type ring struct {
	name string
	step int64 // seconds between two slots
	span int64 // seconds of a block
	keep int64 // seconds until a block is dropped
}

// The rings: first everything, for a day, then means of five minutes, for a
// month. Containers are measured less often than the machine: with 50 of them a
// round costs this process 26 ms of processor time and the engine 92 ms, so that
// both stay under half a percent of a core together.
var (
	fineMachine   = ring{name: "fine", step: 10, span: 1800, keep: day}
	fineContainer = ring{name: "fine", step: 30, span: 1800, keep: day}
	coarse        = ring{name: "coarse", step: 300, span: 21_600, keep: month}
)

const (
	day   = 24 * 60 * 60
	month = 30 * day
)

func (r ring) slots() int             { return int(r.span / r.step) }
func (r ring) blockAt(at int64) int64 { return at - at%r.span }

// block is what was kept of one source in a span: for each of its series a
// value in each slot.
type block struct {
	ring    ring
	start   int64 // seconds since 1970, a multiple of the span
	columns [][]code
	// changes counts what was set, to tell whether it is all on disk.
	changes int
}

func newBlock(r ring, at int64, columns int) *block {
	b := &block{ring: r, start: r.blockAt(at), columns: make([][]code, columns)}
	for i := range b.columns {
		b.columns[i] = make([]code, r.slots())
	}
	return b
}

// set puts values into the slot of a moment within the block.
func (b *block) set(at int64, values []float64) {
	slot := (at - b.start) / b.ring.step
	for i, v := range values {
		b.columns[i][slot] = codeOf(v)
	}
	b.changes++
}

// mean returns the mean of each series from a moment on, over so many seconds
// within the block; not a number where there is nothing.
func (b *block) mean(from, seconds int64) []float64 {
	first := (from - b.start) / b.ring.step
	out := make([]float64, len(b.columns))
	for i, column := range b.columns {
		var sum float64
		n := 0
		for _, c := range column[first : first+seconds/b.ring.step] {
			if c != gap {
				sum += c.value()
				n++
			}
		}
		out[i] = sum / float64(n) // 0/0 where there is nothing
	}
	return out
}

// code is a value on a scale of logarithms, 1,024 steps to an octave: each is
// within 0.04 % of what was measured, from 2^-20 to 2^43.9, in two bytes. That
// is more than a picture shows, at half the size of a float.
type code uint16

const (
	gap      code = 0 // nothing was measured
	zero     code = 1
	lowest        = 2
	perTwice      = 1024
	octaves       = 20 // below 1
)

// codeOf returns the code of a value; what is no number is a gap, what is too
// high or low is at the end of the scale.
func codeOf(v float64) code {
	switch {
	case math.IsNaN(v) || v < 0:
		return gap
	case v < 1.0/(1<<octaves):
		return zero
	}
	return code(min(lowest+math.Round((math.Log2(v)+octaves)*perTwice), math.MaxUint16))
}

func (c code) value() float64 {
	switch c {
	case gap:
		return math.NaN()
	case zero:
		return 0
	}
	return math.Exp2(float64(c-lowest)/perTwice - octaves)
}

// A block is stored as a version, the number of series, the first slot with a
// value and how many slots follow from there (two bytes each, as all that is
// longer than a byte: the high one first), and for each series either the one
// code that it has everywhere, or all its codes.
const (
	blockVersion = 1
	constant     = 0
	varying      = 1
	headerSize   = 6
	// maxColumns bounds what a stored block may claim.
	maxColumns = 32
)

func (b *block) encode() []byte {
	first, end := b.bounds()
	out := make([]byte, 0, headerSize+len(b.columns)*(1+2*(end-first)))
	out = append(out, blockVersion, byte(len(b.columns)))
	out = binary.BigEndian.AppendUint16(out, uint16(first))
	out = binary.BigEndian.AppendUint16(out, uint16(end-first))
	for _, column := range b.columns {
		part := column[first:end]
		if len(part) == 0 || isConstant(part) {
			c := gap
			if len(part) > 0 {
				c = part[0]
			}
			out = binary.BigEndian.AppendUint16(append(out, constant), uint16(c))
			continue
		}
		out = append(out, varying)
		for _, c := range part {
			out = binary.BigEndian.AppendUint16(out, uint16(c))
		}
	}
	return out
}

// bounds are the first slot with any value, and the one behind the last.
func (b *block) bounds() (first, end int) {
	first = b.ring.slots()
	for _, column := range b.columns {
		for i, c := range column {
			if c != gap {
				first, end = min(first, i), max(end, i+1)
			}
		}
	}
	return min(first, end), end
}

func isConstant(part []code) bool {
	for _, c := range part {
		if c != part[0] {
			return false
		}
	}
	return true
}

var errBlock = errors.New("it is not a block of the history")

// decodeBlock reads a stored block of that many series. One that an earlier
// version wrote may have fewer; they come first.
func decodeBlock(r ring, start int64, columns int, data []byte) (*block, error) {
	if len(data) < headerSize || data[0] != blockVersion {
		return nil, errBlock
	}
	stored := int(data[1])
	first, count := int(binary.BigEndian.Uint16(data[2:])), int(binary.BigEndian.Uint16(data[4:]))
	if stored > columns || columns > maxColumns || first+count > r.slots() {
		return nil, fmt.Errorf("%w: %d series, %d slots from %d", errBlock, stored, count, first)
	}
	b := newBlock(r, start, columns)
	rest := data[headerSize:]
	for i := range stored {
		var ok bool
		if rest, ok = decodeColumn(rest, b.columns[i][first:first+count]); !ok {
			return nil, fmt.Errorf("%w: series %d is cut off", errBlock, i)
		}
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes too many", errBlock, len(rest))
	}
	return b, nil
}

// decodeColumn fills a column and returns what follows it.
func decodeColumn(data []byte, into []code) (rest []byte, ok bool) {
	if len(data) < 3 {
		return nil, false
	}
	tag, data := data[0], data[1:]
	size, width := 2, 0
	switch {
	case tag == varying && len(into) > 0:
		size, width = 2*len(into), 2
	case tag != constant:
		return nil, false
	}
	if len(data) < size {
		return nil, false
	}
	for i := range into {
		into[i] = code(binary.BigEndian.Uint16(data[i*width:]))
	}
	return data[size:], true
}
