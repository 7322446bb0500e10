package telegram

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
	"github.com/cofferdam-bot/cofferdam/security/webhook"
)

// quickClock goes a thousand times as fast as the real one, so that five minutes
// are 0.3 s, and can be moved ahead.
type quickClock struct {
	began time.Time
	ahead atomic.Int64
}

const quickness = 1000

func newQuickClock() *quickClock { return &quickClock{began: time.Now()} }

func (c *quickClock) Now() time.Time {
	return c.began.Add(quickness*time.Since(c.began) + time.Duration(c.ahead.Load()))
}

func (c *quickClock) Sleep(ctx context.Context, d time.Duration) error {
	return sleep(ctx, d/quickness)
}

func (c *quickClock) clock() Clock {
	return Clock{Now: c.Now, Sleep: c.Sleep, Random: func() float64 { return 1 }}
}

// station is a receiver, the Telegram that brings it updates, and the way in
// between.
type station struct {
	t      *testing.T
	world  *emulator.Server
	server *WebhookServer
	client *Client
	in     *took
	clock  *quickClock
	logs   *observer.ObservedLogs
	// certificate and tls are for a listener with TLS, and for who connects.
	certificate *Certificate
	tls         *tls.Config
	receiver    *Receiver
	// cut lets nothing through.
	cut atomic.Bool

	faults []emulator.Fault // of Telegram, from the start on

	mu      sync.Mutex
	changes []string
}

// cable carries requests, unless it is cut.
type cable struct {
	s       *station
	carrier http.RoundTripper
}

func (c cable) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.s.cut.Load() {
		return nil, errors.New("the cable is cut")
	}
	return c.carrier.RoundTrip(r)
}

// refusing lets the first calls go wrong.
func refusing(f emulator.Fault) func(*station) {
	return func(s *station) { s.faults = append(s.faults, f) }
}

func newStation(t *testing.T, changes ...func(*station)) *station {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	s := &station{t: t, in: &took{}, clock: newQuickClock(), logs: logs}
	for _, change := range changes {
		change(s)
	}
	o := WebhookOptions{
		Address: "127.0.0.1:0", Deliver: s.in.deliver, Now: s.clock.Now, Log: zap.New(core), Certificate: s.certificate,
		Policy: webhook.Policy{Additional: []netip.Prefix{netip.MustParsePrefix(telegramPeer + "/32")}},
	}
	server, err := ListenWebhook(o)
	if err != nil {
		t.Fatal(err)
	}
	s.server = server
	carrier := emulator.Route{To: func() string { return server.Addr().String() }, From: telegramPeer, TLS: s.tls}.RoundTripper()
	t.Cleanup(carrier.CloseIdleConnections)
	s.world = emulator.New(emulator.Options{
		Webhooks: cable{s, carrier}, RetryFirst: time.Millisecond, RetryMost: 20 * time.Millisecond, Now: s.clock.Now,
	})
	s.world.AddUser(emulator.User{ID: 7, FirstName: "Ada"})
	for _, fault := range s.faults {
		s.world.Fail(fault)
	}
	api := httptest.NewServer(s.world)
	client := newTestClient(t, api.URL, s.world.Token())
	s.client = client
	r := &Receiver{
		Client: client, Server: server, Base: "https://bot.example.org", Clock: s.clock.clock(), Log: zap.New(core),
		Poller:  &Poller{Client: client, Deliver: s.in.deliverAll, RemoveWebhook: true, Clock: s.clock.clock(), Log: zap.New(core)},
		Changed: func(why string) { s.mu.Lock(); s.changes = append(s.changes, why); s.mu.Unlock() },
	}
	s.receiver = r
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		s.world.Close()
		if err := <-ended; err != nil {
			t.Errorf("the receiver ended with %v", err)
		}
		api.Close()
		closing, giveUp := context.WithTimeout(context.Background(), 10*time.Second)
		defer giveUp()
		if err := server.Close(closing); err != nil {
			t.Errorf("closing: %v", err)
		}
		if t.Failed() {
			for _, line := range s.logs.All() {
				t.Log(line.Message, line.ContextMap())
			}
		}
	})
	return s
}

func (k *took) deliverAll(ctx context.Context, updates []chat.Received) error {
	for _, u := range updates {
		if err := k.deliver(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

// fail makes every delivery end so.
func (k *took) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
}

// has counts the updates with a text, each once, as a journal does.
func (k *took) has(text string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	ids := map[int64]bool{}
	for _, u := range k.updates {
		if strings.Contains(string(u.Data), `"text":"`+text+`"`) {
			ids[u.ID] = true
		}
	}
	return len(ids)
}

// says lets somebody write to the bot, and waits until the bot has it.
func (s *station) says(text string) {
	s.t.Helper()
	s.world.Client(7, 7).Type(text)
	s.await("taking "+text, func() bool { return s.in.has(text) == 1 })
}

func (s *station) await(what string, done func() bool) {
	s.t.Helper()
	for until := time.Now().Add(30 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			s.t.Fatalf("%s: it did not happen", what)
		}
	}
}

// nextDay makes a rotation due.
func (s *station) nextDay() {
	s.t.Helper()
	// The first update may come before the answer to setWebhook.
	s.await("registration", func() bool { return s.logged("webhook.registered") > 0 })
	s.clock.ahead.Add(int64(24 * time.Hour))
}

func (s *station) logged(event string) int {
	return s.logs.FilterField(zap.String("event", event)).Len()
}

func (s *station) told() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.changes...)
}

func TestTheWebhookIsRegisteredAndRotated(t *testing.T) {
	s := newStation(t)
	s.says("one")
	first := s.world.Webhook()
	if !strings.HasPrefix(first.URL, "https://bot.example.org/webhook/") || len(first.SecretToken) != 43 {
		t.Errorf("registered as %+v", first)
	}
	if got := strings.Join(first.AllowedUpdates, " "); got != "message callback_query my_chat_member" {
		t.Errorf("allowed updates: %s", got)
	}
	s.nextDay()
	s.await("rotation", func() bool { return s.world.Webhook().URL != first.URL })
	second := s.world.Webhook()
	if second.SecretToken == first.SecretToken {
		t.Error("the secret stayed")
	}
	// Both are valid for a while: what is on its way to the old one is taken.
	late := func(id int) int {
		req, err := http.NewRequest(http.MethodPost, "http://"+s.server.Addr().String()+strings.TrimPrefix(first.URL, "https://bot.example.org"), strings.NewReader(update(id)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Telegram-Bot-Api-Secret-Token", first.SecretToken)
		status, _ := do(t, clientFrom(t, telegramPeer), req)
		return status
	}
	if status := late(1); status != http.StatusOK {
		t.Errorf("a late request got %d", status)
	}
	s.says("two")
	s.clock.ahead.Add(int64(301 * time.Second))
	for i := range 10 {
		if status := late(2 + i); status != http.StatusNotFound {
			t.Errorf("after the grace a request got %d", status)
		}
	}
	s.says("three") // Telegram was not banned for it
	s.await("the log", func() bool { return s.logged("webhook.rotated") >= 1 })
	if s.logged("webhook.banned") != 0 || s.logged("webhook.fallback") != 0 {
		t.Error("Telegram was banned, or the bot polled")
	}
}

func TestATooBusyWebhookLosesNothing(t *testing.T) {
	s := newStation(t)
	s.says("one")
	s.in.fail(errors.New("the disk is full"))
	s.world.Client(7, 7).Type("two")
	s.await("a refusal", func() bool {
		tries := s.world.Deliveries()
		return len(tries) > 0 && tries[len(tries)-1].Status == http.StatusServiceUnavailable
	})
	s.in.fail(nil)
	s.await("taking two", func() bool { return s.in.has("two") == 1 })
}

// unresolved is what Telegram says of a name that it does not find.
var unresolved = emulator.Fault{Method: "setWebhook", Status: 400, Description: "Bad Request: bad webhook: Failed to resolve host: Name or service not known"}

func TestPollingWhenTelegramRefusesTheWebhook(t *testing.T) {
	s := newStation(t, refusing(unresolved))
	s.says("one") // by polling, at once
	if s.logged("webhook.fallback") != 1 || len(s.told()) != 1 || !strings.Contains(s.told()[0], "Failed to resolve host") {
		t.Errorf("told %q", s.told())
	}
	s.await("registration", func() bool { return s.world.Webhook().URL != "" })
	s.says("two")
	s.await("the news", func() bool { return len(s.told()) == 2 })
}

func TestAWebhookThatTelegramKnowsAlthoughTheCallFailed(t *testing.T) {
	fault := emulator.Fault{Method: "setWebhook", Status: 502, After: true, Times: 3}
	s := newStation(t, refusing(fault))
	s.says("one") // the pair was valid before it was told
	s.await("registration", func() bool { return s.logged("webhook.registered") == 1 })
	s.says("two")
	for _, d := range s.world.Deliveries() {
		if d.Status != http.StatusOK {
			t.Errorf("%+v", d)
		}
	}
}

func TestARotationThatTelegramRefuses(t *testing.T) {
	s := newStation(t)
	s.says("one")
	s.world.Fail(unresolved)
	s.nextDay() // a rotation fails: the pair stays, and works
	s.await("the failed rotation", func() bool { return s.logged("webhook.rotation_failed") == 1 })
	s.says("two")
	if s.logged("webhook.fallback") != 0 {
		t.Error("a rotation that failed made the bot poll")
	}
	s.await("the next rotation", func() bool { return s.logged("webhook.rotated") == 1 })
}

func TestPollingWhenNothingComes(t *testing.T) {
	s := newStation(t)
	s.says("one")
	s.cut.Store(true)
	s.says("two") // after five minutes, by polling
	if s.logged("webhook.fallback") != 1 || len(s.told()) != 1 || s.told()[0] == "" {
		t.Errorf("told %q", s.told())
	}
	s.says("three")
	// While it is cut the webhook is tried again, and given up sooner.
	s.await("another try", func() bool { return s.logged("webhook.registered") >= 2 })
	s.says("four")
	s.cut.Store(false)
	s.await("the webhook", func() bool {
		return s.world.Webhook().URL != "" && s.logged("webhook.registered") > s.logged("webhook.fallback")
	})
	s.says("five")
	s.await("the news", func() bool { told := s.told(); return told[len(told)-1] == "" })
	if s.logged("webhook.restored") != 1 || len(s.told()) != 2 {
		t.Errorf("told %q", s.told())
	}
	for _, text := range []string{"one", "two", "three", "four", "five"} {
		if n := s.in.has(text); n < 1 {
			t.Errorf("%s was lost", text)
		}
	}
}

func TestAnErrorWhileUpdatesComeIsNoFailure(t *testing.T) {
	s := newStation(t)
	s.says("one")
	for i := range 30 { // ten minutes, in each of which an update is refused a few times, and then taken
		s.in.fail(errors.New("busy"))
		text := strings.Repeat("x", i+2)
		s.world.Client(7, 7).Type(text)
		time.Sleep(10 * time.Millisecond)
		s.in.fail(nil)
		s.await("taking it", func() bool { return s.in.has(text) == 1 })
		time.Sleep(10 * time.Millisecond)
	}
	if s.logged("webhook.fallback") != 0 {
		t.Error("the bot polls")
	}
}

func TestAnotherOnesWebhookIsReplaced(t *testing.T) {
	s := newStation(t)
	s.says("one")
	client := s.client
	if err := client.SetWebhook(t.Context(), Webhook{URL: "https://other.example.org/x"}); err != nil {
		t.Fatal(err)
	}
	s.await("registration", func() bool { return strings.HasPrefix(s.world.Webhook().URL, "https://bot.example.org/") })
	s.says("two")
	if _, err := client.DeleteWebhook(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.says("three")
	if s.logged("webhook.displaced") != 2 {
		t.Errorf("displaced %d times", s.logged("webhook.displaced"))
	}
}

func TestARotationThatWorkedAlthoughTheCallFailed(t *testing.T) {
	s := newStation(t)
	s.says("one")
	s.world.Fail(emulator.Fault{Method: "setWebhook", Status: 502, After: true})
	s.nextDay()
	s.await("the failed call", func() bool { return s.logged("webhook.rotation_failed") == 1 })
	s.says("two")
	s.await("peace", func() bool {
		return s.server.knows(strings.TrimPrefix(s.world.Webhook().URL, "https://bot.example.org")) && !s.server.Due()
	})
	s.says("three")
	if s.logged("webhook.displaced") != 0 || s.logged("webhook.fallback") != 0 {
		t.Error("the bot's own webhook was taken for another's")
	}
}

func TestARefusedTokenEndsTheReceiver(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"ok":false,"error_code":401,"description":"Unauthorized"}`))
	}))
	defer server.Close()
	h := listenHook(t)
	r := &Receiver{Client: newTestClient(t, server.URL, newToken()), Server: h.WebhookServer, Poller: &Poller{}, Base: "https://bot.example.org", Clock: newFakeClock().clock()}
	if err := r.Run(t.Context()); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("got %v", err)
	}
}
