// Package ratelimit counts what each key did in a sliding window. It is pure:
// the time is passed in. The zero value permits nothing.
package ratelimit

import (
	"container/list"
	"time"
)

// Window permits a key so many events within a span of time. The number of
// keys is bounded: the one that was quiet the longest makes room.
type Window struct {
	limit int
	span  time.Duration
	most  int
	keys  map[int64]*list.Element
	order *list.List // of *events, the quietest first
}

// events are the times of a key's permitted events, oldest first, and whether
// a refusal was told since.
type events struct {
	key  int64
	at   []time.Time
	told bool
}

// New returns a Window for limit events in span, for at most keys keys.
func New(limit int, span time.Duration, keys int) *Window {
	return &Window{limit: limit, span: span, most: keys, keys: map[int64]*list.Element{}, order: list.New()}
}

// Verdict is what to do with an event. The zero Verdict refuses in silence.
type Verdict struct {
	Allowed bool
	// Tell is set on the first refusal of a window: say it once.
	Tell bool
}

// Add counts an event and decides about it.
func (w *Window) Add(key int64, now time.Time) Verdict {
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

func (e *events) expire(before time.Time) {
	n := 0
	for n < len(e.at) && !e.at[n].After(before) {
		n++
	}
	e.at = e.at[n:]
}

// Len returns how many keys are remembered.
func (w *Window) Len() int { return len(w.keys) }

// events returns what is remembered of a key, which is now the least quiet.
func (w *Window) events(key int64) *events {
	if element, ok := w.keys[key]; ok {
		w.order.MoveToBack(element)
		return element.Value.(*events)
	}
	if len(w.keys) >= w.most {
		quietest := w.order.Front()
		delete(w.keys, quietest.Value.(*events).key)
		w.order.Remove(quietest)
	}
	e := &events{key: key}
	w.keys[key] = w.order.PushBack(e)
	return e
}
