package scrub

import "strings"

// finder collects what a text holds. Each shape remembers how far it has looked
// where it could otherwise look at the same bytes again and again: a text is
// hostile, and must not cost more than its length.
type finder struct {
	text  string
	found []span
	// headerEnd, otpauthEnd and addressEnd are the ends of what was found last.
	headerEnd, otpauthEnd, addressEnd int
}

func (f *finder) hide(from, to int) { f.found = append(f.found, span{from: from, to: to}) }

// shapeAt looks closer at a byte of shapeMarks.
func (f *finder) shapeAt(i int) {
	switch f.text[i] {
	case '.':
		f.ipv4(i)
	case ':':
		f.botToken(i, i+1)
		f.userInfo(i + 1)
		f.otpauth(i)
		f.ipv6(i)
	case '%':
		if hasFold(f.text, i, "%3a") {
			f.botToken(i, i+3)
			f.userInfo(i + 3)
		}
		f.otpauth(i)
	case '-':
		f.header(i-len("secret"), "secret-token")
	case '_':
		f.header(i-len("secret"), "secret_token")
	case 'b', 'B':
		f.bearer(i)
	case 'k', 'K':
		f.webhookPath(i)
	case 'z', 'Z':
		f.header(i-len("authori"), "authorization")
	}
}

// botToken finds 12345:AAE… around a colon that ends before "after". Telegram
// writes 35 characters after it; 30 leaves room for a change.
func (f *finder) botToken(colon, after int) {
	const least = 30
	text := f.text
	if colon < 5 || !isDigit(text[colon-1]) || after+least > len(text) || !isWord(text[after+least-1]) {
		return
	}
	from := colon
	for from > 0 && isDigit(text[from-1]) {
		from--
	}
	to := wordEnd(text, after)
	if colon-from >= 5 && to-after >= least {
		f.hide(from, to)
	}
}

// userInfo finds what stands between :// and the @ before a host, given what
// comes after the colon. The slashes may be escaped, as in some JSON, and in an
// address that is a part of another; in the latter case the rest is too.
func (f *finder) userInfo(from int) {
	text, encoded := f.text, false
	for range 2 {
		switch {
		case strings.HasPrefix(text[from:], "/"):
			from++
		case strings.HasPrefix(text[from:], `\/`):
			from += 2
		case hasFold(text, from, "%2f"):
			from += 3
			encoded = true
		default:
			return
		}
	}
	at := -1
	for to := from; to < len(text) && strings.IndexByte("/?# \t\r\n\"'<>\\", text[to]) < 0; to++ {
		switch {
		case text[to] == '@' || encoded && hasFold(text, to, "%40"):
			at = to
		case encoded && hasFold(text, to, "%2f"):
			to = len(text)
		}
	}
	if at > from {
		f.hide(from, at)
	}
}

// webhookPath finds the random segment of the webhook's address (C1), given the
// last letter of the word.
func (f *finder) webhookPath(k int) {
	if !hasFold(f.text, k-len("webhoo"), "webhook") {
		return
	}
	from := k + 1
	switch {
	case strings.HasPrefix(f.text[from:], "/"):
		from++
	case strings.HasPrefix(f.text[from:], `\/`):
		from += 2
	case hasFold(f.text, from, "%2f"):
		from += 3
	default:
		return
	}
	if to := wordEnd(f.text, from); to-from >= 16 {
		f.hide(from, to)
	}
}

// header finds a header's or parameter's value: `name: value` up to the end of
// the line, `"name":"value"` up to the quote, `Name:[value]` (a Go map of
// headers) up to the bracket.
func (f *finder) header(i int, name string) {
	if i < f.headerEnd || !hasFold(f.text, i, name) {
		return
	}
	text := f.text
	from := i + len(name)
	from += skip(text[from:], "\"'\\ \t")
	switch {
	case hasFold(text, from, "%3d") || hasFold(text, from, "%3a"):
		from += 2 // the last digit stands for the sign
	case from == len(text) || (text[from] != ':' && text[from] != '='):
		return
	}
	opened := 1 + skip(text[from+1:], ":=[\"'\\ \t")
	from += opened
	to := from + valueLength(text[from:], text[from-opened:from])
	if to > from {
		f.hide(from, to)
		f.headerEnd = to
	}
}

// valueLength is the length of a header's value, given what stood before it.
func valueLength(text, before string) int {
	ends := "\r\n"
	switch last := before[len(before)-1]; last {
	case '"', '\'':
		ends += string(last)
	case '[':
		ends += "]"
	}
	n := strings.IndexAny(text, ends)
	if n < 0 {
		n = len(text)
	}
	return len(strings.TrimRight(text[:n], `\ `))
}

// bearer finds what follows the word "Bearer", with or without a header's name.
func (f *finder) bearer(i int) {
	const word = "bearer"
	text := f.text
	if !hasFold(text, i, word) {
		return
	}
	from := i + len(word)
	blanks := skip(text[from:], " \t+")
	if blanks == 0 && strings.HasPrefix(text[from:], "%20") {
		blanks = len("%20")
	}
	from += blanks
	to := from
	for to < len(text) && (isWord(text[to]) || strings.IndexByte(".~+/=%", text[to]) >= 0) {
		to++
	}
	if blanks > 0 && to-from >= minValue {
		f.hide(from, to)
	}
}

// hasFold tells whether the ASCII text at i, which may be out of range, is the
// word in whatever case; the word is in lower case.
func hasFold(text string, i int, word string) bool {
	return i >= 0 && i+len(word) <= len(text) && text[i]|0x20 == word[0]|0x20 && strings.EqualFold(text[i:i+len(word)], word)
}

// skip returns how many bytes of the text's start are in the set.
func skip(text, set string) int {
	n := 0
	for n < len(text) && strings.IndexByte(set, text[n]) >= 0 {
		n++
	}
	return n
}

// wordEnd returns where the characters of base64url that begin at i end.
func wordEnd(text string, i int) int {
	for i < len(text) && isWord(text[i]) {
		i++
	}
	return i
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// isWord tells the characters of base64url.
func isWord(c byte) bool { return isDigit(c) || isLetter(c) || c == '_' || c == '-' }
