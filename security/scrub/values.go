package scrub

import "strings"

// findValue appends where the value stands in the text, plain or escaped.
func findValue(found []span, text, value string) []span {
	for from := 0; ; {
		i := strings.Index(text[from:], value)
		if i < 0 {
			break
		}
		found = append(found, span{from + i, from + i + len(value)})
		from += i + 1
	}
	percent := strings.IndexByte(text, '%') >= 0 || (strings.IndexByte(text, '+') >= 0 && strings.IndexByte(value, ' ') >= 0)
	backslash := strings.IndexByte(text, '\\') >= 0
	if percent {
		found = findEscaped(found, text, value, escapes{percent: true})
	}
	if backslash {
		found = findEscaped(found, text, value, escapes{backslash: true})
	}
	if percent && backslash {
		found = findEscaped(found, text, value, escapes{percent: true, backslash: true})
	}
	return found
}

// escapes says which ways of writing a byte are understood. They are tried one
// by one and together, since a value may itself hold what looks like an escape.
type escapes struct{ percent, backslash bool }

func findEscaped(found []span, text, value string, e escapes) []span {
	for i := range len(text) {
		if n := e.match(text[i:], value); n > 0 {
			found = append(found, span{i, i + n})
		}
	}
	return found
}

// match returns how many bytes of the text's start write the value, or 0.
func (e escapes) match(text, value string) int {
	at := 0
	for j := range len(value) {
		b, n := e.decode(text[at:])
		switch {
		case n > 0 && b == value[j]:
			at += n
		case at < len(text) && text[at] == value[j]:
			at++
		default:
			return 0
		}
	}
	return at
}

// decode returns the byte that the text's start writes in an escaped way, and
// the length of the escape; 0 when there is none.
func (e escapes) decode(text string) (byte, int) {
	switch {
	case text == "":
		return 0, 0
	case e.percent && text[0] == '+':
		return ' ', 1
	case e.percent && text[0] == '%':
		return hexByte(text, 1)
	case e.backslash && text[0] == '\\' && len(text) > 1:
		return backslashed(text)
	}
	return 0, 0
}

// backslashed understands what encoding/json, strconv.Quote and most languages
// write.
func backslashed(text string) (byte, int) {
	switch text[1] {
	case 'u':
		if strings.HasPrefix(text, `\u00`) {
			return hexByte(text, 4)
		}
		return 0, 0
	case 'x':
		return hexByte(text, 2)
	}
	const short, bytes = `abfnrtv"\/'`, "\a\b\f\n\r\t\v\"\\/'"
	if i := strings.IndexByte(short, text[1]); i >= 0 {
		return bytes[i], 2
	}
	return 0, 0
}

// hexByte reads two hexadecimal digits at an offset; the length returned counts
// from the start of the text.
func hexByte(text string, at int) (byte, int) {
	if len(text) < at+2 {
		return 0, 0
	}
	hi, lo := hexDigit(text[at]), hexDigit(text[at+1])
	if hi < 0 || lo < 0 {
		return 0, 0
	}
	return byte(hi<<4 | lo), at + 2
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
