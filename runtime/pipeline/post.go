package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/render"
	"github.com/cofferdam-bot/cofferdam/security/access"
)

// Why nothing was posted.
var (
	// ErrNoAdmin is returned for a user who is no admin (any more) in that chat.
	ErrNoAdmin = errors.New("whom this is for is no admin there")
	// ErrStopping is returned while the bot stops.
	ErrStopping = errors.New("the bot stops")
)

// Post sends a message that nobody asked for: a reply in a module's name, rendered
// as any other, with the host's name line if the module is not the project's own.
// It goes to an admin, who may tap its buttons, or, with user 0, to whoever is in
// the chat: then it has no buttons, and only in a private chat it is asked whether
// an admin reads it. A menu and what is to be followed up are left out.
//
// Post returns when Telegram has answered, waits its turn as any message does, and
// may be called by many. [Pipeline.Close] waits for it, and then ends it.
func (p *Pipeline) Post(ctx context.Context, to chat.Address, user int64, module string, reply abi.Reply) error {
	t := p.unasked(to, user, chat.Route{Module: module, Who: abi.WhoAdmin})
	return p.beside(ctx, t, func(ctx context.Context) error {
		t.reply = reply
		return p.post(ctx, t)
	})
}

// Show posts what a command of a module answers to an admin, who did not type it.
// It runs without a session, and can change nothing.
func (p *Pipeline) Show(ctx context.Context, to chat.Address, user int64, command, text string) error {
	route, found := p.Modules.ByCommand(command)
	if !found || route.Module == "" {
		return fmt.Errorf("there is no module with the command %s", command)
	}
	route.Text = text
	t := p.unasked(to, user, route)
	return p.beside(ctx, t, func(ctx context.Context) error {
		if err := p.runUnasked(ctx, t); err != nil {
			return err
		}
		return p.post(ctx, t)
	})
}

// unasked is a passage without an update.
func (p *Pipeline) unasked(to chat.Address, user int64, route chat.Route) *passage {
	trace := p.traceID()
	return &passage{
		update: chat.Update{From: chat.User{ID: user}, Chat: chat.Chat{ID: to.Chat, Thread: to.Thread, Private: !to.Group}},
		route:  route, trace: trace, entered: p.Now(), borrowed: true, role: access.Admin,
		log: p.Log.With(zap.String("trace_id", trace)),
	}
}

// beside runs something that the end of the pipeline waits for. A panic costs that
// one message.
func (p *Pipeline) beside(ctx context.Context, t *passage, do func(context.Context) error) (err error) {
	ctx, leave, ok := p.lanes.join(ctx)
	if !ok {
		return ErrStopping
	}
	defer leave()
	defer func() {
		if r := recover(); r != nil {
			p.panicLogged(t, r)
			err = fmt.Errorf("the bot panicked: %v", r)
		}
	}()
	return do(ctx)
}

// runUnasked lets the module answer.
func (p *Pipeline) runUnasked(ctx context.Context, t *passage) error {
	if !p.mayGet(t) {
		return ErrNoAdmin
	}
	request, err := json.Marshal(t.request(p.Now()))
	if err != nil {
		return fmt.Errorf("encode a request: %w", err)
	}
	p.Modules.Await(ctx, t.route.Module)
	t.pass = p.pass(ctx, t)
	t.pass.Session = false
	code, data, err := p.Modules.Invoke(ctx, t.route.Module, t.actor(), t.pass, t.log, request)
	if err != nil {
		return fmt.Errorf("run %s: %w", t.route.Command, err)
	}
	if code != abi.OK {
		return fmt.Errorf("run %s: the module answers %s", t.route.Command, code)
	}
	t.reply, err = render.Parse(data)
	return err
}

// mayGet reports whether what nobody asked for may be sent. Rights are asked for
// right before: a user who is no admin any more gets nothing.
func (p *Pipeline) mayGet(t *passage) bool {
	user, where := t.update.From.ID, t.update.Chat
	if user == 0 && !where.Private {
		return true // whoever reads it there: the caller knows the chat from the config
	}
	if user == 0 {
		user = where.ID
	}
	return p.Access.Decide(user, where.ID, where.Private).Role >= access.Admin
}

// post renders and sends the reply.
func (p *Pipeline) post(ctx context.Context, t *passage) error {
	if err := render.Check(t.reply); err != nil {
		return err
	}
	if !p.mayGet(t) {
		return ErrNoAdmin
	}
	t.reply.Menu, t.reply.Again = "", nil
	if t.update.From.ID == 0 {
		t.reply.Keyboard = nil
	}
	id, err := p.keyboardID()
	if err != nil {
		return err
	}
	t.rendered = p.rendered(t.route.Module, t.reply, func(n int) string { return token(id, n) })
	if len(t.rendered.Buttons) > 0 {
		defer p.posts(id)()
		t.keyboard = keyboard{
			id: id, Module: t.route.Module, Who: t.route.Who, User: t.update.From.ID, Chat: t.update.Chat.ID, Buttons: t.rendered.Buttons,
			Visit: t.visited(), Revealed: t.revealed(),
		}
		if err := p.keep(ctx, t.keyboard, false); err != nil {
			return fmt.Errorf("keep the buttons: %w", err)
		}
	}
	return p.sendUnasked(ctx, t)
}

// posts takes note that a keyboard is on its way, outside of its chat's lane.
func (p *Pipeline) posts(id string) (posted func()) {
	done := make(chan struct{})
	p.guard.Lock()
	p.posting[id] = done
	p.guard.Unlock()
	return func() {
		p.guard.Lock()
		delete(p.posting, id)
		p.guard.Unlock()
		close(done)
	}
}

// awaitPost lets a tap that is quicker than Telegram's answer to the message that
// it is on wait until that message is known: else its view would not be found.
func (p *Pipeline) awaitPost(ctx context.Context, data string) {
	id, _, ok := readToken(data)
	if !ok {
		return
	}
	p.guard.Lock()
	posted := p.posting[id]
	p.guard.Unlock()
	if posted == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	select {
	case <-posted:
	case <-ctx.Done():
	}
}

func (p *Pipeline) sendUnasked(ctx context.Context, t *passage) error {
	texts := t.rendered.Texts
	if notice := p.signed(t.route.Module, t.reply.Notice); notice != "" {
		texts = append([]chat.Message{{Text: notice}}, texts...)
	}
	for _, m := range append(texts, t.rendered.Files...) {
		id, err := p.Sender.Send(ctx, t.update.Chat.Address(), m)
		if err != nil {
			return fmt.Errorf("post a message: %w", err)
		}
		p.bind(ctx, t, m, id)
		if stays := time.Duration(t.reply.DeleteAfter) * time.Second; stays > 0 {
			p.deleteLater(ctx, t, id, stays)
		}
	}
	return nil
}
