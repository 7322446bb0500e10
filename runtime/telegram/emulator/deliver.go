package emulator

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// Delivery is one try to bring an update to the webhook.
type Delivery struct {
	UpdateID int64 // 0 for injected bytes without one
	URL      string
	Status   int    // 0 without an answer
	Error    string // without an answer: why
	At       time.Time
}

const (
	// deliverTimeout is how long a webhook may take to answer.
	deliverTimeout = 30 * time.Second
	// deliveriesKept is how many tries are remembered.
	deliveriesKept = 10_000
)

// deliveries is the state of the way to the webhook. Server.mu guards it.
type deliveries struct {
	running bool
	flights map[int64]*flight // by the number of the waiting update
	flying  int
	kept    []Delivery
	changed bell
	// lastError is what getWebhookInfo tells.
	lastError   string
	lastErrorAt int64
}

// flight is an update that is on its way, or waits to be tried again.
type flight struct {
	busy  bool
	tries int
	due   time.Time // real time
}

// parcel is one update, ready to be sent.
type parcel struct {
	waiting
	hook Webhook
}

// Deliveries gives the tries so far, the oldest first, at most the last 10,000.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.deliveries.kept)
}

// WaitReady waits until the bot takes updates: a getUpdates call is under way, or a webhook is set.
func (s *Server) WaitReady(ctx context.Context) error {
	for {
		s.mu.Lock()
		ready := s.updates.poller != nil || s.webhook.URL != ""
		polled, changed := s.updates.polled.wait(), s.deliveries.changed.wait()
		s.mu.Unlock()
		if ready {
			return nil
		}
		select {
		case <-polled:
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait until the bot takes updates: %w", ctx.Err())
		case <-s.closed:
			return errors.New("the emulator was closed")
		}
	}
}

// startDeliveries lets updates go to the webhook from now on. Server.mu is held.
func (s *Server) startDeliveries() {
	d := &s.deliveries
	d.changed.ring()
	if d.running {
		return
	}
	d.running = true
	if d.flights == nil {
		d.flights = map[int64]*flight{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-s.closed; cancel() }()
	go s.dispatch(ctx)
}

// dispatch brings what waits to the webhook, until the server is closed: as many at once as the bot wants, and those of
// one chat one after the other. Telegram does not promise the latter; it is what people see.
func (s *Server) dispatch(ctx context.Context) {
	for ctx.Err() == nil {
		s.mu.Lock()
		next, pause := s.nextParcel(time.Now())
		arrived, changed := s.updates.arrived.wait(), s.deliveries.changed.wait()
		s.mu.Unlock()
		if next != nil {
			go s.bring(ctx, *next)
			continue
		}
		timer := time.NewTimer(pause)
		select {
		case <-arrived:
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// nextParcel takes the oldest update that may go now. Without one it says when to look again.
func (s *Server) nextParcel(now time.Time) (*parcel, time.Duration) {
	d, pause := &s.deliveries, time.Hour
	if s.webhook.URL == "" {
		return nil, pause
	}
	s.updates.confirm(0, s.now()) // what is too old goes
	held := map[int64]bool{}
	for _, w := range s.updates.list {
		f := d.flights[w.id]
		if f == nil {
			f = &flight{}
			d.flights[w.id] = f
		}
		chat := chatOf(w)
		switch {
		case held[chat]:
		case f.busy:
			held[chat] = true
		case f.due.After(now):
			held[chat] = true
			pause = min(pause, f.due.Sub(now))
		case d.flying < s.webhook.MaxConnections:
			f.busy = true
			d.flying++
			return &parcel{w, s.webhook}, 0
		}
	}
	return nil, pause
}

// chatOf says which updates must keep their order. What cannot be read is alone.
func chatOf(w waiting) int64 {
	type where struct {
		Chat struct {
			ID int64 `json:"id"`
		} `json:"chat"`
	}
	var u struct {
		Message *where `json:"message"`
		Member  *where `json:"my_chat_member"`
		Query   *struct {
			Message *where `json:"message"`
		} `json:"callback_query"`
	}
	if json.Unmarshal(w.raw, &u) != nil {
		return -w.id
	}
	switch {
	case u.Message != nil:
		return u.Message.Chat.ID
	case u.Member != nil:
		return u.Member.Chat.ID
	case u.Query != nil && u.Query.Message != nil:
		return u.Query.Message.Chat.ID
	}
	return -w.id
}

// bring makes one try.
func (s *Server) bring(ctx context.Context, p parcel) {
	ctx, cancel := context.WithTimeout(ctx, deliverTimeout)
	defer cancel()
	status, retryAfter, err := s.post(ctx, p)
	s.mu.Lock()
	defer s.mu.Unlock()
	d := &s.deliveries
	d.flying--
	f := d.flights[p.id]
	f.busy = false
	taken := err == nil && status/100 == 2
	// A bot that will never take what is no update must not be asked for ever.
	if taken || p.injected && err == nil && status/100 == 4 && status != http.StatusTooManyRequests {
		delete(d.flights, p.id)
		s.updates.list = slices.DeleteFunc(s.updates.list, func(w waiting) bool { return w.id == p.id })
	} else {
		f.due = time.Now().Add(max(retryAfter, min(s.retryFirst<<min(f.tries, 20), s.retryMost)))
		f.tries++
	}
	did := Delivery{UpdateID: updateIDOf(p.raw), URL: p.hook.URL, Status: status, At: s.now()}
	if !taken {
		d.lastError, d.lastErrorAt = wrongResponse(status, err), s.unix()
	}
	if err != nil {
		did.Error = err.Error()
	}
	d.kept = append(d.kept, did)
	d.kept = d.kept[max(0, len(d.kept)-deliveriesKept):]
	d.changed.ring()
}

func updateIDOf(raw []byte) int64 {
	var u struct {
		ID int64 `json:"update_id"`
	}
	if json.Unmarshal(raw, &u) != nil {
		return 0
	}
	return u.ID
}

// post makes the request as Telegram does. Redirects are not followed.
func (s *Server) post(ctx context.Context, p parcel) (status int, retryAfter time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.hook.URL, bytes.NewReader(p.raw))
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept-Encoding", "gzip, deflate")
	req.Header["User-Agent"] = nil
	if p.hook.SecretToken != "" {
		req.Header.Set("X-Telegram-Bot-Api-Secret-Token", p.hook.SecretToken)
	}
	res, err := s.carrier(p.hook).RoundTrip(req)
	if err != nil {
		return 0, 0, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, maxBody)); err != nil {
		return 0, 0, err
	}
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds > 0 {
		retryAfter = min(time.Duration(seconds)*time.Second, s.retryMost)
	}
	return res.StatusCode, retryAfter, nil
}

// carrier is what brings a request to a webhook: one that trusts the certificate that was uploaded with it, and no
// other, if there is one.
func (s *Server) carrier(hook Webhook) http.RoundTripper {
	if s.webhooks != nil {
		return s.webhooks
	}
	transport := &http.Transport{TLSHandshakeTimeout: 10 * time.Second, DisableKeepAlives: true, ForceAttemptHTTP2: true}
	if hook.Certificate {
		transport.TLSClientConfig = &tls.Config{RootCAs: poolOf(hook.PEM)}
	}
	return transport
}

func poolOf(pem []byte) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return pool
}

// wrongResponse is how Telegram words it.
func wrongResponse(status int, err error) string {
	var unknown *tls.CertificateVerificationError
	timedOut := func() bool { e, ok := errors.AsType[net.Error](err); return ok && e.Timeout() }
	switch {
	case err == nil:
		return fmt.Sprintf("Wrong response from the webhook: %d %s", status, http.StatusText(status))
	case errors.Is(err, syscall.ECONNREFUSED):
		return "Connection refused"
	case errors.As(err, &unknown):
		return "SSL error {error:0A000086:SSL routines::certificate verify failed}"
	case timedOut():
		return "Connection timed out"
	}
	return "Connection reset by peer"
}

// Route brings the requests for a webhook to where a test's bot listens, whatever their host.
type Route struct {
	// To gives the host:port; empty: nobody listens.
	To func() string
	// From is the local address, such as 127.0.0.7; empty: any.
	From string
	// Forwarded gives the X-Forwarded-For that a proxy would add; nil: none.
	Forwarded func() string
	// TLS is used towards the listener, with the name of the URL's host; nil: plain HTTP, as from a proxy that ends
	// TLS.
	TLS *tls.Config
}

// RoundTripper makes a transport of a route. Close its idle connections when it is no longer needed.
func (r Route) RoundTripper() *Carrier {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if r.From != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(r.From)}
	}
	return &Carrier{route: r, transport: &http.Transport{
		TLSClientConfig: r.TLS, ForceAttemptHTTP2: r.TLS != nil, MaxIdleConnsPerHost: 100, DisableCompression: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			to := r.To()
			if to == "" {
				return nil, syscall.ECONNREFUSED
			}
			return dialer.DialContext(ctx, network, to)
		},
	}}
}

// Carrier is the transport of a Route.
type Carrier struct {
	route     Route
	transport *http.Transport
}

// RoundTrip makes one request.
func (c *Carrier) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	if c.route.TLS == nil {
		req.URL.Scheme = "http"
	}
	if c.route.Forwarded != nil {
		req.Header.Set("X-Forwarded-For", c.route.Forwarded())
	}
	return c.transport.RoundTrip(req)
}

// CloseIdleConnections closes those that nobody uses.
func (c *Carrier) CloseIdleConnections() { c.transport.CloseIdleConnections() }
