package engine

import (
	"crypto/rand"
	mathrand "math/rand/v2"
	"time"
)

// Fixed is a clock and randomness that are the same each time that a request is
// replayed. A bot never has them: what a module draws would be known to others.
type Fixed struct {
	// Start is what the wall clock says when an invocation begins; it goes on from
	// there. Zero: what the system says.
	Start time.Time
	// Seed is what the random bytes of each invocation follow from.
	Seed [32]byte
}

// fixedState is a Fixed in one invocation. The nil one is the system's clock and
// randomness.
type fixedState struct {
	began time.Time
	Fixed
	random *mathrand.ChaCha8
}

func (f *Fixed) begin() *fixedState {
	if f == nil {
		return nil
	}
	return &fixedState{began: time.Now(), Fixed: *f, random: mathrand.NewChaCha8(f.Seed)}
}

func (s *fixedState) now() time.Time {
	if s == nil || s.Start.IsZero() {
		return time.Now()
	}
	return s.Start.Add(time.Since(s.began))
}

func (s *fixedState) read(p []byte) {
	if s == nil {
		rand.Read(p) // never fails: it ends the process instead
		return
	}
	_, _ = s.random.Read(p) // never fails
}
