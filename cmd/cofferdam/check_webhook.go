package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-telegram/bot/models"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
	"github.com/cofferdam-bot/cofferdam/security/webhook"
)

const (
	// webhookTime bounds each look at the network.
	webhookTime = 3 * time.Second
	// maxLastError is how much of Telegram's words is shown, in characters.
	maxLastError = 200
)

// told is what Telegram says about the webhook. The zero value: it was not
// asked.
type told struct {
	info *models.WebhookInfo
	err  error
}

// hookCheck looks at what webhook mode needs. Nothing is changed: neither here
// nor at Telegram.
type hookCheck struct {
	*checker
	hook config.Webhook
	// running is set while a bot uses the state directory.
	running bool
	lookup  func(ctx context.Context, network, host string) ([]netip.Addr, error)
	now     time.Time
}

// webhook looks at the webhook. Without an address in the config there is only
// what Telegram knows.
func (c *checker) webhook(ctx context.Context, cfg *config.Config, said told, running bool) {
	h := hookCheck{c, cfg.Webhook, running, net.DefaultResolver.LookupNetIP, time.Now()}
	if h.hook.URL == "" {
		h.polls(said)
		return
	}
	h.use()
	h.name(ctx)
	h.port(ctx)
	h.certificate()
	h.proxies()
	h.telegram(said)
}

func (h *hookCheck) ok(message string)   { h.add("webhook", levelOK, message) }
func (h *hookCheck) warn(message string) { h.add("webhook", levelWarn, message) }

// polls is said when the config has no webhook.
func (h *hookCheck) polls(said told) {
	switch {
	case said.err != nil:
		h.warn("whether one is set cannot be asked: " + callFailed(said.err))
	case said.info == nil:
	case said.info.URL != "":
		h.warn("a webhook is set; `cofferdam run` removes it and polls")
	default:
		h.ok("none is set: the bot polls")
	}
}

// use says whether the bot will use the webhook. How it will be run is not known
// here.
func (h *hookCheck) use() {
	if h.hook.Enabled {
		h.ok("webhook mode is on: webhook_config.enabled is true")
		return
	}
	h.ok("the bot polls, unless it is run with `cofferdam run --webhook`, or webhook_config.enabled is true")
}

// name looks whether Telegram can find the host.
func (h *hookCheck) name(ctx context.Context) {
	host := h.hook.URL
	addresses, err := h.addresses(ctx, strings.Trim(host, "[]"))
	missing, _ := errors.AsType[*net.DNSError](err)
	switch {
	case missing != nil && missing.IsNotFound:
		h.fail("webhook", host+" does not resolve: Telegram cannot find it; make a DNS record for it, or correct webhook_config.url", exitFailed)
	case err != nil:
		h.warn(host + " cannot be looked up from here, so whether Telegram can is not known; does this machine's resolver work?")
	case !slices.ContainsFunc(addresses, isPublic):
		h.warn(host + " resolves to private addresses only, as seen from here: Telegram needs a public one, so look whether the public DNS has another")
	case !slices.ContainsFunc(addresses, netip.Addr.Is4):
		h.warn(host + " has no IPv4 address, and Telegram comes by IPv4 only: make an A record for it")
	default:
		h.ok(host + " resolves to a public address")
	}
}

func (h *hookCheck) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, webhookTime)
	defer cancel()
	addresses, err := h.lookup(ctx, "ip", host)
	for i, a := range addresses {
		addresses[i] = a.Unmap()
	}
	return addresses, err
}

// shared is what providers put between themselves and customers who share an
// address: RFC 6598. Nobody outside can reach it.
var shared = netip.MustParsePrefix("100.64.0.0/10")

func isPublic(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a)
}

// port looks whether the bot can listen, or, if one runs, whether it does.
func (h *hookCheck) port(ctx context.Context) {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(h.hook.LocalPort))
	public := fmt.Sprintf("public port %d, ", h.hook.WebhookPort)
	if h.running {
		h.answers(ctx, public, address)
		return
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		h.fail("webhook", fmt.Sprintf("%sand %s cannot be listened on: %s; end what listens there (ss -ltnp names it), or name another port with webhook_config.local_port",
			public, address, reason(err)), exitFailed)
		return
	}
	_ = listener.Close() // nothing came in
	h.ok(public + "and local port " + strconv.Itoa(h.hook.LocalPort) + " can be listened on")
}

// answers asks a listener for what it never has, as anybody could. A bot says no
// with an empty body.
func (h *hookCheck) answers(ctx context.Context, public, address string) {
	status, body, err := h.ask(ctx, address)
	refused := status == http.StatusNotFound || status == http.StatusMethodNotAllowed
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		h.warn(public + "and the bot that runs does not listen on " + address + ": it was started without --webhook, with another --socket-host or webhook_config.local_port, or in a container of its own")
	case err != nil:
		h.warn(public + "and what listens on " + address + " gives no answer: it does not speak as this config says, so restart the bot, or it has banned this machine (webhook.banned in its log)")
	case body:
		h.fail("webhook", public+"and another program listens on "+address+": end it (ss -ltnp names it), or name another port with webhook_config.local_port; if it is the bot, restart it, since its config has changed", exitFailed)
	case refused:
		h.ok(public + "and the bot answers on local port " + strconv.Itoa(h.hook.LocalPort))
	default:
		h.warn(fmt.Sprintf("%sand what listens on %s answers %d, not 404 or 405: is it the bot?", public, address, status))
	}
}

// ask makes a request, and tells whether the answer has a body.
func (h *hookCheck) ask(ctx context.Context, address string) (status int, body bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, webhookTime)
	defer cancel()
	target := "http://" + address + "/"
	if h.hook.Cert != "" {
		target = "https://" + address + "/"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return 0, false, err
	}
	// The certificate is for the public name, and is looked at on its own.
	// Nothing that is secret is sent.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return 0, false, err
	}
	defer answer.Body.Close()
	n, err := io.ReadFull(answer.Body, make([]byte, 1))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return answer.StatusCode, n > 0, err
}

func (h *hookCheck) certificate() {
	if h.hook.Cert == "" {
		if len(h.hook.TrustedProxyIPs) == 0 {
			h.warn("no certificate, and no proxy that could have one: write the address of the proxy into webhook_config.trusted_proxy_ips, or give webhook_config.cert and cert_key")
			return
		}
		h.ok("no certificate: a proxy has to end TLS, and to pass requests on by plain HTTP")
		return
	}
	certificate, err := telegram.OpenCertificate(h.hook.Cert, h.hook.CertKey, func() time.Time { return h.now })
	if err != nil {
		h.fail("webhook", err.Error(), exitConfig)
		return
	}
	problems := certificate.Problems(h.hook.URL, nil)
	for _, p := range problems {
		h.warn(p)
	}
	if len(problems) > 0 {
		return
	}
	kind := "the certificate"
	if certificate.SelfSigned() {
		kind = "the certificate, self-signed and so given to Telegram,"
	}
	h.ok(kind + " is for " + h.hook.URL + ", until " + certificate.Expires().UTC().Format(time.DateOnly))
}

func (h *hookCheck) proxies() {
	trusted := h.hook.TrustedProxyIPs
	for _, p := range trusted {
		if slices.ContainsFunc(webhook.Published, p.Overlaps) {
			h.warn(fmt.Sprintf("webhook_config.trusted_proxy_ips: %s has addresses of Telegram in it, which is then taken for a proxy and not for the sender: name your own proxies only", p))
			return
		}
	}
	switch len(trusted) {
	case 0:
		h.ok("no trusted proxy: Telegram must reach the local port itself")
	case 1:
		h.ok("1 trusted proxy, address or range")
	default:
		h.ok(fmt.Sprintf("%d trusted proxies, addresses or ranges", len(trusted)))
	}
}

// telegram says what Telegram knows: where it brings updates, how many wait, and
// what went wrong last.
func (h *hookCheck) telegram(said told) {
	switch {
	case said.err != nil:
		h.warn("what Telegram knows of it cannot be asked: " + callFailed(said.err))
		return
	case said.info == nil:
		return // the token is the trouble, and that is said
	case said.info.URL == "" && h.running:
		h.warn("Telegram knows of none, so the bot that runs polls: it was started without webhook mode, or webhook.fallback in its log says why")
		return
	case said.info.URL == "":
		h.ok("Telegram knows of none yet: the bot tells it when it starts in webhook mode")
		return
	}
	at, err := url.Parse(said.info.URL)
	if err != nil {
		at = &url.URL{} // of no use, and quoted nowhere
	}
	waiting := said.info.PendingUpdateCount
	if h.isOurs(at) {
		h.ok("Telegram brings updates to " + h.where() + "; " + plural(waiting, "update") + " waiting")
	} else {
		h.warn("Telegram brings updates to " + placeOf(at) + ", and the config says " + h.where() + ": start the bot in webhook mode to set it anew; if that is the address of another bot, it must have a token of its own; " +
			plural(waiting, "update") + " waiting")
	}
	if said.info.LastErrorMessage != "" {
		h.lastError(said.info)
	}
}

func (h *hookCheck) isOurs(at *url.URL) bool {
	return at.Scheme == "https" && strings.EqualFold(at.Hostname(), strings.Trim(h.hook.URL, "[]")) && publicPort(at) == strconv.Itoa(h.hook.WebhookPort)
}

func (h *hookCheck) where() string { return fmt.Sprintf("%s, port %d", h.hook.URL, h.hook.WebhookPort) }

// placeOf is an address without its path, which is a secret.
func placeOf(at *url.URL) string {
	host := foreign.Line(at.Hostname(), 100)
	if host == "" {
		return "an address that cannot be read"
	}
	return host + ", port " + foreign.Line(publicPort(at), 5)
}

// portOf is 443 where a URL has none: Telegram takes https only.
func publicPort(at *url.URL) string {
	if port := at.Port(); port != "" {
		return port
	}
	return "443"
}

// lastError shows what went wrong last. Telegram keeps that for long; when
// nothing waits it is over.
func (h *hookCheck) lastError(info *models.WebhookInfo) {
	age := max(0, h.now.Sub(time.Unix(int64(info.LastErrorDate), 0))).Round(time.Second)
	text := foreign.Line(withoutPath(info.LastErrorMessage, info.URL), maxLastError)
	message := fmt.Sprintf("the last error that Telegram met, %s ago: %s", age, text)
	if info.PendingUpdateCount == 0 {
		h.ok(message + "; nothing waits, so it is over")
		return
	}
	h.warn(message + "; " + remedy(info.LastErrorMessage))
}

// withoutPath removes what follows the host of an address, and each part of it,
// from a text. The address need not be a good one.
func withoutPath(text, address string) string {
	_, rest, _ := strings.Cut(address, "://")
	_, path, _ := strings.Cut(rest, "/")
	for _, secret := range append([]string{"/" + path, path}, strings.Split(path, "/")...) {
		if len(secret) >= 8 { // shorter ones are words: webhook
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return text
}

// remedies say what to do about the usual errors, by what Telegram's text has in
// it, in lower case. The first that fits counts.
var remedies = []struct{ has, do string }{
	{"certificate verify failed", "the certificate that Telegram saw is not good: it must be for the name, in time, and with its whole chain (fullchain.pem)"},
	{"ssl", "TLS failed: is it the bot or a proxy with a certificate that answers on the public port?"},
	{"refused", "nothing listens on the public port: is the bot or the proxy running, and is the port passed on?"},
	{"timed out", "the public port cannot be reached: look at firewall and router; from Telegram's ranges, 149.154.160.0/20 and 91.108.4.0/22, it must be open"},
	{"resolve", "the name does not resolve for Telegram: look at its public DNS record"},
	{" 401", "something in front of the bot wants a password: let /webhook/ through without one"},
	{" 403", "the bot or a proxy refused it: is the proxy in webhook_config.trusted_proxy_ips, and does it pass the secret header on? webhook.rejected in the bot's log says why"},
	{" 404", "the path is not known: start the bot anew, which sets it, and look whether the proxy passes /webhook/ on as it is"},
	{" 429", "too much came at once: Telegram comes again by itself"},
	{" 502", "the proxy does not reach the bot: is it running, on webhook_config.local_port?"},
	{" 503", "the bot could not write (store.error and store.full in its log say why), or the proxy does not reach it"},
}

// remedy is what to do about an error that Telegram reports.
func remedy(text string) string {
	text = strings.ToLower(text)
	for _, r := range remedies {
		if strings.Contains(text, r.has) {
			return r.do
		}
	}
	return "the bot's log has its side, with webhook.rejected"
}
