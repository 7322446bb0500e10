package telegram

import (
	"html"
	"net/url"
	"strings"
	"unicode"
)

// veil makes foreign text fit for an error: without the token, on one line and
// short.
type veil struct {
	// key is the part of the token after the colon, in lower case.
	key   string
	scrub func(string) string
}

const (
	// maxErrorText bounds what an error says, in bytes.
	maxErrorText = 300
	// echoWindow is how many characters of the key in a row give it away. A
	// text that holds so many by chance is one in 64^8.
	echoWindow = 8
)

func newVeil(token string, scrub func(string) string) veil {
	_, key, _ := strings.Cut(token, ":")
	if scrub == nil {
		scrub = func(text string) string { return text }
	}
	return veil{key: strings.ToLower(key), scrub: scrub}
}

// hide drops a text altogether when it echoes the token: who sends a piece of
// it back may have sent the rest in a form that is not foreseen here.
func (v veil) hide(text string) string {
	if v.echoes(text) {
		return "a text that held the bot token"
	}
	text = v.scrub(text)
	if len(text) > maxErrorText {
		text = text[:maxErrorText] + "…"
	}
	return strings.Map(printable, strings.ToValidUTF8(text, "\uFFFD"))
}

func (v veil) echoes(text string) bool {
	for _, form := range []string{text, percentDecoded(text), html.UnescapeString(text)} {
		form = strings.ToLower(form)
		for i := 0; i+echoWindow <= len(v.key); i++ {
			if strings.Contains(form, v.key[i:i+echoWindow]) {
				return true
			}
		}
	}
	return false
}

// percentDecoded decodes what can be decoded, piece by piece.
func percentDecoded(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	parts := strings.Split(text, "%")
	for i, part := range parts[1:] {
		parts[i+1] = "%" + part
		if len(part) < 2 {
			continue
		}
		if b, err := url.PathUnescape("%" + part[:2]); err == nil {
			parts[i+1] = b + part[2:]
		}
	}
	return strings.Join(parts, "")
}

// printable keeps foreign text from forging a line of the log.
func printable(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}
