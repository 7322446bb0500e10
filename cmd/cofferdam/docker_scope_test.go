package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
)

// forge restarts the bot with buttons in its store that the containers module
// never made, as if a module had been talked into making them, and returns the
// callback data of each.
func (b *bot) forge(user int64, buttons ...abi.Button) (data []string) {
	b.t.Helper()
	if err := b.stop(); err != nil {
		b.t.Fatal(err)
	}
	kept, err := store.Open(b.o.stateDir)
	if err != nil {
		b.t.Fatal(err)
	}
	defer b.start()
	defer kept.Close()
	keyboard, err := json.Marshal(map[string]any{"module": "containers", "who": "user", "user": user, "chat": user, "buttons": buttons})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := kept.PutKeyboard(context.Background(), "forged", time.Now().Add(time.Hour), keyboard); err != nil {
		b.t.Fatal(err)
	}
	for i := range buttons {
		data = append(data, "forged."+strconv.Itoa(i))
	}
	return data
}

func TestContainersOutsideTheScopeAreNotThere(t *testing.T) {
	s, other := newScene(t), newScene(t)
	own := s.has(dockertest.Container{Name: s.mark})[0]
	foreign := other.has(dockertest.Container{Name: other.mark, Labels: map[string]string{"team": "other"}})[0]
	b := startBot(t, s.only, func(b *bot) { b.o.stateDir = filepath.Join(t.TempDir(), "state") })
	p := b.person(admin, admin)
	view := p.says("/containers")
	p.expect(view, "<b>📦 1 container, 1 running</b>")
	p.lacks(view, other.mark, foreign[:12])

	show := func(args ...string) abi.Button {
		b := abi.Button{Label: "x", Action: "show", Args: map[string]string{}}
		for i := 0; i < len(args); i += 2 {
			b.Args[args[i]] = args[i+1]
		}
		return b
	}
	tests := []struct {
		name   string
		button abi.Button
		answer string // "" is no alert: the view is shown
	}{
		{"one's own", show("id", own), ""},
		{"another's id", show("id", foreign), "may not see that container"},
		{"another's name", show("id", other.mark), "makes no sense"},
		{"a short id", show("id", foreign[:12]), "makes no sense"},
		{"a path", show("id", "../"+foreign), "makes no sense"},
		{"nothing", show(), "makes no sense"},
		{"a page before the list", show("id", own, "page", "0"), "makes no sense"},
		{"an engine that is none", show("id", own, "host", "a\nb"), "makes no sense"},
		{"an action that is none", abi.Button{Label: "x", Action: "remove", Args: map[string]string{"id": own}}, "does not know"},
	}
	var buttons []abi.Button
	for _, test := range tests {
		buttons = append(buttons, test.button)
	}
	for i, data := range b.forge(admin, buttons...) {
		want := tests[i].answer
		if want == "" {
			want = "As of" // a view
		}
		if told := p.told(view.ID, p.tap(view.ID, data)); !strings.Contains(told, want) {
			t.Errorf("%s is answered with %q", tests[i].name, told)
		}
	}
	p.says("/load") // all views before it have been drawn
	for _, m := range p.Messages() {
		p.lacks(m, other.mark, foreign[:12], "other")
	}
	b.await("capability.denied", 1)
}
