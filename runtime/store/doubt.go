package store

import (
	"errors"
	"sync"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

// doubtAtMax bounds the doubts; what a batch of Telegram's holds is 100.
const doubtAtMax = 4_096

// doubt has the updates of which nobody knows whether the disk took them: the
// last flush of a commit failed, and bbolt reads the new state since. They were
// not handed on and not confirmed. When they come again they are not repeats,
// whatever the window says.
type doubt struct {
	// one is held by a batch from its beginning to its end while there are
	// doubts, so that no two take the same update.
	one sync.Mutex
	mu  sync.Mutex
	ids map[int64]bool
}

// alone waits for other batches if there are doubts, and returns what ends the
// wait of others.
func (d *doubt) alone() func() {
	d.mu.Lock()
	doubts := len(d.ids) > 0
	d.mu.Unlock()
	if !doubts {
		return func() {}
	}
	d.one.Lock()
	return d.one.Unlock
}

func (d *doubt) about(id int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ids[id]
}

// note keeps in mind how a batch ended.
func (d *doubt) note(updates []chat.Received, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, u := range updates {
		switch {
		case err == nil:
			delete(d.ids, u.ID)
		case errors.Is(err, ErrUnwritable) && len(d.ids) < doubtAtMax:
			if d.ids == nil {
				d.ids = map[int64]bool{}
			}
			d.ids[u.ID] = true
		}
	}
}
