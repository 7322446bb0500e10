package telegram

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/webhook"
)

// dialHook opens a connection from an address.
func dialHook(h *hook, from net.IP) (net.Conn, error) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: 10 * time.Second}
	return dialer.Dial("tcp", h.Addr().String())
}

// isOpen reports whether the other end still holds a connection.
func isOpen(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond)) // fails if it is closed
	_, err := c.Read(make([]byte, 1))
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// TestTenThousandConnectionsHeldOpen: strangers keep 128 of them, and Telegram is
// answered meanwhile.
func TestTenThousandConnectionsHeldOpen(t *testing.T) {
	h := listenHook(t)
	before := heap()
	var held []net.Conn
	defer func() {
		for _, c := range held {
			c.Close()
		}
	}()
	client := clientFrom(t, telegramPeer)
	for i := range 10_000 {
		if i%1000 == 0 {
			if status, body := do(t, client, h.post(update(i+1))); status != http.StatusOK {
				t.Errorf("with %d connections Telegram got %d %s", i, status, body)
			}
		}
		c, err := dialHook(h, net.IPv4(127, 1, byte(i>>8), byte(i)))
		if err == nil {
			held = append(held, c)
		}
	}
	open := 0
	for _, c := range held {
		if isOpen(c) {
			open++
		}
	}
	if open > 128 {
		t.Errorf("strangers hold %d connections", open)
	}
	if grown := int64(heap()) - int64(before); grown > 32<<20 {
		t.Errorf("they cost %d MiB, with those of the test", grown>>20)
	}
	if status, _ := do(t, client, h.post(update(20_000))); status != http.StatusOK {
		t.Errorf("Telegram got %d", status)
	}
}

// TestAHundredThousandPeers knock at wrong paths, through a proxy: the tables stay
// bounded, and so does the log.
func TestAHundredThousandPeers(t *testing.T) {
	const peers, connections = 100_000, 8
	core, logs := observer.New(zap.InfoLevel)
	var bans, rejected atomic.Int64
	h := listenHook(t, func(o *WebhookOptions) {
		o.Policy.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.3/32")}
		o.Log = zap.New(core)
		o.KeepBan = func(webhook.Ban) { bans.Add(1) }
		o.Observe = func(string) { rejected.Add(1) }
	})
	before := heap()
	var knocking sync.WaitGroup
	for worker := range connections {
		knocking.Go(func() {
			c, err := dialHook(h, net.IPv4(127, 0, 0, 3))
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			r := bufio.NewReader(c)
			for i := worker; i < peers; i += connections {
				fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.%d.%d.%d\r\nContent-Length: 0\r\n\r\n", i>>16, i>>8&255, i&255)
				res, err := http.ReadResponse(r, nil)
				if err != nil || res.StatusCode != http.StatusNotFound {
					t.Errorf("peer %d: %v, %v", i, res, err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
			}
		})
	}
	knocking.Wait()
	if rejected.Load() != peers || bans.Load() != 0 {
		t.Errorf("%d were refused and %d banned", rejected.Load(), bans.Load())
	}
	if n := logs.FilterField(zap.String("event", "webhook.rejected")).Len(); n > 2*linesAtMost {
		t.Errorf("%d lines in the log", n)
	}
	if grown := int64(heap()) - int64(before); grown > 16<<20 {
		t.Errorf("the tables take %d MiB", grown>>20)
	}
	if status, _ := do(t, clientFrom(t, telegramPeer), h.post(update(1))); status != http.StatusOK {
		t.Errorf("Telegram got %d", status)
	}
}

// TestWhatTheLogLeavesOutIsCounted.
func TestWhatTheLogLeavesOutIsCounted(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	now := time.Unix(1_790_000_000, 0)
	l := newRefusals(zap.New(core), Clock{Now: func() time.Time { return now }}.orReal())
	for range 1000 {
		l.refused(webhook.Verdict{Reason: webhook.Path, Status: 404}, now)
		l.banned(webhook.Verdict{Reason: webhook.Path}, now)
	}
	l.flush(now) // there is no room yet
	if n := logs.Len(); n != 2*linesAtMost {
		t.Errorf("%d lines", n)
	}
	l.flush(now.Add(time.Minute))
	l.flush(now.Add(2 * time.Minute))
	for _, event := range []string{"webhook.rejected", "webhook.banned"} {
		lines := logs.FilterField(zap.String("event", event)).All()
		last := lines[len(lines)-1].ContextMap()
		if len(lines) != linesAtMost+1 || last["left_out"] != int64(1000-linesAtMost) {
			t.Errorf("%s: %d lines, the last %v", event, len(lines), last)
		}
	}
}

// TestABurstOfTelegramsIsAskedToComeBack: what is too much is taken later, once.
func TestABurstOfTelegramsIsAskedToComeBack(t *testing.T) {
	var mu sync.Mutex
	now := time.Unix(1_790_000_000, 0)
	h := listenHook(t, func(o *WebhookOptions) {
		o.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	})
	client := clientFrom(t, telegramPeer)
	var again []int
	for id := 1; id <= 120; id++ {
		res, err := client.Do(h.post(update(id)))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		switch {
		case res.StatusCode == http.StatusTooManyRequests && res.Header.Get("Retry-After") == "10":
			again = append(again, id)
		case res.StatusCode != http.StatusOK:
			t.Fatalf("update %d: %d", id, res.StatusCode)
		}
	}
	if len(again) != 70 {
		t.Errorf("%d are to come again, want 70", len(again))
	}
	for len(again) > 0 {
		mu.Lock()
		now = now.Add(10 * time.Second)
		mu.Unlock()
		var left []int
		for _, id := range again {
			if status, _ := do(t, client, h.post(update(id))); status != http.StatusOK {
				left = append(left, id)
			}
		}
		if len(left) == len(again) {
			t.Fatal("nothing is taken any more: Telegram is banned")
		}
		again = left
	}
	seen := map[int64]int{}
	for _, u := range h.in.updates {
		seen[u.ID]++
	}
	if len(seen) != 120 || len(h.in.updates) != 120 {
		t.Errorf("%d of 120 were taken, %d times", len(seen), len(h.in.updates))
	}
}

func TestCloseWaitsForWhatIsUnderWay(t *testing.T) {
	before := runtime.NumGoroutine()
	entered, leave := make(chan struct{}), make(chan struct{})
	s, err := ListenWebhook(WebhookOptions{
		Address: "127.0.0.1:0", Policy: webhook.Policy{Additional: []netip.Prefix{netip.MustParsePrefix(telegramPeer + "/32")}},
		Deliver: func(context.Context, chat.Received) error { close(entered); <-leave; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	h := &hook{WebhookServer: s, t: t, in: &took{}}
	answered := make(chan int, 1)
	client := clientFrom(t, telegramPeer)
	request := h.post(update(1))
	go func() { status, _ := do(t, client, request); answered <- status }()
	<-entered
	// Others hold connections on which nothing, or half a request, has come.
	for _, text := range []string{"", "POST / HT", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"} {
		c, err := dialHook(h, net.IPv4(127, 0, 0, 9))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, text)
	}
	closed := make(chan error, 1)
	began := time.Now()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		closed <- s.Close(ctx)
	}()
	time.AfterFunc(50*time.Millisecond, func() { close(leave) })
	if status := <-answered; status != http.StatusOK {
		t.Errorf("the request under way got %d", status)
	}
	if err := <-closed; err != nil {
		t.Errorf("closing: %v", err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("closing took %v", took)
	}
	if _, err := dialHook(h, net.IPv4(127, 0, 0, 7)); err == nil {
		t.Error("the port is still open")
	}
	client.CloseIdleConnections()
	for until := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines more than before:\n%s", runtime.NumGoroutine()-before, buf[:runtime.Stack(buf, true)])
		}
	}
}

func TestAPanicCostsOneRequest(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	h := listenHook(t, func(o *WebhookOptions) {
		deliver := o.Deliver
		o.Log = zap.New(core)
		o.Deliver = func(ctx context.Context, u chat.Received) error {
			if u.ID == 13 {
				panic("a fault of ours")
			}
			return deliver(ctx, u)
		}
	})
	client := clientFrom(t, telegramPeer)
	if status, _ := do(t, client, h.post(update(13))); status != 0 {
		t.Errorf("got %d", status)
	}
	if status, _ := do(t, client, h.post(update(14))); status != http.StatusOK {
		t.Errorf("the next got %d", status)
	}
	lines := logs.FilterField(zap.String("event", "webhook.panicked")).All()
	if len(lines) != 1 || !strings.Contains(fmt.Sprint(lines[0].ContextMap()), "a fault of ours") {
		t.Errorf("logged %v", lines)
	}
}
