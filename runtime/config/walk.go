package config

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	// maxNodes bounds what aliases can multiply: a real file has some hundreds of values.
	maxNodes = 20_000
	// maxNameLength is the longest key or module name that is shown or suggested for.
	maxNameLength = 32
)

// walker reads a YAML tree by the schema. It keeps what it can read and reports the rest, so that one look at the file
// finds everything.
type walker struct {
	report
	lines   map[string]int  // the line of each key that was read, by path
	covered map[string]bool // keys of which validation need not complain again
	damaged map[string]bool // lists that lost an item
	nodes   int
	stopped bool
}

func newWalker() *walker {
	return &walker{lines: map[string]int{}, covered: map[string]bool{}, damaged: map[string]bool{}}
}

// read returns the value of f, made of maps, slices, numbers, durations and texts; false if nothing is set.
func (w *walker) read(f *field, path string, n *yaml.Node) (any, bool) {
	if !w.spend(n.Line) {
		return nil, false
	}
	at := n.Line
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if f.kind == ignored || isNull(n) {
		return nil, false
	}
	switch f.kind {
	case section:
		return w.section(f, path, at, n)
	case list:
		return w.list(f, path, at, n)
	case dict:
		return w.dict(f, path, at, n)
	default:
		return w.plain(f, path, at, n)
	}
}

// spend counts nodes and stops the walk when there are too many, or more problems than are shown.
func (w *walker) spend(line int) bool {
	w.nodes++
	if w.nodes > maxNodes && !w.stopped {
		w.refuse(Problem{Line: line, Message: fmt.Sprintf("more than %d values", maxNodes),
			Hint: "do aliases (*name) repeat a long list?"})
	}
	w.stopped = w.stopped || w.nodes > maxNodes || len(w.problems) > 2*maxProblems
	return !w.stopped
}

func (w *walker) complain(path string, line int, message, hint string) {
	if path != "" {
		w.covered[path] = true
	}
	w.refuse(Problem{Key: path, Line: line, Message: message, Hint: hint})
}

func (w *walker) section(f *field, path string, line int, n *yaml.Node) (any, bool) {
	if n.Kind == yaml.ScalarNode && shortForms[f.typ] != nil {
		return w.shortForm(f, path, line, n)
	}
	if n.Kind != yaml.MappingNode {
		w.complain(path, line, "must be a section with keys of its own, not "+shape(n), "")
		return nil, false
	}
	values := map[string]any{}
	w.eachKey(path, n, func(key, value *yaml.Node) {
		child := f.child(key.Value)
		if child == nil {
			w.unknown(f, path, key)
			return
		}
		if v, ok := w.read(child, join(path, child.name), value); ok {
			values[child.name] = v
		}
	})
	return values, true
}

func (w *walker) shortForm(f *field, path string, line int, n *yaml.Node) (any, bool) {
	v, err := shortForms[f.typ](n.Value)
	if err != nil {
		w.complain(path, line, err.Error(), "")
		return nil, false
	}
	return v, true
}

// list accepts one plain value for a list of one. An empty list is a value, an empty text is not.
func (w *walker) list(f *field, path string, line int, n *yaml.Node) (any, bool) {
	items := []*yaml.Node{n}
	switch {
	case n.Kind == yaml.SequenceNode:
		items = n.Content
	case n.Kind == yaml.ScalarNode && n.Value == "":
		return nil, false
	case n.Kind == yaml.MappingNode && f.elem.kind == plain:
		w.complain(path, line, "must be a list, not "+shape(n), "")
		return nil, false
	}
	return w.items(f.elem, path, items), true
}

// items returns as many values as there are items, nil for a bad one, so that validation counts as the operator does.
func (w *walker) items(elem *field, path string, items []*yaml.Node) []any {
	var values []any
	for i, item := range items {
		itemPath := fmt.Sprintf("%s[%d]", path, i)
		w.lines[itemPath] = item.Line
		before := len(w.problems)
		v, ok := w.read(elem, itemPath, item)
		if w.stopped {
			break
		}
		if !ok {
			w.damaged[path] = true
			v = nil
		}
		if !ok && len(w.problems) == before {
			w.complain(itemPath, item.Line, "an item without a value", "fill it in, or remove its line")
		}
		values = append(values, v)
	}
	if values == nil {
		return []any{}
	}
	return values
}

func (w *walker) dict(f *field, path string, line int, n *yaml.Node) (any, bool) {
	if n.Kind != yaml.MappingNode {
		w.complain(path, line, "must be a section of names, not "+shape(n), "")
		return nil, false
	}
	values := map[string]any{}
	w.eachKey(path, n, func(key, value *yaml.Node) {
		keyPath := join(path, display(key.Value))
		if !safeName.MatchString(key.Value) {
			w.complain(keyPath, key.Line, "a name has at most 31 letters, digits, -, _ and dots", "")
			return
		}
		before := len(w.problems)
		v, ok := w.read(f.elem, keyPath, value)
		if !ok && !w.stopped && len(w.problems) == before {
			w.complain(keyPath, key.Line, "a name without a value", emptyHint(path, f.elem))
		}
		if ok {
			values[key.Value] = v
		}
	})
	return values, true
}

// emptyHint: whether "nothing" means nothing granted or everything that was asked for must not be guessed.
func emptyHint(path string, f *field) string {
	switch {
	case path == containersKey:
		return reachHint
	case f.kind == list:
		return "write [] for none, or remove the line"
	}
	return "fill it in, or remove the line"
}

// plain accepts a list of one for a plain value, as pyTMBot's sample writes most of them. An empty text and an empty
// list are the same as no key at all.
func (w *walker) plain(f *field, path string, line int, n *yaml.Node) (any, bool) {
	if n.Kind == yaml.SequenceNode {
		if len(n.Content) > 1 {
			w.complain(path, line, fmt.Sprintf("one value is wanted, and this is a list of %d", len(n.Content)), "keep one")
			return nil, false
		}
		if len(n.Content) == 0 || isNull(n.Content[0]) {
			return nil, false
		}
		n = n.Content[0]
		line = n.Line
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
	}
	w.lines[path] = line
	if n.Kind == yaml.ScalarNode && n.Value == "" {
		return nil, false
	}
	v, c := scalar(f, n)
	if c != nil {
		w.complain(path, line, c.message, c.hint)
		return nil, false
	}
	if text, ok := v.(string); ok && f.placeholder != "" && isPlaceholder(text) {
		return nil, w.placeholder(f, path, line)
	}
	return v, true
}

// placeholder always returns false: a sample's placeholder is never a value.
func (w *walker) placeholder(f *field, path string, line int) bool {
	if f.placeholder == "refuse" {
		w.complain(path, line, "still the placeholder of the sample", hints[path])
		return false
	}
	w.warn(Warning{Problem: Problem{Key: path, Line: line, Message: "still the placeholder of the sample, so it is ignored",
		Hint: "fill it in, or remove it"}})
	return false
}

// eachKey calls visit for every key of a mapping that is a plain word and there for the first time.
func (w *walker) eachKey(path string, n *yaml.Node, visit func(key, value *yaml.Node)) {
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !w.spend(key.Line) {
			return
		}
		keyPath := join(path, display(key.Value))
		switch {
		case key.Kind != yaml.ScalarNode:
			w.complain(path, key.Line, "a key must be a word, not "+shape(key), "")
		case key.ShortTag() == "!!merge":
			w.complain(path, key.Line, "merge keys (<<) are not read", "write the keys out")
		case first[key.Value] > 0:
			w.complain(keyPath, key.Line, fmt.Sprintf("given twice, first in line %d", first[key.Value]), "remove one")
		default:
			first[key.Value] = key.Line
			w.lines[keyPath] = key.Line
			visit(key, value)
		}
	}
}

func (w *walker) unknown(f *field, path string, key *yaml.Node) {
	hint := "known here: " + strings.Join(f.names(), ", ")
	if near, ok := suggest(f, path, key.Value); ok {
		hint = "did you mean " + near + "?"
		w.covered[near] = true
	}
	w.complain(join(path, display(key.Value)), key.Line, "unknown key", hint)
}

// safeName is what a key or a module's name can be. A bot token (it has a colon) and a salt of 32 characters or more
// that someone wrote in a key's place are not, so they are not shown.
var safeName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,31}$`)

func display(name string) string {
	if safeName.MatchString(name) {
		return name
	}
	return "(a key of " + characters(name) + ")"
}
