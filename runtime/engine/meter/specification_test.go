package meter

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/cofferdam-bot/cofferdam/security/vetting"
)

// The specification's tests come with wazero's module: files of commands that
// instantiate modules and call them. Here they run on each module as it is and
// as it is rewritten, and what the commands expect is what the module did as it
// was.

// The least that must be compared, so that this test cannot come to compare
// nothing. A change of the scanner that admits fewer modules shows here.
const (
	leastModules    = 1900
	leastDetached   = 80
	leastCalls      = 40_000
	leastTraps      = 3_000
	leastExhausting = 8
)

// specification is a file of commands.
type specification struct {
	Commands []command
}

type command struct {
	Type     string
	Line     int
	Name     string
	Filename string
	As       string
	Action   action
}

type action struct {
	Type   string
	Field  string
	Module string
	Args   []struct {
		Type  string
		Value any
	}
}

func (a action) arguments() []uint64 {
	args := make([]uint64, len(a.Args))
	for i, arg := range a.Args {
		args[i] = argument(arg.Type, arg.Value)
	}
	return args
}

// compared counts what was the same.
var compared struct{ modules, detached, calls, traps, exhausted atomic.Int64 }

func TestSpecification(t *testing.T) {
	root := specificationFolder(t)
	t.Run("files", func(t *testing.T) {
		for _, version := range []string{"v1", "v2"} {
			paths, err := filepath.Glob(filepath.Join(root, version, "testdata", "*.json"))
			if err != nil || len(paths) == 0 {
				t.Fatalf("no tests in %s: %v", root, err)
			}
			for _, path := range paths {
				t.Run(version+"/"+strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
					t.Parallel()
					runSpecification(t, path, filepath.Join(root, "testdata", "spectest.wasm"))
				})
			}
		}
	})
	c := &compared
	t.Logf("%d modules, %d of them detached too, %d calls, %d traps, %d exhaustions", c.modules.Load(), c.detached.Load(), c.calls.Load(), c.traps.Load(), c.exhausted.Load())
	if c.modules.Load() < leastModules || c.detached.Load() < leastDetached || c.calls.Load() < leastCalls ||
		c.traps.Load() < leastTraps || c.exhausted.Load() < leastExhausting {
		t.Error("less was compared than the specification has")
	}
}

func specificationFolder(t testing.TB) string {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(dir)), "internal", "integration_test", "spectest")
}

// world is a runtime with the modules that commands made.
type world struct {
	t       *testing.T
	rewrite func(*vetting.File) (Metered, error) // nil: modules stay as they are
	runtime wazero.Runtime
	all     []*instance
	last    *instance
	named   map[string]*instance
	ticks   int
	err     string // of the last instantiation
}

// instance is a module's; metered is its zero value if it was not rewritten.
type instance struct {
	api.Module
	metered Metered
}

func newWorld(t *testing.T, spectest []byte, rewrite func(*vetting.File) (Metered, error)) *world {
	config := wazero.NewRuntimeConfigCompiler().WithCoreFeatures(coreFeatures)
	w := &world{t: t, rewrite: rewrite, runtime: wazero.NewRuntimeWithConfig(t.Context(), config), named: map[string]*instance{}}
	t.Cleanup(func() { w.runtime.Close(context.Background()) })
	hostTicks(t, w.runtime, func(left int64) int64 {
		w.ticks++
		if left == TooDeep {
			panic(errTooDeep)
		}
		return 1 << 40
	})
	if _, err := w.runtime.InstantiateWithConfig(t.Context(), spectest, wazero.NewModuleConfig().WithName("spectest")); err != nil {
		t.Fatal(err)
	}
	return w
}

func runSpecification(t *testing.T, path, spectestPath string) {
	spectest := read(t, spectestPath)
	var s specification
	if err := json.Unmarshal(read(t, path), &s); err != nil {
		t.Fatal(err)
	}
	worlds := []*world{
		newWorld(t, spectest, nil),
		newWorld(t, spectest, func(f *vetting.File) (Metered, error) { return Rewrite(f, Options{ExportGlobals: true}) }),
	}
	if s.detaches(t, filepath.Dir(path)) {
		worlds = append(worlds, newWorld(t, spectest, rewriteDetached))
	}
	for i, c := range s.Commands {
		switch c.Type {
		case "module", "assert_unlinkable", "assert_uninstantiable":
			if !strings.HasSuffix(c.Filename, ".wasm") {
				continue
			}
			as := ""
			if i+1 < len(s.Commands) && s.Commands[i+1].Type == "register" {
				as = s.Commands[i+1].As
			}
			file := read(t, filepath.Join(filepath.Dir(path), c.Filename))
			for _, w := range worlds {
				w.instantiate(c.Line, file, c.Name, as, c.Type == "module", worlds[0])
			}
		case "assert_malformed", "assert_invalid":
			if strings.HasSuffix(c.Filename, ".wasm") {
				// Whatever the scanner thinks of it, nothing may panic.
				if f, err := vetting.Decode(read(t, filepath.Join(filepath.Dir(path), c.Filename))); err == nil {
					_, _ = Rewrite(f, Options{ExportGlobals: true, Detach: true})
				}
			}
		case "assert_return", "assert_trap", "action":
			if c.Action.Type == "invoke" {
				compareCalls(worlds, c.Line, c.Action.Module, c.Action.Field, c.Action.arguments())
			}
		case "assert_exhaustion":
			// As it is, the module would fill 400 MB of stack.
			for _, w := range worlds[1:] {
				w.exhaust(c.Line, c.Action.Field, c.Action.arguments())
			}
		}
	}
}

// detaches tells whether the files of the commands have a module that can be
// detached.
func (s *specification) detaches(t *testing.T, folder string) bool {
	return slices.ContainsFunc(s.Commands, func(c command) bool {
		if c.Type != "module" {
			return false
		}
		f, err := vetting.Decode(read(t, filepath.Join(folder, c.Filename)))
		if err == nil {
			_, err = rewriteDetached(f)
		}
		return err == nil
	})
}

func read(t *testing.T, path string) []byte {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// rewriteDetached leaves alone what Rewrite cannot detach, and what begins to
// run before a host could put the segments in their place.
func rewriteDetached(f *vetting.File) (Metered, error) {
	if f.Start != nil || len(f.Data) == 0 || f.ImportedMemories > 0 {
		return Metered{}, ErrAttached
	}
	return Rewrite(f, Options{ExportGlobals: true, Detach: true})
}

// instantiate makes an instance. original is the world where modules are as
// they are: if it refused this one, so must this world, and for the same
// reason.
func (w *world) instantiate(line int, file []byte, name, as string, keep bool, original *world) {
	made := &instance{}
	wasm := file
	if f, err := vetting.Decode(file); err == nil && w.rewrite != nil {
		m, err := w.rewrite(f)
		if err == nil {
			made.metered, wasm = m, m.Wasm
		} else if !errors.Is(err, ErrAttached) {
			w.t.Errorf("line %d: rewrite: %v", line, err)
		}
	}
	var err error
	made.Module, err = w.runtime.InstantiateWithConfig(w.t.Context(), wasm, wazero.NewModuleConfig().WithName(as).WithStartFunctions())
	if w == original {
		original.err = firstLine(err)
	} else if firstLine(err) != original.err {
		w.t.Errorf("line %d: instantiated with %q, as it is with %q", line, firstLine(err), original.err)
	}
	if err != nil {
		made = nil
	} else {
		for _, s := range made.metered.Segments {
			if !made.Memory().Write(s.Offset, s.Bytes) {
				w.t.Errorf("line %d: a segment at %d does not fit", line, s.Offset)
			}
		}
		made.count()
		w.all = append(w.all, made)
	}
	if keep {
		w.last = made
		if name != "" {
			w.named[name] = made
		}
	}
}

func (i *instance) count() {
	if i.metered.Segments != nil {
		compared.detached.Add(1)
	} else if i.metered.Wasm != nil {
		compared.modules.Add(1)
	}
}

func (w *world) instance(name string) *instance {
	if name != "" {
		return w.named[name]
	}
	return w.last
}

// outcome is what a call came to.
type outcome struct {
	results string
	err     string
}

func compareCalls(worlds []*world, line int, module, field string, args []uint64) {
	var want outcome
	for i, w := range worlds {
		instance := w.instance(module)
		if instance == nil { // vectors, which nobody admits
			return
		}
		got := w.call(instance, line, field, args)
		if i == 0 {
			want = got
		} else if got != want {
			w.t.Errorf("line %d: %s is %v, as it is %v", line, field, got, want)
		} else if instance.metered.Wasm == nil {
			continue
		} else if want.err != "" {
			compared.traps.Add(1)
		} else {
			compared.calls.Add(1)
		}
	}
}

// call calls an exported function, and looks at the meters before and after.
func (w *world) call(i *instance, line int, field string, args []uint64) outcome {
	t := w.t
	f := i.ExportedFunction(field)
	if f == nil {
		return outcome{err: "it is not exported"}
	}
	w.reset()
	results, err := f.Call(t.Context(), args...)
	if err != nil {
		return outcome{err: firstLine(err)}
	}
	if i.metered.Fuel != "" {
		if depth := i.ExportedGlobal(i.metered.Depth).Get(); depth != Depth {
			t.Errorf("line %d: %s leaves a depth of %d, not %d", line, field, int64(depth), Depth)
		}
		if !w.worked() {
			t.Errorf("line %d: %s used no fuel", line, field)
		}
	}
	text := ""
	for n, typ := range f.Definition().ResultTypes() {
		switch {
		case typ == api.ValueTypeI32 || typ == api.ValueTypeF32:
			results[n] = uint64(uint32(results[n]))
		case typ == 0x70 && results[n] != 0: // a function is at another address
			results[n] = 1
		}
		text += strconv.FormatUint(results[n], 16) + " "
	}
	return outcome{results: text}
}

// reset sets all meters to what they are at first. A call that trapped left
// them as they were, and one of an imported function moved another's.
func (w *world) reset() {
	w.ticks = 0
	for _, i := range w.all {
		if i.metered.Fuel != "" {
			i.ExportedGlobal(i.metered.Fuel).(api.MutableGlobal).Set(0)
			i.ExportedGlobal(i.metered.Depth).(api.MutableGlobal).Set(Depth)
		}
	}
}

// worked tells whether any module used fuel since the reset.
func (w *world) worked() bool {
	return w.ticks > 0 || slices.ContainsFunc(w.all, func(i *instance) bool {
		return i.metered.Fuel != "" && i.ExportedGlobal(i.metered.Fuel).Get() != 0
	})
}

func (w *world) exhaust(line int, field string, args []uint64) {
	if w.last == nil || w.last.metered.Fuel == "" {
		return
	}
	w.reset()
	if _, err := w.last.ExportedFunction(field).Call(w.t.Context(), args...); !errors.Is(err, errTooDeep) {
		w.t.Errorf("line %d: %s ended with %v", line, field, err)
	}
	compared.exhausted.Add(1)
}

// functionNumber is different in a rewritten module.
var functionNumber = regexp.MustCompile(`function\[\d+\]`)

func firstLine(err error) string {
	if err == nil {
		return ""
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return functionNumber.ReplaceAllString(line, "function")
}

// argument reads a value as the commands write it.
func argument(typ string, value any) uint64 {
	text, _ := value.(string)
	switch {
	case text == "" || text == "null":
		return 0
	case typ == "externref": // 0 is null
		n, _ := strconv.ParseUint(text, 10, 64)
		return n + 1
	case strings.HasPrefix(text, "nan"):
		if typ == "f32" {
			return 0x7fc00000
		}
		return 0x7ff8000000000000
	case strings.HasPrefix(text, "-"):
		n, _ := strconv.ParseInt(text, 10, 64)
		if strings.HasSuffix(typ, "32") {
			return uint64(uint32(n))
		}
		return uint64(n)
	}
	n, _ := strconv.ParseUint(text, 10, 64)
	return n
}
