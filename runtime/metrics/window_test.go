package metrics

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// counter is a window over the number of samples taken so far.
type counter struct {
	*window[int]
	at      time.Time
	waited  []time.Duration
	samples int
}

func newCounter() *counter {
	c := &counter{at: time.Unix(1e9, 0)}
	c.window = newWindow(func() time.Time { return c.at }, func() (int, error) { c.samples++; return c.samples, nil })
	c.window.wait = func(ctx context.Context, d time.Duration) error {
		c.waited = append(c.waited, d)
		c.at = c.at.Add(d)
		return ctx.Err()
	}
	return c
}

func TestWhenAWindowIsWaitedFor(t *testing.T) {
	for name, tc := range map[string]struct {
		pause  time.Duration // since the call before
		wait   time.Duration // 0: not at all
		length time.Duration
	}{
		"200 ms after the call before": {200 * time.Millisecond, 0, 200 * time.Millisecond},
		"a minute after":               {time.Minute, 0, time.Minute},
		"more than a minute: anew":     {time.Minute + 1, firstWindow, firstWindow},
		"the clock was set back: anew": {-time.Hour, firstWindow, firstWindow},
		"at once: the same again":      {50 * time.Millisecond, 0, firstWindow},
	} {
		c := newCounter()
		first, err := c.measure(context.Background())
		if err != nil || first.length != firstWindow || len(c.waited) != 1 {
			t.Fatalf("first call: %+v, %v, waited %v", first, err, c.waited)
		}
		c.waited, c.at = nil, c.at.Add(tc.pause)
		s, err := c.measure(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if s.length != tc.length || s.to != s.from+1 {
			t.Errorf("%s: %+v, want a window of %v", name, s, tc.length)
		}
		if tc.wait == 0 && c.waited != nil || tc.wait != 0 && (len(c.waited) != 1 || c.waited[0] != tc.wait) {
			t.Errorf("%s: waited %v, want %v", name, c.waited, tc.wait)
		}
	}
}

func TestCallersAtTheSameTimeShareAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounter()
		release := make(chan struct{})
		c.window.wait = func(context.Context, time.Duration) error { <-release; return nil }
		for range 10 {
			go func() {
				if s, err := c.measure(context.Background()); err != nil || s.from != 1 || s.to != 2 {
					t.Errorf("span %+v, %v", s, err)
				}
			}()
		}
		synctest.Wait() // all ten are in it
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := c.measure(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled caller got %v", err)
		}
		close(release)
		synctest.Wait()
		if c.samples != 2 {
			t.Errorf("%d samples for one window", c.samples)
		}
	})
}

func TestACallerWhoseLeaderGaveUpMeasuresItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounter()
		c.window.wait = func(ctx context.Context, _ time.Duration) error {
			if ctx.Done() != nil {
				<-ctx.Done()
			}
			return ctx.Err()
		}
		ctx, cancel := context.WithCancel(context.Background())
		results := make(chan error, 2)
		go func() { _, err := c.measure(ctx); results <- err }()
		synctest.Wait() // the leader waits
		go func() { _, err := c.measure(context.Background()); results <- err }()
		synctest.Wait() // the follower waits for it
		cancel()
		synctest.Wait()
		if leader, follower := <-results, <-results; errors.Is(leader, context.Canceled) == errors.Is(follower, context.Canceled) {
			t.Errorf("one gives up and one measures, got %v and %v", leader, follower)
		}
	})
}

func TestASampleThatFailsIsTriedAgain(t *testing.T) {
	c := newCounter()
	broken := errors.New("broken")
	c.window.take = func() (int, error) { return 0, broken }
	if _, err := c.measure(context.Background()); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	c.window.take = func() (int, error) { return 1, nil }
	if _, err := c.measure(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestWaitObeysItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := wait(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := wait(context.Background(), time.Nanosecond); err != nil {
		t.Errorf("got %v", err)
	}
}
