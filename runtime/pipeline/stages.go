package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/render"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// fresh stops what is too old to act upon (A7). Telegram does not date taps:
// for them the time in our own queue counts.
func (p *Pipeline) fresh(ctx context.Context, t *passage) outcome {
	since := t.update.Sent
	if since.IsZero() {
		since = t.entered
	}
	if p.Now().Sub(since) <= p.MaxAge {
		return onward
	}
	if p.decide(t).Allowed {
		p.tell(ctx, t, textExpired)
	}
	return expired
}

func (p *Pipeline) decide(t *passage) access.Decision {
	return p.Access.Decide(t.update.From.ID, t.update.Chat.ID, t.update.Chat.Private)
}

// limit bounds how much one user may ask (A8). The first refusal is told.
func (p *Pipeline) limit(ctx context.Context, t *passage) outcome {
	p.guard.Lock()
	verdict := p.UserLimit.Add(t.update.From.ID, t.typedAt(p.Now()))
	p.guard.Unlock()
	if verdict.Allowed {
		return onward
	}
	t.log.Info("too many updates", zap.String("event", "ratelimit.exceeded"))
	if verdict.Tell {
		p.tell(ctx, t, textSlowDown)
	}
	return limited
}

// typedAt is when the user sent a message: what waited while the bot was away
// was not typed all at once.
func (t *passage) typedAt(now time.Time) time.Time {
	if sent := t.update.Sent; !sent.IsZero() && sent.Before(now) {
		return sent
	}
	return now
}

// route finds the module and the command.
func (p *Pipeline) route(ctx context.Context, t *passage) outcome {
	if t.update.Kind == chat.Tap {
		return p.routeTap(ctx, t)
	}
	if p.isCode(ctx, t) {
		t.own, t.route.Who = (*Pipeline).code, abi.WhoAdmin
		return onward
	}
	route, found, addressed := p.Modules.ByText(ctx, t.update.Text)
	switch {
	case found && route.Module == "":
		t.route, t.own = route, own[route.Command]
		return onward
	case found && t.role >= access.Admin && (isBareCode(route.Text) || p.Modules.DropIn(route.Module) && isSpacedCode(route.Text)):
		// A module could ask for one.
		p.deleteCode(ctx, t)
		p.tell(ctx, t, textCodeAlone)
		return refused
	case found:
		t.route = route
		return onward
	case !addressed && !t.update.Chat.Private:
		// People talk to each other in groups.
		return ignored
	}
	p.tell(ctx, t, textUnknown)
	return unknown
}

// routeTap finds what stands behind a callback token. Callback data is
// untrusted: it may come from a button that the bot never sent (Bot API).
func (p *Pipeline) routeTap(ctx context.Context, t *passage) outcome {
	if id, yes, ok := readConfirmToken(t.update.Data); ok {
		return p.routeConfirmation(ctx, t, id, yes)
	}
	p.awaitPost(ctx, t.update.Data)
	button, from, problem := p.button(t)
	switch {
	case problem == textButtonExpired && from.id != "":
		p.offerAnew(ctx, t, from, problem)
		return refused
	case problem != "":
		p.tell(ctx, t, problem)
		return refused
	}
	t.inPlace = from.Message == t.update.MessageID
	p.chains.end(t.place()) // what the user wants now comes after it
	if button.Back && p.back(t, from) {
		return onward
	}
	route, found := chat.Route{Module: from.Module, Action: button.Action, Args: button.Args, Who: from.Who}, p.Modules.Has(from.Module)
	if button.Command != "" {
		route, found = p.Modules.ByCommand(button.Command)
	}
	if !found || button.Command == "" && button.Action == "" {
		p.buttonIsDead(ctx, t, from)
		return unknown
	}
	if button.Command != "" {
		if route.Module == "" {
			// The host's own commands are typed: a button that shows a secret
			// could say anything.
			p.tell(ctx, t, textButtonDead)
			return refused
		}
		route.Text = button.Text
		t.borrowed = route.Module != from.Module
	}
	t.leadsTo(from, route)
	return onward
}

// buttonIsDead answers a tap whose module or command is gone.
func (p *Pipeline) buttonIsDead(ctx context.Context, t *passage, from keyboard) {
	if t.inPlace {
		p.offerAnew(ctx, t, from, textButtonDead)
		return
	}
	p.tell(ctx, t, textButtonDead)
}

// gate lets a role run a command, or not. What else a call needs is decided
// when its capability is used.
func (p *Pipeline) gate(ctx context.Context, t *passage) outcome {
	if mayRun(t.route.Who, t.role) {
		return onward
	}
	t.log.Warn("refused", zap.String("event", "access.denied"), zap.String("reason", "role"), zap.String("command", t.route.Command))
	p.Counts.Denied("role")
	p.record(ctx, t, audit.Entry{Event: "access.denied", Module: t.route.Module, Decision: "deny", Reason: "role"})
	p.tell(ctx, t, textNotForYou)
	return refused
}

func mayRun(who string, role access.Role) bool {
	switch who {
	case abi.WhoAnybody:
		return true
	case abi.WhoUser:
		return role >= access.User
	case abi.WhoAdmin:
		return role >= access.Admin
	}
	return false
}

// invoke runs what the update asks for: one of the host's own commands, or a
// module's.
func (p *Pipeline) invoke(ctx context.Context, t *passage) outcome {
	if t.own == nil {
		// A module that is still being compiled has not started the command: if
		// the process dies meanwhile, the next one runs it.
		p.await(ctx, t)
		if ctx.Err() != nil {
			return unfinished
		}
	}
	if t.own == nil && p.Modules.OnlyReads(t.route.Module) {
		// Nothing is done before the answer is sent, so the disk has until then.
		started := make(chan error, 1)
		go func() { started <- p.Journal.Started(ctx, t.update.ID) }()
		t.started, t.reads = started, true
		defer func() { t.journalled() }() // what comes afterwards must not overtake it
		return p.runModule(ctx, t)
	}
	if end := p.began(ctx, t, p.Journal.Started(ctx, t.update.ID)); end != onward {
		return end
	}
	if t.own != nil {
		if end := t.own(p, ctx, t); end != onward {
			return end
		}
		// A code came, and the command that waited for it runs now.
		if end := p.gate(ctx, t); end != onward {
			return end
		}
	}
	return p.runModule(ctx, t)
}

// journalled waits until the journal has the command as started, or could not,
// if that is not known yet.
func (t *passage) journalled() (waited bool, err error) {
	if t.started == nil {
		return false, nil
	}
	err = <-t.started
	t.started = nil
	return true, err
}

// began takes note of whether the journal has the command as started.
func (p *Pipeline) began(ctx context.Context, t *passage, err error) outcome {
	if err == nil {
		t.recorded = t.handled == nil // which is there for what no journal has
		return onward
	}
	t.log.Error("the journal cannot be written", zap.String("event", "store.error"), zap.Error(err))
	// What only reads may go on: to do it twice after a crash harms nobody. Its
	// pass lets nothing act.
	if p.Writable() || ctx.Err() != nil {
		p.tell(ctx, t, textInternal)
		return failed
	}
	return onward
}

// await and runWatched show that the bot is busy, also if what they wait for
// panics.
func (p *Pipeline) await(ctx context.Context, t *passage) {
	defer p.showWork(ctx, t)()
	p.Modules.Await(ctx, t.route.Module)
}

func (p *Pipeline) runWatched(ctx context.Context, t *passage, request []byte) (abi.Code, []byte, error) {
	defer p.showWork(ctx, t)()
	t.pass = p.pass(ctx, t)
	t.pass.Progress = t.work.tell
	return p.Modules.Invoke(ctx, t.route.Module, t.actor(), t.pass, t.log, request)
}

func (t *passage) actor() abi.Actor {
	return abi.Actor{ID: t.update.From.ID, Role: t.role.String(), Name: t.update.From.FirstName}
}

func (t *passage) request(now time.Time) abi.Request {
	return abi.Request{
		Version: abi.Version, Command: t.route.Command, Action: t.route.Action, Args: t.route.Args, Text: t.route.Text,
		Actor: t.actor(), Chat: abi.Chat{ID: t.update.Chat.ID, Private: t.update.Chat.Private}, Time: now.UnixMilli(),
	}
}

// runModule runs the module and reads its reply.
func (p *Pipeline) runModule(ctx context.Context, t *passage) outcome {
	request, err := json.Marshal(t.request(p.Now()))
	if err != nil {
		return p.fail(ctx, t, textInternal, err)
	}
	code, reply, err := p.runWatched(ctx, t, request)
	if waited, err := t.journalled(); waited {
		if end := p.began(ctx, t, err); end != onward {
			return end
		}
	}
	var question *capability.Asked
	switch {
	case errors.As(err, &question):
		return p.ask(ctx, t, question)
	case err != nil:
		return p.fail(ctx, t, p.endText(err, t.route.Module), err)
	}
	if code != abi.OK {
		t.note = true
		t.log.Info("the module could not do it", zap.String("event", "command.refused"), zap.Stringer("code", code))
		if len(reply) == 0 {
			return p.fail(ctx, t, codeText(code), errors.New("no reply"))
		}
	}
	if t.reply, err = render.Parse(reply); err != nil {
		return p.fail(ctx, t, textBadReply, err)
	}
	return onward
}

func (p *Pipeline) fail(ctx context.Context, t *passage, text string, err error) outcome {
	if ctx.Err() != nil {
		return unfinished
	}
	event := "command.failed"
	if code := faultCode(err); code == abi.Limit || code == abi.Timeout {
		event = "limit.exceeded"
	}
	t.log.Warn("a command failed", zap.String("event", event), zap.String("module", t.route.Module), zap.Error(err))
	p.tell(ctx, t, text)
	return failed
}

// tellInterrupted reports a command that a restart cut short, in the chat: a
// tap can hardly be answered any more, and this must not vanish. Whoever began
// a command was let in then, so nobody is asked for again.
func (p *Pipeline) tellInterrupted(ctx context.Context, t *passage) outcome {
	p.endKilledWork(ctx, t)
	_, err := p.Sender.Send(ctx, t.update.Chat.Address(), chat.Message{Text: textInterrupted})
	if err != nil {
		return p.undelivered(ctx, t, err)
	}
	return interrupted
}
