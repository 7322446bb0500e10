package main

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/health"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/runtime/registry"
	"github.com/cofferdam-bot/cofferdam/runtime/releases"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// openHealth puts together what /health is told. It comes last: it looks at all
// the others.
func (a *app) openHealth(_ context.Context, o options) error {
	a.health = &health.Check{
		Version: version(), Started: time.Now(), Now: o.now,
		Parts: []health.Part{
			health.Receiving(a.receiving, time.Now),
			health.Sending(func() health.Link { return a.link("", a.sender.State()) }, time.Now),
			health.Docker(a.docker),
			health.Journal(func() health.State { return a.stateOf(o.stateDir) }),
			health.Audit(func() health.Disk { return a.diskOf(o.stateDir, a.audit.Condition()) }),
			health.Modules(a.moduleStates),
			health.Sampler(a.samples, o.now(), o.now),
			health.Clock(a.client.ClockAhead, time.Now),
		},
	}
	a.feed = releases.New(releases.Options{URL: a.cfg.Releases.Feed, Current: version(), Client: o.feed, Now: o.now})
	a.closing(func(context.Context) error { a.feed.Close(); return nil })
	return nil
}

// healthOf lets modules ask how the bot does once all of it is there.
type healthOf struct{ *app }

var _ hostcall.Health = healthOf{}

func (h healthOf) Health(ctx context.Context, role string) (abi.BotHealth, error) {
	return h.health.Look(ctx).For(role), nil
}

func (h healthOf) Release(ctx context.Context) (abi.BotRelease, error) { return h.feed.Latest(ctx) }

// receiving is how updates come, in either mode.
func (a *app) receiving() health.Link {
	switch in := a.intake.(type) {
	case *telegram.Poller:
		return a.link(health.ByPolling, in.State())
	case *telegram.Receiver:
		state := in.State()
		if state.Fallback {
			return a.link(health.Instead, state.State)
		}
		return a.link(health.ByWebhook, state.State)
	}
	return health.Link{}
}

func (a *app) link(by string, s telegram.State) health.Link {
	return health.Link{
		By: by, Connected: s.Connected, Since: s.Since, LastSuccess: s.LastSuccess,
		LastError: a.told(s.LastError), Unauthorized: s.Unauthorized,
	}
}

// maxTold bounds the text of an error that admins are told, in runes.
const maxTold = 200

// told makes one clean line of an error's text, without secrets.
func (a *app) told(text string) string { return foreign.Line(a.hide(text), maxTold) }

// samples is how the sampler of the machine does.
func (a *app) samples() (s health.Samples) {
	var failure error
	s.Last, s.Every, failure = a.history.Condition()
	if failure != nil {
		s.LastError = a.told(failure.Error())
	}
	return s
}

func (a *app) stateOf(dir string) health.State {
	s := health.State{Disk: a.diskOf(dir, a.store.Condition())}
	// A journal that cannot be read was told of when it was written.
	s.Waiting, _ = a.store.Waiting()
	var disk unix.Statfs_t
	if dir != "" && unix.Statfs(dir, &disk) == nil {
		s.Free, s.FreeKnown = disk.Bavail*uint64(disk.Bsize), true
	}
	return s
}

func (a *app) diskOf(dir string, c store.Condition) health.Disk {
	d := health.Disk{Path: a.told(dir), Unwritable: !c.Writable, Since: c.Since}
	if c.LastError != nil {
		d.LastError = a.told(c.LastError.Error())
	}
	return d
}

// moduleStates are all modules, those that do not run among them. One that the
// operator switched off with an empty grant is as it should be.
func (a *app) moduleStates() (list []health.Module) {
	for _, s := range a.registry.List() {
		m := health.Module{Name: foreign.Line(s.Name, 64), Loading: s.State == registry.StateLoading}
		switch s.State {
		case registry.StateRefused:
			granted, said := a.current.Load().Modules.Grants[s.Name]
			m.Refused, m.Unwanted = a.told(s.Why), said && len(granted) == 0
		case registry.StateOff:
			m.OffUntil = time.UnixMilli(s.OffUntil)
		}
		list = append(list, m)
	}
	return list
}
