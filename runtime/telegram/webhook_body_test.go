package telegram

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/webhook"
)

// short makes the webhook impatient.
func short(o *WebhookOptions) {
	o.timeouts = timeouts{
		header: 200 * time.Millisecond, body: 400 * time.Millisecond, drain: 50 * time.Millisecond, take: 200 * time.Millisecond,
		answer: time.Second, idle: 300 * time.Millisecond,
	}
}

// declines holds a request of Telegram's that cannot be taken against what is
// promised: one status, nothing delivered, and no ban, however often it comes.
func (h *hook) declines(text string, status int, reason string) {
	h.t.Helper()
	h.reasons()
	for range 7 {
		answers := h.send(telegramPeer, text)
		if got := statuses(answers); !slices.Equal(got, []int{status}) {
			h.t.Fatalf("got %v, want %d", got, status)
		}
		h.saysNothing(answers[0])
	}
	if got := h.reasons(); !slices.Equal(got, slices.Repeat([]string{reason}, 7)) {
		h.t.Errorf("reasons are %v, want 7 times %s", got, reason)
	}
	if got := h.logged("webhook.rejected"); len(got) == 0 || got[len(got)-1].ContextMap()["reason"] != reason {
		h.t.Errorf("logged was %v", got)
	}
	h.isBanned(telegramPeer, false)
	if n := h.in.count(); n != 0 {
		h.t.Errorf("%d updates were delivered", n)
	}
}

func TestBodiesThatAreNoUpdate(t *testing.T) {
	nested := func(open, end string, levels int) string {
		return `{"update_id":1,"message":` + strings.Repeat(open, levels) + strings.Repeat(end, levels) + `}`
	}
	for name, body := range map[string]string{
		"empty":                         "",
		"blanks":                        "  \r\n ",
		"null":                          "null",
		"a list":                        "[" + update(1) + "]",
		"a string":                      `"update_id"`,
		"an empty object":               "{}",
		"a form":                        "update_id=1",
		"no update_id":                  `{"message":{"text":"x"}}`,
		"update_id further in":          `{"message":{"update_id":1}}`,
		"update_id in other case":       `{"Update_ID":1}`,
		"update_id escaped":             `{"update\u005fid":1}`,
		"update_id null":                `{"update_id":null}`,
		"update_id 0":                   update(0),
		"update_id negative":            update(-1),
		"update_id a string":            `{"update_id":"1"}`,
		"update_id with a point":        `{"update_id":1.0}`,
		"update_id with an exponent":    `{"update_id":1e3}`,
		"update_id of 54 bits":          `{"update_id":9007199254740993}`,
		"update_id of 64 bits":          `{"update_id":18446744073709551617}`,
		"update_id of 10,000 digits":    `{"update_id":` + strings.Repeat("1", 10_000) + `}`,
		"update_id with a leading zero": `{"update_id":01}`,
		"update_id a list":              `{"update_id":[1]}`,
		"no end":                        update(1)[:20],
		"text after it":                 update(1) + "x",
		"two updates":                   update(1) + update(2),
		"a NUL after it":                update(1) + "\x00",
		"a byte order mark":             "\xef\xbb\xbf" + update(1),
		"UTF-16":                        "\xff\xfe{\x00}\x00",
		"a comma too many":              `{"update_id":1,}`,
		"single quotes":                 `{'update_id':1}`,
		"a comment":                     `{"update_id":1/**/}`,
		"not a number":                  `{"update_id":1,"x":NaN}`,
		"a control character":           "{\"update_id\":1,\"x\":\"\x01\"}",
		"a wrong escape":                `{"update_id":1,"x":"\x"}`,
		"10,001 levels":                 nested("[", "]", 10_001),
		"10,001 objects":                `{"update_id":1,"a":` + strings.Repeat(`{"a":`, 10_001) + "1" + strings.Repeat("}", 10_001) + `}`,
		"500,000 levels":                nested("[", "]", 500_000),
		"500,000 levels without an end": nested("[", "", 500_000),
	} {
		t.Run(name, func(t *testing.T) {
			h := listenHook(t)
			h.declines(h.ask(body).String(), http.StatusBadRequest, "json")
			h.isTaken(telegramPeer, h.ask(update(1)).String())
		})
	}
}

// TestBodiesThatAreStrangeButUpdates are taken, each once, and as they are; what
// they mean is decided later, by [Decode], on the same bytes.
func TestBodiesThatAreStrangeButUpdates(t *testing.T) {
	full := `{"update_id":7,"x":"` + strings.Repeat("x", webhook.MaxBody-len(`{"update_id":7,"x":""}`)) + `"}`
	for name, c := range map[string]struct {
		body string
		kind chat.Kind
	}{
		"update_id twice":   {`{"update_id":7,"update_id":8,"poll":{}}`, chat.Ignored},
		"update_id thrice":  {`{"update_id":7,"update\u005fid":9,"update_id":8}`, chat.Ignored},
		"message twice":     {`{"update_id":7,"message":{"text":"a"},"message":{"text":"b"}}`, chat.Ignored},
		"invalid UTF-8":     {"{\"update_id\":7,\"message\":{\"text\":\"\xff\xc0\xaf\"}}", chat.Ignored},
		"a lone surrogate":  {`{"update_id":7,"message":{"text":"\ud800"}}`, chat.Ignored},
		"blanks around":     {" \r\n\t{ \"update_id\" :\n7 }\n ", chat.Ignored},
		"update_id last":    {`{"message":{"update_id":8},"update_id":7}`, chat.Ignored},
		"9,000 levels":      {`{"update_id":7,"x":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`, chat.Ignored},
		"1 MiB":             {full, chat.Ignored},
		"100,000 fields":    {`{"update_id":7` + strings.Repeat(`,"":0`, 100_000) + `}`, chat.Ignored},
		"keys like methods": {`{"update_id":7,"__proto__":{},"constructor":1}`, chat.Ignored},
	} {
		t.Run(name, func(t *testing.T) {
			h := listenHook(t)
			h.isTaken(telegramPeer, h.ask(c.body).String())
			got := h.in.updates[0]
			if got.ID != 7 || string(got.Data) != c.body {
				t.Fatalf("update %d with %d bytes was delivered", got.ID, len(got.Data))
			}
			u, err := Decode(got.Data)
			if err != nil || u.ID != 7 || u.Kind != c.kind {
				t.Errorf("decoded as %+v, %v", u, err)
			}
		})
	}
}

// TestTooLargeBodies: one that says so is refused before it is read, one that
// does not as soon as it is (C5).
func TestTooLargeBodies(t *testing.T) {
	tooMuch := `{"update_id":7,"x":"` + strings.Repeat("x", webhook.MaxBody+1-len(`{"update_id":7,"x":""}`)) + `"}`
	t.Run("declared", func(t *testing.T) {
		t.Parallel()
		h := listenHook(t)
		h.declines(h.ask(tooMuch).String(), http.StatusRequestEntityTooLarge, "too_large")
	})
	for _, length := range []string{"1048577", "9223372036854775807"} {
		t.Run("declared only: "+length, func(t *testing.T) {
			t.Parallel()
			h := listenHook(t)
			text := h.ask("").with("Content-Length: " + length).head()
			h.declines(text, http.StatusRequestEntityTooLarge, "too_large")
			h.isRefused(strangerPeer, text, http.StatusRequestEntityTooLarge, "too_large", true)
		})
	}
	t.Run("chunked", func(t *testing.T) {
		t.Parallel()
		h := listenHook(t)
		text := h.ask("").with("Transfer-Encoding: chunked").head() + chunk(tooMuch) + "0\r\n\r\n"
		h.declinesAndCloses(text, http.StatusRequestEntityTooLarge, "too_large")
	})
	t.Run("chunked, and just small enough", func(t *testing.T) {
		t.Parallel()
		h := listenHook(t)
		h.isTaken(telegramPeer, h.ask("").with("Transfer-Encoding: chunked").head()+chunk(strings.Replace(tooMuch, "x\"}", "\"}", 1))+"0\r\n\r\n")
	})
	t.Run("chunked without end", func(t *testing.T) {
		t.Parallel()
		h := listenHook(t)
		w := h.dial(telegramPeer)
		w.say(h.ask("").with("Transfer-Encoding: chunked").head())
		pours := make(chan int)
		go func() {
			written := 0
			for part := chunk(strings.Repeat(" ", 64<<10)); ; written += len(part) {
				_ = w.SetWriteDeadline(time.Now().Add(longest))
				if _, err := w.Write([]byte(part)); err != nil || written > 64<<20 {
					pours <- written
					return
				}
			}
		}()
		if got := w.answer("POST"); got.status != http.StatusRequestEntityTooLarge {
			t.Errorf("got %d", got.status)
		}
		if !w.ended() {
			t.Error("the connection goes on")
		}
		if n := <-pours; n > 32<<20 {
			t.Errorf("%d bytes were taken from the wire", n)
		}
	})
}

func chunk(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) }

// declinesAndCloses is for what is refused once in the middle of a body.
func (h *hook) declinesAndCloses(text string, status int, reason string) {
	h.t.Helper()
	w := h.dial(telegramPeer)
	got := w.say(text).answer("POST")
	if got.status != status {
		h.t.Errorf("got %d, want %d", got.status, status)
	}
	h.saysNothing(got)
	if !w.ended() {
		h.t.Error("the connection goes on")
	}
	if got := h.reasons(); !slices.Equal(got, []string{reason}) {
		h.t.Errorf("reasons are %v, want %s", got, reason)
	}
	h.isBanned(telegramPeer, false)
	if n := h.in.count(); n != 0 {
		h.t.Errorf("%d updates were delivered", n)
	}
}

func TestEncodedBodiesAreNotUnpacked(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write([]byte(`{"update_id":1,"x":"`))
	for range 100 {
		_, _ = z.Write(bytes.Repeat([]byte("x"), 1<<20))
	}
	_ = z.Close()
	for _, coding := range []string{"gzip", "deflate", "br", "zstd", "identity", "gzip, gzip", "", "x"} {
		h := listenHook(t)
		text := h.ask(bomb.String()).with("Content-Encoding: " + coding).String()
		h.declines(text, http.StatusUnsupportedMediaType, "encoding")
		h.isRefused(strangerPeer, text, http.StatusUnsupportedMediaType, "encoding", true)
	}
	// Without the header it is what it is: bytes that are no JSON.
	h := listenHook(t)
	h.declines(h.ask(bomb.String()).String(), http.StatusBadRequest, "json")
}

// TestABodyThatEndsEarly: the connection is over before the body is.
func TestABodyThatEndsEarly(t *testing.T) {
	for name, text := range map[string]func(ask) string{
		"shorter than declared": func(a ask) string { return a.with("Content-Length: 500").head() + a.body },
		"nothing of it":         func(a ask) string { return a.with("Content-Length: 500").head() },
		"an update, and more":   func(a ask) string { return a.with(fmt.Sprint("Content-Length: ", len(a.body)+1)).head() + a.body },
		"chunked":               func(a ask) string { return a.with("Transfer-Encoding: chunked").head() + "fff\r\n" + a.body },
		"chunked, no last chunk": func(a ask) string {
			return a.with("Transfer-Encoding: chunked").head() + chunk(a.body)
		},
		"chunked, half a last chunk": func(a ask) string {
			return a.with("Transfer-Encoding: chunked").head() + chunk(a.body) + "0\r\n"
		},
		"chunked, no size": func(a ask) string { return a.with("Transfer-Encoding: chunked").head() + "\r\n" + a.body },
		"chunked, a great size": func(a ask) string {
			return a.with("Transfer-Encoding: chunked").head() + strings.Repeat("f", 17) + "\r\n" + a.body
		},
		"chunked, a negative size": func(a ask) string { return a.with("Transfer-Encoding: chunked").head() + "-1\r\n" + a.body },
	} {
		t.Run(name, func(t *testing.T) {
			h := listenHook(t)
			h.declines(text(h.ask(update(1))), http.StatusRequestTimeout, "body")
		})
	}
}

// TestASlowBody holds a place for bodyTimeout, and no longer.
func TestASlowBody(t *testing.T) {
	for _, headers := range []string{"Content-Length: 500", "Transfer-Encoding: chunked"} {
		h := listenHook(t, short)
		w := h.dial(telegramPeer)
		w.say(h.ask("").with(headers).head())
		stop := w.drip(" ")
		began := time.Now()
		got := w.answer("POST")
		stop()
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("it was waited for %s", took)
		}
		if got.status != http.StatusRequestTimeout {
			t.Errorf("got %d", got.status)
		}
		h.saysNothing(got)
		if !w.ended() {
			t.Error("the connection goes on")
		}
		if got := h.reasons(); !slices.Equal(got, []string{"body"}) {
			t.Errorf("reasons are %v", got)
		}
		h.isBanned(telegramPeer, false)
		h.isTaken(telegramPeer, h.ask(update(1)).String())
	}
}

// drip writes a text again and again, slowly, until it is told to stop.
func (w *line) drip(text string) (stop func()) {
	over, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for tick := time.NewTicker(10 * time.Millisecond); ; {
			select {
			case <-tick.C:
				_, _ = w.Write([]byte(text))
			case <-over:
				tick.Stop()
				return
			}
		}
	}()
	return func() { close(over); <-stopped }
}

// TestExpectContinue: who asks first is told no before the body.
func TestExpectContinue(t *testing.T) {
	const expect = "Expect: 100-continue"
	h := listenHook(t)
	good := h.ask(update(1)).with(expect, fmt.Sprint("Content-Length: ", len(update(1))))
	w := h.dial(telegramPeer)
	if got := w.say(good.head()).answer("POST"); got.status != http.StatusContinue {
		t.Fatalf("got %d, want to be let go on", got.status)
	}
	if got := w.say(good.body).answer("POST"); got.status != http.StatusOK || h.in.count() != 1 {
		t.Fatalf("got %d, and %d updates", got.status, h.in.count())
	}
	h.in.forget()
	for name, c := range map[string]struct {
		a      ask
		status int
	}{
		"path":   {good.to("/"), http.StatusNotFound},
		"secret": {good.secret("x"), http.StatusForbidden},
		"method": {good.by("PUT"), http.StatusMethodNotAllowed},
	} {
		for _, peer := range []string{telegramPeer, proxyPeer, strangerPeer} {
			w := h.dial(peer)
			got := w.say(c.a.head()).answer("POST")
			if got.status != c.status {
				t.Errorf("%s from %s got %d, want %d", name, peer, got.status, c.status)
			}
			h.saysNothing(got)
			if !w.ended() { // what follows may be the body, or the next request
				t.Errorf("%s from %s: the connection goes on", name, peer)
			}
		}
	}
	if h.in.count() != 0 {
		t.Error("something was delivered")
	}
}
