package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/trigger"
)

// runByThemselves runs modules by the clock and by what happens to containers.
func (a *app) runByThemselves(ctx context.Context) {
	trigger.New(trigger.Config{
		Modules: a.running, Invoke: a.registry.Invoke, Follow: a.docker.Follow, Durable: a.store.Writable,
		Trace: newTrace, Now: a.now, Zone: time.Local, Log: a.log.Named("trigger"),
	}).Run(ctx)
}

// running are the modules that run now.
func (a *app) running() []trigger.Module {
	loaded := a.registry.Loaded()
	modules := make([]trigger.Module, 0, len(loaded))
	for _, m := range loaded {
		modules = append(modules, trigger.Module{Manifest: m.Manifest, Digest: m.Digest, Grant: m.Grant})
	}
	return modules
}

// newTrace returns a trace id: 64 random bits.
func newTrace() string {
	var bits [8]byte
	_, _ = rand.Read(bits[:]) // it never fails
	return hex.EncodeToString(bits[:])
}
