package distribution

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// For how long a registry is left alone.
const (
	awayPause    = time.Minute      // it does not answer
	defaultPause = 5 * time.Minute  // it says "too many requests", and not until when
	minPause     = 10 * time.Second // whatever it says
	maxPause     = 24 * time.Hour
	// spentPause bounds the wait after its last request of a window: Docker Hub
	// counts over six hours that slide, so that there are some again before.
	spentPause = time.Hour
)

// registry is one registry: the way to it, and whether it may be asked.
type registry struct {
	host  string
	gate  *gate
	now   func() time.Time
	times times
	// running counts the looks that go on; the client's lock guards it.
	running int

	mu     sync.Mutex
	until  time.Time
	reason error
}

// errPaused tells that a registry is left alone for now.
type errPaused struct {
	reason error
	until  time.Time
}

func (e *errPaused) Error() string {
	return "the registry is left alone until " + e.until.UTC().Format(time.RFC3339) + ": " + e.reason.Error()
}

func (e *errPaused) Unwrap() error { return e.reason }

var (
	errLimited = errors.New("it limits requests")
	errAway    = errors.New("it cannot be reached")
)

// pause returns an [errPaused] while the registry must not be asked.
func (r *registry) pause() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.now().Before(r.until) {
		return nil
	}
	return &errPaused{reason: r.reason, until: r.until}
}

// leave keeps the registry from being asked for a while. A longer pause that runs
// already stays.
func (r *registry) leave(d time.Duration, reason error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if until := r.now().Add(d); until.After(r.until) {
		r.until, r.reason = until, reason
	}
}

// note leaves a registry alone that does not answer, so that the next do not wait
// for it.
func (r *registry) note(err error) {
	if err != nil && isAway(err) {
		r.leave(awayPause, errAway)
	}
}

// heed reads out of an answer's headers how the registry wants to be asked.
func (r *registry) heed(answer *http.Response) {
	if d := pauseOf(answer.StatusCode, answer.Header, r.now()); d > 0 {
		r.leave(d, errLimited)
	}
}

// pauseOf is how long a registry is to be left alone after an answer; 0: it need
// not be. "Retry-After" counts with 429 and 503; Docker Hub also tells with every
// answer how many requests are left ("ratelimit-remaining: 0;w=21600").
func pauseOf(status int, header http.Header, now time.Time) time.Duration {
	switch status {
	case http.StatusTooManyRequests:
		if d, ok := retryAfter(header.Get("Retry-After"), now); ok {
			return d
		}
		return defaultPause
	case http.StatusServiceUnavailable:
		d, _ := retryAfter(header.Get("Retry-After"), now)
		return d
	}
	left, window, ok := remaining(header.Get("Ratelimit-Remaining"))
	if !ok || left > 0 {
		return 0
	}
	return min(max(window, minPause), spentPause)
}

// retryAfter reads seconds, or a date.
func retryAfter(text string, now time.Time) (time.Duration, bool) {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return bound(time.Duration(seconds) * time.Second), true
	}
	if at, err := http.ParseTime(text); err == nil {
		return bound(at.Sub(now)), true
	}
	return 0, false
}

func bound(d time.Duration) time.Duration { return min(max(d, minPause), maxPause) }

// remaining reads "76;w=21600": requests, and the window in seconds.
func remaining(text string) (left uint64, window time.Duration, ok bool) {
	number, rest, _ := strings.Cut(text, ";")
	left, err := strconv.ParseUint(strings.TrimSpace(number), 10, 31)
	if err != nil {
		return 0, 0, false
	}
	if seconds, found := strings.CutPrefix(strings.TrimSpace(rest), "w="); found {
		if n, err := strconv.ParseUint(seconds, 10, 31); err == nil {
			window = time.Duration(n) * time.Second
		}
	}
	return left, window, true
}
