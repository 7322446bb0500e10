package pipeline

import (
	"cmp"
	"context"
	"slices"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

// visit is a request that made a view, so that it can be made anew: for a way
// back, or when the view's buttons have expired. Only the host writes them.
type visit struct {
	Module  string            `json:"module"`
	Command string            `json:"command,omitempty"`
	Action  string            `json:"action,omitempty"`
	Args    map[string]string `json:"args,omitempty"`
	Text    string            `json:"text,omitempty"`
	Who     string            `json:"who"`
}

// Bounds of the way back that a view's buttons carry.
const (
	maxOrigins   = 8
	maxWay       = 4 << 10 // bytes of all its visits
	maxVisitSize = 3 << 10 // bytes of one: the arguments of a button, and some
)

// visitOf returns what a route was; nil if it is too long to be kept, or asked for
// nothing: then it is of a message that came unasked.
func visitOf(r chat.Route) *visit {
	if r.Command == "" && r.Action == "" {
		return nil
	}
	v := &visit{Module: r.Module, Command: r.Command, Action: r.Action, Args: r.Args, Text: r.Text, Who: r.Who}
	if v.size() > maxVisitSize {
		return nil
	}
	return v
}

func (v visit) route() chat.Route {
	return chat.Route{Module: v.Module, Command: v.Command, Action: v.Action, Args: v.Args, Text: v.Text, Who: v.Who}
}

// size is about what the visit takes in the store, in bytes.
func (v visit) size() int {
	const names = 80
	n := names + len(v.Module) + len(v.Command) + len(v.Action) + len(v.Text) + len(v.Who)
	for name, value := range v.Args {
		n += len(name) + len(value) + 6
	}
	return n
}

// name is what a button calls the place that it leads to.
func (v visit) name() string { return cmp.Or(v.Command, v.Module) }

// way is where a view was come from, the nearest first.
type way []visit

// from is the way of a view that was reached from another one, whose own way
// this is. What is farthest is forgotten first.
func (w way) from(v *visit) way {
	if v == nil {
		return w
	}
	longer := append(way{*v}, w...)
	longer = longer[:min(len(longer), maxOrigins)]
	size := 0
	for i, v := range longer {
		if size += v.size(); size > maxWay {
			return longer[:i]
		}
	}
	return longer
}

// leadsTo takes note of where a tap on a view leads: within its module the way
// back stays; another module's view in its place has this one behind it.
func (t *passage) leadsTo(from keyboard, route chat.Route) {
	t.route, t.from = route, from.trace()
	switch {
	case !t.inPlace:
		t.way = nil
	case route.Module == from.Module:
		t.way = from.Way
	default:
		t.way = from.Way.from(from.Visit)
	}
}

// trace is what a keyboard tells of its view, without its buttons.
func (k keyboard) trace() keyboard {
	return keyboard{Module: k.Module, Who: k.Who, Visit: k.Visit, Way: k.Way, Revealed: k.Revealed}
}

// back leads to the view from which the user came, if there is one that can
// still be made. The role is asked for again, as for any other tap. What is done
// on the way would be done without having been asked for, so each act is
// confirmed, as for a button of another module.
func (p *Pipeline) back(t *passage, from keyboard) bool {
	for i, v := range from.Way {
		route, there := p.revisit(v)
		if !there {
			continue
		}
		t.route, t.from, t.borrowed = route, from.trace(), true
		t.way = slices.Clone(from.Way[i+1:])
		return true
	}
	return false
}

// revisit returns the route of a visit, if what made it is still there. Who may
// run a command is asked anew.
func (p *Pipeline) revisit(v visit) (chat.Route, bool) {
	route := v.route()
	if v.Command == "" {
		return route, p.Modules.Has(v.Module)
	}
	now, found := p.Modules.ByCommand(v.Command)
	if !found || now.Module == "" || now.Module != v.Module {
		return chat.Route{}, false
	}
	route.Who = now.Who
	return route, true
}

// visited is what made the view that is being shown: the request, unless that
// did something, since nobody may do that again by going back. Then it is what
// made the view from which it was asked for.
func (t *passage) visited() *visit {
	if t.approved != nil || t.pass != nil && t.pass.Acted {
		return t.from.Visit
	}
	return visitOf(t.route)
}

// wayOut is buttons that lead on from a message of the host's own in the place
// of a view: back to it, if it is known, else to where everybody begins.
func (p *Pipeline) wayOut(t *passage, from keyboard, label string) keyboard {
	k := keyboard{Module: from.Module, Who: from.Who, User: t.update.From.ID, Chat: t.update.Chat.ID, Revealed: from.Revealed}
	known := from.Way.from(from.Visit)
	if slices.ContainsFunc(known, func(v visit) bool { _, there := p.revisit(v); return there }) {
		k.Way, k.Buttons = known, []abi.Button{{Label: label, Back: true}}
		return k
	}
	for _, b := range entrances {
		if route, found := p.Modules.ByCommand(b.Command); found && route.Module != "" && mayRun(route.Who, t.role) {
			k.Buttons = append(k.Buttons, b)
		}
	}
	return k
}

// entrances are where a user begins who has lost the way. The label names what
// is behind it.
var entrances = []abi.Button{
	{Label: "🖥 Server", Command: "server"}, {Label: "🐳 Docker", Command: "docker"}, {Label: "❓ Help", Command: "help"},
}

// put shows a message of the host's own with a way out in the place of another
// one.
func (p *Pipeline) put(ctx context.Context, t *passage, message int, m chat.Message, k keyboard) error {
	id, err := p.keyboardID()
	if err != nil {
		return err
	}
	k.id, k.Message, m.Inline = id, message, nil
	for n, b := range k.Buttons {
		m.Inline = append(m.Inline, []chat.Button{{Label: b.Label, Data: token(id, n)}})
	}
	if len(k.Buttons) > 0 {
		if err := p.keep(ctx, k, true); err != nil {
			return err
		}
	}
	shown, err := p.Sender.Edit(ctx, t.update.Chat.Address(), message, t.over(message, m))
	if err == nil && shown != message && len(k.Buttons) > 0 {
		k.Message = shown
		err = p.keep(ctx, k, true)
	}
	return err
}

// offerAnew says that a button does nothing any more, and puts a way in again in
// the place of its view.
func (p *Pipeline) offerAnew(ctx context.Context, t *passage, from keyboard, problem string) {
	p.tell(ctx, t, problem)
	p.chains.end(t.place())
	text := textViewExpired
	if problem == textButtonDead {
		text = textViewDead
	}
	if err := p.put(ctx, t, t.update.MessageID, chat.Message{Text: text}, p.wayOut(t, from, labelAgain)); err != nil && ctx.Err() == nil {
		t.log.Info("a view that expired stays as it is", zap.String("event", "telegram.send"), zap.Error(err))
	}
}
