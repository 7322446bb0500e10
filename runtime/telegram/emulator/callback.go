package emulator

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// A query can be answered for 15 seconds, with at most 200 characters:
// https://core.telegram.org/bots/api#answercallbackquery. Older queries than maxQueries are forgotten.
const (
	queryLife   = 15 * time.Second
	maxAnswer   = 200
	maxQueries  = 10_000
	staleAnswer = "query is too old and response timeout expired or query ID is invalid"
)

// CallbackAnswer is what the bot answered to a tap.
type CallbackAnswer struct {
	Text  string
	Alert bool // to be shown as a window rather than as a notice
	URL   string
}

// query is a tap that waits for its answer, or has it.
type query struct {
	id     string
	chat   *chat
	userID int64
	at     time.Time
	answer *CallbackAnswer
	done   chan struct{} // closed when answered
}

// queryBook holds the taps. Server.mu guards it.
type queryBook struct {
	byID  map[string]*query
	order []string
}

func newQueryBook() queryBook { return queryBook{byID: make(map[string]*query)} }

func (b *queryBook) put(q *query) {
	b.byID[q.id] = q
	b.order = append(b.order, q.id)
	if len(b.order) > maxQueries {
		delete(b.byID, b.order[0])
		b.order = b.order[1:]
	}
}

// tap makes a callback query of a user for a message, which may be gone, and returns its id.
func (s *Server) tap(c *chat, u User, messageID int, data string) string {
	q := &query{
		id: strconv.FormatUint(randomUint64(), 10), chat: c, userID: u.ID, at: s.now(), done: make(chan struct{}),
	}
	s.queries.put(q)
	body := wireQuery{ID: q.id, From: u, ChatInstance: strconv.FormatInt(c.id, 10), Data: data}
	if m := c.find(messageID); m != nil {
		body.Message = c.wireMessage(m)
	} else {
		body.Message = wireGone{Chat: c.wire(), MessageID: messageID}
	}
	s.push("callback_query", body)
	return q.id
}

// answerCallbackQuery: https://core.telegram.org/bots/api#answercallbackquery. A query is answered once, within 15 s.
func (s *Server) answerCallbackQuery(p *params) (any, error) {
	if utf16Len(p.str("text")) > maxAnswer {
		return nil, badRequest("MESSAGE_TOO_LONG")
	}
	q := s.queries.byID[p.str("callback_query_id")]
	if q == nil || q.answer != nil || s.now().Sub(q.at) > queryLife {
		return nil, badRequest(staleAnswer)
	}
	q.answer = &CallbackAnswer{Text: p.str("text"), Alert: p.bool("show_alert"), URL: p.str("url")}
	close(q.done)
	q.chat.changed.ring()
	q.chat.publishTo(q.userID, event{name: "answer", data: map[string]any{
		"query_id": q.id, "text": q.answer.Text, "alert": q.answer.Alert,
	}})
	return true, nil
}

func (c *chat) publishTo(userID int64, e event) {
	for s := range c.streams {
		if s.userID == userID {
			c.send(s, e)
		}
	}
}

// waitAnswer waits for the bot's answer to a query.
func (s *Server) waitAnswer(ctx context.Context, id string) (CallbackAnswer, error) {
	s.mu.Lock()
	q := s.queries.byID[id]
	s.mu.Unlock()
	if q == nil {
		return CallbackAnswer{}, fmt.Errorf("answer to callback query %q: no such query", id)
	}
	if err := s.hear(ctx, q.done); err != nil {
		return CallbackAnswer{}, fmt.Errorf("answer to callback query %q: %w", id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return *q.answer, nil
}
