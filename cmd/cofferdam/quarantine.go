package main

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/runtime/notice"
	"github.com/cofferdam-bot/cofferdam/runtime/registry"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// switched records that a module was switched off after repeated faults, or is
// back, and tells admins of the former.
func (a *app) switched(ctx context.Context, s registry.Switch) {
	entry := audit.Entry{Actor: "bot", Trace: s.Trace, Module: s.Module, Digest: s.Digest}
	if s.Off > 0 {
		entry.Event, entry.Decision = "module.quarantined", "deny"
		entry.Reason = "repeated faults; off for " + s.Off.String() + "; the last: " + s.Fault
		a.notices.Tell(notice.AboutModule, s.Digest, 0, quarantineText(s))
	} else {
		entry.Event, entry.Decision, entry.Reason = "module.released", "allow", "its time is over"
	}
	if err := a.audit.Record(ctx, entry); err != nil {
		a.log.Error("the audit log cannot be written", zap.String("event", "audit.error"), zap.Error(err))
	}
}

// faulted records a fault of a module. There are not many in a row: after a few
// the module is switched off.
func (a *app) faulted(ctx context.Context, f registry.Failure) {
	err := a.audit.Record(ctx, audit.Entry{
		Event: "module.fault", Trace: f.Trace, Actor: scrub.ID(f.Actor.ID), ActorID: f.Actor.ID, Role: f.Actor.Role,
		Module: f.Module, Digest: f.Digest, Decision: "deny", Reason: f.Code.String() + ": " + f.Reason,
	})
	if err != nil {
		a.log.Error("the audit log cannot be written", zap.String("event", "audit.error"), zap.Error(err))
	}
}

// quarantineText leaves out what the fault was: a guest can have a hand in its
// words.
func quarantineText(s registry.Switch) string {
	return "⛔ The module " + s.Module + " failed again and again, and is switched off for " +
		plural(int(s.Off.Round(time.Minute)/time.Minute), "minute") + ". Everything else works. The log has the reason, and cofferdam module list shows how it is."
}
