package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/modules"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/dropin"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/folder"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/runtime/notice"
	"github.com/cofferdam-bot/cofferdam/runtime/registry"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
	"github.com/cofferdam-bot/cofferdam/runtime/trigger"
	"github.com/cofferdam-bot/cofferdam/runtime/vault"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
	"github.com/cofferdam-bot/cofferdam/security/signature"
	"github.com/cofferdam-bot/cofferdam/security/trust"
)

// openDropins makes what lets modules of the folder run, if the config names one.
func (a *app) openDropins(_ context.Context, o options) error {
	keys, err := keysOf(a.cfg)
	if err != nil {
		return exitWith(exitConfig, err)
	}
	a.keys.Store(&keys)
	if a.cfg.Modules.Dir == "" {
		return nil
	}
	names, err := builtInNames()
	if err != nil {
		return err
	}
	copies := vault.OpenMemory()
	if o.stateDir != "" {
		if copies, err = vault.Open(filepath.Join(o.stateDir, "modules")); err != nil {
			return err
		}
	}
	a.dropins, err = dropin.New(dropin.Config{
		Folder: folder.New(a.cfg.Modules.Dir), Vault: copies,
		Records: a.store.Table(store.Modules), Told: a.store.Table(store.ModulesTold),
		Policy: func() trust.Policy { return a.trusts(names) }, Grants: func(name string) []capability.Request { return grantedTo(a.current.Load(), name) },
		Registry: dropinRegistry{a}, Scan: a.scanModule, Verify: a.verifyModule, Words: capability.Words, Danger: capability.Danger,
		Tell: a.tellPending, Notice: func(subject string, except int64, text string) {
			a.notices.Tell(notice.AboutModule, subject, except, text)
		},
		Changed: a.changed, Audit: a.audit, Mask: scrub.ID, Log: a.log.Named("modules"), Now: o.now,
	})
	a.folder = a.dropins
	return err
}

// dropinsWithin is how long a start waits for modules of the folder. What is not compiled
// yet takes longer, and comes later.
const dropinsWithin = 3 * time.Second

// awaitDropins returns when the modules of the folder that may run do. What was asked of
// them while the bot was away is theirs to answer, not unknown.
func (a *app) awaitDropins(ctx context.Context) {
	late := time.NewTimer(dropinsWithin)
	defer late.Stop()
	select {
	case <-a.dropins.Settled():
	case <-late.C:
	case <-ctx.Done():
	}
}

// changed has everybody see which commands there are now.
func (a *app) changed() {
	a.met.outdated.add(everybody)
	a.met.outdated.add(a.current.Load().AccessControl.AllowedUserIDs...)
}

// trusts is what the config says about files now.
func (a *app) trusts(builtIn []string) trust.Policy {
	cfg := a.current.Load()
	p := trust.Policy{Pins: cfg.Modules.Pins, Chat: cfg.Modules.ChatApproval, BuiltIn: builtIn, Covers: capability.Covers}
	for _, k := range *a.keys.Load() {
		p.Keys = append(p.Keys, k.ID())
	}
	return p
}

// keysOf are the keys that the config trusts.
func keysOf(cfg *config.Config) (keys []signature.Key, err error) {
	for i, line := range cfg.Modules.TrustedKeys {
		key, err := signature.ParseKey(line)
		if err != nil {
			return nil, fmt.Errorf("modules.trusted_keys[%d]: %w", i, err)
		}
		if slices.ContainsFunc(keys, func(k signature.Key) bool { return k.ID() == key.ID() && k.String() != key.String() }) {
			return nil, fmt.Errorf("modules.trusted_keys[%d]: another key has its id, %s, so that one would pass for the other; trust one of them", i, key.ID())
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// revet holds all files against a config that was read anew.
func (a *app) revet(ctx context.Context, keys []signature.Key) {
	a.keys.Store(&keys)
	if a.dropins != nil {
		a.dropins.Reload(ctx)
	}
}

func builtInNames() (names []string, err error) {
	files, err := modules.Builtin()
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		names = append(names, f.Name)
	}
	return names, nil
}

// scanModule is the first look at a file of the folder: whether any host could run it, and
// whether it uses, or wants to be run for, what its manifest does not ask for.
func (a *app) scanModule(wasm []byte) error {
	manifest, err := abi.ReadManifest(wasm)
	if err != nil {
		return err
	}
	anatomy, err := engine.Dissect(wasm, limitsOf(a.current.Load().Modules.LimitsFor(manifest.Name)), hostcall.Table(hostcall.Sources{}))
	if err != nil {
		return err
	}
	uses := anatomy.Uses()
	for _, c := range manifest.Capabilities {
		delete(uses, capability.Name(c.Name))
	}
	if len(uses) > 0 {
		return fmt.Errorf("it uses what its manifest does not ask for: %s", strings.Join(textsOf(slices.Sorted(maps.Keys(uses))), ", "))
	}
	if err := trigger.CheckByItself(manifest); err != nil {
		return fmt.Errorf("its manifest: %s", strings.Join(linesOf(err), "; "))
	}
	return nil
}

func textsOf(names []capability.Name) (texts []string) {
	for _, n := range names {
		texts = append(texts, string(n))
	}
	return texts
}

func (a *app) verifyModule(wasm, sig []byte) (keyID string, trusted bool, err error) {
	signed, err := signature.Verify(wasm, sig, *a.keys.Load())
	return signed.KeyID, signed.Trusted, err
}

// dropinRegistry runs modules of the folder.
type dropinRegistry struct{ *app }

func (r dropinRegistry) Put(ctx context.Context, s dropin.Spec) error {
	return r.registry.Put(ctx, registry.Spec{
		Read: s.Read, Digest: s.Digest, Manifest: s.Manifest, Trust: s.Trust, Signer: s.Signer,
		Granted: s.Granted, Approved: s.Approved, Limits: limitsOf(r.current.Load().Modules.LimitsFor(s.Name)),
	})
}

func (r dropinRegistry) Remove(ctx context.Context, name string) error {
	return unlessGone(r.registry.Remove(ctx, name))
}

func (r dropinRegistry) End(ctx context.Context, name string) error {
	return unlessGone(r.registry.End(ctx, name))
}

func unlessGone(err error) error {
	if errors.Is(err, registry.ErrNoModule) {
		return nil
	}
	return err
}

// modulesOf lets the screens of the bot decide about files, if there is a folder.
func (a *app) modulesOf(o options) hostcall.Modules {
	switch {
	case o.modules != nil:
		return o.modules
	case a.cfg.Modules.Dir == "":
		return nil
	}
	return modulesOf{a}
}

// modulesOf is asked once all of the bot is there.
type modulesOf struct{ *app }

func (m modulesOf) Pending(ctx context.Context) (abi.PendingList, error) {
	return m.dropins.Pending(ctx)
}

func (m modulesOf) Approve(ctx context.Context, by abi.Actor, q abi.ModuleApproval) (abi.ModuleDone, error) {
	return m.dropins.Approve(ctx, by, q)
}

func (m modulesOf) Refuse(ctx context.Context, by abi.Actor, q abi.ModuleRef) (abi.ModuleDone, error) {
	return m.dropins.Refuse(ctx, by, q)
}

func (m modulesOf) Revoke(ctx context.Context, by abi.Actor, q abi.ModuleRef) (abi.ModuleDone, error) {
	return m.dropins.Revoke(ctx, by, q)
}
