package scrub

import "strings"

// Backup codes of the second factor (B5) have no shape here: five letters, a
// dash and five letters are two words as often as not. They are never logged.

// minBase32 is the length of 160 bits in base32, the least that a TOTP secret
// has (B4).
const minBase32 = 32

// otpauth finds the secret parameter of an otpauth:// address, given the colon,
// plain or escaped, after the word. Inside of one a secret may have any length
// and letter case.
func (f *finder) otpauth(colon int) {
	if colon < f.otpauthEnd || !hasFold(f.text, colon-len("otpauth"), "otpauth") {
		return
	}
	end := strings.IndexAny(f.text[colon:], " \t\r\n\"'<>")
	if end < 0 {
		end = len(f.text) - colon
	}
	f.otpauthEnd = colon + end
	for i := colon; i < f.otpauthEnd; i++ {
		if !hasFold(f.text, i, "secret") {
			continue
		}
		from := i + len("secret")
		to := from
		for to < f.otpauthEnd && (isWord(f.text[to]) || f.text[to] == '=' || f.text[to] == '%') {
			to++
		}
		if from += signLength(f.text[from:to]); from < to {
			f.hide(from, to)
		}
		i = to
	}
}

// signLength is the length of an equals sign, also if it was escaped, however
// often.
func signLength(text string) int {
	if strings.HasPrefix(text, "=") {
		return 1
	}
	if !strings.HasPrefix(text, "%") {
		return 0
	}
	n := 1
	for strings.HasPrefix(text[n:], "25") {
		n += 2
	}
	if hasFold(text, n, "3d") {
		return n + 2
	}
	return 0
}

// base32Secrets finds TOTP secrets: 160 bits or more in upper-case base32,
// standing alone. A run of 32 has a byte at a multiple of 32, so that no others
// need a look.
func (f *finder) base32Secrets() {
	text := f.text
	for i := minBase32 - 1; i < len(text); i += minBase32 {
		if !isBase32(text[i]) {
			continue
		}
		from, to := i, i+1
		for from > 0 && isBase32(text[from-1]) {
			from--
		}
		for to < len(text) && isBase32(text[to]) {
			to++
		}
		if to-from >= minBase32 && !joins(text, from) && (to == len(text) || !isWord(text[to])) {
			for to < len(text) && text[to] == '=' { // padding
				to++
			}
			f.hide(from, to)
		}
		i = max(i, to-to%minBase32-1) // the rest of a long run was looked at
	}
}

func isBase32(c byte) bool { return 'A' <= c && c <= 'Z' || '2' <= c && c <= '7' }

// joins tells whether what begins at i goes on a word that is no escape.
func joins(text string, i int) bool {
	return i > 0 && isWord(text[i-1]) && !afterEscape(text, i)
}
