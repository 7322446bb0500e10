package main

import (
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
)

// A file that could not do by itself what it wants to is refused when it is looked at:
// nobody is asked about it, and nobody finds out when it does not run.
func TestTheFolderIsScannedForWhatRunsByItself(t *testing.T) {
	a := &app{}
	a.current.Store(&config.Config{})
	scanned := func(change func(*abi.Manifest), imports ...string) error {
		m := watchManifest()
		change(&m)
		return a.scanModule(tinyModule(t, m, append(imports, watchImports...)...))
	}
	if err := scanned(func(*abi.Manifest) {}); err != nil {
		t.Errorf("a sound file: %v", err)
	}
	event := []abi.Subscription{{Types: []string{"container.die"}, Action: "died"}}
	for _, test := range []struct {
		name   string
		change func(*abi.Manifest)
		says   string
	}{
		{"no schedule", func(m *abi.Manifest) { m.Capabilities = m.Capabilities[:3] }, "schedules need the capability schedule"},
		{"too often", func(m *abi.Manifest) { m.Schedules[0].Every = "1m" }, "is more often than"},
		{"no such day", func(m *abi.Manifest) { m.Schedules[0] = abi.Schedule{Name: "x", Cron: "0 0 31 2 *", Action: "x"} }, "there is no such day"},
		{"no events", func(m *abi.Manifest) { m.Events = event }, "needs the capability docker.events"},
		{"events of nothing", func(m *abi.Manifest) {
			m.Events = event
			m.Capabilities[0] = abi.CapabilityRequest{Name: "docker.events", Scope: []string{"container.die"}, Reason: "r"}
		}, "docker.containers.list"},
	} {
		if err := scanned(test.change); err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
