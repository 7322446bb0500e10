// Package scrub hides secrets in text that is about to leave the process: a log
// line, an error, the trace of a panic. It knows secrets in two ways: by value
// (what the operator configured) and by shape (what looks like a bot token or a
// password whoever wrote it).
//
// It is pure: no clock, no I/O, no state that changes after [New].
package scrub

import (
	"slices"
	"strings"
)

// Mask stands where a secret stood.
const Mask = "[hidden]"

// minValue is the least length of a value that is hidden, in bytes. A shorter
// one would be found in the middle of ordinary words and make logs unreadable,
// and is no secret that anybody could keep.
const minValue = 4

// Scrubber hides secrets. The zero value, and a nil one, hide shapes only. It is
// safe for use by several goroutines.
type Scrubber struct {
	values []string
}

// New returns a Scrubber that hides the given values too, wherever they stand,
// also percent-encoded or with backslash escapes. Values of less than 4 bytes
// are ignored.
func New(secrets []string) *Scrubber {
	s := &Scrubber{}
	for _, v := range secrets {
		if len(v) >= minValue && !slices.Contains(s.values, v) {
			s.values = append(s.values, v)
		}
	}
	return s
}

// String returns the text with every secret replaced by [Mask]. A text without
// one is returned as it is, and nothing is allocated.
func (s *Scrubber) String(text string) string {
	var found []span
	if s != nil {
		for _, v := range s.values {
			found = findValue(found, text, v)
		}
	}
	found = findShapes(found, text)
	if len(found) == 0 {
		return text
	}
	return cover(text, found)
}

// span is the part [from, to) of a text.
type span struct{ from, to int }

// cover replaces the spans, which may overlap and touch, by masks. All of them
// were found in the whole text: what is hidden first cannot cut a second secret
// in two and so keep it from being found.
func cover(text string, spans []span) string {
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	var out strings.Builder
	out.Grow(len(text))
	end := 0
	for i, sp := range spans {
		if i == 0 || sp.from > end {
			out.WriteString(text[end:sp.from])
			out.WriteString(Mask)
		}
		end = max(end, sp.to)
	}
	out.WriteString(text[end:])
	return out.String()
}
