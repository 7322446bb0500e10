package metrics

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Use of a processor is a difference between two samples. The last one is kept
// and starts the next window, so that most calls need not wait.
const (
	leastWindow = 200 * time.Millisecond // shorter ones are too coarse for 10 ms ticks
	firstWindow = 250 * time.Millisecond // what is waited for when there is no start
	mostWindow  = 60 * time.Second       // a longer one says nothing about now
)

// span is a window with a sample at either end.
type span[T any] struct {
	from, to T
	length   time.Duration
}

// window measures spans. Callers that come while one is measured share it.
type window[T any] struct {
	now  func() time.Time
	take func() (T, error)
	wait func(context.Context, time.Duration) error

	mu     sync.Mutex
	flight *flight[T]

	// Only the caller that owns the flight touches these.
	last   T
	lastAt time.Time // zero: there is no last sample
	told   span[T]   // what ended with the last sample; zero length: nothing
}

// flight is a measurement that others may wait for.
type flight[T any] struct {
	done chan struct{}
	span span[T]
	err  error
}

func newWindow[T any](now func() time.Time, take func() (T, error)) *window[T] {
	return &window[T]{now: now, take: take, wait: wait}
}

// measure returns a span that ends now. A caller whose leader gave up, its
// context being over, measures for itself.
func (w *window[T]) measure(ctx context.Context) (span[T], error) {
	for {
		f, leader := w.join()
		if leader {
			f.span, f.err = w.run(ctx)
			w.leave(f)
			return f.span, f.err
		}
		select {
		case <-ctx.Done():
			return span[T]{}, ctx.Err()
		case <-f.done:
		}
		if !errors.Is(f.err, context.Canceled) && !errors.Is(f.err, context.DeadlineExceeded) {
			return f.span, f.err
		}
	}
}

func (w *window[T]) join() (f *flight[T], leader bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.flight != nil {
		return w.flight, false
	}
	w.flight = &flight[T]{done: make(chan struct{})}
	return w.flight, true
}

func (w *window[T]) leave(f *flight[T]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flight = nil
	close(f.done)
}

func (w *window[T]) run(ctx context.Context) (span[T], error) {
	if err := ctx.Err(); err != nil {
		return span[T]{}, err
	}
	age := w.now().Sub(w.lastAt)
	if w.lastAt.IsZero() || age < 0 || age > mostWindow {
		w.told = span[T]{}
		if err := w.sample(); err != nil {
			return span[T]{}, err
		}
		age = 0
	}
	if age < leastWindow {
		if w.told.length > 0 {
			return w.told, nil // it is as true as one that somebody would wait for
		}
		if err := w.wait(ctx, firstWindow-age); err != nil {
			return span[T]{}, err
		}
	}
	from, fromAt := w.last, w.lastAt
	if err := w.sample(); err != nil {
		return span[T]{}, err
	}
	w.told = span[T]{from: from, to: w.last, length: w.lastAt.Sub(fromAt)}
	return w.told, nil
}

func (w *window[T]) sample() error {
	s, err := w.take()
	if err != nil {
		return err
	}
	w.last, w.lastAt = s, w.now()
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
