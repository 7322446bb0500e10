package telegram

import (
	"net/http"
	"sync/atomic"
	"time"
)

// Intake says how updates come, for health.
type Intake struct {
	State
	// Webhook is set in webhook mode, Fallback while the bot polls in its place
	// (C6); LastError says why then.
	Webhook, Fallback bool
}

// State says how receiving goes. It may be called at any time.
func (r *Receiver) State() Intake {
	r.told.Lock()
	in, polls := r.intake, r.polls
	r.told.Unlock()
	in.Webhook = true
	if taken := r.Server.Taken(); taken.After(in.LastSuccess) {
		in.LastSuccess = taken
	}
	if !polls {
		return in
	}
	polling := r.Poller.State()
	if polling.LastError == "" || polling.Connected {
		polling.LastError = in.LastError
	}
	return Intake{State: polling, Webhook: true, Fallback: true}
}

// reached notes that the webhook is registered, as Telegram says.
func (r *Receiver) reached() {
	r.told.Lock()
	defer r.told.Unlock()
	now := r.Clock.Now()
	if r.intake.LastSuccess = now; !r.intake.Connected {
		r.intake.Connected, r.intake.Since = true, now
	}
	r.polls = false
}

// missed notes that Telegram could not be told of the webhook, or that it fails.
// polls tells that the bot polls from now on.
func (r *Receiver) missed(err error, polls bool) {
	r.told.Lock()
	defer r.told.Unlock()
	if r.intake.Connected || r.intake.Since.IsZero() {
		r.intake.Connected, r.intake.Since = false, r.Clock.Now()
	}
	r.intake.LastError, r.polls = err.Error(), polls
}

// offset is how far this machine's clock is before Telegram's, as the last answer
// said in its header Date.
type offset struct {
	known atomic.Bool
	ahead atomic.Int64 // nanoseconds
}

// note compares an answer's date with the clock. The header has whole seconds:
// half of one is as near as it comes.
func (o *offset) note(answer *http.Response, now time.Time) {
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return
	}
	o.ahead.Store(int64(now.Sub(date.Add(time.Second / 2))))
	o.known.Store(true)
}

// ClockAhead returns how far this machine's clock is before Telegram's, below
// zero behind it; false: no answer said so yet.
func (c *Client) ClockAhead() (time.Duration, bool) {
	return time.Duration(c.wire.offset.ahead.Load()), c.wire.offset.known.Load()
}
