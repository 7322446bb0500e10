package render

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

const cutNotice = "\n\n… the rest is cut: it is too long for a chat."

// room is what texts have to fit into: so many units in each of so many messages.
type room struct{ units, messages int }

var (
	messages = room{chat.MaxText, MaxMessages}
	caption  = room{chat.MaxCaption, 1}
)

// pack joins pieces to as few messages as will hold them, with a blank line
// between blocks, splitting at block borders where it can.
func pack(pieces []piece, in room) []piece {
	var out []piece
	for _, p := range pieces {
		for len(out) == 0 || p.length > 0 {
			if len(out) > 0 {
				if joined, ok := join(out[len(out)-1], p, in.units); ok {
					out[len(out)-1] = joined
					break
				}
			}
			if len(out) == in.messages {
				return cutOff(out)
			}
			head, tail := p.splitAt(in.units - units(cutNotice))
			out, p = append(out, head), tail
		}
	}
	return out
}

func join(a, b piece, limit int) (piece, bool) {
	gap := "\n\n"
	if a.heading && !b.heading { // what it is over
		gap = "\n"
	}
	if a.length+len(gap)+b.length > limit-units(cutNotice) {
		return a, false
	}
	shift := a.length + len(gap)
	joined := piece{text: a.text + gap + b.text, length: shift + b.length, heading: b.heading}
	joined.entities = append(joined.entities, a.entities...)
	for _, e := range b.entities {
		e.Offset += shift
		joined.entities = append(joined.entities, e)
	}
	return joined, true
}

func cutOff(out []piece) []piece {
	out[len(out)-1].write(cutNotice)
	return out
}

// splitAt cuts a piece in two, the first at most limit units long, at the end
// of a line if there is one. Entities that go over the border are cut too.
func (p piece) splitAt(limit int) (head, tail piece) {
	if p.length <= limit {
		return p, piece{}
	}
	at, bytes := 0, 0
	lineAt, lineBytes := 0, 0
	for i, r := range p.text {
		if at+units(string(r)) > limit {
			break
		}
		at += units(string(r))
		bytes = i + utf8.RuneLen(r)
		if r == '\n' {
			lineAt, lineBytes = at, bytes
		}
	}
	if lineBytes > 0 {
		at, bytes = lineAt, lineBytes
	}
	head = piece{text: p.text[:bytes], length: at, heading: p.heading}
	tail = piece{text: p.text[bytes:], length: p.length - at, heading: p.heading}
	for _, e := range p.entities {
		if left := min(e.Offset+e.Length, at) - e.Offset; left > 0 {
			head.entities = append(head.entities, chat.Entity{Type: e.Type, Offset: e.Offset, Length: left, Language: e.Language})
		}
		if start := max(e.Offset, at); e.Offset+e.Length > start {
			tail.entities = append(tail.entities, chat.Entity{Type: e.Type, Offset: start - at, Length: e.Offset + e.Length - start, Language: e.Language})
		}
	}
	return head.trimmed(), tail.trimmed()
}

// trimmed drops blanks at both ends: Telegram does so, and would count
// entities from another place than we do.
func (p piece) trimmed() piece {
	left := strings.TrimLeftFunc(p.text, unicode.IsSpace)
	lead := units(p.text[:len(p.text)-len(left)])
	text := strings.TrimRightFunc(left, unicode.IsSpace)
	out := piece{text: text, length: units(text), heading: p.heading}
	for _, e := range p.entities {
		start := max(e.Offset-lead, 0)
		end := min(e.Offset-lead+e.Length, out.length)
		if end > start {
			out.entities = append(out.entities, chat.Entity{Type: e.Type, Offset: start, Length: end - start, Language: e.Language})
		}
	}
	return out
}
