package pipeline

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/notice"
	"github.com/cofferdam-bot/cofferdam/runtime/twofactor"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
	"github.com/cofferdam-bot/cofferdam/security/session"
	"github.com/cofferdam-bot/cofferdam/security/totp"
)

// ownCommand is a command of the host's own: what no module may see, since it
// is about secrets. It returns onward if a module's command is to be run now.
type ownCommand func(*Pipeline, context.Context, *passage) outcome

// own are the host's own commands by name. The registry lists them, without a
// module.
var own = map[string]ownCommand{
	"qrcode": (*Pipeline).qrcode,
	"logout": (*Pipeline).logout,
}

// command is one that waits for a code, or for a tap: what is needed to run it
// again.
type command struct {
	route    chat.Route
	view     int  // the message whose button was tapped
	media    bool // which is a picture or a file
	thread   int  // the topic
	inPlace  bool // the answer takes the place of the view
	borrowed bool
	prompt   int // the message that asks
	from     keyboard
	way      way
}

func (t *passage) key() session.Key {
	return session.Key{User: t.update.From.ID, Chat: t.update.Chat.ID}
}

func (t *passage) person() twofactor.Person {
	return twofactor.Person{ID: t.update.From.ID, Username: t.update.From.Username}
}

// isCode reports whether a text is a code. In a group only what was asked for
// is one, or what begins with a slash: people write numbers to each other.
func (p *Pipeline) isCode(ctx context.Context, t *passage) bool {
	t.code = p.withoutMention(ctx, t.update.Text)
	if p.waiting(t) && totp.SeemsCode(t.code) {
		return true // and a wrong one: say what a code looks like
	}
	code, ok := totp.ReadCode(t.code)
	switch {
	case !ok:
		return false
	case p.waiting(t):
		return true
	case !t.update.Chat.Private:
		return strings.HasPrefix(t.code, "/")
	}
	return !code.Backup() || t.role >= access.Admin
}

// withoutMention makes /123456 of /123456@thisbot.
func (p *Pipeline) withoutMention(ctx context.Context, text string) string {
	head, _, mentions := strings.Cut(text, "@")
	if !mentions || !isBareCode(head) {
		return text
	}
	if _, _, addressed := p.Modules.ByText(ctx, text); !addressed {
		return text
	}
	return head
}

// isBareCode reports whether a text is nothing but a code.
func isBareCode(text string) bool {
	_, ok := totp.ReadCode(text)
	return ok
}

// isSpacedCode reports whether a text is a code in pieces: a module from elsewhere
// could ask for it like that.
func isSpacedCode(text string) bool {
	return isBareCode(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' {
			return -1
		}
		return r
	}, text))
}

func (p *Pipeline) waiting(t *passage) bool {
	return p.locked(func() bool { return p.sessions.Waiting(t.key(), p.Now()) })
}

// code opens a session with a code, and goes on with the command that waited
// for it. The message with the code is deleted at once, right or wrong (B6).
func (p *Pipeline) code(ctx context.Context, t *passage) outcome {
	p.deleteCode(ctx, t)
	code, ok := totp.ReadCode(t.code)
	switch {
	case !ok:
		p.tell(ctx, t, textCodeShape)
		return refused
	case !t.update.Chat.Private && !p.waiting(t):
		p.tell(ctx, t, textCodeInGroup)
		return refused
	}
	p.guard.Lock()
	p.underway[t] = ""
	p.guard.Unlock()
	defer func() {
		p.guard.Lock()
		delete(p.underway, t)
		p.guard.Unlock()
	}()
	result, backups, err := p.SecondFactor.Attempt(ctx, t.person(), code, p.Now())
	if err != nil {
		return p.factorFailed(ctx, t, err)
	}
	if !result.Verdict.Right() {
		return p.codeRefused(ctx, t, result)
	}
	return p.codeAccepted(ctx, t, result, backups)
}

// codeAccepted opens the session, unless those of the user ended while the code
// was looked at: by a block, above all, which another code began (B3).
func (p *Pipeline) codeAccepted(ctx context.Context, t *passage, result totp.Result, backups []string) outcome {
	p.guard.Lock()
	ended := p.underway[t]
	var kept command
	var again bool
	if ended == "" {
		p.sessions.Open(t.key(), p.Now())
		kept, again = p.sessions.Take(t.key(), p.Now())
	}
	p.guard.Unlock()
	if result.Verdict == totp.Enrolled {
		t.log.Warn("a second factor is enrolled", zap.String("event", "totp.enrolled"))
		p.record(ctx, t, audit.Entry{Event: "totp.enrolled", Decision: "allow", Reason: result.Verdict.String()})
		if len(backups) > 0 {
			p.showBackups(ctx, t, backups)
		}
	}
	if ended != "" {
		t.log.Warn("a right code opens no session", zap.String("event", "totp.refused"), zap.String("reason", ended))
		p.tell(ctx, t, textEndedMeanwhile)
		return refused
	}
	t.log.Info("session opened", zap.String("event", "session.opened"), zap.String("by", result.Verdict.String()))
	p.record(ctx, t, audit.Entry{Event: "session.opened", Decision: "allow", Reason: result.Verdict.String()})
	if result.Verdict == totp.ByBackup {
		p.tell(ctx, t, backupUsedText(result.BackupsLeft))
	}
	if !again {
		p.tell(ctx, t, textSessionOpen)
		return answered
	}
	p.deleteLater(ctx, t, kept.prompt, 0)
	t.resume(kept)
	return onward
}

// resume makes an update stand for the command that was kept.
func (t *passage) resume(c command) {
	t.route, t.own, t.borrowed = c.route, nil, c.borrowed
	t.update.MessageID, t.inPlace, t.from, t.way = c.view, c.inPlace, c.from, c.way
	t.update.Media = c.media
	t.update.Chat.Thread = c.thread // the code may have come from another topic
}

func (p *Pipeline) codeRefused(ctx context.Context, t *passage, result totp.Result) outcome {
	event := "totp.failed"
	switch result.Verdict {
	case totp.Replayed:
		event = "totp.replayed"
	case totp.Blocked:
		event = "totp.refused" // not looked at
	}
	t.log.Warn("a code is refused", zap.String("event", event), zap.String("reason", result.Verdict.String()), zap.Int("left", result.Left))
	if result.Began {
		// First of all: nothing opens between the block and its record.
		p.forgetCommand(ctx, t)
		user := t.update.From.ID
		p.endSessions(func(k session.Key) bool { return k.User == user }, "blocked")
		t.log.Warn("codes are blocked", zap.String("event", "totp.blocked"), zap.Duration("for", totp.BlockFor))
		p.record(ctx, t, audit.Entry{Event: "totp.blocked", Decision: "deny", Reason: result.Verdict.String()})
		p.Notices.Tell(notice.AboutBlock, strconv.FormatInt(t.update.From.ID, 10), t.update.From.ID, factorBlockedText(t.update.From.ID))
	}
	if result.Verdict == totp.Blocked && !p.tellsBlock(t.key(), result.BlockedUntil) {
		return refused
	}
	p.tell(ctx, t, codeRefusedText(result, p.Now(), p.Zone))
	return refused
}

// tellsBlock reports whether a code during a block is answered: the first one in
// each chat is. Whoever goes on typing, or guessing, hears nothing (B3).
func (p *Pipeline) tellsBlock(k session.Key, until time.Time) bool {
	p.guard.Lock()
	defer p.guard.Unlock()
	if p.blocksTold[k].Equal(until) {
		return false
	}
	p.blocksTold[k] = until
	return true
}

// forgetCommand drops the command that waited, with the message that asks.
func (p *Pipeline) forgetCommand(ctx context.Context, t *passage) {
	p.guard.Lock()
	kept, ok := p.sessions.Take(t.key(), p.Now())
	p.guard.Unlock()
	if ok {
		p.deleteLater(ctx, t, kept.prompt, 0)
	}
}

// factorFailed says why a second factor cannot be asked.
func (p *Pipeline) factorFailed(ctx context.Context, t *passage, err error) outcome {
	if ctx.Err() != nil {
		return unfinished
	}
	t.log.Error("a second factor cannot be used", zap.String("event", "store.error"), zap.Error(err))
	switch {
	case errors.Is(err, totp.ErrUnreadable):
		p.tell(ctx, t, unreadableText(t.update.From.ID))
	case !p.Writable():
		p.tell(ctx, t, textStateFull)
	default:
		p.tell(ctx, t, textInternal)
	}
	return failed
}

// deleteCode deletes the message of this update.
func (p *Pipeline) deleteCode(ctx context.Context, t *passage) {
	if t.update.Kind == chat.Text && !t.hidden {
		t.hidden = true
		p.deleteLater(ctx, t, t.update.MessageID, 0)
	}
}

// hideCode deletes a code that never got as far as being looked at: it came too
// late, or one too many, or a restart cut it short. It may still be good (B6).
func (p *Pipeline) hideCode(ctx context.Context, t *passage, end outcome) {
	meant := t.update.Chat.Private || strings.HasPrefix(t.update.Text, "/")
	if end != unfinished && end != ignored && meant && isBareCode(t.update.Text) && p.decide(t).Allowed {
		p.deleteCode(ctx, t)
	}
}

// How long messages with secrets stay (B6).
const (
	qrLifetime      = 60 * time.Second
	backupsLifetime = 60 * time.Second
)

// qrcode shows the secret that waits for its first code (B5).
func (p *Pipeline) qrcode(ctx context.Context, t *passage) outcome {
	if !t.update.Chat.Private {
		p.tell(ctx, t, textPrivateOnly)
		return refused
	}
	live := p.locked(func() bool { return p.sessions.Live(t.key(), p.Now()) })
	uri, err := p.SecondFactor.Enrol(ctx, t.person(), live, p.Now())
	switch {
	case errors.Is(err, twofactor.ErrEnrolled):
		p.tell(ctx, t, enrolledText(t.update.From.ID))
		return refused
	case errors.Is(err, twofactor.ErrAtHost):
		p.tell(ctx, t, textAtHost)
		return refused
	case err != nil:
		return p.factorFailed(ctx, t, err)
	}
	picture, err := totp.PNG(uri)
	if err != nil {
		return p.fail(ctx, t, textInternal, err)
	}
	p.record(ctx, t, audit.Entry{Event: "totp.shown", Decision: "allow"})
	id, err := p.Sender.Send(ctx, t.update.Chat.Address(), chat.Message{
		Text: textQR, Photo: &chat.File{Name: "qrcode.png", Data: picture},
	})
	if err != nil {
		return p.undelivered(ctx, t, err)
	}
	p.deleteLater(ctx, t, id, qrLifetime)
	return answered
}

// showBackups sends the backup codes, this once, to the private chat, wherever
// the first code came from (A5, B5).
func (p *Pipeline) showBackups(ctx context.Context, t *passage, codes []string) {
	to := chat.Address{Chat: t.update.From.ID}
	id, err := p.Sender.Send(ctx, to, p.compose(backupBlocks(codes)))
	if err != nil {
		t.log.Error("the backup codes could not be shown", zap.String("event", "telegram.send"), zap.Error(err))
		p.tell(ctx, t, textNoBackups)
		return
	}
	p.deleteAt(ctx, t, to, id, backupsLifetime)
}

// logout ends all sessions of the user, and forgets what waits.
func (p *Pipeline) logout(ctx context.Context, t *passage) outcome {
	user := t.update.From.ID
	if n := p.endSessions(func(k session.Key) bool { return k.User == user }, "logout"); n == 0 {
		p.tell(ctx, t, textNoSession)
		return answered
	}
	p.record(ctx, t, audit.Entry{Event: "session.closed", Decision: "allow", Reason: "logout"})
	p.tell(ctx, t, textLoggedOut)
	return answered
}

// endSessions ends sessions, what waits for an answer, and those that a code
// would open which is being looked at: all in one step, so that none slips by.
func (p *Pipeline) endSessions(picks func(session.Key) bool, reason string) int {
	p.guard.Lock()
	closed := p.sessions.Close(picks)
	p.confirmations.Drop(picks)
	for t := range p.underway {
		if picks(t.key()) {
			p.underway[t] = reason
		}
	}
	p.guard.Unlock()
	for _, k := range closed {
		p.Log.Info("session closed", zap.String("event", "session.closed"), zap.String("user", scrub.ID(k.User)), zap.String("reason", reason))
	}
	return len(closed)
}
