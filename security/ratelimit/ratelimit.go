// Package ratelimit counts what each key did in a sliding window. It is pure:
// the time is passed in. The zero value permits nothing.
package ratelimit

import (
	"container/list"
	"time"
)

// Window permits a key so many events within a span of time. The number of
// keys is bounded: the one that was quiet the longest makes room.
type Window[K comparable] struct {
	limit int
	span  time.Duration
	most  int
	keys  map[K]*list.Element
	order *list.List // of *events[K], the quietest first
}

// events are the times of a key's permitted events, oldest first, and whether
// a refusal was told since.
type events[K comparable] struct {
	key  K
	at   []time.Time
	told bool
}

// New returns a Window for limit events in span, for at most keys keys.
func New[K comparable](limit int, span time.Duration, keys int) *Window[K] {
	return &Window[K]{limit: limit, span: span, most: keys, keys: map[K]*list.Element{}, order: list.New()}
}

// Verdict is what to do with an event. The zero Verdict refuses in silence.
type Verdict struct {
	Allowed bool
	// Tell is set on the first refusal of a window: say it once.
	Tell bool
}

// Add counts an event and decides about it.
func (w *Window[K]) Add(key K, now time.Time) Verdict {
	if w == nil || w.limit <= 0 {
		return Verdict{}
	}
	e := w.events(key)
	e.expire(now.Add(-w.span))
	if len(e.at) < w.limit {
		e.at, e.told = append(e.at, now), false
		return Verdict{Allowed: true}
	}
	tell := !e.told
	e.told = true
	return Verdict{Tell: tell}
}

func (e *events[K]) expire(before time.Time) {
	n := 0
	for n < len(e.at) && !e.at[n].After(before) {
		n++
	}
	e.at = e.at[n:]
}

// Len returns how many keys are remembered.
func (w *Window[K]) Len() int { return len(w.keys) }

// events returns what is remembered of a key, which is now the least quiet.
func (w *Window[K]) events(key K) *events[K] {
	if element, ok := w.keys[key]; ok {
		w.order.MoveToBack(element)
		return element.Value.(*events[K])
	}
	if len(w.keys) >= w.most {
		quietest := w.order.Front()
		delete(w.keys, quietest.Value.(*events[K]).key)
		w.order.Remove(quietest)
	}
	e := &events[K]{key: key}
	w.keys[key] = w.order.PushBack(e)
	return e
}
