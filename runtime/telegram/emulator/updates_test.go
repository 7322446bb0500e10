package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOffsetConfirmsForGood(t *testing.T) {
	w := newWorld(t)
	for _, text := range []string{"b", "c", "d"} {
		w.Client(ada, ada).Type(text)
	}
	all := w.updates(nil)
	if len(all) != 4 {
		t.Fatalf("%d updates, want 4", len(all))
	}
	first := updateID(t, all[0])
	for i, u := range all {
		if updateID(t, u) != first+int64(i) {
			t.Errorf("update %d has id %d: not sequential", i, updateID(t, u))
		}
	}
	for _, step := range []struct {
		name string
		in   fields
		want []int64 // ids after first
	}{
		{"no offset confirms nothing", fields{}, []int64{0, 1, 2, 3}},
		{"the first id confirms nothing", fields{"offset": first}, []int64{0, 1, 2, 3}},
		{"a limit cuts", fields{"limit": 2}, []int64{0, 1}},
		{"a limit below 1 is 1", fields{"limit": -3}, []int64{0}},
		{"one is confirmed", fields{"offset": first + 1}, []int64{1, 2, 3}},
		{"a lower offset does not bring it back", fields{"offset": first}, []int64{1, 2, 3}},
		{"an offset far beyond is ignored", fields{"offset": first + 1000}, []int64{1, 2, 3}},
		{"a negative one keeps the last", fields{"offset": -2}, []int64{2, 3}},
		{"and has forgotten the others", fields{}, []int64{2, 3}},
		{"one after the last confirms all", fields{"offset": first + 4}, nil},
		{"nothing is left", fields{}, nil},
	} {
		var got []int64
		for _, u := range w.updates(step.in) {
			got = append(got, updateID(t, u)-first)
		}
		if !slices.Equal(got, step.want) {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
	}
}

func TestUpdatesAreKeptForADay(t *testing.T) {
	w := newWorld(t)
	w.clock.advance(24 * time.Hour)
	if n := len(w.updates(nil)); n != 1 {
		t.Errorf("after a day: %d updates, want 1", n)
	}
	w.clock.advance(time.Second)
	if n := len(w.updates(nil)); n != 0 {
		t.Errorf("later: %d updates, want 0", n)
	}
}

func TestAllowedUpdatesAreRemembered(t *testing.T) {
	w := newWorld(t)
	w.updates(fields{"offset": -1, "allowed_updates": []string{"callback_query"}})
	w.Client(ada, ada).Type("not wanted")
	w.updates(nil) // not given: stays
	w.Client(ada, ada).Type("not wanted")
	w.Client(ada, ada).TapData(1, "wanted")
	list := w.updates(fields{"allowed_updates": []string{}}) // empty: all, from now on
	if len(list) != 2 || list[1]["callback_query"] == nil {
		t.Errorf("updates %v", list)
	}
	w.Client(ada, ada).Type("wanted again")
	if n := len(w.updates(nil)); n != 3 {
		t.Errorf("%d updates, want 3", n)
	}
	w.refused("getUpdates", fields{"allowed_updates": "x"}, "Bad Request: can't parse allowed updates list")
}

// poll makes a call in the background.
func poll(w *world, ctx context.Context, in fields) <-chan answer {
	done := make(chan answer, 1)
	go func() {
		a, err := w.try(ctx, "getUpdates", in)
		if err != nil {
			a.Description = err.Error()
		}
		done <- a
	}()
	return done
}

// startedPoll is poll, and returns when the server waits in it. No other poll may be under way.
func startedPoll(t *testing.T, w *world, ctx context.Context, in fields) <-chan answer {
	t.Helper()
	done := poll(w, ctx, in)
	if err := w.WaitPoll(within(t)); err != nil {
		t.Fatal(err)
	}
	return done
}

func TestLongPollIsWokenByAnUpdate(t *testing.T) {
	w := newWorld(t)
	w.updates(fields{"offset": -1})
	w.Drain()
	done := startedPoll(t, w, t.Context(), fields{"timeout": 50})
	start := time.Now()
	w.Client(ada, ada).Type("/start")
	a := <-done
	if !strings.Contains(string(a.Result), `"text":"/start"`) || time.Since(start) > 5*time.Second {
		t.Errorf("after %v: %s %s", time.Since(start), a.Description, a.Result)
	}
}

func TestLongPollEndsEmptyAtItsTimeout(t *testing.T) {
	w := newWorld(t)
	w.Drain()
	start := time.Now()
	if a := w.call("getUpdates", fields{"timeout": 1}); string(a.Result) != "[]" || time.Since(start) < time.Second {
		t.Errorf("after %v: %s", time.Since(start), a.Result)
	}
}

func TestASecondPollerEndsTheFirst(t *testing.T) {
	w := newWorld(t)
	w.Drain()
	first := startedPoll(t, w, t.Context(), fields{"timeout": 50})
	second := poll(w, t.Context(), fields{"timeout": 50})
	a := <-first
	const want = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
	if a.status != http.StatusConflict || a.Description != want {
		t.Errorf("the first poller got %d %q", a.status, a.Description)
	}
	w.Client(ada, ada).Type("hi")
	if a := <-second; !a.OK || string(a.Result) == "[]" {
		t.Errorf("the second poller got %d %q %s", a.status, a.Description, a.Result)
	}
}

func TestCloseEndsLongPolls(t *testing.T) {
	w := newWorld(t)
	w.Drain()
	done := startedPoll(t, w, t.Context(), fields{"timeout": 50})
	w.Close()
	if a := <-done; a.status != http.StatusInternalServerError {
		t.Errorf("the poll got %d %q", a.status, a.Description)
	}
	if a := w.call("getMe", nil); a.status != http.StatusInternalServerError {
		t.Errorf("a later call got %d", a.status)
	}
}

func TestAPollerThatLeavesMakesRoom(t *testing.T) {
	w := newWorld(t)
	w.Drain()
	ctx, cancel := context.WithCancel(t.Context())
	done := startedPoll(t, w, ctx, fields{"timeout": 50})
	cancel()
	<-done
	second := poll(w, t.Context(), fields{"timeout": 50})
	w.Client(ada, ada).Type("hi")
	if a := <-second; !a.OK {
		t.Errorf("the next poller got %d %q", a.status, a.Description)
	}
}

func TestInjectedBytesGoOutAsTheyAre(t *testing.T) {
	w := newWorld(t)
	w.Drain()
	raw := func() string {
		resp, err := http.Get(w.url("getUpdates"))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var b strings.Builder
		if _, err := io.Copy(&b, resp.Body); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	w.Inject([]byte(`{"update_id":5,"mystery":{}}`))
	w.Inject([]byte(`{"update_id":`))
	if got := raw(); got != `{"ok":true,"result":[{"update_id":5,"mystery":{}},{"update_id":]}` {
		t.Errorf("injected: %s", got)
	}
	if got := raw(); got != `{"ok":true,"result":[]}` {
		t.Errorf("injected bytes came twice: %s", got)
	}
}

func TestAnInjectedUpdateWithItsIDIsConfirmedAsAnyOther(t *testing.T) {
	w := newWorld(t)
	w.Drain()
	var id int64
	w.InjectUpdate(func(next int64) []byte {
		id = next
		return mustJSON(map[string]any{"update_id": next, "mystery": map[string]any{}})
	})
	w.InjectUpdate(func(int64) []byte { return []byte(`{"update_id":1}`) })
	for i, want := range []int{2, 1, 1} {
		if n := len(w.updates(nil)); n != want {
			t.Errorf("poll %d: %d updates, want %d", i, n, want)
		}
	}
	if n := len(w.updates(fields{"offset": id + 1})); n != 0 {
		t.Errorf("confirmed: %d updates", n)
	}
}

func TestWebhookRules(t *testing.T) {
	w := newWorld(t)
	w.PauseDeliveries() // nobody is there
	const hook = "https://bot.example.org:8443/hook/"
	for _, tc := range []struct {
		in   fields
		want string
	}{
		{fields{"url": "http://bot.example.org"}, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook"},
		{fields{"url": "://"}, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook"},
		{fields{"url": "https://bot.example.org:8080/"},
			"Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443"},
		{fields{"url": hook, "secret_token": strings.Repeat("x", 257)}, "Bad Request: secret token is too long"},
		{fields{"url": hook, "secret_token": "a b"}, "Bad Request: secret token contains unallowed characters"},
		{fields{"url": hook, "ip_address": "nowhere"}, "Bad Request: bad webhook: Invalid IP address specified"},
		{fields{"url": hook, "allowed_updates": "x"}, "Bad Request: can't parse allowed updates list"},
	} {
		w.refused("setWebhook", tc.in, tc.want)
	}
	w.call("getUpdates", nil)

	w.Client(ada, ada).Type("waits")
	in := fields{"url": hook, "secret_token": "s3cret", "max_connections": 500, "allowed_updates": []string{"message"}}
	if a := w.call("setWebhook", in); !a.OK || a.Description != "Webhook was set" {
		t.Fatalf("setWebhook: %+v", a)
	}
	got := w.Webhook()
	if got.URL != hook || got.SecretToken != "s3cret" || got.MaxConnections != 100 || got.AllowedUpdates[0] != "message" {
		t.Errorf("webhook %+v", got)
	}
	w.refused("getUpdates", nil, "Conflict: can't use getUpdates method while webhook is active; "+
		"use deleteWebhook to delete the webhook first")
	var info struct {
		URL     string `json:"url"`
		Pending int    `json:"pending_update_count"`
	}
	if a := w.call("getWebhookInfo", nil); json.Unmarshal(a.Result, &info) != nil || info.URL != hook || info.Pending != 2 {
		t.Errorf("info %+v", info)
	}
	if a := w.call("setWebhook", in); a.Description != "Webhook is already set" {
		t.Errorf("again: %q", a.Description)
	}
	if got := w.Drain(); len(got) != 2 || !json.Valid(got[0]) {
		t.Errorf("drained %q", got)
	}
	w.Client(ada, ada).Type("dropped")
	for _, want := range []string{"Webhook was deleted", "Webhook is already deleted"} {
		if a := w.call("deleteWebhook", fields{"drop_pending_updates": true}); a.Description != want {
			t.Errorf("deleteWebhook: %q, want %q", a.Description, want)
		}
	}
	if n := len(w.updates(nil)); n != 0 {
		t.Errorf("%d updates after dropping them", n)
	}
}

func TestAWebhookEndsTheLongPoll(t *testing.T) {
	w := newWorld(t)
	w.Drain()
	done := startedPoll(t, w, t.Context(), fields{"timeout": 50})
	w.call("setWebhook", fields{"url": "https://bot.example.org/"})
	if a := <-done; a.Description != "Conflict: terminated by setWebhook request" {
		t.Errorf("the poll got %d %q", a.status, a.Description)
	}
}

func TestWaitPollTellsWhenNobodyPolls(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := w.WaitPoll(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nobody polls: %v", err)
	}
}

func TestBlockingIsToldToTheBot(t *testing.T) {
	w := newWorld(t)
	w.Drain()
	w.Block(ada)
	var got wireMembership
	if list := w.updates(nil); len(list) != 1 || json.Unmarshal(list[0]["my_chat_member"], &got) != nil {
		t.Fatalf("updates %v", list)
	}
	if got.From.ID != ada || got.Old.Status != "member" || got.New.Status != "kicked" || got.New.User.ID != w.Bot().ID {
		t.Errorf("my_chat_member %+v", got)
	}
}
