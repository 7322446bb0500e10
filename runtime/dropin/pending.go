package dropin

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/trust"
)

// Pending lists the files in the folder that do not run: those that wait first.
func (d *Dropins) Pending(context.Context) (abi.PendingList, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return abi.PendingList{Modules: append([]abi.PendingModule{}, d.view...), Approval: d.Policy().Chat}, nil
}

// show makes what Pending shows, and then tells admins of what is new in it: whoever is
// told looks there.
func (d *Dropins) show(ctx context.Context) {
	var view, news []abi.PendingModule
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		f := d.files[name]
		if running, ok := d.running[f.Manifest.Name]; ok && f.fault == "" && running.Digest == f.Digest || f.waits {
			continue
		}
		p := d.describe(f)
		view = append(view, p)
		if !f.verdict.Silent {
			news = append(news, p)
		}
	}
	slices.SortStableFunc(view, func(a, b abi.PendingModule) int { return cmp.Compare(a.State, b.State) }) // "pending" < "refused"
	d.mu.Lock()
	d.view = view
	d.mu.Unlock()
	for _, p := range news {
		d.tell(ctx, p)
	}
	d.tellRest()
}

// describe says all that is known of a file that does not run.
func (d *Dropins) describe(f *file) abi.PendingModule {
	p := abi.PendingModule{File: f.name, Size: f.size, Digest: f.Digest, State: string(f.verdict.State), Why: f.verdict.Why}
	if f.fault != "" || p.State == "" {
		p.State, p.Why = abi.FileRefused, cmp.Or(f.fault, "it was not looked at yet")
	}
	if f.Manifest.Name == "" {
		return p
	}
	m := f.Manifest
	p.Name, p.Version, p.Author, p.Description = m.Name, m.Version, m.Author, m.Description
	p.Signer, p.Trusted = f.Signature.KeyID, d.isSigned(f)
	for _, c := range m.Commands {
		p.Commands = append(p.Commands, c.Name)
	}
	p.Runs = byItself(m)
	last := d.known(m.Name).Last
	p.Before = last.Version
	p.Asks, p.Gone = d.asks(m, last)
	return p
}

// asks says in words what a manifest asks for, the most dangerous first, and what it does
// not ask for any more.
func (d *Dropins) asks(m abi.Manifest, last trust.Version) (asks []abi.AskedCapability, gone []string) {
	policy, granted, asked := d.Policy(), d.Grants(m.Name), trust.Asked(m)
	for i, c := range m.Capabilities {
		name := capability.Name(c.Name)
		a := abi.AskedCapability{Name: c.Name, Scope: c.Scope, Words: d.Words(name, c.Scope), Reason: c.Reason, Danger: d.Danger(name)}
		a.New = last.Digest != "" && !policy.Within(last.Granted, asked[i])
		if granted != nil && !policy.Within(granted, asked[i]) {
			a.Narrowed = left(policy, granted, asked[i])
		}
		asks = append(asks, a)
	}
	slices.SortStableFunc(asks, func(a, b abi.AskedCapability) int { return cmp.Compare(b.Danger, a.Danger) })
	for _, before := range last.Granted {
		i := slices.IndexFunc(asked, func(a capability.Request) bool { return a.Name == before.Name })
		// What is not surely within the other may be so all the same: only what is less in
		// one way, and no more in another, is said to be gone.
		if i < 0 || !policy.Within(asked, before) && policy.Within(last.Granted, asked[i]) {
			gone = append(gone, d.Words(capability.Name(before.Name), before.Scope))
		}
	}
	return asks, gone
}

// left is what the config leaves of what is asked, in patterns that can be granted: each
// lies in both scopes. nil: there are none that say it, as where two patterns overlap.
// What is approved then is what is asked, and the config narrows it all the same.
func left(p trust.Policy, granted []capability.Request, asked capability.Request) (scope []string) {
	name := capability.Name(asked.Name)
	at := slices.IndexFunc(granted, func(g capability.Request) bool { return g.Name == asked.Name })
	if at < 0 {
		return nil
	}
	if one := granted[at]; p.Within([]capability.Request{asked}, one) {
		return one.Scope
	}
	within := func(outer, inner string) bool {
		return p.Covers != nil && p.Covers(name, []string{outer}, []string{inner})
	}
	for _, g := range granted[at].Scope {
		overlaps := false
		for _, a := range asked.Scope {
			switch {
			case within(a, g):
				scope = append(scope, g)
			case within(g, a):
				scope = append(scope, a)
			default:
				overlaps = overlaps || !capability.Disjoint(name, []string{a}, []string{g})
			}
		}
		if overlaps {
			return nil
		}
	}
	slices.Sort(scope)
	return slices.Compact(scope)
}

// byItself says when a module runs without being asked.
func byItself(m abi.Manifest) (texts []string) {
	for _, s := range m.Schedules {
		if every, err := time.ParseDuration(s.Every); err == nil {
			texts = append(texts, "every "+duration(every))
		} else {
			texts = append(texts, "at the times "+s.Cron+" (cron)")
		}
	}
	for _, e := range m.Events {
		texts = append(texts, "on "+strings.Join(e.Types, ", "))
	}
	return texts
}

// duration says a duration in its largest whole unit.
func duration(t time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		switch {
		case t == unit.of:
			return unit.name
		case t%unit.of == 0:
			return fmt.Sprintf("%d %ss", t/unit.of, unit.name)
		}
	}
	return t.String()
}
