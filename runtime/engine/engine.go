// Package engine turns a module's bytes into invocations: each one a pristine
// instance in a sandbox of its own, with only the granted host functions
// linked, a bounded memory, a deadline, and nothing left behind.
//
// [Engine.Load] is the way of the bytes; [Module.Invoke] that of a request.
package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// Limits bound one invocation (F3). The zero value allows nothing; start from
// [DefaultLimits].
type Limits struct {
	Memory      int64         // linear memory in bytes, in steps of 64 KiB
	Timeout     time.Duration // wall time
	HostCalls   int           // calls of operations
	Reply       int           // bytes of JSON
	Log         int           // bytes of lines, stdout and stderr
	Concurrency int           // invocations of one module at the same time
}

// DefaultLimits are the figures of F3.
func DefaultLimits() Limits {
	return Limits{Memory: 64 << 20, Timeout: 10 * time.Second, HostCalls: 256, Reply: 64 << 10, Log: 16 << 10, Concurrency: 4}
}

// Source is a module to load.
type Source struct {
	Name string
	// Wasm is the file. The manifest's promises about it were checked.
	Wasm []byte
	// Grant is the effective grant: what the manifest asks and the operator
	// allows.
	Grant  capability.Set
	Limits Limits
}

// Engine loads modules. One cache of compiled code serves them all; a runtime
// each keeps them apart: in a shared one, a module could import another by
// name and write into its memory.
type Engine struct {
	cache      wazero.CompilationCache
	operations []hostcall.Operation
}

// New returns an Engine whose modules can reach the operations, as far as
// granted. Compiled code is cached in the folder cacheDir, which must not be
// writable by others: its entries are native code with a checksum only. An
// empty cacheDir keeps the cache in memory.
func New(cacheDir string, operations []hostcall.Operation) (*Engine, error) {
	if cacheDir == "" {
		return &Engine{cache: wazero.NewCompilationCache(), operations: operations}, nil
	}
	cache, err := wazero.NewCompilationCacheWithDir(cacheDir)
	if err != nil {
		return nil, fmt.Errorf("cache of compiled modules in %s: %w", cacheDir, err)
	}
	return &Engine{cache: cache, operations: operations}, nil
}

// Close frees what the cache holds. Close every module first.
func (e *Engine) Close(ctx context.Context) error { return e.cache.Close(ctx) }

// pageSize is WebAssembly's page.
const pageSize = 64 << 10

// coreFeatures is what Go, C and Rust guests need of WebAssembly 2.0. Without
// SIMD a module has a third of the instructions to compile wrongly.
const coreFeatures = api.CoreFeaturesV2 &^ api.CoreFeatureSIMD

// Load makes a module ready to be invoked. It takes about 2 s for a 3 MB file,
// or a tenth of a second if the compiled code is in the cache. Its error says
// what about the file, or about its grant, is wrong.
func (e *Engine) Load(ctx context.Context, s Source) (m *Module, err error) {
	// A panic in a compiler that reads a hostile file must not end the bot.
	defer func() {
		if r := recover(); r != nil {
			err = &Fault{Code: abi.Internal, Reason: fmt.Sprintf("loading panicked: %v", r), Stack: string(debug.Stack())}
		}
	}()
	if err := checkLimits(s.Limits); err != nil {
		return nil, err
	}
	// Bytes that were scanned and metered would come in here, compiled by a
	// child process into the cache.
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().
		WithCoreFeatures(coreFeatures).
		WithMemoryLimitPages(uint32(s.Limits.Memory/pageSize)).
		WithCloseOnContextDone(true).
		WithDebugInfoEnabled(false).
		WithCustomSections(false).
		WithCompilationCache(e.cache))
	m = &Module{name: s.Name, limits: s.Limits, runtime: runtime, slots: make(chan struct{}, s.Limits.Concurrency)}
	if err := m.prepare(ctx, s, e.operations); err != nil {
		return nil, errors.Join(fmt.Errorf("module %s: %w", s.Name, err), runtime.Close(ctx))
	}
	return m, nil
}

func checkLimits(l Limits) error {
	if l.Memory < pageSize || l.Memory > 4<<30 || l.Timeout <= 0 || l.HostCalls < 0 || l.Reply <= 0 || l.Log < 0 || l.Concurrency <= 0 {
		return fmt.Errorf("limits %+v: must be positive, and memory from 64 KiB to 4 GiB", l)
	}
	return nil
}

// prepare compiles the file, holds it against the ABI and the grant, and
// defines the imports.
func (m *Module) prepare(ctx context.Context, s Source, operations []hostcall.Operation) error {
	compiled, err := m.runtime.CompileModule(ctx, s.Wasm)
	if err != nil {
		return fmt.Errorf("compile: %w", firstLine(err))
	}
	m.compiled = compiled
	granted := map[string]hostcall.Operation{}
	for _, op := range operations {
		if s.Grant.Has(op.Capability) {
			granted[op.Import] = op
		}
	}
	if err := admit(compiled, operations, granted); err != nil {
		return err
	}
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, m.runtime); err != nil {
		return fmt.Errorf("link WASI: %w", err)
	}
	if err := link(ctx, m.runtime, granted); err != nil {
		return fmt.Errorf("link host functions: %w", err)
	}
	return nil
}
