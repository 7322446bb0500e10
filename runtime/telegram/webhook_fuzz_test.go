package telegram

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// FuzzWebhookBytes sends anything from Telegram's address, which is never banned.
// {path} and {secret} stand for the real ones, so that the search gets behind
// them. An update may only come in by a request that has both, and each request
// brings one at most.
func FuzzWebhookBytes(f *testing.F) {
	h := listenHook(f, func(o *WebhookOptions) {
		o.Policy.Additional = []netip.Prefix{netip.MustParsePrefix("127.2.0.0/16")}
		o.timeouts = usualTimeouts
		o.timeouts.header, o.timeouts.body, o.timeouts.idle = time.Second, time.Second, time.Second
	})
	pair := h.pair()
	good := strings.NewReplacer(pair.Path(), "{path}", pair.Secret(), "{secret}").Replace(h.ask(update(1)).String())
	for _, seed := range []string{
		"", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /\r\n",
		good, good + good, good[:len(good)-1], strings.ReplaceAll(good, "\r\n", "\n"),
		strings.Replace(good, "{secret}", "{secret}, {secret}", 1),
		strings.Replace(good, "POST {path}", "POST {path}?", 1),
		strings.Replace(good, "{path}", "/webhook/", 1), strings.Replace(good, "{secret}", "secret", 1),
		strings.Replace(good, "Content-Length:", "Transfer-Encoding: chunked\r\nContent-Length:", 1),
		strings.Replace(good, "Content-Length:", "Content-Length :", 1),
		strings.Replace(good, "HTTP/1.1", "HTTP/1.0", 1) + good,
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + good,
		"POST / HTTP/1.1\r\nHost: a\r\nX: a\r\n " + good,
		"POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n" + good,
	} {
		f.Add([]byte(seed))
	}
	calls := 0
	f.Fuzz(func(t *testing.T, raw []byte) {
		h.t = t
		text := strings.NewReplacer("{path}", pair.Path(), "{secret}", pair.Secret()).Replace(string(raw))
		// One address has not enough port numbers for all calls.
		calls++
		c := h.dial(fmt.Sprintf("127.2.%d.%d", calls/250%250, calls%250+1))
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(longest))
		_, _ = io.WriteString(c, text) // the server may hang up before its end
		_ = c.CloseWrite()
		if _, err := io.Copy(io.Discard, c.in); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("the server neither answered nor hung up")
		}

		came := h.in.count()
		h.in.forget()
		h.reasons()
		if most := min(strings.Count(text, "POST "+pair.Path()+" HTTP/1."), strings.Count(text, pair.Secret())); came > most {
			t.Errorf("%d updates came in by %d requests", came, most)
		}
		if len(h.logged("webhook.panicked")) > 0 {
			t.Error("the handler panicked")
		}
		if len(h.banned()) > 0 {
			t.Error("Telegram's address was banned")
		}
	})
}
