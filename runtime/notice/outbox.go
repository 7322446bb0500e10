package notice

import (
	"context"
	"sync"
)

// Bounds of an [Outbox].
const (
	waitingOfOne = 32
	waitingOfAll = 512
)

// Outbox lets several senders each have a queue of its own: what one sends is
// delivered in order, one after the other, and delays nobody else's. Make it with
// [NewOutbox]; it is safe for concurrent use.
type Outbox struct {
	ctx     context.Context
	end     context.CancelFunc
	mu      sync.Mutex
	queues  map[string][]func(context.Context)
	waiting int
	closed  bool
	working sync.WaitGroup
}

// NewOutbox returns an empty Outbox.
func NewOutbox() *Outbox {
	o := &Outbox{queues: map[string][]func(context.Context){}}
	o.ctx, o.end = context.WithCancel(context.Background())
	return o
}

// Put has something delivered behind what waits of the same sender. It reports
// false, and delivers nothing, if too much waits, or the Outbox is closed.
func (o *Outbox) Put(sender string, deliver func(context.Context)) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	queue, works := o.queues[sender]
	if o.closed || len(queue) >= waitingOfOne || o.waiting >= waitingOfAll {
		return false
	}
	o.queues[sender] = append(queue, deliver)
	o.waiting++
	if !works {
		o.working.Go(func() { o.work(sender) })
	}
	return true
}

// work delivers what waits of a sender, until nothing does.
func (o *Outbox) work(sender string) {
	for {
		o.mu.Lock()
		queue := o.queues[sender]
		if len(queue) == 0 || o.closed {
			o.waiting -= len(queue)
			delete(o.queues, sender)
			o.mu.Unlock()
			return
		}
		o.queues[sender] = queue[1:]
		o.waiting--
		o.mu.Unlock()
		queue[0](o.ctx)
	}
}

// Close ends what is under way, drops what waits, and returns when both is done.
func (o *Outbox) Close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.end()
	o.working.Wait()
}
