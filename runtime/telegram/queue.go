package telegram

import (
	"container/list"
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

// lane is one chat's queue. Who is in it has the chat for himself: it is a lock
// that is handed on in the order in which it was asked for. So calls run in
// their callers' goroutines, and the queue needs none of its own.
type lane struct {
	chat   int64
	busy   bool
	queue  []chan struct{} // who waits, first come first
	limits []*rate.Limiter
	// paused is until when Telegram wants no call for this chat.
	paused time.Time
	// idle is the lane's place among those that nobody uses, and since when.
	idle  *list.Element
	since time.Time
}

// lanes are the chats that are in use, and those whose limits still remember a
// use. The others are forgotten, so that memory is bounded by what was sent in
// the last seconds and not by how many chats there ever were.
type lanes struct {
	flood Flood
	clock Clock

	mu     sync.Mutex
	byChat map[int64]*lane
	idle   *list.List // of *lane, the longest unused first
}

func newLanes(flood Flood, clock Clock) *lanes {
	return &lanes{flood: flood, clock: clock, byChat: make(map[int64]*lane), idle: list.New()}
}

// enter waits for the caller's turn. leave must be called afterwards.
func (l *lanes) enter(ctx context.Context, to chat.Address) (*lane, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ln, turn := l.line(to)
	if turn == nil {
		return ln, nil
	}
	select {
	case <-turn:
		return ln, nil
	case <-ctx.Done():
	}
	l.withdraw(ln, turn)
	return nil, ctx.Err()
}

// withdraw gives a turn up that was asked for.
func (l *lanes) withdraw(ln *lane, turn chan struct{}) {
	l.mu.Lock()
	i := slices.Index(ln.queue, turn)
	if i >= 0 {
		ln.queue = slices.Delete(ln.queue, i, i+1)
	}
	l.mu.Unlock()
	if i < 0 { // the turn came at the same moment: hand it on
		l.leave(ln)
	}
}

// enterIdle gives the lane to the caller if nobody has it, or nil. leave must be
// called afterwards.
func (l *lanes) enterIdle(to chat.Address) *lane {
	ln, turn := l.line(to)
	if turn == nil {
		return ln
	}
	l.withdraw(ln, turn)
	return nil
}

// line gives the lane to the caller, or a channel that is closed when it is his
// turn.
func (l *lanes) line(to chat.Address) (*lane, chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep()
	ln := l.byChat[to.Chat]
	if ln == nil {
		ln = &lane{chat: to.Chat, limits: l.flood.limits(to)}
		l.byChat[to.Chat] = ln
	}
	if ln.idle != nil {
		l.idle.Remove(ln.idle)
		ln.idle = nil
	}
	if !ln.busy {
		ln.busy = true
		return ln, nil
	}
	turn := make(chan struct{})
	ln.queue = append(ln.queue, turn)
	return ln, turn
}

// leave hands the lane to the next caller, or lays it aside.
func (l *lanes) leave(ln *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(ln.queue) > 0 {
		close(ln.queue[0])
		ln.queue = ln.queue[1:]
		return
	}
	ln.busy, ln.queue = false, nil
	if len(ln.limits) == 0 && !ln.paused.After(l.clock.Now()) {
		delete(l.byChat, ln.chat)
		return
	}
	ln.since = l.clock.Now()
	ln.idle = l.idle.PushBack(ln)
	l.sweep()
}

// sweep forgets the lanes whose limits are as good as new.
func (l *lanes) sweep() {
	now := l.clock.Now()
	for e := l.idle.Front(); e != nil; e = l.idle.Front() {
		ln := e.Value.(*lane)
		switch {
		case now.Sub(ln.since) < l.flood.memory():
			return
		case ln.paused.After(now):
			ln.since = ln.paused
			l.idle.MoveToBack(e)
			return
		}
		l.idle.Remove(e)
		delete(l.byChat, ln.chat)
	}
}

// pause keeps calls for the lane's chat back until then.
func (l *lanes) pause(ln *lane, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until.After(ln.paused) {
		ln.paused = until
	}
}

func (l *lanes) pausedUntil(ln *lane) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return ln.paused
}

// chatPaused tells whether a chat is held back, without entering its lane.
func (l *lanes) chatPaused(chat int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln := l.byChat[chat]
	return ln != nil && ln.paused.After(l.clock.Now())
}
