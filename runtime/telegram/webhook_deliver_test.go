package telegram

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

// asksToComeBack holds an answer against what Telegram needs to bring an update
// again.
func (h *hook) asksToComeBack(text string, status int, after, reason string) {
	h.t.Helper()
	h.reasons()
	answers := h.send(telegramPeer, text)
	if len(answers) != 1 || answers[0].status != status || answers[0].header.Get("Retry-After") != after {
		h.t.Fatalf("got %+v, want %d after %s", answers, status, after)
	}
	h.saysNothing(answers[0])
	if got := h.reasons(); !slices.Equal(got, []string{reason}) {
		h.t.Errorf("reasons are %v, want %s", got, reason)
	}
	h.isBanned(telegramPeer, false)
}

func TestABusyBotAsksToComeBack(t *testing.T) {
	h := listenHook(t)
	h.in.fail(fmt.Errorf("offer an update: %w", chat.ErrBusy))
	for range 7 {
		h.asksToComeBack(h.ask(update(1)).String(), http.StatusTooManyRequests, "5", "busy")
	}
	if got := h.logged("telegram.deliver_failed"); len(got) > 0 {
		t.Errorf("to be busy was logged as a failure: %v", got)
	}
	h.in.fail(nil)
	h.isTaken(telegramPeer, h.ask(update(1)).String())
}

// TestAJournalThatFails: nothing is confirmed, and the cause is logged once a
// minute, without path and secret.
func TestAJournalThatFails(t *testing.T) {
	h := listenHook(t)
	h.in.fail(errors.New("write the journal: no space left on device"))
	for minute := range 3 {
		for range 10 {
			h.asksToComeBack(h.ask(update(1)).String(), http.StatusServiceUnavailable, "5", "journal")
		}
		got := h.logged("telegram.deliver_failed")
		if len(got) != minute+1 || got[minute].ContextMap()["error"] != "write the journal: no space left on device" {
			t.Errorf("in minute %d logged was %v", minute, got)
		}
		h.pass(time.Minute)
	}
	h.tellsNoSecret()
	h.in.fail(nil)
	h.isTaken(telegramPeer, h.ask(update(1)).String())
	if got := h.logged("telegram.recovered"); len(got) != 1 {
		t.Errorf("the recovery was logged %d times", len(got))
	}
}

// TestAJournalThatHangs is waited for no longer than takeTimeout.
func TestAJournalThatHangs(t *testing.T) {
	h := listenHook(t, short, func(o *WebhookOptions) {
		deliver := o.Deliver
		o.Deliver = func(ctx context.Context, u chat.Received) error {
			if u.ID == 1 {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return deliver(ctx, u)
		}
	})
	w := h.dial(telegramPeer)
	if got := w.say(h.ask(update(1)).String()).answer("POST"); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") != "5" {
		t.Errorf("got %+v", got)
	}
	if got := h.logged("telegram.deliver_failed"); len(got) != 1 {
		t.Errorf("logged was %v", got)
	}
	if got := w.say(h.ask(update(2)).String()).answer("POST"); got.status != http.StatusOK {
		t.Errorf("the next update got %+v", got)
	}
}

// TestTelegramHangsUp while its update is being kept. That is no failure of the
// journal, and the update is not lost: it comes again.
func TestTelegramHangsUp(t *testing.T) {
	entered, gone := make(chan struct{}), make(chan error, 1)
	h := listenHook(t, func(o *WebhookOptions) {
		o.Deliver = func(ctx context.Context, _ chat.Received) error {
			close(entered)
			<-ctx.Done()
			gone <- context.Cause(ctx)
			return ctx.Err()
		}
	})
	w := h.dial(telegramPeer)
	w.say(h.ask(update(1)).String())
	<-entered
	w.Close()
	<-gone
	h.await("the refusal", func() bool { return h.countReasons() == 1 })
	if got := h.logged("telegram.deliver_failed"); len(got) != 0 {
		t.Errorf("logged was %v", got)
	}
}

// TestPanicsCostTheirRequestsOnly: the connection is closed without an answer, and
// what the request held is free again.
func TestPanicsCostTheirRequestsOnly(t *testing.T) {
	h := listenHook(t, func(o *WebhookOptions) {
		deliver := o.Deliver
		o.Deliver = func(ctx context.Context, u chat.Received) error {
			if u.ID == 1 {
				panic("a fault of ours")
			}
			return deliver(ctx, u)
		}
	})
	for i := range bodiesAtMost + 10 {
		if got := h.send(telegramPeer, h.ask(update(1)).String()); len(got) != 0 {
			t.Fatalf("panic %d got %v", i+1, got)
		}
		h.pass(time.Second)
	}
	if got := h.logged("webhook.panicked"); len(got) != bodiesAtMost+10 || got[0].ContextMap()["panic"] != "a fault of ours" {
		t.Errorf("%d panics were logged", len(got))
	}
	h.isTaken(telegramPeer, h.ask(update(2)).String())
	h.isBanned(telegramPeer, false)
}

// crowd gives Telegram a network, so that many updates may come at once.
func crowd(o *WebhookOptions) {
	o.Policy.Additional = append(o.Policy.Additional, netip.MustParsePrefix("127.0.7.0/24"))
}

// gate holds each delivery until it is opened.
type gate struct {
	came chan struct{}
	open chan struct{}
}

func newGate() *gate { return &gate{make(chan struct{}, 1000), make(chan struct{})} }

func (g *gate) hold(o *WebhookOptions) {
	deliver := o.Deliver
	o.Deliver = func(ctx context.Context, u chat.Received) error {
		g.came <- struct{}{}
		<-g.open
		return deliver(ctx, u)
	}
}

// TestNoMoreBodiesThanAreBearable are in memory at once.
func TestNoMoreBodiesThanAreBearable(t *testing.T) {
	g := newGate()
	h := listenHook(t, crowd, g.hold)
	var held []*line
	for i := range bodiesAtMost {
		w := h.dial(fmt.Sprintf("127.0.7.%d", i%4))
		w.say(h.ask(update(i + 1)).String())
		held = append(held, w)
		<-g.came
	}
	h.asksToComeBack(h.ask(update(500)).String(), http.StatusTooManyRequests, "5", "busy")
	close(g.open)
	for _, w := range held {
		if got := w.answer("POST"); got.status != http.StatusOK {
			t.Errorf("got %+v", got)
		}
	}
	h.isTaken("127.0.7.9", h.ask(update(500)).String())
	if got := h.in.count(); got != bodiesAtMost+1 {
		t.Errorf("%d updates were delivered", got)
	}
}

// TestClosing: what is under way is answered, what is new is refused, and who
// holds a connection without asking anything holds up nothing and is not blamed.
func TestClosing(t *testing.T) {
	g := newGate()
	h := listenHook(t, withProxy, g.hold)
	var underway []*line
	for i := range 3 {
		w := h.dial(telegramPeer)
		underway = append(underway, w.say(h.ask(update(i+1)).String()+h.ask(update(100+i)).String())) // a second one behind it
		<-g.came
	}
	held := []*line{h.dial(strangerPeer), h.dial(telegramPeer)}
	held = append(held, h.dial(strangerPeer).say("POST /web"), h.dial(telegramPeer).say("POST / HTTP/1.1\r\nHo"))
	idle := h.dial(proxyPeer)
	if got := idle.say(h.ask("").to("/").with(forwarded + far).String()).answer("POST"); got.status != http.StatusNotFound {
		t.Fatalf("got %+v", got)
	}
	held = append(held, idle)
	h.await("connections", func() bool { h.WebhookServer.mu.Lock(); defer h.WebhookServer.mu.Unlock(); return len(h.open) == 8 })
	h.reasons()

	began, closed := time.Now(), make(chan error, 1)
	go func() { closed <- h.Close(t.Context()) }()
	for _, w := range held {
		if !w.ended() {
			t.Error("a connection on which nothing is asked is held")
		}
	}
	h.await("the end of listening", func() bool {
		w, err := h.try(telegramPeer)
		if err == nil {
			w.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	close(g.open)
	for _, w := range underway {
		if got := w.answer("POST"); got.status != http.StatusOK {
			t.Errorf("a request under way got %+v", got)
		}
		if !w.ended() {
			t.Error("its connection goes on")
		}
	}
	if err := <-closed; err != nil {
		t.Errorf("closing: %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("closing took %s", took)
	}
	if got := h.in.ids(); len(got) != 3 || slices.Max(got) > 3 {
		t.Errorf("delivered were %v", got)
	}
	if got := h.reasons(); len(got) > 0 {
		t.Errorf("reasons are %v", got)
	}
}

// TestClosingGivesUp on a request that does not end, such as one whose body does
// not come.
func TestClosingGivesUp(t *testing.T) {
	g := newGate()
	h := listenHook(t, g.hold)
	defer close(g.open)
	w := h.dial(telegramPeer)
	w.say(h.ask(update(1)).String())
	<-g.came
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_ = h.Close(ctx)
	if took := time.Since(began); took > time.Second {
		t.Errorf("closing took %s", took)
	}
	if !w.ended() {
		t.Error("its connection goes on")
	}
}

// TestNothingIsLeft of a server that was attacked: no goroutine, and no
// descriptor.
func TestNothingIsLeft(t *testing.T) {
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	h := &hook{t: t, in: &took{}, clock: newFakeClock()}
	s, err := ListenWebhook(WebhookOptions{
		Address: "127.0.0.1:0", Deliver: h.in.deliver, Now: h.clock.Now, timeouts: timeouts{
			header: time.Minute, body: time.Minute, drain: time.Minute, take: time.Minute, answer: time.Minute, idle: time.Minute,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.WebhookServer = s
	var attack sync.WaitGroup
	for i := range 64 {
		attack.Go(func() {
			w, err := h.try(fmt.Sprintf("127.0.3.%d", i))
			if err != nil {
				t.Error(err)
				return
			}
			w.say([]string{"", "POST", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", "\x16\x03\x01", strings.Repeat("x", 32<<10)}[i%6])
			if i%2 == 0 {
				w.Close()
			}
		})
	}
	attack.Wait()
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	h.await("goroutines", func() bool { return runtime.NumGoroutine() <= goroutines })
	s.mu.Lock()
	if n := len(s.open); n > 0 {
		t.Errorf("%d connections are still counted", n)
	}
	s.mu.Unlock()
	// The test's own half of the connections is open still.
	h.await("descriptors", func() bool { return openFiles(t) <= files+32 })
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestNothingIsLetInWithoutAPair, not even with an empty secret.
func TestNothingIsLetInWithoutAPair(t *testing.T) {
	in := &took{}
	s, err := ListenWebhook(WebhookOptions{Address: "127.0.0.1:0", Deliver: in.deliver})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	h := &hook{WebhookServer: s, t: t, in: in}
	for _, target := range []string{"/", "/webhook/", "/webhook//", "/webhook/" + strings.Repeat("A", 22) + "/"} {
		a := ask{method: "POST", target: target, version: "HTTP/1.1", headers: []string{"Host: x", secretHeader}, body: update(1)}
		if got := statuses(h.send(fmt.Sprintf("127.0.3.%d", len(target)), a.String())); !slices.Equal(got, []int{http.StatusNotFound}) {
			t.Errorf("%s got %v", target, got)
		}
	}
	if in.count() > 0 {
		t.Error("an update was delivered")
	}
}
