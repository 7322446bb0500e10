package metrics

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean makes foreign text fit to be shown: at most limit runes; line breaks
// become spaces; control characters, marks that turn the direction of writing
// and invalid UTF-8 become U+FFFD. Joiners stay: emoji are made of them.
func clean(s string, limit int) string {
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
		b.WriteRune(presentable(r))
	}
	return b.String()
}

// plain is the common case: short, printable ASCII.
func plain(s string, limit int) bool {
	if len(s) > limit {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func presentable(r rune) rune {
	switch {
	case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029':
		return ' '
	case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\ufeff', r == '\u200b':
		return unicode.ReplacementChar
	}
	return r
}
