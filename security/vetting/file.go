package vetting

// File is a module that was read: what is small is parsed, what is large are
// offsets. All offsets are bytes of Bytes, the end one past the last.
type File struct {
	Bytes    []byte
	Sections []Section // in the file's order, custom ones too
	Types    []Type
	Imports  []Import
	// ImportedFunctions is how many of the imports are functions. They come
	// first in the numbering of functions, in the order of Imports.
	ImportedFunctions int
	ImportedGlobals   int
	ImportedTables    int
	ImportedMemories  int
	Tables            []Table  // the imported ones first
	Memories          []Memory // the imported one first
	Globals           []Global // the imported ones first
	Exports           []Export
	Start             *Start
	Elements          []Element
	DataCount         *uint32
	Bodies            []Body // of function ImportedFunctions and on
	Data              []Data

	// HiddenState is set if the module may keep state that copies of its
	// memory and of its numeric globals do not hold: segments that can be
	// dropped, a table that the code writes, a global with a reference.
	HiddenState bool
	// UsesData is set if the code contains memory.init or data.drop.
	UsesData bool

	tableGrow int // where the code contains the first table.grow; 0: nowhere
}

// Section is a part of the file.
type Section struct {
	ID    byte
	Name  string // of a custom section, or the kind's, such as "type"
	Start int    // of the contents, after their size
	End   int
	// Entries is the offset of the first entry, after the count, in sections
	// that have one, and Count is how many there are.
	Entries int
	Count   int
}

// Section returns the section with that id, or nil. There is at most one,
// except of custom sections.
func (f *File) Section(id byte) *Section {
	for i := range f.Sections {
		if f.Sections[i].ID == id {
			return &f.Sections[i]
		}
	}
	return nil
}

// The ids of sections.
const (
	SectionCustom = iota
	SectionType
	SectionImport
	SectionFunction
	SectionTable
	SectionMemory
	SectionGlobal
	SectionExport
	SectionStart
	SectionElement
	SectionCode
	SectionData
	SectionDataCount
)

// ValueType is a type of values, as it is encoded.
type ValueType = byte

// The types of values there are without vectors.
const (
	I32       ValueType = 0x7f
	I64       ValueType = 0x7e
	F32       ValueType = 0x7d
	F64       ValueType = 0x7c
	FuncRef   ValueType = 0x70
	ExternRef ValueType = 0x6f
)

func isReference(t ValueType) bool { return t == FuncRef || t == ExternRef }

func isValueType(t byte) bool { return t >= F64 && t <= I32 || isReference(t) }

// Type is the type of a function.
type Type struct{ Params, Results []ValueType }

// The kinds of imports and exports.
const (
	KindFunction = iota
	KindTable
	KindMemory
	KindGlobal
)

// Import is something that the host has to give.
type Import struct {
	Module, Name string
	Kind         byte
	Type         uint32 // of a function
	Offset       int
}

// Table is a table's type.
type Table struct {
	Type ValueType
	Size
	Offset int
}

// Memory is a memory's type; its size is in pages of 64 KiB.
type Memory struct {
	Size
	Offset int
}

// Size says how large a table or a memory is at first, and may become.
type Size struct {
	Min uint32
	Max *uint32 // nil: not said
}

// Global is a global variable.
type Global struct {
	Type    ValueType
	Mutable bool
	Init    Expr // zero for an imported one
	Start   int32
}

// Export is something that the host can reach.
type Export struct {
	Name   string
	Kind   byte
	Index  uint32
	Offset int
}

// Start is the function that runs when the module is instantiated.
type Start struct {
	Function uint32
	Offset   int
}

// Expr is a constant expression: one instruction and an end.
type Expr struct {
	Op Opcode
	// Value is an i32.const's or i64.const's number, or the index of a
	// global.get or ref.func.
	Value      int64
	Start, End int32
}

// Mode says when a segment is copied.
type Mode byte

// The modes of segments.
const (
	Active Mode = iota
	Passive
	Declared
)

// Element is a segment of a table.
type Element struct {
	Flags  uint32 // as they are encoded
	Mode   Mode
	Table  uint32
	Offset Expr // of an active segment
	Kind   byte // the type, or 0 for functions; not encoded with flags 0 and 4
	// Count items are between Items and End: expressions if Expressions is
	// set, otherwise the indexes of functions.
	Count       int
	Expressions bool
	Items, End  int
}

// Data is a segment of the memory.
type Data struct {
	Mode   Mode
	Offset Expr   // of an active segment
	Bytes  []byte // the file's own
}

// Body is a function that the module defines.
type Body struct {
	Type         uint32
	Start        int32 // of the groups of locals, after the body's size
	Code         int32 // of the first instruction
	End          int32
	Groups       int32 // of locals
	Locals       int32 // without the parameters
	Instructions int32 // the last end too
	// Calls is set if the body has a call or call_indirect.
	Calls bool
}
