package telegram

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/webhook"
)

// padded is an update of exactly n bytes.
func padded(n int) string {
	const before, after = `{"update_id":5,"message":{"text":"`, `"}}`
	return before + strings.Repeat("x", n-len(before)-len(after)) + after
}

func TestBodies(t *testing.T) {
	bomb := &bytes.Buffer{}
	zip := gzip.NewWriter(bomb)
	_, _ = io.CopyN(zip, zeros{}, 64<<20)
	_ = zip.Close()
	deep := func(n int) string {
		return `{"update_id":5,"message":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	chunked := func(r *http.Request) { r.ContentLength = -1 }
	for name, test := range map[string]struct {
		body   string
		change func(*http.Request)
		status int
		reason webhook.Reason
	}{
		"1 MiB":                      {body: padded(1 << 20), status: 200},
		"1 MiB, chunked":             {body: padded(1 << 20), change: chunked, status: 200},
		"1 MiB + 1":                  {body: padded(1<<20 + 1), status: 413, reason: webhook.TooLarge},
		"1 MiB + 1, chunked":         {body: padded(1<<20 + 1), change: chunked, status: 413, reason: webhook.TooLarge},
		"a gzip bomb":                {body: bomb.String(), change: func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, status: 415, reason: webhook.Encoding},
		"zipped, and not said so":    {body: bomb.String(), status: 400, reason: webhook.JSON},
		"identity":                   {body: update(5), change: func(r *http.Request) { r.Header.Set("Content-Encoding", "identity") }, status: 415, reason: webhook.Encoding},
		"nothing":                    {body: "", status: 400, reason: webhook.JSON},
		"10,001 levels":              {body: deep(10_001), status: 400, reason: webhook.JSON},
		"500,000 levels":             {body: deep(500_000), status: 400, reason: webhook.JSON},
		"500,000 levels, no end":     {body: strings.Repeat(`{"update_id":`, 80_000), status: 400, reason: webhook.JSON},
		"9,000 levels":               {body: deep(9_000), status: 200},
		"duplicate keys":             {body: `{"update_id":5,"update_id":6,"message":{"text":"x"},"message":{}}`, status: 200},
		"invalid UTF-8":              {body: "{\"update_id\":5,\"message\":{\"text\":\"\xff\xfe\"}}", status: 200},
		"no id":                      {body: `{"message":{}}`, status: 400, reason: webhook.JSON},
		"an id below zero":           {body: `{"update_id":-5}`, status: 400, reason: webhook.JSON},
		"an id with a fraction":      {body: `{"update_id":5.5}`, status: 400, reason: webhook.JSON},
		"an id in quotes":            {body: `{"update_id":"5"}`, status: 400, reason: webhook.JSON},
		"an id above all numbers":    {body: `{"update_id":99999999999999999999}`, status: 400, reason: webhook.JSON},
		"more behind it":             {body: update(5) + "x", status: 400, reason: webhook.JSON},
		"two of them":                {body: update(5) + update(6), status: 400, reason: webhook.JSON},
		"a list":                     {body: "[" + update(5) + "]", status: 400, reason: webhook.JSON},
		"another content type":       {body: update(5), change: func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, status: 200},
		"who waits for a 100":        {body: update(5), change: func(r *http.Request) { r.Header.Set("Expect", "100-continue") }, status: 200},
		"who waits for a 100, wrong": {body: update(5), change: func(r *http.Request) { r.Header.Set("Expect", "100-continue"); r.URL.Path = "/" }, status: 404, reason: webhook.Path},
	} {
		t.Run(name, func(t *testing.T) {
			var reasons []string
			h := listenHook(t, func(o *WebhookOptions) { o.Observe = func(reason string) { reasons = append(reasons, reason) } })
			change := test.change
			if change == nil {
				change = func(*http.Request) {}
			}
			status, body := do(t, clientFrom(t, telegramPeer), h.post(test.body, change))
			if status != test.status || body != "" {
				t.Errorf("got %d %q, want %d", status, body, test.status)
			}
			want := ""
			if test.reason != "" {
				want = string(test.reason)
			}
			if got := strings.Join(reasons, " "); got != want {
				t.Errorf("the reason is %q, want %q", got, want)
			}
			if got := h.in.count(); (got == 1) != (test.status == 200) {
				t.Errorf("%d updates were taken", got)
			}
			if test.status == 200 && h.in.updates[0].ID != 5 {
				t.Errorf("taken as %d", h.in.updates[0].ID)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// slowly gives a body byte by byte, and never its end.
type slowly struct{ pause time.Duration }

func (s slowly) Read(p []byte) (int, error) {
	time.Sleep(s.pause)
	p[0] = ' '
	return 1, nil
}

func TestASlowBodyIsGivenUp(t *testing.T) {
	short := func(o *WebhookOptions) {
		o.timeouts = usualTimeouts
		o.timeouts.header, o.timeouts.body = 100*time.Millisecond, 200*time.Millisecond
	}
	for name, change := range map[string]func(*http.Request){
		"declared": func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(slowly{time.Millisecond}), 1<<20 },
		"chunked":  func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(slowly{time.Millisecond}), -1 },
		"to a wrong path": func(r *http.Request) {
			r.Body, r.ContentLength, r.URL.Path = io.NopCloser(slowly{time.Millisecond}), 1000, "/"
		},
	} {
		h := listenHook(t, short)
		began := time.Now()
		status, _ := do(t, clientFrom(t, telegramPeer), h.post("", change))
		if status == http.StatusOK || h.in.count() != 0 {
			t.Errorf("%s: got %d", name, status)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: given up after %v", name, took)
		}
	}
}

func TestWhatCannotBeTakenComesBack(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	secret := newToken()
	h := listenHook(t, func(o *WebhookOptions) { o.Log = zap.New(core) })
	client := clientFrom(t, telegramPeer)
	ask := func(want int) {
		t.Helper()
		res, err := client.Do(h.post(update(1)))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != want || (res.Header.Get("Retry-After") != "") != (want >= 429) || res.ContentLength != 0 {
			t.Errorf("got %d with %v, want %d", res.StatusCode, res.Header, want)
		}
	}
	h.in.fail(fmt.Errorf("on the way: %w", chat.ErrBusy))
	ask(http.StatusTooManyRequests)
	h.in.fail(errors.New("the disk is full"))
	for range 10 {
		ask(http.StatusServiceUnavailable)
	}
	if n := logs.FilterField(zap.String("event", "telegram.deliver_failed")).Len(); n != 1 {
		t.Errorf("logged %d times in a minute", n)
	}
	h.in.fail(nil)
	ask(http.StatusOK)
	for _, line := range logs.All() {
		if strings.Contains(fmt.Sprint(line), secret) || strings.Contains(fmt.Sprint(line), h.pair().PathSecret()) {
			t.Error("the log has a secret")
		}
	}
	if h.in.count() != 1 {
		t.Errorf("%d were taken", h.in.count())
	}
}
