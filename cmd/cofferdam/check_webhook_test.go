package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-telegram/bot/models"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram"
)

var checkedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func hookCheckOf(hook config.Webhook) *hookCheck {
	return &hookCheck{checker: &checker{}, hook: hook, now: checkedAt}
}

// expect fails unless there is exactly one line, like that.
func (h *hookCheck) expect(t *testing.T, level, says string) {
	t.Helper()
	if len(h.findings) != 1 || h.findings[0].Part != "webhook" || h.findings[0].Level != level || !strings.Contains(h.findings[0].Message, says) {
		t.Errorf("got %q, want one %s: …%s…", h.findings, level, says)
	}
	if failed := level == levelFail; failed != (h.err != nil) {
		t.Errorf("%s, and the exit code is that of %v", level, h.err)
	}
}

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func TestCheckWebhookUse(t *testing.T) {
	h := hookCheckOf(config.Webhook{Enabled: true})
	h.use()
	h.expect(t, levelOK, "webhook mode is on")
	h = hookCheckOf(config.Webhook{})
	h.use()
	h.expect(t, levelOK, "unless it is run with `cofferdam run --webhook`")
}

func TestCheckWebhookName(t *testing.T) {
	for _, test := range []struct {
		name, host, found string
		err               error
		level, says       string
	}{
		{"a public address", "bot.example.org", "203.0.113.7", nil, levelOK, "resolves to a public address"},
		{"a public one beside a private one", "bot.example.org", "10.0.0.1 203.0.113.7", nil, levelOK, "public"},
		{"an address instead of a name", "203.0.113.7", "", nil, levelOK, "public"},
		{"IPv6 only", "bot.example.org", "2001:db8::1", nil, levelWarn, "make an A record"},
		{"an IPv6 address", "[2001:db8::1]", "", nil, levelWarn, "no IPv4 address"},
		{"this machine", "bot.example.org", "127.0.0.1 ::1", nil, levelWarn, "private addresses only"},
		{"a private network", "bot.example.org", "192.168.1.2", nil, levelWarn, "private addresses only"},
		{"one inside of IPv6", "bot.example.org", "::ffff:10.0.0.1", nil, levelWarn, "private addresses only"},
		{"shared by customers", "bot.example.org", "100.64.0.1", nil, levelWarn, "private addresses only"},
		{"link-local", "bot.example.org", "169.254.1.1 fe80::1", nil, levelWarn, "private addresses only"},
		{"no such name", "bot.example.org", "", &net.DNSError{IsNotFound: true}, levelFail, "make a DNS record"},
		{"no resolver", "bot.example.org", "", &net.DNSError{IsTimeout: true}, levelWarn, "cannot be looked up from here"},
		{"no time left", "bot.example.org", "", context.DeadlineExceeded, levelWarn, "cannot be looked up from here"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := hookCheckOf(config.Webhook{URL: test.host})
			h.lookup = func(ctx context.Context, _, host string) (found []netip.Addr, _ error) {
				if end, ok := ctx.Deadline(); !ok || time.Until(end) > webhookTime || host != test.host {
					t.Errorf("asked for %s until %s", host, end)
				}
				for _, text := range strings.Fields(test.found) {
					found = append(found, netip.MustParseAddr(text))
				}
				return found, test.err
			}
			h.name(t.Context())
			h.expect(t, test.level, test.says)
		})
	}
}

func TestCheckWebhookPortWithoutABot(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := taken.Addr().(*net.TCPAddr).Port
	h := hookCheckOf(config.Webhook{LocalPort: port, WebhookPort: 8443})
	h.port(t.Context())
	h.expect(t, levelFail, "cannot be listened on: address already in use; end what listens there")
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	h = hookCheckOf(config.Webhook{LocalPort: port, WebhookPort: 8443})
	h.port(t.Context())
	h.expect(t, levelOK, fmt.Sprintf("public port 8443, and local port %d can be listened on", port))
	// It was left free.
	again, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestCheckWebhookPortOfABot(t *testing.T) {
	for _, certified := range []bool{false, true} {
		o := telegram.WebhookOptions{Address: "127.0.0.1:0"}
		hook := config.Webhook{WebhookPort: 443}
		if certified {
			hook.Cert, hook.CertKey = writePair(t, issue(t, nil, "bot.example.org", checkedAt.AddDate(1, 0, 0)))
			certificate, err := telegram.OpenCertificate(hook.Cert, hook.CertKey, func() time.Time { return checkedAt })
			if err != nil {
				t.Fatal(err)
			}
			o.Certificate = certificate
		}
		server, err := telegram.ListenWebhook(o)
		if err != nil {
			t.Fatal(err)
		}
		hook.LocalPort = server.Addr().(*net.TCPAddr).Port
		h := hookCheckOf(hook)
		h.running = true
		h.port(t.Context())
		h.expect(t, levelOK, fmt.Sprintf("the bot answers on local port %d", hook.LocalPort))
		if err := server.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		h = hookCheckOf(hook)
		h.running = true
		h.port(t.Context())
		h.expect(t, levelWarn, "it was started without --webhook")
	}
}

func TestCheckWebhookPortOfAnother(t *testing.T) {
	for _, test := range []struct {
		name        string
		handler     http.HandlerFunc
		secure      bool // what the config says
		level, says string
	}{
		{"a page", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "welcome") }, false, levelFail, "another program listens"},
		{"404 with a page", http.NotFound, false, levelFail, "another program listens"},
		{"a redirect", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusFound)
		}, false, levelWarn, "answers 302, not 404 or 405"},
		{"403 without a body", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, false, levelWarn, "answers 403"},
		{"404 without a body", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, false, levelOK, "the bot answers"},
		{"a closed connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false, levelWarn, "gives no answer"},
		{"plain HTTP instead of TLS", http.NotFound, true, levelWarn, "gives no answer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(test.handler)
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.Start()
			defer server.Close()
			h := hookCheckOf(config.Webhook{LocalPort: server.Listener.Addr().(*net.TCPAddr).Port, WebhookPort: 443})
			if h.running = true; test.secure {
				h.hook.Cert = "/some/where.pem"
			}
			h.port(t.Context())
			h.expect(t, test.level, test.says)
		})
	}
}

// Who takes a connection and says nothing does not hold the check.
func TestCheckWebhookPortOfASilentListener(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	h := hookCheckOf(config.Webhook{LocalPort: silent.Addr().(*net.TCPAddr).Port})
	h.running = true
	h.port(ctx)
	h.expect(t, levelWarn, "gives no answer")
}

func TestCheckWebhookCertificate(t *testing.T) {
	authority := issue(t, nil, "an authority that nobody knows", checkedAt.AddDate(1, 0, 0))
	for _, test := range []struct {
		name        string
		pair        tls.Certificate
		level, says string
	}{
		{"self-signed", issue(t, nil, "bot.example.org", checkedAt.AddDate(1, 0, 0)), levelOK, "self-signed and so given to Telegram, is for bot.example.org, until 2027-03-01"},
		{"for another name", issue(t, nil, "other.example.org", checkedAt.AddDate(1, 0, 0)), levelWarn, "is not for bot.example.org"},
		{"that ends soon", issue(t, nil, "bot.example.org", checkedAt.AddDate(0, 0, 5)), levelWarn, "expires in 5 days, on 2026-03-06"},
		{"without its chain", issue(t, &authority, "bot.example.org", checkedAt.AddDate(1, 0, 0)), levelWarn, "fullchain.pem"},
		{"expired", issue(t, nil, "bot.example.org", checkedAt.AddDate(0, 0, -1)), levelFail, "expired on 2026-02-28"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cert, key := writePair(t, test.pair)
			h := hookCheckOf(config.Webhook{URL: "bot.example.org", Cert: cert, CertKey: key})
			h.certificate()
			h.expect(t, test.level, test.says)
		})
	}
	h := hookCheckOf(config.Webhook{URL: "bot.example.org", Cert: "/no/such.pem", CertKey: "/no/such.key"})
	h.certificate()
	h.expect(t, levelFail, "webhook_config.cert: the file cannot be read")
	if code, ok := errors.AsType[*exitError](h.err); !ok || code.code != exitConfig {
		t.Errorf("the exit code is that of %v, want that of a run", h.err)
	}
}

func TestCheckWebhookWithoutACertificate(t *testing.T) {
	h := hookCheckOf(config.Webhook{})
	h.certificate()
	h.expect(t, levelWarn, "write the address of the proxy into webhook_config.trusted_proxy_ips")
	h = hookCheckOf(config.Webhook{TrustedProxyIPs: prefixes("127.0.0.1/32")})
	h.certificate()
	h.expect(t, levelOK, "a proxy has to end TLS")
}

func TestCheckWebhookProxies(t *testing.T) {
	for _, test := range []struct {
		trusted     []netip.Prefix
		level, says string
	}{
		{nil, levelOK, "no trusted proxy"},
		{prefixes("127.0.0.1/32"), levelOK, "1 trusted proxy"},
		{prefixes("127.0.0.1/32", "172.16.0.0/12"), levelOK, "2 trusted proxies"},
		{prefixes("127.0.0.1/32", "149.0.0.0/8"), levelWarn, "149.0.0.0/8 has addresses of Telegram in it"},
		{prefixes("91.108.6.1/32"), levelWarn, "91.108.6.1/32 has addresses of Telegram in it"},
	} {
		h := hookCheckOf(config.Webhook{TrustedProxyIPs: test.trusted})
		h.proxies()
		h.expect(t, test.level, test.says)
	}
}

const secretPath = "/webhook/AAAAbbbbCCCCddddEEEEff/"

func TestCheckWebhookAtTelegram(t *testing.T) {
	hook := config.Webhook{URL: "bot.example.org", WebhookPort: 443}
	other := config.Webhook{URL: "bot.example.org", WebhookPort: 8443}
	set := func(base string) told {
		return told{info: &models.WebhookInfo{URL: base + secretPath, PendingUpdateCount: 2}}
	}
	for _, test := range []struct {
		name        string
		hook        config.Webhook
		said        told
		running     bool
		level, says string
	}{
		{"ours", hook, set("https://bot.example.org"), true, levelOK, "brings updates to bot.example.org, port 443; 2 updates waiting"},
		{"ours in capitals, with the port", hook, set("https://BOT.example.org:443"), true, levelOK, "brings updates to bot.example.org, port 443"},
		{"ours at another port", other, set("https://bot.example.org:8443"), true, levelOK, "port 8443"},
		{"the wrong port", other, set("https://bot.example.org"), true, levelWarn, "to bot.example.org, port 443, and the config says bot.example.org, port 8443"},
		{"another host", hook, set("https://bot.example.com"), true, levelWarn, "to bot.example.com, port 443, and the config says bot.example.org"},
		{"not https", hook, set("http://bot.example.org"), true, levelWarn, "and the config says"},
		{"no URL", hook, set("https://bot.example.org:port"), true, levelWarn, "to an address that cannot be read"},
		{"none, and no bot", hook, told{info: &models.WebhookInfo{}}, false, levelOK, "knows of none yet"},
		{"none, and a bot", hook, told{info: &models.WebhookInfo{}}, true, levelWarn, "webhook.fallback in its log says why"},
		{"no answer", hook, told{err: &telegram.Error{Text: "Bad Gateway"}}, true, levelWarn, "cannot be asked: Bad Gateway"},
		{"ours, an IPv6 address", config.Webhook{URL: "[2001:db8::1]", WebhookPort: 443}, set("https://[2001:db8::1]"), true, levelOK, "to [2001:db8::1], port 443"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := hookCheckOf(test.hook)
			h.running = test.running
			h.telegram(test.said)
			h.expect(t, test.level, test.says)
			hasNoPath(t, h)
		})
	}
	h := hookCheckOf(hook)
	if h.telegram(told{}); len(h.findings) != 0 {
		t.Errorf("nothing was asked, and said is %q", h.findings)
	}
}

func hasNoPath(t *testing.T, h *hookCheck) {
	t.Helper()
	for _, f := range h.findings {
		if strings.Contains(f.Message, "AAAAbbbb") {
			t.Errorf("the path is shown: %s", f.Message)
		}
	}
}

func TestCheckWebhookLastError(t *testing.T) {
	for _, test := range []struct{ text, says string }{
		{"Connection refused", "5m0s ago: Connection refused; nothing listens on the public port"},
		{"Connection timed out", "look at firewall and router"},
		{"SSL error {error:0A000086:SSL routines::certificate verify failed}", "whole chain (fullchain.pem)"},
		{"SSL error {error:0A00010B:SSL routines::wrong version number}", "TLS failed"},
		{"Failed to resolve host: Name or service not known", "public DNS record"},
		{"Wrong response from the webhook: 401 Unauthorized", "wants a password"},
		{"Wrong response from the webhook: 403 Forbidden", "webhook_config.trusted_proxy_ips"},
		{"Wrong response from the webhook: 404 Not Found", "start the bot anew"},
		{"Wrong response from the webhook: 429 Too Many Requests", "comes again by itself"},
		{"Wrong response from the webhook: 502 Bad Gateway", "does not reach the bot"},
		{"Wrong response from the webhook: 503 Service Unavailable", "store.full"},
		{"Read timeout expired", "the bot's log has its side"},
		{"line\nbreak \x1b[31mred", "ago: line break \ufffd[31mred;"},
		{"no answer from https://bot.example.org" + secretPath, "no answer from https://bot.example.org…"},
		{"no " + strings.Split(secretPath, "/")[2], "ago: no …;"},
		{strings.Repeat("x", 300), strings.Repeat("x", 199) + "…;"},
	} {
		t.Run(test.text[:8], func(t *testing.T) {
			info := &models.WebhookInfo{
				URL: "https://bot.example.org" + secretPath, PendingUpdateCount: 1,
				LastErrorDate: int(checkedAt.Add(-5 * time.Minute).Unix()), LastErrorMessage: test.text,
			}
			h := hookCheckOf(config.Webhook{URL: "bot.example.org", WebhookPort: 443})
			h.telegram(told{info: info})
			hasNoPath(t, h)
			h.findings = h.findings[1:] // where it is
			h.expect(t, levelWarn, test.says)

			info.PendingUpdateCount = 0
			h.findings = nil
			h.telegram(told{info: info})
			h.findings = h.findings[1:]
			h.expect(t, levelOK, "nothing waits, so it is over")
		})
	}
}

// A clock that is behind Telegram's makes no error of the future.
func TestCheckWebhookLastErrorOfTheFuture(t *testing.T) {
	h := hookCheckOf(config.Webhook{URL: "bot.example.org", WebhookPort: 443})
	h.lastError(&models.WebhookInfo{LastErrorDate: int(checkedAt.Add(time.Hour).Unix()), LastErrorMessage: "Connection refused", PendingUpdateCount: 1})
	h.expect(t, levelWarn, "0s ago: Connection refused")
}

// issue makes a certificate and its key, signed by an issuer or by itself, valid
// from a month before the check on.
func issue(t *testing.T, issuer *tls.Certificate, name string, end time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: checkedAt.AddDate(0, -1, 0), NotAfter: end,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	parent, signer := template, any(key)
	if issuer != nil {
		parent, signer = issuer.Leaf, issuer.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// writePair makes PEM files of a certificate and its key.
func writePair(t *testing.T, pair tls.Certificate) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	err = errors.Join(
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}
