package dropin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/trust"
)

// failure is a file that may run and cannot: it is not tried again at each look.
type failure struct {
	why string
	at  time.Time
}

// retry is when a module that could not be loaded is tried again. What kept it from that
// may have been outside of it.
const retry = 5 * time.Minute

// settle decides about all files of a name, and lets at most one of them run. there are
// the files in the folder; nil: nothing is known of them. It reports whether it waits for
// something that may come right by itself.
func (d *Dropins) settle(ctx context.Context, name string, there map[string]bool) (waits bool) {
	candidates := d.of(name)
	policy, granted, r := d.Policy(), d.Grants(name), d.known(name)
	var current *file // in the folder
	for _, f := range candidates {
		f.verdict = trust.Decide(f.File, policy, r.Lineage, granted)
		// If it is the config that changed, nothing is on its way: who takes a key out of it
		// ends at once what that signed.
		if f.verdict.Doubt && !d.anew && d.doubted("signature "+f.name+f.Digest+f.verdict.Why) {
			for _, f := range candidates {
				f.waits = true
			}
			// What runs is decided about all the same: somebody who changes a file all the
			// time does not keep alive what lost the operator's word.
			if r.Runs != nil {
				d.goOn(ctx, name, r.Runs, nil, candidates, nil)
			}
			return true
		}
		f.waits = false
		if r.Runs != nil && f.Digest == r.Runs.Digest {
			current = f
		}
	}
	best := d.choose(candidates, r)
	switch {
	case best != nil:
		if err := d.permit(ctx, name, best, granted, d.records[name]); err == nil {
			d.outdone(candidates, best, r)
			return false
		}
		if ctx.Err() != nil {
			return false // the bot stops
		}
		if r.Runs == nil || best.Digest == r.Runs.Digest {
			d.end(ctx, name, best.verdict.Why)
			return false
		}
	case r.Runs == nil:
		return false
	}
	d.goOn(ctx, name, r.Runs, current, candidates, there)
	return false
}

// goOn decides about the file that ran so far, and that no other takes the place of.
func (d *Dropins) goOn(ctx context.Context, name string, old *runs, current *file, candidates []*file, there map[string]bool) {
	if there != nil && len(candidates) == 0 && d.isGone(old, there) {
		d.retire(ctx, name)
		return
	}
	granted := d.Grants(name)
	verdict := trust.Decide(old.trusted(), d.Policy(), d.records[name].Lineage, granted)
	if current != nil {
		verdict = current.verdict
	}
	if verdict.State != trust.Runs {
		d.end(ctx, name, verdict.Why)
		return
	}
	f := &file{File: old.trusted(), name: old.File, size: old.Size, stamp: old.Stamp, verdict: verdict}
	if current == nil && d.permit(ctx, name, f, granted, d.records[name]) != nil && ctx.Err() == nil {
		d.end(ctx, name, f.verdict.Why)
	}
}

// isGone reports whether the file from which a module ran is not in the folder any more,
// or is another module now. One that cannot be read takes nothing away.
func (d *Dropins) isGone(old *runs, there map[string]bool) bool {
	f := d.files[old.File]
	return !there[old.File] || f != nil && f.fault == "" && f.Manifest.Name != old.Manifest.Name
}

// of are the files of a module that are sound, in the order of their names.
func (d *Dropins) of(name string) (found []*file) {
	for _, file := range slices.Sorted(maps.Keys(d.files)) {
		if f := d.files[file]; f.fault == "" && f.Manifest.Name == name {
			found = append(found, f)
		}
	}
	return found
}

// choose picks the file that is to run: the newest of those that may, and the one that
// runs already if that cannot be told.
func (d *Dropins) choose(candidates []*file, r *record) (best *file) {
	for _, f := range candidates {
		switch {
		case f.verdict.State != trust.Runs:
		case best == nil, trust.Newer(f.Manifest.Version, best.Manifest.Version),
			r.Runs != nil && f.Digest == r.Runs.Digest && !trust.Newer(best.Manifest.Version, f.Manifest.Version):
			best = f
		}
	}
	return best
}

// outdone decides about the others once one of a name runs.
func (d *Dropins) outdone(candidates []*file, best *file, before *record) {
	lineage := d.records[best.Manifest.Name].Lineage
	for _, f := range candidates {
		if f.Digest == best.Digest {
			continue
		}
		if before.Runs == nil || before.Runs.Digest != best.Digest {
			f.verdict = trust.Decide(f.File, d.Policy(), lineage, d.Grants(f.Manifest.Name))
		}
		if f.verdict.State == trust.Runs {
			f.verdict = trust.Verdict{State: trust.Refused, Final: true, Why: "another file of its name runs, " + best.name}
		}
	}
}

// permit lets a file run whose verdict says so: the copy and the record first, so that
// nothing runs of which nothing is known after a restart. If that does not succeed, before
// is known of the name again. An error is in the verdict, too.
func (d *Dropins) permit(ctx context.Context, name string, f *file, granted []capability.Request, before *record) error {
	spec := Spec{
		Name: name, Digest: f.Digest, Manifest: f.Manifest, Granted: granted, Approved: f.verdict.Granted, Trust: f.verdict.Source,
		Read: func() ([]byte, error) { return d.Vault.Get(f.Digest) },
	}
	if f.Signature.Verified {
		spec.Signer = f.Signature.KeyID
	}
	old, runs := d.running[name]
	if runs && !d.anew && sameSpec(old, spec) {
		d.rest(ctx, name, f)
		return nil
	}
	if failed, ok := d.failed[f.Digest]; ok && !d.anew && d.Now().Sub(failed.at) < retry {
		f.verdict = cannot(failed.why)
		return fmt.Errorf("module %s: %s", name, failed.why)
	}
	err := d.store(ctx, name, f)
	if err == nil {
		err = d.put(ctx, spec, f)
	}
	if err != nil {
		d.restore(ctx, name, before)
		if ctx.Err() == nil {
			d.failed[f.Digest] = failure{err.Error(), d.Now()}
		}
		f.verdict = cannot(err.Error())
		return err
	}
	delete(d.failed, f.Digest)
	d.running[name] = spec
	if !runs || old.Digest != f.Digest {
		// Somebody else's command may be free now.
		clear(d.failed)
		d.Changed()
	}
	if before == nil || before.Runs == nil || before.Runs.Digest != f.Digest {
		d.loaded(ctx, f)
	}
	return nil
}

// put hands a module to the registry. A copy that was damaged is made anew from the file
// in the folder, if that still is the one.
func (d *Dropins) put(ctx context.Context, spec Spec, f *file) error {
	err := d.Registry.Put(ctx, spec)
	if err == nil {
		return nil
	}
	if _, damaged := d.Vault.Get(spec.Digest); damaged == nil || d.copy(f) != nil {
		return err
	}
	return d.Registry.Put(ctx, spec)
}

func cannot(why string) trust.Verdict {
	return trust.Verdict{State: trust.Refused, Why: "it may run and cannot: " + why}
}

func sameSpec(a, b Spec) bool {
	a.Read, b.Read = nil, nil
	return reflect.DeepEqual(a, b)
}

// store keeps a file's bytes, and what is known of it.
func (d *Dropins) store(ctx context.Context, name string, f *file) error {
	if !d.Vault.Has(f.Digest) {
		if err := d.copy(f); err != nil {
			return err
		}
	}
	r := d.known(name)
	r.Runs = &runs{File: f.name, Stamp: f.stamp, Size: f.size, Digest: f.Digest, Manifest: f.Manifest, Signature: f.Signature}
	r.Last = trust.Version{Version: f.Manifest.Version, Digest: f.Digest, Signed: d.isSigned(f), Granted: f.verdict.Granted}
	if r.Last.Signed {
		r.Last.Signer = f.Signature.KeyID
	}
	if r.Last.Granted == nil {
		r.Last.Granted = trust.Asked(f.Manifest)
	}
	if r.Approval.Digest != f.Digest {
		r.Approval = trust.Approval{} // it was of the version before
	}
	r.Revoked = ""
	if r.First.IsZero() {
		r.First = d.Now()
	}
	return d.keep(ctx, name, r)
}

// copy puts a file into the vault, if it has the bytes that were decided about.
func (d *Dropins) copy(f *file) error {
	again, wasm, err := d.read(f.name)
	switch {
	case err != nil:
		return err
	case again.Digest != f.Digest:
		return fmt.Errorf("%s: %w", f.name, errChanged)
	}
	_, err = d.Vault.Put(wasm)
	return err
}

// errChanged is returned for a file whose bytes are not those that were decided about.
var errChanged = errors.New("it changed after it was looked at")

func (d *Dropins) isSigned(f *file) bool {
	for _, key := range d.Policy().Keys {
		if f.Signature.Verified && key == f.Signature.KeyID {
			return true
		}
	}
	return false
}

// rest notes where the file of a module that goes on lies now, so that the next start
// need not read it.
func (d *Dropins) rest(ctx context.Context, name string, f *file) {
	r := d.known(name)
	if f.stamp == "" || r.Runs == nil || r.Runs.File == f.name && r.Runs.Stamp == f.stamp && r.Runs.Signature == f.Signature {
		return
	}
	r.Runs.File, r.Runs.Stamp, r.Runs.Signature = f.name, f.stamp, f.Signature
	// If the disk does not take it, the file is read once more, that is all.
	_ = d.keep(ctx, name, r)
}

// loaded records that a file runs that did not before.
func (d *Dropins) loaded(ctx context.Context, f *file) {
	d.record(ctx, audit.Entry{
		Event: "module.loaded", Actor: "bot", Module: f.Manifest.Name, Digest: f.Digest, Decision: "allow",
		Target: "version " + f.Manifest.Version, Reason: f.verdict.Why,
	})
	if f.verdict.Source != abi.TrustApproved { // of an approval they are told anyway
		d.Notice(f.Digest, 0, "✅ The module "+f.Manifest.Name+" runs: "+f.verdict.Why+".")
	}
}

// retire ends a module whose file is not in the folder any more. What is known of it
// stays, so that the file can come back.
func (d *Dropins) retire(ctx context.Context, name string) {
	r := d.known(name)
	digest := r.Runs.Digest
	d.stop(ctx, name, d.Registry.Remove)
	r.Runs = nil
	if err := d.keep(ctx, name, r); err != nil {
		d.records[name] = r
		d.Log.Error("that a module's file is gone cannot be kept", zap.String("event", "store.error"), zap.Error(err))
	}
	d.record(ctx, audit.Entry{Event: "module.removed", Actor: "bot", Module: name, Digest: digest, Decision: "deny", Reason: "its file is not in the folder any more"})
}

// end stops a module that may run no more, though its file is there.
func (d *Dropins) end(ctx context.Context, name, why string) {
	if _, runs := d.running[name]; !runs {
		return
	}
	digest := d.running[name].Digest
	d.stop(ctx, name, d.Registry.End)
	d.Log.Warn("a module may run no more", zap.String("event", "module.revoked"), zap.String("module", name), zap.String("digest", digest), zap.String("reason", why))
	d.record(ctx, audit.Entry{Event: "module.revoked", Actor: "bot", Module: name, Digest: digest, Decision: "deny", Reason: why})
	d.Notice(digest, 0, "⛔ The module "+name+" was ended: it may run no more. /modules and the log say why.")
}

// stop takes a module out of the registry, one way or the other.
func (d *Dropins) stop(ctx context.Context, name string, out func(context.Context, string) error) {
	if _, runs := d.running[name]; !runs {
		return
	}
	if err := out(context.WithoutCancel(ctx), name); err != nil {
		d.Log.Error("a module cannot be ended", zap.String("event", "module.stays"), zap.String("module", name), zap.Error(err))
	}
	delete(d.running, name)
	clear(d.failed)
	d.Changed()
}
