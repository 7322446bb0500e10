// Package registry knows which modules there are, which command, button or
// word goes to which, and runs them.
package registry

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// Runner runs a loaded module; [engine.Module] is one.
type Runner interface {
	Invoke(context.Context, *hostcall.Caller, []byte) (engine.Answer, error)
	// Close ends what runs. It may be called again, and while it is called.
	Close(context.Context) error
}

// Config is what a Registry is made of.
type Config struct {
	// Load makes a module runnable; it takes seconds for one that is not in
	// the cache.
	Load func(context.Context, engine.Source) (Runner, error)
	// Username returns the bot's own, which tells /cmd@it from /cmd@other. It
	// may wait until Telegram was asked.
	Username func(context.Context) (string, error)
	Log      *zap.Logger
	// Own are the commands of the host itself, which no module may take. Their
	// routes name no module.
	Own []abi.Command
	// Version, Commit and Started are told to users.
	Version string
	Commit  string
	Started time.Time
	// Now is the clock by which a module that was switched off comes back; nil:
	// the real one.
	Now func() time.Time
	// Switched is told when a module is switched off after repeated faults, and
	// when it is back. The fifth fault's user waits for it. nil: nobody is told.
	Switched func(context.Context, Switch)
	// Faulted is told of each fault for which a module is to blame; nil: nobody is.
	Faulted func(context.Context, Failure)
	// Measured is told of every invocation; nil: nobody is.
	Measured func(Invocation)
}

// Registry is safe for concurrent use.
type Registry struct {
	Config
	// changing is held by whoever changes the table, for as long as that
	// takes; mu only while it is read, or another takes its place.
	changing sync.Mutex
	mu       sync.RWMutex
	table
	// leaving are modules that nobody finds any more and that are not closed
	// yet.
	leaving map[*module]bool
	closed  bool
	// refused are modules that are not granted what they need.
	refused []Status
	// conducts are those of digests. They belong to who holds changing.
	conducts map[string]*conduct
	// coming are modules that Put is loading, by name. They belong to who holds
	// changing.
	coming map[string]*module
	// working is what loads and closes modules. Nothing is added once closed
	// is set.
	working sync.WaitGroup
	// turn lets as many modules compile at once as there is room in it.
	turn chan struct{}
}

type module struct {
	manifest abi.Manifest
	digest   string
	builtIn  bool
	trust    string // why it may run; it belongs to who holds mu
	signer   string // the same
	grant    capability.Set
	words    []string // of the grant
	limits   engine.Limits
	conduct  *conduct
	// users are the invocations that are under way.
	users sync.WaitGroup
	// life ends with the right to run: what is under way then ends too.
	life context.Context
	end  context.CancelFunc
	// ready is closed when runner or err is there.
	ready  chan struct{}
	runner Runner
	err    error
	took   time.Duration // to load
}

// failed reports whether the module was loaded, and could not be. One that is
// still being loaded counts as there: its commands wait for it.
func (m *module) failed() bool { return m.state() == StateRefused }

// New returns an empty Registry. compilers is how many modules may be loaded
// at once.
func New(c Config, compilers int) *Registry {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Switched == nil {
		c.Switched = func(context.Context, Switch) {}
	}
	if c.Faulted == nil {
		c.Faulted = func(context.Context, Failure) {}
	}
	if c.Measured == nil {
		c.Measured = func(Invocation) {}
	}
	return &Registry{
		Config: c, table: newTable(c.Own), leaving: map[*module]bool{}, conducts: map[string]*conduct{},
		coming: map[string]*module{},
		turn:   make(chan struct{}, max(compilers, 1)),
	}
}

// Add reads a module's manifest, gives it its commands, and begins to load it.
// It returns when the commands are known; a request waits for the rest. The
// error says why the module may not run; it then has no command at all.
func (r *Registry) Add(ctx context.Context, s Spec) error {
	m, err := read(s)
	r.changing.Lock()
	defer r.changing.Unlock()
	if errors.Is(err, ErrNotGranted) {
		r.mu.Lock()
		r.refused = append(r.refused, m.refusal(err))
		r.mu.Unlock()
	}
	if err != nil {
		return err
	}
	m.conduct = r.remembered(m.digest)
	r.mu.Lock()
	err = r.table.add(m)
	r.mu.Unlock()
	if err != nil {
		return err
	}
	r.begin(func() {
		r.load(ctx, m, s)
		r.tell(ctx, m)
	})
	return nil
}

// begin runs work that Close waits for. It reports false, and runs nothing, if
// that came first.
func (r *Registry) begin(work func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.working.Go(work)
	}
	return !r.closed
}

func (r *Registry) load(ctx context.Context, m *module, s Spec) {
	defer close(m.ready)
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		m.err = ctx.Err()
		return
	}
	began := time.Now()
	source := engine.Source{Name: m.manifest.Name, Wasm: s.Wasm, Digest: m.digest, Grant: m.grant, Limits: m.limits, BuiltIn: m.builtIn}
	if s.Read != nil {
		source.Read = s.file
	}
	m.runner, m.err = r.Load(ctx, source)
	m.took = time.Since(began)
}

// tell logs how loading ended.
func (r *Registry) tell(ctx context.Context, m *module) {
	log := r.Log.With(zap.String("module", m.manifest.Name), zap.String("digest", m.digest), zap.Duration("took", m.took))
	switch {
	case m.err == nil:
		log.Info("module loaded", zap.String("event", "module.loaded"), zap.Stringer("grant", m.grant))
	case ctx.Err() == nil: // otherwise the bot stops
		log.Error("a module cannot be loaded", zap.String("event", "module.rejected"), zap.Error(m.err))
	}
}

// loadingGrace is how long Close waits for a module that is being compiled.
const loadingGrace = 2 * time.Second

// Close frees all modules. No request, Replace or Put may be under way. A compiler cannot be
// interrupted: a module that it still works on is left to the end of the
// process.
func (r *Registry) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	modules := slices.AppendSeq(slices.Collect(maps.Values(r.modules)), maps.Keys(r.leaving))
	r.mu.Unlock()
	grace, cancel := context.WithTimeout(ctx, loadingGrace)
	defer cancel()
	loaded := wait(grace, func() {
		for _, m := range modules {
			<-m.ready
		}
	})
	if !loaded {
		r.Log.Info("a module is still being compiled; it is given up", zap.String("event", "module.abandoned"))
	}
	var errs []error
	for _, m := range modules {
		select {
		case <-m.ready:
			errs = append(errs, m.close(ctx))
		default:
		}
	}
	if loaded {
		wait(ctx, r.working.Wait)
	}
	return errors.Join(errs...)
}

// wait reports whether work ended before the context did.
func wait(ctx context.Context, work func()) bool {
	ended := make(chan struct{})
	go func() { work(); close(ended) }()
	select {
	case <-ended:
		return true
	case <-ctx.Done():
		return false
	}
}

// close frees a module that is ready.
func (m *module) close(ctx context.Context) error {
	if m.runner == nil {
		return nil
	}
	return m.runner.Close(ctx)
}

// Menu returns a section's reply keyboard as a role sees it, or nil if nothing
// would be on it.
func (r *Registry) Menu(section, role string) *chat.Keyboard {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var entries []abi.MenuEntry
	for _, c := range r.commands {
		if m := r.modules[c.module]; m == nil || m.failed() {
			continue
		}
		for _, e := range c.Menus {
			if e.Section == section && permits(c.Who, role) {
				entries = append(entries, e)
			}
		}
	}
	if len(entries) == 0 {
		return nil
	}
	slices.SortFunc(entries, func(a, b abi.MenuEntry) int {
		return cmp.Or(cmp.Compare(a.Row, b.Row), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Label, b.Label))
	})
	keyboard := &chat.Keyboard{}
	row := 0
	for _, e := range entries {
		if e.Row != row {
			keyboard.Rows, row = append(keyboard.Rows, nil), e.Row
		}
		last := &keyboard.Rows[len(keyboard.Rows)-1]
		*last = append(*last, e.Label)
	}
	return keyboard
}
