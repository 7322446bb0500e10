package main

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// load reads the package in dir as a guest sees it. A package that imports
// anything is an error: it would be linked into every guest.
func load(dir string) (*types.Package, error) {
	guest := build.Default
	guest.GOOS, guest.GOARCH = "wasip1", "wasm"
	found, err := guest.ImportDir(dir, 0)
	if err != nil {
		return nil, err
	}
	if len(found.Imports) > 0 {
		return nil, fmt.Errorf("%s imports %q into guests", dir, found.Imports)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range found.GoFiles {
		file, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return new(types.Config).Check(found.Name, fset, files, nil)
}

// goName returns the name of a type as it stands in package sdk.
func goName(t types.Type) string {
	return types.TypeString(t, func(p *types.Package) string { return p.Name() })
}

// methodOf returns the method of Reader and Writer for a type, or "".
func methodOf(t types.Type) string {
	switch t.Underlying().String() {
	case "string":
		return "String"
	case "bool":
		return "Bool"
	case "int":
		return "Int"
	case "int32":
		return "Int32"
	case "int64":
		return "Int64"
	case "uint64":
		return "Uint64"
	case "float64":
		return "Float64"
	case "[]byte":
		return "Bytes"
	case "map[string]string":
		return "StringMap"
	}
	return ""
}

// nameOf names a type by what it is made of: Span, Spans, Strings; "" for one
// without a codec.
func nameOf(t types.Type) string {
	switch u := t.(type) {
	case *types.Named:
		if _, ok := u.Underlying().(*types.Struct); ok {
			return u.Obj().Name()
		}
	case *types.Basic:
		return methodOf(t)
	case *types.Slice:
		if element := nameOf(u.Elem()); element != "" {
			return element + "s"
		}
	}
	return ""
}

// member is a field with what its tag says.
type member struct {
	*types.Var
	key  string
	when string // the condition under which it is written; "": always
}

// plainKey is what needs no escapes, and has no capital that encoding/json
// would read as well.
var plainKey = regexp.MustCompile("^[a-z0-9_]+$")

// membersOf returns the fields of a struct, and of those it embeds, in order.
func membersOf(t types.Type) ([]member, error) {
	var members []member
	structure := t.Underlying().(*types.Struct)
	for i := range structure.NumFields() {
		field, found := structure.Field(i), []member(nil)
		tag, tagged := reflect.StructTag(structure.Tag(i)).Lookup("json")
		if _, ok := field.Type().Underlying().(*types.Struct); ok && field.Embedded() && !tagged {
			inner, err := membersOf(field.Type())
			if err != nil {
				return nil, err
			}
			found = inner
		} else {
			key, option, _ := strings.Cut(tag, ",")
			when, known := condition(field, option)
			if !field.Exported() || !plainKey.MatchString(key) || !known {
				return nil, fmt.Errorf("no codec for field %s with tag %q", field.Name(), tag)
			}
			found = []member{{field, key, when}}
		}
		for _, m := range found {
			if slices.ContainsFunc(members, func(other member) bool { return other.key == m.key || other.Name() == m.Name() }) {
				return nil, fmt.Errorf("two fields %s", m.key)
			}
			members = append(members, m)
		}
	}
	return members, nil
}

// condition returns the condition under which a field is written, "" for always,
// and whether the option of its tag is known here.
func condition(field *types.Var, option string) (string, bool) {
	name := "v." + field.Name()
	if option == "" {
		return "", true
	}
	if option != "omitempty" && option != "omitzero" {
		return "", false
	}
	switch t := field.Type().Underlying().(type) {
	case *types.Slice, *types.Map:
		if option == "omitempty" {
			return "len(" + name + ") > 0", true
		}
		return name + " != nil", true
	case *types.Pointer:
		return name + " != nil", true
	case *types.Basic:
		switch {
		case t.Info()&types.IsString != 0:
			return name + ` != ""`, true
		case t.Info()&types.IsNumeric != 0:
			return name + " != 0", true
		}
		return name, true
	}
	return "", false
}
