// Package traefiktest runs Traefik's own code for X-Forwarded-For before the rules
// of the webhook. Traefik as a whole takes minutes to build, and Debian has no
// package of it. This is a Go module of its own, so that Traefik stays out of the
// bot's.
package traefiktest

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/traefik/traefik/v3/pkg/middlewares/forwardedheaders"

	"github.com/cofferdam-bot/cofferdam/security/webhook"
)

const (
	proxy = "127.0.0.1"
	// ours is an address of Telegram's, and stranger is nobody's.
	ours, stranger = "149.154.160.1", "192.0.2.1"
)

// through sends a request through Traefik's middleware and the standard library's
// proxy, in which Traefik 3.6 ends it, to the rules.
func through(t *testing.T, insecure bool, trusted, client string, chain ...string) webhook.Verdict {
	t.Helper()
	var pairs webhook.Pairs
	pair, err := pairs.Next(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	guard := webhook.New(webhook.Policy{Proxies: []netip.Prefix{netip.MustParsePrefix(trusted)}}, &pairs)
	var verdict webhook.Verdict
	bot := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		verdict = guard.Judge(webhook.Request{
			Peer: netip.MustParseAddrPort(r.RemoteAddr).Addr(), Forwarded: r.Header["X-Forwarded-For"], Method: r.Method,
			Target: r.RequestURI, Secrets: r.Header["X-Telegram-Bot-Api-Secret-Token"], Length: r.ContentLength,
		}, time.Now())
	}))
	defer bot.Close()
	target, err := url.Parse(bot.URL)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := forwardedheaders.NewXForwarded(insecure, nil, nil, httputil.NewSingleHostReverseProxy(target))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "https://bot.example.org"+pair.Path(), strings.NewReader("{}"))
	r.RemoteAddr = client + ":40000"
	r.Header.Set("X-Telegram-Bot-Api-Secret-Token", pair.Secret())
	r.Header.Set("Connection", "X-Forwarded-For")
	if len(chain) > 0 {
		r.Header["X-Forwarded-For"] = chain
	}
	w := httptest.NewRecorder()
	entry.ServeHTTP(w, r)
	bot.Close() // verdict is written
	if w.Code != http.StatusOK {
		t.Fatalf("the proxy answers %d", w.Code)
	}
	return verdict
}

func TestWhoTraefikSaysTheClientIs(t *testing.T) {
	const one, wide = proxy + "/32", "0.0.0.0/0"
	for _, test := range []struct {
		name     string
		insecure bool
		trusted  string
		client   string
		chain    []string
		accept   bool
	}{
		{"Telegram", false, one, ours, nil, true},
		{"Telegram, of whom somebody writes nonsense", false, one, ours, []string{"unknown"}, true},
		{"a stranger", false, one, stranger, nil, false},
		{"who forges a chain", false, one, stranger, []string{ours}, false},
		{"who forges two", false, one, stranger, []string{ours, proxy}, false},
		{"insecure keeps the forged, left of the right one", true, one, stranger, []string{ours}, false},
		{"insecure, and a range with strangers in it", true, wide, stranger, []string{ours}, true},
		{"that range alone", false, wide, stranger, []string{ours}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := through(t, test.insecure, test.trusted, test.client, test.chain...)
			if v.Accept != test.accept {
				t.Errorf("accepted: %v, the client is %s: %s", v.Accept, v.Client, v.Reason)
			}
		})
	}
}

// TestTheExampleIsNotInsecure ties the example to what is tested above.
func TestTheExampleIsNotInsecure(t *testing.T) {
	text, err := os.ReadFile("../traefik.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		setting, _, _ := strings.Cut(line, "#")
		if strings.Contains(setting, "forwardedHeaders") {
			t.Errorf("traefik.yaml has %q", line)
		}
	}
}
