package telegram

import (
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/security/ratelimit"
	"github.com/cofferdam-bot/cofferdam/security/webhook"
)

// How much is logged of each event: an attack must not fill the disk with its own
// log. What is left out is counted.
const (
	linesAtMost = 30
	linesSpan   = time.Minute
)

const (
	aboutRequests = "requests"
	aboutBans     = "bans"
)

// refusals logs what was not let in.
type refusals struct {
	log *zap.Logger
	// mu guards what follows.
	mu    sync.Mutex
	lines *ratelimit.Window[string]
	left  map[string]int
	// kept is how the keeping of updates goes.
	kept *outage
}

func newRefusals(log *zap.Logger, clock Clock) *refusals {
	return &refusals{
		log: log, lines: ratelimit.New[string](linesAtMost, linesSpan, 2), left: map[string]int{},
		kept: newOutage("keeping updates", log, clock),
	}
}

// hints say what an operator should look at. Other reasons speak for themselves.
var hints = map[webhook.Reason]string{
	webhook.Unexpected: "X-Forwarded-For came, and webhook_config.trusted_proxy_ips names no proxy: put the proxy's address there",
	webhook.Peer:       "it knew the path, and is none of Telegram's addresses: if it is your proxy, put its address into webhook_config.trusted_proxy_ips, and let it send X-Forwarded-For",
	webhook.Rate:       "Telegram is asked to come back later",
	webhook.Busy:       "Telegram is asked to come back later",
}

func (l *refusals) refused(v webhook.Verdict, now time.Time) {
	left, ok := l.room(aboutRequests, now)
	if !ok {
		return
	}
	l.log.Warn("the webhook refused a request", zap.String("event", "webhook.rejected"),
		zap.String("reason", string(v.Reason)), zap.Stringer("peer", v.Client), zap.Int("status", v.Status), hintFor(v.Reason), left)
}

func hintFor(reason webhook.Reason) zap.Field {
	if hint := hints[reason]; hint != "" {
		return zap.String("hint", hint)
	}
	return zap.Skip()
}

func (l *refusals) banned(v webhook.Verdict, now time.Time) {
	left, ok := l.room(aboutBans, now)
	if !ok {
		return
	}
	l.log.Warn("a peer is banned from the webhook", zap.String("event", "webhook.banned"),
		zap.Stringer("peer", v.Client), zap.Time("until", v.Ban.Until), left)
}

// room reports whether one more line may be written, and what to say in it of
// those that were left out.
func (l *refusals) room(about string, now time.Time) (left zap.Field, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.lines.Add(about, now).Allowed {
		l.left[about]++
		return zap.Skip(), false
	}
	n := l.left[about]
	delete(l.left, about)
	if n == 0 {
		return zap.Skip(), true
	}
	return zap.Int("left_out", n), true
}

// flush tells what was left out, when there is room for it.
func (l *refusals) flush(now time.Time) {
	if left, ok := l.leftOut(aboutRequests, now); ok {
		l.log.Warn("the webhook refused more requests", zap.String("event", "webhook.rejected"), left)
	}
	if left, ok := l.leftOut(aboutBans, now); ok {
		l.log.Warn("more peers are banned from the webhook", zap.String("event", "webhook.banned"), left)
	}
}

func (l *refusals) leftOut(about string, now time.Time) (left zap.Field, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.left[about]
	if n == 0 || !l.lines.Add(about, now).Allowed {
		return zap.Skip(), false
	}
	delete(l.left, about)
	return zap.Int("left_out", n), true
}
