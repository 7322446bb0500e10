package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// proxy is a socket in front of the real engine, which a test can spoil.
type proxy struct {
	t      testing.TB
	socket string
	server *http.Server  // nil while nobody listens
	served chan struct{} // closed when the server has ended
	engine http.Handler
}

// newProxy returns a proxy that passes everything on, with the bytes of
// answers changed by alter, which may be nil.
func newProxy(t testing.TB, engine string, alter func([]byte) []byte) *proxy {
	t.Helper()
	address, err := client.ParseHostURL(engine)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, address.Scheme, address.Host)
	}}
	p := &proxy{t: t, socket: filepath.Join(t.TempDir(), "docker.sock"), engine: &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "docker"}) },
		Transport:      transport,
		ModifyResponse: altering(alter),
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}}
	t.Cleanup(transport.CloseIdleConnections)
	t.Cleanup(p.cut)
	p.serve(p.engine)
	return p
}

func altering(alter func([]byte) []byte) func(*http.Response) error {
	if alter == nil {
		return nil
	}
	return func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		if err := errors.Join(err, r.Body.Close()); err != nil {
			return err
		}
		body = alter(body)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.Header.Set("Content-Length", strconv.Itoa(len(body)))
		return nil
	}
}

// in puts the bot behind the proxy.
func (p *proxy) in(b *bot) { b.cfg.Docker.Host = []string{"unix://" + p.socket} }

func (p *proxy) serve(h http.Handler) {
	p.t.Helper()
	listener, err := net.Listen("unix", p.socket)
	if err != nil {
		p.t.Fatal(err)
	}
	server, served := &http.Server{Handler: h}, make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	p.server, p.served = server, served
}

// cut closes the socket and every connection through it, and removes it, as an
// engine does that ends.
func (p *proxy) cut() {
	if p.server != nil {
		p.server.Close()
		<-p.served
		p.server = nil
	}
	os.Remove(p.socket)
}

// abandon leaves a socket that nobody listens on, as an engine does that was
// killed.
func (p *proxy) abandon() {
	p.cut()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: p.socket, Net: "unix"})
	if err != nil {
		p.t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	listener.Close()
}

// hang takes requests and answers none.
func (p *proxy) hang() {
	p.cut()
	p.serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
}

func (p *proxy) restore() {
	p.cut()
	p.serve(p.engine)
}

// sentenceWithin is how long a user waits at most to hear that an engine is
// away.
const sentenceWithin = 5 * time.Second

func TestTheEngineGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, sentence string
		away           func(*proxy)
	}{
		{"ended", "There is no Docker socket at ", (*proxy).cut},
		{"killed", "Docker does not answer on unix://", (*proxy).abandon},
		{"hangs", "Docker does not answer on unix://", (*proxy).hang},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // waiting for one that hangs takes most of the time
			s := newScene(t)
			s.has(dockertest.Container{Name: s.mark})
			engine := newProxy(t, s.host, nil)
			b := startBot(t, s.only, engine.in)
			p := b.person(user, user)
			sentence := test.sentence + engine.socket

			view := p.says("/containers")
			p.expect(view, "1 container, 1 running")
			test.away(engine)
			p.soon(sentence, func() emulator.Message { return p.taps("🔄 Refresh") })
			p.soon(sentence, func() emulator.Message { return p.says("/docker") })
			if len(p.Keyboard()) == 0 {
				t.Error("the section's keyboard is gone")
			}
			p.expect(p.says("/memory"), "Available")
			p.expect(p.soon(sentence, func() emulator.Message { return p.says("/quick") }), "Uptime")
			engine.restore()
			p.expect(p.tapsOn(view.ID, "🔄 Try again"), "1 container, 1 running")

			p.tapsOn(view.ID, "🟢 "+s.mark)
			test.away(engine)
			p.soon(sentence, func() emulator.Message { return p.tapsOn(view.ID, "🔄 Refresh") })
			engine.restore()
			p.expect(p.tapsOn(view.ID, "🔄 Try again"), "<code>"+s.mark+"</code>", "Processes and threads: ")
			b.await("docker.away", 2)
			b.await("docker.back", 2)
		})
	}
}

// Whatever is asked of an engine that hangs, the sentence comes in time. All is
// asked at once, each by somebody of their own.
func TestEveryViewSaysThatTheEngineHangs(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.has(dockertest.Container{Name: s.mark})
	engine := newProxy(t, s.host, nil)
	commands := []string{"/docker", "/containers", "/container " + s.mark, "/images", "/quick", "/updates", "/runtime", "/logs", "/manage"}
	b := startBot(t, engine.in, manyUsers(len(commands)), func(b *bot) {
		for i := range commands {
			b.cfg.AccessControl.AllowedAdminsIDs = append(b.cfg.AccessControl.AllowedAdminsIDs, firstOfMany+int64(i))
		}
	})
	ask := func(act func(p person, command string)) {
		var all sync.WaitGroup
		for i, command := range commands {
			all.Go(func() { act(b.person(firstOfMany+int64(i), firstOfMany+int64(i)), command) })
		}
		all.Wait()
	}
	ask(func(p person, command string) { p.says(command) }) // loads the modules
	engine.hang()
	ask(func(p person, command string) {
		p.soon("Docker does not answer on unix://"+engine.socket, func() emulator.Message { return p.says(command) })
	})
}

// soon fails unless an answer with a sentence comes in time, and returns it.
func (p person) soon(sentence string, act func() emulator.Message) emulator.Message {
	p.t.Helper()
	begin := time.Now()
	m := act()
	if took := time.Since(begin); took > sentenceWithin {
		p.t.Errorf("the answer took %v", took)
	}
	p.expect(m, sentence)
	return m
}

// No engine takes an image's name with such characters, but who sits between
// the engine and the bot, or the engine itself, may not be what it should be.
func TestAnImagesNameIsShownAsItIs(t *testing.T) {
	s := newScene(t)
	s.has(dockertest.Container{Name: s.mark, State: dockertest.Created})
	name := []byte(dockertest.Image(t))
	engine := newProxy(t, s.host, func(body []byte) []byte {
		return bytes.ReplaceAll(body, name, []byte(`<b>x</b>&amp;🦀\u202eשלום\n*_`))
	})
	p := startBot(t, s.only, engine.in).person(user, user)
	const shown = "<code>&lt;b>x&lt;/b>&amp;amp;🦀"
	list := p.says("/containers")
	page := p.taps("⚪️ " + s.mark)
	for _, m := range []emulator.Message{list, page} {
		p.expect(m, shown, "שלום")
		p.lacks(m, "\u202e", "שלום\n*")
	}
}
