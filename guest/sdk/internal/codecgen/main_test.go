package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"strings"
	"testing"
)

func TestCodecsAreUpToDate(t *testing.T) {
	source, err := load("../../../abi")
	if err != nil {
		t.Fatal(err)
	}
	want, err := generate(source, sent, received)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile("../../codec_gen.go"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("codec_gen.go is not what package abi says: run `go generate ./guest/sdk` (%v)", err)
	}
}

// packageOf is a package abi with a type T of that body.
func packageOf(t *testing.T, body string) *types.Package {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "abi.go", "package abi\ntype Inner struct { A int `json:\"a\"` }\ntype Word string\ntype T "+body, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	made, err := new(types.Config).Check("abi", fset, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestTagsDecideWhatIsWritten(t *testing.T) {
	for _, test := range []struct{ field, want string }{
		{"A string `json:\"a\"`", "\tw.Key(\"a\")\n\tw.String(&v.A)\n"},
		{"A string `json:\"a,omitempty\"`", "\tif v.A != \"\" {\n\t\tw.Key(\"a\")\n"},
		{"A Word `json:\"a,omitzero\"`", "\tif v.A != \"\" {\n\t\tw.Key(\"a\")\n\t\tw.String((*string)(&v.A))\n"},
		{"A float64 `json:\"a,omitempty\"`", "\tif v.A != 0 {\n"},
		{"A bool `json:\"a,omitempty\"`", "\tif v.A {\n"},
		{"A []int `json:\"a,omitempty\"`", "\tif len(v.A) > 0 {\n\t\tw.Key(\"a\")\n\t\twriteInts(w, &v.A)\n"},
		{"A []int `json:\"a,omitzero\"`", "\tif v.A != nil {\n"},
		{"A map[string]string `json:\"a,omitzero\"`", "\tif v.A != nil {\n"},
		{"A *Inner `json:\"a,omitempty\"`", "\tif v.A != nil {\n\t\tw.Key(\"a\")\n\t\twriteInner(w, v.A)\n"},
		{"Inner", "\tw.Key(\"a\")\n\tw.Int(&v.A)\n"},
		{"A [][]Inner `json:\"a\"`", "\twriteInnerss(w, &v.A)\n"},
	} {
		text, err := generate(packageOf(t, "struct { "+test.field+" }"), []string{"T"}, nil)
		if err != nil || !strings.Contains(string(text), test.want) {
			t.Errorf("%s: %v\n%s", test.field, err, text)
		}
	}
}

// TestRefuses: what the codecs cannot do as encoding/json does is an error, and
// no silence.
func TestRefuses(t *testing.T) {
	for _, body := range []string{
		"struct { A any `json:\"a\"` }",
		"struct { A int }",
		"struct { A int `json:\"-\"` }",
		"struct { A int `json:\"Capital\"` }",
		"struct { A int `json:\"a,string\"` }",
		"struct { a int `json:\"a\"` }",
		"struct { A int8 `json:\"a\"` }",
		"struct { A map[string]int `json:\"a\"` }",
		"struct { A []Word `json:\"a\"` }",
		"struct { A *Inner `json:\"a\"` }",
		"struct { A Inner `json:\"a,omitempty\"` }",
		"struct { A, B int `json:\"a\"` }",
		"struct { Inner; B int `json:\"a\"` }",
		"[]chan int",
	} {
		if text, err := generate(packageOf(t, body), []string{"T"}, nil); err == nil {
			t.Errorf("%s: no error, but\n%s", body, text)
		}
	}
	if _, err := generate(packageOf(t, "struct {}"), []string{"Missing"}, nil); err == nil {
		t.Error("a type that is not there: no error")
	}
}
