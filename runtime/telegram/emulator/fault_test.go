package emulator

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestFaultsHitTheCallsTheyAreMeantFor(t *testing.T) {
	w := newWorld(t)
	send := func(chat int) int { return w.call("sendMessage", fields{"chat_id": chat, "text": "x"}).status }

	w.Fail(Fault{Method: "sendmessage", ChatID: ada, Times: 2, Status: 502})
	for i, want := range []struct{ chat, status int }{
		{group, 200}, {ada, 502}, {group, 200}, {ada, 502}, {ada, 200},
	} {
		if got := send(want.chat); got != want.status {
			t.Errorf("call %d to %d: %d, want %d", i, want.chat, got, want.status)
		}
	}

	w.Fail(Fault{Status: 500, Times: -1})
	for range 3 {
		if got := w.call("getMe", nil).status; got != 500 {
			t.Errorf("getMe: %d, want 500", got)
		}
	}
	w.ClearFaults()
	if got := w.call("getMe", nil).status; got != 200 {
		t.Errorf("after ClearFaults: %d", got)
	}
}

func TestFaultAnswers(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		fault Fault
		want  string
		after int
	}{
		{Fault{RetryAfter: 7}, "429 Too Many Requests: retry after 7", 7},
		{Fault{Status: 403, Description: "Forbidden: bot was blocked by the user"},
			"403 Forbidden: bot was blocked by the user", 0},
		{Fault{Status: 401}, "401 Unauthorized", 0},
	} {
		w.Fail(tc.fault)
		a := w.call("getMe", nil)
		got := (&apiError{code: a.status, description: a.Description}).Error()
		if got != tc.want || a.Parameters.RetryAfter != tc.after || a.ErrorCode != a.status {
			t.Errorf("%+v answers %s, retry after %d", tc.fault, got, a.Parameters.RetryAfter)
		}
	}
}

func TestADroppedConnectionHasNoEffectUnlessAfter(t *testing.T) {
	w := newWorld(t)
	me := w.Client(ada, ada)
	for _, tc := range []struct {
		fault Fault
		sent  int
	}{
		{Fault{Drop: true}, 1},
		{Fault{Drop: true, After: true}, 2},
		{Fault{Status: 500, After: true}, 3},
		{Fault{Status: 500}, 3},
	} {
		w.Fail(tc.fault)
		a, err := w.try(t.Context(), "sendMessage", fields{"chat_id": ada, "text": "x"})
		if tc.fault.Drop != (err != nil) || a.OK {
			t.Errorf("%+v: ok=%v, %v", tc.fault, a.OK, err)
		}
		if n := len(me.Messages()); n != tc.sent {
			t.Errorf("%+v: %d messages, want %d", tc.fault, n, tc.sent)
		}
	}
}

func TestRawBodies(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		fault  Fault
		status int
		kind   string
	}{
		{Fault{Body: []byte("<html>Bad Gateway</html>"), Status: 502}, 502, "text/html"},
		{Fault{Body: []byte(`{"ok":tr`)}, 200, "text/plain"},
		{Fault{Body: []byte(strings.Repeat("x", 1<<20))}, 200, "text/plain"},
		{Fault{Body: []byte{}}, 200, "text/plain"},
	} {
		w.Fail(tc.fault)
		resp, err := http.Get(w.url("getMe"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(body) != string(tc.fault.Body) || resp.StatusCode != tc.status ||
			!strings.HasPrefix(resp.Header.Get("Content-Type"), tc.kind) {
			t.Errorf("%.20q comes as %d %s %.20q, %v", tc.fault.Body, resp.StatusCode, resp.Header.Get("Content-Type"), body, err)
		}
	}
}

func TestADelayedCallIsHandledAfterwards(t *testing.T) {
	w := newWorld(t)
	w.Fail(Fault{Delay: 50 * time.Millisecond})
	start := time.Now()
	if a := w.call("getMe", nil); !a.OK || time.Since(start) < 50*time.Millisecond {
		t.Errorf("%d after %v", a.status, time.Since(start))
	}

	w.Fail(Fault{Delay: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if w.WaitCalls(ctx, "getMe", 2) == nil {
			cancel()
		}
	}()
	if _, err := w.try(ctx, "getMe", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that goes away: %v", err)
	}

	w.Fail(Fault{Delay: time.Hour})
	done := make(chan int, 1)
	go func() {
		a, _ := w.try(context.Background(), "getMe", nil)
		done <- a.status
	}()
	if err := w.WaitCalls(within(t), "getMe", 3); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if got := <-done; got != 500 {
		t.Errorf("Close during a delay: %d", got)
	}
}

func TestLatencyIsAddedToEveryCall(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Latency = 30 * time.Millisecond })
	start := time.Now()
	w.call("getMe", nil)
	if d := time.Since(start); d < 30*time.Millisecond {
		t.Errorf("a call took %v", d)
	}
	w.SetLatency(time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := w.try(ctx, "getMe", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with an hour of latency: %v", err)
	}
	w.SetLatency(0)
	w.call("getMe", nil) // comes back, or the test runs into its own limit
}

func TestFloodLimits(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Flood = Flood{Chat: 1, ChatBurst: 3, Group: 5, Overall: 4} })
	send := func(chat int) (int, int) {
		a := w.call("sendMessage", fields{"chat_id": chat, "text": "x"})
		return a.status, a.Parameters.RetryAfter
	}
	for _, step := range []struct {
		name          string
		advance       time.Duration
		chat          int
		status, after int
	}{
		{"a burst", 0, ada, 200, 0},
		{"of three", 0, ada, 200, 0},
		{"goes through", 0, ada, 200, 0},
		{"a fourth does not", 0, ada, 429, 3},
		{"another chat has its own limit", 0, super, 200, 0},
		{"but all together are too many", 0, super, 429, 1},
		{"a second later overall is free", time.Second, super, 200, 0},
		{"the first chat is not", 0, ada, 429, 2},
		{"it is after the burst's span", 2 * time.Second, ada, 200, 0},
		{"a group: third", time.Second, super, 200, 0},
		{"fourth", 3 * time.Second, super, 200, 0},
		{"fifth", 3 * time.Second, super, 200, 0},
		{"a sixth in a minute is refused until the first is a minute old", 3 * time.Second, super, 429, 47},
		{"and then goes", 47 * time.Second, super, 200, 0},
	} {
		w.clock.advance(step.advance)
		if status, after := send(step.chat); status != step.status || after != step.after {
			t.Errorf("%s: %d, retry after %d; want %d, %d", step.name, status, after, step.status, step.after)
		}
	}
	if a := w.call("getMe", nil); !a.OK {
		t.Errorf("other methods are limited too: %d", a.status)
	}
}

func TestRefusedCallsDoNotCountForFlood(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Flood = TelegramFlood() })
	for range 30 {
		w.refused("sendMessage", fields{"chat_id": ada, "text": ""}, "Bad Request: message text is empty")
	}
	for i := range 11 {
		a := w.call("sendMessage", fields{"chat_id": ada, "text": "x"})
		if a.OK != (i < 10) {
			t.Errorf("message %d: %d %s", i+1, a.status, a.Description)
		}
	}
}

func TestCallsAreRecorded(t *testing.T) {
	w := newWorld(t)
	w.sent("sendMessage", fields{"chat_id": ada, "text": "x", "reply_markup": inline(fields{"text": "a", "callback_data": "b"})})
	w.call("sendMessage", fields{"chat_id": 1, "text": "y"})
	calls := w.Calls("SendMessage")
	if len(calls) != 2 || w.Count("sendMessage") != 2 {
		t.Fatalf("%d calls, count %d", len(calls), w.Count("sendMessage"))
	}
	var keys wireInlineKey
	first := calls[0]
	if err := first.Decode("reply_markup", &keys); err != nil || keys.Rows[0][0].CallbackData != "b" {
		t.Errorf("markup %+v, %v", keys, err)
	}
	if first.Params["text"] != "x" || first.Int("chat_id") != ada || first.Status != 200 || calls[1].Status != 400 {
		t.Errorf("calls %+v", calls)
	}
	if err := first.Decode("text", &keys); err == nil {
		t.Error("a text was decoded as JSON")
	}
	if w.Calls("noSuchMethod") != nil || w.Count("noSuchMethod") != 0 {
		t.Error("an unknown method has calls")
	}
}

func TestTheRecordIsBoundedAndTheCountIsNot(t *testing.T) {
	r := newRecorder(time.Now)
	s := &Server{record: r}
	for i := range maxCalls + 10 {
		r.end(r.begin("getMe", &params{values: map[string]string{"n": string(mustJSON(i))}}), 200, nil)
	}
	calls := s.Calls("getMe")
	if len(calls) != maxCalls || s.Count("getMe") != maxCalls+10 {
		t.Fatalf("%d kept of %d", len(calls), s.Count("getMe"))
	}
	if calls[0].Int("n") != 10 || calls[maxCalls-1].Int("n") != maxCalls+9 {
		t.Errorf("kept %d to %d", calls[0].Int("n"), calls[maxCalls-1].Int("n"))
	}
}
