package pipeline

import (
	"context"
	"strconv"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/notice"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// access lets those on the lists through. A stranger may run what is open to
// anybody, in a private chat, a few times an hour (A2); else a stranger hears a
// short refusal twice, and is blocked at the third (A3).
func (p *Pipeline) access(ctx context.Context, t *passage) outcome {
	decision := p.decide(t)
	if decision.Allowed {
		t.role = decision.Role
		return onward
	}
	if p.silenced(t.update, p.Now()) {
		t.hush()
		return refused
	}
	open, meant := p.openToAnybody(ctx, t)
	if open && p.locked(func() bool { return p.strangerCommand.Add(t.update.From.ID, p.Now()).Allowed }) {
		if p.mayAnswerStranger() {
			return onward
		}
		t.hush()
		return limited
	}
	if !meant {
		return ignored // people talk to each other in groups
	}
	return p.refuse(ctx, t, decision)
}

// openToAnybody reports whether an update is a command that anybody may run, and
// whether it was meant for the bot at all.
func (p *Pipeline) openToAnybody(ctx context.Context, t *passage) (open, meant bool) {
	if t.update.Kind != chat.Text {
		return false, true
	}
	route, found, addressed := p.Modules.ByText(ctx, t.update.Text)
	private := t.update.Chat.Private
	return private && found && route.Who == abi.WhoAnybody, private || addressed
}

// refuse counts a stranger's update, and says so twice.
func (p *Pipeline) refuse(ctx context.Context, t *passage, decision access.Decision) outcome {
	id := t.update.From.ID
	p.guard.Lock()
	refusal := p.strikes.Refuse(id, p.Now())
	p.guard.Unlock()
	if refusal.Evicted != 0 {
		p.Strangers.Forget(refusal.Evicted)
	}
	p.Strangers.Remember(id, refusal.Record)
	if refusal.Unblocked {
		t.log.Info("a block is over", zap.String("event", "access.unblocked"))
	}
	t.log.Info("refused", zap.String("event", "access.denied"), zap.String("reason", decision.Reason),
		zap.String("username", scrub.Name(t.update.From.Username)))
	p.Counts.Denied(decision.Reason)
	if refusal.Blocks {
		t.log.Warn("blocked after three refusals", zap.String("event", "access.blocked"), zap.Duration("for", access.BlockFor))
		// Only this one goes into the audit log: strangers must not fill it.
		p.record(ctx, t, audit.Entry{Event: "access.blocked", Decision: "deny", Reason: decision.Reason})
	}
	p.Notices.Tell(notice.AboutStranger, strconv.FormatInt(id, 10), 0, strangerText(id, t.update.Chat.Private, refusal.Blocks))
	aloud := t.update.Chat.Private || t.update.Kind == chat.Tap
	if aloud && refusal.Answer && p.mayAnswerStranger() {
		p.tell(ctx, t, textStranger)
	}
	t.hush()
	return refused
}

// mayAnswerStranger bounds what strangers hear, all together.
func (p *Pipeline) mayAnswerStranger() bool {
	return p.locked(func() bool { return p.strangerAnswer.Add(0, p.Now()).Allowed })
}

// record writes into the audit log what the passage knows, and what the entry
// says besides. It logs a failure: nothing that acts depends on this record.
func (p *Pipeline) record(ctx context.Context, t *passage, e audit.Entry) {
	e.Trace, e.Actor, e.ActorID, e.Role = t.trace, scrub.ID(t.update.From.ID), t.update.From.ID, p.decide(t).Role.String()
	if err := p.Audit.Record(context.WithoutCancel(ctx), e); err != nil {
		t.log.Error("the audit log cannot be written", zap.String("event", "audit.error"), zap.Error(err))
	}
}

// RestoreStranger takes over what was remembered of one before a restart.
func (p *Pipeline) RestoreStranger(id int64, r access.Record) {
	p.guard.Lock()
	defer p.guard.Unlock()
	p.strikes.Restore(id, r)
}
