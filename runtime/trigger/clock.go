package trigger

import (
	"fmt"
	"hash/fnv"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

const (
	// firstWithin is by when the first run of an interval comes after its module
	// did: not all at once, and soon enough that its author sees it.
	firstWithin = time.Minute
	// cronWithin is how much later than its minute an occurrence is.
	cronWithin = 10 * time.Second
	// lateAfter is when an occurrence was missed: the machine slept, or its clock
	// was put forward. What was missed is not made up.
	lateAfter = time.Minute
)

// clock says when one schedule is due. It is pure: it is told the time.
type clock struct {
	least  time.Duration // granted
	every  time.Duration // not below least; 0: by cron
	cron   cron.Schedule
	jitter time.Duration
	// next is when it is due, without the jitter of cron; last when it was.
	next, last time.Time
	asked      time.Time
}

// newClock returns a clock that starts now. jitter is a number that differs from
// schedule to schedule and stays the same for one.
func newClock(s abi.Schedule, least time.Duration, jitter uint64, now time.Time) (*clock, error) {
	if s.Cron != "" {
		parsed, err := parseCron(s.Cron)
		if err != nil {
			return nil, err
		}
		c := &clock{least: least, cron: parsed, jitter: time.Duration(jitter % uint64(cronWithin))}
		c.next = parsed.Next(now)
		return c, nil
	}
	every, err := time.ParseDuration(s.Every)
	if err != nil || every <= 0 {
		return nil, fmt.Errorf("every %q: a duration such as 5m", s.Every)
	}
	c := &clock{least: least, every: max(every, least)}
	c.next = now.Add(time.Duration(jitter % uint64(min(c.every, firstWithin))))
	return c, nil
}

// verdict is what a clock says.
type verdict int

const (
	notYet verdict = iota
	due
	tooSoon // an occurrence is left out: it comes sooner than is granted
	missed  // an occurrence is left out: it is over
)

// ask says whether the schedule is due, and goes on to the next time if it is or
// was. It is asked every second or so.
func (c *clock) ask(now time.Time) verdict {
	if c.cron == nil {
		return c.askEvery(now)
	}
	if c.next.IsZero() {
		return notYet // never
	}
	if now.Before(c.asked) { // the clock was put back: what is next is found anew
		c.next = c.cron.Next(now)
	}
	c.asked = now
	at := c.next
	if now.Before(at.Add(c.jitter)) {
		return notYet
	}
	c.next = c.cron.Next(now)
	switch {
	case now.Sub(at) > lateAfter:
		return missed
	case !c.last.IsZero() && at.Sub(c.last).Abs() < c.least: // before it: the same hour once more
		return tooSoon
	}
	c.last = at
	return due
}

func (c *clock) askEvery(now time.Time) verdict {
	if latest := now.Add(c.every); c.next.After(latest) {
		c.next = latest // a clock that was put back
	}
	if now.Before(c.next) {
		return notYet
	}
	c.last = c.next
	if c.next = c.next.Add(c.every); c.next.Before(now) {
		c.next = now.Add(c.every)
	}
	return due
}

// follows takes over when another clock of the same schedule was due last, so that
// a module that is replaced runs no sooner.
func (c *clock) follows(before *clock) {
	if before.last.IsZero() {
		return
	}
	c.last = before.last
	if soonest := before.last.Add(c.every); c.cron == nil && c.next.Before(soonest) {
		c.next = soonest
	}
}

// jitterOf spreads schedules, the same way each time.
func jitterOf(module, schedule string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(module + "\x00" + schedule)) // a hash takes all
	return h.Sum64()
}
