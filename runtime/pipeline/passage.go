package pipeline

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/render"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// passage is one update on its way: each stage adds what it found out.
type passage struct {
	update      chat.Update
	log         *zap.Logger
	entered     time.Time  // when it came into the journal
	interrupted bool       // its command may have run before a restart
	trace       string     // its trace id
	recorded    bool       // invoke: the journal has it, as started
	reads       bool       // invoke: it is the command of a module that only reads
	started     chan error // invoke: whether it has, while a module that only reads runs; nil: known
	// handled is closed when the update is done; nil: nobody waits for that.
	handled chan struct{}

	role     access.Role      // access
	route    chat.Route       // route
	own      ownCommand       // route: a command of the host's own; nil: a module's
	borrowed bool             // route: another module's button led here
	approved *capability.Act  // route: what a tap confirmed
	code     string           // route: what may be a code, without a mention of the bot
	hidden   bool             // its message is being deleted
	reply    abi.Reply        // invoke
	note     bool             // invoke: the reply says that something went wrong
	rendered render.Rendered  // render
	keyboard keyboard         // render
	stage    string           // where it ended
	inPlace  bool             // route: a tap on the very message that its button was made for
	from     keyboard         // route: the view that was tapped, without its buttons
	way      way              // route: where one comes from to the view that is made
	pass     *capability.Pass // invoke
	work     work             // invoke: what is shown meanwhile
	chain    *chain           // a follow-up, and no update; nil: an update
	hurry    *time.Timer      // answers a tap that has to wait

	answer sync.Once // a tap is answered exactly once
	shown  bool      // and the user saw it
}

// laneOf is the chat, for who may write there. Anybody else waits alone, so
// that no stranger delays a group.
func (p *Pipeline) laneOf(t *passage) int64 {
	if p.decide(t).Allowed {
		return t.update.Chat.ID
	}
	return t.update.From.ID
}

// decode reads an update. A panic in there makes it one that cannot be read: it
// would come back after a restart, and end the process again.
func (p *Pipeline) decode(data []byte) (update chat.Update, err error) {
	defer func() {
		if r := recover(); r != nil {
			update, err = chat.Update{}, fmt.Errorf("decoding panicked: %v", r)
		}
	}()
	return p.Decode(data)
}

// ignore ends an update that must not run anything. If it is a tap, its button
// stops spinning all the same.
func (p *Pipeline) ignore(t *passage) {
	done := func() { p.Journal.Done(t.update.ID); t.release() }
	if t.update.QueryID == "" {
		done()
		return
	}
	if !p.lanes.aside(func(ctx context.Context) {
		t.finishTap(ctx, p)
		done()
	}) {
		done()
	}
}

// release tells who waits for it that the update is done.
func (t *passage) release() {
	if t.handled != nil {
		close(t.handled)
	}
}

// traceID returns 64 random bits. Without randomness it is a row of zeros: a
// log that cannot be followed is better than a bot that does not answer.
func (p *Pipeline) traceID() string {
	var bits [8]byte
	if _, err := io.ReadFull(p.Random, bits[:]); err != nil {
		clear(bits[:])
	}
	return hex.EncodeToString(bits[:])
}

// finishTap answers a tap that no stage has answered: without that, the button
// would go on spinning.
func (t *passage) finishTap(ctx context.Context, p *Pipeline) {
	if t.hurry != nil {
		t.hurry.Stop()
	}
	t.answerTap(ctx, p, "", false)
}

// hurryUp answers a tap soon, whatever it has to wait for: behind other updates
// of its chat, or for its own work. Strangers wait for what they are told.
func (p *Pipeline) hurryUp(t *passage) {
	if t.update.Kind != chat.Tap || !p.decide(t).Allowed {
		return
	}
	t.hurry = time.AfterFunc(answerAfter, func() {
		p.lanes.aside(func(ctx context.Context) { t.answerTap(ctx, p, "", false) })
	})
}

// hush leaves a tap without an answer: who was refused often enough hears
// nothing, and costs no call.
func (t *passage) hush() { t.answer.Do(func() {}) }

// answerTimeout bounds the answer to a tap, which is given outside the chat's
// order.
const answerTimeout = 10 * time.Second

// answerTap answers a tap with a text above the chat, or with a dialog. It
// reports whether the user saw that: only the first answer counts, and Telegram
// takes none after about 15 s.
func (t *passage) answerTap(ctx context.Context, p *Pipeline, text string, alert bool) (shown bool) {
	if t.update.QueryID == "" {
		return false
	}
	t.answer.Do(func() { shown = p.answerQuery(ctx, t, text, alert) })
	return shown
}

func (p *Pipeline) answerQuery(ctx context.Context, t *passage, text string, alert bool) bool {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	err := p.Sender.Answer(ctx, t.update.QueryID, clip(text, chat.MaxAnswer), alert)
	if t.shown = err == nil; !t.shown {
		t.log.Info("a tap could not be answered", zap.String("event", "telegram.answer"), zap.Error(err))
	}
	return t.shown
}

// tell says a sentence of the host's own to the user: as a dialog after a tap,
// so that the view stays, otherwise as a message.
func (p *Pipeline) tell(ctx context.Context, t *passage, text string) outcome {
	if t.work.message != 0 {
		p.noteInstead(ctx, t, chat.Message{Text: text})
		return onward
	}
	if t.answerTap(ctx, p, text, true) {
		return onward
	}
	id, err := p.Sender.Send(ctx, t.update.Chat.Address(), chat.Message{Text: text})
	if err != nil {
		t.log.Info("a notice could not be delivered", zap.String("event", "telegram.send"), zap.Error(err))
		return undelivered
	}
	p.deleteLater(ctx, t, id, noteLifetime)
	return onward
}

// noteInstead puts a note where ⏳ stands: it stays as long as any other if it
// stands in the place of no view.
func (p *Pipeline) noteInstead(ctx context.Context, t *passage, m chat.Message) {
	message, own := t.work.message, t.work.own
	p.sayInstead(ctx, t, m)
	if own {
		p.deleteLater(ctx, t, message, noteLifetime)
	}
}

// noteLifetime is how long error notes stay (B6).
const noteLifetime = 15 * time.Second

// deleteLater is done even while the bot stops: the message stands already.
func (p *Pipeline) deleteLater(ctx context.Context, t *passage, id int, after time.Duration) {
	p.deleteAt(ctx, t, t.update.Chat.Address(), id, after)
}

func (p *Pipeline) deleteAt(ctx context.Context, t *passage, to chat.Address, id int, after time.Duration) {
	if err := p.Delete(context.WithoutCancel(ctx), to, id, p.Now().Add(after)); err != nil {
		t.log.Warn("a deletion could not be kept", zap.String("event", "store.error"), zap.Error(err))
	}
}

func (t *passage) logEnd(end outcome, now time.Time) {
	fields := []zap.Field{
		zap.String("event", "update."+string(end)), zap.Int64("update_id", t.update.ID),
		zap.Duration("took", now.Sub(t.entered)),
	}
	if t.stage != "" {
		fields = append(fields, zap.String("stage", t.stage))
	}
	if t.route.Module != "" {
		fields = append(fields, zap.String("module", t.route.Module), zap.String("command", t.route.Command), zap.String("action", t.route.Action))
	}
	t.log.Info("update "+string(end), fields...)
}
