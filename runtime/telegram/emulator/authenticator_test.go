package emulator

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// app is an authenticator app whose code the test sets.
type app struct {
	mu   sync.Mutex
	code string
	left time.Duration
}

func (a *app) set(code string, left time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.code, a.left = code, left
}

func (a *app) reset() { a.set("", 0) }

func (a *app) show() (string, time.Duration, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.code, a.left, a.code != ""
}

const codeOfAda = "/api/personas/7/code"

func (p *pageWorld) asPage(r *http.Request) { r.Header.Set(tokenHeader, p.token) }

func TestAPersonasCodeIsShown(t *testing.T) {
	var app app
	p := newPageWorldWith(t, app.show)
	if a := p.get("/api/world", nil); strings.Count(a.body, `"authenticator":true`) != 1 || strings.Count(a.body, `"authenticator":false`) != 1 {
		t.Errorf("world %s", a.body)
	}
	for _, tc := range []struct {
		code string
		left time.Duration
		want string
	}{
		{"", 0, `{"code":"","left_ms":0}`},
		{"012345", 29999 * time.Millisecond, `{"code":"012345","left_ms":29999}`},
		{"12345678", -time.Second, `{"code":"12345678","left_ms":0}`},
	} {
		app.set(tc.code, tc.left)
		a := p.get(codeOfAda, p.asPage)
		if a.status != 200 || a.body != tc.want || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%d %s, want %s", a.status, a.body, tc.want)
		}
		if kept := a.header.Get("Cache-Control"); kept != "no-store" {
			t.Errorf("Cache-Control is %q", kept)
		}
	}
}

func TestACodeIsShownToThePageOnly(t *testing.T) {
	var app app
	app.set("123456", time.Second)
	p := newPageWorldWith(t, app.show)
	for name, tc := range map[string]struct {
		path   string
		change func(*http.Request)
		want   int
	}{
		"the page":              {codeOfAda, func(*http.Request) {}, 200},
		"another site":          {codeOfAda, func(r *http.Request) { r.Header.Del(tokenHeader); r.Header.Set("Origin", "http://evil.example.org") }, 403},
		"a wrong token":         {codeOfAda, func(r *http.Request) { r.Header.Set(tokenHeader, strings.Repeat("x", 43)) }, 403},
		"a foreign host":        {codeOfAda, func(r *http.Request) { r.Host = "evil.example.org" }, 403},
		"HEAD without a token":  {codeOfAda, func(r *http.Request) { r.Header.Del(tokenHeader); r.Method = http.MethodHead }, 403},
		"POST":                  {codeOfAda, func(r *http.Request) { r.Method = http.MethodPost }, 405},
		"no authenticator":      {"/api/personas/30/code", func(*http.Request) {}, 404},
		"in the world, no page": {"/api/personas/8/code", func(*http.Request) {}, 404},
		"unknown":               {"/api/personas/99/code", func(*http.Request) {}, 404},
		"no number":             {"/api/personas/x/code", func(*http.Request) {}, 404},
	} {
		a := p.get(tc.path, func(r *http.Request) { p.asPage(r); tc.change(r) })
		if a.status != tc.want || strings.Contains(a.body, "123456") != (tc.want == 200) {
			t.Errorf("%s: %d %s, want %d", name, a.status, a.body, tc.want)
		}
		if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: headers %v", name, a.header)
		}
	}
}
