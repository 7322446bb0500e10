package docker

import (
	"context"
	"errors"
	"sync"
	"time"
)

// DefaultFresh is for how long an answer of an engine may be given again. It is
// below what a person notices, and above what a screen, its refresh and other
// users take that ask for the same.
const DefaultFresh = time.Second

// shared asks an engine once for all who want to know the same at about the same
// time. What it keeps is the engine's word about everything: who may see what of
// it is decided for each caller, afterwards.
type shared[V any] struct {
	fresh time.Duration    // 0 or less: nothing is kept, and nothing is waited for
	now   func() time.Time // the clock by which answers age

	mu      sync.Mutex
	flights map[string]*flight[V]
}

// flight is one question, under way or answered.
type flight[V any] struct {
	begun  time.Time
	landed chan struct{} // closed when value and err are there
	value  V
	err    error
	// alone tells that the caller who asked gave up, which says nothing to others.
	alone bool
}

func newShared[V any](fresh time.Duration) *shared[V] {
	return &shared[V]{fresh: fresh, now: time.Now, flights: map[string]*flight[V]{}}
}

// get returns what ask answered for the key a moment ago, waits for somebody who
// is asking, or asks. An answer is as old as its question. Errors are shared by
// those who waited, and not kept.
func (s *shared[V]) get(ctx context.Context, key string, ask func(context.Context) (V, error)) (V, error) {
	if s.fresh <= 0 {
		return ask(ctx)
	}
	for {
		f, mine := s.join(key)
		if mine {
			s.fly(ctx, key, f, ask)
			return f.value, f.err
		}
		select {
		case <-f.landed:
		case <-ctx.Done():
			var none V
			return none, context.Cause(ctx)
		}
		if !f.alone {
			return f.value, f.err
		}
	}
}

// join returns the flight to wait for, or a new one of the caller's own.
func (s *shared[V]) join(key string) (f *flight[V], mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if f := s.flights[key]; f != nil && now.Sub(f.begun) < s.fresh {
		return f, false
	}
	f = &flight[V]{begun: now, landed: make(chan struct{})}
	s.flights[key] = f
	return f, true
}

// fly asks. A panic of ask lands the flight too: nobody must wait for ever.
func (s *shared[V]) fly(ctx context.Context, key string, f *flight[V], ask func(context.Context) (V, error)) {
	f.err = errUnanswered
	defer func() {
		f.alone = f.err != nil && ctx.Err() != nil && !errors.Is(context.Cause(ctx), errSilent)
		if f.err != nil {
			s.forget(key, f)
		} else {
			// The memory of a thousand containers is not held until the next question.
			time.AfterFunc(s.fresh, func() { s.forget(key, f) })
		}
		close(f.landed)
	}()
	f.value, f.err = ask(ctx)
}

var errUnanswered = errors.New("the question was not asked to its end")

func (s *shared[V]) forget(key string, f *flight[V]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flights[key] == f {
		delete(s.flights, key)
	}
}

// outdate lets the next caller ask anew: something has changed. Who waits for an
// answer already gets that one.
func (s *shared[V]) outdate(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.flights, key)
}
