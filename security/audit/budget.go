package audit

import (
	"fmt"
	"time"
)

// Denials cost a user nothing, and a flushed record each: without a bound, one
// who may only look could fill the disk, and so keep everybody from acting.
const (
	denialsAtMost = 30 // of one actor, in denialSpan
	denialSpan    = time.Hour
	actorsAtMost  = 1024
)

// Budget bounds how many denials of one actor are recorded; strangers share one
// budget. What was allowed is always recorded. The zero Budget is ready.
type Budget struct {
	actors map[string]*spent
}

type spent struct {
	since   time.Time
	n, left int // recorded, and left out
}

// Admit reports whether an entry is to be recorded, and adds to its reason how
// many were left out before it.
func (b *Budget) Admit(e Entry, now time.Time) (Entry, bool) {
	if e.Decision != "deny" {
		return e, true
	}
	s := b.of(e)
	if age := now.Sub(s.since); age >= denialSpan || age < 0 {
		s.since, s.n = now, 0
	}
	if s.n >= denialsAtMost {
		s.left++
		return e, false
	}
	s.n++
	if s.left > 0 {
		e.Reason = fmt.Sprintf("%s (%d denials before were left out)", e.Reason, s.left)
		s.left = 0
	}
	return e, true
}

func (b *Budget) of(e Entry) *spent {
	actor := fmt.Sprint(e.Actor, " ", e.ActorID)
	if e.Role == "stranger" {
		actor = e.Role
	}
	if s, known := b.actors[actor]; known {
		return s
	}
	if b.actors == nil || len(b.actors) >= actorsAtMost {
		b.actors = map[string]*spent{} // users are few: this is somebody's attack
	}
	s := &spent{}
	b.actors[actor] = s
	return s
}
