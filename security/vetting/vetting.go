// Package vetting is the first that reads a module from elsewhere: bytes in,
// verdict out. It is pure, takes time and memory in proportion to the file, and
// stands between a hostile file and a compiler that would believe its counts.
//
// [Scan] is the rule for modules that will run. [Decode] is its first half: the
// structure without the policy.
package vetting

import (
	"fmt"
	"strings"
)

// Limits are what differs from module to module.
type Limits struct {
	// MemoryPages is how large the module's memory may be from the start, in
	// pages of 64 KiB. Growing is bounded elsewhere.
	MemoryPages uint32
}

// What Scan keeps for those that rewrite a module. A file that uses such names
// itself is refused.
const (
	ReservedModule = "cofferdam:meter" // of imports
	ReservedPrefix = "cofferdam:"      // of exports
)

// Scan decides whether a file may be compiled and run: it is well-formed and
// bounded, has one memory of its own that is not too large, at most one small
// table that does not grow, imports nothing but functions, and does nothing
// before it is asked. Which functions it imports is not looked at: that is for
// who grants them.
//
// Its error is an [*Error]. The zero Limits admit only a memory without pages.
func Scan(file []byte, limits Limits) (*File, error) {
	f, err := Decode(file)
	if err != nil {
		return nil, err
	}
	for _, rule := range []func(*File, Limits) *Error{
		importsAreFunctions, memoryIsOne, tableIsSmall, nothingStarts, exportsAreFree,
	} {
		if err := rule(f, limits); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func importsAreFunctions(f *File, _ Limits) *Error {
	for _, i := range f.Imports {
		if i.Kind != KindFunction {
			return &Error{"import", i.Offset, "kind", "only functions can be imported"}
		}
		if i.Module == ReservedModule {
			return &Error{"import", i.Offset, "reserved", "the module's name is the host's own"}
		}
	}
	return nil
}

func memoryIsOne(f *File, limits Limits) *Error {
	if len(f.Memories) != 1 {
		return &Error{"memory", len(f.Bytes), "memory", "there is none"}
	}
	if m := f.Memories[0]; m.Min > limits.MemoryPages {
		return &Error{"memory", m.Offset, "memory", fmt.Sprintf("%d pages, at most %d", m.Min, limits.MemoryPages)}
	}
	return nil
}

func tableIsSmall(f *File, _ Limits) *Error {
	if len(f.Tables) > 1 {
		return &Error{"table", f.Tables[1].Offset, "table", "more than one table"}
	}
	for _, t := range f.Tables {
		if t.Min > maxTableSize {
			return &Error{"table", t.Offset, "table", fmt.Sprintf("%d places, at most %d", t.Min, maxTableSize)}
		}
	}
	if f.tableGrow != 0 {
		return &Error{"code", f.tableGrow, "table.grow", "tables must not grow"}
	}
	return nil
}

func nothingStarts(f *File, _ Limits) *Error {
	if f.Start != nil {
		return &Error{"start", f.Start.Offset, "start", "no code may run before the module is asked"}
	}
	return nil
}

func exportsAreFree(f *File, _ Limits) *Error {
	for _, e := range f.Exports {
		if strings.HasPrefix(e.Name, ReservedPrefix) {
			return &Error{"export", e.Offset, "reserved", fmt.Sprintf("%q begins with %q, which is the host's own", e.Name, ReservedPrefix)}
		}
	}
	return nil
}
