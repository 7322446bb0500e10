package scrub

import "strings"

// findShapes appends where the text holds what looks like a secret. It looks at
// every byte once and only then closer, so it is linear in the text's length.
func findShapes(found []span, text string) []span {
	for i := range len(text) {
		switch c := text[i]; {
		case c == ':':
			found = botToken(found, text, i, i+1)
			found = userInfo(found, text, i)
		case c == '%':
			if len(text) > i+2 && text[i+1] == '3' && text[i+2]|0x20 == 'a' {
				found = botToken(found, text, i, i+3)
			}
		case c == '/':
			found = webhookPath(found, text, i)
		case c|0x20 == 'a':
			found = header(found, text, i, "authorization")
		case c|0x20 == 's':
			found = header(found, text, i, "secret-token")
			found = header(found, text, i, "secret_token")
		case c|0x20 == 'b':
			found = bearer(found, text, i)
		}
		found = base32Secret(found, text, i)
	}
	return found
}

// botToken finds 12345:AAE… around a colon that ends before "after". Telegram
// writes 35 characters after it; 30 leaves room for a change.
func botToken(found []span, text string, colon, after int) []span {
	from := colon
	for from > 0 && isDigit(text[from-1]) {
		from--
	}
	to := after
	for to < len(text) && isWord(text[to]) {
		to++
	}
	if colon-from < 5 || to-after < 30 {
		return found
	}
	return append(found, span{from, to})
}

// userInfo finds what stands between :// and the @ before a host.
func userInfo(found []span, text string, colon int) []span {
	if !strings.HasPrefix(text[colon:], "://") {
		return found
	}
	from := colon + len("://")
	authority := text[from:]
	if end := strings.IndexAny(authority, "/?# \t\r\n\"'<>\\"); end >= 0 {
		authority = authority[:end]
	}
	at := strings.LastIndexByte(authority, '@')
	if at <= 0 {
		return found
	}
	return append(found, span{from, from + at})
}

// webhookPath finds the random segment of the webhook's address.
func webhookPath(found []span, text string, slash int) []span {
	const prefix = "/webhook/"
	if !strings.HasPrefix(text[slash:], prefix) {
		return found
	}
	from := slash + len(prefix)
	to := from
	for to < len(text) && isWord(text[to]) {
		to++
	}
	if to-from < 16 {
		return found
	}
	return append(found, span{from, to})
}

// header finds a header's or parameter's value: `name: value` up to the end of
// the line, `"name":"value"` up to the quote, `Name:[value]` (a Go map of
// headers) up to the bracket.
func header(found []span, text string, i int, name string) []span {
	if len(text)-i < len(name) || !strings.EqualFold(text[i:i+len(name)], name) {
		return found
	}
	from := i + len(name)
	from += skip(text[from:], "\"'\\ \t")
	if from == len(text) || (text[from] != ':' && text[from] != '=') {
		return found
	}
	opened := skip(text[from:], ":=[\"'\\ \t")
	from += opened
	to := from + valueLength(text[from:], text[from-opened:from])
	if to == from {
		return found
	}
	return append(found, span{from, to})
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
func bearer(found []span, text string, i int) []span {
	const word = "bearer"
	if len(text)-i < len(word) || !strings.EqualFold(text[i:i+len(word)], word) {
		return found
	}
	from := i + len(word)
	blanks := skip(text[from:], " \t")
	if blanks == 0 {
		blanks = len(text[from:]) - len(strings.TrimPrefix(text[from:], "%20"))
	}
	from += blanks
	to := from
	for to < len(text) && (isWord(text[to]) || strings.IndexByte(".~+/=%", text[to]) >= 0) {
		to++
	}
	if blanks == 0 || to-from < minValue {
		return found
	}
	return append(found, span{from, to})
}

// base32Secret finds the TOTP secrets: 160 bits or more in upper-case base32,
// standing alone.
func base32Secret(found []span, text string, i int) []span {
	if !isBase32(text[i]) || (i > 0 && isWord(text[i-1])) {
		return found
	}
	to := i
	for to < len(text) && isBase32(text[to]) {
		to++
	}
	if to-i < 32 || (to < len(text) && isWord(text[to])) {
		return found
	}
	return append(found, span{i, to})
}

// skip returns how many bytes of the text's start are in the set.
func skip(text, set string) int {
	n := 0
	for n < len(text) && strings.IndexByte(set, text[n]) >= 0 {
		n++
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isBase32(c byte) bool { return 'A' <= c && c <= 'Z' || '2' <= c && c <= '7' }

// isWord tells the characters of base64url.
func isWord(c byte) bool {
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c == '-'
}
