package emulator

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// Figures of https://core.telegram.org/bots/api#getupdates and #getting-updates; the longest poll is that of
// Telegram's own server.
const (
	maxBatch   = 100
	maxPoll    = 50 * time.Second
	maxWaiting = 24 * time.Hour
)

// notByDefault are the kinds of updates that come only when they are asked for by name.
var notByDefault = []string{"chat_member", "message_reaction", "message_reaction_count"}

// waiting is an update that the bot has not confirmed.
type waiting struct {
	id   int64
	at   time.Time
	raw  []byte
	once bool // cannot be confirmed by its id, so it is forgotten once it was sent
	// injected is made by a test. A webhook need not take it: what is refused for good is not brought again.
	injected bool

	said     *said     // what raw says, once a webhook needs to know
	underWay bool      // it is being delivered to a webhook
	fails    int       // deliveries that failed since the webhook was set
	due      time.Time // not to be delivered before this, in real time
}

// updateQueue holds the updates for the bot. Server.mu guards it.
type updateQueue struct {
	next    int64
	list    []*waiting // the oldest first, so that ids rise
	allowed []string   // nil: all but notByDefault
	arrived bell
	poller  *poller
	ready   bell // rung by each getUpdates and setWebhook
}

// poller is a getUpdates call under way. A later one, or a webhook, ends it with a reason.
type poller struct{ ended string }

func newUpdateQueue() updateQueue {
	return updateQueue{next: 100_000_000 + int64(randomUint64()%800_000_000)}
}

// push queues an update of a kind, unless the bot did not ask for that kind.
func (s *Server) push(kind string, body any) {
	q := &s.updates
	if !q.wants(kind) {
		return
	}
	raw := append([]byte(`{"update_id":`), strconv.FormatInt(q.next, 10)...)
	raw = append(raw, `,"`+kind+`":`...)
	raw = append(raw, mustJSON(body)...)
	s.queue(&waiting{raw: append(raw, '}')})
}

// queue puts an update where the bot gets it from, by whatever way it comes.
func (s *Server) queue(w *waiting) {
	q := &s.updates
	w.id, w.at = q.next, s.now()
	q.next++
	q.list = append(q.list, w)
	q.arrived.ring()
	s.dispatch()
}

func (q *updateQueue) wants(kind string) bool {
	if q.allowed == nil {
		return !slices.Contains(notByDefault, kind)
	}
	return slices.Contains(q.allowed, kind)
}

// Inject puts bytes, as they are, into the list of updates: also what is no JSON at all. In an answer to getUpdates
// they are sent once, and then forgotten, since a bot cannot confirm what it cannot read, nor an id that is out of
// order. A webhook gets them until it takes them (2xx) or refuses them for good (4xx other than 429): the real Telegram
// would come back with them for a day, and hold up everything behind them. With a copy of an earlier update it shows
// what a bot does when Telegram delivers again.
func (s *Server) Inject(raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue(&waiting{raw: slices.Clone(raw), once: true, injected: true})
}

// InjectUpdate is Inject for bytes that carry the right update_id. If they do, getUpdates gives the update until the bot
// confirms it, as any other; if they do not, once. Build must not call the server.
func (s *Server) InjectUpdate(build func(id int64) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw := slices.Clone(build(s.updates.next))
	var u struct {
		ID int64 `json:"update_id"`
	}
	confirmable := json.Unmarshal(raw, &u) == nil && u.ID == s.updates.next
	s.queue(&waiting{raw: raw, once: !confirmable, injected: true})
}

// Drain takes all updates that wait, as JSON, the oldest first: for tests that bring them to the bot by another way, or
// not at all. One that is under way to a webhook is among them.
func (s *Server) Drain() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([][]byte, len(s.updates.list))
	for i, w := range s.updates.list {
		out[i] = w.raw
	}
	s.updates.list = nil
	return out
}

// Waiting is the number of updates that the bot has not confirmed.
func (s *Server) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.updates.list)
}

// WaitPoll waits until a getUpdates call is under way: the bot is up, and hears what is typed next at once.
func (s *Server) WaitPoll(ctx context.Context) error {
	for {
		polling, _, ready := s.listening()
		if polling {
			return nil
		}
		if err := s.hear(ctx, ready); err != nil {
			return fmt.Errorf("wait for a getUpdates call: %w", err)
		}
	}
}

// WaitReady is WaitPoll for a bot that may be in webhook mode: it waits until a getUpdates call is under way, or a
// webhook is set.
func (s *Server) WaitReady(ctx context.Context) error {
	for {
		polling, hooked, ready := s.listening()
		if polling || hooked {
			return nil
		}
		if err := s.hear(ctx, ready); err != nil {
			return fmt.Errorf("wait for a getUpdates call or a webhook: %w", err)
		}
	}
}

// listening says how the bot gets updates at present. The channel is closed when that changes.
func (s *Server) listening() (polling, hooked bool, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.updates.poller != nil, s.hook != nil, s.updates.ready.wait()
}

// confirm forgets what an offset says was handled. One beyond the last update is ignored, as Telegram's server does,
// so that a bot that was led astray by a forged id is not deaf for ever.
func (q *updateQueue) confirm(offset int64, now time.Time) {
	drop := 0
	switch {
	case offset < 0:
		drop = max(0, len(q.list)-int(-max(offset, math.MinInt32)))
	case offset > 0 && offset <= q.next:
		for drop < len(q.list) && q.list[drop].id < offset {
			drop++
		}
	}
	q.list = q.list[drop:]
	q.expire(now)
}

// expire forgets what waited too long.
func (q *updateQueue) expire(now time.Time) {
	drop := 0
	for drop < len(q.list) && now.Sub(q.list[drop].at) > maxWaiting {
		drop++
	}
	q.list = q.list[drop:]
}

// remove forgets an update; one that is not in the list any more is forgotten already.
func (q *updateQueue) remove(w *waiting) {
	if i := slices.Index(q.list, w); i >= 0 {
		q.list = slices.Delete(q.list, i, i+1)
	}
}

// batch gives the oldest updates as the text of a JSON array; nil if there are none.
func (q *updateQueue) batch(limit int) rawResult {
	n := min(limit, len(q.list))
	if n == 0 {
		return nil
	}
	out := []byte{'['}
	kept := q.list[:0:0]
	for i, w := range q.list[:n] {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, w.raw...)
		if !w.once {
			kept = append(kept, w)
		}
	}
	if len(kept) < n {
		q.list = append(kept, q.list[n:]...)
	}
	return append(out, ']')
}

// takeOver makes p the poller; one that waits is ended.
func (q *updateQueue) takeOver(p *poller) {
	q.endPoller("terminated by other getUpdates request; make sure that only one bot instance is running")
	q.poller = p
	q.ready.ring()
}

func (q *updateQueue) endPoller(reason string) {
	if q.poller != nil {
		q.poller.ended = reason
		q.poller = nil
		q.arrived.ring()
	}
}

// getUpdates: https://core.telegram.org/bots/api#getupdates
func (s *Server) getUpdates(ctx context.Context, p *params) (any, error) {
	limit := int(clamp(p.int("limit"), 1, maxBatch))
	if !p.has("limit") {
		limit = maxBatch
	}
	me, err := s.startPoll(p)
	if err != nil {
		return nil, err
	}
	defer s.endPoll(me)
	wait := min(time.Duration(clamp(p.int("timeout"), 0, 3600))*time.Second, maxPoll)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		batch, arrived, err := s.tryPoll(me, limit)
		if err != nil || batch != nil || wait == 0 {
			return orEmpty(batch), err
		}
		select {
		case <-arrived:
		case <-timer.C:
			wait = 0
		case <-ctx.Done():
			return orEmpty(nil), nil
		case <-s.closed:
			return nil, errRestart
		}
	}
}

func orEmpty(batch rawResult) rawResult {
	if batch == nil {
		return rawResult("[]")
	}
	return batch
}

func clamp(n, low, high int64) int64 { return max(low, min(n, high)) }

// startPoll does what a call does at once: remember allowed_updates, forget what is confirmed, end another poller.
func (s *Server) startPoll(p *params) (*poller, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hook != nil {
		return nil, conflict("can't use getUpdates method while webhook is active; " +
			"use deleteWebhook to delete the webhook first")
	}
	if err := s.updates.remember(p.str("allowed_updates")); err != nil {
		return nil, err
	}
	me := &poller{}
	s.updates.takeOver(me)
	s.updates.confirm(p.int("offset"), s.now())
	return me, nil
}

func (s *Server) tryPoll(me *poller, limit int) (rawResult, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if me.ended != "" {
		return nil, nil, conflict(me.ended)
	}
	return s.updates.batch(limit), s.updates.arrived.wait(), nil
}

func (s *Server) endPoll(me *poller) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.updates.poller == me {
		s.updates.poller = nil
	}
}

// remember keeps allowed_updates for later updates. Not given: what was asked before stays. An empty list: the default.
func (q *updateQueue) remember(raw string) error {
	if raw == "" || raw == "null" {
		return nil
	}
	var kinds []string
	if json.Unmarshal([]byte(raw), &kinds) != nil {
		return badRequest("can't parse allowed updates list")
	}
	q.allowed = nil
	if len(kinds) > 0 {
		q.allowed = kinds
	}
	return nil
}
