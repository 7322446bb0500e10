package docker

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// maxLogRunes is how much of one line is shown.
const maxLogRunes = 2048

// cleanLine makes text of a line: without the terminal's sequences and control
// characters, in valid UTF-8, without what turns the direction of writing. short
// is what is shown of it.
func cleanLine(raw []byte) (whole, short string, cut bool) {
	whole = string(raw)
	if !printable(whole) {
		whole = dropControls(dropSequences(whole))
		whole = foreign.Line(whole, len(whole))
	}
	if len(whole) <= maxLogRunes {
		return whole, whole, false
	}
	n := 0
	for i := range whole {
		if n == maxLogRunes {
			return whole, strings.Clone(whole[:i]), true
		}
		n++
	}
	return whole, whole, false
}

// printable is the common case: nothing to clean.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// dropControls removes what is left of control characters. A tab and a carriage
// return between words part them; what a program wrote over itself is shown too.
func dropControls(s string) string {
	s = strings.TrimRight(s, "\r\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\r' || r == '\n' || r == '\v' || r == '\f':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
}

// dropSequences removes the control sequences of ECMA-48, and xterm's strings:
// colours, cursor movements, titles, links.
func dropSequences(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		next := strings.IndexFunc(s, introduces)
		if next < 0 {
			break
		}
		b.WriteString(s[:next])
		s = s[next:]
		s = s[sequence(s):]
	}
	if b.Len() == 0 {
		return s
	}
	b.WriteString(s)
	return b.String()
}

// introduces tells ESC, and the control characters of C1 that stand for ESC and
// a letter.
func introduces(r rune) bool { return r == '\x1b' || r >= 0x80 && r <= 0x9f }

// maxSequence is more bytes than a sequence of good will has. What is longer, or
// never ends, is text: nobody hides a line behind a sequence that he leaves open.
const maxSequence = 1024

// sequence is the length of what begins with an introducer, in bytes, at least
// the introducer's own.
func sequence(s string) int {
	r, lead := utf8.DecodeRuneInString(s)
	kind := r - 0x40 // C1 is ESC and the letter 0x40 below
	if r == '\x1b' {
		if len(s) == 1 {
			return 1
		}
		kind, lead = rune(s[1]), 2
	}
	body := s[lead:min(len(s), maxSequence)]
	switch kind {
	case '[':
		return lead + control(body)
	case ']', 'P', 'X', '^', '_':
		return lead + quoted(body)
	}
	if r == '\x1b' {
		return 1 + plainEscape(s[1:])
	}
	return lead
}

// control is the rest of a sequence behind CSI: parameters, intermediates, and a
// final byte; 0 if it is none.
func control(s string) int {
	i := span(s, 0x30, 0x3f)
	i += span(s[i:], 0x20, 0x2f)
	if i < len(s) && s[i] >= 0x40 && s[i] <= 0x7e {
		return i + 1
	}
	return 0
}

// plainEscape is intermediates and a final byte behind ESC; 0 if it is none.
func plainEscape(s string) int {
	i := span(s, 0x20, 0x2f)
	if i < len(s) && s[i] >= 0x30 && s[i] <= 0x7e {
		return i + 1
	}
	return 0
}

// quoted is a string up to its terminator, BEL or ST; 0 if there is none.
func quoted(s string) int {
	for i := range len(s) {
		switch {
		case s[i] == '\a':
			return i + 1
		case strings.HasPrefix(s[i:], "\x1b\\") || strings.HasPrefix(s[i:], "\u009c"):
			return i + 2
		case s[i] == '\x1b', s[i] == '\n': // another one begins: this one was left open
			return 0
		}
	}
	return 0
}

func span(s string, low, high byte) int {
	for i := range len(s) {
		if s[i] < low || s[i] > high {
			return i
		}
	}
	return len(s)
}
