package telegram

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap/zaptest/observer"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/webhook"
)

// telegramPeer is the address from which the tests' Telegram comes.
const telegramPeer = "127.0.0.7"

// hook is a webhook server with what it let in.
type hook struct {
	*WebhookServer
	t     testing.TB
	in    *took
	clock *fakeClock
	seen  *observer.ObservedLogs

	mu     sync.Mutex
	bans   []string // the hosts, in the order in which they were banned
	counts []string // the reasons that a metric was told
}

// took keeps updates, as a journal does.
type took struct {
	mu      sync.Mutex
	updates []chat.Received
	err     error // what is returned instead
}

func (k *took) deliver(_ context.Context, u chat.Received) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return k.err
	}
	k.updates = append(k.updates, u)
	return nil
}

func (k *took) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.updates)
}

// listenHook serves a webhook whose pair is registered.
func listenHook(t testing.TB, changes ...func(*WebhookOptions)) *hook {
	t.Helper()
	h := &hook{t: t, in: &took{}, clock: newFakeClock()}
	log, seen := logs()
	h.seen = seen
	o := WebhookOptions{
		Address: "127.0.0.1:0", Deliver: h.in.deliver, KeepBan: h.keepBan, Observe: h.observe, Log: log, Now: h.clock.Now,
		Policy: webhook.Policy{Additional: []netip.Prefix{netip.MustParsePrefix(telegramPeer + "/32")}},
	}
	for _, change := range changes {
		change(&o)
	}
	s, err := ListenWebhook(o)
	if err != nil {
		t.Fatal(err)
	}
	h.WebhookServer = s
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	if _, err := s.NextPair(); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *hook) keepBan(b webhook.Ban) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bans = append(h.bans, b.Host.Addr().String())
}

func (h *hook) observe(reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts = append(h.counts, reason)
}

// banned are the hosts that were banned so far.
func (h *hook) banned() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.bans)
}

// reasons are those that a metric was told, and forgets them.
func (h *hook) reasons() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	told := h.counts
	h.counts = nil
	return told
}

// logged are the lines of an event.
func (h *hook) logged(event string) []observer.LoggedEntry {
	return h.seen.Filter(func(e observer.LoggedEntry) bool { return e.ContextMap()["event"] == event }).All()
}

// pass lets time go by.
func (h *hook) pass(d time.Duration) {
	h.clock.mu.Lock()
	defer h.clock.mu.Unlock()
	h.clock.now = h.clock.now.Add(d)
}

// forget drops what was delivered so far.
func (k *took) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.updates = nil
}

// pair is the one that Telegram knows.
func (h *hook) pair() webhook.Pair {
	h.t.Helper()
	pair, err := h.NextPair()
	if err != nil {
		h.t.Fatal(err)
	}
	return pair
}

// clientFrom is a client with that address.
func clientFrom(t testing.TB, peer string) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: dialFrom(peer), DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

func dialFrom(peer string) func(context.Context, string, string) (net.Conn, error) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(peer)}, Timeout: 10 * time.Second}
	return dialer.DialContext
}

// post is a request as Telegram makes it; changes spoil it.
func (h *hook) post(body string, changes ...func(*http.Request)) *http.Request {
	h.t.Helper()
	pair := h.pair()
	req, err := http.NewRequest(http.MethodPost, "http://"+h.Addr().String()+pair.Path(), strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Telegram-Bot-Api-Secret-Token", pair.Secret())
	for _, change := range changes {
		change(req)
	}
	return req
}

func do(t testing.TB, c *http.Client, req *http.Request) (status int, body string) {
	t.Helper()
	res, err := c.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return res.StatusCode, string(text)
}

func update(id int) string { return fmt.Sprintf(`{"update_id":%d,"message":{"text":"x"}}`, id) }

func TestTheWebhookTakesAnUpdate(t *testing.T) {
	h := listenHook(t)
	client := clientFrom(t, telegramPeer)
	for id := 1; id <= 3; id++ {
		if status, body := do(t, client, h.post(update(id))); status != http.StatusOK || body != "" {
			t.Fatalf("update %d: %d %q", id, status, body)
		}
	}
	if got := h.in.count(); got != 3 {
		t.Errorf("%d updates came in, want 3", got)
	}
	for name, change := range map[string]func(*http.Request){
		"404": func(r *http.Request) { r.URL.Path = "/" },
		"403": func(r *http.Request) { r.Header.Del("X-Telegram-Bot-Api-Secret-Token") },
		"405": func(r *http.Request) { r.Method = http.MethodGet },
	} {
		status, body := do(t, client, h.post(update(9), change))
		if fmt.Sprint(status) != name || body != "" {
			t.Errorf("got %d %q, want %s", status, body, name)
		}
	}
	stranger := clientFrom(t, "127.0.0.9")
	for range 6 {
		if status, _ := do(t, stranger, h.post(update(9))); status != http.StatusForbidden {
			t.Errorf("a stranger got %d", status)
		}
	}
	if status, _ := do(t, stranger, h.post(update(9))); status != 0 {
		t.Errorf("a banned stranger got %d, and not a closed connection", status)
	}
}
