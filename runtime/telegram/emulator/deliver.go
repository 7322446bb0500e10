package emulator

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"time"
)

// What the zero Options mean. Telegram's own are longer where a test would only wait for them: it comes back after 1 s
// at first and 1 to 2 min at most, and gives a webhook 60 s.
const (
	firstRetry     = 50 * time.Millisecond
	mostRetry      = time.Second
	deliverTimeout = 30 * time.Second
)

// deliveryWindow is how many of the oldest updates are looked at for one that can be delivered: twice the largest
// max_connections. Telegram loads twice the present one.
const deliveryWindow = 200

// closePatience is how long Close waits for deliveries that do not obey their context.
const closePatience = 5 * time.Second

// outbox is what the server needs to bring updates to a webhook. Server.mu guards what changes.
type outbox struct {
	carrier     http.RoundTripper
	first, most time.Duration // pauses before an update goes out again
	timeout     time.Duration
	unordered   bool
	ctx         context.Context // of all deliveries; ended by Close
	stop        context.CancelFunc

	paused  bool
	timer   *time.Timer // dispatches when the first failed update is due again; nil if there is none
	running int         // goroutines, for whatever webhook
	log     []Delivery
	changed bell // rung when a delivery or a goroutine has ended
}

func newOutbox(o Options) outbox {
	ctx, stop := context.WithCancel(context.Background())
	first := cmp.Or(o.RetryFirst, firstRetry)
	return outbox{
		carrier: o.Webhooks, first: first, most: cmp.Or(o.RetryMost, max(first, mostRetry)),
		timeout: cmp.Or(o.WebhookTimeout, deliverTimeout), unordered: o.Unordered, ctx: ctx, stop: stop,
	}
}

// pause is the time until the next delivery of an update that failed some times in a row. What the webhook asked for
// counts instead if it asked.
func (o *outbox) pause(fails int, asked time.Duration) time.Duration {
	if asked > 0 {
		return min(asked, o.most)
	}
	d := o.first
	for ; fails > 1 && d < o.most; fails-- {
		d *= 2
	}
	return min(d, o.most)
}

// transport gives what carries requests to a webhook.
func (o *outbox) transport(hook Webhook) http.RoundTripper {
	if o.carrier == nil {
		return Route{TLS: &tls.Config{MinVersion: tls.VersionTLS12}}.RoundTripper().For(hook)
	}
	if c, ok := o.carrier.(interface {
		For(Webhook) http.RoundTripper
	}); ok {
		return c.For(hook)
	}
	return o.carrier
}

// registration is one setWebhook: whom to call, and how that goes.
type registration struct {
	Webhook
	transport     http.RoundTripper
	underWay      int // deliveries
	lastError     string
	lastErrorDate int64
}

// register makes a webhook the one that is called. What failed at another is tried at once. The caller holds mu.
func (s *Server) register(hook Webhook) {
	s.retire()
	s.hook = &registration{Webhook: hook, transport: s.outbox.transport(hook)}
	for _, w := range s.updates.list {
		w.fails, w.due = 0, time.Time{}
	}
	s.updates.ready.ring()
	s.dispatch()
}

// retire calls the present webhook no more. What is under way there may end, and counts. The caller holds mu.
func (s *Server) retire() {
	if s.hook == nil {
		return
	}
	s.outbox.running++
	go s.hangUp(s.hook)
	s.hook = nil
}

// PauseDeliveries lets no update go out to the webhook until ResumeDeliveries. Those that are under way go on.
func (s *Server) PauseDeliveries() { s.pauseDeliveries(true) }

// ResumeDeliveries undoes PauseDeliveries.
func (s *Server) ResumeDeliveries() { s.pauseDeliveries(false) }

func (s *Server) pauseDeliveries(paused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outbox.paused = paused
	s.dispatch()
}

// dispatch starts the deliveries that can be made now, and sees to it that it is called again when one is due later.
// The end of a delivery calls it too. The caller holds mu.
func (s *Server) dispatch() {
	reg := s.hook
	if reg == nil || s.outbox.paused || s.outbox.ctx.Err() != nil {
		return
	}
	s.updates.expire(s.now())
	now := time.Now()
	var next time.Time
	waits := make(map[int64]bool) // chats with an earlier update that was not accepted
	for _, w := range s.updates.list[:min(len(s.updates.list), deliveryWindow)] {
		if reg.underWay >= reg.MaxConnections {
			return
		}
		chat := w.read().chat
		behind := waits[chat] && !s.outbox.unordered
		waits[chat] = chat != 0
		switch {
		case w.underWay || behind:
		case !w.due.After(now):
			s.start(reg, w)
		case next.IsZero() || w.due.Before(next):
			next = w.due
		}
	}
	if !next.IsZero() {
		s.dispatchAt(next)
	}
}

func (s *Server) dispatchAt(at time.Time) {
	if s.outbox.timer != nil {
		s.outbox.timer.Stop()
	}
	s.outbox.timer = time.AfterFunc(time.Until(at), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.dispatch()
	})
}

func (s *Server) start(reg *registration, w *waiting) {
	w.underWay = true
	reg.underWay++
	s.outbox.running++
	says := w.read()
	fault := s.faults.take(WebhookCall, says.chat)
	d := Delivery{UpdateID: says.update, ChatID: says.chat, URL: reg.URL, At: s.now()}
	go func() {
		out := s.attempt(reg, w.raw, fault)
		d.Status, d.Error = out.status, out.err
		s.settle(reg, w, d, out, fault != nil && fault.Repeat)
	}()
}

// settle draws the conclusions from a delivery that has ended.
func (s *Server) settle(reg *registration, w *waiting, d Delivery, out outcome, repeat bool) {
	defer s.hangUp(reg)
	s.mu.Lock()
	defer s.mu.Unlock()
	w.underWay = false
	reg.underWay--
	if out.err != "" {
		reg.lastError, reg.lastErrorDate = out.err, s.unix()
	}
	switch {
	case out.err == "" && repeat:
	case out.err == "" || w.injected && out.refusedForGood():
		s.updates.remove(w)
	default:
		w.fails++
		w.due = time.Now().Add(s.outbox.pause(w.fails, out.retryAfter))
	}
	s.outbox.note(d)
	s.dispatch()
}

// hangUp ends the idle connections to a webhook that is called no more: I/O, and so without the lock. It is the last act
// of every goroutine here; Close waits for it.
func (s *Server) hangUp(reg *registration) {
	s.mu.Lock()
	over := s.hook != reg || s.outbox.ctx.Err() != nil
	s.mu.Unlock()
	if over {
		closeIdle(reg.transport)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outbox.running--
	s.outbox.changed.ring()
}

func closeIdle(transport http.RoundTripper) {
	if t, ok := transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// endDeliveries stops all deliveries and waits for them, but not for ever.
func (s *Server) endDeliveries() {
	s.mu.Lock()
	s.outbox.stop() // under the lock: no delivery starts after it
	if s.outbox.timer != nil {
		s.outbox.timer.Stop()
	}
	reg := s.hook
	s.mu.Unlock()
	patience := time.NewTimer(closePatience)
	defer patience.Stop()
	for {
		s.mu.Lock()
		running, changed := s.outbox.running, s.outbox.changed.wait()
		s.mu.Unlock()
		if running == 0 {
			break
		}
		select {
		case <-changed:
		case <-patience.C:
			return
		}
	}
	if reg != nil {
		closeIdle(reg.transport)
	}
}

// said is what the text of an update says; 0 for what is not there, or cannot be read.
type said struct{ update, chat int64 }

func (w *waiting) read() said {
	if w.said != nil {
		return *w.said
	}
	type inChat struct {
		Chat struct {
			ID int64 `json:"id"`
		} `json:"chat"`
	}
	var u struct {
		ID         int64  `json:"update_id"`
		Message    inChat `json:"message"`
		Edited     inChat `json:"edited_message"`
		Post       inChat `json:"channel_post"`
		EditedPost inChat `json:"edited_channel_post"`
		Membership inChat `json:"my_chat_member"`
		Query      struct {
			Message inChat `json:"message"`
		} `json:"callback_query"`
	}
	_ = json.Unmarshal(w.raw, &u) // what is injected may be anything; what can be read of it counts
	chat := cmp.Or(u.Message.Chat.ID, u.Edited.Chat.ID, u.Post.Chat.ID, u.EditedPost.Chat.ID,
		u.Membership.Chat.ID, u.Query.Message.Chat.ID)
	w.said = &said{update: u.ID, chat: chat}
	return *w.said
}
