package engine

import (
	"context"
	"crypto/rand"
	"fmt"
	"runtime/debug"
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
	// slots bounds how many invocations run at once.
	slots chan struct{}
}

// Close ends running invocations and frees the module's code.
func (m *Module) Close(ctx context.Context) error { return m.runtime.Close(ctx) }

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
// out of time, or trapped.
func (m *Module) Invoke(ctx context.Context, caller *hostcall.Caller, request []byte) (answer Answer, err error) {
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-ctx.Done():
		return Answer{}, &Fault{Code: abi.Timeout, Reason: "waited for a free place: " + ctx.Err().Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, m.limits.Timeout)
	defer cancel()
	inv := &invocation{limits: m.limits, caller: caller, request: request, log: newGuestLog(caller.Log, m.limits.Log)}
	began := time.Now()
	defer func() {
		if r := recover(); r != nil {
			err = &Fault{Code: abi.Internal, Reason: fmt.Sprintf("the sandbox panicked: %v", r), Stack: string(debug.Stack())}
		}
		inv.log.flush()
		inv.used.Time = time.Since(began)
		answer.Used = inv.used
	}()
	code, err := m.run(context.WithValue(ctx, invocationKey{}, inv), inv)
	if err != nil {
		return Answer{}, faultOf(ctx, err)
	}
	return Answer{Code: code, Reply: inv.reply}, nil
}

// run makes the instance, calls it and throws it away. An instance that starts
// from a snapshot instead would be taken and given back here.
func (m *Module) run(ctx context.Context, inv *invocation) (abi.Code, error) {
	guest, err := m.runtime.InstantiateModule(ctx, m.compiled, m.sandbox(ctx, inv))
	if err != nil {
		return abi.Internal, fmt.Errorf("instantiate: %w", err)
	}
	// Closing frees memory only; its error says that the guest had exited.
	defer guest.Close(context.WithoutCancel(ctx))
	results, err := guest.ExportedFunction(abi.ExportHandle).Call(ctx, uint64(len(inv.request)))
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

// clockResolution keeps a guest from timing what other guests do (F4).
const clockResolution = time.Millisecond

// sandbox is all that a guest sees of the world apart from its imports: a
// coarse clock, real randomness, sleep that ends with the deadline, and two
// streams that lead to the log. No arguments, environment or files.
func (m *Module) sandbox(ctx context.Context, inv *invocation) wazero.ModuleConfig {
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
		WithStdout(inv.log.stream(abi.LogInfo)).
		WithStderr(inv.log.stream(abi.LogWarn))
}

// sleep waits as long as a guest wishes, but not beyond the deadline: wazero's
// own sleep is not interrupted by it.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		panic(&Fault{Code: abi.Timeout, Reason: "stopped in its sleep: " + ctx.Err().Error()})
	}
}
