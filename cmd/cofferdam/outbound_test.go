package main

import (
	"crypto/rand"
	"strings"
	"testing"
)

// A secret of a module counts from the reload on, and is hidden before anything can
// show it; the one before stays hidden, for it may be under way.
func TestReloadLearnsSecretsOfModules(t *testing.T) {
	first, second := "kV3-"+rand.Text()[:6], "kV3-"+rand.Text()[:6]
	r := startReloadable(t, asItIs, quick)
	r.reload(func(f *configFile) { f.further = "  secrets: {hello: {token: '" + first + "'}}\n" })
	r.reload(func(f *configFile) { f.further = strings.ReplaceAll(f.further, first, second) })
	r.logged("config.reloaded", `"modules_loaded":0`)
	if got, ok := r.app.current.Load().ModuleSecret("hello", "token"); !ok || got != second {
		t.Error("the secret is the one before")
	}
	if text := r.app.hide(first + " and " + second); strings.Contains(text, first) || strings.Contains(text, second) {
		t.Errorf("the log shows %s", text)
	}
	if line := r.told("config.restart_needed"); line != "" {
		t.Errorf("a restart is asked for: %s", line)
	}
}
