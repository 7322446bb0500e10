// Package pipeline is the one way of an update through the bot, from the
// journal to the answer. This file is its table of contents.
//
//	Deliver: blocked strangers dropped; journal (durable, repeats dropped),
//	         then Telegram may be told
//	trace    a trace id; the update is decoded and put into its chat's lane
//	fresh    too old to act upon?
//	access   on the lists? else refused, and blocked at the third time
//	limit    too many updates of one user?
//	route    code, command, button text or callback token -> module and command
//	gate     may this role run it?
//	invoke   journal: started; a pristine instance of the module runs; if one of
//	         its calls needs a session or a confirming tap, the user is asked,
//	         and the command is kept
//	render   blocks -> text and entities; buttons get their tokens
//	send     edit or send; deletions are scheduled
//	journal  done
//
// Beside that way: what a user sees meanwhile stands in progress.go, how a view
// leads back in origin.go, how a message is kept up to date in follow.go, what is
// sent unasked in post.go, and whose words are marked as such in byline.go.
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
	"github.com/cofferdam-bot/cofferdam/runtime/notice"
	"github.com/cofferdam-bot/cofferdam/runtime/twofactor"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/ratelimit"
	"github.com/cofferdam-bot/cofferdam/security/session"
	"github.com/cofferdam-bot/cofferdam/security/totp"
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
	// asked: the user must send a code or tap first; the command is kept.
	asked       outcome = "asked"
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
	// PutKeyboardLater does not wait for the disk.
	PutKeyboardLater(id string, expires time.Time, value []byte)
	// Keyboard returns the zero time if there is none of that id.
	Keyboard(id string) (value []byte, expires time.Time, err error)
	// DropKeyboards forgets those that a test picks.
	DropKeyboards(ctx context.Context, picks func(value []byte) bool) (int, error)
}

// Modules knows which module handles what, and runs it.
type Modules interface {
	// ByText finds the command that a typed text means. addressed is false
	// for an ordinary sentence, and for a command to another bot.
	ByText(ctx context.Context, text string) (route chat.Route, found, addressed bool)
	// ByCommand finds a command by its name.
	ByCommand(name string) (chat.Route, bool)
	// Has reports whether there is a module of that name.
	Has(module string) bool
	// Await returns when a module is loaded, could not be, or is not there.
	Await(ctx context.Context, module string)
	// DropIn tells of a module from elsewhere, or of one that is not there (any
	// more): what it says carries its name.
	DropIn(module string) bool
	// OnlyReads tells of a module of the project's own that it can neither change
	// nor reveal anything.
	OnlyReads(module string) bool
	// Invoke runs a request, JSON of [abi.Request]. The code and the reply
	// are the module's own; the error is that it broke a rule, or a
	// [*capability.Asked] if the user must be asked first.
	Invoke(ctx context.Context, module string, actor abi.Actor, pass *capability.Pass, log *zap.Logger, request []byte) (abi.Code, []byte, error)
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
	// Try sends a message (id 0) or edits one, if that can be done at once, and
	// returns the id of the one that shows it. [chat.ErrBusy] says that it cannot.
	Try(ctx context.Context, to chat.Address, id int, m chat.Message) (int, error)
}

// Access decides who may use the bot, and where.
type Access interface {
	Decide(user, chat int64, private bool) access.Decision
}

// SecondFactor keeps the second factors of admins.
type SecondFactor interface {
	Standing(who twofactor.Person, now time.Time) (twofactor.Standing, error)
	// Attempt returns when it is on disk that the code is used up, or counts
	// as a wrong one.
	Attempt(ctx context.Context, who twofactor.Person, code totp.Code, now time.Time) (totp.Result, []string, error)
	// Enrol returns [twofactor.ErrEnrolled] for who is, unless renew is set, and
	// [twofactor.ErrAtHost] for a secret that must not pass through a chat.
	Enrol(ctx context.Context, who twofactor.Person, renew bool, now time.Time) (uri string, err error)
}

// Strangers keeps what is remembered of strangers over a restart. It does not
// wait for the disk.
type Strangers interface {
	Remember(id int64, record access.Record)
	Forget(id int64)
}

// Audit keeps records of what was allowed and denied (D5).
type Audit interface {
	Record(context.Context, audit.Entry) error
}

// Notices tell admins of what they should know.
type Notices interface {
	// Tell sends a text about a subject to all admins but one. It waits for
	// nothing.
	Tell(kind notice.Kind, subject string, except int64, text string)
}

// Counts are kept for whoever watches the bot. Each is told at once, and waits
// for nothing.
type Counts interface {
	// Update is told of updates that ended so: in a word of the log's events.
	Update(outcome string, n int)
	// Command is told how long a command of a module took, from its arrival on.
	Command(module string, took time.Duration)
	// Denied is told of somebody who may not, with the reason in a word.
	Denied(reason string)
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
	// Reach says which containers a user sees and acts on, at this moment.
	Reach        func(user int64) capability.Reach
	SecondFactor SecondFactor
	Strangers    Strangers
	Audit        Audit
	Notices      Notices
	Counts       Counts
	// Writable reports whether the state can be written. While it cannot,
	// what reads goes on, and nothing acts.
	Writable func() bool
	Decode   func([]byte) (chat.Update, error)
	// MaxAge is telegram.max_update_age (A7).
	MaxAge time.Duration
	// UserLimit bounds the updates of a user (A8).
	UserLimit *ratelimit.Window[int64]
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
	lanes  *lanes
	chains *chains
	// started is when this process began, to the second.
	started time.Time
	// guard protects all below.
	guard           sync.Mutex
	strikes         access.Strikes
	strangerCommand *ratelimit.Window[int64]
	strangerAnswer  *ratelimit.Window[int64]
	laneNotice      *ratelimit.Window[int64]
	sessions        session.Table[command]
	confirmations   session.Confirmations[confirmation]
	// underway are the codes that are being looked at, each with why the sessions
	// that it would open one of have ended meanwhile; "": they have not.
	underway map[*passage]string
	// posting are the keyboards of messages that are being sent unasked; each channel
	// is closed when it is known which message carries the keyboard.
	posting map[string]chan struct{}
	// blocksTold are the ends of the blocks that were told in answer to a code.
	blocksTold map[session.Key]time.Time
	unrecorded unrecorded
}

// What strangers may ask of what is open to anybody (A2).
const (
	strangerCommands = 3
	strangerSpan     = time.Hour
)

// All strangers together hear so much. Telegram lets a bot send 30 messages a
// second: without this bound, many ids at once would take them from users.
const (
	strangerAnswers    = 60
	strangerAnswerSpan = time.Minute
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
		chains:          newChains(),
		started:         c.Now().Truncate(time.Second),
		underway:        map[*passage]string{},
		posting:         map[string]chan struct{}{},
		blocksTold:      map[session.Key]time.Time{},
		strangerCommand: ratelimit.New[int64](strangerCommands, strangerSpan, access.StrangersAtMost),
		strangerAnswer:  ratelimit.New[int64](strangerAnswers, strangerAnswerSpan, 1),
		laneNotice:      ratelimit.New[int64](1, laneNoticeSpan, laneNotices),
	}
	p.lanes = newLanes(p.handle)
	return p
}

// Halt starts no command any more: what waits, and what comes, stays in the
// journal. Close follows.
func (p *Pipeline) Halt() { p.lanes.halt() }

// Close lets running commands end, as long as the context allows, and leaves
// what waits in the journal. What is followed up says that it ends.
func (p *Pipeline) Close(ctx context.Context) {
	p.lanes.close(ctx)
	p.endChains()
}

// locked asks something about what the guard protects.
func (p *Pipeline) locked(ask func() bool) bool {
	p.guard.Lock()
	defer p.guard.Unlock()
	return ask()
}

// handle takes one update through all stages.
func (p *Pipeline) handle(ctx context.Context, t *passage) {
	if t.chain != nil {
		p.followUp(ctx, t)
		return
	}
	p.finish(ctx, t, p.through(ctx, t))
}

// finish records how an update ended. While the bot stops only what was
// answered is done for certain: the rest stays in the journal.
func (p *Pipeline) finish(ctx context.Context, t *passage, end outcome) {
	t.finishTap(ctx, p)
	p.hideCode(ctx, t, end)
	if ctx.Err() != nil && end != answered {
		end = unfinished
	}
	p.endWork(ctx, t, end)
	if end != unfinished {
		p.Journal.Done(t.update.ID)
	}
	t.release()
	p.count(t, end)
	t.logEnd(end, p.Now())
}

func (p *Pipeline) count(t *passage, end outcome) {
	p.Counts.Update(string(end), 1)
	if t.route.Module != "" && t.stage != "gate" {
		p.Counts.Command(t.route.Module, p.Now().Sub(t.entered))
	}
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
	p.panicLogged(t, reason)
	p.tell(ctx, t, textInternal)
	return failed
}

func (p *Pipeline) panicLogged(t *passage, reason any) {
	t.log.Error("the bot panicked", zap.String("event", "update.panicked"), zap.String("panic", fmt.Sprint(reason)))
	t.log.Debug("stack", zap.String("event", "update.stack"), zap.ByteString("stack", debug.Stack()))
}
