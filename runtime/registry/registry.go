// Package registry knows which modules there are, which command, button or
// word goes to which, and runs them.
package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	// Version and Started are told to users.
	Version string
	Started time.Time
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
	grant    capability.Set
	limits   engine.Limits
	// users are the invocations that are under way.
	users sync.WaitGroup
	// ready is closed when runner or err is there.
	ready  chan struct{}
	runner Runner
	err    error
	took   time.Duration // to load
}

// failed reports whether the module was loaded, and could not be. One that is
// still being loaded counts as there: its commands wait for it.
func (m *module) failed() bool {
	select {
	case <-m.ready:
		return m.err != nil
	default:
		return false
	}
}

// New returns an empty Registry. compilers is how many modules may be loaded
// at once.
func New(c Config, compilers int) *Registry {
	return &Registry{
		Config: c, table: newTable(c.Own), leaving: map[*module]bool{}, turn: make(chan struct{}, max(compilers, 1)),
	}
}

// Spec is a module to add.
type Spec struct {
	Wasm []byte
	// Digest is the SHA-256 of Wasm, in hexadecimal.
	Digest string
	// BuiltIn modules may offer commands to anybody.
	BuiltIn bool
	// Granted narrows what the manifest asks; nil grants all of it.
	Granted []capability.Request
	// Limits narrow the host's own.
	Limits engine.Limits
}

// Add reads a module's manifest, gives it its commands, and begins to load it.
// It returns when the commands are known; a request waits for the rest. The
// error says why the module may not run; it then has no command at all.
func (r *Registry) Add(ctx context.Context, s Spec) error {
	m, err := read(s)
	if err != nil {
		return err
	}
	r.changing.Lock()
	defer r.changing.Unlock()
	r.mu.Lock()
	err = r.table.add(m)
	r.mu.Unlock()
	if err != nil {
		return err
	}
	r.begin(func() {
		r.load(ctx, m, s.Wasm)
		r.tell(ctx, m)
	})
	return nil
}

// read makes a module of a spec, as far as that can be done without loading it.
func read(s Spec) (*module, error) {
	manifest, err := abi.ReadManifest(s.Wasm)
	if err != nil {
		return nil, err
	}
	grant, err := Grant(manifest, s.Granted)
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", manifest.Name, err)
	}
	return &module{
		manifest: manifest, digest: s.Digest, builtIn: s.BuiltIn, grant: grant,
		limits: narrowed(s.Limits, manifest.Limits), ready: make(chan struct{}),
	}, nil
}

// ErrNotGranted is returned for a module that asks for a capability which the
// operator left out. It imports the host functions of that capability, and what
// is not granted is not linked, so the module cannot run at all.
var ErrNotGranted = errors.New("not granted")

// Grant is what the manifest asks and the operator allows, in the narrower
// scope of the two (F1). With granted nil it is what the manifest asks.
func Grant(manifest abi.Manifest, granted []capability.Request) (capability.Set, error) {
	var requests []capability.Request
	for _, c := range manifest.Capabilities {
		requests = append(requests, capability.Request{Name: c.Name, Scope: c.Scope})
	}
	asked, err := capability.Parse(requests)
	if err != nil {
		return capability.Set{}, fmt.Errorf("its manifest: %w", err)
	}
	if granted == nil {
		return asked, nil
	}
	allowed, err := capability.Parse(granted)
	if err != nil {
		return capability.Set{}, fmt.Errorf("its grants in the config: %w", err)
	}
	if missing := asked.Missing(allowed); len(missing) > 0 {
		return capability.Set{}, fmt.Errorf("%w: it asks for %v and cannot run without; to let it see less, grant that with a narrower scope", ErrNotGranted, missing)
	}
	return asked.Narrow(allowed), nil
}

// narrowed applies what a manifest asks for, never above the host's limits.
func narrowed(l engine.Limits, asks abi.LimitRequest) engine.Limits {
	if asked := int64(asks.MemoryMiB) << 20; asked > 0 {
		l.Memory = min(l.Memory, asked)
	}
	if asked := time.Duration(asks.TimeoutMS) * time.Millisecond; asked > 0 {
		l.Timeout = min(l.Timeout, asked)
	}
	if asks.HostCalls > 0 {
		l.HostCalls = min(l.HostCalls, asks.HostCalls)
	}
	return l
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

func (r *Registry) load(ctx context.Context, m *module, wasm []byte) {
	defer close(m.ready)
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		m.err = ctx.Err()
		return
	}
	began := time.Now()
	m.runner, m.err = r.Load(ctx, engine.Source{Name: m.manifest.Name, Wasm: wasm, Grant: m.grant, Limits: m.limits, BuiltIn: m.builtIn})
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

// Loaded waits until every module that was added is loaded, or could not be.
func (r *Registry) Loaded() {
	r.mu.RLock()
	modules := slices.Collect(maps.Values(r.modules))
	r.mu.RUnlock()
	for _, m := range modules {
		<-m.ready
	}
}

// loadingGrace is how long Close waits for a module that is being compiled.
const loadingGrace = 2 * time.Second

// Close frees all modules. No request and no Replace may be under way. A compiler cannot be
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

// unavailable is the fault of a module that could not be loaded.
type unavailable struct{ cause error }

func (u *unavailable) Error() string       { return "the module is not loaded: " + u.cause.Error() }
func (u *unavailable) Unwrap() error       { return u.cause }
func (u *unavailable) FaultCode() abi.Code { return abi.Unavailable }

// take returns the module of that name, or nil. It is not closed until its
// users are done.
func (r *Registry) take(name string) *module {
	r.mu.RLock()
	defer r.mu.RUnlock()
	m := r.modules[name]
	if m != nil {
		m.users.Add(1)
	}
	return m
}

// Await returns when a module is loaded or could not be, when there is none of
// that name, or when the context ends.
func (r *Registry) Await(ctx context.Context, name string) {
	r.mu.RLock()
	m := r.modules[name]
	r.mu.RUnlock()
	if m == nil {
		return
	}
	select {
	case <-m.ready:
	case <-ctx.Done():
	}
}

// Invoke lets a module handle a request, the JSON of an [abi.Request]. The
// code and the reply are the module's own. pass is what the request brings
// along; if the user must be asked first, the error is a [*capability.Asked].
func (r *Registry) Invoke(ctx context.Context, name string, actor abi.Actor, pass *capability.Pass, log *zap.Logger, request []byte) (abi.Code, []byte, error) {
	m := r.take(name)
	if m == nil {
		return abi.Internal, nil, &unavailable{errors.New("there is none of that name")}
	}
	defer m.users.Done()
	select {
	case <-m.ready:
	case <-ctx.Done():
		return abi.Internal, nil, &unavailable{ctx.Err()}
	}
	if m.err != nil {
		return abi.Internal, nil, &unavailable{m.err}
	}
	log = log.With(zap.String("module", name))
	caller := &hostcall.Caller{Module: name, Digest: m.digest, Grant: m.grant, Actor: actor, Pass: pass, Log: log}
	if pass != nil {
		caller.Trace = pass.Trace
	}
	answer, err := m.runner.Invoke(ctx, caller, request)
	log.Debug("invocation ended", zap.String("event", "module.invoked"), zap.Stringer("code", answer.Code),
		zap.Duration("took", answer.Used.Time), zap.Uint32("memory", answer.Used.Memory), zap.Int("host_calls", answer.Used.HostCalls))
	if fault := (*engine.Fault)(nil); errors.As(err, &fault) && fault.Stack != "" {
		log.Debug("stack", zap.String("event", "module.stack"), zap.String("stack", fault.Stack))
	}
	if d := caller.Demand; d != nil {
		asked := &capability.Asked{Verdict: capability.AskSession, Act: d.Act}
		if d.Code == abi.ConfirmRequired {
			asked.Verdict = capability.AskConfirm
		}
		return abi.Internal, nil, asked
	}
	return answer.Code, answer.Reply, err
}

// Describe returns the bot as a user of that role sees it.
func (r *Registry) Describe(role string) abi.BotInfo {
	r.mu.RLock()
	defer r.mu.RUnlock()
	info := abi.BotInfo{Version: r.Version, Started: r.Started.UnixMilli(), Modules: []abi.BotModule{}, Commands: []abi.BotCommand{}}
	for _, name := range r.order {
		m := r.modules[name]
		if m.failed() {
			continue
		}
		info.Modules = append(info.Modules, abi.BotModule{
			Name: name, Version: m.manifest.Version, Description: m.manifest.Description, Author: m.manifest.Author, Digest: m.digest,
		})
		for _, c := range m.manifest.Commands {
			if !c.Hidden && permits(c.Who, role) {
				info.Commands = append(info.Commands, abi.BotCommand{Name: c.Name, Description: c.Description, Module: name})
			}
		}
	}
	for _, c := range r.Own {
		if permits(c.Who, role) {
			info.Commands = append(info.Commands, abi.BotCommand{Name: c.Name, Description: c.Description})
		}
	}
	return info
}

// permits reports whether a role may run what is for who.
func permits(who, role string) bool {
	switch who {
	case abi.WhoAnybody:
		return true
	case abi.WhoUser:
		return role == abi.RoleUser || role == abi.RoleAdmin
	case abi.WhoAdmin:
		return role == abi.RoleAdmin
	}
	return false
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
