package hostcall

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// Audit keeps records. When it returns without an error, the record is on disk.
type Audit interface {
	Record(context.Context, audit.Entry) error
}

// action is what an operation that acts consists of.
type action struct {
	// find says what the request is about, within the module's scope.
	find func(context.Context, *Caller, []byte) (capability.Act, error)
	// do does it, and returns what the operation answers.
	do func(ctx context.Context, c *Caller, target capability.Act, request []byte) (any, error)
}

// Outcomes of acts, as the audit log has them beside error codes.
const (
	outcomeBegun     = "begun"
	outcomeDone      = "done"
	outcomeUnchanged = "unchanged"
	outcomePending   = "pending"
)

// gated decides from the capability what the user must be and have shown, and
// runs the operation if all is there (B7, B8). So a new module gets a second
// factor without a line of its own.
func (o Operation) gated(ctx context.Context, c *Caller, request []byte) (any, error) {
	return o.behind(ctx, c, request, capability.NeedOf(o.Capability))
}

// behind is gated with what the capability demands.
func (o Operation) behind(ctx context.Context, c *Caller, request []byte, need capability.Need) (any, error) {
	pass := capability.Pass{}
	if c.Pass != nil {
		pass = *c.Pass
	}
	if c.Demand != nil && need != (capability.Need{}) {
		// The command is run again after the answer: what is done now would be
		// done twice.
		return nil, refuse(c.Demand.Code, "The user is asked first.")
	}
	if !need.Acts() {
		decision := capability.Decide(need, pass, capability.Act{Capability: o.Capability})
		if decision.Verdict != capability.Allow {
			return nil, o.stop(ctx, c, capability.Act{Capability: o.Capability}, decision)
		}
		if need != (capability.Need{}) {
			if err := o.recordUse(ctx, c, decision); err != nil {
				return nil, err
			}
			c.Pass.Revealed = o.Capability
		}
		return o.run(ctx, c, request)
	}
	// Who has no session learns nothing about containers either: the session
	// comes before the target is looked for.
	first := capability.Decide(capability.Need{Admin: need.Admin, Session: need.Session, Private: need.Private}, pass, capability.Act{Capability: o.Capability})
	if first.Verdict != capability.Allow && first.Reason != capability.ReasonConfirm {
		return nil, o.stop(ctx, c, capability.Act{Capability: o.Capability}, first)
	}
	if o.act == nil || o.audit == nil || c.Pass == nil {
		return nil, errUnrecorded
	}
	target, err := o.act.find(ctx, c, request)
	if err != nil {
		if public(err).Code == abi.Conflict { // the bot's own container (E6)
			o.recordDenial(ctx, c, capability.Act{}, capability.Decision{Reason: "own_container"})
		}
		return nil, err
	}
	decision := capability.Decide(need, pass, target)
	if decision.Verdict != capability.Allow {
		return nil, o.stop(ctx, c, target, decision)
	}
	return o.carryOut(ctx, c, target, request, decision)
}

// carryOut records, acts, and records how it ended. Without the first record
// nothing is done.
func (o Operation) carryOut(ctx context.Context, c *Caller, target capability.Act, request []byte, decision capability.Decision) (any, error) {
	if c.Pass.Fresh != nil && !c.Pass.Fresh() {
		c.Log.Info("a tap came too late to act upon", zap.String("event", "update.expired"))
		return nil, refuse(abi.Timeout, "That tap came too late, so nothing was done. Tap again if you still want it.")
	}
	if c.Pass.Still != nil && !c.Pass.Still() {
		return nil, o.stop(ctx, c, target, capability.Decision{Reason: capability.ReasonEnded})
	}
	entry := o.entry(c, target, decision)
	entry.Outcome = outcomeBegun
	if err := o.audit.Record(ctx, entry); err != nil {
		return nil, errors.Join(errUnrecorded, fmt.Errorf("audit log: %w", err))
	}
	// Used up before it is done: whatever happens now, it is not done twice.
	c.Pass.Acted, c.Pass.Confirmed = true, nil
	var done any
	err := errPanic
	defer func() { o.recordOutcome(ctx, c, entry, outcomeOf(done, err)) }()
	done, err = o.act.do(ctx, c, target, request)
	return done, err
}

// errUnrecorded is told instead of what cannot be recorded (D5).
var errUnrecorded = refuse(abi.Unavailable, "What is done could not be recorded, so it was not done.")

// recordUse records that something is read for which a session is needed: the
// first time that an invocation reads it, so that a module that reads in a loop
// fills no disk. Without the record nothing is read (D5).
func (o Operation) recordUse(ctx context.Context, c *Caller, decision capability.Decision) error {
	if c.used[o.Capability] {
		return nil
	}
	if o.audit == nil {
		return errUnrecorded
	}
	entry := o.entry(c, capability.Act{}, decision)
	entry.Event = "capability.used"
	if err := o.audit.Record(ctx, entry); err != nil {
		return errors.Join(errUnrecorded, fmt.Errorf("audit log: %w", err))
	}
	if c.used == nil {
		c.used = map[capability.Name]bool{}
	}
	c.used[o.Capability] = true
	return nil
}

// errPanic is how an act ended that did not return.
var errPanic = errors.New("panic")

func (o Operation) recordOutcome(ctx context.Context, c *Caller, entry audit.Entry, outcome string) {
	entry.Outcome = outcome
	what, event := "docker: "+outcome, zap.String("event", "docker.action")
	if entry.Event == eventModule {
		what, event = "module: "+outcome, zap.String("event", "module.action")
	}
	c.Log.Warn(what, event, zap.String("capability", entry.Capability), zap.String("target", entry.Target), zap.String("outcome", outcome))
	if err := o.audit.Record(context.WithoutCancel(ctx), entry); err != nil {
		c.Log.Error("how it ended could not be recorded", zap.String("event", "audit.error"), zap.Error(err))
	}
}

func outcomeOf(done any, err error) string {
	if err != nil {
		return public(err).Code.String()
	}
	switch done := done.(type) {
	case abi.ContainerDone:
		if done.Pending {
			return outcomePending
		}
		if done.Unchanged {
			return outcomeUnchanged
		}
	case abi.ModuleDone:
		if !done.Changed {
			return outcomeUnchanged
		}
	}
	return outcomeDone
}

// stop turns a decision that is not "allow" into the operation's error, and
// records a denial.
func (o Operation) stop(ctx context.Context, c *Caller, target capability.Act, decision capability.Decision) error {
	switch decision.Verdict {
	case capability.AskSession:
		c.Demand = &Demand{Code: abi.AuthRequired, Act: target}
		return refuse(abi.AuthRequired, "A second factor is needed for that.")
	case capability.AskConfirm:
		c.Demand = &Demand{Code: abi.ConfirmRequired, Act: target}
		return refuse(abi.ConfirmRequired, "That must be confirmed first.")
	}
	o.recordDenial(ctx, c, target, decision)
	switch decision.Reason {
	case capability.ReasonAdmins:
		return refuse(abi.Denied, "That is for admins only.")
	case capability.ReasonPrivate:
		return refuse(abi.Denied, "That may hold secrets, so it is shown in a private chat only.")
	case capability.ReasonEnded:
		return refuse(abi.Denied, "Your rights or your session ended while this ran, so it was not done.")
	case capability.ReasonState:
		return refuse(abi.Unavailable, "What is done could not be recorded: the bot cannot write its state. So it was not done.")
	}
	return refuse(abi.Denied, "One command may do one such thing.")
}

// recordDenial writes the first denial of a capability in an invocation.
func (o Operation) recordDenial(ctx context.Context, c *Caller, target capability.Act, decision capability.Decision) {
	if o.audit == nil || c.denied[o.Capability] {
		return
	}
	if c.denied == nil {
		c.denied = map[capability.Name]bool{}
	}
	c.denied[o.Capability] = true
	if err := o.audit.Record(ctx, o.entry(c, target, decision)); err != nil {
		c.Log.Warn("a denial could not be recorded", zap.String("event", "audit.error"), zap.Error(err))
	}
}

func (o Operation) entry(c *Caller, target capability.Act, decision capability.Decision) audit.Entry {
	verdict := "deny"
	if decision.Verdict == capability.Allow {
		verdict = "allow"
	}
	event := "capability.denied"
	switch {
	case verdict != "allow":
	case capability.BuiltInOnly(o.Capability):
		event = eventModule
	default:
		event = eventDocker
	}
	return audit.Entry{
		Event: event, Trace: c.Trace, Actor: scrub.ID(c.Actor.ID), ActorID: c.Actor.ID, Role: c.Actor.Role, Module: c.Module, Digest: c.Digest,
		Capability: string(o.Capability), Target: describe(target), Decision: verdict, Reason: decision.Reason,
	}
}

// Events of what was allowed, as the audit log has them.
const (
	eventDocker = "docker.action"
	eventModule = "module.action"
)

// describe names a target: "web (0123456789ab) on local", "uptime 1.2.0
// (0123456789ab)".
func describe(target capability.Act) string {
	if target.ID == "" {
		return ""
	}
	text := fmt.Sprintf("%s (%s)", target.Name, target.ID[:min(len(target.ID), 12)])
	if capability.BuiltInOnly(target.Capability) {
		return text
	}
	return text + " on " + target.Host
}
