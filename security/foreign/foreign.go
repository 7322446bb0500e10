// Package foreign makes text from elsewhere fit to be shown: names of
// containers, processes and people, labels, what a module writes. It is pure.
//
// What stays is what people write: letters of any script, emoji with their
// joiners, punctuation. What would change more than itself becomes visible as
// U+FFFD: control characters (terminal sequences, forged lines), marks that turn
// the direction of writing, invisible blanks, invalid UTF-8.
package foreign

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text cleans a text of several lines. Newlines and tabs stay.
func Text(s string) string { return clean(s, len(s), inText) }

// Line cleans a text that must stay on one line, and cuts it to limit runes:
// line breaks and tabs become spaces, and an ellipsis is the last rune of what
// was longer.
func Line(s string, limit int) string { return clean(s, limit, inLine) }

func clean(s string, limit int, show func(rune) rune) string {
	if plain(s, limit) {
		return s
	}
	var b strings.Builder
	for n := 1; len(s) > 0; n++ {
		r, size := utf8.DecodeRuneInString(s) // invalid UTF-8 decodes to U+FFFD
		s = s[size:]
		if n >= limit && len(s) > 0 {
			b.WriteRune('…')
			break
		}
		b.WriteRune(show(r))
	}
	return b.String()
}

// plain is the common case: short, printable ASCII.
func plain(s string, limit int) bool {
	if len(s) > limit {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func inText(r rune) rune {
	switch {
	case r == '\n' || r == '\t':
		return r
	case r == '\u2028' || r == '\u2029': // line and paragraph separator
		return '\n'
	case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\ufeff', r == '\u200b':
		return unicode.ReplacementChar
	}
	return r
}

func inLine(r rune) rune {
	switch r {
	case '\n', '\r', '\t', '\u2028', '\u2029':
		return ' '
	}
	return inText(r)
}
