package registry

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

var errEnded = errors.New("it was ended")

// unavailable is the fault of a module that could not be loaded.
type unavailable struct{ cause error }

func (u *unavailable) Error() string       { return "the module is not loaded: " + u.cause.Error() }
func (u *unavailable) Unwrap() error       { return u.cause }
func (u *unavailable) FaultCode() abi.Code { return abi.Unavailable }

// Outcome says in a word how an invocation ended, for logs and metrics.
type Outcome string

// The outcomes.
const (
	Answered  Outcome = "ok"
	Refused   Outcome = "refused" // the module could not do it, and says so
	UserAsked Outcome = "asked"   // for a code or a tap; it is run again then
	Trapped   Outcome = "trap"    // it trapped, exited or broke a rule
	OverLimit Outcome = "limit"
	TimedOut  Outcome = "timeout"
	Stopped   Outcome = "stopped" // the module was closed, or the bot stops
	Off       Outcome = "off"     // it was not run: it is switched off
)

// Invocation is what is told of each one.
type Invocation struct {
	Module  string
	Outcome Outcome
	// Used is zero if the module is switched off.
	Used engine.Used
}

// take returns the module of that name, or nil. It is not closed until its
// users are done.
func (r *Registry) take(name string) *module {
	r.mu.RLock()
	defer r.mu.RUnlock()
	m := r.modules[name]
	if m != nil {
		m.users.Add(1)
	}
	return m
}

// OnlyReads reports whether a built-in module is granted nothing that could
// change or reveal anything.
func (r *Registry) OnlyReads(name string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	m := r.modules[name]
	return m != nil && m.builtIn && m.grant.OnlyReads()
}

// Has reports whether there is a module of that name.
func (r *Registry) Has(name string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.modules[name] != nil
}

// Await returns when a module is loaded or could not be, when there is none of
// that name, or when the context ends.
func (r *Registry) Await(ctx context.Context, name string) {
	r.mu.RLock()
	m := r.modules[name]
	r.mu.RUnlock()
	if m == nil {
		return
	}
	select {
	case <-m.ready:
	case <-ctx.Done():
	}
}

// Invoke lets a module handle a request, the JSON of an [abi.Request]. The
// code and the reply are the module's own. pass is what the request brings
// along; if the user must be asked first, the error is a [*capability.Asked].
// A module that is switched off is not run: the error is a [*SwitchedOff].
func (r *Registry) Invoke(ctx context.Context, name string, actor abi.Actor, pass *capability.Pass, log *zap.Logger, request []byte) (abi.Code, []byte, error) {
	m := r.take(name)
	if m == nil {
		return abi.Internal, nil, &unavailable{errors.New("there is none of that name")}
	}
	defer m.users.Done()
	select {
	case <-m.ready:
	case <-ctx.Done():
		return abi.Internal, nil, &unavailable{ctx.Err()}
	}
	if m.err != nil {
		return abi.Internal, nil, &unavailable{m.err}
	}
	if err := r.admit(ctx, m); err != nil {
		r.Measured(Invocation{Module: name, Outcome: Off})
		return abi.Internal, nil, err
	}
	log = log.With(zap.String("module", name))
	caller := &hostcall.Caller{Module: name, Digest: m.digest, Grant: m.grant, Actor: actor, Pass: pass, Log: log}
	if pass != nil {
		caller.Trace = pass.Trace
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.life, cancel)()
	answer, err := m.runner.Invoke(ctx, caller, request)
	if m.life.Err() != nil {
		// Whatever it made of that: nobody is shown the answer of a module that may run no more.
		answer.Reply, caller.Demand, err = nil, nil, &unavailable{errEnded}
	}
	r.account(ctx, m, caller, answer, err)
	if d := caller.Demand; d != nil {
		asked := &capability.Asked{Verdict: capability.AskSession, Act: d.Act}
		if d.Code == abi.ConfirmRequired {
			asked.Verdict = capability.AskConfirm
		}
		return abi.Internal, nil, asked
	}
	return answer.Code, answer.Reply, err
}

// account counts an invocation, and switches a module off that has had too many
// faults. Neither a question to the user nor an end from outside is one.
func (r *Registry) account(ctx context.Context, m *module, caller *hostcall.Caller, answer engine.Answer, err error) {
	outcome, used := outcomeOf(caller, answer, err), answer.Used
	caller.Log.Debug("invocation ended", zap.String("event", "module.invoked"), zap.String("outcome", string(outcome)), zap.Stringer("code", answer.Code),
		zap.Duration("took", used.Time), zap.Uint64("fuel", used.Fuel), zap.Uint32("memory", used.Memory),
		zap.Int("host_calls", used.HostCalls), zap.Int("bytes", used.Bytes))
	fault, faulty := errors.AsType[*engine.Fault](err)
	if faulty && fault.Stack != "" {
		caller.Log.Debug("stack", zap.String("event", "module.stack"), zap.String("stack", fault.Stack))
	}
	r.Measured(Invocation{Module: m.manifest.Name, Outcome: outcome, Used: used})
	blame := faulty && fault.Blame && outcome != UserAsked && ctx.Err() == nil
	if blame {
		r.Faulted(context.WithoutCancel(ctx), Failure{
			Module: m.manifest.Name, Digest: m.digest, Trace: caller.Trace, Actor: caller.Actor, Code: fault.Code, Reason: fault.Reason,
		})
	}
	if d := m.conduct.ended(outcome, used, blame, r.Now()); d.Turned {
		r.switchOff(ctx, caller.Log, m, d.Until, caller.Trace, fault.Error())
	}
}

func outcomeOf(caller *hostcall.Caller, answer engine.Answer, err error) Outcome {
	var fault interface{ FaultCode() abi.Code }
	switch {
	case caller.Demand != nil:
		return UserAsked
	case err == nil && answer.Code == abi.OK:
		return Answered
	case err == nil:
		return Refused
	case !errors.As(err, &fault):
		return Trapped
	}
	switch fault.FaultCode() {
	case abi.Limit:
		return OverLimit
	case abi.Timeout:
		return TimedOut
	case abi.Unavailable:
		return Stopped
	}
	return Trapped
}
