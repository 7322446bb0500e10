package scrub

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// Values hides values in a text that came back from where they were sent, and
// nothing else: shapes and addresses are what the text is about. A value is found
// also with escapes, in base64 and in hexadecimal digits. Of the text it returns
// what is within its first limit bytes. The caller passes more if there is more, as
// much as the longest value takes in any of these forms (see [Longest]): then a value
// that begins within the limit is hidden though it ends behind it, and no choice of
// a limit shows the beginning of one.
func Values(text string, values []string, limit int) string {
	k := newKnown(formsOf(values), nil)
	f := finder{text: text}
	var seen byte
	for i := range len(text) {
		c := k.class[text[i]]
		seen |= c
		if c&startsValue != 0 {
			k.valueAt(&f, i)
		}
	}
	if seen&marksEscape != 0 {
		k.escapedIn(&f)
	}
	kept := f.found[:0]
	for _, s := range f.found {
		if s.from < limit {
			kept = append(kept, s)
		}
	}
	covered := 0
	for _, s := range kept {
		covered = max(covered, s.to)
	}
	return cover(text[:max(min(limit, len(text)), covered)], kept)
}

// escapedIn finds what [known.escaped] finds, in a time that grows with the text and
// not with text times values: a server chooses the text, and may fill it with escapes.
func (k *known) escapedIn(f *finder) {
	var first [256][]string // values by their first byte
	for _, v := range k.all {
		first[v.text[0]] = append(first[v.text[0]], v.text)
	}
	behind := behindBackslashes(f.text)
	for at := range len(f.text) {
		c, left := f.text[at], behind[at]-at
		var tried byteSet
		try := func(c byte) {
			if one := byteSetOf(c); !tried.meets(&one) {
				tried.add(c)
				for _, v := range first[c] {
					// How long a run of backslashes is does not count, so it is looked at where
					// as many are left as the value begins with, or one that escapes.
					if left == 0 || left == max(1, skip(v, `\`)) {
						f.escapedAt(at, v)
					}
				}
			}
		}
		try(c)
		switch {
		case c == '%' || c == '+':
			if b, n := (escapes{percent: true}).decode(f.text[at:]); n > 0 {
				try(b)
			}
		case left == 1 && behind[at] < len(f.text):
			try(f.text[at+1])
			if b, n := backslashedByte(f.text[at:]); n > 0 {
				try(b)
			}
		}
	}
}

// escapedAt hides a value that is written with escapes from here on.
func (f *finder) escapedAt(at int, v string) {
	text := f.text[at:min(len(f.text), at+len(`\\u0000`)*(len(v)+minLearned))]
	for _, e := range []escapes{{percent: true}, {backslash: true}, {percent: true, backslash: true}} {
		if n := e.match(text, v); n > 0 {
			f.hide(at, at+n)
		}
	}
}

// behindBackslashes returns for each place the next one without a backslash.
func behindBackslashes(text string) []int {
	behind := make([]int, len(text))
	for at := len(text) - 1; at >= 0; at-- {
		behind[at] = at
		if text[at] == '\\' {
			behind[at] = at + 1
			if at+1 < len(text) {
				behind[at] = behind[at+1]
			}
		}
	}
	return behind
}

func byteSetOf(c byte) (s byteSet) {
	s.add(c)
	return s
}

// Longest is how many bytes a value may take in a text that [Values] reads: each
// byte as \u00XX.
func Longest(values []string) int {
	longest := 0
	for _, v := range values {
		longest = max(longest, len(`\u0000`)*len(v))
	}
	return longest
}

// formsOf returns the values with their encodings.
func formsOf(values []string) []string {
	var all []string
	for _, v := range values {
		if len(v) < minValue {
			continue
		}
		digits := hex.EncodeToString([]byte(v))
		all = append(all, v, digits, strings.ToUpper(digits))
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			for before := range 3 {
				if inner := inBase64(encoding, v, before); len(inner) >= 2*minValue {
					all = append(all, inner)
				}
			}
		}
	}
	return all
}

// inBase64 returns what a value looks like inside of a longer text in base64, when
// so many bytes stand before it: the characters that depend on nothing else.
func inBase64(encoding *base64.Encoding, v string, before int) string {
	text := encoding.EncodeToString([]byte(strings.Repeat("\x00", before) + v))
	first := (before*8 + 5) / 6
	last := (before + len(v)) * 8 / 6
	return text[first:max(first, last)]
}
