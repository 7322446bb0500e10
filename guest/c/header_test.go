//go:build !wasip1

package c

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// NeedClang skips a test where there is no C compiler, or fails it in CI.
func NeedClang(t testing.TB) {
	t.Helper()
	for _, program := range []string{"clang", "wasm-ld"} {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		reason := "there is no " + program + "; on Debian: apt-get install clang lld"
		if os.Getenv("COFFERDAM_CI") == "1" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
}

// constants returns the constants of guest/abi that begin with a prefix and
// have a literal for a value.
func constants(t *testing.T, prefix, typ string) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../abi/abi.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Names) != 1 || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, prefix) {
			return true
		}
		named, _ := spec.Type.(*ast.Ident)
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if ok && (typ == "" && named == nil || named != nil && named.Name == typ) {
			found[spec.Names[0].Name] = literal.Value
		}
		return true
	})
	if len(found) == 0 {
		t.Fatalf("guest/abi has no constants %s* of type %q: the test looks in the wrong place", prefix, typ)
	}
	return found
}

func unquoted(t *testing.T, literals map[string]string) []string {
	t.Helper()
	var out []string
	for _, literal := range literals {
		text, err := strconv.Unquote(literal)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

// imports returns the names of the host's functions: those that all may use,
// and the operations.
func imports(t *testing.T) (always, operations []string) {
	t.Helper()
	named := constants(t, "Import", "")
	delete(named, "ImportModule")
	return unquoted(t, named), unquoted(t, constants(t, "Op", ""))
}

// firsts returns the first group of each match in the header, sorted.
func firsts(expression string) []string {
	var out []string
	for _, match := range regexp.MustCompile(expression).FindAllSubmatch(Header, -1) {
		out = append(out, string(match[1]))
	}
	slices.Sort(out)
	return out
}

var upper = regexp.MustCompile(`[a-z][A-Z]`)

// macro is how a constant of guest/abi is called in C.
func macro(name string) string {
	spaced := upper.ReplaceAllStringFunc(name, func(s string) string { return s[:1] + "_" + s[1:] })
	return "COFFERDAM_" + strings.ToUpper(spaced)
}

// numbers returns the codes and log levels of guest/abi by their names in C.
func numbers(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{"COFFERDAM_ABI": strconv.Itoa(abi.Version)}
	for name, value := range constants(t, "", "Code") {
		out[macro(name)] = value
	}
	for name, value := range constants(t, "Log", "int32") {
		out[macro(name)] = value
	}
	return out
}

// The header says what guest/abi says: nothing less, nothing more, and in the
// order of the same numbers.
func TestHeaderHasTheNamesOfTheContract(t *testing.T) {
	always, operations := imports(t)
	if got := firsts(`(?m)^COFFERDAM_IMPORT\((\w+)\)`); !slices.Equal(got, always) {
		t.Errorf("the header has %v, guest/abi %v", got, always)
	}
	if got := firsts(`(?m)^COFFERDAM_OPERATION\((\w+)\);`); !slices.Equal(got, operations) {
		t.Errorf("the header has %v, guest/abi %v", got, operations)
	}
	want := slices.Sorted(maps.Keys(numbers(t)))
	got := append(firsts(`(?m)^    (COFFERDAM_\w+) = \d+`), "COFFERDAM_ABI")
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the header has %v, guest/abi %v", got, want)
	}
	if module := firsts(`import_module\("(\w+)"\)`); !slices.Equal(module, []string{abi.ImportModule}) {
		t.Errorf("the header imports from %v", module)
	}
}

// compile compiles a program with the header and returns the object file.
func compile(t *testing.T, program string, flags ...string) string {
	t.Helper()
	NeedClang(t)
	dir := t.TempDir()
	source, object := filepath.Join(dir, "main.c"), filepath.Join(dir, "main.o")
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	flags = append(flags, "-I", ".", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-c", source, "-o", object)
	if text, err := exec.Command("clang", flags...).CombinedOutput(); err != nil {
		t.Fatalf("clang %s: %v\n%s", strings.Join(flags, " "), err, text)
	}
	return object
}

var forWasm = []string{"--target=wasm32", "-std=c11", "-ffreestanding"}

// What a program that calls everything imports, and of which type, is read
// from its file: the names in the header could be right and its types wrong.
func TestHeaderDeclaresTheContract(t *testing.T) {
	always, operations := imports(t)
	var program strings.Builder
	program.WriteString("#include <cofferdam.h>\n")
	for name, value := range numbers(t) {
		fmt.Fprintf(&program, "_Static_assert(%s == %s, \"\");\n", name, value)
	}
	program.WriteString("COFFERDAM_HANDLE(length) {\n\tchar room[8];\n\tint64_t sum = 0;\n")
	for _, name := range operations {
		fmt.Fprintf(&program, "\tsum += cofferdam_%s(CF_QUESTION(\"{}\"));\n", name)
	}
	program.WriteString(`
	cofferdam_log(COFFERDAM_LOG_INFO, room, 8);
	cofferdam_progress(room, 8);
	sum += cofferdam_request_read(room, 8) + cofferdam_result_read(room, 8) + cofferdam_reply_write(room, 8);
	return (int32_t)sum + length;
}
`)
	object := compile(t, program.String(), forWasm...)
	wasm := filepath.Join(t.TempDir(), "all.wasm")
	if text, err := exec.Command("wasm-ld", "--no-entry", object, "-o", wasm).CombinedOutput(); err != nil {
		t.Fatalf("wasm-ld: %v\n%s", err, text)
	}
	got := signatures(t, wasm)
	want := map[string]string{
		"export cofferdam_handle": "[i32] [i32]", "request_read": "[i32 i32] [i32]",
		"reply_write": "[i32 i32] [i32]", "result_read": "[i32 i32] [i32]", "log": "[i32 i32 i32] []",
		"progress": "[i32 i32] []",
	}
	if len(want) != len(always)+1 {
		t.Errorf("the types of %v are not all known here", always)
	}
	for _, name := range operations {
		want[name] = "[i32 i32] [i64]"
	}
	if !maps.Equal(got, want) {
		t.Errorf("the file has %v, want %v", got, want)
	}
}

// signatures returns the types of a file's imports and exported functions.
func signatures(t *testing.T, path string) map[string]string {
	t.Helper()
	wasm, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	runtime := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer runtime.Close(context.WithoutCancel(t.Context()))
	compiled, err := runtime.CompileModule(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range compiled.ImportedFunctions() {
		module, name, _ := f.Import()
		if module != abi.ImportModule {
			t.Errorf("an import of %q", module)
		}
		out[name] = typeOf(f.ParamTypes(), f.ResultTypes())
	}
	for name, f := range compiled.ExportedFunctions() {
		out["export "+name] = typeOf(f.ParamTypes(), f.ResultTypes())
	}
	return out
}

func typeOf(params, results []byte) string {
	names := map[byte]string{0x7f: "i32", 0x7e: "i64"}
	list := func(types []byte) string {
		var words []string
		for _, typ := range types {
			words = append(words, names[typ])
		}
		return "[" + strings.Join(words, " ") + "]"
	}
	return list(params) + " " + list(results)
}

// The header is clean in each dialect that an author may compile it in, for a
// native test of a module too.
func TestHeaderIsCleanC(t *testing.T) {
	const program = "#include <cofferdam.h>\n#include <cofferdam.h>\nCOFFERDAM_HANDLE(length) { return length; }\n"
	for _, flags := range [][]string{
		forWasm, {"--target=wasm32", "-std=c17", "-ffreestanding", "-O2"}, {"--target=wasm32", "-std=gnu11", "-ffreestanding"},
		{"-std=c11"}, {"-std=c17", "-O2"},
	} {
		compile(t, program, flags...)
	}
}

// What authors copy is a module.
func TestTheGuidesExamplesCompile(t *testing.T) {
	guide, err := os.ReadFile("../../docs/MODULES.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?s)```c\n(.*?)```").FindSubmatch(guide)
	begins := regexp.MustCompile(`(?sm)^ \*     (#include.*?^ \*     })$`).FindSubmatch(Header)
	if shown == nil || begins == nil {
		t.Fatal("there is no example in docs/MODULES.md or in the header")
	}
	compile(t, string(shown[1]), forWasm...)
	compile(t, regexp.MustCompile(`(?m)^ \* ?`).ReplaceAllString(string(begins[1]), "")+"\n", forWasm...)
}
