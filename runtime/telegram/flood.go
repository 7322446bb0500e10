package telegram

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

// Flood is how fast messages and edits go out. 0 is no limit. Telegram's own
// limits, from which the usual values 30, 1 and 20 are, stand in
// https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
type Flood struct {
	Overall float64 // messages per second
	Chat    float64 // messages per second to one chat
	Group   float64 // messages per minute to one group, besides Chat
}

// floodBurst is how many messages may go out at once after a rest.
const floodBurst = 10

// limits are those of one chat.
func (f Flood) limits(to chat.Address) []*rate.Limiter {
	var out []*rate.Limiter
	if f.Chat > 0 {
		out = append(out, rate.NewLimiter(rate.Limit(f.Chat), floodBurst))
	}
	if f.Group > 0 && (to.Group || to.Chat < 0) {
		out = append(out, rate.NewLimiter(rate.Limit(f.Group/60), floodBurst))
	}
	return out
}

func (f Flood) overall() []*rate.Limiter {
	if f.Overall <= 0 {
		return nil
	}
	return []*rate.Limiter{rate.NewLimiter(rate.Limit(f.Overall), floodBurst)}
}

// memory is after which rest a chat's limits are as good as new ones.
func (f Flood) memory() time.Duration {
	slowest := time.Duration(0)
	for _, perSecond := range []float64{f.Chat, f.Group / 60} {
		if perSecond > 0 {
			slowest = max(slowest, time.Duration(floodBurst/perSecond*float64(time.Second)))
		}
	}
	return slowest
}

// take waits until the limiter lets one message through.
func take(ctx context.Context, clock Clock, limiter *rate.Limiter) error {
	now := clock.Now()
	r := limiter.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	err := clock.Sleep(ctx, wait)
	if err != nil {
		r.CancelAt(clock.Now())
	}
	return err
}

// floods remembers the refusals for flooding. Telegram does not say which limit
// was hit: a refusal holds its chat back, and refusals of two chats within a
// second hold back all.
type floods struct {
	mu     sync.Mutex
	paused time.Time
	last   *lane
	at     time.Time
}

// met notes a refusal and returns how long the call shall wait, which is what
// was asked for. The lane is nil for a call outside of any.
func (f *floods) met(l *lanes, ln *lane, now time.Time, asked time.Duration) time.Duration {
	if ln == nil {
		return asked
	}
	until := now.Add(asked)
	l.pause(ln, until)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last != nil && f.last != ln && now.Sub(f.at) <= time.Second && until.After(f.paused) {
		f.paused = until
	}
	f.last, f.at = ln, now
	return asked
}

// until is when the pause of all chats ends.
func (f *floods) until() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.paused
}
