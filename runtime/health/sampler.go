package health

import (
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Samples are how the sampler does, whose history charts are made of.
type Samples struct {
	// Last is when a sample was kept last; the zero time: none yet.
	Last time.Time
	// Every is the time between two.
	Every time.Duration
	// LastError is one clean line; it stays after things went well again.
	LastError string
}

// missedSamples is how many samples may be missing: one that hangs or a pause of
// the machine is no gap worth telling of.
const missedSamples = 6

const lookAtSampler = "Charts have a gap until it goes on. The log says what fails."

// Sampler looks at the sampler.
func Sampler(samples func() Samples, started time.Time, now func() time.Time) Part {
	return always(func() Finding { return sampler(samples(), started, now()) })
}

func sampler(s Samples, started, now time.Time) Finding {
	f := Finding{Name: "History", State: abi.HealthOK}
	last := s.Last
	if last.IsZero() {
		last = started
	}
	switch silent := now.Sub(last); {
	case silent > missedSamples*s.Every:
		f.State, f.Detail, f.Since = abi.HealthWarn, "Nothing was measured for "+ago(silent)+".", last
		f.Reason, f.Advice = stop(s.LastError), lookAtSampler
	case s.Last.IsZero():
		f.Detail = "The first figures are being measured."
	default:
		f.Detail = "Figures are kept every " + ago(s.Every) + "."
	}
	return f
}
