package session

import "time"

// Confirmations are the questions that wait for a confirming tap (B8). P is what
// is to be done. The zero value is empty and ready.
type Confirmations[P any] struct {
	asked map[string]question[P]
}

type question[P any] struct {
	prompt[P]
	key     Key
	message int
}

// Ask keeps what is to be done, under an id that nobody can guess.
func (c *Confirmations[P]) Ask(id string, k Key, payload P, now time.Time) {
	if c.asked == nil {
		c.asked = map[string]question[P]{}
	}
	if _, again := c.asked[id]; !again && len(c.asked) >= atMost {
		dropOldest(c.asked, func(q question[P]) time.Time { return q.since })
	}
	c.asked[id] = question[P]{prompt[P]{payload, now}, k, 0}
}

// Bind ties a question to the message that shows it.
func (c *Confirmations[P]) Bind(id string, message int) {
	if q, ok := c.asked[id]; ok {
		q.message = message
		c.asked[id] = q
	}
}

// Answer is what a tap on a question comes to. The zero Answer does nothing.
type Answer int

// The answers.
const (
	Unknown   Answer = iota // there is no such question: it was answered, it expired, or it never was
	Foreign                 // somebody else's, or from another chat; the question stays
	Confirmed               // do it, once
)

// Take answers a tap, and forgets the question unless it belongs to somebody
// else: who may not answer it cannot make it go away either.
func (c *Confirmations[P]) Take(id string, k Key, message int, now time.Time) (payload P, answer Answer) {
	q, ok := c.asked[id]
	switch {
	case !ok:
		return payload, Unknown
	case q.key != k:
		return payload, Foreign
	case q.message != 0 && q.message != message:
		return payload, Unknown
	}
	delete(c.asked, id)
	if !running(q.since, ConfirmLifetime, now) {
		return payload, Unknown
	}
	return q.payload, Confirmed
}

// Drop forgets the questions of whom a test picks.
func (c *Confirmations[P]) Drop(picks func(Key) bool) {
	for id, q := range c.asked {
		if picks(q.key) {
			delete(c.asked, id)
		}
	}
}

// Sweep forgets what expired.
func (c *Confirmations[P]) Sweep(now time.Time) {
	for id, q := range c.asked {
		if !running(q.since, ConfirmLifetime, now) {
			delete(c.asked, id)
		}
	}
}
