package pipeline

import (
	"context"
	"errors"
	"time"
	"unicode/utf16"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// render makes messages of the reply. Tokens are kept before the message that
// carries them goes out, so that no tap can be early.
func (p *Pipeline) render(ctx context.Context, t *passage) outcome {
	if p.decide(t).Role < t.role {
		// Rights were taken away while this ran: what it found is not shown any
		// more, and its buttons would outlive the removal.
		t.hush()
		return refused
	}
	id, err := p.keyboardID()
	if err != nil {
		return p.fail(ctx, t, textInternal, err)
	}
	t.rendered = p.rendered(t.route.Module, t.reply, func(n int) string { return token(id, n) })
	if len(t.rendered.Files) > 0 && t.revealed() != "" && !t.update.Chat.Private {
		return p.withhold(ctx, t)
	}
	if len(t.rendered.Buttons) == 0 {
		return onward
	}
	t.keyboard = keyboard{
		id: id, Module: t.route.Module, Who: t.route.Who, User: t.update.From.ID, Chat: t.update.Chat.ID, Buttons: t.rendered.Buttons,
		Visit: t.visited(), Way: t.way, Revealed: t.revealed(),
	}
	if t.edits() && len(t.rendered.Texts) == 1 {
		t.keyboard.Message = t.target()
	}
	switch err := p.keep(ctx, t.keyboard, t.reads); {
	case errors.Is(err, errKeyboardSize):
		return p.fail(ctx, t, textBadReply, err)
	case err != nil:
		return p.fail(ctx, t, textInternal, err)
	}
	return onward
}

// revealed is what was read for which a session is needed, by this request or by
// the one whose buttons led here; empty: nothing.
func (t *passage) revealed() capability.Name {
	if t.pass == nil {
		return t.from.Revealed
	}
	return t.pass.Revealed
}

// withhold sends no file into a group that what was read may stand in: a file is
// saved and passed on more easily than a view, and members come and go (A5).
func (p *Pipeline) withhold(ctx context.Context, t *passage) outcome {
	t.log.Warn("a file is not sent into a group", zap.String("event", "capability.denied"),
		zap.String("capability", string(t.revealed())), zap.String("reason", capability.ReasonPrivate))
	p.record(ctx, t, audit.Entry{
		Event: "capability.denied", Module: t.route.Module, Capability: string(t.revealed()), Decision: "deny", Reason: capability.ReasonPrivate,
	})
	p.tell(ctx, t, textPrivateFile)
	return refused
}

// edits reports whether the reply takes the place of the view that was tapped,
// or of what was shown meanwhile. A menu and a note come as messages of their own.
func (t *passage) edits() bool { return t.target() != 0 && t.reply.Menu == "" && !t.note }

// send delivers the reply: a view that was tapped is edited in place, anything
// else is sent.
func (p *Pipeline) send(ctx context.Context, t *passage) outcome {
	texts := t.rendered.Texts
	if t.note && len(texts) > 0 && t.work.message != 0 {
		p.noteInstead(ctx, t, chat.Message{Text: texts[0].Text, Entities: texts[0].Entities})
		return failed
	}
	if t.note && len(texts) > 0 && t.answerTap(ctx, p, texts[0].Text, true) {
		return failed // the view stays as it is, with its buttons
	}
	// The answer to the tap need not wait for the chat's queue. What nobody saw
	// there, since it came too late or nothing was tapped, is a message.
	if notice := p.signed(t.route.Module, t.reply.Notice); !t.answerTap(ctx, p, notice, false) && notice != "" {
		texts = append([]chat.Message{{Text: notice}}, texts...)
	}
	if t.reply.Menu != "" && len(texts) > 0 {
		texts[len(texts)-1].Keyboard = p.Modules.Menu(t.reply.Menu, t.role.String())
	}
	all := append(texts, t.rendered.Files...)
	view := len(texts) - len(t.rendered.Texts) // where the reply's own begin
	if view == len(all) && t.work.own {
		view = 0 // nothing but a notice
	}
	followed, message := -1, 0
	for i, m := range all {
		isView := i < len(texts) || m.Photo != nil
		id, err := p.deliver(ctx, t, m, t.edits() && i == view && isView)
		if err != nil {
			return p.undelivered(ctx, t, err)
		}
		if isView {
			followed, message = i, id
		}
	}
	if t.note {
		return failed
	}
	if t.reply.Again != nil && followed >= 0 && t.role >= access.User {
		// A stranger's message is not followed up: it would take a user's place.
		p.follow(t, message, all[followed])
	}
	return onward
}

// fileLifetime is how long a file stays that what was read within a session may
// stand in (B6).
const fileLifetime = 30 * time.Second

// deliver sends a message, or puts it into the place of the view or of what was
// shown meanwhile.
func (p *Pipeline) deliver(ctx context.Context, t *passage, m chat.Message, edit bool) (id int, err error) {
	to := t.update.Chat.Address()
	if edit {
		at := t.target()
		p.chains.end(place{to.Chat, at})
		if id, err = p.Sender.Edit(ctx, to, at, t.over(at, m)); err == nil {
			p.replaced(t)
		}
	} else {
		id, err = p.Sender.Send(ctx, to, m)
	}
	if err != nil {
		return 0, err
	}
	p.bind(ctx, t, m, id)
	stays := time.Duration(t.reply.DeleteAfter) * time.Second
	if m.Document != nil && t.revealed() != "" && (stays == 0 || stays > fileLifetime) {
		stays = fileLifetime // whatever the module says
	}
	switch {
	case stays > 0:
		p.deleteLater(ctx, t, id, stays)
	case t.note:
		p.deleteLater(ctx, t, id, noteLifetime)
	}
	return id, nil
}

// bind ties the buttons to the message that carries them, before anything else
// of this chat is handled: a token sent along with another message's id must
// not change that message.
func (p *Pipeline) bind(ctx context.Context, t *passage, m chat.Message, id int) {
	if len(m.Inline) == 0 || t.keyboard.Message == id {
		return
	}
	t.keyboard.Message = id
	// It is tied in memory at once. If the process dies before it is on disk, the
	// tokens are still those of this user in this chat.
	if err := p.keep(ctx, t.keyboard, true); err != nil {
		t.log.Warn("a keyboard is not tied to its message", zap.String("event", "store.error"), zap.Error(err))
		return
	}
	// Whoever takes rights away changes the lists and then drops what was kept. If
	// that came before this, it is dropped here.
	if p.decide(t).Role < t.role {
		if err := p.Forget(ctx, func(user, chat int64) bool { return user == t.keyboard.User && chat == t.keyboard.Chat }); err != nil {
			t.log.Error("buttons of a user without rights stay", zap.String("event", "store.error"), zap.Error(err))
		}
	}
}

func (p *Pipeline) undelivered(ctx context.Context, t *passage, err error) outcome {
	if ctx.Err() != nil {
		return unfinished
	}
	t.log.Warn("an answer could not be delivered", zap.String("event", "telegram.send"), zap.Error(err))
	// If Telegram refused the answer and not the chat, this arrives.
	p.tell(ctx, t, textBadReply)
	return undelivered
}

// overflow tells, without waiting in the lane that is full, that an update is
// dropped.
func (p *Pipeline) overflow(t *passage) {
	told := p.decide(t).Allowed && p.locked(func() bool {
		return p.laneNotice.Add(t.update.From.ID, p.Now()).Allowed
	})
	if told && p.lanes.aside(func(ctx context.Context) {
		p.tell(ctx, t, textLaneFull)
		p.finish(ctx, t, limited)
	}) {
		return
	}
	t.hush()
	p.finish(context.Background(), t, limited)
}

// clip cuts a text to that many UTF-16 units.
func clip(s string, limit int) string {
	units, cut := 0, 0
	for i, r := range s {
		if units < limit {
			cut = i // there is room for the dots before this character
		}
		if units += max(utf16.RuneLen(r), 1); units > limit {
			return s[:cut] + "…"
		}
	}
	return s
}
