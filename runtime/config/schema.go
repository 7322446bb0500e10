package config

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

type kind uint8

const (
	section kind = iota // a struct: keys of its own
	list                // a slice
	dict                // a map: the operator chooses the keys
	plain               // one value
	ignored             // anything, not read
)

// field is a key that may stand in the file.
type field struct {
	name        string
	kind        kind
	typ         reflect.Type
	fields      []*field // of a section, in the order of the struct
	elem        *field   // of a list or a dict
	seconds     bool     // a plain number is a duration in seconds
	placeholder string   // "refuse" or "ignore": what to do with a sample's placeholder
}

// schema is the Config struct as the walker sees it.
var schema = sync.OnceValue(func() *field { return describe(reflect.TypeFor[Config]()) })

func describe(t reflect.Type) *field {
	f := &field{typ: t, kind: plain}
	switch {
	case t == reflect.TypeFor[Ignored]():
		f.kind = ignored
	case isLeaf(t):
	case t.Kind() == reflect.Struct:
		f.kind = section
		for sf := range t.Fields() {
			f.fields = append(f.fields, describeField(sf))
		}
	case t.Kind() == reflect.Slice:
		f.kind, f.elem = list, describe(t.Elem())
	case t.Kind() == reflect.Map:
		f.kind, f.elem = dict, describe(t.Elem())
	}
	return f
}

func describeField(sf reflect.StructField) *field {
	f := describe(sf.Type)
	f.name = sf.Tag.Get("koanf")
	f.seconds = sf.Tag.Get("plain") == "seconds"
	f.placeholder = sf.Tag.Get("placeholder")
	return f
}

// isLeaf reports whether t is read from one value, though it may be a struct.
func isLeaf(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[netip.Prefix](), reflect.TypeFor[time.Duration](), reflect.TypeFor[Chat](), reflect.TypeFor[Ignored]():
		return true
	}
	return t.Kind() != reflect.Struct && t.Kind() != reflect.Slice && t.Kind() != reflect.Map
}

func (f *field) child(name string) *field {
	i := slices.IndexFunc(f.fields, func(c *field) bool { return c.name == name })
	if i < 0 {
		return nil
	}
	return f.fields[i]
}

func (f *field) names() []string {
	names := make([]string, len(f.fields))
	for i, c := range f.fields {
		names[i] = c.name
	}
	return names
}

// paths lists every key below f with its full path; what the operator names is written NAME, a list's item has no path
// of its own.
func (f *field) paths(at string) []string {
	var all []string
	for _, c := range f.fields {
		path := join(at, c.name)
		all = append(all, path)
		inner := c
		if c.kind == dict {
			path, inner = join(path, "NAME"), c.elem
		}
		if inner.kind == list {
			inner = inner.elem
		}
		all = append(all, inner.paths(path)...)
	}
	return all
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// suggest returns the full path of the key that was probably meant by name below f: a near one in the same section, or
// one of exactly this name in another section.
func suggest(f *field, at, name string) (string, bool) {
	if near, ok := nearest(name, f.names()); ok {
		return join(at, near), true
	}
	for _, path := range schema().paths("") {
		if path == name || strings.HasSuffix(path, "."+name) {
			return path, true
		}
	}
	return "", false
}

// nearest returns the known name with the fewest typing errors between it and name, if there are few enough. Case and
// the choice between - and _ count for nothing.
func nearest(name string, known []string) (string, bool) {
	name = strings.ReplaceAll(strings.ToLower(name), "-", "_")
	best, least := "", 2+len(name)/4
	if len(name) > maxNameLength {
		return "", false
	}
	for _, candidate := range known {
		if d := distance(name, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best, best != ""
}

// distance is the optimal string alignment distance: insertions, deletions, substitutions, and swaps of neighbours.
func distance(a, b string) int {
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}
