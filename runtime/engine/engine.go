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
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// Limits bound one invocation (F3). The zero value allows nothing; the usual
// figures are those of the config.
type Limits struct {
	Memory      int64         // linear memory in bytes, in steps of 64 KiB
	Timeout     time.Duration // wall time
	HostCalls   int           // calls of operations
	Reply       int           // bytes of JSON
	Log         int           // bytes of lines, stdout and stderr; see lineCost
	Concurrency int           // invocations of one module at the same time
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

// Engine loads modules. Each gets a wazero runtime and a folder of compiled
// code to itself: in a shared runtime, a module could import another by name
// and write into its memory.
type Engine struct {
	cacheDir   string
	operations []hostcall.Operation
	// life ends with Close. It is no request's context but the modules' own.
	life context.Context
	end  context.CancelFunc
}

// New returns an Engine whose modules can reach the operations, as far as
// granted. Compiled code is kept in the folder cacheDir, which is made if it
// is not there, and refused if others may write to it: its files are native
// code that will be run. With an empty cacheDir code is compiled at each Load.
func New(cacheDir string, operations []hostcall.Operation) (*Engine, error) {
	if cacheDir != "" {
		if err := checkCacheDir(cacheDir); err != nil {
			return nil, fmt.Errorf("cache of compiled modules in %s: %w", cacheDir, err)
		}
	}
	e := &Engine{cacheDir: cacheDir, operations: operations}
	e.life, e.end = context.WithCancel(context.Background())
	return e, nil
}

// Close stops all modules: what runs ends, and nothing starts any more. What a
// module holds is freed by its own Close.
func (e *Engine) Close(context.Context) error {
	e.end()
	return nil
}

// pageSize is WebAssembly's page.
const pageSize = 64 << 10

// coreFeatures is what Go, C and Rust guests need of WebAssembly 2.0. Without
// SIMD a module has a third of the instructions to compile wrongly.
const coreFeatures = api.CoreFeaturesV2 &^ api.CoreFeatureSIMD

// Load makes a module ready to be invoked, and starts one instance of it to see
// that it does. It takes about 2 s for a 3 MB file, or a tenth of a second if
// the compiled code is in the cache. Its error says what about the file, or
// about its grant, is wrong.
func (e *Engine) Load(ctx context.Context, s Source) (*Module, error) {
	if err := checkLimits(s.Limits); err != nil {
		return nil, fmt.Errorf("module %s: %w", s.Name, err)
	}
	if e.life.Err() != nil {
		return nil, fmt.Errorf("module %s: the engine was closed", s.Name)
	}
	m := &Module{name: s.Name, limits: s.Limits, slots: make(chan struct{}, s.Limits.Concurrency)}
	m.life, m.end = context.WithCancel(e.life)
	if err := m.load(ctx, s, e); err != nil {
		return nil, errors.Join(fmt.Errorf("module %s: %w", s.Name, err), m.Close(context.WithoutCancel(ctx)))
	}
	return m, nil
}

func checkLimits(l Limits) error {
	if l.Memory < pageSize || l.Memory > 4<<30 || l.Timeout <= 0 || l.HostCalls < 0 || l.Reply <= 0 || l.Log < 0 || l.Concurrency <= 0 {
		return fmt.Errorf("limits %+v: must be positive, and memory from 64 KiB to 4 GiB", l)
	}
	return nil
}

// load compiles the file, holds it against the ABI and the grant, defines its
// imports, and starts it once.
func (m *Module) load(ctx context.Context, s Source, e *Engine) (err error) {
	// A panic in a compiler that reads a hostile file must not end the bot.
	defer func() {
		if r := recover(); r != nil {
			err = panicked("loading", r)
		}
	}()
	// Bytes that were scanned and metered would come in here, compiled by a
	// child process into the folder.
	if err := m.compile(ctx, s.Wasm, e.cacheDir); err != nil {
		return fmt.Errorf("compile: %s", oneLine(err.Error()))
	}
	granted := map[string]hostcall.Operation{}
	for _, op := range e.operations {
		if s.Grant.Has(op.Capability) {
			granted[op.Import] = op
		}
	}
	if err := admit(m.compiled, e.operations, granted); err != nil {
		return err
	}
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, m.runtime); err != nil {
		return fmt.Errorf("link WASI: %w", err)
	}
	if err := link(ctx, m.runtime, granted); err != nil {
		return fmt.Errorf("link host functions: %w", err)
	}
	return m.rehearse(ctx)
}

// compile makes native code of the file, or takes it from its folder. A folder
// that cannot be used costs time, never the module.
func (m *Module) compile(ctx context.Context, wasm []byte, cacheDir string) error {
	if cacheDir != "" && m.compileIn(ctx, wasm, cacheDir) == nil {
		return nil
	}
	if err := m.free(ctx); err != nil {
		return err
	}
	return m.compileWith(ctx, wasm, m.config())
}

func (m *Module) compileIn(ctx context.Context, wasm []byte, cacheDir string) (err error) {
	folder, err := openCodeFolder(cacheDir, wasm)
	if err != nil {
		return err
	}
	done := false
	defer func() {
		if !done { // after a panic too
			folder.discard()
		}
	}()
	if m.code, err = openCache(folder.work); err != nil {
		return err
	}
	if err := m.compileWith(ctx, wasm, m.config().WithCompilationCache(m.code)); err != nil {
		return err
	}
	folder.keep()
	done = true
	return nil
}

// cacheMutex is there because wazero 1.12 reads its own version into a global
// without a lock when a cache is opened.
var cacheMutex sync.Mutex

func openCache(dir string) (wazero.CompilationCache, error) {
	cacheMutex.Lock()
	defer cacheMutex.Unlock()
	return wazero.NewCompilationCacheWithDir(dir)
}

func (m *Module) compileWith(ctx context.Context, wasm []byte, config wazero.RuntimeConfig) (err error) {
	m.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	m.compiled, err = m.runtime.CompileModule(ctx, wasm)
	return err
}

func (m *Module) config() wazero.RuntimeConfig {
	return wazero.NewRuntimeConfigCompiler().
		WithCoreFeatures(coreFeatures).
		WithMemoryLimitPages(uint32(m.limits.Memory / pageSize)).
		// Loop heads look at the deadline. What has no loop is not stopped.
		WithCloseOnContextDone(true).
		WithDebugInfoEnabled(false).
		WithCustomSections(false)
}

// rehearse starts an instance and throws it away: what traps in its start, or
// imports what is there with another type, is a bad file, and is told when it
// is loaded and not to the first user.
func (m *Module) rehearse(ctx context.Context) error {
	ctx, cancel := m.live(ctx)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, m.limits.Timeout)
	defer cancel()
	guest, err := m.start(ctx, newGuestLog(zap.NewNop(), m.limits.Log))
	if err != nil {
		return fmt.Errorf("it does not start: %w", faultOf(ctx, err))
	}
	return guest.Close(context.WithoutCancel(ctx))
}
