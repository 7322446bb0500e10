package outbound

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

func TestARequestAndItsAnswer(t *testing.T) {
	w := newWorld(t)
	var got *http.Request
	var body []byte
	w.host("example.org", "1.1.1.1", func(rw http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		rw.Header().Set("X-Answer", "yes")
		rw.WriteHeader(http.StatusTeapot)
		_, _ = rw.Write([]byte("hello"))
	})
	answer, err := w.fetch(granted(t, "POST https://example.org/*"), abi.FetchRequest{
		Method: "POST", URL: "https://EXAMPLE.org./a%2cb?q=%2f", Body: []byte("body"),
		Headers: []abi.Header{{Name: "content-type", Value: "text/plain"}, {Name: "X-Many", Value: "1"}, {Name: "x-many", Value: "2"}, {Name: "User-Agent", Value: "me"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if answer.Status != http.StatusTeapot || string(answer.Body) != "hello" || answer.Cut || answer.CertificateUntil < time.Now().UnixMilli() ||
		!slices.Contains(answer.Headers, abi.Header{Name: "x-answer", Value: "yes"}) {
		t.Errorf("got %+v", answer)
	}
	if got.Host != "example.org" || got.RequestURI != "/a%2Cb?q=%2F" || string(body) != "body" || got.Proto != "HTTP/1.1" ||
		got.Header.Get("Content-Type") != "text/plain" || len(got.Header["X-Many"]) != 2 || !slices.Equal(got.Header["User-Agent"], []string{"me"}) {
		t.Errorf("sent %s %s %v %q", got.Host, got.RequestURI, got.Header, body)
	}
	if !slices.Equal(w.dialled, []string{"1.1.1.1:443"}) {
		t.Errorf("dialled %q", w.dialled)
	}
}

// With the system's resolver, over the machine's network.
func TestWithTheSystem(t *testing.T) {
	server := httptest.NewServer(say("here"))
	defer server.Close()
	w := newWorld(t)
	w.client = New(Config{})
	for _, host := range []string{"localhost", "127.0.0.1"} {
		url := "http://" + host + server.URL[strings.LastIndex(server.URL, ":"):]
		answer, err := w.fetch(granted(t, url+"/* private"), abi.FetchRequest{URL: url + "/"})
		if err != nil || string(answer.Body) != "here" {
			t.Errorf("%s: %q, %v", host, answer.Body, err)
		}
	}
	_, err := w.fetch(granted(t, "https://*:*/*"), abi.FetchRequest{URL: "https://localhost" + server.URL[strings.LastIndex(server.URL, ":"):]})
	w.want(err, abi.Denied)
}

func TestHowErrorsAreTold(t *testing.T) {
	w := newWorld(t)
	w.names["away.org"] = []string{"1.1.1.9"}
	w.names["other.org"] = []string{"1.1.1.2"}
	w.serve("1.1.1.2:443", certify(authority(), "example.org"), say(""))
	w.names["self.org"] = []string{"1.1.1.3"}
	w.serve("1.1.1.3:443", certify(nil, "self.org"), say(""))
	for url, want := range map[string]string{
		"https://nowhere.org/": "There is no server of that name.",
		"https://away.org/":    "No connection to the server can be made.",
		"https://other.org/":   "The server's certificate is for another name.",
		"https://self.org/":    "Nobody who is trusted vouches for the server's certificate.",
	} {
		_, err := w.fetch(granted(t, "https://*/*"), abi.FetchRequest{URL: url})
		w.want(err, abi.Unavailable)
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", url, err)
		}
	}
	w.serve("1.1.1.9:443", certify(authority(), "away.org"), func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, err := w.fetch(granted(t, "https://*/*"), abi.FetchRequest{URL: "https://away.org/"})
	w.want(err, abi.Unavailable)
}

func TestRequestsOutOfBounds(t *testing.T) {
	w := newWorld(t)
	w.secrets["lines"] = "a\r\nX-Evil: 1"
	w.host("example.org", "1.1.1.1", func(_ http.ResponseWriter, r *http.Request) { t.Errorf("a request came: %v", r.Header) })
	grant := granted(t, "GET|POST https://example.org/* secret=lines|none")
	for name, test := range map[string]struct {
		code abi.Code
		q    abi.FetchRequest
	}{
		"a body that is too long": {abi.Limit, abi.FetchRequest{Method: "POST", Body: make([]byte, MaxSent+1)}},
		"a body to read":          {abi.Invalid, abi.FetchRequest{Body: []byte("x")}},
		"less than no time":       {abi.Invalid, abi.FetchRequest{TimeoutMS: -1}},
		"less than no answer":     {abi.Invalid, abi.FetchRequest{MaxBody: -1}},
		"too many headers":        {abi.Limit, abi.FetchRequest{Headers: slices.Repeat([]abi.Header{{Name: "X", Value: "y"}}, maxLines+1)}},
		"headers too long":        {abi.Limit, abi.FetchRequest{Headers: slices.Repeat([]abi.Header{{Name: "X", Value: strings.Repeat("y", maxValue)}}, 5)}},
		"another method":          {abi.Denied, abi.FetchRequest{Method: "DELETE"}},
		"a secret of two lines":   {abi.Unavailable, abi.FetchRequest{Headers: []abi.Header{{Name: "X", Secret: "lines"}}}},
		"a secret that is none":   {abi.Unavailable, abi.FetchRequest{Headers: []abi.Header{{Name: "X", Secret: "none"}}}},
		"a secret for nobody":     {abi.Denied, abi.FetchRequest{Headers: []abi.Header{{Name: "X", Secret: "another"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			test.q.URL = "https://example.org/"
			_, err := w.fetch(grant, test.q)
			w.want(err, test.code)
		})
	}
}

// Headers that would change what is asked, of whom, or who asks, cannot be set, and
// none can bring another line.
func TestAttackHeaders(t *testing.T) {
	w := newWorld(t)
	w.secrets["token"] = rand.Text()
	w.host("example.org", "1.1.1.1", func(_ http.ResponseWriter, r *http.Request) { t.Errorf("a request came: %v", r.Header) })
	grant := granted(t, "GET|POST https://example.org/* secret=token")
	for _, h := range []abi.Header{
		{Name: "Host", Value: "evil.example"}, {Name: "host", Value: "x"}, {Name: "Connection", Value: "keep-alive"}, {Name: "Transfer-Encoding", Value: "chunked"},
		{Name: "Content-Length", Value: "0"}, {Name: "content_length", Value: "0"}, {Name: "Upgrade", Value: "websocket"}, {Name: "Expect", Value: "100-continue"},
		{Name: "Proxy-Authorization", Value: "x"}, {Name: "X-Forwarded-For", Value: "127.0.0.1"}, {Name: "X_Forwarded_Host", Value: "x"}, {Name: "X-HTTP-Method-Override", Value: "DELETE"},
		{Name: "X-Original-URL", Value: "/admin"}, {Name: "Accept-Encoding", Value: "gzip"}, {Name: "TE", Value: "trailers"},
		{Name: "", Value: "x"}, {Name: "A B", Value: "x"}, {Name: "A:", Value: "x"}, {Name: "A\r\nB", Value: "x"}, {Name: "Ä", Value: "x"}, {Name: strings.Repeat("a", maxName+1), Value: "x"},
		{Name: "X", Value: "a\r\nHost: evil"}, {Name: "X", Value: "a\nb"}, {Name: "X", Value: "a\x00"}, {Name: "X", Value: "\x7f"}, {Name: "X", Value: "ä"},
	} {
		_, err := w.fetch(grant, abi.FetchRequest{URL: "https://example.org/", Headers: []abi.Header{h}})
		w.want(err, abi.Invalid)
	}
	_, err := w.fetch(grant, abi.FetchRequest{URL: "https://example.org/", Headers: []abi.Header{{Name: "range", Value: "bytes=0-3"}, {Name: "A", Secret: "token"}}})
	w.want(err, abi.Invalid)
}

func TestAHugeBodyIsCut(t *testing.T) {
	w := newWorld(t)
	sent := 0
	w.host("example.org", "1.1.1.1", func(rw http.ResponseWriter, _ *http.Request) {
		for piece := make([]byte, 64<<10); sent < 1<<30; sent += len(piece) {
			if _, err := rw.Write(piece); err != nil {
				return
			}
		}
	})
	answer, err := w.fetch(granted(t, "https://example.org/*"), abi.FetchRequest{URL: "https://example.org/"})
	if err != nil || !answer.Cut || len(answer.Body) != MaxBody {
		t.Fatalf("%d bytes, cut %v, %v", len(answer.Body), answer.Cut, err)
	}
	answer, err = w.fetch(granted(t, "https://example.org/*"), abi.FetchRequest{URL: "https://example.org/", MaxBody: 7})
	if err != nil || !answer.Cut || len(answer.Body) != 7 {
		t.Errorf("%d bytes, cut %v, %v", len(answer.Body), answer.Cut, err)
	}
}

// A body that would be very long when it is unpacked stays as it is.
func TestABombIsNotUnpacked(t *testing.T) {
	w := newWorld(t)
	w.host("example.org", "1.1.1.1", func(rw http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Accept-Encoding"); got != "identity" {
			t.Errorf("asked for %q", got)
		}
		rw.Header().Set("Content-Encoding", "gzip")
		_, _ = rw.Write([]byte{0x1f, 0x8b, 8, 0})
	})
	answer, err := w.fetch(granted(t, "https://example.org/*"), abi.FetchRequest{URL: "https://example.org/"})
	if err != nil || !bytes.Equal(answer.Body, []byte{0x1f, 0x8b, 8, 0}) {
		t.Errorf("got %q, %v", answer.Body, err)
	}
	w.secrets["token"] = rand.Text()
	_, err = w.fetch(granted(t, "https://example.org/*"), abi.FetchRequest{URL: "https://example.org/"})
	w.want(err, abi.Unavailable) // a secret in it could not be hidden
}

func TestLongHeadersOfAnAnswer(t *testing.T) {
	w := newWorld(t)
	lines := 1
	w.host("example.org", "1.1.1.1", func(rw http.ResponseWriter, _ *http.Request) {
		for range lines {
			rw.Header().Add("X-Long", strings.Repeat("x", 1000))
		}
		rw.Header().Set("X-Bad", "a\u202eb")
		rw.Header().Set("Upgrade", "h2c")
	})
	answer, err := w.fetch(granted(t, "https://example.org/*"), abi.FetchRequest{URL: "https://example.org/"})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range answer.Headers {
		if h.Name == "upgrade" || strings.Contains(h.Value, "\u202e") {
			t.Errorf("a module gets %+v", h)
		}
	}
	lines = 40
	if answer, err = w.fetch(granted(t, "https://example.org/*"), abi.FetchRequest{URL: "https://example.org/"}); err != nil || len(answer.Headers) > 20 {
		t.Errorf("%d lines, %v", len(answer.Headers), err)
	}
	lines = 100
	_, err = w.fetch(granted(t, "https://example.org/*"), abi.FetchRequest{URL: "https://example.org/"})
	w.want(err, abi.Unavailable)
}

// A server that sends a byte now and then, or none, ends with the time.
func TestASlowServer(t *testing.T) {
	w := newWorld(t)
	release := make(chan struct{})
	w.host("example.org", "1.1.1.1", func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/drip" {
			_, _ = rw.Write([]byte("x"))
			rw.(http.Flusher).Flush()
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	for _, path := range []string{"/drip", "/silent"} {
		_, err := w.fetch(granted(t, "https://example.org/*"), abi.FetchRequest{URL: "https://example.org" + path, TimeoutMS: 50})
		w.want(err, abi.Timeout)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond) // the invocation's
	defer cancel()
	_, err := w.fetchIn(ctx, granted(t, "https://example.org/*"), abi.FetchRequest{URL: "https://example.org/drip"})
	w.want(err, abi.Timeout)
}

// No request takes longer than the host allows, whatever it asks for.
func TestTheTimeOfARequestIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.client.cfg.Lookup = func(ctx context.Context, _ string) ([]netip.Addr, error) { <-ctx.Done(); return nil, ctx.Err() }
		began := time.Now()
		_, err := w.fetch(granted(t, "https://example.org/*"), abi.FetchRequest{URL: "https://example.org/", TimeoutMS: 3_600_000})
		w.want(err, abi.Timeout)
		if took := time.Since(began); took != MaxTime {
			t.Errorf("it took %s", took)
		}
	})
}

// However many ask, a module has a few requests under way, and all modules some.
func TestRequestsAtOnce(t *testing.T) {
	c := New(Config{})
	for range perModule {
		if !c.enter(module) {
			t.Fatal("refused below the bound")
		}
	}
	if c.enter(module) {
		t.Error("one module has too many")
	}
	for i := range overall - perModule {
		if !c.enter(string(rune('a' + i))) {
			t.Fatal("refused below the bound of all")
		}
	}
	if c.enter("another") {
		t.Error("all have too many")
	}
	f, err := capability.ParseFetch("", "https://example.org/", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Fetch(t.Context(), "another", f, granted(t, "https://*/*").AllowsFetch, abi.FetchRequest{})
	newWorld(t).want(err, abi.Limit)
	c.leave(module)
	if !c.enter(module) {
		t.Error("a place that was left stays taken")
	}
}

// A panic or an error leaves no place taken.
func TestPlacesAreLeft(t *testing.T) {
	w := newWorld(t)
	for range overall + 1 {
		_, err := w.fetch(granted(t, "https://*/*"), abi.FetchRequest{URL: "https://nowhere.org/"})
		w.want(err, abi.Unavailable)
	}
	if w.client.all != 0 || len(w.client.running) != 0 {
		t.Errorf("%d under way: %v", w.client.all, w.client.running)
	}
}
