package telegram

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/webhook"
)

// Bounds of a request (C5).
const (
	headerTimeout = 5 * time.Second
	// bodyTimeout is for header and body together.
	bodyTimeout = 10 * time.Second
	// takeTimeout is how long an update may wait for the journal.
	takeTimeout   = 15 * time.Second
	answerTimeout = 30 * time.Second
	idleTimeout   = time.Minute
	// closeTimeout is for requests under way when the bot stops.
	closeTimeout = 3 * time.Second
	// maxHeader is what net/http makes of 16 KiB: it adds room for a buffer.
	maxHeader = 16<<10 - 4<<10
	// maxDrain is how much of a body that nobody wants is taken from the wire, so
	// that the next request on the connection can be read.
	maxDrain = 16 << 10
	// drainTimeout is for how long: it is there already, or somebody wants to
	// hold the connection of the proxy on which it comes.
	drainTimeout = 250 * time.Millisecond
	// drainBanned is how much shorter that is for who is banned: a proxy that
	// passes bodies on as they come would hold all its connections for one client
	// that begins many and ends none.
	drainBanned = 10
	// streamsAtMost is how many requests one HTTP/2 connection carries at once:
	// as many as Telegram ever has under way.
	streamsAtMost = 100
	// bodiesAtMost bounds what is read and journalled at the same time, and so
	// the memory for bodies.
	bodiesAtMost = 128
)

// timeouts are those of the server, so that tests need not wait for them.
type timeouts struct{ header, body, drain, take, answer, idle time.Duration }

var usualTimeouts = timeouts{
	header: headerTimeout, body: bodyTimeout, drain: drainTimeout, take: takeTimeout, answer: answerTimeout, idle: idleTimeout,
}

// comeBack is what a sender waits when too much waits here.
const comeBack = 5 * time.Second

// WebhookOptions are what a WebhookServer is made of.
type WebhookOptions struct {
	// Address is the host:port to listen on.
	Address string
	// Certificate is that of the listener; nil: plain HTTP, behind a proxy that
	// ends TLS.
	Certificate *Certificate
	Policy      webhook.Policy
	// Deliver returns nil once the update is durable, and [chat.ErrBusy] if it
	// must come again later. It is called by many at the same time.
	Deliver func(ctx context.Context, update chat.Received) error
	// KeepBan makes a ban durable, without waiting; nil: bans end with the
	// process.
	KeepBan func(webhook.Ban)
	// Learn is told each path and secret, so that logs hide them; nil: nobody
	// wants to know.
	Learn func(secret string)
	// Observe is told why each refused request was; nil: nobody counts.
	Observe func(reason string)
	Log     *zap.Logger
	Now     func() time.Time

	timeouts timeouts // none: the usual ones
}

// WebhookServer takes updates that Telegram brings. What is let in is decided
// by [webhook.Guard]; this is the HTTP around it.
//
// go-telegram/bot has a handler too, which is not used: it answers a wrong secret
// with 200, reads bodies without bound, and confirms what nobody has kept.
type WebhookServer struct {
	WebhookOptions
	http     *http.Server
	listener net.Listener
	served   chan struct{}
	bodies   chan struct{}
	said     *refusals

	// mu guards what follows.
	mu    sync.Mutex
	guard *webhook.Guard
	pairs webhook.Pairs
	// open are the connections that there are.
	open map[*connection]struct{}
	// taken is when the last update was taken over.
	taken time.Time
}

// ListenWebhook listens until Close. Until a pair was made with
// [WebhookServer.NextPair] nothing is let in.
func ListenWebhook(o WebhookOptions) (*WebhookServer, error) {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.timeouts == (timeouts{}) {
		o.timeouts = usualTimeouts
	}
	listener, err := net.Listen("tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("listen for the webhook on %s: %w", o.Address, err)
	}
	s := &WebhookServer{
		WebhookOptions: o, listener: listener, served: make(chan struct{}), bodies: make(chan struct{}, bodiesAtMost),
		said: newRefusals(o.Log, Clock{Now: o.Now}.orReal()), open: map[*connection]struct{}{},
	}
	s.guard = webhook.New(o.Policy, &s.pairs)
	s.http = &http.Server{
		Handler: s, Protocols: protocols(), HTTP2: &http.HTTP2Config{MaxConcurrentStreams: streamsAtMost},
		ReadHeaderTimeout: o.timeouts.header, ReadTimeout: o.timeouts.body, WriteTimeout: o.timeouts.answer, IdleTimeout: o.timeouts.idle,
		MaxHeaderBytes: maxHeader, DisableGeneralOptionsHandler: true, ConnContext: withConnection,
		// What strangers send is nothing for the log; what matters of it is
		// counted by the guard.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	go s.serve()
	return s, nil
}

func protocols() *http.Protocols {
	p := &http.Protocols{}
	p.SetHTTP1(true)
	p.SetHTTP2(true) // with TLS only
	return p
}

func (s *WebhookServer) serve() {
	defer close(s.served)
	door := &door{s.listener, s}
	if s.Certificate == nil {
		_ = s.http.Serve(door) // it ends with Close
		return
	}
	s.http.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.Certificate.Get}
	_ = s.http.ServeTLS(door, "", "")
}

// Addr is what is listened on.
func (s *WebhookServer) Addr() net.Addr { return s.listener.Addr() }

// Close takes no new requests, and waits a moment for those under way: what takes
// longer is somebody who holds a connection, and an update that is not answered
// comes again.
func (s *WebhookServer) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	_ = s.listener.Close() // the end of Serve tells that it is
	<-s.served
	s.cutSilent()
	if s.http.Shutdown(ctx) != nil {
		return s.http.Close()
	}
	return nil
}

// ServeHTTP answers one request.
func (s *WebhookServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer s.survive()
	c := connectionOf(r.Context())
	c.asked.Store(true)
	if endIsDoubtful(r) {
		w.Header().Set("Connection", "close") // what follows on it is nobody's
	}
	v := s.judge(c.peer, r)
	if !v.Accept {
		s.refuse(w, r, v)
		return
	}
	if v := s.take(w, r, v); !v.Accept {
		s.refuse(w, r, v)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// endIsDoubtful reports whether a proxy before us may see the end of a request
// elsewhere than we do, so that a second one hides in it: its body is chunked, or
// it is of HTTP/1.0, where net/http ignores that it is, and says nothing of it.
func endIsDoubtful(r *http.Request) bool {
	return len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1)
}

// survive keeps a fault of ours from ending more than one request.
func (s *WebhookServer) survive() {
	switch p := recover(); p {
	case nil:
	case http.ErrAbortHandler:
		panic(p)
	default:
		s.Log.Error("the webhook's handler panicked", zap.String("event", "webhook.panicked"), zap.String("panic", fmt.Sprint(p)))
		s.Log.Debug("stack", zap.String("event", "webhook.stack"), zap.ByteString("stack", debug.Stack()))
		panic(http.ErrAbortHandler)
	}
}

func (s *WebhookServer) judge(peer netip.Addr, r *http.Request) webhook.Verdict {
	encoding := r.Header["Content-Encoding"]
	request := webhook.Request{
		Peer: peer, Forwarded: r.Header["X-Forwarded-For"], Method: r.Method, Target: r.RequestURI,
		Secrets: r.Header["X-Telegram-Bot-Api-Secret-Token"], Length: r.ContentLength,
		Encoded: len(encoding) > 0,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.guard.Judge(request, s.Now())
}

// take reads the body and hands the update over. v is the verdict so far.
func (s *WebhookServer) take(w http.ResponseWriter, r *http.Request, v webhook.Verdict) webhook.Verdict {
	select {
	case s.bodies <- struct{}{}:
		defer func() { <-s.bodies }()
	default:
		return declined(v, webhook.Busy, http.StatusTooManyRequests, comeBack)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, webhook.MaxBody))
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case tooLarge:
		return declined(v, webhook.TooLarge, http.StatusRequestEntityTooLarge, 0)
	case err != nil:
		return declined(v, webhook.Body, http.StatusRequestTimeout, 0)
	}
	id, ok := updateID(body)
	if !ok || !json.Valid(body) {
		return declined(v, webhook.JSON, http.StatusBadRequest, 0)
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.timeouts.take)
	defer cancel()
	err = s.Deliver(ctx, chat.Received{ID: id, Data: body})
	switch {
	case errors.Is(err, chat.ErrBusy):
		return declined(v, webhook.Busy, http.StatusTooManyRequests, comeBack)
	case err != nil:
		if r.Context().Err() == nil { // else the sender hung up, and nothing else failed
			s.said.kept.failed("telegram.deliver_failed", err)
		}
		return declined(v, webhook.Journal, http.StatusServiceUnavailable, comeBack)
	}
	s.said.kept.worked()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pairs.Accepted()
	s.taken = s.Now()
	return v
}

func declined(v webhook.Verdict, reason webhook.Reason, status int, after time.Duration) webhook.Verdict {
	return webhook.Verdict{Status: status, Reason: reason, RetryAfter: after, Client: v.Client}
}

// refuse answers what was not accepted: with a status and nothing else, or by
// closing the connection.
func (s *WebhookServer) refuse(w http.ResponseWriter, r *http.Request, v webhook.Verdict) {
	s.tell(v)
	c := connectionOf(r.Context())
	if v.Status == 0 {
		c.cut()
		panic(http.ErrAbortHandler)
	}
	if v.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(v.RetryAfter/time.Second)))
	}
	if v.Status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost) // RFC 9110, section 15.5.6
	}
	until := time.Now()
	// Nothing that is worth a connection comes from a stranger, nor, with a wrong
	// path, from Telegram: it is for somebody else's bot, and whoever made many
	// of them would take all room there is for Telegram.
	direct := v.Client == c.peer && (v.Stranger || v.Reason == webhook.Path)
	switch {
	case direct || r.ContentLength < 0 || r.ContentLength > maxDrain:
		w.Header().Set("Connection", "close")
	case v.Reason == webhook.Banned:
		until = until.Add(s.timeouts.drain / drainBanned)
	default:
		until = until.Add(s.timeouts.drain)
	}
	if r.ContentLength != 0 {
		// net/http reads what is left of the body, also of a connection that is to
		// be closed. If this fails, bodyTimeout bounds it.
		_ = http.NewResponseController(w).SetReadDeadline(until)
	}
	w.WriteHeader(v.Status)
}

// tell counts a refusal, logs it, and keeps the ban that came of it.
func (s *WebhookServer) tell(v webhook.Verdict) {
	if s.Observe != nil {
		s.Observe(string(v.Reason))
	}
	s.said.refused(v, s.Now())
	if v.Bans {
		if s.KeepBan != nil {
			s.KeepBan(v.Ban)
		}
		s.said.banned(v, s.Now())
	}
}

// RestoreBan takes over a ban from before a restart.
func (s *WebhookServer) RestoreBan(b webhook.Ban) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.guard.RestoreBan(b)
}

// Sweep forgets bans that are over, and logs that they are. Call it every few
// seconds.
func (s *WebhookServer) Sweep() {
	now := s.Now()
	s.mu.Lock()
	ended := s.guard.Expire(now)
	s.mu.Unlock()
	if len(ended) > 0 {
		s.Log.Info("bans are over", zap.String("event", "webhook.unbanned"), zap.Int("count", len(ended)))
	}
	s.said.flush(now)
}

// NextPair returns the path and secret that Telegram is to be told of. They are
// valid from now on.
func (s *WebhookServer) NextPair() (webhook.Pair, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pair, err := s.pairs.Next(rand.Reader)
	if err == nil && s.Learn != nil {
		s.Learn(pair.Path())
		s.Learn(pair.PathSecret())
		s.Learn(pair.Secret())
	}
	return pair, err
}

// Registered tells that Telegram knows the pair of [WebhookServer.NextPair]. The
// one before stays valid for a while.
func (s *WebhookServer) Registered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pairs.Registered(s.Now())
}

// knows reports whether a path is valid.
func (s *WebhookServer) knows(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pairs.Knows(path, s.Now())
}

// Due reports whether the pair is to be replaced (C1).
func (s *WebhookServer) Due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pairs.Due(s.Now())
}

// Taken is when the last update was taken over; the zero time: none was.
func (s *WebhookServer) Taken() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}
