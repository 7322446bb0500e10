// Package schedule does what is due at a time.
package schedule

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
)

// Deletions deletes messages when their time has come, also those that were
// scheduled before a restart (B6).
type Deletions struct {
	store  *store.Store
	delete func(ctx context.Context, to chat.Address, id int) error
	now    func() time.Time
	log    *zap.Logger
	// changed wakes Run when something was scheduled.
	changed chan struct{}
}

// NewDeletions returns Deletions that keep their list in s.
func NewDeletions(s *store.Store, remove func(ctx context.Context, to chat.Address, id int) error, now func() time.Time, log *zap.Logger) *Deletions {
	return &Deletions{store: s, delete: remove, now: now, log: log, changed: make(chan struct{}, 1)}
}

// Add arranges for a message to be deleted. When it returns without an error,
// that survives a restart.
func (d *Deletions) Add(ctx context.Context, to chat.Address, id int, at time.Time) error {
	if err := d.store.ScheduleDeletion(ctx, store.Deletion{Chat: to.Chat, Message: id, At: at}); err != nil {
		return err
	}
	select {
	case d.changed <- struct{}{}:
	default:
	}
	return nil
}

// idle is how long Run waits when nothing is scheduled; a new deletion wakes
// it earlier.
const idle = time.Hour

// Run deletes until the context ends.
func (d *Deletions) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.changed:
		case <-timer.C:
		}
		timer.Reset(d.round(ctx))
	}
}

// round deletes what is due and returns how long to wait for the next.
func (d *Deletions) round(ctx context.Context) time.Duration {
	due, next, err := d.store.Deletions(d.now())
	if err != nil {
		d.log.Error("scheduled deletions cannot be read", zap.String("event", "store.error"), zap.Error(err))
		return time.Minute
	}
	for _, item := range due {
		// The sender tries again while Telegram is away. What it then returns
		// is final: the message is too old, or the chat is gone.
		if err := d.delete(ctx, chat.Address{Chat: item.Chat, Group: item.Chat < 0}, item.Message); err != nil {
			if ctx.Err() != nil {
				return idle
			}
			d.log.Info("a message could not be deleted", zap.String("event", "telegram.delete"), zap.Error(err))
		}
		d.store.Deleted(item)
	}
	if next.IsZero() {
		return idle
	}
	return max(next.Sub(d.now()), 0)
}
