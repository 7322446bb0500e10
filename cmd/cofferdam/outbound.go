package main

import (
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/runtime/outbound"
)

// outbound makes requests for modules.
func (a *app) outbound() hostcall.HTTP { return outboundFor(a.current.Load, a.now) }

// outboundFor makes requests for modules, with the secrets of a config as it was read
// last.
func outboundFor(current func() *config.Config, now func() time.Time) hostcall.HTTP {
	return outbound.New(outbound.Config{
		Secret:  func(module, name string) (string, bool) { return current().ModuleSecret(module, name) },
		Secrets: func(module string) []string { return current().ModuleSecrets(module) },
		Now:     now,
	})
}
