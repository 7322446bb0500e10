// Package trigger runs modules without a user: by the clock, and when something
// happens to a container. Nobody waits for what they answer, and a run reaches what
// needs neither an admin nor a session. A module has one run of its own at a time,
// and all modules together have a few, so that those who ask notice nothing (F3).
package trigger

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// Bounds.
const (
	// atOnce is how many runs there are at the same time, of all modules.
	atOnce = 4
	// waitingEvents is how many events wait for one module; beyond it the oldest
	// is dropped.
	waitingEvents = 64
	// eventsPerMinute is how many events one module is run for.
	eventsPerMinute = 60
	// runTimeout bounds a run with what it waits for: a module that is being
	// compiled. The sandbox has bounds of its own.
	runTimeout = time.Minute
	// interval is how often it is looked at what is due, and which modules run.
	interval = time.Second
)

// Module is one that runs now.
type Module struct {
	Manifest abi.Manifest
	// Digest tells one version from another.
	Digest string
	Grant  capability.Set
}

// Config is what a Trigger is made of. Every field is needed.
type Config struct {
	// Modules returns those that run now. It is asked every second.
	Modules func() []Module
	// Invoke runs a request, as the registry does.
	Invoke func(ctx context.Context, module string, actor abi.Actor, pass *capability.Pass, log *zap.Logger, request []byte) (abi.Code, []byte, error)
	// Follow tells what happens to containers until the context ends. name and
	// labels are what a scope is held against. It runs only while a module
	// subscribes.
	Follow func(ctx context.Context, tell func(e abi.Event, name string, labels map[string]string))
	// Durable tells whether the state can be written.
	Durable func() bool
	// Trace makes a trace id.
	Trace func() string
	Now   func() time.Time
	// Zone is the one of cron lines.
	Zone *time.Location
	Log  *zap.Logger
}

// Trigger runs modules by themselves, while [Trigger.Run] runs.
type Trigger struct {
	Config
	slots chan struct{}
	runs  sync.WaitGroup

	mu    sync.Mutex
	lanes map[string]*lane
	// stop ends the stream of events; nil: there is none.
	stop context.CancelFunc
}

// New returns a Trigger.
func New(c Config) *Trigger {
	return &Trigger{Config: c, slots: make(chan struct{}, atOnce), lanes: map[string]*lane{}}
}

// Run runs modules until the context ends, and waits for those under way.
func (t *Trigger) Run(ctx context.Context) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	defer t.runs.Wait()
	for {
		t.tick(ctx)
		select {
		case <-ctx.Done():
			t.unfollow()
			return
		case <-ticker.C:
		}
	}
}

// tick looks at which modules run, and starts what is due.
func (t *Trigger) tick(ctx context.Context) {
	modules := t.Modules()
	now := t.Now().In(t.Zone).Round(0) // by the clock on the wall, as cron is
	t.mu.Lock()
	defer t.mu.Unlock()
	subscribed := t.adopt(modules, now)
	for _, l := range t.lanes {
		for _, s := range l.schedules {
			l.lookAt(s, now)
		}
		t.start(ctx, l, now)
	}
	switch {
	case subscribed && t.stop == nil:
		following, stop := context.WithCancel(ctx)
		t.stop = stop
		t.runs.Go(func() {
			t.Follow(following, func(e abi.Event, name string, labels map[string]string) {
				t.happened(ctx, e, capability.Target{Name: name, Labels: labels})
			})
		})
	case !subscribed && t.stop != nil:
		t.stop()
		t.stop = nil
	}
}

func (t *Trigger) unfollow() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stop != nil {
		t.stop()
		t.stop = nil
	}
}

// adopt brings the lanes up to date with the modules that run. It reports whether
// one of them subscribes to events.
func (t *Trigger) adopt(modules []Module, now time.Time) (subscribed bool) {
	here := map[string]bool{}
	for _, m := range modules {
		if len(m.Manifest.Schedules)+len(m.Manifest.Events) == 0 {
			continue
		}
		name := m.Manifest.Name
		here[name] = true
		l := t.lanes[name]
		if l == nil {
			l = &lane{module: name, log: t.Log.With(zap.String("module", name))}
			t.lanes[name] = l
		}
		if l.digest != m.Digest || !l.grant.Equal(m.Grant) {
			l.adopt(m, now)
		}
		subscribed = subscribed || len(l.actions) > 0
	}
	for name, l := range t.lanes {
		if here[name] {
			continue
		}
		l.clear()
		if !l.busy { // else its run and that of one of its name would meet
			delete(t.lanes, name)
		}
	}
	return subscribed
}
