package pipeline

import (
	"context"
	"sync"
)

// Bounds on what waits, in updates.
const (
	// laneBound is how much may wait in one chat.
	laneBound = 32
	// laneUserBound is how much of that one member of a group may take, so
	// that nobody shuts out the others.
	laneUserBound = 8
	// totalBound is how much may wait in all; beyond it Telegram keeps the rest.
	totalBound = 4096
	// asideBound is how much may run outside of the lanes.
	asideBound = 64
)

// lanes runs the updates of one chat in order, and chats side by side. A lane
// with nothing to do costs nothing.
type lanes struct {
	handle func(context.Context, *passage)

	mu      sync.Mutex
	waiting map[int64][]*passage // there is a goroutine for each key
	total   int
	// later are the follow-ups: one of a chat at most, waiting or running. yield
	// stops one that runs.
	later map[int64]*passage
	yield map[int64]context.CancelFunc
	// reserved is how many more are on their way into a lane.
	reserved int
	closing  bool
	// room is closed, and made anew, when something was done.
	room chan struct{}

	// ctx ends when commands must stop.
	ctx     context.Context
	cancel  context.CancelFunc
	workers sync.WaitGroup
	asides  chan struct{}
}

func newLanes(handle func(context.Context, *passage)) *lanes {
	l := &lanes{handle: handle, waiting: map[int64][]*passage{}, later: map[int64]*passage{}, yield: map[int64]context.CancelFunc{}, room: make(chan struct{}), asides: make(chan struct{}, asideBound)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// waitForRoom returns when n more updates may wait. They are to be given up,
// whether they went into a lane or not.
func (l *lanes) waitForRoom(ctx context.Context, n int) (giveUp func(), err error) {
	for {
		giveUp, room := l.reserve(n)
		if giveUp != nil {
			return giveUp, nil
		}
		select {
		case <-room:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// reserve keeps room for n updates until they are given up. Without room it
// returns nil, and what is closed when there may be.
func (l *lanes) reserve(n int) (giveUp func(), room <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if all := l.total + l.reserved; all > 0 && all+n > totalBound {
		return nil, l.room
	}
	l.reserved += n
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.reserved -= n
		l.tellRoom()
	}, nil
}

func (l *lanes) tellRoom() {
	close(l.room)
	l.room = make(chan struct{})
}

// add puts an update into a lane: that of its chat, or of a user who may not
// write there. It returns false if that is full, or if the user has a share of
// it already. While closing, the update stays in the journal for the next start.
func (l *lanes) add(chat int64, t *passage) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return true
	}
	queue, running := l.waiting[chat]
	if len(queue) >= laneBound || chat != t.update.From.ID && ofUser(queue, t.update.From.ID) >= laneUserBound {
		return false
	}
	l.waiting[chat] = append(queue, t)
	l.total++
	if stop := l.yield[chat]; stop != nil {
		stop()
	}
	if !running {
		l.workers.Go(func() { l.run(chat) })
	}
	return true
}

// follow puts a follow-up into a lane, where it runs when nothing else waits. It
// returns false if there is one already. While closing, there is none any more.
func (l *lanes) follow(chat int64, t *passage) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return true
	}
	if l.later[chat] != nil {
		return false
	}
	l.later[chat] = t
	if _, running := l.waiting[chat]; !running {
		l.waiting[chat] = nil
		l.workers.Go(func() { l.run(chat) })
	}
	return true
}

func ofUser(queue []*passage, user int64) (n int) {
	for _, t := range queue {
		if t.update.From.ID == user {
			n++
		}
	}
	return n
}

// aside runs something outside of any lane. It returns false if too much runs
// there already. While closing, the update stays in the journal.
func (l *lanes) aside(f func(context.Context)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return true
	}
	select {
	case l.asides <- struct{}{}:
		l.workers.Go(func() { defer func() { <-l.asides }(); f(l.ctx) })
		return true
	default:
		return false
	}
}

// join lets the caller's own work count among what is waited for at the end, and
// end with it. ok is false while closing.
func (l *lanes) join(ctx context.Context) (joined context.Context, leave func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return ctx, nil, false
	}
	l.workers.Add(1)
	joined, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.ctx, cancel)
	return joined, func() { stop(); cancel(); l.workers.Done() }, true
}

// run serves a lane until it is empty.
func (l *lanes) run(chat int64) {
	for {
		t := l.next(chat)
		if t == nil {
			return
		}
		if t.chain == nil {
			l.handle(l.ctx, t)
			continue
		}
		l.handle(l.mayYield(chat), t)
		l.followed(chat)
	}
}

// mayYield is the context of a follow-up: it ends when somebody's own update
// comes into the lane.
func (l *lanes) mayYield(chat int64) context.Context {
	ctx, cancel := context.WithCancel(l.ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.yield[chat] = cancel
	if len(l.waiting[chat]) > 0 || l.closing {
		cancel()
	}
	return ctx
}

func (l *lanes) followed(chat int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.yield[chat]()
	delete(l.yield, chat)
	delete(l.later, chat)
}

func (l *lanes) next(chat int64) *passage {
	l.mu.Lock()
	defer l.mu.Unlock()
	queue, follow := l.waiting[chat], l.later[chat]
	if l.closing || len(queue) == 0 && follow == nil {
		l.total -= len(queue)
		delete(l.waiting, chat)
		delete(l.later, chat)
		return nil
	}
	if len(queue) == 0 {
		return follow
	}
	l.waiting[chat] = queue[1:]
	l.total--
	l.tellRoom()
	return queue[0]
}

// halt starts nothing new: what waits, and what comes, stays in the journal.
func (l *lanes) halt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = true
	for _, stop := range l.yield {
		stop()
	}
}

// close starts nothing new, waits for what runs until ctx ends, and then stops
// it.
func (l *lanes) close(ctx context.Context) {
	l.halt()
	done := make(chan struct{})
	go func() { l.workers.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
	l.cancel()
	<-done
}
