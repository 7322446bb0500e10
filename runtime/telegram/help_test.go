package telegram

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

// newToken draws a token, so that none stands in source.
func newToken() string {
	return fmt.Sprint(1_000_000_000+time.Now().UnixNano()%8_000_000_000) + ":AA" + rand.Text() + "_b-4x9Q"
}

// fakeClock goes on by what is slept, and remembers it.
type fakeClock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
}

func newFakeClock() *fakeClock { return &fakeClock{now: time.Unix(1_764_000_000, 0)} }

func (c *fakeClock) clock() Clock {
	return Clock{Now: c.Now, Sleep: c.sleep, Random: func() float64 { return 1 }}
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	c.now = c.now.Add(d)
	c.slept = append(c.slept, d)
	return nil
}

func (c *fakeClock) naps() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]time.Duration(nil), c.slept...)
}

// newTestClient is a client of a server, closed with the test.
func newTestClient(t testing.TB, url, token string) *Client {
	t.Helper()
	c, err := New(Options{Token: token, APIURL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// request is what a script has seen of a getUpdates call.
type request struct {
	Offset  int64    `json:"offset"`
	Timeout int      `json:"timeout"`
	Allowed []string `json:"allowed_updates"`
}

// script is a Bot API that answers getUpdates by a list, and after its end holds
// the line until the caller hangs up.
type script struct {
	*httptest.Server
	mu    sync.Mutex
	steps []http.HandlerFunc
	seen  []request
	done  chan struct{} // closed when the list is at its end
}

func newScript(t testing.TB, steps ...http.HandlerFunc) *script {
	t.Helper()
	s := &script{steps: steps, done: make(chan struct{})}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *script) serve(w http.ResponseWriter, r *http.Request) {
	var req request
	body, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(body, &req)
	s.mu.Lock()
	s.seen = append(s.seen, req)
	n := len(s.seen)
	if n == len(s.steps)+1 {
		close(s.done)
	}
	s.mu.Unlock()
	if n > len(s.steps) {
		<-r.Context().Done()
		return
	}
	s.steps[n-1](w, r)
}

func (s *script) requests() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]request(nil), s.seen...)
}

func (s *script) offsets() []int64 {
	var out []int64
	for _, r := range s.requests() {
		out = append(out, r.Offset)
	}
	return out
}

// say answers with a status and a body.
func say(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// updates answers ok with these elements.
func updates(elements ...string) http.HandlerFunc {
	return say(200, `{"ok":true,"result":[`+strings.Join(elements, ",")+`]}`)
}

// refusal answers as Telegram does.
func refusal(code int, description string) http.HandlerFunc {
	return say(code, fmt.Sprintf(`{"ok":false,"error_code":%d,"description":%q}`, code, description))
}

// hangUp closes the connection without a word.
func hangUp(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.Close()
	}
}

// inbox keeps what a poller delivers.
type inbox struct {
	mu   sync.Mutex
	got  []chat.Received
	fail int // so many deliveries do not work
	err  error
}

func (b *inbox) deliver(_ context.Context, updates []chat.Received) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail > 0 {
		b.fail--
		return b.err
	}
	b.got = append(b.got, updates...)
	return nil
}

func (b *inbox) ids() []int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []int64
	for _, u := range b.got {
		out = append(out, u.ID)
	}
	return out
}

// poll runs a poller against a script until its list is at its end, and returns
// what Run returned.
func poll(t *testing.T, s *script, p *Poller) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	go func() {
		select {
		case <-s.done:
		case <-ctx.Done():
		}
		cancel()
	}()
	err := p.Run(ctx)
	select {
	case <-s.done:
	default:
		if err == nil {
			t.Fatalf("only %d requests came", len(s.requests()))
		}
	}
	return err
}

// logs is a logger whose lines can be looked at.
func logs() (*zap.Logger, *observer.ObservedLogs) {
	core, seen := observer.New(zapcore.DebugLevel)
	return zap.New(core), seen
}

func lines(seen *observer.ObservedLogs) string {
	var out strings.Builder
	for _, e := range seen.All() {
		fmt.Fprintln(&out, e.Level, e.Message, e.ContextMap())
	}
	return out.String()
}

func events(seen *observer.ObservedLogs) []string {
	var out []string
	for _, e := range seen.All() {
		out = append(out, fmt.Sprint(e.Level, " ", e.ContextMap()["event"]))
	}
	return out
}

// noLeak fails the test if goroutines of this package outlive it.
func noLeak(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		buf := make([]byte, 1<<20)
		for range 100 {
			stacks := string(buf[:runtime.Stack(buf, true)])
			if left := ours(stacks); left == "" {
				return
			}
			time.Sleep(5 * time.Millisecond) // goroutines that were told to end need a moment
		}
		t.Errorf("goroutines left:\n%s", ours(string(buf[:runtime.Stack(buf, true)])))
	})
}

func ours(stacks string) string {
	for stack := range strings.SplitSeq(stacks, "\n\n") {
		for _, part := range []string{"telegram.(*Sender)", "telegram.(*Poller)", "telegram.(*Client)", "telegram.(*wire)", "bot.(*Bot)"} {
			if strings.Contains(stack, part) {
				return stack
			}
		}
	}
	return ""
}
