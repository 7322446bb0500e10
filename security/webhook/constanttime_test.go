package webhook

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What the package's source calls a path, a secret, and the guesses at them.
var (
	variables = []string{"path", "secret", "guess"}
	fields    = []string{"path", "secret", "Target", "Secrets", "Path", "PathSecret", "Secret"} // and methods
)

// hasty are packages whose functions end at the first difference.
var hasty = []string{"strings", "bytes", "slices", "maps", "cmp", "reflect", "regexp", "path", "fmt", "strconv", "unique"}

// TestSecretsAreComparedInConstantTime reads the source of the whole package: a
// path or a secret is compared with crypto/subtle, and with nothing that ends at
// the first difference. It measures no time, since a test machine has no quiet.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	read, constant := 0, 0
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		read++
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if isConstant(n) {
				constant++
			}
			return true
		})
		for _, found := range leaks(file) {
			t.Errorf("%s: %s", fset.Position(found.at), found.what)
		}
	}
	if read < 5 || constant != 2 {
		t.Errorf("%d files with %d comparisons in constant time, want 2: of the path and of the secret", read, constant)
	}
}

// TestTheReaderOfComparisonsFinds what it is there for.
func TestTheReaderOfComparisonsFinds(t *testing.T) {
	for body, want := range map[string]string{
		`_ = subtle.ConstantTimeCompare(p.parts.path[:], []byte(path)) == 1`: "",
		`_ = len(path) != pathLength`:                                        "",
		`_ = len(x.Secrets) == 1 && x.pair.opens(x.Secrets[0])`:              "",
		`x.pair, ok = g.pairs.find(x.Target, x.now)`:                         "",
		`_ = p.next == (Pair{})`:                                             "",
		`_ = p.path == path`:                                                 "==",
		`_ = "" != secret`:                                                   "!=",
		`_ = *p.parts.path == [32]byte([]byte(guess))`:                       "==",
		`_ = string(p.parts.secret[:]) == x`:                                 "==",
		`_ = x.Secrets[0] == pair.Secret()`:                                  "==",
		`_ = x < p.secret`:                                                   "<",
		`_ = path[0] == '/'`:                                                 "==",
		`if path[i] != other { return }`:                                     "!=",
		`switch path { case a: }`:                                            "switch",
		`switch a { case p.Path(): }`:                                        "case",
		`_ = pairs[path]`:                                                    "key",
		`_ = strings.EqualFold(a, p.secret)`:                                 "strings.EqualFold",
		`_ = strings.HasPrefix(x.Target, "/webhook/")`:                       "strings.HasPrefix",
		`_ = bytes.Equal([]byte(path), b)`:                                   "bytes.Equal",
		`_ = slices.Contains(x.Secrets, p.secret)`:                           "slices.Contains",
		`_ = fmt.Errorf("%s", path)`:                                         "fmt.Errorf",
		`for i := range path { _ = i }`:                                      "range",
		`a := string(p.parts.path[:])`:                                       "another name",
		`a := pair.Secret()`:                                                 "another name",
		`a := path`:                                                          "another name",
		`a, secret := secret, path`:                                          "another name",
		`var a = p.parts.path[:]`:                                            "another name",
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc f() {\n"+body+"\n}", 0)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		found := leaks(file)
		if want == "" && len(found) > 0 || want != "" && (len(found) == 0 || !strings.Contains(found[0].what, want)) {
			t.Errorf("%s: found %v, want %q", body, found, want)
		}
	}
}

type leak struct {
	at   token.Pos
	what string
}

// leaks finds what tells by its time how much of a guess is right, and what would
// hide a secret behind a name that is not looked for.
func leaks(file *ast.File) (found []leak) {
	add := func(n ast.Node, what string, args ...any) {
		found = append(found, leak{n.Pos(), fmt.Sprintf(what, args...)})
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			compares := slices.Contains([]token.Token{token.EQL, token.NEQ, token.LSS, token.GTR, token.LEQ, token.GEQ}, n.Op)
			if compares && (reveals(n.X) || reveals(n.Y)) {
				add(n, "a secret is compared with %s", n.Op)
			}
		case *ast.SwitchStmt:
			if n.Tag != nil && reveals(n.Tag) {
				add(n, "a switch about a secret")
			}
		case *ast.CaseClause:
			if slices.ContainsFunc(n.List, func(e ast.Expr) bool { _, whole := e.(*ast.BinaryExpr); return !whole && reveals(e) }) {
				add(n, "a case that is a secret")
			}
		case *ast.IndexExpr:
			if reveals(n.Index) {
				add(n, "a secret is a key")
			}
		case *ast.RangeStmt:
			if reveals(n.X) {
				add(n, "a range over a secret")
			}
		case *ast.CallExpr:
			if name := function(n); name != "" && slices.ContainsFunc(n.Args, reveals) {
				add(n, "a secret is given to %s", name)
			}
		case *ast.AssignStmt:
			for i, right := range n.Rhs {
				if len(n.Lhs) == len(n.Rhs) && isSecret(right) && !isSecret(n.Lhs[i]) {
					add(n, "a secret gets another name")
				}
			}
		case *ast.ValueSpec:
			for i, right := range n.Values {
				if isSecret(right) && !isSecret(n.Names[i]) {
					add(n, "a secret gets another name")
				}
			}
		}
		return true
	})
	return found
}

// reveals reports whether an expression has a secret in it, other than for its
// length, or for a comparison in constant time.
func reveals(e ast.Expr) (yes bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "len" || isConstant(n) || isOurs(n) {
				return false
			}
		case *ast.SelectorExpr:
			yes = yes || slices.Contains(fields, n.Sel.Name)
		case *ast.Ident:
			yes = yes || slices.Contains(variables, n.Name)
		}
		return true
	})
	return yes
}

// isOurs reports whether a call is one of the three through which a guess goes;
// their bodies are looked at too.
func isOurs(n *ast.CallExpr) bool {
	s, ok := n.Fun.(*ast.SelectorExpr)
	return ok && slices.Contains([]string{"leads", "opens", "find"}, s.Sel.Name)
}

func isConstant(n ast.Node) bool {
	call, ok := n.(*ast.CallExpr)
	return ok && selector(call) == "subtle.ConstantTimeCompare"
}

// function names the hasty function that is called, or is "".
func function(call *ast.CallExpr) string {
	name := selector(call)
	if from, _, ok := strings.Cut(name, "."); ok && slices.Contains(hasty, from) {
		return name
	}
	return ""
}

func selector(call *ast.CallExpr) string {
	if s, ok := call.Fun.(*ast.SelectorExpr); ok {
		if from, ok := s.X.(*ast.Ident); ok {
			return from.Name + "." + s.Sel.Name
		}
	}
	return ""
}

// isSecret reports whether an expression is a secret or a part of one, in any
// type.
func isSecret(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return slices.Contains(variables, e.Name)
	case *ast.SelectorExpr:
		return slices.Contains(fields, e.Sel.Name)
	case *ast.SliceExpr:
		return isSecret(e.X)
	case *ast.IndexExpr:
		return isSecret(e.X)
	case *ast.StarExpr:
		return isSecret(e.X)
	case *ast.UnaryExpr:
		return isSecret(e.X)
	case *ast.ParenExpr:
		return isSecret(e.X)
	case *ast.CallExpr: // a conversion, or one of the methods
		return isSecret(e.Fun) || len(e.Args) == 1 && !isFunction(e.Fun) && isSecret(e.Args[0])
	}
	return false
}

func isFunction(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name != "string"
	case *ast.SelectorExpr:
		return true
	}
	return false
}
