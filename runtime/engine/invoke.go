package engine

import (
	"context"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/api"
	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
)

// Used is what an invocation took.
type Used struct {
	Time      time.Duration
	Fuel      uint64 // units of work: about one for an instruction; see package meter
	Memory    uint32 // bytes of linear memory at its end, which is its most: memory never shrinks
	HostCalls int
	Bytes     int // that crossed the boundary, in both directions
}

// Answer is how an invocation ended.
type Answer struct {
	// Code is [abi.OK], or why the module could not do what was asked.
	Code abi.Code
	// Reply is the JSON of an [abi.Reply] as the module wrote it, unchecked;
	// empty if it wrote none.
	Reply []byte
	Used  Used
}

// invocation is the state of one request on its way through a guest.
type invocation struct {
	limits   Limits
	caller   *hostcall.Caller
	request  []byte
	result   []byte // of the last host call
	reply    []byte
	replied  bool
	log      *guestLog
	stdout   *stream
	stderr   *stream
	born     time.Time // the zero of the guest's monotonic clock
	used     Used
	fixed    *fixedState // nil: clock and randomness are the system's
	rationed uint64      // fuel that the guest has in hand, or has burnt since it was asked
}

func (m *Module) invocation(caller *hostcall.Caller, request []byte) *invocation {
	log := newGuestLog(caller.Log, m.limits.Log)
	return &invocation{
		limits: m.limits, caller: caller, request: request, born: m.born, fixed: m.engine.fixed.begin(),
		log: log, stdout: log.stream(abi.LogInfo), stderr: log.stream(abi.LogWarn),
	}
}

// nobody is an invocation within this one, without a request and without a
// user.
func (inv *invocation) nobody() *invocation {
	other := *inv
	other.caller = &hostcall.Caller{Module: inv.caller.Module, Log: inv.caller.Log}
	other.request, other.result, other.reply, other.replied = nil, nil, nil, false
	return &other
}

// clock is the guest's monotonic clock.
func (inv *invocation) clock() time.Duration { return time.Since(inv.born) }

// Invoke lets a pristine instance of the module handle one request, the JSON
// of an [abi.Request]. An error is a [*Fault]: the module broke a rule, ran
// out of time, trapped, or was closed.
func (m *Module) Invoke(ctx context.Context, caller *hostcall.Caller, request []byte) (answer Answer, err error) {
	ctx, cancel := m.live(ctx)
	defer cancel()
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-ctx.Done():
		return Answer{}, stopped(ctx, "waited for a free place")
	}
	if ctx.Err() != nil {
		return Answer{}, stopped(ctx, "stopped before it began")
	}
	code, err := m.acquire(ctx)
	if err != nil {
		return Answer{}, unloadable(ctx, err)
	}
	defer m.release(code)
	ctx, cancel = context.WithTimeout(ctx, m.limits.Timeout)
	defer cancel()
	inv := m.invocation(caller, request)
	began := time.Now()
	defer func() {
		if r := recover(); r != nil {
			err = panicked("the sandbox", r)
		}
		inv.log.flush()
		inv.used.Time = time.Since(began)
		answer.Used = inv.used
	}()
	returned, err := code.run(withInvocation(ctx, inv), inv)
	if err != nil {
		fault := *faultOf(ctx, err)
		if code.interim && strings.Contains(fault.Reason, "stack overflow") {
			fault.Blame = false // the interpreter's stack is a hundredth of the usual
		}
		return Answer{}, &fault
	}
	return Answer{Code: returned, Reply: inv.reply}, nil
}

// live returns a context that ends with the module too.
func (m *Module) live(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	detach := context.AfterFunc(m.life, func() { cancel(errClosed) })
	if m.life.Err() != nil {
		cancel(errClosed) // now, not when the goroutine of AfterFunc gets its turn
	}
	return ctx, func() { detach(); cancel(nil) }
}

// run takes an instance, calls it, and gives it back.
func (c *code) run(ctx context.Context, inv *invocation) (abi.Code, error) {
	i, err := c.take(ctx)
	if err != nil {
		return abi.Internal, err
	}
	whole := false // an instance that failed, or panicked, is never used again
	defer func() { c.give(ctx, i, whole) }()
	returned, err := i.handle(ctx, inv)
	whole = err == nil
	return returned, err
}

// handle lets the guest handle the request.
func (i *instance) handle(ctx context.Context, inv *invocation) (abi.Code, error) {
	i.refuel(ctx)
	results, err := i.guest.ExportedFunction(abi.ExportHandle).Call(ctx, uint64(len(inv.request)))
	inv.spent(i)
	if err != nil {
		return abi.Internal, err
	}
	code := abi.Code(api.DecodeI32(results[0]))
	if code < abi.OK || code > abi.Internal {
		code = abi.Internal
	}
	return code, nil
}

// rehearse starts an instance, which shows whether the file is any good, and
// keeps it as the snapshot from which all others start.
func (m *Module) rehearse(ctx context.Context, c *code) error {
	ctx, cancel := m.live(ctx)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, m.limits.Timeout)
	defer cancel()
	inv := m.invocation(&hostcall.Caller{Module: m.name, Log: m.engine.log.With(zap.String("module", m.name))}, nil)
	ctx = withInvocation(ctx, inv)
	i, err := c.start(ctx)
	inv.log.flush()
	if err != nil {
		return faultOf(ctx, err)
	}
	if c.Fresh {
		i.close(ctx)
		return nil
	}
	if err := c.keep(i); err != nil {
		i.close(ctx)
		return err
	}
	c.idle = append(c.idle, i)
	return nil
}
