package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// How a stream that broke is opened again: soon, and less often the longer that
// does not help. One that held for steady was a good one.
const (
	eventsRetry    = time.Second
	eventsRetryMax = 30 * time.Second
	eventsSteady   = 10 * time.Second
)

// Tell is told what happened to a container. name and labels are the engine's own
// words, for a scope to be held against; what the event says is cleaned and masked.
// It returns at once.
type Tell = func(e abi.Event, name string, labels map[string]string)

// Follow tells what happens to containers on every engine, from now until the
// context ends. An engine that is away, or comes back, is asked for what happened
// meanwhile; of that it remembers the last 256 events. tell is called by several
// goroutines.
func (c *Client) Follow(ctx context.Context, tell Tell) {
	var streams sync.WaitGroup
	for _, e := range c.endpoints {
		streams.Go(func() { c.follow(ctx, e, tell) })
	}
	streams.Wait()
}

// follow keeps the stream of one engine open.
func (c *Client) follow(ctx context.Context, e *endpoint, tell Tell) {
	f := &follower{endpoint: e, tell: tell, wait: c.timeout, now: time.Now}
	for pause := eventsRetry; !c.closed.Load(); {
		began := time.Now()
		err := f.stream(ctx)
		if ctx.Err() != nil {
			return
		}
		f.note(err)
		if time.Since(began) >= eventsSteady {
			pause = eventsRetry
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause/2 + rand.N(pause/2+1)):
		}
		pause = min(2*pause, eventsRetryMax)
	}
}

// follower is the stream of one engine.
type follower struct {
	*endpoint
	tell Tell
	wait time.Duration // for an answer to begin
	now  func() time.Time
	// since is where the next stream begins; zero: it begins now. Once seen, it is
	// by the engine's clock.
	since time.Time
	seen  bool
	lost  bool // to log only the change
}

// stream reads events until the stream ends, with the reason.
func (f *follower) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slow := time.AfterFunc(f.wait, func() { cancel(errSilent) })
	defer slow.Stop()
	var told <-chan events.Message
	var ended <-chan error
	options := events.ListOptions{Filters: filters.NewArgs(filters.Arg("type", string(events.ContainerEventType)))}
	if !f.since.IsZero() {
		options.Since = fmt.Sprintf("%d.%09d", f.since.Unix(), f.since.Nanosecond())
	}
	began := f.now()
	err := f.ask(ctx, "events", func(cli *client.Client) error {
		told, ended = cli.Events(context.WithValue(ctx, eventsKey{}, true), options)
		select {
		case err := <-ended:
			return err
		default:
			return nil
		}
	})
	if err == nil && !slow.Stop() {
		err = f.explain(ctx, "events", context.Cause(ctx))
	}
	if err != nil {
		return err
	}
	if f.since.IsZero() {
		f.since = began
	}
	f.note(nil)
	for {
		select {
		case m := <-told:
			f.take(m)
		case err := <-ended:
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("events of %s: %w", f.url, err)
		}
	}
}

// take hands on what one message tells, and remembers where to go on.
func (f *follower) take(m events.Message) {
	// A moment in the future would leave out all that happens until then.
	if at := time.Unix(0, m.TimeNano); m.TimeNano > 0 && at.Before(f.now()) && (!f.seen || at.After(f.since)) {
		f.since, f.seen = at.Add(time.Nanosecond), true
	}
	if e, name, labels, ok := readEvent(m, f.now()); ok {
		e.Host = f.name
		f.tell(e, name, labels)
	}
}

// note logs when a stream breaks, and when it is there again.
func (f *follower) note(err error) {
	switch {
	case err != nil && !f.lost:
		f.lost = true
		f.log.Info("the stream of events is interrupted; it is opened again", zap.String("event", "event.stream_lost"), zap.Error(err))
	case err == nil && f.lost:
		f.lost = false
		f.log.Info("the stream of events is back", zap.String("event", "event.stream_back"))
	}
}
