package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// TestRequestsOfModuleRun holds what is asked against what a bot would ask.
func TestRequestsOfModuleRun(t *testing.T) {
	event := filepath.Join(t.TempDir(), "event.json")
	if err := os.WriteFile(event, []byte(`{"type":"container.die","host":"local","name":"web","exit_code":137}`), 0o600); err != nil {
		t.Fatal(err)
	}
	manifest := abi.Manifest{Name: "m", Commands: []abi.Command{
		{Name: "show", Aliases: []string{"what runs"}, Menus: []abi.MenuEntry{{Section: "main", Label: "📊 Show"}}}, {Name: "other"},
	}}
	for _, test := range []struct {
		name string
		run  runOf
		want string // a part of the request, or of the error
		ok   bool
	}{
		{"typed", runOf{text: "/show  web 1 "}, `"command":"show","text":"web 1","actor":{"id":1,"role":"admin","name":"User"},"chat":{"id":1,"private":true}`, true},
		{"without the slash", runOf{text: "other"}, `"command":"other"`, true},
		{"a word", runOf{text: "what runs"}, `"command":"show","actor"`, true},
		{"a menu", runOf{text: "📊 Show", role: abi.RoleUser}, `"command":"show","actor":{"id":1,"role":"user"`, true},
		{"a command of nobody's", runOf{text: "/nope\x1b[2J"}, "m has no command \"nope\ufffd[2J\": it has /show, /other", false},
		{"a tap", runOf{action: "page", args: []string{"n=2", "q=a=b", "empty="}}, `"action":"page","args":{"empty":"","n":"2","q":"a=b"}`, true},
		{"a schedule", runOf{action: "look", role: abi.RoleModule}, `"actor":{"id":0,"role":"module"},"chat":{"id":0,"private":false}`, true},
		{"an event", runOf{action: "died", event: event}, `"event":{"type":"container.die","host":"local","id":"","name":"web","exit_code":137`, true},
		{"an event that is none", runOf{action: "died", event: "module_run_test.go"}, "is no event", false},
		{"an event that is not there", runOf{action: "died", event: "nowhere"}, "nowhere cannot be read", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if wrong := test.run.check(); wrong != "" {
				t.Fatal(wrong)
			}
			request, err := test.run.request(manifest)
			if (err == nil) != test.ok {
				t.Fatalf("%s, %v", request, err)
			}
			got := string(request)
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, test.want) {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if err == nil && (!json.Valid(request) || !strings.Contains(got, `"v":1`)) {
				t.Errorf("no request: %s", got)
			}
		})
	}
}
