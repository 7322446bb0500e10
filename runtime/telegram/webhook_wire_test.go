package telegram

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What attackers are called in these tests.
const (
	strangerPeer = "127.0.0.9"
	proxyPeer    = "127.0.0.3"
	// far is a client behind the proxy.
	far = "198.51.100.6"
)

// ask is a request as text, so that it can be wrong in ways that no client
// allows.
type ask struct {
	method, target, version string
	headers                 []string
	body                    string
}

// ask is a request as Telegram makes it.
func (h *hook) ask(body string) ask {
	pair := h.pair()
	return ask{
		method: "POST", target: pair.Path(), version: "HTTP/1.1", body: body,
		headers: []string{"Host: bot.example.org", "Content-Type: application/json", secretHeader + pair.Secret()},
	}
}

const secretHeader = "X-Telegram-Bot-Api-Secret-Token: "

func (a ask) with(lines ...string) ask {
	a.headers = slices.Concat(a.headers, lines)
	return a
}

func (a ask) without(start string) ask {
	a.headers = slices.DeleteFunc(slices.Clone(a.headers), func(line string) bool { return strings.HasPrefix(line, start) })
	return a
}

func (a ask) secret(value string) ask { return a.without(secretHeader).with(secretHeader + value) }

func (a ask) to(target string) ask { a.target = target; return a }

func (a ask) by(method string) ask { a.method = method; return a }

// head is the request without its body, and without a length.
func (a ask) head() string {
	return a.method + " " + a.target + " " + a.version + "\r\n" + strings.Join(a.headers, "\r\n") + "\r\n\r\n"
}

// String is the request with its body.
func (a ask) String() string {
	return a.with(fmt.Sprint("Content-Length: ", len(a.body))).head() + a.body
}

// reply is what came back. The zero reply is a connection that was closed
// without a word.
type reply struct {
	status int
	body   string
	header http.Header
	last   bool // the server says that it closes the connection
}

// line is a connection on which anything can be written.
type line struct {
	*net.TCPConn
	t  testing.TB
	in *bufio.Reader
}

// longest is how long a test waits for what must happen.
const longest = 10 * time.Second

func (h *hook) dial(peer string) *line {
	h.t.Helper()
	l, err := h.try(peer)
	if err != nil {
		h.t.Fatal(err)
	}
	return l
}

// try dials a server that may reset the connection before that is known to be
// there.
func (h *hook) try(peer string) (*line, error) {
	c, err := dialFrom(peer)(context.Background(), "tcp", h.Addr().String())
	if err != nil {
		return nil, err
	}
	h.t.Cleanup(func() { c.Close() })
	return &line{c.(*net.TCPConn), h.t, bufio.NewReader(c)}, nil
}

// say writes. That the server closed already is no fault: what it answered can
// be read all the same.
func (w *line) say(text string) *line {
	_ = w.SetWriteDeadline(time.Now().Add(longest))
	_, err := io.WriteString(w, text)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.t.Error("the server neither reads nor closes")
	}
	return w
}

// answer reads the next one.
func (w *line) answer(method string) reply {
	w.t.Helper()
	_ = w.SetReadDeadline(time.Now().Add(longest))
	res, err := http.ReadResponse(w.in, &http.Request{Method: method})
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			w.t.Error("the server neither answers nor closes")
		}
		return reply{}
	}
	body, err := io.ReadAll(res.Body)
	// What net/http says by itself ends with the connection: with a reset, if
	// there is more that it has not read.
	if err != nil && (res.ContentLength >= 0 || !errors.Is(err, syscall.ECONNRESET)) {
		w.t.Errorf("an answer without an end: %v", err)
	}
	return reply{res.StatusCode, string(body), res.Header, res.Close}
}

// ended reports whether the server closed the connection, with nothing more said.
func (w *line) ended() bool {
	_ = w.SetReadDeadline(time.Now().Add(longest))
	n, err := w.in.Read(make([]byte, 1))
	return n == 0 && !errors.Is(err, os.ErrDeadlineExceeded)
}

// send writes a text on a connection of its own, says that no more comes, and
// returns all answers. When it is over, so is the connection on both sides.
func (h *hook) send(peer, text string) (answers []reply) {
	h.t.Helper()
	w, err := h.try(peer)
	if errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	if err != nil {
		h.t.Fatal(err)
	}
	var writing sync.WaitGroup
	defer writing.Wait()
	defer w.Close()
	writing.Go(func() { // many answers fill the line as many requests do
		w.say(text)
		_ = w.CloseWrite()
	})
	method, _, _ := strings.Cut(text, " ")
	for {
		a := w.answer(method)
		if a.status == 0 {
			return answers
		}
		answers = append(answers, a)
	}
}

func statuses(answers []reply) []int {
	var out []int
	for _, a := range answers {
		out = append(out, a.status)
	}
	return out
}

// isRefused holds a request that must not be taken against all that is promised
// of one: the answer is one status with an empty body, nothing was delivered, the
// reason is in the log and in the metric, and who may be banned for it is banned
// after the sixth.
func (h *hook) isRefused(peer, text string, status int, reason string, bans bool) {
	h.t.Helper()
	h.reasons()
	for i := range 6 {
		answers := h.send(peer, text)
		if got := statuses(answers); !slices.Equal(got, []int{status}) {
			h.t.Fatalf("attempt %d of %s: got %v, want %d", i+1, peer, got, status)
		}
		h.saysNothing(answers[0])
	}
	if got := h.reasons(); len(got) != 6 || slices.ContainsFunc(got, func(r string) bool { return r != reason }) {
		h.t.Errorf("reasons are %v, want 6 times %q", got, reason)
	}
	last := h.logged("webhook.rejected")
	if len(last) == 0 || last[len(last)-1].ContextMap()["reason"] != reason || last[len(last)-1].ContextMap()["peer"] != peer {
		h.t.Errorf("logged was %v", last)
	}
	h.isBanned(peer, bans)
	if n := h.in.count(); n != 0 {
		h.t.Errorf("%d updates were delivered", n)
	}
}

// saysNothing checks that an answer tells no more than its status.
func (h *hook) saysNothing(a reply) {
	h.t.Helper()
	if a.body != "" {
		h.t.Errorf("%d has the body %q", a.status, a.body)
	}
	for name := range a.header {
		switch name {
		case "Date", "Content-Length", "Connection", "Allow", "Retry-After":
		default:
			h.t.Errorf("%d has the header %s: %q", a.status, name, a.header[name])
		}
	}
}

func (h *hook) isBanned(peer string, want bool) {
	h.t.Helper()
	if got := slices.Contains(h.banned(), peer); got != want {
		h.t.Errorf("%s is banned: %v, want %v", peer, got, want)
	}
	if got := len(h.logged("webhook.banned")) > 0; got != want {
		h.t.Errorf("a ban was logged: %v, want %v", got, want)
	}
	if !want {
		return
	}
	h.reasons()
	if got := h.send(peer, h.ask(update(1)).String()); got != nil {
		h.t.Errorf("the banned %s got %v", peer, statuses(got))
	}
	if got := h.reasons(); !slices.Equal(got, []string{"banned"}) {
		h.t.Errorf("reasons are %v", got)
	}
}

// isTaken holds a request against what is promised of a good one.
func (h *hook) isTaken(peer, text string) {
	h.t.Helper()
	before := h.in.count()
	answers := h.send(peer, text)
	if got := statuses(answers); !slices.Equal(got, []int{http.StatusOK}) {
		h.t.Fatalf("got %v, want 200; reasons %v", got, h.reasons())
	}
	h.saysNothing(answers[0])
	if got := h.in.count() - before; got != 1 {
		h.t.Errorf("%d updates were delivered, want 1", got)
	}
}
