package telegram

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

func TestPollerComesBackAfterAnyFault(t *testing.T) {
	faults := map[string]http.HandlerFunc{
		"409 second poller":     refusal(409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"),
		"409 webhook":           refusal(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"),
		"connection dropped":    hangUp,
		"500":                   refusal(500, "Internal Server Error"),
		"502 of a proxy":        say(502, "<html><h1>502 Bad Gateway</h1></html>"),
		"401 of a proxy":        say(401, "<html>log in first</html>"),
		"404 of a proxy":        say(404, "not here"),
		"404":                   refusal(404, "Not Found"),
		"400":                   refusal(400, "Bad Request: who knows"),
		"HTML with 200":         say(200, "<html>Welcome to the hotel</html>"),
		"empty body":            say(200, ""),
		"null":                  say(200, "null"),
		"array":                 say(200, "[]"),
		"empty object":          say(200, "{}"),
		"ok without result":     say(200, `{"ok":true}`),
		"result null":           say(200, `{"ok":true,"result":null}`),
		"result a number":       say(200, `{"ok":true,"result":7}`),
		"result an object":      say(200, `{"ok":true,"result":{"update_id":1}}`),
		"cut JSON":              say(200, `{"ok":true,"result":[{"update_id":5,"mess`),
		"deep JSON":             say(200, `{"ok":true,"result":`+strings.Repeat("[", 20_000)),
		"wrong types":           say(200, `{"ok":"yes","error_code":"x","result":[]}`),
		"huge retry_after":      say(429, `{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":1e300}}`),
		"retry_after no number": say(429, `{"ok":false,"error_code":429,"parameters":{"retry_after":{}}}`),
		"only garbage inside":   updates(`7`, `"x"`, `null`, `[]`, `{}`, `{"update_id":"1"}`, `{"update_id":-1}`, `{"update_id":0}`, `{"update_id":99999999999999999999}`, `{"update_id":1.5}`),
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, fault, updates(`{"update_id":5}`))
			clock, box := newFakeClock(), &inbox{}
			log, seen := logs()
			p := &Poller{Client: newTestClient(t, s.URL, newToken()), Deliver: box.deliver, Log: log, Clock: clock.clock()}
			if err := poll(t, s, p); err != nil {
				t.Fatal(err)
			}
			if got := s.offsets(); !slices.Equal(got, []int64{0, 0, 6}) {
				t.Errorf("offsets %v", got)
			}
			if got := box.ids(); !slices.Equal(got, []int64{5}) {
				t.Errorf("delivered %v", got)
			}
			if naps := clock.naps(); len(naps) != 1 || naps[0] < minBackoff/2 {
				t.Errorf("waited %v after the fault", naps)
			}
			state := p.State()
			if !state.Connected || state.LastError == "" || state.LastSuccess.IsZero() {
				t.Errorf("state %+v", state)
			}
			got := events(seen)
			if len(got) != 2 || !strings.HasPrefix(got[0], "warn telegram.") || got[1] != "info telegram.recovered" {
				t.Errorf("log:\n%s", lines(seen))
			}
		})
	}
}

func TestPollerAnswerOverTheLimit(t *testing.T) {
	const limit = 64 << 10
	huge := `{"update_id":6,"message":{"text":"` + strings.Repeat("x", limit) + `"}}`
	s := newScript(t, updates(`{"update_id":5}`, huge, `{"update_id":7}`), updates(huge), updates(`{"update_id":7}`))
	box, client := &inbox{}, newTestClient(t, s.URL, newToken())
	client.updateLimit = limit
	p := &Poller{Client: client, Deliver: box.deliver, Clock: newFakeClock().clock()}
	if err := poll(t, s, p); err != nil {
		t.Fatal(err)
	}
	if got := box.ids(); !slices.Equal(got, []int64{5, 7}) {
		t.Errorf("delivered %v, want the neighbours of the one that is too big", got)
	}
	if got := s.offsets(); !slices.Equal(got, []int64{0, 6, 7, 8}) {
		t.Errorf("offsets %v", got)
	}
}

func TestPollerBacksOffWithoutHotLoop(t *testing.T) {
	steps := slices.Repeat([]http.HandlerFunc{hangUp}, 12)
	s := newScript(t, append(steps, updates(), hangUp)...)
	clock := newFakeClock()
	log, seen := logs()
	p := &Poller{Client: newTestClient(t, s.URL, newToken()), Deliver: (&inbox{}).deliver, Log: log, Clock: clock.clock()}
	if err := poll(t, s, p); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range clock.naps() {
		got = append(got, d.String())
	}
	want := "500ms 1s 2s 4s 8s 16s 30s 30s 30s 30s 30s 30s 500ms 500ms"
	if strings.Join(got, " ") != want {
		t.Errorf("waited %v, want %s", got, want)
	}
	// 211.5 s of outage: the first failure and one line for each full minute. The
	// next outage comes too soon after the last line to have one of its own.
	wantEvents := append(slices.Repeat([]string{"warn telegram.unavailable"}, 4), "info telegram.recovered")
	if got := events(seen); !slices.Equal(got, wantEvents) {
		t.Errorf("log:\n%s", lines(seen))
	}
}

func TestBackoffJitter(t *testing.T) {
	for _, chance := range []float64{0, 0.5, 0.999} {
		b := backoff{clock: Clock{Random: func() float64 { return chance }}}
		for range 20 {
			if d := b.next(0); d < minBackoff/2 || d > maxBackoff {
				t.Errorf("chance %v: %v", chance, d)
			}
		}
		if d := b.next(time.Hour); d != maxRetryAfter {
			t.Errorf("an hour asked for: %v", d)
		}
	}
}

func TestPollerWhenNobodyListensAtStart(t *testing.T) {
	noLeak(t)
	api := httptest.NewServer(nil)
	url := api.URL
	api.Close()
	ctx, clock := patience(t)
	p := &Poller{Client: newTestClient(t, url, newToken()), Deliver: (&inbox{}).deliver, Clock: clock}
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if s := p.State(); s.Connected || !strings.Contains(s.LastError, "connection refused") {
		t.Errorf("state %+v", s)
	}
}

func TestPollerStopsAtARefusedToken(t *testing.T) {
	s := newScript(t, refusal(401, "Unauthorized"))
	p := &Poller{Client: newTestClient(t, s.URL, newToken()), Deliver: (&inbox{}).deliver, Clock: newFakeClock().clock()}
	err := poll(t, s, p)
	if !errors.Is(err, ErrUnauthorized) {
		t.Fatalf("got %v", err)
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
	if st := p.State(); !st.Unauthorized || st.Connected {
		t.Errorf("state %+v", st)
	}
}

func TestPollerObeysRetryAfter(t *testing.T) {
	flood := func(seconds string) http.HandlerFunc {
		return say(429, `{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":`+seconds+`}}`)
	}
	s := newScript(t, flood("7"), flood(`"9"`), flood("86400"), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "11")
		w.WriteHeader(429)
	})
	clock := newFakeClock()
	p := &Poller{Client: newTestClient(t, s.URL, newToken()), Deliver: (&inbox{}).deliver, Clock: clock.clock()}
	if err := poll(t, s, p); err != nil {
		t.Fatal(err)
	}
	want := []time.Duration{7 * time.Second, 9 * time.Second, maxRetryAfter, 11 * time.Second}
	if got := clock.naps(); !slices.Equal(got, want) {
		t.Errorf("waited %v, want %v", got, want)
	}
}

func TestPollerKeepsTheBatchUntilItIsDelivered(t *testing.T) {
	s := newScript(t, updates(`{"update_id":5}`, `{"update_id":6}`), updates(`{"update_id":7}`))
	clock, box := newFakeClock(), &inbox{fail: 3, err: errors.New("disk full")}
	log, seen := logs()
	p := &Poller{Client: newTestClient(t, s.URL, newToken()), Log: log, Clock: clock.clock()}
	p.Deliver = func(ctx context.Context, updates []chat.Received) error {
		if n := len(s.requests()); len(box.ids()) == 0 && n != 1 {
			t.Errorf("Telegram was asked %d times while the batch waits", n)
		}
		err := box.deliver(ctx, updates)
		if err != nil {
			if st := p.State(); !strings.Contains(st.LastError, "disk full") && box.fail < 2 {
				t.Errorf("state %+v", st)
			}
		}
		return err
	}
	if err := poll(t, s, p); err != nil {
		t.Fatal(err)
	}
	if got := box.ids(); !slices.Equal(got, []int64{5, 6, 7}) {
		t.Errorf("delivered %v", got)
	}
	if got := s.offsets(); !slices.Equal(got, []int64{0, 7, 8}) {
		t.Errorf("offsets %v", got)
	}
	if got := clock.naps(); len(got) != 3 || got[2] != 4*minBackoff {
		t.Errorf("waited %v", got)
	}
	if got := events(seen); !slices.Equal(got, []string{"warn telegram.deliver_failed", "info telegram.recovered"}) {
		t.Errorf("log:\n%s", lines(seen))
	}
}

func TestPollerNeverConfirmsWhatWasNotDelivered(t *testing.T) {
	s := newScript(t, updates(`{"update_id":5}`))
	ctx, cancel := context.WithCancel(t.Context())
	p := &Poller{Client: newTestClient(t, s.URL, newToken()), Clock: newFakeClock().clock()}
	p.Deliver = func(context.Context, []chat.Received) error {
		cancel()
		return errors.New("disk full")
	}
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got := s.offsets(); !slices.Equal(got, []int64{0}) {
		t.Errorf("offsets %v", got)
	}
}

func TestPollerPoisonBetweenGoodUpdates(t *testing.T) {
	poisons := map[string]string{
		"wrong types":       `{"update_id":6,"message":7}`,
		"deeper than JSON":  `{"update_id":6,"message":` + strings.Repeat(`[`, 20_000) + strings.Repeat(`]`, 20_000) + `}`,
		"wrong escape":      `{"update_id":6,"message":{"text":"\q"}}`,
		"open string":       `{"update_id":6,"message":{"text":"abc}}`,
		"open brackets":     `{"update_id":6,"message":{"x":[[`,
		"closing too much":  `{"update_id":6}}}]]`,
		"a bare word":       `poison`,
		"not UTF-8":         "{\"update_id\":6,\"x\":\"\xff\xfe\"}",
		"a control":         "{\"update_id\":6,\"x\":\"\x00\"}",
		"no id":             `{"message":{"text":"x"}}`,
		"an id of its own":  `{"update_id":9007199254740991}`,
		"a negative id":     `{"update_id":-9007199254740991}`,
		"beyond int64":      `{"update_id":9223372036854775808}`,
		"largest int64":     `{"update_id":9223372036854775807}`,
		"over a megabyte":   `{"update_id":6,"x":"` + strings.Repeat("x", maxUpdate) + `"}`,
		"the same id again": `{"update_id":5,"again":true}`,
	}
	for name, poison := range poisons {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, updates(`{"update_id":5}`, poison, `{"update_id":7}`, `{"update_id":8}`))
			box := &inbox{}
			p := &Poller{Client: newTestClient(t, s.URL, newToken()), Deliver: box.deliver, Clock: newFakeClock().clock()}
			if err := poll(t, s, p); err != nil {
				t.Fatal(err)
			}
			got := slices.DeleteFunc(box.ids(), func(id int64) bool { return id == 6 })
			if !slices.Equal(got, []int64{5, 7, 8}) {
				t.Errorf("delivered %v", got)
			}
			if got := s.offsets(); !slices.Equal(got, []int64{0, 9}) {
				t.Errorf("offsets %v", got)
			}
		})
	}
}

func TestPollerIsNotLoopedByARepeatingServer(t *testing.T) {
	same := updates(`{"update_id":5}`)
	s := newScript(t, same, same, same, same)
	clock := newFakeClock()
	p := &Poller{Client: newTestClient(t, s.URL, newToken()), Deliver: (&inbox{}).deliver, Clock: clock.clock()}
	if err := poll(t, s, p); err != nil {
		t.Fatal(err)
	}
	want := []time.Duration{minBackoff, 2 * minBackoff, 4 * minBackoff}
	if got := clock.naps(); !slices.Equal(got, want) {
		t.Errorf("waited %v, want %v", got, want)
	}
}

func TestPollerAsksForWhatItNeeds(t *testing.T) {
	s := newScript(t)
	p := &Poller{Client: newTestClient(t, s.URL, newToken()), Deliver: (&inbox{}).deliver}
	if err := poll(t, s, p); err != nil {
		t.Fatal(err)
	}
	got := s.requests()[0]
	if got.Timeout != 50 || !slices.Equal(got.Allowed, []string{"message", "callback_query", "my_chat_member"}) {
		t.Errorf("asked %+v", got)
	}
}

func TestPollerStopsAtOnce(t *testing.T) {
	noLeak(t)
	blocked := make(chan struct{}, 1)
	tests := map[string]func(*script, *Poller){
		"in a long poll": func(s *script, _ *Poller) { go func() { <-s.done; blocked <- struct{}{} }() },
		"in a pause": func(s *script, p *Poller) {
			s.steps = slices.Repeat([]http.HandlerFunc{hangUp}, 100)
			p.Clock.Sleep = func(ctx context.Context, _ time.Duration) error {
				blocked <- struct{}{}
				return sleep(ctx, time.Minute)
			}
		},
		"in Deliver": func(s *script, p *Poller) {
			s.steps = []http.HandlerFunc{updates(`{"update_id":5}`)}
			p.Deliver = func(ctx context.Context, _ []chat.Received) error {
				blocked <- struct{}{}
				<-ctx.Done()
				return ctx.Err()
			}
		},
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			p := &Poller{Client: newTestClient(t, s.URL, newToken()), Deliver: (&inbox{}).deliver}
			prepare(s, p)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- p.Run(ctx) }()
			<-blocked
			start := time.Now()
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run returned %v", err)
			}
			if took := time.Since(start); took > 100*time.Millisecond {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestPollerRemovesTheWebhookInItsWay(t *testing.T) {
	noLeak(t)
	for _, remove := range []bool{true, false} {
		t.Run(fmt.Sprint(remove), func(t *testing.T) {
			srv := emulator.New(emulator.Options{})
			api := httptest.NewServer(srv)
			t.Cleanup(api.Close)
			t.Cleanup(srv.Close)
			srv.AddUser(emulator.User{ID: 7, FirstName: "Ada"})
			client := newTestClient(t, api.URL, srv.Token())
			if err := client.SetWebhook(t.Context(), Webhook{URL: "https://bot.example.org/x", Secret: "abc"}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			clock, box := newFakeClock(), &inbox{}
			c := clock.clock()
			c.Sleep = func(ctx context.Context, d time.Duration) error {
				if len(clock.naps()) > 5 {
					cancel()
				}
				return clock.sleep(ctx, d)
			}
			p := &Poller{Client: client, RemoveWebhook: remove, Clock: c}
			p.Deliver = func(ctx context.Context, updates []chat.Received) error {
				cancel()
				return box.deliver(ctx, updates)
			}
			srv.Client(7, 7).Type("/start")
			if err := p.Run(ctx); err != nil {
				t.Fatal(err)
			}
			if got := len(box.ids()) == 1; got != remove {
				t.Errorf("delivered: %v, webhook removed: %v", got, remove)
			}
		})
	}
}

func TestPollerAgainstTheEmulator(t *testing.T) {
	noLeak(t)
	srv := emulator.New(emulator.Options{})
	api := httptest.NewServer(srv)
	t.Cleanup(api.Close)
	t.Cleanup(srv.Close)
	srv.AddUser(emulator.User{ID: 7, FirstName: "Ada"})
	srv.Fail(emulator.Fault{Method: "getUpdates", Status: 409})
	srv.Fail(emulator.Fault{Method: "getUpdates", Drop: true, Times: 3})
	ada := srv.Client(7, 7)
	ada.Type("/one")
	srv.Inject([]byte("poison"))
	ada.Type("/two")

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var texts []string
	p := &Poller{Client: newTestClient(t, api.URL, srv.Token()), Clock: newFakeClock().clock()}
	p.Deliver = func(_ context.Context, updates []chat.Received) error {
		for _, raw := range updates {
			u, err := Decode(raw.Data)
			if err != nil || u.ID != raw.ID {
				t.Errorf("%s: %v", raw.Data, err)
			}
			texts = append(texts, u.Text)
		}
		if len(texts) == 2 {
			cancel()
		}
		return nil
	}
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(texts, []string{"/one", "/two"}) {
		t.Errorf("got %q", texts)
	}
}
