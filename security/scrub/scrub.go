// Package scrub hides secrets in text that is about to leave the process: a log
// line, an error, the trace of a panic (D2). It knows secrets in two ways: by
// value (what the operator configured, and what came into being later) and by
// shape (what looks like a bot token or a password whoever wrote it). Addresses
// of machines are masked to two octets.
//
// It is pure: no clock, no I/O. The one thing that changes is what [Scrubber.Learn]
// adds.
package scrub

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Mask stands where a secret stood.
const Mask = "[hidden]"

// Bounds of what is hidden by value (D2).
const (
	// minValue is the least length of a configured value that is hidden, in
	// bytes. A shorter one would be found in the middle of ordinary words and
	// make logs unreadable, and is no secret that anybody could keep.
	minValue = 4
	// minLearned is the least length of a value that is learned, in bytes. All
	// secrets that the bot makes are 128 bits or more (B4, C1), so that nothing
	// shorter, such as a name or a code that somebody typed, belongs here.
	minLearned = 16
	// maxLearned is how many values are remembered beside the configured ones. A
	// webhook pair is made once a day or so (C1), a TOTP secret once for each
	// admin: this is months of both.
	maxLearned = 1024
)

// Scrubber hides secrets. The zero value, and a nil one, hide shapes only. It is
// safe for use by several goroutines; reading takes no lock.
type Scrubber struct {
	known   atomic.Pointer[known]
	writing sync.Mutex
}

// New returns a Scrubber that hides the given values too, wherever they stand,
// also percent-encoded or with backslash escapes. Values of less than 4 bytes
// are ignored.
func New(secrets []string) *Scrubber {
	s := &Scrubber{}
	s.known.Store(newKnown(secrets, nil))
	return s
}

// Learn hides one more value from now on: a secret that the bot itself made.
// Values of less than 16 bytes are ignored, and beyond 1,024 the one that was
// learned first is forgotten; configured values never are. Nil learns nothing.
//
// What somebody else chose, a name above all, must never be given to it: a
// stranger could make every line with an ordinary word in it unreadable.
func (s *Scrubber) Learn(secret string) {
	if s == nil || len(secret) < minLearned {
		return
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	k := s.snapshot()
	if slices.Contains(k.configured, secret) || slices.Contains(k.learned, secret) {
		return
	}
	first := max(0, len(k.learned)+1-maxLearned)
	s.known.Store(newKnown(k.configured, append(slices.Clone(k.learned[first:]), secret)))
}

// Configure hides more values from now on, as [New] does: what the operator wrote
// into a config that is read anew. Those before stay: they may still be under way.
// Nil learns nothing.
func (s *Scrubber) Configure(secrets []string) {
	if s == nil {
		return
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	k := s.snapshot()
	s.known.Store(newKnown(slices.Concat(k.configured, secrets), k.learned))
}

func (s *Scrubber) snapshot() *known {
	if s != nil {
		if k := s.known.Load(); k != nil {
			return k
		}
	}
	return nothingKnown
}

// String returns the text with every secret replaced by [Mask], and every
// address of a machine masked. A text without any is returned as it is, and
// nothing is allocated.
func (s *Scrubber) String(text string) string {
	found := s.snapshot().find(text)
	if len(found) == 0 {
		return text
	}
	return cover(text, found)
}

// Secrets is String for what the operator sees in a terminal of their own:
// addresses, which they wrote themselves and may have to mend, stay.
func (s *Scrubber) Secrets(text string) string {
	found := slices.DeleteFunc(s.snapshot().find(text), span.isAddress)
	if len(found) == 0 {
		return text
	}
	return cover(text, found)
}

// span is the part [from, to) of a text that must not be shown, and what is
// shown in its place: a masked address, or nothing for [Mask].
type span struct {
	from, to int
	address  string
}

func (s span) isAddress() bool { return s.address != "" }

// cover replaces the spans, which may overlap and touch, by masks. All of them
// were found in the whole text: what is hidden first cannot cut a second secret
// in two and so keep it from being found.
func cover(text string, spans []span) string {
	slices.SortStableFunc(spans, func(a, b span) int { return a.from - b.from })
	var out strings.Builder
	out.Grow(len(text) + len(Mask))
	end := 0
	for len(spans) > 0 {
		merged := spans[0]
		spans = spans[1:]
		for len(spans) > 0 && spans[0].from <= merged.to {
			if !spans[0].isAddress() {
				merged.address = "" // a secret counts for more
			}
			merged.to = max(merged.to, spans[0].to)
			spans = spans[1:]
		}
		out.WriteString(text[end:merged.from])
		if merged.isAddress() {
			out.WriteString(merged.address)
		} else {
			out.WriteString(Mask)
		}
		end = merged.to
	}
	out.WriteString(text[end:])
	return out.String()
}
