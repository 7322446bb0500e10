package telegram

import (
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"
)

// State says how the way to Telegram is, for health.
type State struct {
	// Connected is false until the first success, and after a failure other
	// than Telegram asking for patience.
	Connected bool
	// Since is when Connected last changed; before, when it was started.
	Since time.Time
	// LastError is the last failure's text, without secrets; it stays after
	// things went well again.
	LastError string
	// LastSuccess is the zero time before the first one.
	LastSuccess time.Time
	// Unauthorized is set once Telegram refused the token.
	Unauthorized bool
}

// logEvery is how often a failure that goes on is logged.
const logEvery = time.Minute

// outage keeps a State and logs how it changes: the first failure, then at most
// one line a minute, and once that it is over.
type outage struct {
	log   *zap.Logger
	clock Clock
	// what is it that fails, such as "polling".
	what string

	mu       sync.Mutex
	state    State
	failures int
	logged   time.Time // the last warning
	warned   bool      // since the last success
}

func newOutage(what string, log *zap.Logger, clock Clock) *outage {
	if log == nil {
		log = zap.NewNop()
	}
	return &outage{log: log, clock: clock, what: what, state: State{Since: clock.Now()}}
}

// failed notes a failure. Its event names it in the log.
func (o *outage) failed(event string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.clock.Now()
	if o.state.Connected && !errors.Is(err, ErrTooManyRequests) {
		o.state.Connected, o.state.Since = false, now
	}
	o.state.LastError = err.Error()
	o.state.Unauthorized = o.state.Unauthorized || errors.Is(err, ErrUnauthorized)
	o.failures++
	// A connection that comes and goes fills no log either.
	if !o.logged.IsZero() && now.Sub(o.logged) < logEvery {
		return
	}
	o.logged, o.warned = now, true
	o.log.Warn(o.what+" does not work",
		zap.String("event", event), zap.String("error", o.state.LastError), zap.Int("failures", o.failures))
}

// worked notes a success.
func (o *outage) worked() {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.clock.Now()
	o.state.LastSuccess = now
	if !o.state.Connected {
		o.state.Connected, o.state.Since = true, now
	}
	if o.warned {
		o.log.Info(o.what+" works again",
			zap.String("event", "telegram.recovered"), zap.Int("failures", o.failures))
	}
	o.warned, o.failures = false, 0
}

func (o *outage) current() State {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.state
}

// eventOf names a failed call in the log.
func eventOf(err error) string {
	switch {
	case errors.Is(err, ErrUnauthorized):
		return "telegram.unauthorized"
	case errors.Is(err, ErrConflict):
		return "telegram.conflict"
	case errors.Is(err, ErrTooManyRequests):
		return "telegram.flood"
	}
	return "telegram.unavailable"
}
