package docker

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// How long an act may take.
const (
	// engineWork is by when the engine has done it. A container has ten seconds
	// to stop if it asks for no other time, and a busy engine needs some.
	engineWork = 60 * time.Second
	// patience is how long the caller waits: a command ends after ten seconds
	// (F3), and before that the user is told that the engine works on it.
	patience = 7 * time.Second
	// reserve is kept of the caller's time to see what became of it.
	reserve = time.Second
	// closing is how long Close lets the engine's work go on.
	closing = 5 * time.Second
	// maxWorks bounds the acts that are going on at the same time.
	maxWorks = 16
)

// order is one of the Act words of guest/abi.
type order struct {
	give func(context.Context, *client.Client, string) error
	// so are the states in which there is nothing to do.
	so []string
	// advice says for a state that forbids it what helps.
	advice map[string]string
}

var (
	ended     = []string{container.StateExited, container.StateCreated, container.StateDead}
	stopFirst = "It is running: stop it first, then it can be removed."
	resume    = "It is paused: unpause it instead."
	notActive = "Only a running container can be paused."
	notPaused = "Only a paused container can be unpaused."
)

var orders = map[string]order{
	abi.ActStart: {
		give: func(ctx context.Context, cli *client.Client, id string) error {
			return cli.ContainerStart(ctx, id, container.StartOptions{})
		},
		so:     []string{container.StateRunning},
		advice: map[string]string{container.StatePaused: resume},
	},
	abi.ActStop: {
		give: func(ctx context.Context, cli *client.Client, id string) error {
			return cli.ContainerStop(ctx, id, container.StopOptions{}) // its own signal and time
		},
		so: ended,
	},
	abi.ActRestart: {
		give: func(ctx context.Context, cli *client.Client, id string) error {
			return cli.ContainerRestart(ctx, id, container.StopOptions{})
		},
	},
	abi.ActPause: {
		give: func(ctx context.Context, cli *client.Client, id string) error { return cli.ContainerPause(ctx, id) },
		so:   []string{container.StatePaused},
		advice: map[string]string{
			container.StateExited: notActive, container.StateCreated: notActive, container.StateDead: notActive, container.StateRestarting: notActive,
		},
	},
	abi.ActUnpause: {
		give: func(ctx context.Context, cli *client.Client, id string) error { return cli.ContainerUnpause(ctx, id) },
		so:   []string{container.StateRunning},
		advice: map[string]string{
			container.StateExited: notPaused, container.StateCreated: notPaused, container.StateDead: notPaused, container.StateRestarting: notPaused,
		},
	},
	abi.ActKill: {
		give: func(ctx context.Context, cli *client.Client, id string) error {
			return cli.ContainerKill(ctx, id, "SIGKILL")
		},
		so: ended,
	},
	abi.ActRemove: {
		// Never forced, and volumes stay: what is lost so cannot be had back.
		give: func(ctx context.Context, cli *client.Client, id string) error {
			return cli.ContainerRemove(ctx, id, container.RemoveOptions{})
		},
		advice: map[string]string{
			container.StateRunning: stopFirst, container.StatePaused: stopFirst, container.StateRestarting: stopFirst,
		},
	},
}

// Find says which container a reference means, if keep admits it, as
// [Client.Inspect] does: with id, name, image, state and time of creation. The
// bot's own is refused with [abi.Conflict] (E6).
func (c *Client) Find(ctx context.Context, ref abi.ContainerRef, keep Keep) (abi.Container, error) {
	_, got, err := c.target(ctx, ref, keep)
	if err != nil {
		return abi.Container{}, err
	}
	return details(got).Container, nil
}

// Act does one of the Act words of guest/abi to the container with this full
// id. That it is so already is no error. What the state forbids is
// [abi.Conflict], with a sentence that says what helps; the bot's own container
// is refused so too.
//
// The engine goes on when ctx ends: an answer that does not come in time is
// pending. So is one after which nobody can say how the container is.
func (c *Client) Act(ctx context.Context, host, id, act string) (abi.ContainerDone, error) {
	o, known := orders[act]
	if !known || !isID(id) {
		return abi.ContainerDone{}, errBadAct
	}
	e, before, err := c.target(ctx, abi.ContainerRef{Host: host, ID: id}, everything)
	if err != nil {
		return abi.ContainerDone{}, err
	}
	w, err := c.begun(ctx, e, id, act, o.give)
	if err != nil {
		return abi.ContainerDone{}, err
	}
	done := abi.ContainerDone{Name: displayName(bareName(before.Name), id), State: stateOf(before)}
	failed, finished := w.wait(ctx)
	after, looked := e.look(ctx, id)
	if looked == nil {
		done.State = stateOf(after)
	}
	switch {
	case !finished || failed == nil && looked != nil && !absent(looked):
		done.Pending = true
		if absent(looked) {
			done.State = ""
		}
		return done, nil
	case failed != nil:
		return o.refused(act, stateOf(before), done, failed, after, looked)
	case absent(looked):
		done.State = ""
	case act == abi.ActRemove: // it is there: the engine is still at it
		done.Pending = true
	}
	done.Unchanged = w.status.Load() == http.StatusNotModified
	return done, nil
}

var errBadAct = fail(abi.Invalid, "That is nothing that can be done to a container.", nil)

// everything is the scope of the host itself: what a module may reach was
// checked when the container was found.
func everything(string, map[string]string) bool { return true }

// target finds a container that may be touched.
func (c *Client) target(ctx context.Context, ref abi.ContainerRef, keep Keep) (*endpoint, container.InspectResponse, error) {
	e, ctx, cancel, err := c.begin(ctx, ref.Host)
	if err != nil {
		return nil, container.InspectResponse{}, err
	}
	defer cancel()
	got, err := e.resolve(ctx, ref.ID, keep)
	if err == nil && c.self.is(got) {
		err = errSelf
	}
	if err != nil {
		return nil, container.InspectResponse{}, err
	}
	return e, got, nil
}

var errSelf = fail(abi.Conflict, "This is the bot's own container: the bot does nothing to it.", nil)

// refused is what becomes of an order that the engine did not carry out. The
// state says whether it had nothing to do, or why it would not: the engine's
// status does not, some versions say 500 where others say 409.
func (o order) refused(act, was string, done abi.ContainerDone, failed error, after container.InspectResponse, looked error) (abi.ContainerDone, error) {
	conflict := codeOf(failed) == abi.Conflict
	switch {
	case absent(looked):
		return abi.ContainerDone{}, fail(abi.NotFound, "There is no such container (any more).", failed)
	case looked != nil:
		return abi.ContainerDone{}, failed
	case slices.Contains(o.so, done.State) && (conflict || slices.Contains(o.so, was)):
		done.Unchanged = true
		return done, nil
	case act == abi.ActRemove && conflict && done.State == container.StateRemoving:
		done.Pending = true
		return done, nil
	}
	if reason := startFailure(failed, after); reason != "" {
		return abi.ContainerDone{}, fail(abi.Conflict, "Docker could not start it: "+reason+".", failed)
	}
	if advice := o.advice[done.State]; advice != "" && (conflict || was == done.State) {
		return abi.ContainerDone{}, fail(abi.Conflict, advice, failed)
	}
	if conflict {
		return abi.ContainerDone{}, fail(abi.Conflict, "Docker refuses this while the container is "+cmp.Or(done.State, "in its present state")+".", failed)
	}
	return abi.ContainerDone{}, failed
}

// startFailure is why a container did not start, in the engine's words as its
// state keeps them: a port that is taken, a program that is not there. Empty if
// the failure was another.
func startFailure(failed error, after container.InspectResponse) string {
	if after.ContainerJSONBase == nil || after.State == nil || after.State.Error == "" || !strings.Contains(failed.Error(), after.State.Error) {
		return ""
	}
	return strings.TrimRight(foreign.Line(maskText(head(after.State.Error)), maxText), ". ")
}

func stateOf(got container.InspectResponse) string {
	if got.ContainerJSONBase == nil || got.State == nil {
		return ""
	}
	return foreign.Line(got.State.Status, 32)
}

// look reads how a container is now, in what is left of the caller's time.
func (e *endpoint) look(ctx context.Context, id string) (container.InspectResponse, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, reserve, errSilent)
	defer cancel()
	return e.resolve(ctx, id, everything)
}

// absent tells that the engine does not have the container.
func absent(err error) bool { return codeOf(err) == abi.NotFound }

// work is an order that the engine has been given. Its goroutine ends with the
// engine's answer, after engineWork, or with the client.
type work struct {
	result chan error
	left   chan struct{} // closed when nobody waits for the result any more
	status *atomic.Int32 // of the engine's answer
}

// works counts them.
type works struct {
	mu     sync.Mutex
	wg     sync.WaitGroup
	active int
	closed bool
	life   context.Context
	end    context.CancelFunc
}

// begun gives the order to the engine.
func (c *Client) begun(ctx context.Context, e *endpoint, id, act string, give func(context.Context, *client.Client, string) error) (*work, error) {
	if err := c.works.enter(); err != nil {
		return nil, err
	}
	w := &work{result: make(chan error), left: make(chan struct{}), status: new(atomic.Int32)}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), engineWork, errSilent)
	unbind := context.AfterFunc(c.works.life, cancel)
	go func() {
		defer c.works.leave()
		defer cancel()
		defer unbind()
		err := e.order(noting(ctx, w.status), act, func(ctx context.Context, cli *client.Client) error {
			return give(ctx, cli, id)
		})
		c.changed(e, id)
		select {
		case w.result <- err:
		case <-w.left:
			e.log.Info("what took the engine longer than its command has ended", zap.String("event", "docker.late"),
				zap.String("act", act), zap.String("container", id[:12]), zap.Error(err))
		}
	}()
	return w, nil
}

// wait returns the engine's answer, if it comes in time.
func (w *work) wait(ctx context.Context) (err error, finished bool) {
	wait := patience
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline)-reserve)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case err = <-w.result:
		return err, true
	case <-timer.C:
	case <-ctx.Done():
	}
	close(w.left)
	return nil, false
}

// changed lets the next view ask the engine again.
func (c *Client) changed(e *endpoint, id string) {
	c.listed.outdate(e.name)
	c.measured.outdate(e.name + "/" + id)
}

func (w *works) enter() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return fail(abi.Unavailable, "The bot is stopping.", errClosed)
	case w.active >= maxWorks:
		return fail(abi.Limit, "Docker still works on what it was told before. Try again in a minute.", errors.New("too many acts at the same time"))
	case w.life == nil:
		w.life, w.end = context.WithCancel(context.Background())
	}
	w.active++
	w.wg.Add(1)
	return nil
}

func (w *works) leave() {
	w.mu.Lock()
	w.active--
	w.mu.Unlock()
	w.wg.Done()
}

// close waits for what is going on, for so long, then ends it.
func (w *works) close(grace time.Duration) {
	w.mu.Lock()
	w.closed = true
	end := w.end
	w.mu.Unlock()
	if end == nil {
		return
	}
	cut := time.AfterFunc(grace, end)
	w.wg.Wait()
	cut.Stop()
	end()
}
