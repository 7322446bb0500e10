package render

import (
	"slices"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

// Rendered is a reply as Telegram gets it.
type Rendered struct {
	// Texts are the messages with text, in order; the last carries the buttons.
	// Nil if the reply has nothing but files or a notice. A reply with a chart is
	// one of them, a photo with the text as its caption.
	Texts []chat.Message
	// Files are documents, sent behind the texts.
	Files []chat.Message
	// Buttons are what the buttons do: the token of Buttons[i] is token(i).
	Buttons []abi.Button
}

// MaxMessages bounds how many messages one reply may take. What is beyond is
// cut, and said to be.
const MaxMessages = 5

// Reply renders a reply that [Parse] has checked. token gives the callback
// data of the nth button. Moments are written in zone.
func Reply(r abi.Reply, now time.Time, zone *time.Location, token func(n int) string) Rendered {
	return reply(r, now, zone, token, 0)
}

// reply leaves so many units of each message free.
func reply(r abi.Reply, now time.Time, zone *time.Location, token func(n int) string, free int) Rendered {
	w := writer{now: now, zone: zone}
	var pieces []piece
	var out Rendered
	var picture *chat.File
	for _, b := range r.Blocks {
		switch b.Kind {
		case abi.BlockFile:
			out.Files = append(out.Files, chat.Message{Document: &chat.File{Name: b.File.Name, Data: b.File.Data}})
			continue
		case abi.BlockChart:
			var words piece
			picture, words = w.picture(*b.Chart, len(r.Blocks) == 1)
			pieces = append(pieces, words)
			continue
		}
		pieces = append(pieces, w.block(b))
	}
	pieces = slices.DeleteFunc(pieces, func(p piece) bool { return p.text == "" })
	in := messages
	if picture != nil {
		in = caption
	}
	in.units -= free
	for _, p := range pack(pieces, in) {
		out.Texts = append(out.Texts, chat.Message{Text: p.text, Entities: p.entities, Photo: picture})
	}
	if picture != nil && len(out.Texts) == 0 {
		out.Texts = []chat.Message{{Photo: picture}}
	}
	if len(r.Keyboard) > 0 {
		// Buttons need a message to stand under.
		if len(out.Texts) == 0 && len(out.Files) == 0 {
			out.Texts = []chat.Message{{Text: "…"}}
		}
		last := &out.Files
		if len(out.Texts) > 0 {
			last = &out.Texts
		}
		(*last)[len(*last)-1].Inline, out.Buttons = keyboard(r.Keyboard, token)
	}
	return out
}

func keyboard(rows [][]abi.Button, token func(int) string) (inline [][]chat.Button, flat []abi.Button) {
	for _, row := range rows {
		var out []chat.Button
		for _, b := range row {
			out = append(out, chat.Button{Label: line(b.Label), Data: token(len(flat)), Style: b.Style})
			flat = append(flat, b)
		}
		inline = append(inline, out)
	}
	return inline, flat
}
