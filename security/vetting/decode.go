package vetting

import (
	"bytes"
	"slices"
)

var header = []byte("\x00asm\x01\x00\x00\x00")

// sectionNames by id.
var sectionNames = [...]string{"custom", "type", "import", "function", "table", "memory", "global", "export", "start", "element", "code", "data", "datacount"}

// Decode reads a file's structure: every count, every index, every
// instruction. What it admits is bounded in everything that costs whoever reads
// it next, and can be rewritten. It knows the types of nothing that code
// computes; a compiler does.
//
// Decode admits modules that [Scan] does not, such as one with a start section.
// Its error is an [*Error].
func Decode(file []byte) (*File, error) {
	d := &decoder{reader: reader{file: file, end: len(file), section: "header"}, f: &File{Bytes: file}, exported: map[string]bool{}}
	if len(file) > maxFile {
		d.fail(maxFile, "size", "%d bytes, at most %d", len(file), maxFile)
	} else if !bytes.HasPrefix(file, header) {
		d.fail(0, "magic", "this is no WebAssembly 1.0 module")
	}
	d.pos = min(len(header), d.end)
	for d.err == nil && d.pos < len(file) {
		d.nextSection()
	}
	d.complete()
	if d.err != nil {
		return nil, d.err
	}
	return d.f, nil
}

// decoder fills f from what it reads.
type decoder struct {
	reader
	f             *File
	functionTypes []uint32 // of all functions, the imported ones first
	functions     int      // that the module defines
	exported      map[string]bool
	customs       int
	items         int // of element segments
	work          int // of all bodies
	last          int // place of the last section in the order
	flow          flow
}

// place is where a section stands in the order of the file: the data count,
// though numbered last, comes before the code.
func place(id byte) int {
	switch {
	case id == SectionDataCount:
		return 2*SectionElement + 1
	default:
		return 2 * int(id)
	}
}

func (d *decoder) nextSection() {
	start := d.pos
	id := d.byte()
	if int(id) >= len(sectionNames) {
		d.fail(start, "section", "there is no section %d", id)
		return
	}
	d.section = sectionNames[id]
	size := d.u32()
	if uint64(size) > uint64(len(d.file)-d.pos) {
		d.fail(start, "size", "%d bytes are announced, %d are left", size, len(d.file)-d.pos)
		return
	}
	d.inOrder(start, id)
	if d.err != nil {
		return
	}
	d.end = d.pos + int(size)
	d.f.Sections = append(d.f.Sections, Section{ID: id, Name: d.section, Start: d.pos, End: d.end})
	d.contents(id, &d.f.Sections[len(d.f.Sections)-1])
	if d.err == nil && d.pos != d.end {
		d.fail(d.pos, "size", "%d bytes are left over", d.end-d.pos)
	}
	d.end, d.section = len(d.file), "header"
}

func (d *decoder) inOrder(start int, id byte) {
	if id == SectionCustom {
		if d.customs++; d.customs > maxCustoms {
			d.fail(start, "count", "more than %d custom sections", maxCustoms)
		}
		return
	}
	if place(id) <= d.last {
		d.fail(start, "order", "it comes twice, or after one that it must precede")
	}
	d.last = place(id)
}

func (d *decoder) contents(id byte, s *Section) {
	switch id {
	case SectionCustom:
		s.Name = d.name()
		d.pos = d.end
	case SectionType:
		d.begin(s, maxTypes).each(s, d.typ)
	case SectionImport:
		d.begin(s, maxImports).each(s, d.imported)
	case SectionFunction:
		d.begin(s, maxFunctions)
		d.functions = s.Count
		d.functionTypes = slices.Grow(d.functionTypes, s.Count)
		d.each(s, d.function)
	case SectionTable:
		d.begin(s, maxTables).each(s, d.table)
	case SectionMemory:
		d.begin(s, 1).each(s, d.memory)
	case SectionGlobal:
		d.begin(s, maxGlobals).each(s, d.global)
	case SectionExport:
		d.begin(s, maxExports).each(s, d.export)
	case SectionStart:
		d.f.Start = &Start{Offset: d.pos}
		d.f.Start.Function = d.index(d.allFunctions(), "function")
	case SectionElement:
		d.begin(s, maxElements).each(s, d.element)
	case SectionDataCount:
		n := d.atMost(s.Start, "count", d.u32(), maxData)
		d.f.DataCount = &n
	case SectionCode:
		d.begin(s, maxFunctions)
		d.f.Bodies = make([]Body, 0, min(s.Count, d.functions))
		d.each(s, d.body)
	case SectionData:
		d.begin(s, maxData)
		d.f.Data = make([]Data, 0, min(s.Count, d.left()/leastData))
		d.each(s, d.data)
	}
}

// leastData is how few bytes a data segment takes: its flags and its size.
const leastData = 2

// begin reads a section's count.
func (d *decoder) begin(s *Section, most int) *decoder {
	s.Count = d.count(most)
	s.Entries = d.pos
	return d
}

// each reads a section's entries.
func (d *decoder) each(s *Section, entry func()) {
	for range s.Count {
		if d.err != nil {
			return
		}
		entry()
	}
}

func (d *decoder) allFunctions() int { return d.f.ImportedFunctions + d.functions }

// complete checks what sections say of each other.
func (d *decoder) complete() {
	d.section = "code"
	if len(d.f.Bodies) != d.functions {
		d.fail(len(d.file), "count", "%d bodies for %d functions", len(d.f.Bodies), d.functions)
	}
	d.section = "data"
	if n := d.f.DataCount; n != nil && int(*n) != len(d.f.Data) {
		d.fail(len(d.file), "datacount", "%d segments, %d were announced", len(d.f.Data), *n)
	}
}
