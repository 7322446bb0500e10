package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
)

// Module is a loaded module. It is safe for concurrent use.
type Module struct {
	name     string
	limits   Limits
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	code     wazero.CompilationCache // nil: the code is the runtime's own
	// slots bounds how many invocations run at once.
	slots chan struct{}
	// life ends with Close, or with the engine.
	life context.Context
	end  context.CancelFunc
	// closing guards taken, the slots that Close holds.
	closing sync.Mutex
	taken   int
}

// Close stops running invocations, waits for them, and frees the module's
// code. If the context ends first, the module stays stopped and nothing is
// freed: Close again.
func (m *Module) Close(ctx context.Context) error {
	m.end()
	m.closing.Lock()
	defer m.closing.Unlock()
	// Memory must not go while a guest or an operation may touch it. Whoever
	// holds every slot is alone.
	for ; m.taken < cap(m.slots); m.taken++ {
		select {
		case m.slots <- struct{}{}: // free, even if there is no time to wait
			continue
		default:
		}
		select {
		case m.slots <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("close module %s: an invocation does not end: %w", m.name, ctx.Err())
		}
	}
	return m.free(ctx)
}

func (m *Module) free(ctx context.Context) error {
	var errs []error
	if m.runtime != nil {
		errs = append(errs, m.runtime.Close(ctx))
	}
	if m.code != nil {
		errs = append(errs, m.code.Close(ctx))
	}
	m.runtime, m.compiled, m.code = nil, nil, nil
	return errors.Join(errs...)
}

// Used is what an invocation took.
type Used struct {
	Time      time.Duration
	Memory    uint32 // bytes of linear memory at its end
	HostCalls int
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
	limits  Limits
	caller  *hostcall.Caller
	request []byte
	result  []byte // of the last host call
	reply   []byte
	replied bool
	log     *guestLog
	used    Used
}

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
	ctx, cancel = context.WithTimeout(ctx, m.limits.Timeout)
	defer cancel()
	inv := &invocation{limits: m.limits, caller: caller, request: request, log: newGuestLog(caller.Log, m.limits.Log)}
	began := time.Now()
	defer func() {
		if r := recover(); r != nil {
			err = panicked("the sandbox", r)
		}
		inv.log.flush()
		inv.used.Time = time.Since(began)
		answer.Used = inv.used
	}()
	code, err := m.run(ctx, inv)
	if err != nil {
		return Answer{}, faultOf(ctx, err)
	}
	return Answer{Code: code, Reply: inv.reply}, nil
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

// run makes the instance, calls it and throws it away. An instance that starts
// from a snapshot instead would be taken and given back here.
func (m *Module) run(ctx context.Context, inv *invocation) (abi.Code, error) {
	guest, err := m.start(ctx, inv.log)
	if err != nil {
		return abi.Internal, err
	}
	// Closing frees memory only; its error says that the guest had exited.
	defer guest.Close(context.WithoutCancel(ctx))
	results, err := guest.ExportedFunction(abi.ExportHandle).Call(withInvocation(ctx, inv), uint64(len(inv.request)))
	inv.used.Memory = guest.Memory().Size()
	if err != nil {
		return abi.Internal, err
	}
	code := abi.Code(api.DecodeI32(results[0]))
	if code < abi.OK || code > abi.Internal {
		code = abi.Internal
	}
	return code, nil
}

// start makes a pristine instance and runs its start functions. They run in
// nobody's name: no request is there yet, and every operation is denied. So
// what they leave behind is the same for every user.
func (m *Module) start(ctx context.Context, log *guestLog) (api.Module, error) {
	nobody := &invocation{limits: m.limits, caller: &hostcall.Caller{Module: m.name, Log: log.log}, log: log}
	guest, err := m.runtime.InstantiateModule(withInvocation(ctx, nobody), m.compiled, m.sandbox(ctx, log))
	if err == nil && guest.IsClosed() {
		err = sys.NewExitError(0) // which wazero takes for a success
	}
	return guest, err
}

// clockResolution keeps a guest from timing what other guests do (F4).
const clockResolution = time.Millisecond

// sandbox is all that a guest sees of the world apart from its imports: a
// coarse clock, real randomness, sleep that ends with the deadline, and two
// streams that lead to the log. No arguments, environment or files.
func (m *Module) sandbox(ctx context.Context, log *guestLog) wazero.ModuleConfig {
	began := time.Now()
	return wazero.NewModuleConfig().
		WithName(""). // anonymous, so that many live side by side
		WithStartFunctions(abi.ExportInitialize).
		WithWalltime(func() (int64, int32) {
			now := time.Now().Truncate(clockResolution)
			return now.Unix(), int32(now.Nanosecond())
		}, sys.ClockResolution(clockResolution)).
		WithNanotime(func() int64 {
			return int64(time.Since(began).Truncate(clockResolution))
		}, sys.ClockResolution(clockResolution)).
		WithNanosleep(func(ns int64) { sleep(ctx, time.Duration(ns)) }).
		WithRandSource(rand.Reader).
		WithStdout(log.stream(abi.LogInfo)).
		WithStderr(log.stream(abi.LogWarn))
}

// sleep waits as long as a guest wishes, but not beyond the deadline: wazero's
// own sleep is not interrupted by it.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		panic(stopped(ctx, "stopped in its sleep"))
	}
}
