package main

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// errCut is what Telegram sees of a process that dies while it talks to it.
var errCut = errors.New("connection reset by peer")

// killedByWebhook lets a number of people write at once, and stands between
// Telegram and the bot's webhook while they do.
func killedByWebhook(t *testing.T, first int64, way func(dies func()) between) (left int) {
	t.Helper()
	const users = 20
	w := newTelegram(t, first, users)
	w.flags = []string{"--webhook"}
	state := warmState(t)
	process := w.run(state)
	if err := w.world.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	died := make(chan struct{})
	dies := sync.OnceFunc(func() { kill(process); close(died) })
	alive := way(dies)
	guarded := between(func(r *http.Request, forward http.RoundTripper) (*http.Response, error) {
		select {
		case <-died:
			return nil, errCut
		default:
			return alive(r, forward)
		}
	})
	w.between.Store(&guarded)
	for _, id := range w.ids {
		w.person(id).Type("/memory")
	}
	<-died
	left = len(pendingIn(t, state))
	w.between.Store(nil)
	process = w.run(state)
	for _, id := range w.ids {
		p := w.person(id)
		p.Type("/back") // comes after what waited in the chat
		p.hears("Main menu", 1)
		if answers, told := p.said("Available"), p.said(wasInterrupted); answers+told == 0 || answers > 1 || told > 1 {
			t.Errorf("%d answers, told %d times as interrupted", answers, told)
		}
	}
	w.end(process)
	if pending := pendingIn(t, state); len(pending) > 0 {
		t.Errorf("the journal keeps %d updates", len(pending))
	}
	if n := w.world.Waiting(); n > 0 {
		t.Errorf("Telegram still has %d updates", n)
	}
	return left
}

// TestKilledAfterThe200: what was confirmed is on disk, and is handled by the
// next process, since Telegram has forgotten it.
func TestKilledAfterThe200(t *testing.T) {
	var confirmed atomic.Int64
	left := killedByWebhook(t, 7_300_500_000, func(dies func()) between {
		return func(r *http.Request, forward http.RoundTripper) (*http.Response, error) {
			res, err := forward.RoundTrip(r)
			if err == nil && res.StatusCode == http.StatusOK {
				confirmed.Add(1)
				dies()
			}
			return res, err
		}
	})
	t.Logf("%d were confirmed before the end, and %d were in the journal", confirmed.Load(), left)
}

// TestKilledBeforeThe200: Telegram has what was not confirmed, and brings it
// again. What was in the journal nevertheless is handled once.
func TestKilledBeforeThe200(t *testing.T) {
	t.Run("in the middle of the request", func(t *testing.T) {
		killedByWebhook(t, 7_300_600_000, func(dies func()) between {
			return func(r *http.Request, forward http.RoundTripper) (*http.Response, error) {
				r = r.Clone(r.Context())
				r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, 20), dying(dies)))
				return forward.RoundTrip(r)
			}
		})
	})
	t.Run("when the answer is on its way", func(t *testing.T) {
		left := killedByWebhook(t, 7_300_700_000, func(dies func()) between {
			return func(r *http.Request, forward http.RoundTripper) (*http.Response, error) {
				if res, err := forward.RoundTrip(r); err == nil {
					res.Body.Close()
				}
				dies()
				return nil, errCut
			}
		})
		t.Logf("%d were in the journal", left)
	})
}

// dying ends the process when it is read.
type dying func()

func (d dying) Read([]byte) (int, error) { d(); return 0, errCut }
