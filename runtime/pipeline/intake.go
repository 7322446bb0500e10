package pipeline

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// arrival is an update as it came, with what was read of it.
type arrival struct {
	chat.Received
	update chat.Update
	err    error // it cannot be read
}

// Deliver takes updates over. When it returns without an error Telegram may
// forget them: they are on disk, or nothing is to be done about them. What was
// seen before is dropped (A6). It waits while too much is waiting.
func (p *Pipeline) Deliver(ctx context.Context, updates []chat.Received) error {
	giveUp, err := p.lanes.waitForRoom(ctx, len(updates))
	if err != nil {
		return err
	}
	defer giveUp()
	return p.takeOver(ctx, updates)
}

// Offer is Deliver for who cannot wait: while too much is waiting it returns
// [chat.ErrBusy] at once. It may be called by many at the same time.
func (p *Pipeline) Offer(ctx context.Context, update chat.Received) error {
	giveUp, _ := p.lanes.reserve(1)
	if giveUp == nil {
		return chat.ErrBusy
	}
	defer giveUp()
	return p.takeOver(ctx, []chat.Received{update})
}

func (p *Pipeline) takeOver(ctx context.Context, updates []chat.Received) error {
	arrivals := p.admit(updates)
	received := make([]chat.Received, len(arrivals))
	byID := make(map[int64]arrival, len(arrivals))
	for i, a := range arrivals {
		received[i], byID[a.ID] = a.Received, a
	}
	if len(received) == 0 {
		return nil
	}
	fresh, err := p.Journal.Accept(ctx, received, p.Now())
	if err != nil {
		if ctx.Err() != nil || p.Writable() {
			return err
		}
		return p.deliverUnrecorded(ctx, arrivals, err)
	}
	if n := len(received) - len(fresh); n > 0 {
		p.Log.Info("updates that were handled before are dropped", zap.String("event", "update.duplicate"), zap.Int("count", n))
		p.Counts.Update("duplicate", n)
	}
	for _, u := range fresh {
		if p.locked(func() bool { return p.unrecorded.ids[u.ID] }) {
			p.Journal.Done(u.ID) // handled while the journal could not be written
			continue
		}
		p.enter(byID[u.ID], p.Now(), false, nil)
	}
	return nil
}

// admit reads updates, and leaves out those of blocked strangers: they are
// answered with silence (A3), and a journal that they could fill would be theirs.
func (p *Pipeline) admit(updates []chat.Received) []arrival {
	arrivals := make([]arrival, 0, len(updates))
	now, silenced := p.Now(), 0
	for _, u := range updates {
		a := p.read(u)
		if a.err == nil && p.silenced(a.update, now) {
			silenced++
			continue
		}
		arrivals = append(arrivals, a)
	}
	if silenced > 0 {
		p.Log.Debug("updates of blocked strangers are dropped", zap.String("event", "access.silenced"), zap.Int("count", silenced))
	}
	return arrivals
}

func (p *Pipeline) silenced(u chat.Update, now time.Time) bool {
	return !p.Access.Decide(u.From.ID, u.Chat.ID, u.Chat.Private).Allowed &&
		p.locked(func() bool { return p.strikes.Blocked(u.From.ID, now) })
}

func (p *Pipeline) read(u chat.Received) arrival {
	a := arrival{Received: u}
	a.update, a.err = p.decode(u.Data)
	a.update.ID = u.ID
	return a
}

// Resume takes up an update that was in the journal when the bot started, since
// the given time. started tells that its command may have run: it is reported,
// not repeated.
func (p *Pipeline) Resume(u chat.Received, since time.Time, started bool) {
	p.enter(p.read(u), since, started, nil)
}

// enter gives an update its trace id, and puts it into the lane of its chat.
func (p *Pipeline) enter(a arrival, since time.Time, started bool, handled chan struct{}) {
	trace := p.traceID()
	log := p.Log.With(zap.String("trace_id", trace))
	if a.err != nil {
		log.Warn("an update cannot be read", zap.String("event", "update.invalid"), zap.Int64("update_id", a.ID), zap.Error(a.err))
		p.Counts.Update("invalid", 1)
		p.Journal.Done(a.ID)
		if handled != nil {
			close(handled)
		}
		return
	}
	update := a.update
	t := &passage{update: update, interrupted: started, entered: since, trace: trace, handled: handled, log: log.With(
		zap.String("user", scrub.ID(update.From.ID)), zap.String("chat", scrub.ID(update.Chat.ID)))}
	if update.Kind != chat.Text && update.Kind != chat.Tap {
		t.log.Debug("update ignored", zap.String("event", "update.ignored"), zap.String("reason", update.Reason))
		p.Counts.Update(string(ignored), 1)
		p.ignore(t)
		return
	}
	p.hurryUp(t)
	if !p.lanes.add(p.laneOf(t), t) {
		t.log.Warn("too much waits in this chat", zap.String("event", "ratelimit.exceeded"), zap.String("reason", "lane_full"))
		p.overflow(t)
	}
}

// unrecorded are ids of updates that were handled while the journal could not
// be written, so that none is handled twice.
type unrecorded struct {
	ids   map[int64]bool
	order []int64
}

// unrecordedAtMost bounds them, as A6 bounds the window on disk.
const unrecordedAtMost = 8192

func (u *unrecorded) add(id int64) (fresh bool) {
	if u.ids[id] {
		return false
	}
	if u.ids == nil {
		u.ids = map[int64]bool{}
	}
	if len(u.order) >= unrecordedAtMost {
		delete(u.ids, u.order[0])
		u.order = u.order[1:]
	}
	u.ids[id], u.order = true, append(u.order, id)
	return true
}

// deliverUnrecorded handles updates although they cannot be put into the
// journal: the disk is full, and who reads should not be shut out. It returns
// when all of them are done, so that Telegram keeps them until then, and none is
// lost if the process dies. Nothing acts meanwhile.
func (p *Pipeline) deliverUnrecorded(ctx context.Context, arrivals []arrival, cause error) error {
	p.Log.Error("the journal cannot be written; what reads goes on without", zap.String("event", "store.error"), zap.Error(cause))
	var waiting []chan struct{}
	for _, a := range arrivals {
		if !p.locked(func() bool { return p.unrecorded.add(a.ID) }) {
			continue
		}
		handled := make(chan struct{})
		waiting = append(waiting, handled)
		p.enter(a, p.Now(), false, handled)
	}
	for _, handled := range waiting {
		select {
		case <-handled:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
