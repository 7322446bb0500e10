package registry

import (
	"errors"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// TestAllWhoHaveASayNarrow holds a target against the manifest, the config and the
// approval: it must lie inside of all three.
func TestAllWhoHaveASayNarrow(t *testing.T) {
	const name = "docker.containers.restart"
	m := abi.Manifest{Capabilities: []abi.CapabilityRequest{{Name: name, Scope: []string{"web-*"}, Reason: "x"}}}
	to := func(scope ...string) []capability.Request { return []capability.Request{{Name: name, Scope: scope}} }
	for _, test := range []struct {
		config, approved []capability.Request
		want             string // of web-1, web-2 and db
	}{
		{nil, nil, "web-1 web-2"},
		{to("*"), to("*"), "web-1 web-2"},
		{to("*-1"), nil, "web-1"},
		{nil, to("*-1"), "web-1"},
		{to("*-1"), to("*-2"), ""},
		{to("web-1", "db"), to("web-1", "web-2", "db"), "web-1"},
	} {
		set, err := Spec{Granted: test.config, Approved: test.approved}.grant(m)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, target := range []string{"web-1", "web-2", "db"} {
			if set.Allows(name, capability.Target{Name: target}) {
				if got != "" {
					got += " "
				}
				got += target
			}
		}
		if got != test.want {
			t.Errorf("%v and %v: %q, want %q", test.config, test.approved, got, test.want)
		}
	}
	if _, err := (Spec{Approved: []capability.Request{}}).grant(m); !errors.Is(err, ErrNotGranted) {
		t.Errorf("an approval of nothing: %v", err)
	}
}
