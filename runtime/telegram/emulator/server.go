package emulator

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a Server. The zero value is usable: real time, a fresh token, no flood limits, no latency.
type Options struct {
	// Now is the clock for dates, the age of messages and queries, and flood limits. Long polls, latency and fault
	// delays wait in real time. Nil means time.Now.
	Now func() time.Time
	// Token is the bot's token, digits:35 characters of [A-Za-z0-9_-]. Empty: one is drawn from crypto/rand.
	// New panics on another shape.
	Token string
	// Username of the bot, without @. Empty means "cofferdam_demo_bot".
	Username string
	// Name is the bot's first name. Empty means "cofferdam".
	Name string
	// Flood limits; the zero value has none.
	Flood Flood
	// Latency is waited before each call is handled. The long-poll wait of getUpdates is not lengthened by it.
	Latency time.Duration
	// Webhooks brings updates to the bot's webhook. Nil: over the network, as Telegram does; Route is for bots that
	// listen elsewhere than their URL says. It must obey the contexts of the requests. If it has a method
	// For(Webhook) http.RoundTripper, that is called at each setWebhook and makes the transport for it; it must not call
	// the server.
	Webhooks http.RoundTripper
	// RetryFirst is the pause, in real time, before an update is brought again that the webhook did not take; it doubles
	// up to RetryMost, which bounds Retry-After too. 0 means 50 ms and 1 s. Telegram's are longer.
	RetryFirst, RetryMost time.Duration
	// WebhookTimeout is how long a webhook may take to answer. 0 means 30 s; Telegram's is 60 s.
	WebhookTimeout time.Duration
	// Unordered lets a webhook get updates of one chat at the same time, up to its max_connections, and so in any order:
	// Telegram promises none. False: one at a time for each chat, in order, chats side by side; that is what is seen.
	Unordered bool
	// PageHosts are host names, besides loopback ones, under which PageHandler may be reached.
	PageHosts []string
}

// Server is the emulated Telegram: the Bot API over HTTP for the bot, and a Go API for the people in the world.
// All methods may be called concurrently.
type Server struct {
	now     func() time.Time
	token   string
	bot     User
	hosts   []string
	latency atomic.Int64 // nanoseconds

	faults faults
	record *recorder

	closeOnce sync.Once
	closed    chan struct{}

	// mu guards the world below.
	mu       sync.Mutex
	users    map[int64]User
	chats    map[int64]*chat
	dialogID int // last message id of private chats and basic groups, which share one sequence
	files    fileStore
	updates  updateQueue
	queries  queryBook
	commands map[commandKey][]BotCommand
	hook     *registration // nil without a webhook
	outbox   outbox
	flood    *floodgate
}

// tokenShape is the shape of real tokens; others never reach a bot (Telegram answers 404).
var tokenShape = regexp.MustCompile(`^[0-9]{1,16}:[A-Za-z0-9_-]{35}$`)

// New makes a server with no people in it. Call Close when it is no longer needed.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Token == "" {
		o.Token = newToken()
	}
	if !tokenShape.MatchString(o.Token) {
		panic("emulator: Options.Token is not shaped like a bot token")
	}
	if o.Username == "" {
		o.Username = "cofferdam_demo_bot"
	}
	if o.Name == "" {
		o.Name = "cofferdam"
	}
	id, _, _ := strings.Cut(o.Token, ":")
	botID, _ := strconv.ParseInt(id, 10, 64)
	s := &Server{
		now:      o.Now,
		token:    o.Token,
		bot:      User{ID: botID, IsBot: true, FirstName: o.Name, Username: o.Username},
		hosts:    o.PageHosts,
		record:   newRecorder(o.Now),
		closed:   make(chan struct{}),
		users:    serviceUsers(),
		chats:    make(map[int64]*chat),
		files:    newFileStore(),
		updates:  newUpdateQueue(),
		queries:  newQueryBook(),
		commands: make(map[commandKey][]BotCommand),
		outbox:   newOutbox(o),
		flood:    newFloodgate(o.Flood),
	}
	s.latency.Store(int64(o.Latency))
	return s
}

// newToken draws a token; 64 symbols, so that every random byte maps to one without bias.
func newToken() string {
	const symbols = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	raw := make([]byte, 35)
	_, _ = rand.Read(raw) // never fails, by its documentation
	for i, b := range raw {
		raw[i] = symbols[b&63]
	}
	return strconv.FormatUint(1_000_000_000+randomUint64()%8_000_000_000, 10) + ":" + string(raw)
}

// Token is the bot's token.
func (s *Server) Token() string { return s.token }

// Bot is the bot's own user, as getMe gives it.
func (s *Server) Bot() User { return s.bot }

// SetLatency changes Options.Latency for the calls to come.
func (s *Server) SetLatency(d time.Duration) { s.latency.Store(int64(d)) }

// Close ends long polls, event streams and deliveries to a webhook, and lets every later call fail with 500, as Telegram
// does while it restarts. It returns when no delivery is under way, or after 5 seconds if one does not obey. It may be
// called more than once.
func (s *Server) Close() {
	s.closeOnce.Do(func() { close(s.closed) })
	s.endDeliveries()
}

// ServeHTTP serves the Bot API at /bot<token>/<method> and files at /file/bot<token>/<path>.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	area, token, rest, ok := splitPath(r.URL.Path)
	if !ok || !tokenShape.MatchString(token) {
		writeAnswer(w, nil, errNotFound)
		return
	}
	if subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) != 1 {
		writeAnswer(w, nil, &apiError{code: http.StatusUnauthorized, description: "Unauthorized"})
		return
	}
	if area == areaFile {
		s.serveFile(w, rest)
		return
	}
	s.serveCall(w, r, rest)
}

const (
	areaCall = "/bot"
	areaFile = "/file/bot"
)

// splitPath takes a request path apart; ok is false if it is in neither area.
func splitPath(path string) (area, token, rest string, ok bool) {
	for _, area := range []string{areaCall, areaFile} {
		if tail, found := strings.CutPrefix(path, area); found {
			token, rest, ok := strings.Cut(tail, "/")
			return area, token, rest, ok
		}
	}
	return "", "", "", false
}

// serveCall handles one method call: decode, record, wait, break if a fault says so, do, answer.
func (s *Server) serveCall(w http.ResponseWriter, r *http.Request, name string) {
	m, ok := methods[strings.ToLower(name)]
	if !ok {
		writeAnswer(w, nil, errNotFound)
		return
	}
	p, err := decodeParams(http.MaxBytesReader(w, r.Body, maxBody), r)
	if err != nil {
		writeAnswer(w, nil, err)
		return
	}
	ctx := r.Context()
	call := s.record.begin(m.name, p)
	if !s.pause(ctx, time.Duration(s.latency.Load())) {
		s.record.end(call, writeAnswer(w, nil, errRestart), errRestart)
		return
	}
	fault := s.faults.take(m.name, p.int("chat_id"))
	if fault != nil && !fault.After && s.breakCall(ctx, w, call, fault) {
		return
	}
	result, err := s.invoke(ctx, m, p)
	if fault != nil && fault.After && s.breakCall(ctx, w, call, fault) {
		return
	}
	s.record.end(call, writeAnswer(w, result, err), err)
}

// invoke runs a method. Only getUpdates may wait, so that only it runs without the lock on the world.
func (s *Server) invoke(ctx context.Context, m method, p *params) (any, error) {
	select {
	case <-s.closed:
		return nil, errRestart
	default:
	}
	if m.wait != nil {
		return m.wait(s, ctx, p)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !m.flood {
		return m.do(s, p)
	}
	chatID, now := p.int("chat_id"), s.now()
	if err := s.flood.admit(chatID, now); err != nil {
		return nil, err
	}
	result, err := m.do(s, p)
	if err == nil {
		s.flood.count(chatID, now)
	}
	return result, err
}

// pause waits for d; false if the caller went away or the server was closed first.
func (s *Server) pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	case <-s.closed:
		return false
	}
}

// unix is the clock in Telegram's unit.
func (s *Server) unix() int64 { return s.now().Unix() }

// bell wakes everybody who waits for a change. It costs nothing while nobody waits. Its owner's lock guards it.
type bell struct{ ch chan struct{} }

// wait gives a channel that is closed at the next ring.
func (b *bell) wait() <-chan struct{} {
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *bell) ring() {
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}

// hear waits for a channel of a bell, the end of ctx, or Close.
func (s *Server) hear(ctx context.Context, rung <-chan struct{}) error {
	select {
	case <-rung:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closed:
		return fmt.Errorf("the emulator was closed")
	}
}
