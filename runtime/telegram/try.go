package telegram

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-telegram/bot/models"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

// spareMessages is what Try leaves of each flood limit: what somebody sends in a
// moment must not wait because of what could as well be left out.
const spareMessages = floodBurst / 2

// Try sends a message (id 0) or edits one, if that can be done at once, and
// returns the id of the message that shows it: for what nobody misses. It is
// tried once. [chat.ErrBusy] says that nothing was changed, or perhaps by an edit
// that got no answer: it is somebody else's turn in the chat, Telegram wants
// calm or is away, or a limit has little room left. An edit of a message that is
// gone is [ErrMessageGone], and sends none.
func (s *Sender) Try(ctx context.Context, to chat.Address, id int, m chat.Message) (int, error) {
	ctx, done, err := s.begin(ctx, "try")
	if err != nil {
		return 0, err
	}
	defer done()
	ln := s.lanes.enterIdle(to)
	if ln == nil {
		return 0, chat.ErrBusy
	}
	defer s.lanes.leave(ln)
	if !s.hasRoom(ln) {
		return 0, chat.ErrBusy
	}
	if id == 0 {
		return s.sendBy(ctx, s.once, ln, to, m)
	}
	err = s.editBy(ctx, s.once, ln, to, id, m)
	switch {
	case err == nil:
		return id, nil
	case errors.Is(err, ErrOtherContent):
		return s.replace(ctx, ln, to, id, m)
	case errors.Is(err, ErrUnavailable):
		return 0, errors.Join(chat.ErrBusy, err)
	}
	return 0, err
}

// hasRoom reports whether a message can go out now with some to spare.
func (s *Sender) hasRoom(ln *lane) bool {
	now := s.clock.Now()
	if s.floods.until().After(now) || s.lanes.pausedUntil(ln).After(now) {
		return false
	}
	for _, limiter := range append(ln.limits[:len(ln.limits):len(ln.limits)], s.overall...) {
		if limiter.TokensAt(now) < spareMessages+1 {
			return false
		}
	}
	return true
}

// once makes a call that returns a message, a single time.
func (s *Sender) once(ctx context.Context, method string, ln *lane, try func(context.Context) (*models.Message, error)) (int, error) {
	now := s.clock.Now()
	for _, limiter := range append(ln.limits[:len(ln.limits):len(ln.limits)], s.overall...) {
		limiter.AllowN(now, 1) // there is room, but for a race that costs nothing
	}
	m, err := try(ctx)
	err = settle(method, err)
	s.note(err)
	switch {
	case errors.Is(err, ErrTooManyRequests):
		s.floods.met(s.lanes, ln, s.clock.Now(), min(retryAfter(err), maxRetryAfter))
		return 0, fmt.Errorf("%w: %w", chat.ErrBusy, err)
	case err != nil:
		return 0, err
	}
	return m.ID, nil
}
