package emulator

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

// pageWorld is a world with its page; Ada is an admin, Cy a stranger.
type pageWorld struct {
	*world
	page  *httptest.Server
	token string
}

func newPageWorld(t *testing.T) *pageWorld { t.Helper(); return newPageWorldWith(t, nil) }

// newPageWorldWith gives Ada an authenticator.
func newPageWorldWith(t *testing.T, authenticator Authenticator) *pageWorld {
	t.Helper()
	w := newWorld(t, func(o *Options) { o.PageHosts = []string{"demo.example.org"} })
	page := httptest.NewServer(w.PageHandler([]Persona{
		{User: User{ID: ada, FirstName: "Ada", Username: "ada"}, Role: "admin", About: "may do everything",
			Chats: []int64{ada, group}, Authenticator: authenticator},
		{User: User{ID: 30, FirstName: "Cy"}, Role: "stranger"},
	}))
	t.Cleanup(page.Close)
	t.Cleanup(w.Close)
	p := &pageWorld{world: w, page: page}
	resp := p.get("/", nil)
	found := regexp.MustCompile(`<meta name="cofferdam-page" content="([A-Za-z0-9_-]{43})">`).FindStringSubmatch(resp.body)
	if found == nil {
		t.Fatalf("index.html has no token: %.300s", resp.body)
	}
	p.token = found[1]
	return p
}

type pageAnswer struct {
	status int
	header http.Header
	body   string
}

func (p *pageWorld) do(req *http.Request) pageAnswer {
	p.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return pageAnswer{resp.StatusCode, resp.Header, string(raw)}
}

func (p *pageWorld) get(path string, change func(*http.Request)) pageAnswer {
	p.t.Helper()
	req, err := http.NewRequest(http.MethodGet, p.page.URL+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	return p.do(req)
}

func (p *pageWorld) post(path string, in any, change func(*http.Request)) pageAnswer {
	p.t.Helper()
	req, err := http.NewRequest(http.MethodPost, p.page.URL+path, bytes.NewReader(mustJSON(in)))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set(tokenHeader, p.token)
	if change != nil {
		change(req)
	}
	return p.do(req)
}

func TestThePageIsServedWithItsGuards(t *testing.T) {
	p := newPageWorld(t)
	if p.get("/", nil).body == "" || strings.Contains(p.get("/", nil).body, tokenMark) {
		t.Error("the token's mark is still in the page")
	}
	for path, kind := range map[string]string{"/": "text/html", "/style.css": "text/css", "/app.js": "text/javascript"} {
		a := p.get(path, nil)
		if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), kind) {
			t.Errorf("%s: %d %s", path, a.status, a.header.Get("Content-Type"))
		}
		csp := a.header.Get("Content-Security-Policy")
		for _, rule := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'",
			"connect-src 'self'", "frame-ancestors 'none'"} {
			if !strings.Contains(csp, rule) {
				t.Errorf("%s: policy %q lacks %s", path, csp, rule)
			}
		}
		if strings.Contains(csp, "unsafe") || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", path, a.header)
		}
	}
	for _, path := range []string{"/page/index.html", "/index.html", "/../server.go", "/api/", "/nothing"} {
		if a := p.get(path, nil); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

func TestThePageHasNothingInline(t *testing.T) {
	entries, err := pageFiles.ReadDir("page")
	if err != nil || len(entries) < 3 {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		raw, err := pageFiles.ReadFile("page/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(e.Name(), ".html") {
			continue
		}
		for _, banned := range []string{`<script>`, `<style`, ` style="`, ` onclick=`, ` onload=`, `javascript:`} {
			if bytes.Contains(raw, []byte(banned)) {
				t.Errorf("%s has %s, which the policy forbids", e.Name(), banned)
			}
		}
	}
}

func TestOnlyLoopbackAndNamedHostsSeeThePage(t *testing.T) {
	p := newPageWorld(t)
	for host, want := range map[string]int{
		"localhost":               200,
		"LOCALHOST:8787":          200,
		"127.0.0.1:8787":          200,
		"127.9.9.9":               200,
		"[::1]:8787":              200,
		"[::1]":                   200,
		"demo.example.org":        200,
		"Demo.Example.org:443":    200,
		"evil.example.org":        403,
		"localhost.example.org":   403,
		"127.0.0.1.example.org":   403,
		"192.168.0.7:8787":        403,
		"0.0.0.0":                 403,
		"demo.example.org.evil.x": 403,
	} {
		for _, path := range []string{"/", "/api/world"} {
			if a := p.get(path, func(r *http.Request) { r.Host = host }); a.status != want {
				t.Errorf("host %q: %s answers %d, want %d", host, path, a.status, want)
			}
		}
	}
}

func TestForgedRequestsAreRefused(t *testing.T) {
	p := newPageWorld(t)
	before := len(p.Client(ada, ada).Messages())
	in := map[string]any{"as": ada, "text": "/stop"}
	for name, change := range map[string]func(*http.Request){
		"no token":        func(r *http.Request) { r.Header.Del(tokenHeader) },
		"an empty token":  func(r *http.Request) { r.Header.Set(tokenHeader, "") },
		"a wrong token":   func(r *http.Request) { r.Header.Set(tokenHeader, strings.Repeat("x", 43)) },
		"half the token":  func(r *http.Request) { r.Header.Set(tokenHeader, p.token[:20]) },
		"a foreign host":  func(r *http.Request) { r.Host = "evil.example.org" },
		"another method":  func(r *http.Request) { r.Method = http.MethodPut },
		"as a simple GET": func(r *http.Request) { r.Method = http.MethodGet },
	} {
		a := p.post("/api/chats/7/messages", in, change)
		if a.status < 400 || a.status >= 500 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if n := len(p.Client(ada, ada).Messages()); n != before {
		t.Errorf("%d messages came through", n-before)
	}
	if a := p.post("/api/chats/7/messages", in, nil); a.status != 200 {
		t.Errorf("the page itself: %d %s", a.status, a.body)
	}
	if other := newPageWorld(t); other.token == p.token {
		t.Error("two pages have the same token")
	}
}

func TestWorldListsPersonasAndChats(t *testing.T) {
	p := newPageWorld(t)
	var got struct {
		Bot struct {
			ID       int64  `json:"id"`
			Name     string `json:"name"`
			Username string `json:"username"`
		} `json:"bot"`
		Personas []pagePersona `json:"personas"`
	}
	if a := p.get("/api/world", nil); json.Unmarshal([]byte(a.body), &got) != nil {
		t.Fatal(a.body)
	}
	if got.Bot.ID != p.Bot().ID || got.Bot.Name != "cofferdam" || len(got.Personas) != 2 {
		t.Fatalf("world %+v", got)
	}
	want := `{"id":7,"name":"Ada","username":"ada","role":"admin","about":"may do everything","chats":[` +
		`{"id":7,"type":"private","title":"cofferdam"},{"id":-100123,"type":"group","title":"Ops room"}],"authenticator":false}`
	if s := string(mustJSON(got.Personas[0])); s != want {
		t.Errorf("persona %s\nwant    %s", s, want)
	}
	if c := got.Personas[1].Chats; len(c) != 1 || c[0].ID != 30 {
		t.Errorf("the stranger's chats %+v", c)
	}
}

func TestThePageActsOnlyForItsPersonasInTheirChats(t *testing.T) {
	p := newPageWorld(t)
	for _, tc := range []struct {
		path string
		in   any
		want int
	}{
		{"/api/chats/7/messages", map[string]any{"as": ada, "text": "hi"}, 200},
		{"/api/chats/-100123/messages", map[string]any{"as": ada, "text": "hi"}, 200},
		{"/api/chats/30/messages", map[string]any{"as": 30, "text": "hi"}, 200},
		{"/api/chats/7/messages", map[string]any{"as": bob, "text": "hi"}, 403},
		{"/api/chats/7/messages", map[string]any{"text": "hi"}, 403},
		{"/api/chats/7/messages", map[string]any{"as": 30, "text": "hi"}, 404},
		{"/api/chats/-100123/messages", map[string]any{"as": 30, "text": "hi"}, 404},
		{"/api/chats/x/messages", map[string]any{"as": ada, "text": "hi"}, 404},
		{"/api/chats/7/messages", map[string]any{"as": ada, "text": "  "}, 400},
		{"/api/chats/7/messages", map[string]any{"as": ada, "text": strings.Repeat("x", 4097)}, 400},
		{"/api/chats/7/messages", map[string]any{"as": ada, "text": strings.Repeat("x", maxPageBody)}, 413},
		{"/api/chats/7/messages", "text", 400},
		{"/api/chats/7/taps", map[string]any{"as": ada, "message_id": 999, "data": "x"}, 404},
		{"/api/chats/7/taps", map[string]any{"as": bob, "message_id": 1, "data": "x"}, 403},
		{"/api/chats/7/taps", "x", 400},
	} {
		a := p.post(tc.path, tc.in, nil)
		var refusal struct {
			Error string `json:"error"`
		}
		err := json.Unmarshal([]byte(a.body), &refusal)
		if a.status != tc.want || err != nil || (refusal.Error == "") != (tc.want == 200) {
			t.Errorf("%s %.60v: %d %s, want %d", tc.path, tc.in, a.status, a.body, tc.want)
		}
	}
	if a := p.get("/api/chats/7/events?as=8", nil); a.status != 403 {
		t.Errorf("events for nobody: %d", a.status)
	}
}

// watch opens an event stream; next gives its next event and fails the test if that is not the one named.
func (p *pageWorld) watch(path string) (next func(name string) string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	p.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.page.URL+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { resp.Body.Close() })
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || kind != "text/event-stream" {
		p.t.Fatalf("%s: %d %s", path, resp.StatusCode, kind)
	}
	in := bufio.NewReader(resp.Body)
	return func(name string) string {
		p.t.Helper()
		lines := make([]string, 3)
		for i := range lines {
			if lines[i], err = in.ReadString('\n'); err != nil {
				p.t.Fatalf("waiting for %s: %v", name, err)
			}
		}
		if lines[0] != "event: "+name+"\n" || lines[2] != "\n" {
			p.t.Fatalf("event %q, want %s", lines, name)
		}
		return strings.TrimSuffix(strings.TrimPrefix(lines[1], "data: "), "\n")
	}
}

func TestEventStream(t *testing.T) {
	p := newPageWorld(t)
	next := p.watch("/api/chats/7/events?as=7")
	want := `{"messages":[{"id":1,"from":{"id":7,"name":"Ada","bot":false},"date":1764000000,"edit_date":0,` +
		`"text":"hello","entities":[],"inline":[],"photo":null,"document":null}],"keyboard":null,"commands":[]}`
	if got := next("snapshot"); got != want {
		t.Errorf("snapshot %s\nwant     %s", got, want)
	}

	id := p.sent("sendMessage", fields{"chat_id": ada, "text": "a\n<b>", "entities": []fields{{"type": "bold", "offset": 0, "length": 1}},
		"reply_markup": inline(fields{"text": "Go", "callback_data": "g", "style": "danger"})}).MessageID
	want = `{"id":2,"from":{"id":` + p.Token()[:10] + `,"name":"cofferdam","bot":true},"date":1764000000,"edit_date":0,` +
		`"text":"a\n\u003cb\u003e","entities":[{"type":"bold","offset":0,"length":1,"url":"","language":""}],` +
		`"inline":[[{"text":"Go","data":"g","url":"","style":"danger"}]],"photo":null,"document":null}`
	if got := next("message"); got != want {
		t.Errorf("message %s\nwant    %s", got, want)
	}

	tap := p.post("/api/chats/7/taps", map[string]any{"as": ada, "message_id": id, "data": "g"}, nil)
	var query struct {
		ID string `json:"query_id"`
	}
	if json.Unmarshal([]byte(tap.body), &query) != nil || query.ID == "" {
		t.Fatalf("tap: %s", tap.body)
	}
	if a := p.post("/api/chats/7/taps", map[string]any{"as": ada, "message_id": id, "data": "forged"}, nil); a.status != 404 {
		t.Errorf("forged data: %d", a.status)
	}
	p.call("answerCallbackQuery", fields{"callback_query_id": query.ID, "text": "done", "show_alert": true})
	if got := next("answer"); got != `{"alert":true,"query_id":"`+query.ID+`","text":"done"}` {
		t.Errorf("answer %s", got)
	}
	p.call("sendChatAction", fields{"chat_id": ada, "action": "typing"})
	if got := next("action"); got != `{"action":"typing"}` {
		t.Errorf("action %s", got)
	}
	p.call("setMyCommands", fields{"commands": []fields{{"command": "start", "description": "begin"}}})
	if got := next("commands"); got != `{"commands":[{"command":"start","description":"begin"}]}` {
		t.Errorf("commands %s", got)
	}
	p.sent("sendMessage", fields{"chat_id": ada, "text": "menu", "reply_markup": fields{
		"keyboard": [][]string{{"A", "B"}}, "resize_keyboard": true, "input_field_placeholder": "pick"}})
	next("message")
	if got := next("keyboard"); got != `{"keyboard":{"rows":[["A","B"]],"placeholder":"pick","resize":true}}` {
		t.Errorf("keyboard %s", got)
	}
	p.call("editMessageText", fields{"chat_id": ada, "message_id": id, "text": "edited"})
	if got := next("message"); !strings.Contains(got, `"id":2,`) || !strings.Contains(got, `"edit_date":1764000000,"text":"edited"`) {
		t.Errorf("edit %s", got)
	}
	p.call("deleteMessage", fields{"chat_id": ada, "message_id": id})
	if got := next("delete"); got != `{"ids":[2]}` {
		t.Errorf("delete %s", got)
	}
	p.sent("sendMessage", fields{"chat_id": ada, "text": "x", "reply_markup": fields{"remove_keyboard": true}})
	next("message")
	if got := next("keyboard"); got != `{"keyboard":null}` {
		t.Errorf("removal %s", got)
	}
	again := p.watch("/api/chats/7/events?as=7")("snapshot")
	if strings.Contains(again, "edited") || strings.Count(again, `"from"`) != 3 {
		t.Errorf("a new snapshot: %s", again)
	}
}

func TestAnswersGoOnlyToTheTapper(t *testing.T) {
	p := newPageWorld(t)
	m := p.sent("sendMessage", fields{"chat_id": group, "text": "x", "reply_markup": inline(fields{"text": "Go", "callback_data": "g"})})
	next := p.watch("/api/chats/-100123/events?as=7")
	next("snapshot")
	id, err := p.Client(bob, group).TapOn(m.MessageID, "Go")
	if err != nil {
		t.Fatal(err)
	}
	p.call("answerCallbackQuery", fields{"callback_query_id": id, "text": "for Bob"})
	p.call("sendChatAction", fields{"chat_id": group, "action": "typing"})
	next("action") // and no answer before it
}

func TestAPageThatDoesNotKeepUpIsCutOff(t *testing.T) {
	w := newWorld(t)
	c := w.chats[ada]
	st := w.watch(c, ada)
	for range streamBuffer {
		w.Client(ada, ada).Type("x")
	}
	n := 0
	for range st.events { // ends because it was closed
		n++
	}
	if n != streamBuffer || len(c.streams) != 0 {
		t.Errorf("%d events, %d streams", n, len(c.streams))
	}
	w.unwatch(c, st)
	w.Client(ada, ada).Type("goes on")
}

func TestCloseEndsEventStreams(t *testing.T) {
	p := newPageWorld(t)
	resp, err := http.Get(p.page.URL + "/api/chats/7/events?as=7")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	p.Close()
	if _, err := io.ReadAll(resp.Body); err != nil {
		t.Errorf("the stream broke: %v", err)
	}
}

func TestOnlyPhotosAreShownOthersAreDownloads(t *testing.T) {
	p := newPageWorld(t)
	me := p.Client(ada, ada)
	file := func(spec MessageSpec) string {
		spec.ChatID, spec.From = ada, ada
		m := p.Send(spec)
		if m.Photo != nil {
			return m.Photo.ID
		}
		return m.Document.ID
	}
	picture := pngOf(t, 2, 2)
	for _, tc := range []struct {
		name, id, kind, disposition, body string
	}{
		{"photo", file(MessageSpec{Photo: &File{Name: "p.png", Bytes: picture}}), "image/png", "", string(picture)},
		{"a picture sent as a document", file(MessageSpec{Document: &File{Name: "p.png", Bytes: picture}}),
			"application/octet-stream", `attachment; filename=p.png`, string(picture)},
		{"a page", file(MessageSpec{Document: &File{Name: "x.html", Bytes: []byte("<script>")}}),
			"application/octet-stream", `attachment; filename=x.html`, "<script>"},
		{"a name that plays tricks", file(MessageSpec{Document: &File{Name: "a\"\r\nX: y", Bytes: []byte("z")}}),
			"application/octet-stream", `attachment; filename*=utf-8''a%22%0D%0AX%3A%20y`, "z"},
	} {
		a := p.get("/api/files/"+tc.id, nil)
		if a.status != 200 || a.body != tc.body || a.header.Get("Content-Type") != tc.kind ||
			a.header.Get("Content-Disposition") != tc.disposition || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", tc.name, a.status, a.header)
		}
	}
	if a := p.get("/api/files/nothing", nil); a.status != 404 {
		t.Errorf("an unknown file: %d", a.status)
	}
	if n := len(me.Messages()); n != 5 {
		t.Errorf("%d messages", n)
	}
}
