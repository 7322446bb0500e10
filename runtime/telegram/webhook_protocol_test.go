package telegram

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// own are what net/http says by itself to what it cannot read. They are constant:
// nothing of the request, of a path or a version is in them.
var own = []string{
	"400 Bad Request", "400 Bad Request: missing required Host header", "400 Bad Request: malformed Host header",
	"400 Bad Request: invalid header name", "400 Bad Request: invalid header value", "431 Request Header Fields Too Large",
	"505 HTTP Version Not Supported: unsupported protocol version", "Unsupported transfer encoding", "",
}

// await waits for what happens a moment after the client has seen the end.
func (h *hook) await(what string, done func() bool) {
	h.t.Helper()
	for until := time.Now().Add(longest); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			h.t.Fatalf("%s: it did not happen", what)
		}
	}
}

func (h *hook) countReasons() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.counts)
}

// isNoHTTP sends what is no request. It is answered with one of net/http's own
// sentences, or not at all; it counts against strangers, and not against
// Telegram.
func (h *hook) isNoHTTP(text string, want int) {
	h.t.Helper()
	for i, peer := range []string{telegramPeer, proxyPeer, strangerPeer} {
		h.reasons()
		for range 6 {
			answers := h.send(peer, text)
			got := 0
			if len(answers) > 0 {
				got = answers[0].status
				if !slices.Contains(own, answers[0].body) || !answers[0].last {
					h.t.Errorf("%s got %+v", peer, answers[0])
				}
			}
			if got != want || len(answers) > 1 {
				h.t.Fatalf("%s got %v, want %d", peer, statuses(answers), want)
			}
		}
		h.await("the log", func() bool { return len(h.logged("webhook.rejected")) >= 6*(i+1) })
		if got := h.reasons(); !slices.Equal(got, slices.Repeat([]string{"malformed"}, 6)) {
			h.t.Errorf("reasons are %v", got)
		}
		if got := h.lastClient(); got != peer {
			h.t.Errorf("%v was logged, and not %s", got, peer)
		}
	}
	h.await("the ban", func() bool { return len(h.logged("webhook.banned")) == 1 })
	if got := h.banned(); !slices.Equal(got, []string{strangerPeer}) {
		h.t.Errorf("banned are %v", got)
	}
	if n := h.in.count(); n != 0 {
		h.t.Errorf("%d updates were delivered", n)
	}
	h.isBanned(strangerPeer, true)
	h.isTaken(telegramPeer, h.ask(update(1)).String())
	h.tellsNoSecret()
}

func TestWhatIsNoHTTP(t *testing.T) {
	garbage := make([]byte, 4<<10)
	_, _ = rand.Read(garbage)
	garbage[0] = 0x80 // no method begins with it
	for name, c := range map[string]struct {
		make func(ask) string
		want int
	}{
		"garbage":               {func(ask) string { return string(garbage) + "\r\n\r\n" }, 400},
		"zeros":                 {func(ask) string { return strings.Repeat("\x00", 4<<10) + "\r\n\r\n" }, 400},
		"half a line":           {func(a ask) string { return a.String()[:30] }, 400},
		"half a header":         {func(a ask) string { return a.String()[:100] }, 400},
		"one byte":              {func(ask) string { return "P" }, 400},
		"ends of line":          {func(ask) string { return strings.Repeat("\r\n", 100) }, 400},
		"TLS":                   {func(ask) string { return tlsHello() }, 400},
		"SSH":                   {func(ask) string { return "SSH-2.0-OpenSSH_9.6\r\n" }, 400},
		"the PROXY protocol":    {func(a ask) string { return "PROXY TCP4 " + telegramPeer + " 127.0.0.1 1 2\r\n" + a.String() }, 400},
		"PROXY protocol 2":      {func(a ask) string { return "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + a.String() }, 400},
		"HTTP/0.9":              {func(ask) string { return "GET /\r\n\r\n" }, 400},
		"HTTP/0.9, POST":        {func(a ask) string { return "POST " + a.target + "\r\n\r\n" + a.body }, 400},
		"HTTP/0.9, with a name": {func(a ask) string { a.version = "HTTP/0.9"; return a.String() }, 505},
		"HTTP/2.0":              {func(a ask) string { a.version = "HTTP/2.0"; return a.String() }, 505},
		"HTTP/3.0":              {func(a ask) string { a.version = "HTTP/3.0"; return a.String() }, 505},
		"HTTP/1":                {func(a ask) string { a.version = "HTTP/1"; return a.String() }, 400},
		"HTTP/1.10":             {func(a ask) string { a.version = "HTTP/1.10"; return a.String() }, 400},
		"HTTP/01.1":             {func(a ask) string { a.version = "HTTP/01.1"; return a.String() }, 400},
		"HTTP/1.1x":             {func(a ask) string { a.version = "HTTP/1.1x"; return a.String() }, 400},
		"http/1.1":              {func(a ask) string { a.version = "http/1.1"; return a.String() }, 400},
		"RTSP/1.0":              {func(a ask) string { a.version = "RTSP/1.0"; return a.String() }, 400},
		"no method":             {func(a ask) string { return a.by("").String() }, 400},
		"a method with a blank": {func(a ask) string { return a.by("PO ST").String() }, 400},
		"a method in brackets":  {func(a ask) string { return a.by("(POST)").String() }, 400},
		"a tab in the target":   {func(a ask) string { return a.to("/\t").String() }, 400},
		"a NUL in the target":   {func(a ask) string { return a.to(a.target + "\x00").String() }, 400},
		"no slash":              {func(a ask) string { return a.to(strings.TrimPrefix(a.target, "/")).String() }, 400},
		"a wrong escape":        {func(a ask) string { return a.to(a.target + "%zz").String() }, 400},
		"no host":               {func(a ask) string { return a.without("Host").String() }, 400},
		"a host with a blank":   {func(a ask) string { return a.without("Host").with("Host: a b").String() }, 400},
		"a name with a blank":   {func(a ask) string { return a.with("X y: z").String() }, 400},
		"a name not in ASCII":   {func(a ask) string { return a.with("Xé: z").String() }, 400},
		"no name":               {func(a ask) string { return a.with(": z").String() }, 400},
		"a secret with a NUL":   {func(a ask) string { return a.secret("\x00").String() }, 400},
		"17 KiB of headers":     {func(a ask) string { return a.with("X: " + strings.Repeat("x", 17<<10)).String() }, 431},
		"10,000 small headers":  {func(a ask) string { return a.with(slices.Repeat([]string{"A: b"}, 10_000)...).String() }, 431},
		"a 17 KiB target":       {func(a ask) string { return a.to("/" + strings.Repeat("x", 17<<10)).String() }, 431},
		"a line without end":    {func(ask) string { return strings.Repeat("x", 64<<10) }, 431},
		"blanks without end":    {func(ask) string { return "POST" + strings.Repeat(" ", 64<<10) }, 431},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // net/http takes half a second to close some
			h := listenHook(t, withProxy)
			h.isNoHTTP(c.make(h.ask(update(1))), c.want)
		})
	}
}

// tlsHello is how a client begins that expects TLS.
func tlsHello() string {
	client, server := net.Pipe()
	defer server.Close()
	go func() {
		_ = tls.Client(client, &tls.Config{ServerName: "bot.example.org"}).Handshake() // it gets no answer
		client.Close()
	}()
	hello := make([]byte, 4<<10)
	n, _ := server.Read(hello) // it is written at once
	return string(hello[:n])
}

// TestAlmost16KiBOfHeadersAreRead, so that proxies may add their own.
func TestAlmost16KiBOfHeadersAreRead(t *testing.T) {
	h := listenHook(t)
	h.isTaken(telegramPeer, h.ask(update(1)).with("X: "+strings.Repeat("x", 15<<10)).String())
}

// TestHTTP10 is what nginx speaks to its upstreams, unless it is told better.
func TestHTTP10(t *testing.T) {
	h := listenHook(t)
	a := h.ask(update(1)).without("Host")
	a.version = "HTTP/1.0"
	h.isTaken(telegramPeer, a.String())
	answers := h.send(telegramPeer, a.with("Connection: keep-alive").String())
	if len(answers) != 1 || answers[0].status != 200 || !answers[0].last {
		t.Errorf("got %+v", answers)
	}
}

// TestASlowHeader ends after headerTimeout, however often a byte comes.
func TestASlowHeader(t *testing.T) {
	h := listenHook(t, short)
	var slow sync.WaitGroup
	for i := range 6 {
		slow.Go(func() {
			w := h.dial(strangerPeer)
			w.say([]string{"POST /webhook", "POST / HTTP/1.1\r\nX: "}[i%2])
			stop, began := w.drip("x"), time.Now()
			defer stop()
			// To net/http, what there is of the first line is a line, and a wrong one.
			if got, want := w.answer("POST"), []int{400, 0}[i%2]; got.status != want {
				t.Errorf("got %d, want %d", got.status, want)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("it was waited for %s", took)
			}
		})
	}
	slow.Wait()
	if got := h.reasons(); !slices.Equal(got, slices.Repeat([]string{"malformed"}, 6)) {
		t.Errorf("reasons are %v", got)
	}
	h.isBanned(strangerPeer, true)
}

// TestASilentConnection ends too, and is no fault: nobody knows what it wants.
func TestASilentConnection(t *testing.T) {
	h := listenHook(t, short)
	for range 7 {
		if w := h.dial(strangerPeer); !w.ended() {
			t.Fatal("it goes on")
		}
	}
	if got := h.reasons(); len(got) > 0 {
		t.Errorf("reasons are %v", got)
	}
	// Between two requests Telegram may be silent for longer, but not for ever.
	w := h.dial(telegramPeer)
	if got := w.say(h.ask(update(1)).String()).answer("POST"); got.status != 200 {
		t.Fatalf("got %d", got.status)
	}
	if !w.ended() {
		t.Error("an idle connection goes on")
	}
}

// TestTLSIsSpokenOrNothing sends what is no TLS to a listener that speaks it.
func TestTLSIsSpokenOrNothing(t *testing.T) {
	h := listenHook(t, short, withCertificate(t))
	for name, text := range map[string]string{
		"HTTP":           h.ask(update(1)).String(),
		"garbage":        strings.Repeat("\x80", 4<<10),
		"half a hello":   tlsHello()[:100],
		"a great record": "\x16\x03\x01\xff\xff" + strings.Repeat("x", 1<<16),
	} {
		t.Run(name, func(t *testing.T) {
			h.reasons()
			w := h.dial(telegramPeer)
			w.say(text)
			_ = w.CloseWrite()
			_ = w.SetReadDeadline(time.Now().Add(longest))
			said, err := io.ReadAll(w)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection goes on")
			}
			if strings.Contains(string(said), "webhook") || len(said) > 200 {
				t.Errorf("got %q", said)
			}
			h.await("the log", func() bool { return h.countReasons() > 0 })
			if got := h.reasons(); !slices.Equal(got, []string{"malformed"}) {
				t.Errorf("reasons are %v", got)
			}
		})
	}
	if h.in.count() != 0 {
		t.Errorf("%d updates were delivered", h.in.count())
	}
	for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		w := h.dial(telegramPeer)
		secure := tls.Client(w.TCPConn, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
		if err := secure.Handshake(); (err == nil) != want {
			t.Errorf("version %x: %v", version, err)
		}
	}
}

// clientOfTLS is a client that speaks HTTP/2, on one connection.
func clientOfTLS(t testing.TB, peer string) *http.Client {
	t.Helper()
	transport := &http.Transport{
		DialContext: dialFrom(peer), ForceAttemptHTTP2: true, MaxConnsPerHost: 1,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: longest}
}

func overTLS(r *http.Request) { r.URL.Scheme = "https" }

// TestHTTP2IsJudgedToo: each of the requests that come at once on a connection.
func TestHTTP2IsJudgedToo(t *testing.T) {
	h := listenHook(t, withCertificate(t))
	var status [2]sync.Map
	flood := func(client *http.Client, to *sync.Map, changes ...func(*http.Request)) {
		var wait sync.WaitGroup
		for id := range 40 {
			request := h.post(update(id+1), append(changes, overTLS)...)
			wait.Go(func() {
				res, err := client.Do(request)
				if err != nil {
					return
				}
				defer res.Body.Close()
				if res.ProtoMajor != 2 {
					t.Errorf("the answer came by %s", res.Proto)
				}
				if n, _ := io.Copy(io.Discard, res.Body); n > 0 || res.Header.Get("Server") != "" {
					t.Errorf("%d bytes and %v", n, res.Header)
				}
				n, _ := to.LoadOrStore(res.StatusCode, new(atomic.Int64))
				n.(*atomic.Int64).Add(1)
			})
		}
		wait.Wait()
	}
	count := func(of *sync.Map, code int) int64 {
		n, ok := of.Load(code)
		if !ok {
			return 0
		}
		return n.(*atomic.Int64).Load()
	}
	flood(clientOfTLS(t, telegramPeer), &status[0])
	if got := count(&status[0], 200); got != 40 || h.in.count() != 40 {
		t.Errorf("%d of Telegram's 40 were answered with 200, and %d delivered", got, h.in.count())
	}
	flood(clientOfTLS(t, strangerPeer), &status[1])
	if got := count(&status[1], 403); got > 6 || count(&status[1], 200) > 0 || h.in.count() != 40 {
		t.Errorf("a stranger got 403 %d times, 200 %d times, and %d were delivered", got, count(&status[1], 200), h.in.count())
	}
	if got := h.banned(); !slices.Equal(got, []string{strangerPeer}) {
		t.Errorf("banned are %v", got)
	}
	if _, err := clientOfTLS(t, strangerPeer).Do(h.post(update(1), overTLS)); err == nil {
		t.Error("a banned stranger got an answer")
	}
}

// TestHTTP2ThroughAProxy: one connection carries Telegram's requests and those of
// a client that is banned.
func TestHTTP2ThroughAProxy(t *testing.T) {
	h := listenHook(t, withCertificate(t), withProxy)
	client := clientOfTLS(t, proxyPeer)
	dials := 0
	carrier := client.Transport.(*http.Transport)
	dial := carrier.DialContext
	carrier.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		dials++
		return dial(ctx, network, address)
	}
	as := func(name string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("X-Forwarded-For", name) }
	}
	for i := range 20 {
		want := http.StatusForbidden // for the wrong address, and then for the ban
		if status, body := do(t, client, h.post(update(1), overTLS, as(telegramPeer+", "+far))); status != want || body != "" {
			t.Errorf("request %d got %d %q", i, status, body)
		}
		if status, body := do(t, client, h.post(update(i+1), overTLS, as(telegramPeer))); status != http.StatusOK {
			t.Errorf("Telegram's request %d got %d %q", i, status, body)
		}
	}
	if got := h.banned(); !slices.Equal(got, []string{far}) || dials != 1 || h.in.count() != 20 {
		t.Errorf("banned are %v, after %d connections and %d updates", got, dials, h.in.count())
	}
}

// TestHTTP2RequestsThatAreTakenBack count all the same.
func TestHTTP2RequestsThatAreTakenBack(t *testing.T) {
	h := listenHook(t, withCertificate(t))
	client := clientOfTLS(t, strangerPeer)
	for i := 0; i < 1000 && len(h.banned()) == 0; i++ {
		ctx, cancel := context.WithCancel(t.Context())
		request := h.post("", overTLS, func(r *http.Request) { r.URL.Path = "/" }).WithContext(ctx)
		trace := &httptrace.ClientTrace{WroteHeaders: cancel}
		res, err := client.Do(request.WithContext(httptrace.WithClientTrace(ctx, trace)))
		if err == nil {
			res.Body.Close()
		}
		cancel()
	}
	h.await("the ban", func() bool { return slices.Equal(h.banned(), []string{strangerPeer}) })
}

func withCertificate(t *testing.T) func(*WebhookOptions) {
	p := newPapers(t)
	p.selfSign(time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	return func(o *WebhookOptions) {
		certificate, err := OpenCertificate(p.cert, p.key, nil)
		if err != nil {
			t.Fatal(err)
		}
		o.Certificate = certificate
	}
}
