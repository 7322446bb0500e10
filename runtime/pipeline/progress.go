package pipeline

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// After these times a user is shown that the bot is at work.
const (
	// answerAfter is when a tap is answered, so that its button stops spinning.
	answerAfter = time.Second
	// progressAfter is when "typing…" is shown, or what the module says that it
	// does; workAfter is when a module's silence is filled with a word.
	progressAfter = time.Second
	workAfter     = 3 * time.Second
	// progressEvery is how often the seconds are counted on.
	progressEvery = 3 * time.Second
)

// tryTimeout bounds one call that shows progress. It is not cut short when the
// work ends: a message that says ⏳ must be known, or it would stay.
const tryTimeout = 5 * time.Second

// lastWordTimeout bounds what is said while the bot stops.
const lastWordTimeout = 3 * time.Second

// work is what a user sees of a command that takes its time. Its message and own
// belong to the goroutine that shows it, until that has ended.
type work struct {
	began time.Time
	line  atomic.Pointer[string] // what the module says that it does
	told  chan struct{}          // has room for one
	// message says ⏳; 0: none does. Own tells that it was sent for that, and does
	// not stand in the place of a view.
	message int
	own     bool
	lost    bool // it is not tried any more
}

// tell takes a line of the module's. It returns at once.
func (w *work) tell(line string) {
	if line == "" {
		return
	}
	w.line.Store(&line)
	select {
	case w.told <- struct{}{}:
	default:
	}
}

// text is what stands in the message.
func (w *work) text(now time.Time) string {
	line := textWorking
	if said := w.line.Load(); said != nil {
		line = foreign.Line(*said, chat.MaxAnswer)
	}
	return "⏳ " + clip(line, chat.MaxAnswer) + "… " + strconv.Itoa(int(now.Sub(w.began).Seconds())) + " s"
}

// showWork shows that the bot is busy, if it stays so. The returned function
// ends that, and returns when nothing is shown any more that it does not know of.
func (p *Pipeline) showWork(ctx context.Context, t *passage) (stop func()) {
	if t.work.began.IsZero() {
		t.work.began, t.work.told = p.Now(), make(chan struct{}, 1)
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	timer := time.AfterFunc(progressAfter, func() {
		defer close(ended)
		p.keepShowing(ctx, t)
	})
	return func() {
		cancel()
		if !timer.Stop() {
			<-ended
		}
	}
}

func (p *Pipeline) keepShowing(ctx context.Context, t *passage) {
	var typing sync.WaitGroup
	defer typing.Wait()
	if t.update.Kind == chat.Text && t.work.message == 0 {
		typing.Go(func() { p.Sender.Typing(ctx, t.update.Chat.Address()) })
	}
	next := time.NewTimer(max(workAfter-p.Now().Sub(t.work.began), 0))
	defer next.Stop()
	for !t.work.lost {
		select {
		case <-t.work.told:
			if t.work.message != 0 {
				continue // with the next count
			}
		case <-next.C:
		case <-ctx.Done():
			return
		}
		if ctx.Err() != nil {
			return
		}
		p.showProgress(ctx, t)
		next.Reset(progressEvery)
	}
}

// showProgress writes or edits the message that says ⏳, if that can be done at
// once.
func (p *Pipeline) showProgress(ctx context.Context, t *passage) {
	if p.decide(t).Role < t.role {
		return // whose rights were taken away is shown nothing
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tryTimeout)
	defer cancel()
	at := t.target()
	shown, err := p.Sender.Try(ctx, t.update.Chat.Address(), at, t.over(at, chat.Message{Text: p.signed(t.route.Module, t.work.text(p.Now()))}))
	switch {
	case errors.Is(err, chat.ErrBusy):
		return
	case err != nil:
		t.log.Info("progress is not shown", zap.String("event", "telegram.send"), zap.Error(err))
		t.work.lost = true
		return
	}
	known := t.work.message == shown
	t.work.message, t.work.own = shown, at == 0 || t.work.own
	if !known {
		p.rememberWork(t)
	}
}

// target is the message whose place the reply takes; 0: none.
func (t *passage) target() int {
	switch {
	case t.work.message != 0:
		return t.work.message
	case t.inPlace:
		return t.update.MessageID
	}
	return 0
}

// over is a message that is put in the place of another, which may be the view
// that was tapped.
func (t *passage) over(at int, m chat.Message) chat.Message {
	m.OverMedia = t.update.Media && at == t.update.MessageID
	return m
}

// workMark begins the id under which it is kept which message says ⏳.
const workMark = "~"

func workID(update int64) string { return workMark + strconv.FormatInt(update, 10) }

// workLifetime is how long that is kept, over a restart.
const workLifetime = time.Hour

// rememberWork keeps which message says ⏳, in case that this process is killed.
func (p *Pipeline) rememberWork(t *passage) {
	k := t.from
	k.User, k.Chat, k.Message = t.update.From.ID, t.update.Chat.ID, t.work.message
	if t.work.own {
		k.Visit, k.Way = nil, nil
	}
	if value, err := k.encode(); err == nil {
		p.Keyboards.PutKeyboardLater(workID(t.update.ID), p.Now().Add(workLifetime), value)
	}
}

func (p *Pipeline) forgetWork(t *passage) {
	p.Keyboards.PutKeyboardLater(workID(t.update.ID), p.Now(), []byte("{}"))
}

// replaced notes that the message does not say ⏳ any more.
func (p *Pipeline) replaced(t *passage) {
	if t.work.message != 0 {
		t.work.message = 0
		p.forgetWork(t)
	}
}

// sayInstead puts words of how it ended where ⏳ stands, with a way back to the
// view that stood there. It returns false if ⏳ stands nowhere.
func (p *Pipeline) sayInstead(ctx context.Context, t *passage, m chat.Message) bool {
	message := t.work.message
	if message == 0 {
		return false
	}
	var out keyboard
	if !t.work.own {
		out = p.wayOut(t, t.from, labelBack(t.from))
	}
	if err := p.put(ctx, t, message, m, out); err != nil {
		t.log.Warn("a message goes on saying that the bot works", zap.String("event", "telegram.send"), zap.Error(err))
	}
	p.replaced(t)
	return true
}

// endWork lets nothing stand that says ⏳ when an update has ended, however it
// did.
func (p *Pipeline) endWork(ctx context.Context, t *passage, end outcome) {
	if t.work.message == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWordTimeout)
	defer cancel()
	switch {
	case end == unfinished:
		p.sayInstead(ctx, t, chat.Message{Text: textWorkStopped})
	case t.work.own:
		p.deleteLater(ctx, t, t.work.message, 0)
		p.replaced(t)
	case end == asked:
		p.sayInstead(ctx, t, chat.Message{Text: textWorkAsks})
	case end == answered:
		p.sayInstead(ctx, t, chat.Message{Text: textWorkDone})
	default:
		p.sayInstead(ctx, t, chat.Message{Text: textWorkEnded})
	}
}

// endKilledWork does the same for an update that a restart interrupted.
func (p *Pipeline) endKilledWork(ctx context.Context, t *passage) {
	value, expires, err := p.Keyboards.Keyboard(workID(t.update.ID))
	if err != nil || !expires.After(p.Now()) {
		return
	}
	k, err := readKeyboard(value)
	if err != nil || k.Chat != t.update.Chat.ID || k.User != t.update.From.ID || k.Message == 0 {
		return
	}
	t.role, t.from = p.decide(t).Role, k.trace()
	t.work.message, t.work.own = k.Message, len(k.Way.from(k.Visit)) == 0
	p.sayInstead(ctx, t, chat.Message{Text: textWorkKilled})
}
