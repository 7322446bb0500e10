// Package registry knows which modules there are, which command, button or
// word goes to which, and runs them.
package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	// Version and Started are told to users.
	Version string
	Started time.Time
}

// Registry is safe for concurrent use.
type Registry struct {
	Config
	mu      sync.RWMutex
	modules map[string]*module
	// order is the names of modules, as they were added.
	order    []string
	commands map[string]command
	// words are what a menu's labels and aliases mean, folded.
	words   map[string]string // to a command's name
	loading sync.WaitGroup
	// turn lets as many modules compile at once as there is room in it.
	turn chan struct{}
}

type command struct {
	abi.Command
	module string
}

type module struct {
	manifest abi.Manifest
	digest   string
	grant    capability.Set
	// ready is closed when runner or err is there.
	ready  chan struct{}
	runner Runner
	err    error
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
		Config: c, modules: map[string]*module{}, commands: map[string]command{}, words: map[string]string{},
		turn: make(chan struct{}, max(compilers, 1)),
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
	manifest, err := abi.ReadManifest(s.Wasm)
	if err != nil {
		return err
	}
	m := &module{manifest: manifest, digest: s.Digest, ready: make(chan struct{})}
	if m.grant, err = Grant(manifest, s.Granted); err != nil {
		return fmt.Errorf("module %s: %w", manifest.Name, err)
	}
	if err := r.register(m, s.BuiltIn); err != nil {
		return fmt.Errorf("module %s: %w", manifest.Name, err)
	}
	source := engine.Source{Name: manifest.Name, Wasm: s.Wasm, Grant: m.grant, Limits: narrowed(s.Limits, manifest.Limits)}
	r.loading.Go(func() { r.load(ctx, m, source) })
	return nil
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

// register takes a module in, with all of its commands or not at all: the
// first owner of a command or a word keeps it.
func (r *Registry) register(m *module, builtIn bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := m.manifest.Name
	if _, taken := r.modules[name]; taken {
		return errors.New("there is a module of that name already")
	}
	words := map[string]string{}
	for _, c := range m.manifest.Commands {
		if owner, taken := r.commands[c.Name]; taken {
			return fmt.Errorf("command /%s belongs to module %s", c.Name, owner.module)
		}
		if c.Who == abi.WhoAnybody && !builtIn {
			return fmt.Errorf("command /%s: only built-in modules may answer anybody", c.Name)
		}
		for _, word := range wordsOf(c) {
			owner, taken := r.words[word]
			if twin, twice := words[word]; twice && twin != c.Name {
				owner, taken = twin, true
			}
			if taken {
				return fmt.Errorf("command /%s: the word %q belongs to /%s", c.Name, word, owner)
			}
			words[word] = c.Name
		}
	}
	r.modules[name] = m
	r.order = append(r.order, name)
	for _, c := range m.manifest.Commands {
		r.commands[c.Name] = command{Command: c, module: name}
	}
	for word, command := range words {
		r.words[word] = command
	}
	return nil
}

func (r *Registry) load(ctx context.Context, m *module, source engine.Source) {
	defer close(m.ready)
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		m.err = ctx.Err()
		return
	}
	began := time.Now()
	m.runner, m.err = r.Load(ctx, source)
	log := r.Log.With(zap.String("module", source.Name), zap.String("digest", m.digest), zap.Duration("took", time.Since(began)))
	if m.err != nil && ctx.Err() != nil {
		return // the bot stops
	}
	if m.err != nil {
		log.Error("a module cannot be loaded", zap.String("event", "module.rejected"), zap.Error(m.err))
		return
	}
	log.Info("module loaded", zap.String("event", "module.loaded"), zap.Stringer("grant", m.grant))
}

// Loaded waits until every module that was added is loaded, or could not be.
func (r *Registry) Loaded() { r.loading.Wait() }

// loadingGrace is how long Close waits for a module that is being compiled.
const loadingGrace = 2 * time.Second

// Close frees all modules. No request may be under way. A compiler cannot be
// interrupted: a module that it still works on is left to the end of the
// process.
func (r *Registry) Close(ctx context.Context) error {
	loaded := make(chan struct{})
	go func() { r.loading.Wait(); close(loaded) }()
	select {
	case <-loaded:
	case <-time.After(loadingGrace):
		r.Log.Info("a module is still being compiled; it is given up", zap.String("event", "module.abandoned"))
	}
	var errs []error
	for _, m := range r.modules {
		select {
		case <-m.ready:
			if m.runner != nil {
				errs = append(errs, m.runner.Close(ctx))
			}
		default:
		}
	}
	return errors.Join(errs...)
}

// unavailable is the fault of a module that could not be loaded.
type unavailable struct{ cause error }

func (u *unavailable) Error() string       { return "the module is not loaded: " + u.cause.Error() }
func (u *unavailable) Unwrap() error       { return u.cause }
func (u *unavailable) FaultCode() abi.Code { return abi.Unavailable }

// Invoke lets a module handle a request, the JSON of an [abi.Request]. The
// code and the reply are the module's own.
func (r *Registry) Invoke(ctx context.Context, name string, actor abi.Actor, log *zap.Logger, request []byte) (abi.Code, []byte, error) {
	r.mu.RLock()
	m := r.modules[name]
	r.mu.RUnlock()
	if m == nil {
		return abi.Internal, nil, &unavailable{errors.New("there is none of that name")}
	}
	select {
	case <-m.ready:
	case <-ctx.Done():
		return abi.Internal, nil, &unavailable{ctx.Err()}
	}
	if m.err != nil {
		return abi.Internal, nil, &unavailable{m.err}
	}
	log = log.With(zap.String("module", name))
	answer, err := m.runner.Invoke(ctx, &hostcall.Caller{Module: name, Grant: m.grant, Actor: actor, Log: log}, request)
	log.Debug("invocation ended", zap.String("event", "module.invoked"), zap.Stringer("code", answer.Code),
		zap.Duration("took", answer.Used.Time), zap.Uint32("memory", answer.Used.Memory), zap.Int("host_calls", answer.Used.HostCalls))
	if fault := (*engine.Fault)(nil); errors.As(err, &fault) && fault.Stack != "" {
		log.Debug("stack", zap.String("event", "module.stack"), zap.String("stack", fault.Stack))
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
		if r.modules[c.module].failed() {
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
