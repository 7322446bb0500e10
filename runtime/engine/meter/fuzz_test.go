package meter

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/cofferdam-bot/cofferdam/security/vetting"
)

// memoryFactor and memoryBase bound what rewriting a module allocates: a loop
// of 4 bytes gets a charge of 30, in a buffer that doubles when it is full.
const (
	memoryFactor = 64
	memoryBase   = 64 << 10
)

// FuzzRewrite holds the rewriter to this: what the scanner and the runtime
// admit, the runtime admits after it was rewritten too. It is not shown custom
// sections: it would believe the counts in one of names.
func FuzzRewrite(f *testing.F) {
	for _, wasm := range smallModules(f) {
		f.Add(wasm)
	}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		file, err := vetting.Decode(wasm)
		if err != nil {
			return
		}
		plain := rewriteBounded(t, file, Options{ExportGlobals: true})
		detached := rewriteBounded(t, file, Options{Detach: true})
		if !validates(t, withSections(wasm)) {
			return
		}
		if !validates(t, plain) {
			t.Error("it does not validate any more")
		}
		if detached != nil && !validates(t, detached) {
			t.Error("it does not validate any more without its data")
		}
	})
}

// smallModules are some of the specification's, which have every instruction,
// and those of the other tests. TestSpecification takes all.
func smallModules(f *testing.F) [][]byte {
	paths, err := filepath.Glob(filepath.Join(specificationFolder(f), "v2", "testdata", "*.wasm"))
	if err != nil || len(paths) < 1000 {
		f.Fatalf("%d modules of the specification, %v", len(paths), err)
	}
	modules := [][]byte{assemble(fib), assemble(
		function{name: "run", typ: "iI:iI", locals: "ii", code: ops(countdown(i32(0), i32(0), i32(9), fill), i32(1), []byte{0x42, 2}, ret)},
	)}
	for i := 0; i < len(paths); i += 8 {
		path := paths[i]
		wasm, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if len(wasm) < 2000 {
			modules = append(modules, wasm)
		}
	}
	return modules
}

// rewriteBounded returns nil for what cannot be detached.
func rewriteBounded(t *testing.T, file *vetting.File, o Options) []byte {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, err := Rewrite(file, o)
	runtime.ReadMemStats(&after)
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(memoryFactor*len(file.Bytes)+memoryBase); got > most {
		t.Errorf("%d bytes for a file of %d", got, len(file.Bytes))
	}
	if err != nil {
		return nil
	}
	return m.Wasm
}

func validates(t *testing.T, wasm []byte) bool {
	config := wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(coreFeatures).WithMemoryLimitPages(65_536)
	r := wazero.NewRuntimeWithConfig(t.Context(), config)
	defer r.Close(context.Background())
	_, err := r.CompileModule(t.Context(), wasm)
	return err == nil
}
