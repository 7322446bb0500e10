package trigger

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// lane is what waits to be run of one module. One run is under way at a time: a
// module that takes all the time that it may have takes one slot of several, and
// not the others' turn. Its fields are guarded by the lock of the Trigger.
type lane struct {
	module, digest string
	grant          capability.Set
	log            *zap.Logger
	schedules      []*scheduled
	// least is granted between two runs by the clock, of whichever schedules, and
	// free is when the next may be.
	least time.Duration
	free  time.Time
	// actions are those of events, by type.
	actions map[string][]string
	// events wait; dropped counts those that were not told in time.
	events  []waiting
	dropped int
	// begun are when the runs for events of the last minute began.
	begun []time.Time
	// busy: a run is under way.
	busy bool
}

// waiting is an event on its way to an action.
type waiting struct {
	action string
	event  abi.Event
}

// scheduled is a schedule of a module.
type scheduled struct {
	name, action string
	clock        *clock
	// ready: it is due and waits for its turn. running: it is under way.
	ready, running bool
	// told: it is in the log that occurrences are left out.
	told map[string]bool
}

// adopt makes the lane that of another version of the module, or of one with other
// grants. It keeps the pace, and what is under way: a reload is no way to run more
// often. What cannot be is left out: whoever let the module in has checked it.
func (l *lane) adopt(m Module, now time.Time) {
	before := l.schedules
	l.clear()
	l.digest, l.grant, l.actions = m.Digest, m.Grant, map[string][]string{}
	least, granted := m.Grant.LeastInterval()
	l.least = least
	for _, s := range m.Manifest.Schedules {
		c, err := newClock(s, least, jitterOf(l.module, s.Name), now)
		if !granted {
			err = errors.New("it is not granted")
		}
		if err != nil {
			l.log.Warn("a schedule is left out", zap.String("event", "schedule.refused"), zap.String("schedule", s.Name), zap.Error(err))
			continue
		}
		for _, old := range before {
			if old.name == s.Name {
				c.follows(old.clock)
			}
		}
		l.schedules = append(l.schedules, &scheduled{name: s.Name, action: s.Action, clock: c, told: map[string]bool{}})
	}
	for _, e := range m.Manifest.Events {
		for _, kind := range e.Types {
			if m.Grant.AllowsEvent(kind) && !slices.Contains(l.actions[kind], e.Action) {
				l.actions[kind] = append(l.actions[kind], e.Action)
			}
		}
	}
}

// clear drops what a module that is not there any more would be run for.
func (l *lane) clear() {
	l.digest, l.grant, l.schedules, l.actions, l.events = "", capability.Set{}, nil, nil, nil
}

// lookAt asks a schedule's clock.
func (l *lane) lookAt(s *scheduled, now time.Time) {
	why := ""
	switch s.clock.ask(now) {
	case due:
		if !s.ready && !s.running {
			s.ready = true
			return
		}
		why = "the run before has not ended"
	case tooSoon:
		why = "sooner than is granted"
	case missed:
		why = "its time was missed"
	}
	if why != "" && !s.told[why] {
		s.told[why] = true
		l.log.Info("a schedule's run is left out; this is logged once", zap.String("event", "schedule.skipped"),
			zap.String("schedule", s.name), zap.String("reason", why))
	}
}

// happened puts an event into the lanes of those that may know of it.
func (t *Trigger) happened(ctx context.Context, e abi.Event, of capability.Target) {
	now := t.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.lanes {
		actions := l.actions[e.Type]
		if len(actions) == 0 || !l.grant.Allows(capability.ContainersList, of) {
			continue
		}
		for _, action := range actions {
			l.events = append(l.events, waiting{action, e})
		}
		if over := len(l.events) - waitingEvents; over > 0 {
			if l.dropped == 0 {
				l.log.Warn("more happens than the module can be told; the oldest events are dropped", zap.String("event", "event.dropped"))
			}
			l.dropped += over
			l.events = slices.Delete(l.events, 0, over)
		}
		t.start(ctx, l, now)
	}
}

// next takes what is to be run next: schedules before events, of which there may
// be many. ok is false if there is nothing now.
func (l *lane) next(now time.Time) (w waiting, s *scheduled, ok bool) {
	if latest := now.Add(l.least); l.free.After(latest) {
		l.free = latest // a clock that was put back, or another grant
	}
	for i, s := range l.schedules {
		if s.ready && !now.Before(l.free) {
			s.ready, s.running = false, true
			l.free = later(l.free, now.Add(-paceSlack)).Add(l.least)
			l.schedules = append(slices.Delete(l.schedules, i, i+1), s) // the others come first next time
			return waiting{action: s.action}, s, true
		}
	}
	l.begun = slices.DeleteFunc(l.begun, func(at time.Time) bool { return now.Sub(at).Abs() >= time.Minute })
	if len(l.events) == 0 || len(l.begun) >= eventsPerMinute {
		return waiting{}, nil, false
	}
	l.begun = append(l.begun, now)
	w, l.events = l.events[0], l.events[1:]
	if len(l.events) == 0 && l.dropped > 0 {
		l.log.Warn("events were dropped", zap.String("event", "event.dropped"), zap.Int("count", l.dropped))
		l.dropped = 0
	}
	return w, nil, true
}

// paceSlack is how late a run may be without delaying the next one: it is looked at
// what is due every second, and a run waits for a slot.
const paceSlack = 2 * time.Second

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// start begins a run of a lane, if it has none and something waits. The lock is
// held.
func (t *Trigger) start(ctx context.Context, l *lane, now time.Time) {
	if l.busy || ctx.Err() != nil {
		return
	}
	w, s, ok := l.next(now)
	if !ok {
		return
	}
	l.busy = true
	t.runs.Go(func() {
		t.inTurn(ctx, l, w, s)
		t.mu.Lock()
		defer t.mu.Unlock()
		l.busy = false
		if s != nil {
			s.running = false
		}
		t.start(ctx, l, t.Now())
	})
}

// inTurn waits for a slot, and runs.
func (t *Trigger) inTurn(ctx context.Context, l *lane, w waiting, s *scheduled) {
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-ctx.Done():
		return
	}
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	request := abi.Request{Version: abi.Version, Action: w.action, Actor: abi.Actor{Role: abi.RoleModule}, Time: t.Now().UnixMilli()}
	what, named := "event", w.event.Type
	if s == nil {
		request.Event = &w.event
	} else {
		what, named = "schedule", s.name
	}
	trace := t.Trace()
	log := t.Log.With(zap.String("trace_id", trace), zap.String(what, named)) // the registry names the module
	encoded, err := json.Marshal(request)
	if err == nil {
		pass := &capability.Pass{Durable: t.Durable(), Reach: capability.Everywhere, Trace: trace}
		var code abi.Code
		var reply []byte
		code, reply, err = t.Invoke(ctx, l.module, request.Actor, pass, log, encoded)
		log = log.With(zap.String("module", l.module), zap.Stringer("code", code), zap.Int("reply_bytes", len(reply)))
	}
	ended(ctx, log, s != nil, err)
}

// ended logs how a run ended. What it answered is for nobody.
func ended(ctx context.Context, log *zap.Logger, clocked bool, err error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return // the bot stops
	}
	var off interface{ OffUntil() time.Time }
	level := zap.DebugLevel
	if err != nil && !errors.As(err, &off) {
		level = zap.InfoLevel // a module that is off is in the log already
	}
	event := "event.ran"
	if clocked {
		event = "schedule.ran"
	}
	log.Log(level, "the module ran by itself", zap.String("event", event), zap.Error(err))
}
