package dropin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/trust"
)

// by is who decides.
type by struct {
	id   int64 // 0: somebody at the host's command line
	role string
	name string
	host bool
}

func (d *Dropins) chat(a abi.Actor) by { return by{id: a.ID, role: a.Role, name: d.Mask(a.ID)} }

var host = by{name: "host", role: "host", host: true}

// refusedAtMost bounds the digests of one name about which nobody is asked again.
const refusedAtMost = 64

// loadingAtMost bounds how long an approval waits for the module to be loaded.
const loadingAtMost = time.Minute

// Approve lets exactly this file run with exactly these grants. Its error is an [abi.Error]:
// see hostcall.Modules.
func (d *Dropins) Approve(ctx context.Context, actor abi.Actor, q abi.ModuleApproval) (abi.ModuleDone, error) {
	return d.approve(ctx, d.chat(actor), q)
}

// ApproveAtHost does the same for somebody at the command line. Without a digest it is the
// one file of that name that waits. It may be one that is refused because it is older than
// the last, or not signed any more, or because an admin refused it: who has a shell on the
// host is the root of trust.
func (d *Dropins) ApproveAtHost(ctx context.Context, q abi.ModuleApproval) (abi.ModuleDone, error) {
	return d.approve(ctx, host, q)
}

func (d *Dropins) approve(ctx context.Context, who by, q abi.ModuleApproval) (abi.ModuleDone, error) {
	if err := d.lock(ctx); err != nil {
		return abi.ModuleDone{}, err
	}
	defer d.unlock()
	defer d.show(ctx)
	f, err := d.find(who, q.Name, q.Digest)
	if err != nil {
		return abi.ModuleDone{}, err
	}
	done := abi.ModuleDone{Name: q.Name, Digest: f.Digest}
	grants, err := d.grants(f.Manifest, q.Grants)
	if err != nil {
		return done, err
	}
	before := d.records[q.Name]
	approval := trust.Approve(q.Name, f.Digest, grants)
	if running, ok := d.running[q.Name]; ok && running.Digest == f.Digest {
		if before != nil && before.Approval.Seal == approval.Seal {
			return done, nil
		}
		return done, refusal(abi.Conflict, "It runs already. Revoke it first, to approve it otherwise.")
	}
	if err := approvable(who, f.verdict, d.Policy().Chat); err != nil {
		return done, err
	}
	// What is decided about is what lies there now.
	if err := d.copy(f); err != nil {
		d.askAgain()
		return done, d.notKept(err)
	}
	r := d.known(q.Name)
	r.Approval, r.Revoked, r.By, r.When = approval, "", who.name, d.Now()
	r.Refused = slices.DeleteFunc(r.Refused, func(digest string) bool { return digest == f.Digest })
	d.records[q.Name] = r // in one write with what follows from it
	if err := d.load(ctx, q.Name, f, before); err != nil {
		d.restore(ctx, q.Name, before)
		return done, err
	}
	done.Changed = true
	d.settle(ctx, q.Name, nil) // the others of its name
	d.Log.Info("a module was approved", zap.String("event", "module.approved"), zap.String("module", q.Name), zap.String("digest", f.Digest),
		zap.String("by", who.name), zap.Stringer("grant", parsed(grants)))
	d.record(ctx, who.entry("module.approved", "allow", q.Name, f.Digest, "with "+parsed(grants).String()))
	d.Notice(f.Digest, who.id, "✅ The module "+q.Name+" was approved by "+who.said()+", and runs.")
	return done, nil
}

// load runs what was approved a moment ago.
func (d *Dropins) load(ctx context.Context, name string, f *file, before *record) error {
	// Whoever approved it may not wait so long; it is loaded all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadingAtMost)
	defer cancel()
	delete(d.failed, f.Digest)
	granted, r := d.Grants(name), d.known(name)
	candidates := d.of(name)
	for _, c := range candidates {
		c.verdict = trust.Decide(c.File, d.Policy(), r.Lineage, granted)
	}
	switch best := d.choose(candidates, r); {
	case f.verdict.State != trust.Runs:
		return refusal(abi.Conflict, "It cannot run: "+f.verdict.Why+".")
	case best != f && best.Digest != f.Digest:
		return refusal(abi.Conflict, "A newer file of its name may run, "+best.name+". Remove that first.")
	}
	if err := d.permit(ctx, name, f, granted, before); err != nil {
		return d.notKept(err)
	}
	return nil
}

// find returns the file of a module's name. Without a digest it is the only one there is
// to decide about, which only the host may say.
func (d *Dropins) find(who by, name, digest string) (*file, error) {
	var found []*file
	for _, f := range d.of(name) {
		running := d.running[name].Digest
		if f.Digest == digest || digest == "" && who.host && f.Digest != running {
			found = append(found, f)
		}
	}
	switch {
	case len(found) == 0:
		return nil, refusal(abi.NotFound, "There is no such file in the folder of modules (any more).")
	case digest == "" && len(found) > 1:
		return nil, refusal(abi.Conflict, "There is more than one file of that name: say which, by its SHA-256.")
	}
	return found[0], nil
}

// approvable says why somebody cannot approve a file.
func approvable(who by, v trust.Verdict, chat bool) error {
	switch {
	case v.Final:
		return refusal(abi.Conflict, "It cannot be approved: "+v.Why+".")
	case !who.host && !chat:
		return refusal(abi.Conflict, "Modules are not approved in chat here: modules.chat_approval is off. At the host, run cofferdam module approve.")
	case !who.host && v.Host:
		return refusal(abi.Conflict, "It cannot be approved in chat: "+v.Why+". At the host, run cofferdam module approve.")
	}
	return nil
}

// grants checks what is to be granted: the capabilities that the manifest asks for, each
// in a scope inside of its own.
func (d *Dropins) grants(m abi.Manifest, given []abi.GrantedCapability) ([]capability.Request, error) {
	asked := trust.Asked(m)
	if len(given) == 0 {
		return asked, nil
	}
	var grants []capability.Request
	for _, g := range given {
		grants = append(grants, capability.Request{Name: g.Name, Scope: g.Scope})
	}
	if _, err := capability.Parse(grants); err != nil {
		return nil, refusal(abi.Invalid, "These grants make no sense: "+err.Error()+".")
	}
	policy := d.Policy()
	for _, g := range grants {
		if !policy.Within(asked, g) {
			return nil, refusal(abi.Invalid, "It does not ask for so much: "+g.Name+".")
		}
	}
	for _, a := range asked {
		if !slices.ContainsFunc(grants, func(g capability.Request) bool { return g.Name == a.Name }) {
			return nil, refusal(abi.Invalid, "It cannot run without "+a.Name+"; grant that with a narrower scope.")
		}
	}
	return grants, nil
}

// Refuse notes that nobody is to be asked about a file again. Its error is an [abi.Error].
func (d *Dropins) Refuse(ctx context.Context, actor abi.Actor, q abi.ModuleRef) (abi.ModuleDone, error) {
	if err := d.lock(ctx); err != nil {
		return abi.ModuleDone{}, err
	}
	defer d.unlock()
	defer d.show(ctx)
	who := d.chat(actor)
	f, err := d.find(who, q.Name, q.Digest)
	if err != nil {
		return abi.ModuleDone{}, err
	}
	done := abi.ModuleDone{Name: q.Name, Digest: f.Digest}
	r := d.known(q.Name)
	switch {
	case d.running[q.Name].Digest == f.Digest:
		return done, refusal(abi.Conflict, "It runs. Revoke it, to end it.")
	case slices.Contains(r.Refused, f.Digest):
		return done, nil
	}
	if r.Refused = append(r.Refused, f.Digest); len(r.Refused) > refusedAtMost {
		r.Refused = r.Refused[1:]
	}
	if err := d.keep(ctx, q.Name, r); err != nil {
		return done, d.notKept(err)
	}
	done.Changed = true
	d.settle(ctx, q.Name, nil)
	d.Log.Info("an admin refused a module", zap.String("event", "module.rejected"), zap.String("module", q.Name), zap.String("digest", f.Digest), zap.String("by", who.name))
	d.record(ctx, who.entry("module.rejected", "deny", q.Name, f.Digest, "refused"))
	return done, nil
}

// Revoke ends a module at once, whoever's word it ran by. Its file waits for an approval
// again. Its error is an [abi.Error].
func (d *Dropins) Revoke(ctx context.Context, actor abi.Actor, q abi.ModuleRef) (abi.ModuleDone, error) {
	return d.revoke(ctx, d.chat(actor), q)
}

// RevokeAtHost does the same for somebody at the command line.
func (d *Dropins) RevokeAtHost(ctx context.Context, q abi.ModuleRef) (abi.ModuleDone, error) {
	return d.revoke(ctx, host, q)
}

func (d *Dropins) revoke(ctx context.Context, who by, q abi.ModuleRef) (abi.ModuleDone, error) {
	if err := d.lock(ctx); err != nil {
		return abi.ModuleDone{}, err
	}
	defer d.unlock()
	defer d.show(ctx)
	r := d.known(q.Name)
	digest := r.Approval.Digest // of a file that is away
	if r.Runs != nil {
		digest = r.Runs.Digest
	}
	if digest == "" || q.Digest != "" && q.Digest != digest {
		return abi.ModuleDone{}, refusal(abi.NotFound, "No such module runs, or was approved.")
	}
	done := abi.ModuleDone{Name: q.Name, Digest: digest, Changed: true}
	d.stop(ctx, q.Name, d.Registry.End) // first of all, whatever the disk says
	r.Runs, r.Approval, r.Revoked, r.By, r.When = nil, trust.Approval{}, digest, who.name, d.Now()
	err := d.keep(ctx, q.Name, r)
	d.records[q.Name] = r
	d.settle(ctx, q.Name, nil)
	d.knownToAdmins(q.Name, digest)
	d.Log.Warn("a module was revoked", zap.String("event", "module.revoked"), zap.String("module", q.Name), zap.String("digest", digest), zap.String("by", who.name), zap.Error(err))
	d.record(ctx, who.entry("module.revoked", "deny", q.Name, digest, "revoked"))
	d.Notice(digest, who.id, "⛔ The module "+q.Name+" was revoked by "+who.said()+", and does not run any more.")
	if err != nil {
		return done, refusal(abi.Unavailable, "It was ended, but that cannot be written down: it would run again after a restart.")
	}
	return done, nil
}

// knownToAdmins notes that nobody need be told of a file that was just revoked.
func (d *Dropins) knownToAdmins(name, digest string) {
	for _, f := range d.of(name) {
		if f.Digest == digest {
			d.isTold(causeOf(d.describe(f)))
		}
	}
}

func (d *Dropins) notKept(err error) error {
	d.Log.Error("a decision about a module has no effect", zap.String("event", "store.error"), zap.Error(err))
	return kept(err)
}

// kept is what users are told of an error of the folder, the vault or the table.
func kept(err error) error {
	if errors.Is(err, errChanged) {
		return refusal(abi.Conflict, "The file is another one now. Look at it again.")
	}
	return refusal(abi.Unavailable, "Nothing has changed: it cannot be kept or loaded, and the bot's log says why.")
}

func (d *Dropins) askAgain() {
	select {
	case d.again <- struct{}{}:
	default:
	}
}

func (b by) entry(event, decision, module, digest, reason string) audit.Entry {
	return audit.Entry{
		Event: event, Actor: b.name, ActorID: b.id, Role: b.role, Module: module, Digest: digest, Decision: decision, Reason: reason, Outcome: "done",
	}
}

// said is who it was, for the other admins.
func (b by) said() string {
	if b.host {
		return "somebody at the host"
	}
	return fmt.Sprintf("another admin (%s)", b.name)
}

func parsed(grants []capability.Request) capability.Set {
	// They were parsed before; and an empty set is what is said of those that were not.
	set, _ := capability.Parse(grants)
	return set
}

func refusal(code abi.Code, message string) error { return &abi.Error{Code: code, Message: message} }
