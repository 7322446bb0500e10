package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const hookURL = "https://bot.example.org:8443/hook/"

// hooked is a world whose updates go through a transport of the test's own. Nothing waits yet.
func hooked(t *testing.T, carrier http.RoundTripper, change ...func(*Options)) *Server {
	t.Helper()
	o := Options{Webhooks: carrier}
	for _, f := range change {
		f(&o)
	}
	s := New(o)
	t.Cleanup(s.Close)
	s.AddUser(User{ID: ada, FirstName: "Ada"})
	s.AddUser(User{ID: bob, FirstName: "Bob"})
	set(t, s, fields{"url": hookURL})
	return s
}

// set calls setWebhook, and tell any method, in the test's own goroutine.
func set(t *testing.T, s *Server, in fields) {
	t.Helper()
	if a := tell(t, s, "setWebhook", in); !a.OK {
		t.Fatalf("setWebhook: %s", a.Description)
	}
}

func tell(t *testing.T, s *Server, method string, in fields) answer {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/bot"+s.Token()+"/"+method, bytes.NewReader(mustJSON(in)))
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, r)
	a := answer{status: rec.Code}
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return a
}

// carried is a transport that is a function.
type carried func(*http.Request) (*http.Response, error)

func (f carried) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// replying makes an answer; header holds names and values by turns.
func replying(code int, header ...string) *http.Response {
	r := &http.Response{
		StatusCode: code, Status: fmt.Sprint(code, " ", http.StatusText(code)), Header: http.Header{}, Body: http.NoBody,
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// textOf is the text of the message in a request.
func textOf(r *http.Request) string {
	var u struct{ Message struct{ Text string } }
	raw, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(raw, &u) != nil {
		return string(raw)
	}
	return u.Message.Text
}

// tape notes what was carried, and when.
type tape struct {
	mu    sync.Mutex
	start time.Time
	texts []string
	at    []time.Duration
	reply func(n int, r *http.Request) (*http.Response, error) // n counts from 0; nil: all are accepted
}

func (s *tape) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	n := len(s.texts)
	s.texts = append(s.texts, textOf(r))
	s.at = append(s.at, time.Since(s.start))
	s.mu.Unlock()
	if s.reply == nil {
		return replying(200), nil
	}
	return s.reply(n, r)
}

func (s *tape) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.texts)
}

// gate holds requests until they are let go by their text.
type gate struct {
	mu   sync.Mutex
	held map[string]chan *http.Response
	log  []string // what came, in order
}

func newGate() *gate { return &gate{held: make(map[string]chan *http.Response)} }

func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	text, ch := textOf(r), make(chan *http.Response)
	g.mu.Lock()
	g.held[text] = ch
	g.log = append(g.log, r.URL.Path+text)
	g.mu.Unlock()
	select {
	case resp := <-ch:
		return resp, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// pass answers the request that is held, and waits until all that follows from it has happened.
func (g *gate) pass(text string, code int) {
	g.mu.Lock()
	ch := g.held[text]
	delete(g.held, text)
	g.mu.Unlock()
	ch <- replying(code)
	synctest.Wait()
}

// inside is what is held at present, sorted.
func (g *gate) inside() []string {
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []string
	for text := range g.held {
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

func (g *gate) expect(t *testing.T, when string, want ...string) {
	t.Helper()
	if got := g.inside(); !slices.Equal(got, want) {
		t.Errorf("%s: under way are %q, want %q", when, got, want)
	}
}

func TestAChatIsDeliveredInOrderAndChatsSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s := hooked(t, g)
		for _, text := range []string{"a1", "a2"} {
			s.Client(ada, ada).Type(text)
		}
		s.Client(bob, bob).Type("b1")
		g.expect(t, "each chat has one", "a1", "b1")
		g.pass("b1", 200)
		g.expect(t, "one chat does not wait for another", "a1")
		g.pass("a1", 500)
		g.expect(t, "the next does not overtake a failed one")
		time.Sleep(firstRetry)
		g.expect(t, "it is tried again", "a1")
		g.pass("a1", 204)
		g.expect(t, "and then the next", "a2")
		g.pass("a2", 200)
		if n := s.Waiting(); n != 0 {
			t.Errorf("%d updates wait", n)
		}
	})
}

func TestTapsAndOtherEventsOfAChatKeepTheirPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hooked(t, carried(func(*http.Request) (*http.Response, error) { return nil, errors.New("nobody") }))
		s.AddGroup(Group{ID: super, Title: "News", Channel: true, Members: []int64{ada}})
		s.Client(ada, ada).Type("x")
		s.Client(ada, ada).TapData(1, "tap")
		s.Block(ada)
		s.Send(MessageSpec{ChatID: ada, From: ada, Text: "y", Edits: 1})
		post := s.Send(MessageSpec{ChatID: super, Text: "post"})
		s.Send(MessageSpec{ChatID: super, Text: "post!", Edits: post.ID})
		s.Inject([]byte(`{"update_id":"no","message":{"chat":{"id":7}}}`))
		s.Inject([]byte("nothing"))
		var got []int64
		s.mu.Lock()
		for _, w := range s.updates.list {
			got = append(got, w.read().chat)
		}
		s.mu.Unlock()
		if want := []int64{ada, ada, ada, ada, super, super, ada, 0}; !slices.Equal(got, want) {
			t.Errorf("chats %v, want %v", got, want)
		}
	})
}

func TestMaxConnectionsAndNoOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s := hooked(t, g, func(o *Options) { o.Unordered = true })
		set(t, s, fields{"url": hookURL, "max_connections": 2})
		for _, text := range []string{"1", "2", "3"} {
			s.Client(ada, ada).Type(text)
		}
		g.expect(t, "two of one chat", "1", "2")
		g.pass("2", 200)
		g.expect(t, "the oldest is next", "1", "3")
		g.pass("1", 500)
		g.expect(t, "a failed one holds up nobody", "3")
		time.Sleep(firstRetry)
		g.expect(t, "and comes again", "1", "3")
	})
}

func TestPausesBetweenTries(t *testing.T) {
	for name, tc := range map[string]struct {
		first, most time.Duration
		header      []string
		want        []time.Duration
	}{
		"by default": {want: []time.Duration{0, 50, 150, 350, 750, 1550, 2550, 3550}},
		"as Telegram": {first: time.Second, most: time.Minute,
			want: []time.Duration{0, 1000, 3000, 7000, 15000, 31000, 63000, 123000}},
		"a long first":             {first: 3 * time.Second, want: []time.Duration{0, 3000, 6000, 9000}},
		"what the webhook asks":    {most: 5 * time.Second, header: []string{"Retry-After", "3"}, want: []time.Duration{0, 3000, 6000}},
		"asks too much":            {header: []string{"Retry-After", "90"}, want: []time.Duration{0, 1000, 2000}},
		"asks far too much":        {most: 1e6 * time.Second, header: []string{"Retry-After", "90000"}, want: []time.Duration{0, 3600_000}},
		"a date is not understood": {header: []string{"Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT"}, want: []time.Duration{0, 50, 150}},
		"nor is less than nothing": {header: []string{"Retry-After", "-5"}, want: []time.Duration{0, 50, 150}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &tape{start: time.Now()}
				log.reply = func(n int, _ *http.Request) (*http.Response, error) {
					if n == len(tc.want)-1 {
						return replying(200), nil
					}
					return replying(503, tc.header...), nil
				}
				s := hooked(t, log, func(o *Options) { o.RetryFirst, o.RetryMost = tc.first, tc.most })
				s.Client(ada, ada).Type("x")
				if err := s.WaitDeliveries(t.Context(), func(d []Delivery) bool { return len(d) == len(tc.want) }); err != nil {
					t.Fatal(err)
				}
				for i, want := range tc.want {
					if got := log.at[i]; got != want*time.Millisecond {
						t.Errorf("try %d comes after %v, want %v", i+1, got, want*time.Millisecond)
					}
				}
				if n := s.Waiting(); n != 0 {
					t.Errorf("%d updates wait", n)
				}
			})
		})
	}
}

func TestInjectedBytesAreForgottenWhenTheWebhookRefusesThem(t *testing.T) {
	for _, tc := range []struct {
		answers []int  // the last ends it
		inject  string // "": an update with its own id
	}{
		{[]int{200}, "no JSON"},
		{[]int{400}, "no JSON"},
		{[]int{500, 429, 302, 403}, `{"update_id":5,"mystery":{}}`},
		{[]int{503, 413}, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			log := &tape{}
			log.reply = func(n int, _ *http.Request) (*http.Response, error) { return replying(tc.answers[n]), nil }
			s := hooked(t, log)
			if tc.inject == "" {
				s.InjectUpdate(func(id int64) []byte { return fmt.Appendf(nil, `{"update_id":%d,"mystery":{}}`, id) })
			} else {
				s.Inject([]byte(tc.inject))
			}
			time.Sleep(time.Minute)
			if n := len(log.heard()); n != len(tc.answers) || s.Waiting() != 0 {
				t.Errorf("answers %v: %d tries, %d wait", tc.answers, n, s.Waiting())
			}
		})
	}
}

func TestARefusedUpdateComesUntilItIsTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &tape{reply: func(int, *http.Request) (*http.Response, error) { return replying(400), nil }}
		s := hooked(t, log, func(o *Options) { o.RetryFirst, o.RetryMost = time.Hour, time.Hour })
		s.Client(ada, ada).Type("x")
		time.Sleep(23*time.Hour + time.Minute)
		if n := s.Waiting(); n != 1 {
			t.Errorf("%d wait after 23 hours", n)
		}
		time.Sleep(2 * time.Hour)
		if n := len(log.heard()); n != 25 || s.Waiting() != 0 {
			t.Errorf("%d tries, %d wait after 25 hours", n, s.Waiting())
		}
	})
}

func TestAnotherWebhookGetsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s := hooked(t, g, func(o *Options) { o.RetryFirst = time.Hour })
		for _, text := range []string{"1", "2"} {
			s.Client(ada, ada).Type(text)
		}
		s.Client(bob, bob).Type("3")
		g.expect(t, "at first", "1", "3")
		g.pass("3", 500)
		set(t, s, fields{"url": "https://bot.example.org/new/"})
		g.expect(t, "what failed at the old one is tried at once", "1", "3")
		g.pass("1", 200) // at the old one, and counts
		g.expect(t, "the next of the chat", "2", "3")
		slices.Sort(g.log[:2]) // they were under way together
		if want := []string{"/hook/1", "/hook/3", "/new/3", "/new/2"}; !slices.Equal(g.log, want) {
			t.Errorf("requests %q, want %q", g.log, want)
		}
		g.pass("2", 200)
		g.pass("3", 200)
		if n := s.Waiting(); n != 0 {
			t.Errorf("%d wait", n)
		}
		var info webhookInfo
		a := tell(t, s, "getWebhookInfo", nil)
		if err := json.Unmarshal(a.Result, &info); err != nil || info.LastError != "" {
			t.Errorf("the new one has an error: %+v, %v", info, err)
		}
		log := s.Deliveries()
		if last := log[len(log)-1]; last.URL != "https://bot.example.org/new/" || last.Status != 200 || last.ChatID != bob {
			t.Errorf("the last delivery: %+v", last)
		}
	})
}

func TestDeleteWebhookStopsDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s := hooked(t, g)
		s.Client(ada, ada).Type("1")
		s.Client(ada, ada).Type("2")
		g.expect(t, "before", "1")
		tell(t, s, "deleteWebhook", nil)
		g.pass("1", 200)
		g.expect(t, "after")
		time.Sleep(time.Hour)
		g.expect(t, "an hour later")
		if a := tell(t, s, "getUpdates", nil); strings.Contains(string(a.Result), `"1"`) || !strings.Contains(string(a.Result), `"2"`) {
			t.Errorf("getUpdates gives %s", a.Result)
		}
		if got := s.Webhook(); got.URL != "" {
			t.Errorf("webhook %+v", got)
		}
	})
}

func TestDeliveriesCanBePaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s := hooked(t, g)
		s.Client(ada, ada).Type("1")
		g.expect(t, "before", "1")
		s.PauseDeliveries()
		g.pass("1", 500)
		s.Client(bob, bob).Type("2")
		time.Sleep(time.Hour)
		g.expect(t, "paused")
		s.ResumeDeliveries()
		g.expect(t, "resumed", "1", "2")
	})
}

func TestDrainTakesWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s := hooked(t, g)
		s.Client(ada, ada).Type("1")
		g.expect(t, "before", "1")
		if n := len(s.Drain()); n != 1 {
			t.Errorf("drained %d", n)
		}
		g.pass("1", 500)
		time.Sleep(time.Hour)
		g.expect(t, "it does not come back")
	})
}

func TestFaultsOfDeliveries(t *testing.T) {
	const x = "x"
	for name, tc := range map[string]struct {
		fault  Fault
		texts  []string // what the bot gets
		status []int    // of the deliveries
		errs   []string
		took   time.Duration
	}{
		"lost on the way":      {Fault{Drop: true}, []string{x}, []int{0, 200}, []string{connectionClosed, ""}, firstRetry},
		"the answer is lost":   {Fault{Drop: true, After: true}, []string{x, x}, []int{0, 200}, []string{connectionClosed, ""}, firstRetry},
		"a proxy answers":      {Fault{Status: 502}, []string{x}, []int{502, 200}, []string{"Wrong response from the webhook: 502 Bad Gateway", ""}, firstRetry},
		"and has time":         {Fault{RetryAfter: 1}, []string{x}, []int{429, 200}, []string{"Wrong response from the webhook: 429 Too Many Requests", ""}, time.Second},
		"late":                 {Fault{Delay: time.Minute}, []string{x}, []int{200}, []string{""}, time.Minute},
		"a late answer":        {Fault{Delay: time.Minute, After: true}, []string{x}, []int{200}, []string{""}, time.Minute},
		"repeated":             {Fault{Repeat: true}, []string{x, x}, []int{200, 200}, []string{"", ""}, 0},
		"repeated twice":       {Fault{Repeat: true, Times: 2}, []string{x, x, x}, []int{200, 200, 200}, []string{"", "", ""}, 0},
		"swallowed by a proxy": {Fault{Status: 200}, nil, []int{200}, []string{""}, 0},
		"for another chat":     {Fault{Drop: true, ChatID: bob}, []string{x}, []int{200}, []string{""}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &tape{}
				s := hooked(t, log)
				tc.fault.Method = WebhookCall
				s.Fail(tc.fault)
				start := time.Now()
				s.Client(ada, ada).Type(x)
				if err := s.WaitDeliveries(t.Context(), func(d []Delivery) bool { return len(d) == len(tc.status) }); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took != tc.took {
					t.Errorf("it took %v, want %v", took, tc.took)
				}
				time.Sleep(time.Hour)
				if got := log.heard(); !slices.Equal(got, tc.texts) || s.Waiting() != 0 {
					t.Errorf("the bot got %q, want %q; %d wait", got, tc.texts, s.Waiting())
				}
				for i, d := range s.Deliveries() {
					if d.Status != tc.status[i] || d.Error != tc.errs[i] || d.ChatID != ada || d.UpdateID == 0 {
						t.Errorf("delivery %d: %+v", i, d)
					}
				}
			})
		})
	}
}

func TestAFaultOfEveryMethodIsNoneOfDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hooked(t, &tape{})
		s.Fail(Fault{Drop: true})
		s.Client(ada, ada).Type("x")
		synctest.Wait()
		if log := s.Deliveries(); len(log) != 1 || log[0].Error != "" {
			t.Errorf("deliveries %+v", log)
		}
	})
}

func TestSetWebhookCanFail(t *testing.T) {
	w := newWorld(t)
	w.PauseDeliveries()
	w.Fail(Fault{Method: "setWebhook", Status: 400, Description: "Bad Request: bad webhook: Failed to resolve host: Name or service not known"})
	w.refused("setWebhook", fields{"url": hookURL}, "Bad Request: bad webhook: Failed to resolve host: Name or service not known")
	if got := w.Webhook(); got.URL != "" {
		t.Errorf("it was set: %+v", got)
	}
	w.Fail(Fault{Method: "setWebhook", Status: 502, After: true})
	if a := w.call("setWebhook", fields{"url": hookURL}); a.status != 502 || w.Webhook().URL != hookURL {
		t.Errorf("status %d, webhook %+v", a.status, w.Webhook())
	}
}

func TestCloseEndsDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails if a goroutine is left
		g := newGate()
		s := hooked(t, g)
		s.Client(ada, ada).Type("under way")
		s.Client(bob, bob).Type("failed")
		g.expect(t, "before", "failed", "under way")
		g.pass("failed", 500) // it waits for its next try
		s.Fail(Fault{Method: WebhookCall, Delay: time.Hour})
		s.AddUser(User{ID: 9, FirstName: "Eve"})
		s.Client(9, 9).Type("delayed")
		start := time.Now()
		s.Close()
		if d := time.Since(start); d != 0 {
			t.Errorf("Close took %v", d)
		}
		s.Client(9, 9).Type("too late")
		time.Sleep(time.Hour)
		slices.Sort(g.log)
		if want := []string{"/hook/failed", "/hook/under way"}; !slices.Equal(g.log, want) {
			t.Errorf("requests %q, want %q", g.log, want)
		}
		s.Close()
	})
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		s := hooked(t, carried(func(*http.Request) (*http.Response, error) { <-let; return replying(200), nil }))
		s.Client(ada, ada).Type("x")
		synctest.Wait()
		start := time.Now()
		s.Close()
		if d := time.Since(start); d != closePatience {
			t.Errorf("Close took %v, want %v", d, closePatience)
		}
		close(let)
	})
}

func TestWaitReady(t *testing.T) {
	w := newWorld(t)
	w.Drain()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := w.WaitReady(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nobody listens: %v", err)
	}
	poll(w, t.Context(), fields{"timeout": 50})
	if err := w.WaitReady(within(t)); err != nil {
		t.Errorf("a poll: %v", err)
	}
	ready := make(chan error, 1)
	other := newWorld(t)
	other.Drain()
	go func() { ready <- other.WaitReady(within(t)) }()
	other.call("setWebhook", fields{"url": hookURL})
	if err := <-ready; err != nil {
		t.Errorf("a webhook: %v", err)
	}
	other.Close()
	if err := other.WaitDeliveries(t.Context(), func([]Delivery) bool { return false }); err == nil {
		t.Error("deliveries were awaited after Close")
	}
}

func TestTheRecordOfDeliveriesIsBounded(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	for i := range maxDeliveries + 5 {
		s.outbox.note(Delivery{UpdateID: int64(i)})
	}
	if log := s.Deliveries(); len(log) != maxDeliveries || log[0].UpdateID != 5 {
		t.Errorf("%d kept, from %d", len(log), log[0].UpdateID)
	}
}
