package render

import (
	"strings"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// maxShownName bounds a module's name in its line, in characters; a manifest's is
// at most as long.
const maxShownName = 32

// NameLine is the line with which the host says whose words these are: "🧩 uptime".
// Everything that a module from elsewhere says carries it, and nothing that the
// host itself says does. So no module can pass its words off as the host's.
func NameLine(module string) string { return "🧩 " + foreign.Line(module, maxShownName) }

// A message that is higher than a phone's screen has the line below its text too:
// else its end could be taken for a message of its own.
const (
	tallUnits = 600
	tallLines = 12
)

// ReplyOf is [Reply] for a module from elsewhere: each of the messages begins with
// its name line.
func ReplyOf(module string, r abi.Reply, now time.Time, zone *time.Location, token func(n int) string) Rendered {
	name := NameLine(module)
	out := reply(r, now, zone, token, 2*units("\n\n"+name))
	for _, list := range [][]chat.Message{out.Texts, out.Files} {
		for i, m := range list {
			list[i] = named(m, name)
		}
	}
	return out
}

// named puts the line above a message's text, and below it if that is tall.
func named(m chat.Message, name string) chat.Message {
	if m.Text == "" {
		m.Text, m.Entities = name, []chat.Entity{bold(0, name)}
		return m
	}
	shift := units(name + "\n")
	entities := []chat.Entity{bold(0, name)}
	for _, e := range m.Entities {
		e.Offset += shift
		entities = append(entities, e)
	}
	tall := units(m.Text) > tallUnits || strings.Count(m.Text, "\n") >= tallLines
	m.Text = name + "\n" + m.Text
	if tall {
		at := units(m.Text + "\n\n")
		m.Text += "\n\n" + name
		entities = append(entities, bold(at, name))
	}
	m.Entities = entities
	return m
}

func bold(offset int, text string) chat.Entity {
	return chat.Entity{Type: "bold", Offset: offset, Length: units(text)}
}
