package uptime

import (
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// States of an address. They are written into the store.
const (
	unknown = "unknown"
	up      = "up"
	down    = "down"
)

// record is what is kept of an address. Moments are in milliseconds since 1970.
type record struct {
	url   string
	state string
	since int64 // of the state; of down: the first failure
	// told is the state that admins know of.
	told string
	// lasted is how long it was down before it came up.
	lasted   int64
	failures int64 // in a row
	failed   int64 // when they began
	why      string
	checked  int64 // 0: never
	latency  int64 // milliseconds, of the last success
	// until is when the certificate expires, 0: there is none; warned is the one of
	// which admins know.
	until, warned int64
	ring
}

// downAfter is how many failures in a row are no accident.
const downAfter = 2

// outcome is how a check ended; why is "" for a success.
type outcome struct {
	why     string
	latency int64
	until   int64
}

// note takes a check into account.
func (r *record) note(o outcome, now int64) {
	r.checked = now
	if o.why != "" {
		r.why = o.why
		if r.failures++; r.failures == 1 {
			r.failed = now
		}
		if r.failures >= downAfter && r.state != down {
			r.state, r.since = down, r.failed
		}
		r.keep(now, failure)
		return
	}
	if r.state != up {
		if r.state == down {
			r.lasted = max(now-r.since, 0)
		}
		r.state, r.since = up, now
	}
	r.failures, r.why, r.latency, r.until = 0, "", o.latency, o.until
	r.keep(now, sampleOf(o.latency))
}

// warnBefore is how long before its end a certificate is worth a warning.
const warnBefore = 14 * 24 * 60 * minute

// news is what admins do not know of an address yet.
type news int

const (
	nothing news = iota
	wentDown
	cameUp
	expires
)

// untold returns what is to be told, the state first: what is told is noted with
// tell, so that nothing is lost if telling fails.
func (r *record) untold(now int64) news {
	switch {
	case r.state == down && r.told != down:
		return wentDown
	case r.state == up && r.told == down:
		return cameUp
	case r.state == up && r.until > 0 && r.until-now < warnBefore && r.warned != r.until:
		return expires
	}
	return nothing
}

func (r *record) tell(n news) {
	if n == expires {
		r.warned = r.until
	} else {
		r.told = r.state
	}
}

// format is the first line of a record in the store: what has another is none of
// ours.
const format = "uptime 1"

// Bounds of a record.
const (
	maxURL = 512 // bytes
	maxWhy = 120 // characters
)

// encode writes a record: lines of text, and the samples behind them.
func (r *record) encode() []byte {
	out := []byte(format + "\n" + r.url + "\n" + r.state + "\n" + r.told + "\n" + r.why + "\n")
	for _, n := range r.numbers() {
		out = append(strconv.AppendInt(out, *n, 10), '\n')
	}
	return append(out, r.ring.encode()...)
}

func (r *record) numbers() []*int64 {
	return []*int64{&r.since, &r.lasted, &r.failures, &r.failed, &r.checked, &r.latency, &r.until, &r.warned, &r.last}
}

// decode reads the record of an address. Whatever else is there in its place is as
// if there was nothing.
func decode(value []byte, url string, now int64) record {
	soon := now + leeway
	fresh := record{url: url, state: unknown, told: unknown}
	r, text := fresh, string(value)
	var kept, name string
	for _, line := range []*string{&name, &kept, &r.state, &r.told, &r.why} {
		*line, text = cut(text)
	}
	for _, n := range r.numbers() {
		var line string
		line, text = cut(text)
		v, err := strconv.ParseInt(line, 10, 64)
		if err != nil || v < 0 || v > latest {
			return fresh
		}
		*n = v
	}
	if name != format || kept != url || !isState(r.state) || !isState(r.told) || r.why != sdk.Line(r.why, maxWhy) ||
		r.since > soon || r.checked > soon || r.last > soon/minute || !r.ring.decode(text) {
		return fresh
	}
	return r
}

// leeway is how far a clock may go back, in milliseconds.
const leeway = 24 * 60 * minute

// latest is a moment beyond which nothing is: the end of the year 9999.
const latest = 253_402_300_799_000

func cut(text string) (line, rest string) {
	line, rest, _ = strings.Cut(text, "\n")
	return line, rest
}

func isState(s string) bool { return s == unknown || s == up || s == down }
