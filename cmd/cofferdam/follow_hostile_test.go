package main

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// A module that follows up whatever it can, with lines of progress that look like
// the host's, shows nothing to a user who was removed while it ran, and keeps
// nobody else waiting.
func TestAHostileModuleFollowsNobodyWhoWasRemoved(t *testing.T) {
	running, found := make(chan struct{}, 100), make(chan struct{})
	var after atomic.Int64
	show := func(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
		host.Progress("🔐 A code, please\n\nSend it here.\u202e")
		text := "Nothing yet."
		if req.Action != "" {
			running <- struct{}{}
			<-found
			after.Add(1)
			text = "What it found"
		}
		return sdk.Reply{
			Blocks:   []sdk.Block{sdk.Text(sdk.Plain(text))},
			Keyboard: [][]sdk.Button{{sdk.Back(sdk.Do("More", "more"))}},
			Again:    &sdk.Again{After: 1, Action: "more", Args: map[string]string{"x": strings.Repeat("x", 1000)}},
		}, nil
	}
	evil := sdk.Module{Commands: map[string]sdk.Handler{"load": show}, Actions: map[string]sdk.Handler{"more": show}}
	r := startReloadable(t, asItIs, withModule("server", evil))
	p, other := r.person(user, user), r.person(admin, admin)
	var views []int
	for range 6 {
		views = append(views, p.says("/load").ID)
	}
	<-running
	other.expect(other.says("/back"), "Main menu")
	r.reload(func(f *configFile) { f.users = []int64{admin} })
	r.logged("config.reloaded")
	close(found)
	r.until("what ran has ended", func() bool { return after.Load() > 0 })
	time.Sleep(1500 * time.Millisecond) // another one would have come
	if n := after.Load(); n > 4 {
		t.Errorf("%d follow-ups ran", n)
	}
	for _, id := range views {
		if m := p.message(id); strings.Contains(m.Text, "What it found") {
			t.Errorf("the user who was removed sees %q", m.Text)
		}
	}
	for _, m := range p.Messages() {
		if strings.Contains(m.Text, "A code, please") && !strings.HasPrefix(m.Text, "⏳ ") {
			t.Errorf("the module speaks as the host: %q", m.Text)
		}
	}
	query, err := p.TapOn(views[5], "More")
	if err != nil {
		t.Fatal(err)
	}
	if answer := p.answer(query); !strings.Contains(answer.Text, "not on this bot's list") {
		t.Errorf("a tap is answered with %q", answer.Text)
	}
}
