// Package pipeline is the one way of an update through the bot, from the
// journal to the answer. This file is its table of contents.
//
//	Deliver: journal (durable, repeats dropped), then Telegram may be told
//	trace    a trace id; the update is decoded and put into its chat's lane
//	fresh    too old to act upon?
//	access   on the lists? else refused, at most a few times aloud
//	limit    too many updates of one user?
//	route    command, button text or callback token -> module and command
//	gate     may this role run it?
//	invoke   journal: started; a pristine instance of the module runs
//	render   blocks -> text and entities; buttons get their tokens
//	send     edit or send; deletions are scheduled
//	journal  done
package pipeline

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/ratelimit"
)

// stage is one step. It returns "" to go on, or the outcome with which the
// update ends here.
type stage struct {
	name string
	run  func(*Pipeline, context.Context, *passage) outcome
}

// stages is the order in which every update is handled; there is no other way.
var stages = [...]stage{
	{"fresh", (*Pipeline).fresh},
	{"access", (*Pipeline).access},
	{"limit", (*Pipeline).limit},
	{"route", (*Pipeline).route},
	{"gate", (*Pipeline).gate},
	{"invoke", (*Pipeline).invoke},
	{"render", (*Pipeline).render},
	{"send", (*Pipeline).send},
}

// outcome says how an update ended, in one word for logs and metrics.
type outcome string

const (
	onward      outcome = ""
	answered    outcome = "answered"
	ignored     outcome = "ignored"
	interrupted outcome = "interrupted"
	expired     outcome = "expired"
	refused     outcome = "refused"
	limited     outcome = "limited"
	unknown     outcome = "unknown"
	failed      outcome = "failed"
	undelivered outcome = "undelivered"
	// unfinished updates stay in the journal: the bot is stopping.
	unfinished outcome = "unfinished"
)

// Journal keeps updates until they are done.
type Journal interface {
	// Accept returns the updates that were not seen before, when they are on
	// disk.
	Accept(ctx context.Context, updates []chat.Received, now time.Time) ([]chat.Received, error)
	// Started returns when it is on disk that the update's command may have
	// run.
	Started(ctx context.Context, id int64) error
	Done(id int64)
}

// Keyboards keeps what stands behind callback tokens, under ids that sort by
// age.
type Keyboards interface {
	PutKeyboard(ctx context.Context, id string, expires time.Time, value []byte) error
	// Keyboard returns the zero time if there is none of that id.
	Keyboard(id string) (value []byte, expires time.Time, err error)
}

// Modules knows which module handles what, and runs it.
type Modules interface {
	// ByText finds the command that a typed text means. addressed is false
	// for an ordinary sentence, and for a command to another bot.
	ByText(ctx context.Context, text string) (route chat.Route, found, addressed bool)
	// ByCommand finds a command by its name.
	ByCommand(name string) (chat.Route, bool)
	// Invoke runs a request, JSON of [abi.Request]. The code and the reply
	// are the module's own; the error is that it broke a rule.
	Invoke(ctx context.Context, module string, actor abi.Actor, log *zap.Logger, request []byte) (abi.Code, []byte, error)
	// Menu returns a section's reply keyboard, or nil.
	Menu(section, role string) *chat.Keyboard
}

// Sender talks to Telegram. Its calls return when Telegram has answered; those
// for one chat are performed in order.
type Sender interface {
	Send(context.Context, chat.Address, chat.Message) (id int, err error)
	// Edit returns the id of the message that now shows the content: another
	// one if the old is gone.
	Edit(ctx context.Context, to chat.Address, id int, m chat.Message) (int, error)
	Answer(ctx context.Context, query, text string, alert bool) error
	Typing(context.Context, chat.Address)
}

// Access decides who may use the bot, and where.
type Access interface {
	Decide(user, chat int64, private bool) access.Decision
}

// Config is what a Pipeline is made of. Every field is needed.
type Config struct {
	Journal   Journal
	Keyboards Keyboards
	// Delete arranges for a message to be deleted at a time, also over a
	// restart.
	Delete  func(ctx context.Context, to chat.Address, id int, at time.Time) error
	Modules Modules
	Sender  Sender
	Access  Access
	Decode  func([]byte) (chat.Update, error)
	// MaxAge is telegram.max_update_age (A7).
	MaxAge time.Duration
	// UserLimit bounds the updates of a user (A8).
	UserLimit *ratelimit.Window
	Log       *zap.Logger
	Now       func() time.Time
	Random    io.Reader
	// Zone is the one in which moments are written.
	Zone *time.Location
}

// Pipeline handles updates. Make it with [New], feed it with
// [Pipeline.Deliver], end it with [Pipeline.Close].
type Pipeline struct {
	Config
	lanes *lanes
	// guard protects the windows.
	guard           sync.Mutex
	strangerRefusal *ratelimit.Window
	strangerCommand *ratelimit.Window
	laneNotice      *ratelimit.Window
}

// Bounds on what strangers get to hear (A2, A3), and on how many of them are
// remembered.
const (
	strangerRefusals = 2
	strangerCommands = 3
	strangerSpan     = time.Hour
	strangersAtMost  = 10_000
)

// A user hears of a full lane once in this time, while it stays full.
const (
	laneNoticeSpan = 10 * time.Second
	laneNotices    = 10_000 // users that are remembered
)

// New returns a Pipeline that is ready for updates.
func New(c Config) *Pipeline {
	p := &Pipeline{
		Config:          c,
		strangerRefusal: ratelimit.New(strangerRefusals, strangerSpan, strangersAtMost),
		strangerCommand: ratelimit.New(strangerCommands, strangerSpan, strangersAtMost),
		laneNotice:      ratelimit.New(1, laneNoticeSpan, laneNotices),
	}
	p.lanes = newLanes(p.handle)
	return p
}

// Deliver takes updates over. When it returns without an error they are on
// disk and Telegram may forget them; what was seen before is dropped (A6). It
// waits while too much is waiting.
func (p *Pipeline) Deliver(ctx context.Context, updates []chat.Received) error {
	if err := p.lanes.waitForRoom(ctx, len(updates)); err != nil {
		return err
	}
	fresh, err := p.Journal.Accept(ctx, updates, p.Now())
	if err != nil {
		return err
	}
	if n := len(updates) - len(fresh); n > 0 {
		p.Log.Info("updates that were handled before are dropped", zap.String("event", "update.duplicate"), zap.Int("count", n))
	}
	for _, u := range fresh {
		p.enter(u, p.Now(), false)
	}
	return nil
}

// Resume takes up an update that was in the journal when the bot started, since
// the given time. started tells that its command may have run: it is reported,
// not repeated.
func (p *Pipeline) Resume(u chat.Received, since time.Time, started bool) {
	p.enter(u, since, started)
}

// Close lets running commands end, as long as the context allows, and leaves
// what waits in the journal.
func (p *Pipeline) Close(ctx context.Context) { p.lanes.close(ctx) }

// handle takes one update through all stages.
func (p *Pipeline) handle(ctx context.Context, t *passage) {
	p.finish(ctx, t, p.through(ctx, t))
}

// finish records how an update ended. While the bot stops only what was
// answered is done for certain: the rest stays in the journal.
func (p *Pipeline) finish(ctx context.Context, t *passage, end outcome) {
	t.finishTap(ctx, p)
	if ctx.Err() != nil && end != answered {
		end = unfinished
	}
	if end != unfinished {
		p.Journal.Done(t.update.ID)
	}
	t.logEnd(end, p.Now())
}

func (p *Pipeline) through(ctx context.Context, t *passage) (end outcome) {
	defer func() {
		if r := recover(); r != nil {
			end = p.panicked(ctx, t, r)
		}
	}()
	if t.interrupted {
		return p.tellInterrupted(ctx, t)
	}
	for _, s := range stages {
		if end := s.run(p, ctx, t); end != onward {
			t.stage = s.name
			return end
		}
	}
	return answered
}

// panicked ends an update that met a fault of the bot's own. It must cost that
// update only: after a restart the same one would end the process again.
func (p *Pipeline) panicked(ctx context.Context, t *passage, reason any) outcome {
	t.log.Error("the bot panicked", zap.String("event", "update.panicked"), zap.String("panic", fmt.Sprint(reason)))
	t.log.Debug("stack", zap.String("event", "update.stack"), zap.ByteString("stack", debug.Stack()))
	p.tell(ctx, t, textInternal)
	return failed
}
