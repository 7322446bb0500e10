package access

import (
	"container/list"
	"maps"
	"slices"
	"time"
)

// The figures of A3.
const (
	// strikesToBlock is the refusal that blocks.
	strikesToBlock = 3
	// BlockFor is how long a stranger is blocked.
	BlockFor = time.Hour
	// strikeLife is when a refusal is forgotten.
	strikeLife = time.Hour
	// clockSlack is how long a record is kept after it counted for the last
	// time: a clock that jumps ahead by an hour and back frees nobody.
	clockSlack = time.Hour
	// StrangersAtMost is how many ids are remembered; the oldest makes room.
	StrangersAtMost = 10_000
)

// Record is what is remembered of one stranger.
type Record struct {
	// Strikes are the times of refusals, oldest first, at most two.
	Strikes []time.Time `json:"strikes,omitempty"`
	// BlockedAt is when the block began, also for a while after its end; zero:
	// there was none.
	BlockedAt time.Time `json:"blocked_at,omitzero"`
}

// Expires returns when nothing of the record counts any more.
func (r Record) Expires() time.Time {
	var until time.Time
	if !r.BlockedAt.IsZero() {
		until = r.BlockedAt.Add(BlockFor)
	}
	for _, t := range r.Strikes {
		if end := t.Add(strikeLife); end.After(until) {
			until = end
		}
	}
	return until
}

// remembers reports whether a settled record counts, or comes to count again if
// the clock goes back.
func (r *Record) remembers(now time.Time) bool { return r.Expires().Add(clockSlack).After(now) }

// settle makes what happened in the future happen now: a clock that went back
// lets nothing last longer than its span.
func (r *Record) settle(now time.Time) {
	if r.BlockedAt.After(now) {
		r.BlockedAt = now
	}
	for i, t := range r.Strikes {
		if t.After(now) {
			r.Strikes = slices.Clone(r.Strikes) // the old ones were handed out
			r.Strikes[i] = now
		}
	}
}

// blocked is asked of a settled record.
func (r *Record) blocked(now time.Time) bool {
	return !r.BlockedAt.IsZero() && now.Sub(r.BlockedAt) < BlockFor
}

// counting are the strikes that were not forgotten yet.
func (r *Record) counting(now time.Time) []time.Time {
	return slices.DeleteFunc(slices.Clone(r.Strikes), func(t time.Time) bool { return now.Sub(t) >= strikeLife })
}

// Strikes remembers strangers (A3). The zero value is empty and ready.
type Strikes struct {
	ids   map[int64]*list.Element
	order list.List // of *stranger, the one that was quiet the longest first
	// restored tells that the order is that of [Strikes.Restore].
	restored bool
}

type stranger struct {
	id int64
	Record
	// told tells that the end of the block was reported.
	told bool
}

// ended reports the end of a block, once.
func (x *stranger) ended(now time.Time) bool {
	if x.told || x.BlockedAt.IsZero() || x.blocked(now) {
		return false
	}
	x.told = true
	return true
}

// Refusal is what to do about a refused update. The zero Refusal is silence.
type Refusal struct {
	// Answer tells to say so, shortly: at the first and second refusal.
	Answer bool
	// Blocks tells that this refusal blocked the id.
	Blocks bool
	// Unblocked tells that a block had run out, and [Strikes.Expire] did not say
	// so yet.
	Unblocked bool
	// Record is what is to be kept of the stranger.
	Record Record
	// Evicted is a stranger who had to make room; 0: none.
	Evicted int64
}

// Blocked reports whether an id is to hear nothing.
func (s *Strikes) Blocked(id int64, now time.Time) bool {
	e, known := s.ids[id]
	if !known {
		return false
	}
	x := e.Value.(*stranger)
	x.settle(now)
	return x.blocked(now)
}

// Refuse counts a refused update.
func (s *Strikes) Refuse(id int64, now time.Time) Refusal {
	s.sort()
	x, evicted := s.of(id)
	x.settle(now)
	refusal := Refusal{Evicted: evicted}
	if x.blocked(now) {
		refusal.Record = x.Record
		return refusal
	}
	refusal.Unblocked = x.ended(now)
	if now.Sub(x.BlockedAt) >= BlockFor+clockSlack {
		x.BlockedAt = time.Time{}
	}
	x.Strikes = append(x.counting(now), now)
	if len(x.Strikes) >= strikesToBlock {
		x.Record, x.told = Record{BlockedAt: now}, false
		refusal.Blocks = true
	}
	refusal.Answer, refusal.Record = !refusal.Blocks, x.Record
	return refusal
}

// Restore takes over a record from before a restart. Records may come in any
// order: who was quiet the longest still makes room first.
func (s *Strikes) Restore(id int64, r Record) {
	x, _ := s.of(id)
	x.Record, x.told = r, false
	s.restored = true
}

// sort puts restored records into the order of their times.
func (s *Strikes) sort() {
	if !s.restored {
		return
	}
	s.restored = false
	all := slices.SortedFunc(maps.Values(s.ids), func(a, b *list.Element) int {
		return a.Value.(*stranger).last().Compare(b.Value.(*stranger).last())
	})
	for _, e := range all {
		s.order.MoveToBack(e)
	}
}

// last returns when a refusal was last counted.
func (r *Record) last() time.Time {
	if len(r.Strikes) == 0 {
		return r.BlockedAt
	}
	return r.Strikes[len(r.Strikes)-1]
}

// Forgive forgets an id: it was let in.
func (s *Strikes) Forgive(id int64) {
	if e, known := s.ids[id]; known {
		s.order.Remove(e)
		delete(s.ids, id)
	}
}

// Expire returns the ids whose block ended, each once, and forgets what counts
// for nobody any more, which is an hour later: those ids are forgotten.
func (s *Strikes) Expire(now time.Time) (unblocked, forgotten []int64) {
	var next *list.Element
	for e := s.order.Front(); e != nil; e = next {
		next = e.Next()
		x := e.Value.(*stranger)
		x.settle(now)
		if x.ended(now) {
			unblocked = append(unblocked, x.id)
		}
		if x.remembers(now) {
			continue
		}
		forgotten = append(forgotten, x.id)
		s.order.Remove(e)
		delete(s.ids, x.id)
	}
	return unblocked, forgotten
}

// Len returns how many ids are remembered.
func (s *Strikes) Len() int { return len(s.ids) }

// of returns what is remembered of an id, which is now the least quiet.
func (s *Strikes) of(id int64) (x *stranger, evicted int64) {
	if s.ids == nil {
		s.ids = map[int64]*list.Element{}
	}
	if e, known := s.ids[id]; known {
		s.order.MoveToBack(e)
		return e.Value.(*stranger), 0
	}
	if len(s.ids) >= StrangersAtMost {
		quietest := s.order.Front()
		evicted = quietest.Value.(*stranger).id
		delete(s.ids, evicted)
		s.order.Remove(quietest)
	}
	x = &stranger{id: id}
	s.ids[id] = s.order.PushBack(x)
	return x, evicted
}
