package telegram

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

const (
	defaultLongPoll = 50 * time.Second
	// quickAnswer is how soon an empty answer is too soon for a long poll: the
	// server does not wait, so we do.
	quickAnswer = time.Second
	quickPause  = 500 * time.Millisecond
)

// Poller brings updates in by long polling. Its fields are set before Run and
// not changed after it.
type Poller struct {
	Client *Client
	// Deliver returns nil once the updates are durable. Only then are they
	// confirmed to Telegram, which forgets them. After an error it is called
	// again with the same updates, so it may see one twice; after a restart, too.
	// The updates come by ascending id and are not checked beyond being JSON.
	Deliver func(ctx context.Context, updates []chat.Received) error
	// LongPoll is how long Telegram holds a request open, at least one second;
	// 0 means 50 s.
	LongPoll time.Duration
	// RemoveWebhook removes a webhook that stands in the way, once it does.
	RemoveWebhook bool
	Log           *zap.Logger
	Clock         Clock

	once    sync.Once
	outage  *outage // of Telegram
	keeping *outage // of Deliver
}

// State says how polling goes. It may be called at any time. When it is Deliver
// that fails, Connected stays true and LastError says so.
func (p *Poller) State() State {
	p.prepare()
	state := p.outage.current()
	if keeping := p.keeping.current(); !keeping.Connected && keeping.LastError != "" {
		state.LastError = keeping.LastError
	}
	return state
}

func (p *Poller) prepare() {
	p.once.Do(func() {
		p.Clock = p.Clock.orReal()
		if p.Log == nil {
			p.Log = zap.NewNop()
		}
		if p.LongPoll < time.Second {
			p.LongPoll = defaultLongPoll
		}
		p.outage = newOutage("polling", p.Log, p.Clock)
		p.keeping = newOutage("keeping updates", p.Log, p.Clock)
	})
}

// Run polls until the context ends, and then returns nil. The only error that
// ends it is [ErrUnauthorized]; after any other it tries again, after 0.5 s at
// first and 30 s at most. The first call is made at once.
func (p *Poller) Run(ctx context.Context) error {
	p.prepare()
	offset := int64(0)
	pause := backoff{clock: p.Clock}
	for ctx.Err() == nil {
		next, err := p.round(ctx, offset)
		offset = next
		switch {
		case err == nil:
			pause.reset()
			continue
		case ctx.Err() != nil:
			return nil
		}
		p.outage.failed(eventOf(err), err)
		if errors.Is(err, ErrUnauthorized) {
			return fmt.Errorf("polling for updates: %w", err)
		}
		p.clearWebhook(ctx, err)
		if p.Clock.Sleep(ctx, pause.next(retryAfter(err))) != nil {
			return nil
		}
	}
	return nil
}

// errNoProgress is an answer that is fine as such, but after which the same
// would come again.
var errNoProgress = errors.New("telegram: getUpdates: the answer does not go on from the one before")

// round asks once and hands over what came. It returns the offset for the next
// round, which has moved only if everything below it was handed over.
func (p *Poller) round(ctx context.Context, offset int64) (int64, error) {
	asked := p.Clock.Now()
	elements, err := p.Client.GetUpdates(ctx, offset, p.LongPoll)
	if err != nil {
		return offset, err
	}
	b := sortOut(elements, offset)
	p.logSkipped(b)
	if err := p.deliver(ctx, b.updates); err != nil {
		return offset, err
	}
	if b.next != 0 {
		offset = b.next
	}
	if len(elements) > 0 && (b.next == 0 || b.behind) {
		return offset, errNoProgress
	}
	p.outage.worked()
	if len(elements) == 0 && p.Clock.Now().Sub(asked) < quickAnswer {
		return offset, p.Clock.Sleep(ctx, quickPause)
	}
	return offset, nil
}

// deliver hands the updates over, as often as it takes. Telegram is not asked
// meanwhile: it keeps what comes, while our memory would fill.
func (p *Poller) deliver(ctx context.Context, updates []chat.Received) error {
	if len(updates) == 0 {
		return nil
	}
	pause := backoff{clock: p.Clock}
	for {
		err := p.Deliver(ctx, updates)
		if err == nil {
			p.keeping.worked()
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.keeping.failed("telegram.deliver_failed", errors.New("keeping updates: "+p.Client.wire.veil.hide(err.Error())))
		if err := p.Clock.Sleep(ctx, pause.next(0)); err != nil {
			return err
		}
	}
}

// logSkipped says what will never be handled. Elements without an id come again
// and again; those are logged as a failure of the round, once a minute.
func (p *Poller) logSkipped(b batch) {
	for _, id := range b.skipped {
		p.Log.Warn("an update cannot be read and is passed over",
			zap.String("event", "telegram.update_skipped"), zap.Int64("update_id", id))
	}
	if b.unusable > 0 && b.next != 0 {
		p.Log.Warn("updates without a usable update_id are passed over",
			zap.String("event", "telegram.update_skipped"), zap.Int("count", b.unusable))
	}
}

// clearWebhook removes the webhook that makes getUpdates answer 409. Another
// conflict, a second poller, is not ours to end.
func (p *Poller) clearWebhook(ctx context.Context, err error) {
	if !p.RemoveWebhook || !errors.Is(err, ErrWebhookSet) {
		return
	}
	removed, err := p.Client.DeleteWebhook(ctx)
	switch {
	case err != nil && ctx.Err() == nil:
		p.outage.failed(eventOf(err), err)
	case removed:
		p.Log.Info("removed the webhook, so that polling works", zap.String("event", "telegram.webhook_removed"))
	}
}
