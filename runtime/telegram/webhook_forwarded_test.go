package telegram

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

const forwarded = "X-Forwarded-For: "

func withProxy(o *WebhookOptions) {
	o.Policy.Proxies = []netip.Prefix{netip.MustParsePrefix(proxyPeer + "/32")}
}

// lastClient is who the log says was refused last.
func (h *hook) lastClient() any {
	rejected := h.logged("webhook.rejected")
	if len(rejected) == 0 {
		return nil
	}
	return rejected[len(rejected)-1].ContextMap()["peer"]
}

// TestForwardedForBehindATrustedProxy: the proxy writes whom it saw at the right
// end; what stands further left is the client's own (C2).
func TestForwardedForBehindATrustedProxy(t *testing.T) {
	long := func(n int) string {
		return forwarded + "192.0.2.1," + strings.Repeat(" ", n-len("192.0.2.1,")-len(telegramPeer)) + telegramPeer
	}
	const spoof = forwarded + telegramPeer
	for _, c := range []struct {
		name    string
		headers []string
		status  int
		reason  string // none: it is taken
		client  string // who was refused
	}{
		{"Telegram", []string{spoof}, 200, "", ""},
		{"Telegram, and its port", []string{spoof + ":443"}, 200, "", ""},
		{"Telegram, inside of IPv6", []string{forwarded + "::ffff:" + telegramPeer}, 200, "", ""},
		{"Telegram, inside of IPv6, and its port", []string{forwarded + "[::ffff:" + telegramPeer + "]:443"}, 200, "", ""},
		{"Telegram, lower case header", []string{"x-forwarded-for: " + telegramPeer}, 200, "", ""},
		{"blanks around", []string{forwarded + " \t " + telegramPeer + " \t "}, 200, "", ""},
		{"Telegram, which wrote something itself", []string{forwarded + far + ", " + telegramPeer}, 200, "", ""},
		{"the same in two headers", []string{forwarded + far, spoof}, 200, "", ""},
		{"a proxy after Telegram", []string{spoof + ", " + proxyPeer}, 200, "", ""},
		{"512 characters", []string{long(512)}, 200, "", ""},
		{"many entries", []string{forwarded + strings.Repeat("192.0.2.1,", 45) + telegramPeer}, 200, "", ""},

		{"spoofed at the left end", []string{spoof + ", " + far}, 403, "peer", far},
		{"spoofed, and a proxy's name after it", []string{spoof + ", " + far + ", " + proxyPeer}, 403, "peer", far},
		{"spoofed many times", []string{forwarded + strings.Repeat(telegramPeer+",", 45) + far}, 403, "peer", far},
		{"spoofed in a header of its own", []string{spoof, forwarded + far}, 403, "peer", far},
		{"spoofed with a published address", []string{forwarded + "149.154.167.220, " + far}, 403, "peer", far},
		{"only proxies", []string{forwarded + proxyPeer + ", " + proxyPeer}, 403, "peer", proxyPeer},
		{"an IPv6 client", []string{spoof + ", 2001:db8:0:1::"}, 403, "peer", "2001:db8:0:1::"},
		{"no header", nil, 403, "peer", proxyPeer},
		{"another header", []string{"X-Real-IP: " + telegramPeer, "Forwarded: for=" + telegramPeer, "X_Forwarded_For: " + telegramPeer, "X-Forwarded: " + telegramPeer, "True-Client-IP: " + telegramPeer}, 403, "peer", proxyPeer},

		{"513 characters", []string{long(513)}, 400, "forwarded", telegramPeer},
		{"513 characters in two headers", []string{forwarded + "192.0.2.1", long(503)}, 400, "forwarded", telegramPeer},
		{"200 headers", slices.Repeat([]string{spoof}, 200), 400, "forwarded", telegramPeer},
		{"a zone", []string{forwarded + "fe80::1%eth0"}, 400, "forwarded", proxyPeer},
		{"a zone further left", []string{forwarded + "fe80::1%eth0, " + telegramPeer}, 400, "forwarded", telegramPeer},
		{"a mapped address with a zone", []string{forwarded + "::ffff:" + telegramPeer + "%1"}, 400, "forwarded", proxyPeer},
		{"nothing", []string{forwarded}, 400, "forwarded", proxyPeer},
		{"commas", []string{forwarded + ",,,"}, 400, "forwarded", proxyPeer},
		{"blanks and commas", []string{forwarded + " , , "}, 400, "forwarded", proxyPeer},
		{"a comma at the end", []string{spoof + ","}, 400, "forwarded", proxyPeer},
		{"a comma at the start", []string{forwarded + "," + telegramPeer}, 400, "forwarded", telegramPeer},
		{"an empty header beside", []string{spoof, forwarded}, 400, "forwarded", proxyPeer},
		{"a blank between", []string{spoof + " " + far}, 400, "forwarded", proxyPeer},
		{"a folded line", []string{spoof + "\r\n " + telegramPeer}, 400, "forwarded", proxyPeer},
		{"a name", []string{forwarded + "unknown, " + telegramPeer}, 400, "forwarded", telegramPeer},
		{"octal", []string{forwarded + "127.0.0.07"}, 400, "forwarded", proxyPeer},
		{"hexadecimal", []string{forwarded + "0x7f.0.0.7"}, 400, "forwarded", proxyPeer},
		{"three parts", []string{forwarded + "127.0.7"}, 400, "forwarded", proxyPeer},
		{"a number", []string{forwarded + "2130706439"}, 400, "forwarded", proxyPeer},
		{"a range", []string{spoof + "/32"}, 400, "forwarded", proxyPeer},
		{"quotes", []string{forwarded + `"` + telegramPeer + `"`}, 400, "forwarded", proxyPeer},
		{"a great port", []string{spoof + ":65536"}, 400, "forwarded", proxyPeer},
		{"not UTF-8", []string{spoof + "\xff"}, 400, "forwarded", proxyPeer},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := listenHook(t, withProxy)
			text := h.ask(update(1)).with(c.headers...).String()
			if c.reason == "" {
				h.isTaken(proxyPeer, text)
				return
			}
			for range 6 {
				answers := h.send(proxyPeer, text)
				if got := statuses(answers); !slices.Equal(got, []int{c.status}) {
					t.Fatalf("got %v, want %d", got, c.status)
				}
				h.saysNothing(answers[0])
			}
			if got := h.lastClient(); got != c.client {
				t.Errorf("refused was %v, want %s", got, c.client)
			}
			if got := h.reasons(); len(got) != 6 || got[5] != c.reason {
				t.Errorf("reasons are %v, want 6 times %s", got, c.reason)
			}
			bans := []string{c.client}
			if c.client == proxyPeer || c.client == telegramPeer {
				bans = nil
			}
			if got := h.banned(); !slices.Equal(got, bans) {
				t.Errorf("banned are %v, want %v", got, bans)
			}
			if n := h.in.count(); n != 0 {
				t.Errorf("%d updates were delivered", n)
			}
			h.isTaken(proxyPeer, h.ask(update(1)).with(spoof).String())
		})
	}
}

// TestForwardedForWithoutAProxy: nobody is trusted, so the header is a sign of a
// proxy that the operator has forgotten, and the request is refused.
func TestForwardedForWithoutAProxy(t *testing.T) {
	for _, header := range []string{forwarded + telegramPeer, forwarded + far, forwarded, forwarded + ",", forwarded + strings.Repeat("1", 600)} {
		h := listenHook(t)
		text := h.ask(update(1)).with(header).String()
		h.isRefused(telegramPeer, text, http.StatusForbidden, "no_proxy", false)
		if h.logged("webhook.rejected")[0].ContextMap()["hint"] == nil {
			t.Error("no hint")
		}
		h.isRefused(strangerPeer, text, http.StatusForbidden, "no_proxy", false)
		// It helps nobody against being counted.
		h.isRefused(strangerPeer, h.ask("").to("/").with(header).String(), http.StatusNotFound, "path", true)
	}
}

// TestForwardedForOfOthersIsNotBelieved: a proxy is trusted, but this is not it.
func TestForwardedForOfOthersIsNotBelieved(t *testing.T) {
	for _, header := range []string{forwarded + telegramPeer, forwarded + proxyPeer, forwarded + "nonsense,", forwarded + strings.Repeat("1", 600)} {
		h := listenHook(t, withProxy)
		text := h.ask(update(1)).with(header).String()
		h.isRefused(strangerPeer, text, http.StatusForbidden, "peer", true)
		h.isTaken(telegramPeer, text)
	}
}

// TestABannedClientDoesNotEndTheProxysConnection: others use it.
func TestABannedClientDoesNotEndTheProxysConnection(t *testing.T) {
	h := listenHook(t, withProxy)
	w := h.dial(proxyPeer)
	wrong := h.ask(update(1)).to("/").with(forwarded + telegramPeer + ", " + far).String()
	good := h.ask(update(1)).with(forwarded + telegramPeer).String()
	for i := range 6 {
		if got := w.say(wrong).answer("POST"); got.status != http.StatusNotFound {
			t.Fatalf("attempt %d got %d", i+1, got.status)
		}
	}
	if got := h.banned(); !slices.Equal(got, []string{far}) {
		t.Fatalf("banned are %v", got)
	}
	for range 3 {
		// What the banned one sends is not looked at: not even the path.
		for _, text := range []string{wrong, h.ask(update(1)).with(forwarded + far).String(), h.ask("").by("GET").with(forwarded + far).String()} {
			got := w.say(text).answer("POST")
			if got.status != http.StatusForbidden || got.last {
				t.Fatalf("the banned client got %d %v", got.status, got.header)
			}
			h.saysNothing(got)
		}
		if got := w.say(good).answer("POST"); got.status != http.StatusOK {
			t.Fatalf("Telegram got %d on the same connection", got.status)
		}
	}
	if got := h.reasons(); !slices.Equal(got, append(slices.Repeat([]string{"path"}, 6), slices.Repeat([]string{"banned"}, 9)...)) {
		t.Errorf("reasons are %v", got)
	}
	if got := h.in.count(); got != 3 {
		t.Errorf("%d updates were delivered, want 3", got)
	}
	if got := statuses(h.send("127.0.0.99", h.ask("").to("/").String())); len(got) != 1 {
		t.Errorf("another got %v", got)
	}
}

// TestNobodyIsBannedForAnother: a client that names others is banned itself.
func TestNobodyIsBannedForAnother(t *testing.T) {
	h := listenHook(t, withProxy)
	const victim = "203.0.113.5"
	for range 6 {
		h.send(proxyPeer, h.ask("").to("/").with(forwarded+victim+", "+far).String())
	}
	for range 6 {
		h.send(strangerPeer, h.ask("").to("/").with(forwarded+victim).String())
	}
	if got := h.banned(); !slices.Equal(got, []string{far, strangerPeer}) {
		t.Errorf("banned are %v", got)
	}
}
