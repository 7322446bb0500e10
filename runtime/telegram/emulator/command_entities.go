package emulator

import (
	"unicode"
	"unicode/utf8"
)

// commandEntities finds bot commands in what a person wrote, as Telegram does: a slash that follows neither a word
// character nor one of / < >, then 1–64 of [A-Za-z0-9_], then optionally @ and a username of 3–32, and after it
// neither a word character nor one of / < >. Offsets are in UTF-16 units.
func commandEntities(text string) []Entity {
	var found []Entity
	for at := 0; at < len(text); at++ {
		if text[at] != '/' {
			continue
		}
		end := commandEnd(text, at)
		if end == 0 {
			continue
		}
		found = append(found, Entity{Type: "bot_command", Offset: utf16Len(text[:at]), Length: end - at})
		at = end - 1
	}
	return found
}

// commandEnd gives the byte offset after the command whose slash is at, or 0 if none begins there. A command is ASCII,
// so that its bytes are its UTF-16 units.
func commandEnd(text string, at int) int {
	if before, _ := utf8.DecodeLastRuneInString(text[:at]); at > 0 && glues(before) {
		return 0
	}
	end := wordEnd(text, at+1)
	if n := end - at - 1; n < 1 || n > 64 {
		return 0
	}
	if end < len(text) && text[end] == '@' {
		if tail := wordEnd(text, end+1); tail-end-1 >= 3 && tail-end-1 <= 32 {
			end = tail
		}
	}
	if after, _ := utf8.DecodeRuneInString(text[end:]); end < len(text) && glues(after) {
		return 0
	}
	return end
}

func wordEnd(text string, at int) int {
	for at < len(text) && asciiWord(text[at]) {
		at++
	}
	return at
}

func asciiWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func glues(r rune) bool {
	return r == '/' || r == '<' || r == '>' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r)
}
