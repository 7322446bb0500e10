package dropin

import (
	"context"
	"crypto/sha256"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/audit"
)

// Bounds of what admins are told: a burst of files is a message for each of the first
// few, and one for the rest.
const (
	tellAtMost = 5
	tellSpan   = 10 * time.Minute
	// remember is how long it is known what they were told.
	remember = 30 * 24 * time.Hour
)

// told is what admins were told lately.
type told struct {
	causes map[[sha256.Size]byte]bool
	times  []time.Time
	rest   int
}

// causesAtMost bounds what is remembered beside the table.
const causesAtMost = 4096

// isNews reports whether nobody was told of this before, and notes that somebody is now.
func (d *Dropins) isNews(p abi.PendingModule) bool {
	key := sha256.Sum256([]byte(p.File + "\x00" + p.Digest + "\x00" + p.State + "\x00" + p.Why))
	if d.told.causes[key] {
		return false
	}
	if d.told.causes == nil || len(d.told.causes) >= causesAtMost {
		d.told.causes = map[[sha256.Size]byte]bool{}
	}
	d.told.causes[key] = true
	if _, until, err := d.Told.Get(key[:]); err == nil && until.After(d.Now()) {
		return false
	}
	d.Told.PutLater(key[:], nil, d.Now().Add(remember))
	return true
}

// tell logs, records and tells a file that does not run, once for each reason.
func (d *Dropins) tell(ctx context.Context, p abi.PendingModule) {
	if !d.isNews(p) {
		return
	}
	e := audit.Entry{Actor: "bot", Module: p.Name, Digest: p.Digest, Target: p.File, Reason: p.Why, Event: "module.rejected", Decision: "deny"}
	log := d.Log.With(zap.String("file", p.File), zap.String("module", p.Name), zap.String("digest", p.Digest), zap.String("reason", p.Why))
	if p.State == abi.FilePending {
		e.Event, e.Decision = "module.pending", "ask"
		log.Info("a module waits for an admin", zap.String("event", "module.pending"), zap.String("version", p.Version), zap.String("signer", p.Signer))
	} else {
		log.Warn("a file in the folder of modules does not run", zap.String("event", "module.rejected"))
	}
	d.record(ctx, e)
	if d.mayTell() {
		d.Tell(p)
	} else {
		d.told.rest++
	}
}

func (d *Dropins) mayTell() bool {
	now, recent := d.Now(), d.told.times[:0]
	for _, t := range d.told.times {
		if now.Sub(t).Abs() < tellSpan {
			recent = append(recent, t)
		}
	}
	d.told.times = recent
	if len(recent) >= tellAtMost {
		return false
	}
	d.told.times = append(recent, now)
	return true
}

// tellRest tells how many there are beside those that were told one by one.
func (d *Dropins) tellRest() {
	if d.told.rest > 0 {
		d.Notice("more", 0, "🧩 In the folder of modules there "+isOrAre(d.told.rest)+" that "+doOrDoes(d.told.rest)+" not run: /modules lists them.")
		d.told.rest = 0
	}
}

func isOrAre(n int) string {
	if n == 1 {
		return "is 1 more file"
	}
	return "are " + plural(n, "more file")
}

func doOrDoes(n int) string {
	if n == 1 {
		return "does"
	}
	return "do"
}
