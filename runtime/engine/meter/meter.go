// Package meter rewrites a module so that it counts its own work and tells the
// host, which can then stop it anywhere: in a loop, in a recursion without one,
// in a chain of calls that each fill a gigabyte. It otherwise does what it did.
//
// The runtime's own check for a deadline looks at loops only, and makes them 15
// times slower.
package meter

import (
	"errors"
	"fmt"
	"math"

	"github.com/cofferdam-bot/cofferdam/security/vetting"
)

// The import through which a rewritten module asks the host: a function
// (i64) -> i64. It is called with what is left of the fuel, less than zero, and
// returns how much there is now: less than zero, and it is asked again. If calls
// are nested too deeply it is called with [TooDeep] and must not return. The
// host ends an invocation by a panic with an error, which the call returns.
const (
	ImportModule = vetting.ReservedModule
	ImportTick   = "tick"
)

// TooDeep is the argument of a tick that tells of calls nested too deeply.
const TooDeep = math.MinInt64

const (
	// Depth is how many slots of 8 bytes the frames of all calls under way may
	// have, 16 MiB. The runtime would let a stack grow to 100 MB, and doubles it
	// each time, old and new side by side.
	Depth = 2_000_000

	// frameSlots is what a call takes besides its values: return address, saved
	// registers, and the runtime's own.
	frameSlots = 8

	// leafSlots is how large the frame of a function that calls nothing may be
	// without being counted: 8 KiB, once.
	leafSlots = 1024

	// growCost is what memory.grow is charged, in instructions: leaving the
	// module, and perhaps moving its memory.
	growCost = 1000
)

// Options say what else to change.
type Options struct {
	// ExportGlobals exports every mutable global under a name of the host's
	// own, so that their values can be kept and set back.
	ExportGlobals bool
	// Detach takes the data segments out, for a host that puts them into the
	// memory itself: the runtime needs milliseconds for the 40,000 of a Go
	// guest.
	Detach bool
}

// Metered is a rewritten module.
type Metered struct {
	Wasm []byte
	// Globals are the mutable ones with their exports' names, if they were
	// asked for; the last two are the meter's.
	Globals []Global
	// Fuel and Depth are the names among Globals of the fuel, which is 0 at
	// first, so that the host is asked soon, and of the slots that are left of
	// [Depth]. A trap leaves both as they are.
	Fuel, Depth string
	// Segments are what was detached, in the order in which to copy them.
	Segments []Segment
}

// Global is an exported mutable global.
type Global struct {
	Name string
	Type vetting.ValueType
}

// Segment are bytes of the memory before any code runs. Bytes are the file's
// own.
type Segment struct {
	Offset uint32
	Bytes  []byte
}

// ErrAttached is returned for a module whose data segments cannot be detached:
// its code names them, or one does not lie in the memory's first pages.
var ErrAttached = errors.New("its data segments cannot be detached")

// Rewrite returns the module with meters built in. The same file and options
// give the same bytes. What is not needed to run, all custom sections, is left
// out.
func Rewrite(f *vetting.File, o Options) (Metered, error) {
	w := newWriter(f)
	m := Metered{}
	if o.Detach {
		segments, err := detached(f)
		if err != nil {
			return Metered{}, err
		}
		m.Segments = segments
	}
	if o.ExportGlobals {
		m.Globals = globals(f)
		m.Fuel, m.Depth = globalName(w.fuel), globalName(w.depth)
	}
	w.module(o)
	m.Wasm = w.out
	return m, nil
}

func globalName(index uint32) string { return fmt.Sprintf("%sg%d", vetting.ReservedPrefix, index) }

// globals returns the mutable globals of the rewritten module.
func globals(f *vetting.File) []Global {
	var all []Global
	for i, g := range f.Globals {
		if g.Mutable {
			all = append(all, Global{globalName(uint32(i)), g.Type})
		}
	}
	n := uint32(len(f.Globals))
	return append(all, Global{globalName(n), vetting.I64}, Global{globalName(n + 1), vetting.I64})
}

func detached(f *vetting.File) ([]Segment, error) {
	if f.UsesData {
		return nil, fmt.Errorf("%w: its code names them", ErrAttached)
	}
	segments := make([]Segment, 0, len(f.Data))
	for i, d := range f.Data {
		if d.Mode != vetting.Active || d.Offset.Op != vetting.OpI32Const {
			return nil, fmt.Errorf("%w: segment %d has no fixed place", ErrAttached, i)
		}
		offset := uint32(d.Offset.Value)
		if uint64(offset)+uint64(len(d.Bytes)) > uint64(f.Memories[0].Min)<<16 {
			return nil, fmt.Errorf("%w: segment %d is outside of the memory", ErrAttached, i)
		}
		segments = append(segments, Segment{offset, d.Bytes})
	}
	return segments, nil
}
