package telegram

import (
	"context"
	"math/rand/v2"
	"time"
)

// Clock is where time and chance come from. The zero value is the real ones;
// tests put in their own.
type Clock struct {
	Now func() time.Time
	// Sleep waits, or returns the context's error as soon as that ends.
	Sleep func(ctx context.Context, d time.Duration) error
	// Random returns a number in [0, 1), for jitter.
	Random func() float64
}

func (c Clock) orReal() Clock {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Sleep == nil {
		c.Sleep = sleep
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	return c
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Backoff after failures: from the least to the greatest, doubled each time.
// Half of it is left to chance, so that many chats do not come back at once.
const (
	minBackoff = 500 * time.Millisecond
	maxBackoff = 30 * time.Second
	// maxRetryAfter bounds one wait that Telegram asks for. A longer one is
	// asked for again, by Telegram, after it.
	maxRetryAfter = 5 * time.Minute
)

type backoff struct {
	clock Clock
	last  time.Duration
}

// next is how long to wait after one more failure, at least the time asked for.
func (b *backoff) next(asked time.Duration) time.Duration {
	b.last = min(max(2*b.last, minBackoff), maxBackoff)
	wait := b.last/2 + time.Duration(b.clock.Random()*float64(b.last/2))
	return max(wait, min(asked, maxRetryAfter))
}

func (b *backoff) reset() { b.last = 0 }
