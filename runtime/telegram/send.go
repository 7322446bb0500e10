package telegram

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"
	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

// SenderOptions of a Sender. The zero value has no limits and no log.
type SenderOptions struct {
	Flood Flood
	Log   *zap.Logger
	Clock Clock
}

// Sender takes messages out. Its methods return when Telegram has answered or
// the context has ended, and may be called by several goroutines.
//
// Sends, edits and deletions for one chat are done one after the other, in the
// order in which they were called; chats do not wait for each other. Nothing
// bounds how many callers wait but the callers.
//
// When Telegram is away, a call is repeated until the context ends, and those
// behind it in its chat wait. When it asks for patience, it gets it. Any other
// error is returned at once, as an [*Error].
//
// Delivery is at least once: when a connection breaks after the request went
// out, nobody knows whether Telegram took it, and it is sent again. A message
// that comes twice is a smaller evil than an answer that never comes.
type Sender struct {
	client  *Client
	clock   Clock
	lanes   *lanes
	overall []*rate.Limiter
	outage  *outage
	floods  floods

	// closed ends the calls under way; calls counts them.
	closed context.Context
	cut    context.CancelFunc
	mu     sync.Mutex
	shut   bool
	calls  sync.WaitGroup
}

// NewSender returns a Sender. It starts no goroutine.
func NewSender(c *Client, o SenderOptions) *Sender {
	clock := o.Clock.orReal()
	s := &Sender{
		client:  c,
		clock:   clock,
		lanes:   newLanes(o.Flood, clock),
		overall: o.Flood.overall(),
		outage:  newOutage("sending", o.Log, clock),
	}
	s.closed, s.cut = context.WithCancel(context.Background())
	return s
}

// State says how sending goes.
func (s *Sender) State() State { return s.outage.current() }

// Send sends a message and returns its id. With a Document or a Photo, the text
// is its caption. Only entities style it; links get no preview.
func (s *Sender) Send(ctx context.Context, to chat.Address, m chat.Message) (messageID int, err error) {
	err = s.inOrder(ctx, "send", to, func(ctx context.Context, ln *lane) error {
		messageID, err = s.send(ctx, ln, to, m)
		return err
	})
	return messageID, err
}

// Edit replaces a message and returns its id. An edit that changes nothing is
// fine. When the message is gone, or was of a kind that cannot become the new
// one, a new message is sent, and its id returned; the old one is deleted if it
// is still there. Keyboard and Silent do nothing in an edit.
func (s *Sender) Edit(ctx context.Context, to chat.Address, id int, m chat.Message) (messageID int, err error) {
	err = s.inOrder(ctx, "edit", to, func(ctx context.Context, ln *lane) error {
		messageID, err = s.edit(ctx, ln, to, id, m)
		return err
	})
	return messageID, err
}

// Delete deletes a message. One that is gone already is fine.
func (s *Sender) Delete(ctx context.Context, to chat.Address, id int) error {
	return s.inOrder(ctx, "deleteMessage", to, func(ctx context.Context, ln *lane) error {
		return s.delete(ctx, ln, to, id)
	})
}

// Answer answers a tap, with a text of up to 200 characters or none, as a short
// notice or as an alert that has to be closed. It overtakes the chat's messages:
// Telegram shows the button as busy until then. ErrQueryTooOld means that the
// tap does not wait any more.
func (s *Sender) Answer(ctx context.Context, queryID, text string, alert bool) error {
	ctx, done, err := s.begin(ctx, "answerCallbackQuery")
	if err != nil {
		return err
	}
	defer done()
	return s.persist(ctx, "answerCallbackQuery", nil, func(ctx context.Context) error {
		_, err := s.client.bot.AnswerCallbackQuery(ctx, &bot.AnswerCallbackQueryParams{CallbackQueryID: queryID, Text: text, ShowAlert: alert})
		return err
	})
}

// typingTimeout is how long "typing…" may take to be shown; it lasts 5 s.
const typingTimeout = 5 * time.Second

// Typing shows "typing…" for some seconds. It is a nicety: it is tried once,
// waits for nothing, and is left out while Telegram wants calm.
func (s *Sender) Typing(ctx context.Context, to chat.Address) {
	const method = "sendChatAction"
	ctx, cancel := context.WithTimeout(ctx, typingTimeout)
	defer cancel()
	ctx, done, err := s.begin(ctx, method)
	if err != nil {
		return
	}
	defer done()
	if s.lanes.chatPaused(to.Chat) || s.floods.until().After(s.clock.Now()) {
		return
	}
	_, err = s.client.bot.SendChatAction(ctx, &bot.SendChatActionParams{ChatID: to.Chat, MessageThreadID: to.Thread, Action: models.ChatActionTyping})
	s.note(settle(method, err))
}

// Close refuses further calls and waits for those under way, until the context
// ends; then it ends them, and returns the context's error.
func (s *Sender) Close(ctx context.Context) error {
	s.mu.Lock()
	s.shut = true
	s.mu.Unlock()
	defer s.cut()
	idle := make(chan struct{})
	go func() {
		s.calls.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-idle: // there was nothing to wait for
		return nil
	case <-time.After(closeGrace):
		s.cut()
		<-idle
		return ctx.Err()
	}
}

// closeGrace is what a goroutine needs to say that nothing is under way.
const closeGrace = 50 * time.Millisecond

// begin counts a call in, and ties its context to Close.
func (s *Sender) begin(ctx context.Context, method string) (context.Context, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return nil, nil, &Error{Method: method, Kind: ErrClosed}
	}
	s.calls.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.closed, cancel)
	return ctx, func() {
		stop()
		cancel()
		s.calls.Done()
	}, nil
}

// inOrder runs what has to be done for a chat when its turn has come.
func (s *Sender) inOrder(ctx context.Context, method string, to chat.Address, do func(context.Context, *lane) error) error {
	ctx, done, err := s.begin(ctx, method)
	if err != nil {
		return err
	}
	defer done()
	ln, err := s.lanes.enter(ctx, to)
	if err != nil {
		return &Error{Method: method, Kind: err, Text: "waiting for the chat's turn"}
	}
	defer s.lanes.leave(ln)
	return do(ctx, ln)
}

func (s *Sender) send(ctx context.Context, ln *lane, to chat.Address, m chat.Message) (int, error) {
	return s.sendBy(ctx, s.message, ln, to, m)
}

// caller makes a call that returns a message: Sender.message, which waits and
// repeats, or Sender.once.
type caller func(ctx context.Context, method string, ln *lane, try func(context.Context) (*models.Message, error)) (int, error)

func (s *Sender) sendBy(ctx context.Context, call caller, ln *lane, to chat.Address, m chat.Message) (int, error) {
	method := "sendMessage"
	try := func(ctx context.Context) (*models.Message, error) {
		return s.client.bot.SendMessage(ctx, textParams(to, m))
	}
	switch {
	case m.Document != nil:
		method = "sendDocument"
		try = func(ctx context.Context) (*models.Message, error) {
			return s.client.bot.SendDocument(ctx, documentParams(to, m))
		}
	case m.Photo != nil:
		method = "sendPhoto"
		try = func(ctx context.Context) (*models.Message, error) {
			return s.client.bot.SendPhoto(ctx, photoParams(to, m))
		}
	}
	return call(ctx, method, ln, try)
}

func (s *Sender) edit(ctx context.Context, ln *lane, to chat.Address, id int, m chat.Message) (int, error) {
	err := s.editBy(ctx, s.message, ln, to, id, m)
	switch {
	case err == nil:
		return id, nil
	case errors.Is(err, ErrMessageGone):
		return s.send(ctx, ln, to, m)
	case errors.Is(err, ErrOtherContent):
		return s.replace(ctx, ln, to, id, m)
	}
	return 0, err
}

// editBy edits a message. That nothing is to be changed is no error.
func (s *Sender) editBy(ctx context.Context, call caller, ln *lane, to chat.Address, id int, m chat.Message) error {
	method := "editMessageText"
	if m.OverMedia && m.Document == nil && m.Photo == nil {
		return &Error{Method: method, Kind: ErrOtherContent, Text: "not asked: it stands in the place of a picture or a file"}
	}
	try := func(ctx context.Context) (*models.Message, error) {
		return s.client.bot.EditMessageText(ctx, editTextParams(to, id, m))
	}
	if m.Document != nil || m.Photo != nil {
		method = "editMessageMedia"
		try = func(ctx context.Context) (*models.Message, error) {
			return s.client.bot.EditMessageMedia(ctx, editMediaParams(to, id, m))
		}
	}
	_, err := call(ctx, method, ln, try)
	if errors.Is(err, ErrNotModified) {
		return nil
	}
	return err
}

// replace sends the new message before it takes the old one away: if the second
// step does not work, there is one too many and not one too few.
func (s *Sender) replace(ctx context.Context, ln *lane, to chat.Address, id int, m chat.Message) (int, error) {
	fresh, err := s.send(ctx, ln, to, m)
	if err != nil {
		return 0, err
	}
	// The new message stands, so the edit has worked whatever becomes of the old.
	if err := s.delete(ctx, ln, to, id); err != nil {
		s.outage.log.Info("a message that was replaced could not be deleted",
			zap.String("event", "telegram.replaced_message_stays"), zap.String("error", err.Error()))
	}
	return fresh, nil
}

func (s *Sender) delete(ctx context.Context, ln *lane, to chat.Address, id int) error {
	err := s.persist(ctx, "deleteMessage", ln, func(ctx context.Context) error {
		_, err := s.client.bot.DeleteMessage(ctx, &bot.DeleteMessageParams{ChatID: to.Chat, MessageID: id})
		return err
	})
	if errors.Is(err, ErrMessageGone) {
		return nil
	}
	return err
}

// message makes a call that counts against the flood limits and returns a
// message.
func (s *Sender) message(ctx context.Context, method string, ln *lane, try func(context.Context) (*models.Message, error)) (int, error) {
	// The chat's own limits first: who waits for those must not hold a place in
	// the overall one.
	for _, limiters := range [][]*rate.Limiter{ln.limits, s.overall} {
		for _, limiter := range limiters {
			if err := take(ctx, s.clock, limiter); err != nil {
				return 0, &Error{Method: method, Kind: err, Text: "waiting for the flood limit"}
			}
		}
	}
	id := 0
	err := s.persist(ctx, method, ln, func(ctx context.Context) error {
		m, err := try(ctx)
		if err == nil {
			id = m.ID
		}
		return err
	})
	return id, err
}

// persist repeats a call until Telegram takes it or refuses it for good, or the
// context ends. The lane is nil for a call outside of any.
func (s *Sender) persist(ctx context.Context, method string, ln *lane, try func(context.Context) error) error {
	pause := backoff{clock: s.clock}
	last := ""
	for {
		if err := s.holdBack(ctx, ln); err != nil {
			return &Error{Method: method, Kind: err, Text: last}
		}
		err := settle(method, try(ctx))
		s.note(err)
		var wait time.Duration
		switch {
		case errors.Is(err, ErrTooManyRequests):
			wait = s.floods.met(s.lanes, ln, s.clock.Now(), pause.next(retryAfter(err)))
		case errors.Is(err, ErrUnavailable):
			wait = pause.next(0)
		default:
			return err
		}
		last = err.Error()
		if err := s.clock.Sleep(ctx, wait); err != nil {
			return &Error{Method: method, Kind: err, Text: last}
		}
	}
}

// holdBack waits while Telegram wants no calls, for this chat or at all.
func (s *Sender) holdBack(ctx context.Context, ln *lane) error {
	until := s.floods.until()
	if ln != nil {
		if p := s.lanes.pausedUntil(ln); p.After(until) {
			until = p
		}
	}
	if wait := until.Sub(s.clock.Now()); wait > 0 {
		return s.clock.Sleep(ctx, wait)
	}
	return ctx.Err()
}

// note keeps the State. A refusal shows that Telegram is there.
func (s *Sender) note(err error) {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrUnauthorized), errors.Is(err, ErrTooManyRequests):
		s.outage.failed(eventOf(err), err)
	default:
		s.outage.worked()
	}
}
