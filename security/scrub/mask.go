package scrub

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ID masks a user's or chat's id for a log (D2): "12******89". Ids too short
// to mask that way show nothing but their length.
func ID(id int64) string {
	text, sign := strconv.FormatInt(id, 10), ""
	if text[0] == '-' {
		text, sign = text[1:], "-"
	}
	masked := []byte(text)
	for i := range masked {
		if len(masked) <= 6 || (i >= 2 && i < len(masked)-2) {
			masked[i] = '*'
		}
	}
	return sign + string(masked)
}

// Name masks a person's name or username for a log (D2): "a*****". The stars are
// always five, so that its length is not told. What does not begin with a letter
// or a digit shows stars only; no name stays none.
//
// It is all that is ever done with a name. It is never a secret to [Scrubber.Learn].
func Name(name string) string {
	name = strings.TrimPrefix(name, "@")
	if name == "" {
		return ""
	}
	if r, _ := utf8.DecodeRuneInString(name); r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
		return string(r) + "*****"
	}
	return "******"
}
