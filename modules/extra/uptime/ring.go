package uptime

// minute is in milliseconds.
const minute = 60_000

// slots is how many samples are kept: one for each minute of a day.
const slots = 1440

// Samples that are no latency. A latency is 1 to failure-1 milliseconds.
const (
	none    = 0
	failure = 0xffff
)

// ring is the samples of a day. The sample of a minute has its place whether the
// minutes before it were checked or not.
type ring struct {
	samples [slots]uint16
	last    int64 // the minute of the newest sample, since 1970
}

// sampleOf is a latency as it is kept.
func sampleOf(ms int64) uint16 { return uint16(min(max(ms, 1), failure-1)) }

// keep sets the sample of a moment; of several in a minute the last one counts, but
// no success hides a failure.
func (r *ring) keep(now int64, sample uint16) {
	m := now / minute
	if m <= r.last-slots || m > r.last+slots {
		r.samples = [slots]uint16{}
	} else {
		for gap := r.last + 1; gap <= m; gap++ {
			r.samples[gap%slots] = none
		}
	}
	if m < r.last && m > r.last-slots {
		return // the clock went back: what was measured stays
	}
	if m == r.last && r.samples[m%slots] == failure {
		return
	}
	r.samples[m%slots], r.last = sample, m
}

// at returns the sample of a minute, none for one that is not kept.
func (r *ring) at(m int64) uint16 {
	if m > r.last || m <= r.last-slots || m < 0 {
		return none
	}
	return r.samples[m%slots]
}

// figures are about a span of time.
type figures struct {
	checks, failures int
	mean, most       int64 // milliseconds of the successes; 0: there is none
}

// over returns the figures of the minutes from one to before another.
func (r *ring) over(from, to int64) (f figures) {
	var sum int64
	for m := from; m < to; m++ {
		switch s := r.at(m); s {
		case none:
		case failure:
			f.checks++
			f.failures++
		default:
			f.checks++
			sum += int64(s)
			f.most = max(f.most, int64(s))
		}
	}
	if ups := f.checks - f.failures; ups > 0 {
		f.mean = (sum + int64(ups)/2) / int64(ups)
	}
	return f
}

// availability is the share of checks that succeeded, in percent; ok is false if
// there was none.
func (f figures) availability() (percent float64, ok bool) {
	if f.checks == 0 {
		return 0, false
	}
	return 100 * float64(f.checks-f.failures) / float64(f.checks), true
}

// encode writes the samples, two bytes each, the low one first.
func (r *ring) encode() []byte {
	out := make([]byte, 0, 2*slots)
	for _, s := range r.samples {
		out = append(out, byte(s), byte(s>>8))
	}
	return out
}

func (r *ring) decode(text string) bool {
	if len(text) != 2*slots {
		return false
	}
	for i := range r.samples {
		r.samples[i] = uint16(text[2*i]) | uint16(text[2*i+1])<<8
	}
	return true
}
