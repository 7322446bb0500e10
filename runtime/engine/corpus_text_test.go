package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// The language in which the crimes in testdata/hostile are written. A source is
// a list of statements:
//
//	memory 1 4                        in pages; exported as "memory"; the maximum may be left out
//	host reply_write                  an import from the host, with its usual type
//	import env f (i32) -> i64         any other function
//	import env m { 0x02 0x00 u 1 }    what is no function, in bytes
//	global i32 5                      a mutable one
//	table 10                          of functions, all of them the null reference
//	elem 0 { handle other }           functions in the table, from that place on
//	data 0 "text"
//	func handle (i32) -> i32 { … }    handle and init are exported under the names of the ABI
//	export "x" func handle            or memory, table, global with an index
//	hide memory                       leaves out an export of the ABI, memory or handle
//	start handle
//	custom { name "x" … }             a custom section at the end
//	section type { … }                in place of what would be generated
//	also type { … }                   one more behind it
//	count type 5                      what the section claims to hold
//	size type 5                       what it claims to be long
//	order memory import               the order of these sections, before all others
//	file { … }                        the whole file
//
// A module has one page of memory and answers with 0 if nothing else is said.
// In braces stand bytes:
//
//	0x0b  "text"  zeros 8             themselves
//	u 5   u 5 in 3   s -1             LEB128, of so many bytes
//	name "x"                          with its length before it
//	sized { … }   sized 9 { … }       with their length before them, or a lie about it
//	repeat 3 { … }
//	i32.const 5  call handle  loop …  instructions
//
// A function begins with its locals, such as `local 2 i64`, or with `raw` if its
// locals are bytes as well. A semicolon begins a comment.

// assembleText returns a source's file.
func assembleText(text string) (wasm []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			fault, ok := r.(badSource)
			if !ok {
				panic(r)
			}
			err = errors.New(string(fault))
		}
	}()
	a := &textAssembler{
		entries: map[string][][]byte{"memory": {{0, 1}}}, functions: map[string]int{}, hidden: map[string]bool{},
		written: map[string]wordList{}, again: map[string][]wordList{}, counts: map[string]uint64{}, sizes: map[string]uint64{},
	}
	words, err := wordsOf(text)
	if err != nil {
		return nil, err
	}
	for len(words) > 0 {
		a.statement(words.next(), &words)
	}
	return a.whole(), nil
}

// badSource is the panic of an assembler that does not understand.
type badSource string

func bad(format string, args ...any) { panic(badSource(fmt.Sprintf(format, args...))) }

// wordList is what is left of a source.
type wordList []string

func wordsOf(text string) (words wordList, err error) {
	for line := range strings.Lines(text) {
		for line = strings.TrimSpace(line); line != "" && line[0] != ';'; line = strings.TrimLeft(line, " \t") {
			end := strings.IndexAny(line, " \t{}();")
			switch {
			case line[0] == '"' || line[0] == '`':
				quoted, err := strconv.QuotedPrefix(line)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", line, err)
				}
				end = len(quoted)
			case end == 0:
				end = 1
			case end < 0:
				end = len(line)
			}
			words, line = append(words, line[:end]), line[end:]
		}
	}
	return words, nil
}

func (w *wordList) next() string {
	if len(*w) == 0 {
		bad("the source ends too early")
	}
	word := (*w)[0]
	*w = (*w)[1:]
	return word
}

// is takes the next word if it is that one.
func (w *wordList) is(word string) bool {
	if len(*w) == 0 || (*w)[0] != word {
		return false
	}
	*w = (*w)[1:]
	return true
}

func (w *wordList) must(word string) {
	if got := w.next(); got != word {
		bad("%q, want %q", got, word)
	}
}

// number reads a number of at most 64 bits, with a sign or without.
func (w *wordList) number() int64 {
	word := w.next()
	if n, err := strconv.ParseUint(word, 0, 64); err == nil {
		return int64(n)
	}
	n, err := strconv.ParseInt(word, 0, 64)
	if err != nil {
		bad("%q is no number", word)
	}
	return n
}

func (w *wordList) numeric() bool {
	return len(*w) > 0 && strings.ContainsRune("0123456789-", rune((*w)[0][0]))
}

func (w *wordList) text() string {
	text, err := strconv.Unquote(w.next())
	if err != nil {
		bad("a text in quotes is missing")
	}
	return text
}

// block takes what stands in braces.
func (w *wordList) block() wordList {
	w.must("{")
	depth := 1
	for i, word := range *w {
		switch word {
		case "{":
			depth++
		case "}":
			depth--
		}
		if depth == 0 {
			inside := (*w)[:i:i]
			*w = (*w)[i+1:]
			return inside
		}
	}
	bad("a } is missing")
	return nil
}

// bracketed takes what stands in parentheses, if there are any.
func (w *wordList) bracketed() []string {
	if !w.is("(") {
		return nil
	}
	end := slices.Index(*w, ")")
	if end < 0 {
		bad("a ) is missing")
	}
	inside := (*w)[:end]
	*w = (*w)[end+1:]
	return inside
}

var valueTypes = map[string]byte{"i32": 0x7f, "i64": 0x7e, "f32": 0x7d, "f64": 0x7c, "funcref": 0x70, "externref": 0x6f}

func valueTypesOf(names []string) []byte {
	out := binary.AppendUvarint(nil, uint64(len(names)))
	for _, name := range names {
		typ, ok := valueTypes[name]
		if !ok {
			bad("%q is no type", name)
		}
		out = append(out, typ)
	}
	return out
}

// sections in the order of a good file.
var sections = []sectionKind{
	{"type", 1}, {"import", 2}, {"function", 3}, {"table", 4}, {"memory", 5}, {"global", 6}, {"export", 7},
	{"start", 8}, {"element", 9}, {"datacount", 12}, {"code", 10}, {"data", 11}, {"custom", 0},
}

type sectionKind struct {
	name string
	id   byte
}

// sectionIndex returns a section's place in the order, or -1.
func sectionIndex(name string) int {
	return slices.IndexFunc(sections, func(s sectionKind) bool { return s.name == name })
}

// textAssembler collects what the statements say. Code is kept in words until
// all functions have their numbers.
type textAssembler struct {
	entries           map[string][][]byte // of sections
	types             []string            // each entry of the type section, to find it again
	importedFunctions int
	functions         map[string]int
	defined           []string
	bodies            []wordList
	exports           [][3]string
	hidden            map[string]bool
	started           string
	elements          []wordList
	customs           []wordList
	written           map[string]wordList // sections in bytes
	again             map[string][]wordList
	counts, sizes     map[string]uint64
	order             []string
	file              wordList
}

func (a *textAssembler) statement(word string, w *wordList) {
	switch word {
	case "memory":
		a.entries["memory"] = [][]byte{w.limits()}
	case "table":
		a.entries["table"] = append(a.entries["table"], append([]byte{valueTypes["funcref"]}, w.limits()...))
	case "host":
		name := w.next()
		a.importFunction(abi.ImportModule, name, hostType(name))
	case "import":
		a.importOne(w)
	case "global":
		typ := w.next()
		value := a.emit(wordList{typ + ".const", w.next(), "end"})
		a.entries["global"] = append(a.entries["global"], slices.Concat([]byte{valueTypes[typ], 1}, value))
	case "func":
		name := w.next()
		a.define(name, w.signature(name), w.block())
	case "elem":
		a.elements = append(a.elements, append(wordList{w.next()}, w.block()...))
	case "data":
		at := a.emit(wordList{"0x00", "i32.const", w.next(), "end"})
		a.entries["data"] = append(a.entries["data"], append(at, sized([]byte(w.text()))...))
	case "export":
		a.exports = append(a.exports, [3]string{w.text(), w.next(), w.next()})
	case "hide":
		a.hidden[w.next()] = true
	case "start":
		a.started = w.next()
	default:
		a.override(word, w)
	}
}

// override reads the statements with which a file lies.
func (a *textAssembler) override(word string, w *wordList) {
	switch word {
	case "custom":
		a.customs = append(a.customs, w.block())
	case "section":
		name := w.next()
		a.written[name] = w.block()
	case "also":
		name := w.next()
		a.again[name] = append(a.again[name], w.block())
	case "count":
		name := w.next()
		a.counts[name] = uint64(w.number())
	case "size":
		name := w.next()
		a.sizes[name] = uint64(w.number())
	case "order":
		for len(*w) > 0 && sectionIndex((*w)[0]) >= 0 {
			a.order = append(a.order, w.next())
		}
	case "file":
		a.file = w.block()
	default:
		bad("there is no statement %q", word)
	}
}

func (w *wordList) limits() []byte {
	least := uint64(w.number())
	if !w.numeric() {
		return binary.AppendUvarint([]byte{0}, least)
	}
	return binary.AppendUvarint(binary.AppendUvarint([]byte{1}, least), uint64(w.number()))
}

// signature reads a function's type; that of handle is known.
func (w *wordList) signature(name string) string {
	if len(*w) > 0 && (*w)[0] != "(" && name == "handle" {
		return "i32 -> i32"
	}
	params := w.bracketed()
	if !w.is("->") {
		return strings.Join(params, " ") + " -> "
	}
	return strings.Join(params, " ") + " -> " + w.next()
}

// hostType is the type of a function that the host offers.
func hostType(name string) string {
	switch name {
	case abi.ImportRequestRead, abi.ImportReplyWrite, abi.ImportResultRead:
		return "i32 i32 -> i32"
	case abi.ImportLog:
		return "i32 i32 i32 -> "
	}
	return "i32 i32 -> i64"
}

// typeIndex returns the index of a function type, and adds it if it is new.
func (a *textAssembler) typeIndex(signature string) []byte {
	index := slices.Index(a.types, signature)
	if index < 0 {
		index = len(a.types)
		params, results, _ := strings.Cut(signature, "->")
		entry := slices.Concat([]byte{0x60}, valueTypesOf(strings.Fields(params)), valueTypesOf(strings.Fields(results)))
		a.types, a.entries["type"] = append(a.types, signature), append(a.entries["type"], entry)
	}
	return binary.AppendUvarint(nil, uint64(index))
}

func (a *textAssembler) importOne(w *wordList) {
	module, name := w.next(), w.next()
	if strings.HasPrefix(module, `"`) {
		module, _ = strconv.Unquote(module)
	}
	if len(*w) > 0 && (*w)[0] == "{" {
		a.entries["import"] = append(a.entries["import"], slices.Concat(sized([]byte(module)), sized([]byte(name)), a.emit(w.block())))
		return
	}
	a.importFunction(module, name, w.signature(""))
}

func (a *textAssembler) importFunction(module, name, signature string) {
	entry := slices.Concat(sized([]byte(module)), sized([]byte(name)), []byte{0}, a.typeIndex(signature))
	a.entries["import"] = append(a.entries["import"], entry)
	a.functions[name] = a.importedFunctions
	a.importedFunctions++
}

func (a *textAssembler) define(name, signature string, body wordList) {
	a.entries["function"] = append(a.entries["function"], a.typeIndex(signature))
	a.functions[name] = a.importedFunctions + len(a.defined)
	a.defined, a.bodies = append(a.defined, name), append(a.bodies, body)
}

// whole returns the file, when all statements were read.
func (a *textAssembler) whole() []byte {
	if a.file != nil {
		return a.emit(a.file)
	}
	if !slices.Contains(a.defined, "handle") {
		a.define("handle", "i32 -> i32", wordList{"i32.const", "0"})
	}
	for _, body := range a.bodies {
		a.entries["code"] = append(a.entries["code"], sized(a.body(body)))
	}
	for _, e := range a.elements {
		entry := a.emit(wordList{"0x00", "i32.const", e[0], "end", "u", strconv.Itoa(len(e) - 1)})
		for _, name := range e[1:] {
			entry = append(entry, a.index(name)...)
		}
		a.entries["element"] = append(a.entries["element"], entry)
	}
	a.exportAll()
	out := []byte("\x00asm\x01\x00\x00\x00")
	for _, name := range a.order {
		out = append(out, a.section(name)...)
	}
	for _, s := range sections {
		if !slices.Contains(a.order, s.name) {
			out = append(out, a.section(s.name)...)
		}
	}
	return out
}

func (a *textAssembler) exportAll() {
	all := append([][3]string{{abi.ExportMemory, "memory", "0"}, {abi.ExportHandle, "func", "handle"}}, a.exports...)
	if slices.Contains(a.defined, "init") {
		all = append(all, [3]string{abi.ExportInitialize, "func", "init"})
	}
	kinds := map[string]byte{"func": 0, "table": 1, "memory": 2, "global": 3}
	for i, e := range all {
		if i < 2 && a.hidden[e[1+i]] {
			continue
		}
		a.entries["export"] = append(a.entries["export"], slices.Concat(sized([]byte(e[0])), []byte{kinds[e[1]]}, a.index(e[2])))
	}
}

func (a *textAssembler) section(name string) []byte {
	id := sections[sectionIndex(name)].id
	var out []byte
	whole := func(contents []byte) {
		size, lie := a.sizes[name]
		if !lie {
			size = uint64(len(contents))
		}
		out = append(binary.AppendUvarint(append(out, id), size), contents...)
	}
	count, lie := a.counts[name]
	entries := a.entries[name]
	switch written, ok := a.written[name]; {
	case ok:
		whole(a.emit(written))
	case name == "start" && a.started != "":
		whole(a.index(a.started))
	case lie, len(entries) > 0:
		if !lie {
			count = uint64(len(entries))
		}
		whole(append(binary.AppendUvarint(nil, count), slices.Concat(entries...)...))
	}
	again := a.again[name]
	if name == "custom" {
		again = a.customs
	}
	for _, more := range again {
		whole(a.emit(more))
	}
	return out
}

// index returns the number of a function, or of what has a number in the source.
func (a *textAssembler) index(name string) []byte {
	if n, ok := a.functions[name]; ok {
		return binary.AppendUvarint(nil, uint64(n))
	}
	n, err := strconv.ParseUint(name, 0, 64)
	if err != nil {
		bad("there is no function %q", name)
	}
	return binary.AppendUvarint(nil, n)
}

func TestAssembleTextTellsWhatItDoesNotUnderstand(t *testing.T) {
	for source, want := range map[string]string{
		"func handle { i32.const 0":             "a } is missing",
		"func handle { i32.const }":             "ends too early",
		"func handle { i32.const x }":           `"x" is no number`,
		"func handle { call nobody }":           `no function "nobody"`,
		"func handle { i32.conts 0 }":           `no instruction "i32.conts"`,
		"func handle (i31) -> i32 { }":          `"i31" is no type`,
		"func handle (i32 -> i32 { }":           "a ) is missing",
		"memori 1":                              `no statement "memori"`,
		"data 0 text":                           "a text in quotes",
		`data 0 "text`:                          "invalid syntax",
		"section type { 0x100 }":                "no byte",
		"memory 1\nfunc handle { memory.grow }": "",
	} {
		_, err := assembleText(source)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", source, err, want)
		}
	}
}
