package pipeline

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/render"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
	"github.com/cofferdam-bot/cofferdam/security/session"
)

// pass is what an update brings along to the gate that stands before each host
// call.
func (p *Pipeline) pass(ctx context.Context, t *passage) *capability.Pass {
	pass := &capability.Pass{
		Admin: t.role >= access.Admin, Durable: t.recorded && p.Writable(), Borrowed: t.borrowed, Confirmed: t.approved, Trace: t.trace,
		Private: t.update.Chat.Private, Revealed: t.from.Revealed,
		Session: p.locked(func() bool { return p.sessions.Live(t.key(), p.Now()) }),
		Reach:   func() capability.Reach { return p.Reach(t.update.From.ID) },
	}
	pass.Still = func() bool {
		return p.decide(t).Role >= access.Admin && p.locked(func() bool { return p.sessions.Live(t.key(), p.Now()) })
	}
	if t.update.Kind == chat.Tap {
		pass.Fresh = func() bool { return p.tapIsFresh(ctx, t) }
	}
	return pass
}

// tapIsFresh answers the tap, which Telegram permits for some seconds only, and
// so tells its age, which Telegram does not date (A7). A tap that was answered
// before, because its work takes long, was fresh then, and is for a minute.
func (p *Pipeline) tapIsFresh(ctx context.Context, t *passage) bool {
	if p.Now().Sub(t.entered) >= session.ConfirmLifetime {
		return false
	}
	t.answer.Do(func() { p.answerQuery(ctx, t, "", false) })
	return t.shown
}

// ask asks the user for what a call needs, and keeps the command.
func (p *Pipeline) ask(ctx context.Context, t *passage, question *capability.Asked) outcome {
	kept := command{
		route: t.route, view: t.update.MessageID, thread: t.update.Chat.Thread, inPlace: t.inPlace, borrowed: t.borrowed, from: t.from, way: t.way,
	}
	if t.inPlace {
		kept.view = t.target() // it may be another message that now stands in its place
	}
	kept.media = t.update.Media && kept.view == t.update.MessageID
	if question.Verdict == capability.AskConfirm {
		return p.askConfirmation(ctx, t, kept, question.Act)
	}
	return p.askCode(ctx, t, kept, question.Act)
}

// askCode asks for a code, unless none could be right.
func (p *Pipeline) askCode(ctx context.Context, t *passage, kept command, act capability.Act) outcome {
	standing, err := p.SecondFactor.Standing(t.person(), p.Now())
	if err != nil {
		return p.factorFailed(ctx, t, err)
	}
	p.guard.Lock()
	state := p.sessions.State(t.key(), !standing.BlockedUntil.IsZero(), p.Now())
	p.guard.Unlock()
	t.log.Info("a code is needed", zap.String("event", "session.needed"), zap.Stringer("state", state))
	switch {
	case state == session.Blocked:
		p.tell(ctx, t, blockedText(standing.BlockedUntil, p.Now(), p.Zone))
		return refused
	case !standing.Enrolled && !standing.Pending:
		p.tell(ctx, t, notEnrolledText(act, t.update.Chat.Private))
		return refused
	}
	id, err := p.Sender.Send(ctx, t.update.Chat.Address(), p.compose(codePrompt(act, t.route.Module, standing, t.update.Chat.Private)))
	if err != nil {
		return p.undelivered(ctx, t, err)
	}
	p.deleteLater(ctx, t, id, session.PromptLifetime)
	kept.prompt = id
	p.guard.Lock()
	before, replaced := p.sessions.Wait(t.key(), kept, p.Now())
	p.guard.Unlock()
	if replaced {
		p.deleteLater(ctx, t, before.prompt, 0)
	}
	return asked
}

// confirmation is a command that waits for a tap, and what the tap approves.
type confirmation struct {
	command
	act capability.Act
}

// askConfirmation says exactly what will happen to what, and waits for a tap
// (B8).
func (p *Pipeline) askConfirmation(ctx context.Context, t *passage, kept command, act capability.Act) outcome {
	id, err := p.confirmationID()
	if err != nil {
		return p.fail(ctx, t, textInternal, err)
	}
	message, err := p.composeWhole(confirmPrompt(act, t.route.Module))
	if err != nil {
		return p.fail(ctx, t, textInternal, err) // nobody confirms what they cannot see
	}
	p.guard.Lock()
	p.confirmations.Ask(id, t.key(), confirmation{kept, act}, p.Now())
	p.guard.Unlock()
	message.Inline = [][]chat.Button{{
		{Label: actVerb(act) + " " + act.Name, Data: confirmToken(id, true), Style: abi.ButtonDanger},
		{Label: "✖️ Cancel", Data: confirmToken(id, false)},
	}}
	sent, err := p.Sender.Send(ctx, t.update.Chat.Address(), message)
	if err != nil {
		return p.undelivered(ctx, t, err)
	}
	p.guard.Lock()
	p.confirmations.Bind(id, sent)
	p.guard.Unlock()
	p.deleteLater(ctx, t, sent, session.ConfirmLifetime)
	return asked
}

// routeConfirmation answers a tap on such a question.
func (p *Pipeline) routeConfirmation(ctx context.Context, t *passage, id string, yes bool) outcome {
	p.guard.Lock()
	kept, answer := p.confirmations.Take(id, t.key(), t.update.MessageID, p.Now())
	p.guard.Unlock()
	switch answer {
	case session.Foreign:
		p.tell(ctx, t, textButtonOther)
		return refused
	case session.Confirmed:
	default:
		p.tell(ctx, t, textConfirmExpired)
		return refused
	}
	p.deleteLater(ctx, t, t.update.MessageID, 0)
	if !yes {
		t.log.Info("not confirmed", zap.String("event", "confirm.cancelled"), zap.String("target", kept.act.Name))
		t.answerTap(ctx, p, textCancelled, false)
		return answered
	}
	t.resume(kept.command)
	t.approved = &kept.act
	return onward
}

// confirmMark tells a confirmation's token from a keyboard's.
const confirmMark = "?"

// confirmationID makes an id that nobody can guess: 128 random bits.
func (p *Pipeline) confirmationID() (string, error) {
	var bits [16]byte
	if _, err := io.ReadFull(p.Random, bits[:]); err != nil {
		return "", fmt.Errorf("randomness for a confirmation: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(bits[:]), nil
}

func confirmToken(id string, yes bool) string {
	if yes {
		return confirmMark + id + ".y"
	}
	return confirmMark + id + ".n"
}

// readConfirmToken is the inverse of confirmToken. Callback data is untrusted.
func readConfirmToken(data string) (id string, yes, ok bool) {
	rest, ok := strings.CutPrefix(data, confirmMark)
	if !ok {
		return "", false, false
	}
	if id, ok = strings.CutSuffix(rest, ".y"); ok {
		return id, true, true
	}
	id, ok = strings.CutSuffix(rest, ".n")
	return id, false, ok
}

// compose makes a message of the host's own blocks.
func (p *Pipeline) compose(blocks []abi.Block) chat.Message {
	rendered := render.Reply(abi.Reply{Blocks: blocks}, p.Now(), p.Zone, nil)
	if len(rendered.Texts) == 0 {
		return chat.Message{}
	}
	return rendered.Texts[0]
}

// composeWhole is compose for what must not be cut.
func (p *Pipeline) composeWhole(blocks []abi.Block) (chat.Message, error) {
	rendered := render.Reply(abi.Reply{Blocks: blocks}, p.Now(), p.Zone, nil)
	if len(rendered.Texts) != 1 {
		return chat.Message{}, fmt.Errorf("a question of %d messages", len(rendered.Texts))
	}
	return rendered.Texts[0], nil
}

// Sweep removes what expired, and nothing else (B1). Call it every few seconds.
func (p *Pipeline) Sweep() {
	now := p.Now()
	p.guard.Lock()
	expired := p.sessions.Sweep(now)
	p.confirmations.Sweep(now)
	unblocked, forgotten := p.strikes.Expire(now)
	maps.DeleteFunc(p.blocksTold, func(_ session.Key, until time.Time) bool { return !until.After(now) })
	p.guard.Unlock()
	for _, k := range expired {
		p.Log.Info("session expired", zap.String("event", "session.expired"), zap.String("user", scrub.ID(k.User)))
	}
	for _, id := range unblocked {
		p.Log.Info("a block is over", zap.String("event", "access.unblocked"), zap.String("user", scrub.ID(id)))
	}
	for _, id := range forgotten {
		p.Strangers.Forget(id)
	}
}

// Forget ends what users, or chats, hold that lost their rights: sessions, what
// waits for an answer, and the tokens of their buttons.
func (p *Pipeline) Forget(ctx context.Context, picks func(user, chat int64) bool) error {
	p.endSessions(func(k session.Key) bool { return picks(k.User, k.Chat) }, "rights_changed")
	p.chains.drop(func(c *chain) bool { return picks(c.update.From.ID, c.at.chat) })
	_, err := p.Keyboards.DropKeyboards(ctx, func(value []byte) bool {
		k, err := readKeyboard(value)
		return err != nil || picks(k.User, k.Chat)
	})
	if err != nil {
		return errors.Join(errors.New("drop callback tokens"), err)
	}
	return nil
}
