package pipeline

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/render"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// What a module from elsewhere says carries its name, written by the host: its
// messages, captions, pop-ups and what it says while it works. What the host
// itself says never carries such a line, so nothing that a module says can be
// taken for the host's question for a code or a confirmation.

// rendered makes messages of a module's reply.
func (p *Pipeline) rendered(module string, reply abi.Reply, token func(int) string) render.Rendered {
	if p.Modules.DropIn(module) {
		return render.ReplyOf(module, reply, p.Now(), p.Zone, token)
	}
	return render.Reply(reply, p.Now(), p.Zone, token)
}

// signed is a module's own sentence with its name line; nothing stays nothing.
func (p *Pipeline) signed(module, text string) string {
	text = foreign.Text(text)
	if text == "" || !p.Modules.DropIn(module) {
		return text
	}
	return render.NameLine(module) + "\n" + text
}
