package main

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

var updateReference = flag.Bool("update-reference", false, "write docs/ABI.md anew")

// TestReferenceIsComplete holds docs/ABI.md against the source of the contract: every
// operation with its capability, its question and its answer, and every type.
func TestReferenceIsComplete(t *testing.T) {
	const path = "../../docs/ABI.md"
	got := reference(t)
	if *updateReference {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != got {
		t.Errorf("docs/ABI.md is not what guest/abi says: %v; write it with go test ./cmd/cofferdam -run TestReference -update-reference", err)
	}
}

// TestTheGuideNamesEveryCapability finds those that an author could not learn of.
func TestTheGuideNamesEveryCapability(t *testing.T) {
	guide, err := os.ReadFile("../../docs/MODULES.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range capability.Names() {
		if !regexp.MustCompile("(?m)^\\| .*`" + regexp.QuoteMeta(string(name)) + "`").Match(guide) {
			t.Errorf("docs/MODULES.md has no row for %s", name)
		}
	}
}

// contract is the source of guest/abi, as far as the reference needs it.
type contract struct {
	ops     []*ast.ValueSpec
	types   map[string]*ast.TypeSpec
	docs    map[string]string
	methods map[string]string // of Host, by the name of the operation's constant
}

func readContract(t *testing.T) contract {
	t.Helper()
	c := contract{types: map[string]*ast.TypeSpec{}, docs: map[string]string{}, methods: map[string]string{}}
	files, err := filepath.Glob("../../guest/abi/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			c.add(decl)
		}
	}
	text, err := os.ReadFile("../../guest/sdk/host.go")
	if err != nil {
		t.Fatal(err)
	}
	native, err := os.ReadFile("../../guest/sdk/sdk_native.go")
	if err != nil {
		t.Fatal(err)
	}
	constants := map[string]string{}
	for _, m := range regexp.MustCompile(`(\w+) +operation = abi\.(\w+)`).FindAllStringSubmatch(string(native), -1) {
		constants[m[1]] = m[2]
	}
	for _, m := range regexp.MustCompile(`(?s)func \(h Host\) (\w+)\([^\n]*\{\n.*?\n\}`).FindAllStringSubmatch(string(text), -1) {
		if op := regexp.MustCompile(`invoke\(h, (\w+)`).FindStringSubmatch(m[0]); op != nil {
			c.methods[constants[op[1]]] = m[1]
		}
	}
	return c
}

func (c *contract) add(decl ast.Decl) {
	general, ok := decl.(*ast.GenDecl)
	if !ok {
		return
	}
	for _, spec := range general.Specs {
		switch s := spec.(type) {
		case *ast.ValueSpec:
			if strings.HasPrefix(s.Names[0].Name, "Op") && general.Tok == token.CONST && len(s.Values) == 1 {
				c.ops = append(c.ops, s)
			}
		case *ast.TypeSpec:
			doc := s.Doc.Text()
			if doc == "" {
				doc = general.Doc.Text()
			}
			c.types[s.Name.Name], c.docs[s.Name.Name] = s, doc
		}
	}
}

// reference writes docs/ABI.md.
func reference(t *testing.T) string {
	t.Helper()
	c := readContract(t)
	needs := map[string]capability.Name{}
	for _, op := range hostcall.Table(hostcall.Sources{}) {
		needs[op.Import] = op.Capability
	}
	var out strings.Builder
	out.WriteString(`# The contract: operations and types

Made from guest/abi by a test (` + "`go test ./cmd/cofferdam -run TestReference -update-reference`" + `).
What operations are for, and how a module is written, says [MODULES.md](MODULES.md).

All operations are imports of the module ` + "`cofferdam`" + `, of type (ptr i32, length i32) → i64:
the question's JSON in; a code in the high half of the result, the length of the
answer's JSON in the low. With another code than ok the answer is an [Error](#error).
Members that are empty, 0, false or null may be left out, and members that a reader does
not know are ignored.

## Operations

| import | in Go | capability | asks with | is answered with |
| --- | --- | --- | --- | --- |
`)
	reached := []string{"Request", "Reply", "Error"}
	shape := regexp.MustCompile(`^(\w+) -> (\w+)`)
	for _, op := range c.ops {
		name := strings.Trim(op.Values[0].(*ast.BasicLit).Value, `"`)
		m := shape.FindStringSubmatch(op.Comment.Text())
		if m == nil || needs[name] == "" || c.types[m[1]] == nil || c.types[m[2]] == nil || c.methods[op.Names[0].Name] == "" {
			t.Fatalf("%s: shape %v, capability %q, method %q", op.Names[0].Name, m, needs[name], c.methods[op.Names[0].Name])
		}
		fmt.Fprintf(&out, "| `%s` | `%s` | `%s` | %s | %s |\n", name, c.methods[op.Names[0].Name], needs[name], link(m[1]), link(m[2]))
		reached = append(reached, m[1], m[2])
		delete(needs, name)
	}
	if len(needs) > 0 {
		t.Fatalf("operations without a constant: %v", slices.Sorted(maps.Keys(needs)))
	}
	out.WriteString("\n## Types\n")
	c.writeTypes(&out, reached)
	return out.String()
}

// writeTypes writes the types that are reached, and those that they are made of.
func (c contract) writeTypes(out *strings.Builder, reached []string) {
	done := map[string]bool{}
	for len(reached) > 0 {
		name := reached[0]
		reached = reached[1:]
		if done[name] {
			continue
		}
		done[name] = true
		fmt.Fprintf(out, "\n### %s\n\n%s\n", name, unlinked(c.docs[name]))
		fields, isStruct := c.types[name].Type.(*ast.StructType)
		if !isStruct || len(fields.Fields.List) == 0 {
			continue
		}
		out.WriteString("\n| member | is | |\n| --- | --- | --- |\n")
		for _, f := range fields.Fields.List {
			if f.Tag == nil { // what another type has, too
				fmt.Fprintf(out, "| | those of %s | |\n", c.describe(f.Type, &reached))
				continue
			}
			tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json")
			member, _, _ := strings.Cut(tag, ",")
			says := strings.TrimSpace(unlinked(f.Doc.Text()) + " " + unlinked(f.Comment.Text()))
			fmt.Fprintf(out, "| `%s` | %s | %s |\n", member, c.describe(f.Type, &reached), strings.ReplaceAll(says, "|", `\|`))
		}
	}
}

// describe says in words what a member is, and notes types to be written as well.
func (c contract) describe(e ast.Expr, reached *[]string) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return c.describe(e.X, reached)
	case *ast.ArrayType:
		if id, ok := e.Elt.(*ast.Ident); ok && id.Name == "byte" {
			return "base64"
		}
		return "list: " + c.describe(e.Elt, reached)
	case *ast.MapType:
		return "object: " + c.describe(e.Value, reached)
	case *ast.Ident:
		switch {
		case e.Name == "string":
			return "text"
		case e.Name == "bool":
			return "true, false"
		case strings.HasPrefix(e.Name, "int"), strings.HasPrefix(e.Name, "uint"):
			return "whole number"
		case e.Name == "float64":
			return "number"
		case c.types[e.Name] != nil:
			*reached = append(*reached, e.Name)
			return link(e.Name)
		}
	}
	return "anything"
}

func link(name string) string { return "[" + name + "](#" + strings.ToLower(name) + ")" }

var docLink = regexp.MustCompile(`\[\*?([\w.]+)\]`)

// unlinked is a comment in one line, without the links of Go's comments.
func unlinked(text string) string {
	return strings.Join(strings.Fields(docLink.ReplaceAllString(text, "$1")), " ")
}
