// Package quarantine decides when a module that goes on failing is switched
// off, and for how long. It is pure: the time is passed in. What counts as a
// fault is for the caller to say.
package quarantine

import (
	"slices"
	"time"
)

// The rule. A fault costs a user one answer, and the host the start of a fresh
// instance or a whole deadline of work; a module that has five in ten minutes
// is broken or hostile, and its next call will very likely be one more.
const (
	// Faults within Span switch a module off. Fewer would let one user who
	// taps a broken button a few times take the module from all others.
	Faults = 5
	// Span is how long a fault counts, and how long after a pause the module is
	// on probation: one more fault is enough then.
	Span = 10 * time.Minute
	// FirstPause is short: a fault that came from outside, such as a busy
	// machine, is over by then. Each further pause is twice as long.
	FirstPause = time.Minute
	// LongestPause bounds them, so that a module whose cause went away is back
	// within the hour.
	LongestPause = time.Hour
	// Memory is how long after its last fault a module counts as clean again.
	Memory = 24 * time.Hour
)

// Reason says in a word why a module may run, or may not.
type Reason string

// The reasons.
const (
	// Clean: no fault counts against it.
	Clean Reason = "clean"
	// Suspect: it had faults lately, but not enough of them.
	Suspect Reason = "suspect"
	// Probation: a pause has just ended, and one more fault is enough.
	Probation Reason = "probation"
	// RepeatedFaults: it is switched off.
	RepeatedFaults Reason = "repeated_faults"
)

// Decision is whether a module may run. The zero Decision forbids it.
type Decision struct {
	Allowed bool
	Reason  Reason
	// Until is when a module that is switched off comes back. It is never
	// further away than LongestPause.
	Until time.Time
	// Turned is set once for each change: by the fault that switched the module
	// off, and by the first question after the pause.
	Turned bool
}

// Record is how a module has behaved. The zero Record is a clean one.
type Record struct {
	faults []time.Time // that count, oldest first; fewer than Faults
	last   time.Time   // the last fault of all
	off    bool
	// turned is when the last pause began, or when it ended if the module is not
	// off.
	turned time.Time
	pause  time.Duration // the last one; 0: there was none
}

// Decide says whether the module may run now.
func (r *Record) Decide(now time.Time) Decision {
	turned := r.settle(now)
	d := r.decision(now)
	d.Turned = turned
	return d
}

// Look says what Decide would, and changes nothing: it is for views.
func (r Record) Look(now time.Time) Decision {
	r.faults = slices.Clone(r.faults)
	r.settle(now)
	return r.decision(now)
}

// Fault counts a fault, and says whether the module may go on. Faults of
// invocations that were under way when it was switched off lengthen nothing.
func (r *Record) Fault(now time.Time) Decision {
	r.settle(now)
	r.last = now
	if r.off {
		return r.decision(now)
	}
	r.faults = append(r.faults, now)
	if len(r.faults) < Faults && !r.onProbation(now) {
		return r.decision(now)
	}
	r.off, r.turned, r.faults = true, now, nil
	r.pause = min(max(2*r.pause, FirstPause), LongestPause)
	d := r.decision(now)
	d.Turned = true
	return d
}

// settle brings the record to the present, and reports whether a pause has
// ended. What a clock that was set back left in the future counts as now: so
// no pause lasts longer than it should from here, and no fault counts longer.
func (r *Record) settle(now time.Time) (ended bool) {
	r.last, r.turned = earlier(r.last, now), earlier(r.turned, now)
	for i := range r.faults {
		r.faults[i] = earlier(r.faults[i], now)
	}
	if r.off && now.Sub(r.turned) >= r.pause {
		r.off, r.turned, ended = false, r.turned.Add(r.pause), true
	}
	r.faults = slices.DeleteFunc(r.faults, func(t time.Time) bool { return now.Sub(t) >= Span })
	if now.Sub(r.last) >= Memory {
		*r = Record{}
	}
	return ended
}

func earlier(a, b time.Time) time.Time {
	if a.After(b) {
		return b
	}
	return a
}

func (r *Record) onProbation(now time.Time) bool { return r.pause > 0 && now.Sub(r.turned) < Span }

// decision reads a record that is settled.
func (r *Record) decision(now time.Time) Decision {
	switch {
	case r.off:
		return Decision{Reason: RepeatedFaults, Until: r.turned.Add(r.pause)}
	case r.onProbation(now):
		return Decision{Allowed: true, Reason: Probation}
	case len(r.faults) > 0:
		return Decision{Allowed: true, Reason: Suspect}
	}
	return Decision{Allowed: true, Reason: Clean}
}
