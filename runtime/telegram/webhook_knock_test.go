package telegram

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestTheWebhookRefusesAllButOneRequest knocks with requests that are wrong in
// one thing each, from Telegram's address, which is never banned, and from a
// stranger's, who is after the sixth (C1, C3).
func TestTheWebhookRefusesAllButOneRequest(t *testing.T) {
	const head = len("/webhook/")
	type row struct {
		name   string
		spoil  func(ask) ask
		status int
		reason string
	}
	path := func(name string, change func(path string) string) row {
		return row{"path: " + name, func(a ask) ask { return a.to(change(a.target)) }, http.StatusNotFound, "path"}
	}
	secret := func(name string, change func(ask, string) ask) row {
		return row{"secret: " + name, func(a ask) ask {
			return change(a, strings.TrimPrefix(a.headers[2], secretHeader))
		}, http.StatusForbidden, "secret"}
	}
	method := func(method, target string) row {
		return row{"method: " + method + " " + target, func(a ask) ask {
			if target != "" {
				a = a.to(target)
			}
			return a.by(method)
		}, http.StatusMethodNotAllowed, "method"}
	}
	rows := []row{
		path("the root", func(string) string { return "/" }),
		path("another", func(string) string { return "/webhook/" + strings.Repeat("A", 22) + "/" }),
		path("only its start", func(string) string { return "/webhook/" }),
		path("without the last slash", func(p string) string { return strings.TrimSuffix(p, "/") }),
		path("two last slashes", func(p string) string { return p + "/" }),
		path("one more character", func(p string) string { return strings.TrimSuffix(p, "/") + "A/" }),
		path("one character less", func(p string) string { return p[:len(p)-2] + "/" }),
		path("one bit wrong", func(p string) string { return p[:head] + string(p[head]^1) + p[head+1:] }),
		path("two first slashes", func(p string) string { return "/" + p }),
		path("two slashes within", func(p string) string { return strings.Replace(p, "/webhook/", "/webhook//", 1) }),
		path("dot", func(p string) string { return "/." + p }),
		path("dot within", func(p string) string { return strings.Replace(p, "/webhook/", "/webhook/./", 1) }),
		path("dots", func(p string) string { return "/x/.." + p }),
		path("dots, encoded", func(p string) string { return "/x/%2e%2e" + p }),
		path("a letter encoded", func(p string) string { return strings.Replace(p, "w", "%77", 1) }),
		path("the secret encoded", func(p string) string { return p[:head] + fmt.Sprintf("%%%02x", p[head]) + p[head+1:] }),
		path("a slash encoded", func(p string) string { return strings.TrimSuffix(p, "/") + "%2F" }),
		path("an empty query", func(p string) string { return p + "?" }),
		path("a query", func(p string) string { return p + "?a=b" }),
		path("a parameter", func(p string) string { return p + ";a=b" }),
		path("a fragment", func(p string) string { return p + "#a" }),
		path("a NUL, encoded", func(p string) string { return p + "%00" }),
		path("absolute", func(p string) string { return "http://bot.example.org" + p }),
		path("absolute, of another host", func(p string) string { return "https://example.org:8443" + p }),
		path("upper case", strings.ToUpper),
		path("lower case", func(p string) string { return "/Webhook/" + p[head:] }),
		path("a backslash", func(p string) string { return strings.TrimSuffix(p, "/") + "\\" }),
		path("8,000 characters", func(p string) string { return p + strings.Repeat("a", 8000) }),
		path("*", func(string) string { return "*" }),

		secret("missing", func(a ask, _ string) ask { return a.without(secretHeader) }),
		secret("empty", func(a ask, _ string) ask { return a.secret("") }),
		secret("wrong", func(a ask, s string) ask { return a.secret(strings.Repeat("A", len(s))) }),
		secret("one bit wrong", func(a ask, s string) ask { return a.secret(s[:len(s)-1] + string(s[len(s)-1]^1)) }),
		secret("the right one twice", func(a ask, s string) ask { return a.with(secretHeader + s) }),
		secret("a right and a wrong one", func(a ask, s string) ask { return a.with(secretHeader + strings.Repeat("A", len(s))) }),
		secret("a wrong and the right one", func(a ask, s string) ask { return a.secret(strings.Repeat("A", len(s))).with(secretHeader + s) }),
		secret("a list", func(a ask, s string) ask { return a.secret(s + ", " + s) }),
		secret("one character less", func(a ask, s string) ask { return a.secret(s[1:]) }),
		secret("one character more", func(a ask, s string) ask { return a.secret(s + "A") }),
		secret("256 characters", func(a ask, s string) ask { return a.secret(s + strings.Repeat("A", 256-len(s))) }),
		secret("in quotes", func(a ask, s string) ask { return a.secret(`"` + s + `"`) }),
		secret("not ASCII", func(a ask, s string) ask { return a.secret(s[:len(s)-2] + "é") }),
		secret("in another header", func(a ask, s string) ask {
			return a.without(secretHeader).with("Authorization: Bearer "+s, "X-Telegram-Bot-Api-Secret: "+s, "X_Telegram_Bot_Api_Secret_Token: "+s)
		}),
		secret("the path's", func(a ask, _ string) ask { return a.secret(a.target[head : len(a.target)-1]) }),

		method("GET", ""), method("HEAD", ""), method("PUT", ""), method("PATCH", ""), method("DELETE", ""),
		method("TRACE", ""), method("OPTIONS", ""), method("OPTIONS", "*"), method("CONNECT", ""),
		method("CONNECT", "example.org:443"), method("post", ""), method("Post", ""), method("POSTS", ""),
		method("PROPFIND", ""), method("GET", "/"), method("GET", "/.env"),
	}
	rows = append(rows, row{"method: in a header", func(a ask) ask {
		return a.by("GET").with("X-HTTP-Method-Override: POST", "X-Method-Override: POST")
	}, http.StatusMethodNotAllowed, "method"})

	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			h := listenHook(t)
			text := r.spoil(h.ask(update(1))).String()
			h.isRefused(telegramPeer, text, r.status, r.reason, false)
			h.isRefused(telegramPeer, text, r.status, r.reason, false)
			h.isTaken(telegramPeer, h.ask(update(1)).String())
			h.in.forget()

			reason := r.reason
			if reason == "secret" {
				reason = "peer" // it is not even looked at
			}
			h.isRefused(strangerPeer, text, r.status, reason, true)
			if got := h.logged("webhook.rejected"); len(got) > 12+6+1 {
				t.Errorf("%d lines for 19 refusals", len(got))
			}
			h.tellsNoSecret()
		})
	}
}

// tellsNoSecret looks for path and secret in the log.
func (h *hook) tellsNoSecret() {
	h.t.Helper()
	text := lines(h.seen)
	pair := h.pair()
	if strings.Contains(text, pair.PathSecret()) || strings.Contains(text, pair.Secret()) {
		h.t.Errorf("the log has a secret:\n%s", text)
	}
}

func TestTheAllowedMethodIsNamed(t *testing.T) {
	h := listenHook(t)
	got := h.send(telegramPeer, h.ask("").by("GET").String())
	if len(got) != 1 || got[0].header.Get("Allow") != "POST" {
		t.Errorf("got %+v", got)
	}
}

func TestAStrangerWithPathAndSecretIsRefused(t *testing.T) {
	h := listenHook(t)
	h.isRefused(strangerPeer, h.ask(update(1)).String(), http.StatusForbidden, "peer", true)
	if lines := h.logged("webhook.rejected"); lines[0].ContextMap()["hint"] == nil {
		t.Errorf("no hint in %v", lines[0].ContextMap())
	}
	h.isTaken(telegramPeer, h.ask(update(1)).String())
}

// TestFiveWrongRequestsAreForgiven: the sixth within ten seconds bans, for an
// hour, and the other hosts go on.
func TestFiveWrongRequestsAreForgiven(t *testing.T) {
	h := listenHook(t)
	wrong := h.ask("").to("/").String()
	for range 3 {
		for range 5 {
			h.send(strangerPeer, wrong)
		}
		h.isBanned(strangerPeer, false)
		h.pass(10 * time.Second)
	}
	for range 6 {
		h.send(strangerPeer, wrong)
	}
	h.isBanned(strangerPeer, true)
	if got := statuses(h.send("127.0.0.10", wrong)); len(got) != 1 {
		t.Errorf("the neighbour got %v", got)
	}
	h.pass(time.Hour)
	h.Sweep()
	if got := statuses(h.send(strangerPeer, wrong)); len(got) != 1 || got[0] != http.StatusNotFound {
		t.Errorf("after an hour the stranger got %v", got)
	}
	if got := h.logged("webhook.unbanned"); len(got) != 1 {
		t.Errorf("the end of the ban was logged %d times", len(got))
	}
}
