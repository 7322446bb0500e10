// Package session holds the rules of sessions (B1) and of confirming taps (B8).
// It is pure: the time is passed in. Nothing here outlives the process.
package session

import (
	"time"
)

// The figures of the rules.
const (
	// Lifetime of a session, absolute (B1).
	Lifetime = 10 * time.Minute
	// PromptLifetime is how long a command waits for its code: as long as an
	// update may wait at all (A7).
	PromptLifetime = 5 * time.Minute
	// ConfirmLifetime is how long a confirming tap may take (B8).
	ConfirmLifetime = 60 * time.Second
)

// atMost bounds each table. Only admins get into them.
const atMost = 1024

// Key is what a session is bound to (B1).
type Key struct{ User, Chat int64 }

// State is how a user stands in a chat. The zero State is Unauthenticated.
type State int

// The states (B1).
const (
	Unauthenticated State = iota
	Processing            // a command waits for a code
	Authenticated
	Blocked
)

// String returns the state's name for logs.
func (s State) String() string {
	switch s {
	case Processing:
		return "processing"
	case Authenticated:
		return "authenticated"
	case Blocked:
		return "blocked"
	}
	return "unauthenticated"
}

// Table holds the sessions, and the commands that wait for a code. P is such a
// command. The zero Table is empty and ready.
type Table[P any] struct {
	opened  map[Key]time.Time
	waiting map[Key]prompt[P]
}

type prompt[P any] struct {
	payload P
	since   time.Time
}

// running reports whether what began at a time, and lasts so long, still runs. A
// clock that went back ends it: how long it ran cannot be known any more.
func running(since time.Time, lifetime time.Duration, now time.Time) bool {
	age := now.Sub(since)
	return age >= 0 && age < lifetime
}

// Open begins a session, or a new one in the place of one that runs.
func (t *Table[P]) Open(k Key, now time.Time) {
	if t.opened == nil {
		t.opened = map[Key]time.Time{}
	}
	if _, again := t.opened[k]; !again && len(t.opened) >= atMost {
		dropOldest(t.opened, func(since time.Time) time.Time { return since })
	}
	t.opened[k] = now
}

// Until returns when the session ends; the zero time if there is none.
func (t *Table[P]) Until(k Key, now time.Time) time.Time {
	since, ok := t.opened[k]
	if !ok || !running(since, Lifetime, now) {
		return time.Time{}
	}
	return since.Add(Lifetime)
}

// Live reports whether there is a session.
func (t *Table[P]) Live(k Key, now time.Time) bool { return !t.Until(k, now).IsZero() }

// Close ends every session and every waiting command that a test picks, and
// returns the keys of the sessions.
func (t *Table[P]) Close(picks func(Key) bool) (closed []Key) {
	for k := range t.opened {
		if picks(k) {
			closed = append(closed, k)
			delete(t.opened, k)
		}
	}
	for k := range t.waiting {
		if picks(k) {
			delete(t.waiting, k)
		}
	}
	return closed
}

// Wait keeps a command until its code comes. The one that waited before is
// returned: it is forgotten.
func (t *Table[P]) Wait(k Key, payload P, now time.Time) (before P, replaced bool) {
	if t.waiting == nil {
		t.waiting = map[Key]prompt[P]{}
	}
	old, replaced := t.waiting[k]
	if !replaced && len(t.waiting) >= atMost {
		dropOldest(t.waiting, func(p prompt[P]) time.Time { return p.since })
	}
	t.waiting[k] = prompt[P]{payload, now}
	return old.payload, replaced
}

// Waiting reports whether a command waits for a code.
func (t *Table[P]) Waiting(k Key, now time.Time) bool {
	p, ok := t.waiting[k]
	return ok && running(p.since, PromptLifetime, now)
}

// Take returns the command that waits, and forgets it.
func (t *Table[P]) Take(k Key, now time.Time) (payload P, ok bool) {
	p, ok := t.waiting[k]
	delete(t.waiting, k)
	if !ok || !running(p.since, PromptLifetime, now) {
		return payload, false
	}
	return p.payload, true
}

// State returns how a user stands in a chat; blocked is what the second factor
// says.
func (t *Table[P]) State(k Key, blocked bool, now time.Time) State {
	switch {
	case blocked:
		return Blocked
	case t.Live(k, now):
		return Authenticated
	case t.Waiting(k, now):
		return Processing
	}
	return Unauthenticated
}

// Sweep removes what expired, and nothing else (B1): sessions, whose keys it
// returns, and waiting commands.
func (t *Table[P]) Sweep(now time.Time) (expired []Key) {
	for k, since := range t.opened {
		if !running(since, Lifetime, now) {
			expired = append(expired, k)
			delete(t.opened, k)
		}
	}
	for k, p := range t.waiting {
		if !running(p.since, PromptLifetime, now) {
			delete(t.waiting, k)
		}
	}
	return expired
}

func dropOldest[K comparable, V any](m map[K]V, since func(V) time.Time) {
	var oldest K
	first := true
	for k, v := range m {
		if first || since(v).Before(since(m[oldest])) {
			oldest, first = k, false
		}
	}
	delete(m, oldest)
}
