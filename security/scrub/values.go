package scrub

import "strings"

// escaped finds the values that are written with escapes. Few texts that have
// escapes write a byte of a value with one, and only then it is worth while to
// compare.
func (k *known) escaped(f *finder) {
	written, kinds := escapesIn(f.text)
	for i := range k.all {
		v := &k.all[i]
		if !v.bytes.meets(&written) {
			continue
		}
		for _, e := range []escapes{{percent: true}, {backslash: true}, {percent: true, backslash: true}} {
			if e.percent && !kinds.percent || e.backslash && !kinds.backslash {
				continue
			}
			for at := range len(f.text) {
				if n := e.match(f.text[at:], v.text); n > 0 {
					f.hide(at, at+n)
				}
			}
		}
	}
}

// escapesIn returns which bytes the text's escapes write, and of which kinds
// they are.
func escapesIn(text string) (written byteSet, kinds escapes) {
	for i := range len(text) {
		switch text[i] {
		case '%', '+':
			if b, n := (escapes{percent: true}).decode(text[i:]); n > 0 {
				written.add(b)
				kinds.percent = true
			}
		case '\\':
			if b, n := (escapes{backslash: true}).decode(text[i:]); n > 0 {
				written.add(b)
				kinds.backslash = true
			}
		}
	}
	return written, kinds
}

// escapes says which ways of writing a byte are understood. They are tried one
// by one and together, since a value may itself hold what looks like an escape.
type escapes struct{ percent, backslash bool }

// match returns how many bytes of the text's start write the value, or 0.
func (e escapes) match(text, value string) int {
	at := 0
	for j := 0; j < len(value); {
		b, n := e.decode(text[at:])
		switch {
		case n > 0 && b == value[j] && b != '\\':
			at, j = at+n, j+1
		case e.backslash && at < len(text) && text[at] == '\\':
			n, m := afterBackslashes(text[at:], value[j:])
			if m == 0 {
				return 0
			}
			at, j = at+n, j+m
		case n > 0 && b == value[j]:
			at, j = at+n, j+1
		case at < len(text) && text[at] == value[j]:
			at, j = at+1, j+1
		default:
			return 0
		}
	}
	return at
}

// afterBackslashes compares a run of backslashes in the text, and the byte
// behind it, with the value, and returns how many bytes of both are the same
// thing, or 0. How long the run is does not count: JSON in JSON in JSON doubles
// it each time.
func afterBackslashes(text, value string) (n, m int) {
	n, m = skip(text, `\`), skip(value, `\`)
	if n < m {
		return 0, 0
	}
	if m == len(value) {
		return n, m
	}
	if m > 0 && n < len(text) && text[n] == value[m] {
		return n + 1, m + 1
	}
	if b, length := backslashedByte(text[n-1:]); length > 0 && b == value[m] {
		return n - 1 + length, m + 1
	}
	return 0, 0
}

// backslashedByte is backslashed for what may end too early.
func backslashedByte(text string) (byte, int) {
	if len(text) < 2 {
		return 0, 0
	}
	return backslashed(text)
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
	case e.backslash && text[0] == '\\':
		return backslashedByte(text)
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
