// Package schedule does what is due at a time.
package schedule

import (
	"context"
	"sync"
	"sync/atomic"
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
	// gone are messages that were deleted, until the list on disk says so too.
	mu   sync.Mutex
	gone map[place]bool
	// kept are deletions that the disk did not take.
	kept []store.Deletion
}

// keptAtMost bounds them.
const keptAtMost = 1024

// place is where a message stands.
type place struct {
	chat    int64
	message int
}

// NewDeletions returns Deletions that keep their list in s.
func NewDeletions(s *store.Store, remove func(ctx context.Context, to chat.Address, id int) error, now func() time.Time, log *zap.Logger) *Deletions {
	return &Deletions{store: s, delete: remove, now: now, log: log, changed: make(chan struct{}, 1), gone: map[place]bool{}}
}

// Add arranges for a message to be deleted. When it returns without an error,
// that survives a restart; with one, as with a full disk, it is done all the
// same if this process lives so long: the message may hold a code that is still
// good.
func (d *Deletions) Add(ctx context.Context, to chat.Address, id int, at time.Time) error {
	item := store.Deletion{Chat: to.Chat, Message: id, At: at}
	err := d.store.ScheduleDeletion(ctx, item)
	if err != nil {
		d.keep(item)
	}
	select {
	case d.changed <- struct{}{}:
	default:
	}
	return err
}

func (d *Deletions) keep(items ...store.Deletion) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept = append(d.kept, items...)
	if more := len(d.kept) - keptAtMost; more > 0 {
		d.kept = d.kept[more:]
	}
}

// take returns what is due of what is kept, and when the next one will be.
func (d *Deletions) take(now time.Time) (due []store.Deletion, next time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var later []store.Deletion
	for _, item := range d.kept {
		if !item.At.After(now) {
			due = append(due, item)
			continue
		}
		later = append(later, item)
		if next.IsZero() || item.At.Before(next) {
			next = item.At
		}
	}
	d.kept = later
	return due, next
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

const (
	// atOnce is how many chats are served side by side.
	atOnce = 16
	// patience is how long a round waits for one deletion, so that a chat that
	// Telegram holds back keeps no secret standing in another.
	patience = 10 * time.Second
	// again is when a deletion that took longer is tried again.
	again = 10 * time.Second
)

// round deletes what is due and returns how long to wait for the next.
func (d *Deletions) round(ctx context.Context) time.Duration {
	due, next, err := d.store.Deletions(d.now())
	if err != nil {
		d.log.Error("scheduled deletions cannot be read", zap.String("event", "store.error"), zap.Error(err))
		return time.Minute
	}
	kept, nextKept := d.take(d.now())
	if next.IsZero() || !nextKept.IsZero() && nextKept.Before(next) {
		next = nextKept
	}
	wait := idle
	if !next.IsZero() {
		wait = max(next.Sub(d.now()), 0)
	}
	if !d.deleteAll(ctx, d.pending(append(due, kept...))) {
		wait = min(wait, again)
		d.keepAgain(kept)
	}
	return wait
}

// keepAgain keeps what was not deleted after all.
func (d *Deletions) keepAgain(items []store.Deletion) {
	for _, item := range items {
		d.mu.Lock()
		done := d.gone[place{item.Chat, item.Message}]
		d.mu.Unlock()
		if !done {
			d.keep(item)
		}
	}
}

// pending leaves out what the round before has deleted: the list on disk may lag
// behind. A message that is there twice is deleted once.
func (d *Deletions) pending(due []store.Deletion) (left []store.Deletion) {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen, still := map[place]bool{}, map[place]bool{}
	for _, item := range due {
		at := place{item.Chat, item.Message}
		if d.gone[at] {
			still[at] = true
		} else if !seen[at] {
			left = append(left, item)
		}
		seen[at] = true
	}
	d.gone = still
	return left
}

// deleteAll deletes messages, chats side by side. It reports whether none is
// left.
func (d *Deletions) deleteAll(ctx context.Context, due []store.Deletion) bool {
	byChat := map[int64][]store.Deletion{}
	for _, item := range due {
		byChat[item.Chat] = append(byChat[item.Chat], item)
	}
	var workers sync.WaitGroup
	var left atomic.Bool
	room := make(chan struct{}, atOnce)
	for _, items := range byChat {
		room <- struct{}{}
		workers.Go(func() {
			defer func() { <-room }()
			for _, item := range items {
				if !d.deleteOne(ctx, item) {
					left.Store(true)
					return
				}
			}
		})
	}
	workers.Wait()
	return !left.Load()
}

// deleteOne reports whether a deletion is over and done with. The sender tries
// again while Telegram is away; what it returns before its time is up is final:
// the message is too old, or the chat is gone.
func (d *Deletions) deleteOne(ctx context.Context, item store.Deletion) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := d.delete(ctx, chat.Address{Chat: item.Chat, Group: item.Chat < 0}, item.Message); err != nil {
		if ctx.Err() != nil {
			return false
		}
		d.log.Info("a message could not be deleted", zap.String("event", "telegram.delete"), zap.Error(err))
	}
	d.mu.Lock()
	d.gone[place{item.Chat, item.Message}] = true
	d.mu.Unlock()
	d.store.Deleted(item)
	return true
}
