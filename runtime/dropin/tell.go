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
	// recordAtMost bounds how many files are recorded within recordSpan beside those that
	// admins are told of: whoever changes files all the time fills no disk.
	recordAtMost = 1_000
	recordSpan   = 24 * time.Hour
)

// told is what admins were told lately.
type told struct {
	causes map[[sha256.Size]byte]bool
	times  []time.Time
	rest   int
	// recorded is how many files were since a moment.
	recorded int
	since    time.Time
}

// causesAtMost bounds what is remembered beside the table.
const causesAtMost = 4096

// isNews reports whether nobody was told of this before.
func (d *Dropins) isNews(cause [sha256.Size]byte) bool {
	if d.told.causes[cause] {
		return false
	}
	_, until, err := d.Told.Get(cause[:])
	return err != nil || !until.After(d.Now())
}

// causeOf is what somebody is told of: a file, and what is wrong with it.
func causeOf(p abi.PendingModule) [sha256.Size]byte {
	return sha256.Sum256([]byte(p.File + "\x00" + p.Digest + "\x00" + p.State + "\x00" + p.Why))
}

// isTold notes that somebody was told, and need not be again.
func (d *Dropins) isTold(cause [sha256.Size]byte) {
	if d.told.causes == nil || len(d.told.causes) >= causesAtMost {
		d.told.causes = map[[sha256.Size]byte]bool{}
	}
	d.told.causes[cause] = true
	d.Told.PutLater(cause[:], nil, d.Now().Add(remember))
}

// tell logs, records and tells a file that does not run, once for each reason.
func (d *Dropins) tell(ctx context.Context, p abi.PendingModule) {
	cause := causeOf(p)
	if !d.isNews(cause) {
		return
	}
	tells := d.mayTell()
	if !tells && !d.mayRecord(ctx) {
		return
	}
	d.isTold(cause)
	e := audit.Entry{Actor: "bot", Module: p.Name, Digest: p.Digest, Target: p.File, Reason: p.Why, Event: "module.rejected", Decision: "deny"}
	log := d.Log.With(zap.String("file", p.File), zap.String("module", p.Name), zap.String("digest", p.Digest), zap.String("reason", p.Why))
	if p.State == abi.FilePending {
		e.Event, e.Decision = "module.pending", "ask"
		log.Info("a module waits for an admin", zap.String("event", "module.pending"), zap.String("version", p.Version), zap.String("signer", p.Signer))
	} else {
		log.Warn("a file in the folder of modules does not run", zap.String("event", "module.rejected"))
	}
	d.record(ctx, e)
	if tells {
		d.Tell(p)
	} else {
		d.told.rest++
	}
}

// mayRecord reports whether there is room for one more record, and says once that there
// is none.
func (d *Dropins) mayRecord(ctx context.Context) bool {
	if now := d.Now(); now.Sub(d.told.since).Abs() >= recordSpan {
		d.told.since, d.told.recorded = now, 0
	}
	d.told.recorded++
	if d.told.recorded == recordAtMost+1 {
		why := "more than " + plural(recordAtMost, "file") + " in the folder came or changed within a day; most others of that day are not recorded"
		d.Log.Warn(why, zap.String("event", "module.rejected"))
		d.record(ctx, audit.Entry{Event: "module.rejected", Actor: "bot", Decision: "deny", Reason: why})
	}
	return d.told.recorded <= recordAtMost
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
		d.Notice("more", 0, "📦 In the folder of modules there "+isOrAre(d.told.rest)+" that "+doOrDoes(d.told.rest)+" not run: /modules lists them.")
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
