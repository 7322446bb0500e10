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
	"runtime"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/runtime/engine/compiler"
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
	Fuel        uint64        // units of work; see package meter
}

// Source is a module to load.
type Source struct {
	Name string
	// Wasm is the file, if its bytes shall stay in memory. The manifest's promises
	// about it were checked.
	Wasm []byte
	// Read returns the file where there is no Wasm. It is called when the bytes are needed,
	// which is not for long, from any goroutine; they count only if their SHA-256
	// is Digest, in lower-case hexadecimal.
	Read   func() ([]byte, error)
	Digest string
	// Grant is the effective grant: what the manifest asks and the operator
	// allows.
	Grant  capability.Set
	Limits Limits
	// BuiltIn files are the project's own. They may be interpreted until they
	// are compiled.
	BuiltIn bool
}

// Config is what an Engine is made of.
type Config struct {
	// CacheDir keeps compiled code from one start to the next. It is made if it
	// is not there, and refused if others may write to it: its files are native
	// code that will be run. Empty: a folder of its own that goes with the
	// engine.
	CacheDir string
	// CacheSize is how much code is kept there, in bytes; 0: [DefaultCacheSize].
	CacheSize int64
	// Shipped is a folder like CacheDir that came with the program, and is only
	// read. It may be empty, or not be there.
	Shipped string
	// Operations are what modules can reach, as far as granted.
	Operations []hostcall.Operation
	// Idle is how long a module's code is kept while nobody uses it; 0:
	// [DefaultIdle].
	Idle time.Duration
	Log  *zap.Logger // nil: none
	// Fixed makes what modules draw from the host the same each time; nil: it is
	// fresh.
	Fixed *Fixed
}

// DefaultIdle is longer than a conversation, and shorter than a coffee break.
const DefaultIdle = 10 * time.Minute

// tidyAfter is how long nothing was loaded before memory is given back.
const tidyAfter = time.Second

// Engine loads modules. Each gets a wazero runtime and a folder of compiled
// code to itself: in a shared runtime, a module could import another by name
// and write into its memory.
type Engine struct {
	folders
	operations []hostcall.Operation
	memories   memories
	idle       time.Duration
	cacheSize  int64
	log        *zap.Logger
	fixed      *Fixed
	// tidy gives back what loading left: a hundred megabytes of garbage, which
	// would count as the bot's for minutes.
	tidy *time.Timer
	// turn lets as many children compile at once as there are processors.
	turn chan struct{}
	// life ends with Close. It is no request's context but the modules' own.
	life context.Context
	end  context.CancelFunc
}

// New returns an Engine.
func New(c Config) (*Engine, error) {
	folders, err := openFolders(c.CacheDir, c.Shipped)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		folders: folders, operations: c.Operations, memories: systemMemories(), idle: c.Idle, log: c.Log, fixed: c.Fixed,
		turn: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	if e.cacheSize = c.CacheSize; e.cacheSize <= 0 {
		e.cacheSize = DefaultCacheSize
	}
	if e.idle <= 0 {
		e.idle = DefaultIdle
	}
	if e.log == nil {
		e.log = zap.NewNop()
	}
	e.evict(e.cacheSize)
	e.tidy = time.AfterFunc(tidyAfter, debug.FreeOSMemory)
	if missing := compiler.Unconfined(); missing != "" {
		e.log.Warn(missing, zap.String("event", "config.insecure"))
	}
	e.life, e.end = context.WithCancel(context.Background())
	return e, nil
}

// Close stops all modules: what runs ends, and nothing starts any more. What a
// module holds is freed by its own Close.
func (e *Engine) Close(context.Context) error {
	e.end()
	e.tidy.Stop()
	return e.folders.close()
}

// pageSize is WebAssembly's page.
const pageSize = 64 << 10

// maxMemory is a page less than 4 GiB: wazero 1.12 says of a memory of 4 GiB that
// its size is 0.
const maxMemory = 4<<30 - pageSize

// Load makes a module ready to be invoked, and starts one instance of it to see
// that it does: in about a second for a file of 2 MB, or a twentieth of that if
// the compiled code is in the cache. A built-in module is started at its first
// request; so is one whose file is read when it is needed and that was started
// before, with the same limits and the same grant, and whose code is in the cache.
// The error says what about the file, or about its grant, is wrong.
func (e *Engine) Load(ctx context.Context, s Source) (*Module, error) {
	m, err := e.load(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", s.Name, err)
	}
	return m, nil
}

func (e *Engine) load(ctx context.Context, s Source) (*Module, error) {
	if err := checkLimits(s.Limits); err != nil {
		return nil, err
	}
	if e.life.Err() != nil {
		return nil, errors.New("the engine was closed")
	}
	bytes, err := newFile(s)
	if err != nil {
		return nil, err
	}
	granted := map[string]hostcall.Operation{}
	for _, op := range e.operations {
		if s.Grant.Has(op.Capability) {
			granted[op.Import] = op
		}
	}
	m := &Module{
		name: s.Name, builtIn: s.BuiltIn, file: bytes, granted: granted, limits: s.Limits, engine: e,
		born: time.Now(), slots: make(chan struct{}, s.Limits.Concurrency),
	}
	m.life, m.end = context.WithCancel(e.life)
	m.rest = time.AfterFunc(e.idle, m.doze)
	if err := m.begin(ctx); err != nil {
		return nil, errors.Join(err, m.Close(context.WithoutCancel(ctx)))
	}
	return m, nil
}

// begin makes the module's first code. That of a built-in module comes when
// somebody asks for it: four of them take 60 MB, and most users have favourites.
// The same holds for one that was admitted before: of two hundred that are
// installed, most wait.
func (m *Module) begin(ctx context.Context) error {
	defer m.begun.Store(true)
	if m.file.lazy() && m.engine.wasAdmitted(m) {
		return nil
	}
	if err := m.inspect(); err != nil {
		return err
	}
	if m.builtIn {
		if m.engine.has(m.file.digest) {
			m.engine.noteAdmitted(m)
		} else {
			m.beginUpgrade()
		}
		return nil
	}
	// A module that nobody waits for any more is given up.
	detach := context.AfterFunc(ctx, m.end)
	defer detach()
	c, err := m.acquire(ctx)
	if err != nil {
		return err
	}
	m.release(c)
	m.engine.noteAdmitted(m)
	if m.file.lazy() {
		m.doze()
	}
	return nil
}

func checkLimits(l Limits) error {
	if l.Memory < pageSize || l.Memory > maxMemory || l.Timeout <= 0 || l.HostCalls < 0 || l.Reply <= 0 || l.Log < 0 || l.Concurrency <= 0 || l.Fuel == 0 {
		return fmt.Errorf("limits %+v: must be positive, and memory from 64 KiB to less than 4 GiB", l)
	}
	return nil
}
