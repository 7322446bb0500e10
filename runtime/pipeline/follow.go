package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"sync"
	"time"
	"unicode/utf16"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/render"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// Bounds on what the host follows up by itself.
const (
	// followFor counts from the user's own update.
	followFor = 2 * time.Minute
	// chainsAtMost is how many messages are followed up, and chainsOfUser how many
	// of one user; a further one takes the place of that user's oldest.
	chainsAtMost = 64
	chainsOfUser = 4
	// followsAtOnce is how many follow-ups run at the same time.
	followsAtOnce = 4
	// followRetry is when one is tried again that could not run.
	followRetry = 2 * time.Second
	// lastEditTimeout bounds how long the last view of a chain may wait for the
	// flood limits.
	lastEditTimeout = 30 * time.Second
)

// place is a message in a chat.
type place struct {
	chat    int64
	message int
}

func (t *passage) place() place { return place{t.update.Chat.ID, t.update.MessageID} }

// chain is a message that the host keeps up to date, since its module asked for
// that. All but cut and timer, which the lock of chains protects, is only touched
// in its chat's lane, or when the lanes have ended.
type chain struct {
	at     place
	who    string // may run the action
	role   access.Role
	update chat.Update // stands for the user's own: from whom, and where
	module string
	again  abi.Again
	until  time.Time
	// keyboard is what stands behind the buttons: one entry of the store for all of
	// a chain's views.
	keyboard keyboard
	revealed capability.Name // what a view may show or carry on, as in [keyboard]
	last     chat.Message    // as it is shown
	trace    string
	log      *zap.Logger
	timer    *time.Timer
	cut      bool // it is to end, to make room
}

// chains are those that go on. A chain that is not among them changes nothing
// any more.
type chains struct {
	mu    sync.Mutex
	at    map[place]*chain
	order []*chain // the oldest first
	slots chan struct{}
}

func newChains() *chains {
	return &chains{at: map[place]*chain{}, slots: make(chan struct{}, followsAtOnce)}
}

// begin puts a chain among the others. If they are too many, the oldest of that
// user is cut short, or else this one. It returns false if that is of no use any
// more, since those that were cut short have not ended.
func (c *chains) begin(fresh *chain) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if before := c.at[fresh.at]; before != nil {
		c.removeLocked(before)
	}
	if len(c.order) >= 2*chainsAtMost {
		return false
	}
	of, oldest := 0, fresh
	for _, other := range c.order {
		if !other.cut && other.update.From.ID == fresh.update.From.ID {
			if of++; of == 1 {
				oldest = other
			}
		}
	}
	c.at[fresh.at] = fresh
	c.order = append(c.order, fresh)
	if of >= chainsOfUser || len(c.order) > chainsAtMost {
		oldest.cut = true
		if oldest.timer != nil && oldest.timer.Stop() {
			oldest.timer.Reset(0)
		}
	}
	return true
}

func (c *chains) isCut(one *chain) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return one.cut
}

func (c *chains) removeLocked(gone *chain) {
	if gone.timer != nil {
		gone.timer.Stop()
	}
	if c.at[gone.at] == gone {
		delete(c.at, gone.at)
	}
	for i, other := range c.order {
		if other == gone {
			c.order = append(c.order[:i:i], c.order[i+1:]...)
			return
		}
	}
}

// end ends what follows a message up, if anything does.
func (c *chains) end(at place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if gone := c.at[at]; gone != nil {
		c.removeLocked(gone)
	}
}

// drop ends the chains that a test picks, and returns them.
func (c *chains) drop(picks func(*chain) bool) (gone []*chain) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range append([]*chain(nil), c.order...) {
		if picks(one) {
			c.removeLocked(one)
			gone = append(gone, one)
		}
	}
	return gone
}

func (c *chains) current(one *chain) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at[one.at] == one
}

// moved takes note that a chain's view is another message now.
func (c *chains) moved(one *chain, message int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at[one.at] == one {
		delete(c.at, one.at)
		one.at.message = message
		c.at[one.at] = one
	}
}

// after lets a chain, if it goes on, do something in a while.
func (c *chains) after(one *chain, wait time.Duration, do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one.cut {
		wait = 0
	}
	if c.at[one.at] == one {
		one.timer = time.AfterFunc(wait, do)
	}
}

// follow begins a chain: the reply that is now shown in a message asked for it.
func (p *Pipeline) follow(t *passage, message int, shown chat.Message) {
	u := chat.Update{From: t.update.From, Chat: t.update.Chat, MessageID: message}
	c := &chain{
		at: place{u.Chat.ID, message}, who: t.route.Who, role: t.role, update: u, module: t.route.Module, again: *t.reply.Again,
		until: t.entered.Add(followFor), keyboard: t.keyboard, revealed: t.revealed(), last: shown, trace: t.trace, log: t.log,
	}
	if !p.chains.begin(c) {
		t.log.Warn("a message is not followed up", zap.String("event", "follow.ended"), zap.String("reason", "many"))
		return
	}
	p.later(c, time.Duration(c.again.After)*time.Second)
}

// later puts a chain's next follow-up into the lane of its chat, after a while.
func (p *Pipeline) later(c *chain, wait time.Duration) {
	wait = max(min(wait, c.until.Sub(p.Now())), 0)
	p.chains.after(c, wait, func() {
		t := &passage{
			chain: c, update: c.update, entered: p.Now(), trace: c.trace, log: c.log, role: c.role, borrowed: true, recorded: true,
			from:  keyboard{Revealed: c.revealed},
			route: chat.Route{Module: c.module, Action: c.again.Action, Args: c.again.Args, Who: c.who},
		}
		if !p.lanes.follow(c.at.chat, t) {
			p.later(c, followRetry)
		}
	})
}

// followUp runs what a chain does next. It gives way to the user: when an update
// of the chat comes while the module runs, the context ends, and it is tried
// again later.
func (p *Pipeline) followUp(ctx context.Context, t *passage) {
	c := t.chain
	defer func() {
		if r := recover(); r != nil { // it must cost this chain only
			p.panicLogged(t, r)
			p.chains.end(c.at)
		}
	}()
	if !p.chains.current(c) {
		return
	}
	decision := p.decide(t)
	switch {
	case p.chains.isCut(c):
		p.endChain(ctx, c, textFollowMany, "many")
		return
	case decision.Role < c.role, !mayRun(c.who, decision.Role):
		p.chains.end(c.at)
		return
	case !p.Now().Before(c.until):
		p.endChain(ctx, c, textFollowOver, "time")
		return
	}
	select {
	case p.chains.slots <- struct{}{}:
		defer func() { <-p.chains.slots }()
	default:
		p.later(c, followRetry)
		return
	}
	reply, problem, reason := p.runFollowUp(ctx, t)
	switch {
	case !p.chains.current(c):
		// Rights were taken away while it ran: what it found is not shown any more.
	case p.decide(t).Role < c.role:
		p.chains.end(c.at)
	case ctx.Err() != nil:
		p.later(c, followRetry)
	case problem != "":
		p.endChain(ctx, c, problem, reason)
	default:
		p.showFollowUp(ctx, t, reply)
	}
}

// runFollowUp runs the module. A problem is why the chain ends, in a sentence and
// in a word for the log.
func (p *Pipeline) runFollowUp(ctx context.Context, t *passage) (reply abi.Reply, problem, reason string) {
	request, err := json.Marshal(t.request(p.Now()))
	if err != nil {
		return reply, textInternal, "request"
	}
	t.pass = p.pass(ctx, t)
	// It is borrowed: what acts would have to be confirmed, and nothing is asked.
	code, data, err := p.Modules.Invoke(ctx, t.route.Module, t.actor(), t.pass, t.log, request)
	p.Counts.Command(t.route.Module, p.Now().Sub(t.entered))
	question, isQuestion := errors.AsType[*capability.Asked](err)
	switch {
	case isQuestion && question.Verdict == capability.AskSession:
		return reply, textFollowSession, "session"
	case isQuestion:
		return reply, textFollowActs, "acts"
	case err != nil:
		return reply, p.endText(err, t.route.Module), "fault"
	}
	if code != abi.OK && len(data) == 0 {
		return reply, codeText(code), code.String()
	}
	if reply, err = render.Parse(data); err != nil {
		t.log.Warn("a follow-up cannot be shown", zap.String("event", "follow.invalid"), zap.Error(err))
		return reply, textBadReply, "invalid"
	}
	if code != abi.OK {
		if said := p.rendered(t.route.Module, reply, noToken); len(said.Texts) > 0 {
			return reply, said.Texts[0].Text, code.String()
		}
		return reply, codeText(code), code.String()
	}
	return reply, "", ""
}

func noToken(int) string { return "" }

// showFollowUp edits the chain's message, unless that would have to wait, and
// goes on if the module wants to. What a follow-up replies is one message: of a
// long one the end, where the buttons are, and no files.
func (p *Pipeline) showFollowUp(ctx context.Context, t *passage, reply abi.Reply) {
	c := t.chain
	c.revealed = t.revealed()
	ctx = context.WithoutCancel(ctx) // half an edit is none: from here on it is done
	fresh, err := p.nextKeyboard(c, reply)
	if err != nil {
		t.log.Error("a follow-up has no buttons", zap.String("event", "store.error"), zap.Error(err))
		p.endChain(ctx, c, textInternal, "buttons")
		return
	}
	m, some := lastMessage(p.rendered(c.module, reply, func(n int) string { return token(inGeneration(fresh.id, fresh.Generation), n) }))
	if some && !reflect.DeepEqual(m, c.last) {
		if !p.editChain(ctx, c, m, fresh, reply.Again == nil) {
			return
		}
	}
	if reply.Again == nil {
		p.chains.end(c.at)
		c.log.Debug("a message is not followed up any more", zap.String("event", "follow.ended"), zap.String("reason", "done"))
		return
	}
	c.again = *reply.Again
	p.later(c, time.Duration(c.again.After)*time.Second)
}

// lastMessage is what a follow-up shows of a reply.
func lastMessage(r render.Rendered) (m chat.Message, some bool) {
	for _, list := range [][]chat.Message{r.Texts, r.Files} {
		for _, one := range list {
			if one.Document == nil {
				m, some = one, true
			}
		}
	}
	return m, some
}

// nextKeyboard is the chain's keyboard with the buttons of a reply: the same
// entry in the store, in a new generation if they changed.
func (p *Pipeline) nextKeyboard(c *chain, reply abi.Reply) (keyboard, error) {
	k := c.keyboard
	k.Revealed = c.revealed
	var buttons []abi.Button
	for _, row := range reply.Keyboard {
		buttons = append(buttons, row...)
	}
	if len(buttons) == 0 || reflect.DeepEqual(buttons, k.Buttons) {
		return k, nil
	}
	if k.id != "" {
		k.Before, k.Buttons = k.Buttons, buttons
		k.Generation++
		return k, nil
	}
	id, err := p.keyboardID()
	return keyboard{
		id: id, Module: c.module, Who: c.who, User: c.update.From.ID, Chat: c.at.chat, Message: c.at.message,
		Buttons: buttons, Visit: k.Visit, Way: k.Way, Revealed: c.revealed,
	}, err
}

// editChain shows a view, and reports whether the chain may go on. The last view
// waits for its turn; any other is left out if it would have to.
func (p *Pipeline) editChain(ctx context.Context, c *chain, m chat.Message, fresh keyboard, last bool) bool {
	changed := fresh.Generation != c.keyboard.Generation || fresh.id != c.keyboard.id
	if changed {
		if err := p.keep(ctx, fresh, true); err != nil {
			c.log.Warn("a follow-up cannot be shown", zap.String("event", "follow.invalid"), zap.Error(err))
			p.endChain(ctx, c, textBadReply, "invalid")
			return false
		}
	}
	shown, err := p.editOnce(ctx, c, m, last)
	switch {
	case errors.Is(err, chat.ErrBusy):
		if changed && c.keyboard.id != "" {
			// The buttons that stand there are the old ones; no tap came between.
			_ = p.keep(ctx, c.keyboard, true)
		}
		return true
	case err != nil:
		c.log.Info("a message is not followed up any more", zap.String("event", "follow.ended"), zap.String("reason", "telegram"), zap.Error(err))
		p.chains.end(c.at)
		return false
	}
	c.last, c.keyboard = m, fresh
	if shown != c.at.message {
		p.chains.moved(c, shown)
		c.update.MessageID = shown
		if c.keyboard.id != "" {
			c.keyboard.Message = shown
			_ = p.keep(ctx, c.keyboard, true) // its buttons are as large as a moment ago
		}
	}
	return true
}

func (p *Pipeline) editOnce(ctx context.Context, c *chain, m chat.Message, last bool) (int, error) {
	once, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	shown, err := p.Sender.Try(once, c.update.Chat.Address(), c.at.message, m)
	if !last || !errors.Is(err, chat.ErrBusy) {
		return shown, err
	}
	long, cancel := context.WithTimeout(ctx, lastEditTimeout)
	defer cancel()
	return p.Sender.Edit(long, c.update.Chat.Address(), c.at.message, m)
}

// endChain ends a chain with a sentence that says why, below what is shown.
func (p *Pipeline) endChain(ctx context.Context, c *chain, why, reason string) {
	p.chains.end(c.at)
	c.log.Info("a message is not followed up any more", zap.String("event", "follow.ended"), zap.String("reason", reason), zap.String("module", c.module))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastEditTimeout)
	defer cancel()
	p.lastWord(ctx, c, why)
}

func (p *Pipeline) lastWord(ctx context.Context, c *chain, why string) {
	if _, err := p.Sender.Edit(ctx, c.update.Chat.Address(), c.at.message, withNote(c.last, why)); err != nil {
		c.log.Info("an end could not be told", zap.String("event", "telegram.send"), zap.Error(err))
	}
}

// endChains ends all of them, since the bot stops. Their buttons go on working
// after the restart.
func (p *Pipeline) endChains() {
	ctx, cancel := context.WithTimeout(context.Background(), lastWordTimeout)
	defer cancel()
	var ends sync.WaitGroup
	for _, c := range p.chains.drop(func(*chain) bool { return true }) {
		ends.Go(func() { p.lastWord(ctx, c, textFollowStopped) })
	}
	ends.Wait()
}

// withNote is a message with a sentence below, whose own text is cut if there is
// no room for both.
func withNote(m chat.Message, note string) chat.Message {
	limit := chat.MaxText
	if m.Photo != nil || m.Document != nil {
		limit = chat.MaxCaption
	}
	gap := "\n\n"
	if m.Text == "" {
		gap = ""
	}
	note = clip(note, chat.MaxCaption/2)
	text := clip(m.Text, limit-units(gap+note))
	length := units(text)
	var kept []chat.Entity
	for _, e := range m.Entities {
		if e.Length = min(e.Length, length-e.Offset); e.Length > 0 {
			kept = append(kept, e)
		}
	}
	m.Text, m.Entities = text+gap+note, kept
	return m
}

// units is the length of a text in UTF-16 code units.
func units(s string) (n int) {
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}
