package telegram

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-telegram/bot/models"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

func TestNewRefuses(t *testing.T) {
	token := newToken()
	tests := map[string]Options{
		"no token":                     {},
		"a short token":                {Token: "123456:abc"},
		"a token with a newline":       {Token: token + "\n"},
		"a token with a space":         {Token: " " + token},
		"a token with a slash":         {Token: token + "/../x"},
		"a token with a percent":       {Token: token + "%zz"},
		"an address without a scheme":  {Token: token, APIURL: "localhost:8081"},
		"an address of a file":         {Token: token, APIURL: "file:///etc/passwd"},
		"an address with a query":      {Token: token, APIURL: "https://x/?a=b"},
		"an address without a host":    {Token: token, APIURL: "https:///x"},
		"an address with a bad escape": {Token: token, APIURL: "https://joe:hunter22@x/%zz"},
	}
	for name, o := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := New(o)
			if err == nil {
				t.Fatal("it was taken")
			}
			if strings.Contains(err.Error(), "hunter22") || (o.Token != "" && strings.Contains(err.Error(), o.Token)) {
				t.Errorf("the error quotes a secret: %v", err)
			}
		})
	}
}

func TestErrorKinds(t *testing.T) {
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   []error
	}{
		{"401", refusal(401, "Unauthorized"), []error{ErrUnauthorized}},
		{"404", refusal(404, "Not Found"), []error{ErrNotFound}},
		{"403", refusal(403, "Forbidden: bot was blocked by the user"), []error{ErrForbidden}},
		{"409", refusal(409, "Conflict: terminated by other getUpdates request"), []error{ErrConflict}},
		{"429", say(429, `{"ok":false,"error_code":429,"parameters":{"retry_after":3}}`), []error{ErrTooManyRequests}},
		{"not modified", refusal(400, "Bad Request: message is not modified: specified new message content and reply markup are exactly the same"), []error{ErrNotModified, ErrBadRequest}},
		{"edit gone", refusal(400, "Bad Request: message to edit not found"), []error{ErrMessageGone, ErrBadRequest}},
		{"delete gone", refusal(400, "Bad Request: message to delete not found"), []error{ErrMessageGone, ErrBadRequest}},
		{"query too old", refusal(400, "Bad Request: query is too old and response timeout expired or query ID is invalid"), []error{ErrQueryTooOld, ErrBadRequest}},
		{"too long", refusal(400, "Bad Request: message is too long"), []error{ErrTooLong, ErrBadRequest}},
		{"caption too long", refusal(400, "Bad Request: message caption is too long"), []error{ErrTooLong, ErrBadRequest}},
		{"chat not found", refusal(400, "Bad Request: chat not found"), []error{ErrChatNotFound, ErrBadRequest}},
		{"another 400", refusal(400, "Bad Request: can't parse entities"), []error{ErrBadRequest}},
		{"migrated", say(400, `{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-1001}}`), []error{ErrMigrated, ErrBadRequest}},
		{"413 of a proxy", say(413, "<html>"), []error{ErrTooLong, ErrBadRequest}},
		{"500", refusal(500, "Internal Server Error"), []error{ErrUnavailable}},
		{"502 HTML", say(502, "<html>"), []error{ErrUnavailable}},
		{"401 HTML", say(401, "<html>"), []error{ErrUnavailable}},
		{"hang up", hangUp, []error{ErrUnavailable}},
		{"garbage", say(200, "garbage"), []error{ErrUnavailable}},
		{"a megabyte and more", say(200, `{"ok":true,"result":"`+strings.Repeat("x", maxAnswer)+`"}`), []error{ErrUnavailable}},
		{"a result of another type", say(200, `{"ok":true,"result":"yes"}`), []error{ErrUnreadable}},
	}
	all := []error{ErrUnauthorized, ErrConflict, ErrTooManyRequests, ErrForbidden, ErrNotFound, ErrUnavailable, ErrUnreadable, ErrBadRequest,
		ErrNotModified, ErrMessageGone, ErrQueryTooOld, ErrTooLong, ErrChatNotFound, ErrMigrated}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api := httptest.NewServer(tt.answer)
			defer api.Close()
			c := newTestClient(t, api.URL, newToken())
			_, libraryErr := c.bot.SendMessage(t.Context(), textParams(chat.Address{Chat: 7}, chat.Message{Text: "x"}))
			err := fmt.Errorf("wrapped: %w", settle("sendMessage", libraryErr))
			for _, kind := range all {
				want := false
				for _, w := range tt.want {
					want = want || w == kind
				}
				if errors.Is(err, kind) != want {
					t.Errorf("%v: Is(%v) = %v", err, kind, !want)
				}
			}
		})
	}
}

func TestErrorDetails(t *testing.T) {
	w := &wire{veil: newVeil(newToken(), nil)}
	err := w.verdict("sendMessage", &answer{status: 429, body: []byte(`{"ok":false,"error_code":429,"parameters":{"retry_after":3}}`)})
	if retryAfter(fmt.Errorf("x: %w", err)) != 3*time.Second {
		t.Errorf("%v", err)
	}
	err = w.verdict("sendMessage", &answer{status: 400, body: []byte(`{"ok":false,"error_code":400,"parameters":{"migrate_to_chat_id":-1001}}`)})
	var e *Error
	if !errors.As(err, &e) || e.MigratedTo != -1001 || e.Method != "sendMessage" || e.Code != 400 {
		t.Errorf("%+v", err)
	}
	err = w.verdict("sendMessage", &answer{status: 400, body: []byte(`{"ok":false,"error_code":400,"description":"a\nb\u0000` + strings.Repeat("ö", 500) + `"}`)})
	if text := err.Error(); strings.ContainsAny(text, "\n\x00") || len(text) > maxErrorText+100 {
		t.Errorf("%q", text)
	}
}

func TestGetMe(t *testing.T) {
	srv := emulator.New(emulator.Options{})
	defer srv.Close()
	api := httptest.NewServer(srv)
	defer api.Close()
	me, err := newTestClient(t, api.URL, srv.Token()).GetMe(t.Context())
	if err != nil || me.ID != srv.Bot().ID || me.Username != srv.Bot().Username {
		t.Errorf("%+v, %v", me, err)
	}
	if _, err := newTestClient(t, api.URL, newToken()).GetMe(t.Context()); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("a wrong token: %v", err)
	}
	notFound := httptest.NewServer(refusal(404, "Not Found"))
	defer notFound.Close()
	if _, err := newTestClient(t, notFound.URL, newToken()).GetMe(t.Context()); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("404: %v", err)
	}
}

func TestWebhookCalls(t *testing.T) {
	srv := emulator.New(emulator.Options{})
	defer srv.Close()
	api := httptest.NewServer(srv)
	defer api.Close()
	c := newTestClient(t, api.URL, srv.Token())
	if removed, err := c.DeleteWebhook(t.Context()); removed || err != nil || srv.Count("deleteWebhook") != 0 {
		t.Errorf("without a webhook: %v, %v", removed, err)
	}
	hook := Webhook{URL: "https://bot.example.org/webhook/x/", Secret: "abc", Certificate: []byte("-----BEGIN CERTIFICATE-----"), MaxConnections: 5}
	if err := c.SetWebhook(t.Context(), hook); err != nil {
		t.Fatal(err)
	}
	info, err := c.WebhookInfo(t.Context())
	if err != nil || info.URL != hook.URL {
		t.Errorf("%+v, %v", info, err)
	}
	if removed, err := c.DeleteWebhook(t.Context()); !removed || err != nil {
		t.Errorf("with a webhook: %v, %v", removed, err)
	}
	for _, call := range append(srv.Calls("deleteWebhook"), srv.Calls("setWebhook")...) {
		if call.Params["drop_pending_updates"] != "" {
			t.Error("updates that wait are thrown away")
		}
	}
}

func TestSetMyCommands(t *testing.T) {
	srv := emulator.New(emulator.Options{})
	defer srv.Close()
	api := httptest.NewServer(srv)
	defer api.Close()
	c := newTestClient(t, api.URL, srv.Token())
	if err := c.SetMyCommands(t.Context(), nil); err != nil {
		t.Errorf("none: %v", err)
	}
	err := c.SetMyCommands(t.Context(), &models.BotCommandScopeAllPrivateChats{}, models.BotCommand{Command: "start", Description: "Say hello"})
	if err != nil {
		t.Fatal(err)
	}
	calls := srv.Calls("setMyCommands")
	if got := calls[1].Params; got["scope"] != `{"type":"all_private_chats"}` || !strings.Contains(got["commands"], `"start"`) {
		t.Errorf("sent %v", got)
	}
}

func TestBasicAuthenticationOfAnOwnServer(t *testing.T) {
	var got string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		got = user + " " + password + " " + r.URL.Path[:5]
		_, _ = io.WriteString(w, `{"ok":true,"result":[]}`)
	}))
	defer api.Close()
	c := newTestClient(t, strings.Replace(api.URL, "http://", "http://joe:p%40ss@", 1)+"/api/", newToken())
	if _, err := c.GetUpdates(t.Context(), 0, time.Second); err != nil || got != "joe p@ss /api/" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer other.Close()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusPermanentRedirect)
	}))
	defer api.Close()
	c := newTestClient(t, api.URL, newToken())
	if _, err := c.GetMe(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("getMe: %v", err)
	}
	if _, err := c.GetUpdates(t.Context(), 0, time.Second); !errors.Is(err, ErrUnavailable) {
		t.Errorf("getUpdates: %v", err)
	}
}

func TestTimeOutIsNotTheCallersEnd(t *testing.T) {
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer hang.Close()
	c, err := New(Options{Token: newToken(), APIURL: hang.URL, Timeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.GetMe(t.Context()); !errors.Is(err, ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("our time-out: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := c.GetMe(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnavailable) {
		t.Errorf("the caller's: %v", err)
	}
}

// echoes are servers that send the request's path, and so the token, back.
func echoes(t *testing.T) map[string]*httptest.Server {
	raw := func(format string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			fmt.Fprintf(conn, format, r.URL.Path)
		}
	}
	inDescription := func(code int, encode func(string) string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			refusal(code, "cannot do "+encode(r.URL.Path))(w, r)
		}
	}
	same := func(s string) string { return s }
	handlers := map[string]http.HandlerFunc{
		"description 400": inDescription(400, same),
		"description 401": inDescription(401, same),
		"description 409": inDescription(409, same),
		"description 429": inDescription(429, same),
		"description 500": inDescription(500, same),
		"escaped":         inDescription(400, url.QueryEscape),
		"every character escaped": inDescription(400, func(s string) string {
			var out strings.Builder
			for i := range len(s) {
				fmt.Fprintf(&out, "%%%02x", s[i])
			}
			return out.String()
		}),
		"HTML entities": inDescription(400, func(s string) string { return strings.ReplaceAll(s, ":", "&#58;") }),
		"capitals":      inDescription(400, strings.ToUpper),
		"a part of it":  inDescription(400, func(s string) string { return s[20:34] }),
		"cut in lines":  inDescription(400, func(s string) string { return s[:24] + "\n" + s[24:] }),
		"HTML page": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(502)
			fmt.Fprintf(w, "<h1>no way to %s</h1>", r.URL.Path)
		},
		"not JSON, 200":            func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) },
		"a result of another type": func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, `{"ok":true,"result":%q}`, r.URL.Path) },
		"an element":               func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, `{"ok":true,"result":[%q]}`, r.URL.Path) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://127.0.0.1:1"+r.URL.Path)
			w.WriteHeader(307)
		},
		"redirect to nonsense": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://[%zz"+r.URL.Path)
			w.WriteHeader(302)
		},
		"status line":       raw("HTTP/1.1 abc %s\r\n\r\n"),
		"not HTTP":          raw("%s\r\n\r\n"),
		"header line":       raw("HTTP/1.1 200 OK\r\n%s\r\n\r\n"),
		"content length":    raw("HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n"),
		"transfer encoding": raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: %s\r\n\r\n"),
		"chunk length":      raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n"),
		"hang up":           hangUp,
	}
	out := map[string]*httptest.Server{}
	for name, h := range handlers {
		out[name] = httptest.NewServer(h)
		t.Cleanup(out[name].Close)
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	out["nobody listens"] = gone
	return out
}

func TestTheTokenIsInNoErrorAndNoLog(t *testing.T) {
	for name, api := range echoes(t) {
		for _, scrubbed := range []bool{true, false} {
			t.Run(fmt.Sprint(name, " ", scrubbed), func(t *testing.T) {
				token := newToken()
				o := Options{Token: token, APIURL: api.URL}
				if scrubbed {
					o.Scrub = scrub.New([]string{token}).String
				}
				c, err := New(o)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				for _, text := range everythingSaid(t, c) {
					if leak := leaked(text, token); leak != "" {
						t.Errorf("%q is in %s", leak, text)
					}
				}
			})
		}
	}
}

// everythingSaid is all text that a client, a poller and a sender give out when
// nothing works.
func everythingSaid(t *testing.T, c *Client) []string {
	t.Helper()
	log, seen := logs()
	_, errMe := c.GetMe(t.Context())
	_, errUpdates := c.GetUpdates(t.Context(), 0, time.Second)
	_, errDelete := c.DeleteWebhook(t.Context())
	ctx, clock := patience(t)
	p := &Poller{Client: c, Deliver: (&inbox{}).deliver, Log: log, Clock: clock, RemoveWebhook: true}
	errRun := p.Run(ctx)
	ctx, clock = patience(t)
	s := NewSender(c, SenderOptions{Log: log, Clock: clock})
	_, errSend := s.Send(ctx, chat.Address{Chat: 7}, chat.Message{Text: "x"})
	errAnswer := s.Answer(ctx, "1", "", false)
	out := []string{lines(seen), fmt.Sprintf("%+v %+v", p.State(), s.State()), fmt.Sprintf("%v %+v %#v", c, c, c)}
	for _, err := range []error{errMe, errUpdates, errDelete, errRun, errSend, errAnswer} {
		for e := err; e != nil; e = errors.Unwrap(e) {
			out = append(out, fmt.Sprintf("%v %+v %#v", e, e, e))
		}
	}
	return out
}

// patience is a context that ends at the third pause of its clock.
func patience(t *testing.T) (context.Context, Clock) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	fake := newFakeClock()
	clock := fake.clock()
	clock.Sleep = func(ctx context.Context, d time.Duration) error {
		if len(fake.naps()) == 2 {
			cancel()
		}
		return fake.sleep(ctx, d)
	}
	return ctx, clock
}

// leaked returns the part of the token that a text holds, whatever its case.
func leaked(text, token string) string {
	_, key, _ := strings.Cut(token, ":")
	text = strings.ToLower(strings.NewReplacer("%", "", "\n", "", " ", "").Replace(text))
	for i := 0; i+12 <= len(key); i++ {
		part := strings.ToLower(key[i : i+12])
		for _, form := range []string{part, fmt.Sprintf("%x", part), fmt.Sprintf("%x", key[i:i+12]), strings.ToLower(base64.StdEncoding.EncodeToString([]byte(key)))} {
			if strings.Contains(text, form) {
				return form
			}
		}
	}
	return ""
}

func TestOutcomesAreObserved(t *testing.T) {
	srv := emulator.New(emulator.Options{})
	defer srv.Close()
	api := httptest.NewServer(srv)
	defer api.Close()
	var seen []string
	c, err := New(Options{Token: srv.Token(), APIURL: api.URL, Observe: func(method, outcome string) { seen = append(seen, method+" "+outcome) }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = c.GetMe(t.Context())
	srv.Fail(emulator.Fault{Method: "getMe", Status: 500})
	_, _ = c.GetMe(t.Context())
	srv.Fail(emulator.Fault{Method: "getUpdates", Status: 409})
	_, _ = c.GetUpdates(t.Context(), 0, time.Second)
	if got := strings.Join(seen, ", "); got != "getMe ok, getMe unavailable, getUpdates conflict" {
		t.Errorf("%s", got)
	}
}

func FuzzVeil(f *testing.F) {
	f.Add("no way to /bot", "/getMe", uint8(0), uint8(40))
	f.Add("%", "%4", uint8(4), uint8(12))
	f.Fuzz(func(t *testing.T, before, after string, from, to uint8) {
		token := newToken()
		_, key, _ := strings.Cut(token, ":")
		from, to = from%uint8(len(key)), min(to, uint8(len(key)))
		if int(from)+echoWindow > int(to) {
			t.Skip("too little to tell")
		}
		out := newVeil(token, nil).hide(before + key[from:to] + after)
		if strings.Contains(out, key[from:to]) {
			t.Errorf("%q survives in %q", key[from:to], out)
		}
		if strings.ContainsAny(out, "\n\r\x00") || len(out) > maxErrorText*3+3 {
			t.Errorf("%q", out)
		}
	})
}
