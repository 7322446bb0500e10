package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram"
	"github.com/cofferdam-bot/cofferdam/security/webhook"
)

// telegramAddress is that of the tests' Telegram.
const telegramAddress = "127.0.0.7"

// webhookBehind is the bot's listener as docs/OPERATIONS.md sets it up for a
// proxy on the same machine, with what came to it.
type webhookBehind struct {
	*telegram.WebhookServer
	pair webhook.Pair

	mu       sync.Mutex
	taken    []string
	refused  []string // why
	delivers error    // what happens to an update
}

// listenBehind trusts the proxy, or what else is given.
func listenBehind(t testing.TB, trusted ...netip.Prefix) *webhookBehind {
	t.Helper()
	w := &webhookBehind{}
	if len(trusted) == 0 {
		trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	}
	server, err := telegram.ListenWebhook(telegram.WebhookOptions{
		Address: "127.0.0.1:0",
		Policy: webhook.Policy{
			Additional: []netip.Prefix{netip.MustParsePrefix(telegramAddress + "/32")},
			Proxies:    trusted,
		},
		Deliver: func(_ context.Context, update chat.Received) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.taken = append(w.taken, string(update.Data))
			return w.delivers
		},
		Observe: func(reason string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.refused = append(w.refused, reason)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Close(ctx) // the proxy may hold its connections open
	})
	if w.pair, err = server.NextPair(); err != nil {
		t.Fatal(err)
	}
	w.WebhookServer = server
	return w
}

// forget returns what came since the last time.
func (w *webhookBehind) forget() (taken, refused []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken, refused = w.taken, w.refused
	w.taken, w.refused = nil, nil
	return taken, refused
}

func (w *webhookBehind) delivering(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delivers = err
}

// brought is an update as Telegram brings it, with more than ASCII, and with more
// digits than a float has.
const brought = `{"update_id":1, "message":{"chat":{"id":9007199254740993},"text":"Zażółć \u00e9 😀 + / %2F"}}`

// post is a request to the bot's address, as from Telegram but for the changes.
func post(t testing.TB, pair webhook.Pair, body io.Reader, changes ...func(*http.Request)) *http.Request {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "https://"+proxyHost+pair.Path(), body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Telegram-Bot-Api-Secret-Token", pair.Secret())
	for _, change := range changes {
		change(req)
	}
	return req
}

func forwarded(chain ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header["X-Forwarded-For"] = chain }
}

// sends returns the answer with its body; status 0 if there was none.
func (p *runningProxy) sends(from string, req *http.Request) (res *http.Response, body string) {
	p.t.Helper()
	client := p.client(from)
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		return &http.Response{Status: err.Error(), Header: http.Header{}}, ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Errorf("the answer's body: %v", err)
	}
	return res, string(text)
}

// TestBehindAProxy runs the examples of docs/proxies in front of the bot's
// listener.
func TestBehindAProxy(t *testing.T) {
	for _, kind := range proxies(t) {
		t.Run(kind.name, func(t *testing.T) {
			hook := listenBehind(t)
			p := behind(t, kind, hook.Addr().String())
			for _, test := range []struct {
				name string
				run  func(*testing.T, *runningProxy, *webhookBehind)
			}{
				{"an update arrives as it is", updateArrives},
				{"who forges a chain does not win", forgedChains},
				{"another path does not reach the bot", otherPaths},
				{"up to 1 MiB", upToAMebibyte},
				{"come back later", comesBackLater},
				{"a stranger is banned, and not the proxy", strangerIsBanned},
			} {
				t.Run(test.name, func(t *testing.T) {
					hook.forget()
					test.run(t, p, hook)
				})
			}
		})
	}
}

func updateArrives(t *testing.T, p *runningProxy, hook *webhookBehind) {
	for range 3 {
		res, body := p.sends(telegramAddress, post(t, hook.pair, strings.NewReader(brought)))
		taken, refused := hook.forget()
		if res.StatusCode != http.StatusOK || body != "" {
			t.Errorf("%s %q, want 200 without a body; refused: %q", res.Status, body, refused)
		}
		if !slices.Equal(taken, []string{brought}) {
			t.Errorf("came in: %q", taken)
		}
	}
}

func forgedChains(t *testing.T, p *runningProxy, hook *webhookBehind) {
	for _, chain := range [][]string{
		{telegramAddress},
		{telegramAddress + ", 127.0.0.1"},
		{telegramAddress, telegramAddress},
		{"149.154.160.1, 127.0.0.1", "127.0.0.1"},
	} {
		// A new stranger each time, who is not banned yet.
		stranger := netip.AddrFrom4([4]byte{127, 0, 1, byte(len(strings.Join(chain, ",")))}).String()
		res, _ := p.sends(stranger, post(t, hook.pair, strings.NewReader(brought), forwarded(chain...)))
		if taken, refused := hook.forget(); res.StatusCode != http.StatusForbidden || len(taken) > 0 || !slices.Equal(refused, []string{"peer"}) {
			t.Errorf("a stranger with X-Forwarded-For %q: %s, refused for %q", chain, res.Status, refused)
		}
	}
	// A header that Connection names is for the next hop only, also this one.
	unchained := func(r *http.Request) { r.Header.Set("Connection", "X-Forwarded-For") }
	res, _ := p.sends("127.0.1.255", post(t, hook.pair, strings.NewReader(brought), forwarded(telegramAddress), unchained))
	if taken, refused := hook.forget(); res.StatusCode != http.StatusForbidden || len(taken) > 0 {
		t.Errorf("a stranger who wants X-Forwarded-For to end here: %s, refused for %q", res.Status, refused)
	}
	for _, chain := range []string{"192.0.2.1", "unknown", strings.Repeat("1", 600)} {
		res, _ := p.sends(telegramAddress, post(t, hook.pair, strings.NewReader(brought), forwarded(chain)))
		if _, refused := hook.forget(); res.StatusCode != http.StatusOK {
			t.Errorf("Telegram with X-Forwarded-For %q: %s, refused for %q", chain, res.Status, refused)
		}
	}
}

func otherPaths(t *testing.T, p *runningProxy, hook *webhookBehind) {
	for _, path := range []string{"/", "/metrics", "/webhook", "/webhookx/", "/webhook/../metrics", "/x" + hook.pair.Path()} {
		res, _ := p.sends(telegramAddress, post(t, hook.pair, strings.NewReader(brought), func(r *http.Request) { r.URL.Path = path }))
		// nginx answers /webhook with a redirect to /webhook/.
		if taken, refused := hook.forget(); res.StatusCode < http.StatusMovedPermanently || len(taken)+len(refused) > 0 {
			t.Errorf("%s: %s, and the bot has taken %d and refused %q", path, res.Status, len(taken), refused)
		}
	}
}

func upToAMebibyte(t *testing.T, p *runningProxy, hook *webhookBehind) {
	sized := func(n int) string {
		const start, end = `{"update_id":1,"message":{"text":"`, `"}}`
		return start + strings.Repeat("x", n-len(start)-len(end)) + end
	}
	// What a client sends whose body's length is not known beforehand.
	chunked := func(text string) io.Reader { return io.MultiReader(strings.NewReader(text)) }
	for _, test := range []struct {
		name string
		body io.Reader
		size int
	}{
		{"1 MiB", strings.NewReader(sized(1 << 20)), 1 << 20},
		{"1 MiB in chunks", chunked(sized(1 << 20)), 1 << 20},
		{"a byte more", strings.NewReader(sized(1<<20 + 1)), 0},
		{"a byte more in chunks", chunked(sized(1<<20 + 1)), 0},
		{"after that", strings.NewReader(brought), len(brought)},
	} {
		res, _ := p.sends(telegramAddress, post(t, hook.pair, test.body))
		taken, refused := hook.forget()
		t.Logf("%s: %s %q", test.name, res.Status, refused)
		if got := len(strings.Join(taken, "")); got != test.size {
			t.Errorf("%s: %d bytes came in, want %d: %s", test.name, got, test.size, res.Status)
		}
		if ok := res.StatusCode == http.StatusOK; ok != (test.size > 0) {
			t.Errorf("%s: %s", test.name, res.Status)
		}
	}
}

func comesBackLater(t *testing.T, p *runningProxy, hook *webhookBehind) {
	defer hook.delivering(nil)
	for err, status := range map[error]int{chat.ErrBusy: http.StatusTooManyRequests, errors.New("disk full"): http.StatusServiceUnavailable} {
		hook.delivering(err)
		res, body := p.sends(telegramAddress, post(t, hook.pair, strings.NewReader(brought)))
		if after := res.Header.Get("Retry-After"); res.StatusCode != status || after != "5" || body != "" {
			t.Errorf("%v: %s, Retry-After %q, body %q", err, res.Status, after, body)
		}
		if taken, _ := hook.forget(); len(taken) != 1 {
			t.Errorf("%v: the update came %d times", err, len(taken))
		}
	}
}

func strangerIsBanned(t *testing.T, p *runningProxy, hook *webhookBehind) {
	for range 7 {
		p.sends("127.0.0.66", post(t, hook.pair, strings.NewReader(brought)))
	}
	if _, refused := hook.forget(); !slices.Contains(refused, "banned") {
		t.Errorf("the stranger was refused for %q", refused)
	}
	updateArrives(t, p, hook)
}

// closer is an upstream that takes one request and answers it, and closes the
// connection at the end of every other.
type closer struct {
	net.Listener
	mu    sync.Mutex
	count int
}

func listenCloser(t testing.TB) *closer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &closer{Listener: listener}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			conn, err := c.Accept()
			if err != nil {
				return
			}
			open.Go(func() { c.serve(conn) })
		}
	})
	t.Cleanup(func() { c.Close(); open.Wait() })
	return c
}

func (c *closer) serve(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		c.mu.Lock()
		c.count++
		first := c.count == 1
		c.mu.Unlock()
		if !first {
			return
		}
		if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); err != nil {
			return
		}
	}
}

func (c *closer) requests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

// TestAProxyTriesOnce and tells nobody: a request that breaks off is not
// repeated, and neither its path nor its secret is in a log. The first one is
// answered, so that the others may come on a connection that was used before.
func TestAProxyTriesOnce(t *testing.T) {
	for _, kind := range proxies(t) {
		t.Run(kind.name, func(t *testing.T) {
			pair, upstream := newPair(t), listenCloser(t)
			p := behind(t, kind, upstream.Addr().String())
			for i, want := range []int{http.StatusOK, http.StatusBadGateway, http.StatusBadGateway} {
				res, _ := p.sends(telegramAddress, post(t, pair, strings.NewReader(brought)))
				if got := upstream.requests(); res.StatusCode != want || got != i+1 {
					t.Errorf("request %d: %s, want %d; %d requests came", i+1, res.Status, want, got)
				}
			}
			upstream.Close() // nobody listens from now on
			if res, _ := p.sends(telegramAddress, post(t, pair, strings.NewReader(brought))); res.StatusCode != http.StatusBadGateway {
				t.Errorf("without an upstream: %s", res.Status)
			}
			p.sends(telegramAddress, post(t, pair, bytes.NewReader(make([]byte, 2<<20))))
			p.stop()
			logs := p.logs()
			if !strings.Contains(logs, kind.logs) {
				t.Errorf("the logs have nothing at all:\n%s", logs)
			}
			for what, secret := range map[string]string{"path": pair.PathSecret(), "secret": pair.Secret()} {
				if strings.Contains(logs, secret) {
					t.Errorf("the logs have the %s:\n%s", what, logs)
				}
			}
		})
	}
}

func newPair(t testing.TB) webhook.Pair {
	t.Helper()
	pair, err := listenBehind(t).NextPair()
	if err != nil {
		t.Fatal(err)
	}
	return pair
}
