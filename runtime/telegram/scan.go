package telegram

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// The functions of this file find their way through JSON by brackets and quotes
// only. They understand all that is valid, go on where encoding/json gives up
// (a wrong escape, nesting beyond its limit, a missing end), and do not recurse.

// maxUpdateID is the greatest update_id that is believed: the greatest integer
// that every JSON reader understands. Telegram's are below 2^31.
const maxUpdateID = 1 << 53

// updateID reads an update's id; ok is false if there is none, or one that
// cannot be Telegram's.
func updateID(raw []byte) (id int64, ok bool) {
	value, whole := field(raw, "update_id")
	if !whole {
		return 0, false
	}
	id, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || id <= 0 || id > maxUpdateID {
		return 0, false
	}
	return id, true
}

// field returns the value of an object's first field of that name. It is whole
// if the text goes on behind it.
func field(object []byte, name string) (value []byte, whole bool) {
	rest := blank(object)
	if len(rest) == 0 || rest[0] != '{' {
		return nil, false
	}
	for rest = blank(rest[1:]); len(rest) > 0 && rest[0] == '"'; rest = blank(rest) {
		key := rest[:stringEnd(rest)]
		rest = blank(rest[len(key):])
		if len(rest) == 0 || rest[0] != ':' {
			return nil, false
		}
		rest = blank(rest[1:])
		n := valueEnd(rest)
		if string(key) == `"`+name+`"` {
			return rest[:n], n < len(rest)
		}
		rest = blank(rest[n:])
		if len(rest) == 0 || rest[0] != ',' {
			return nil, false
		}
		rest = rest[1:]
	}
	return nil, false
}

// elements cuts updates out of a text by their beginnings: whatever is wrong
// with one, the next is found. What stands between them is dropped. rest is the
// last one if it has no end.
func elements(text []byte) (found []json.RawMessage, rest []byte) {
	starts := updateStarts(text)
	for i, start := range starts {
		last := i+1 == len(starts)
		until := len(text)
		if !last {
			until = starts[i+1]
		}
		update := text[start:until]
		n := nestedEnd(update)
		if last && n == len(update) && !json.Valid(update) {
			return found, update
		}
		found = append(found, json.RawMessage(update[:n]))
	}
	return found, nil
}

// updateStarts finds each {"update_id": of a text. That cannot stand inside a
// string of valid JSON, where quotes are escaped.
func updateStarts(text []byte) []int {
	var starts []int
	name := []byte(`"update_id"`)
	for from := 0; ; {
		i := bytes.Index(text[from:], name)
		if i < 0 {
			return starts
		}
		before := bytes.TrimRight(text[from:from+i], whitespace)
		after := blank(text[from+i+len(name):])
		if bytes.HasSuffix(before, []byte("{")) && bytes.HasPrefix(after, []byte(":")) {
			starts = append(starts, from+len(before)-1)
		}
		from += i + len(name)
	}
}

// valueEnd is the length of the value at the start of the text, or the length
// of the text if the value has no end.
func valueEnd(text []byte) int {
	if len(text) == 0 {
		return 0
	}
	switch text[0] {
	case '"':
		return stringEnd(text)
	case '{', '[':
		return nestedEnd(text)
	}
	if n := bytes.IndexAny(text, ",]}"+whitespace); n >= 0 {
		return n
	}
	return len(text)
}

// nestedEnd counts brackets without telling their kinds apart.
func nestedEnd(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += stringEnd(text[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

// stringEnd is the length of the string, quotes included.
func stringEnd(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

const whitespace = " \t\r\n"

func blank(text []byte) []byte { return bytes.TrimLeft(text, whitespace) }
