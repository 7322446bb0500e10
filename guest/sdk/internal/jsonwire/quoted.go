package jsonwire

import (
	"unicode/utf16"
	"unicode/utf8"
)

// quoted reads a string that is due here.
func (r *Reader) quoted() string {
	if r.peek() != '"' {
		r.fail("a string")
		return ""
	}
	r.at++
	start := r.at
	for ; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			return r.text[start : r.at-1]
		case c == '\\' || c >= utf8.RuneSelf:
			return r.unquote(start)
		case c < ' ':
			r.fail("no control character in a string")
			return ""
		}
	}
	r.fail("the end of a string")
	return ""
}

// unquote reads the rest of a string that began at start and has something
// other than plain ASCII here.
func (r *Reader) unquote(start int) string {
	out := []byte(r.text[start:r.at])
	for r.at < len(r.text) {
		c := r.text[r.at]
		switch {
		case c == '"':
			r.at++
			return string(out)
		case c < ' ':
			r.fail("no control character in a string")
			return ""
		case c == '\\':
			r.at++
			out = utf8.AppendRune(out, r.escape())
		case c < utf8.RuneSelf:
			out = append(out, c)
			r.at++
		default:
			char, size := utf8.DecodeRuneInString(r.text[r.at:])
			out = utf8.AppendRune(out, char)
			r.at += size
		}
	}
	r.fail("the end of a string")
	return ""
}

// escape reads what stands behind a backslash.
func (r *Reader) escape() rune {
	if r.at == len(r.text) {
		return 0
	}
	c := r.text[r.at]
	r.at++
	switch c {
	case '"', '\\', '/':
		return rune(c)
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'u':
		return r.surrogates(r.hex())
	}
	r.failAt(r.at-1, "an escape")
	return 0
}

// surrogates returns the character of a pair, of which high was read, or
// U+FFFD for a half without its other half.
func (r *Reader) surrogates(high rune) rune {
	if !utf16.IsSurrogate(high) {
		return high
	}
	if len(r.text)-r.at < len(`\uXXXX`) || r.text[r.at:r.at+2] != `\u` {
		return utf8.RuneError
	}
	back := r.at
	r.at += 2
	pair := utf16.DecodeRune(high, r.hex())
	if pair == utf8.RuneError && r.err == nil {
		r.at = back // it is read as a character of its own
	}
	return pair
}

func (r *Reader) hex() rune {
	var n rune
	for range 4 {
		if r.at == len(r.text) {
			r.fail("four hexadecimal digits")
			return 0
		}
		switch c := r.text[r.at]; {
		case isDigit(c):
			n = n<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			n = n<<4 | rune(c|0x20-'a'+10)
		default:
			r.fail("four hexadecimal digits")
			return 0
		}
		r.at++
	}
	return n
}
