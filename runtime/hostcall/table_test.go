package hostcall

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// reserved lists capabilities that may be granted before there is an operation
// for them.
var reserved = []capability.Name{
	capability.Schedule, capability.DockerEvents, // the host runs the module
}

func TestTableIsComplete(t *testing.T) {
	constants := operationsOf(t)
	if len(constants) == 0 {
		t.Fatal("no constants found in guest/abi")
	}
	rows, covered := map[string]int{}, map[capability.Name]bool{}
	for _, op := range Table(Sources{}) {
		rows[op.Import]++
		covered[op.Capability] = true
		if !slices.Contains(capability.Names(), op.Capability) {
			t.Errorf("%s needs %q, which does not exist", op.Import, op.Capability)
		}
		if !slices.Contains(constants, op.Import) {
			t.Errorf("%s is not a constant of guest/abi", op.Import)
		}
	}
	for _, name := range constants {
		if rows[name] != 1 {
			t.Errorf("%s has %d rows, want one", name, rows[name])
		}
	}
	for _, name := range capability.Names() {
		if covered[name] == slices.Contains(reserved, name) {
			t.Errorf("%s: has operations: %v; is reserved: %v", name, covered[name], !covered[name])
		}
	}
}

// TestEachRowReadsOrActs: what acts has no other way to be run than through the
// gate's records, and nothing that only reads is taken for an act.
func TestEachRowReadsOrActs(t *testing.T) {
	for _, op := range Table((&spy{}).sources()) {
		acts := capability.NeedOf(op.Capability).Acts()
		if acts != (op.act != nil) || acts == (op.run != nil) || op.audit == nil {
			t.Errorf("%s: acts %v, but its row says otherwise", op.Import, acts)
		}
	}
}

func TestSDKDeclaresEveryImport(t *testing.T) {
	want := append(operationsOf(t), abi.ImportRequestRead, abi.ImportReplyWrite, abi.ImportResultRead, abi.ImportLog, abi.ImportProgress)
	slices.Sort(want)
	if got := importsOf(t, "../../guest/sdk/sdk_wasip1.go"); !slices.Equal(got, want) {
		t.Errorf("the SDK imports %q, want %q", got, want)
	}
}

// operationsOf returns the values of the Op constants of guest/abi, sorted.
func operationsOf(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../guest/abi/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Op") {
				values = append(values, stringIn(t, spec))
			}
			return true
		})
	}
	slices.Sort(values)
	return values
}

func stringIn(t *testing.T, spec *ast.ValueSpec) string {
	t.Helper()
	if len(spec.Names) != 1 || len(spec.Values) != 1 {
		t.Fatalf("%s: want one name and one value", spec.Names[0].Name)
	}
	literal, ok := spec.Values[0].(*ast.BasicLit)
	if !ok {
		t.Fatalf("%s is not a plain string", spec.Names[0].Name)
	}
	value, err := strconv.Unquote(literal.Value)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// importsOf returns the functions of module cofferdam that the lines
// `//go:wasmimport` of a file name, sorted.
func importsOf(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "//go:wasmimport" {
			if fields[1] != abi.ImportModule {
				t.Errorf("%s is imported from %q", fields[2], fields[1])
			}
			names = append(names, fields[2])
		}
	}
	slices.Sort(names)
	return names
}
