package main

import (
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/runtime/outbound"
)

// outbound makes requests for modules. Their secrets are those of the config as it
// was read last.
func (a *app) outbound() hostcall.HTTP {
	return outbound.New(outbound.Config{
		Secret:  func(module, name string) (string, bool) { return a.current.Load().ModuleSecret(module, name) },
		Secrets: func(module string) []string { return a.current.Load().ModuleSecrets(module) },
		Now:     a.now,
	})
}
