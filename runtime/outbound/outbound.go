// Package outbound makes HTTP requests for modules (F7).
//
// What may be asked was decided before; this holds what is asked to it. A name is
// looked up once, each of its addresses is held against the terms of the request,
// and what is connected to is one of these, never the name. A redirect is a new
// request and is decided anew. Secrets are put in here, and hidden where an answer
// repeats them. Nothing is shared between requests: no connection, cookie, proxy or
// cache.
package outbound

import (
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// Bounds of a request and of what is answered.
const (
	// MaxBody is how many bytes of an answer's body a module gets.
	MaxBody = 256 << 10
	// MaxSent is how many bytes of a body a module sends.
	MaxSent = 32 << 10
	// MaxTime is how long a request takes with all its redirects.
	MaxTime = 10 * time.Second
	// maxHeader bounds the header of an answer, in bytes, as it is read.
	maxHeader = 64 << 10
	// maxRedirects are followed.
	maxRedirects = 3
	// maxAddresses of one name are tried, each for dialTime.
	maxAddresses = 4
	dialTime     = 3 * time.Second
	// perModule and overall bound how many requests are under way.
	perModule = 4
	overall   = 32
)

// Config says what a [Client] works with.
type Config struct {
	// Secret returns a secret of a module by its name: what goes into a header, an
	// address, a fingerprint. nil: there are none.
	Secret func(module, name string) (string, bool)
	// Secrets returns all secrets of a module: no answer shows one, whichever request
	// the server may have it from. nil: there are none.
	Secrets func(module string) []string
	// Lookup returns the addresses of a name; nil: the system's resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Dial connects to an address that was checked, "ip:port"; nil: over the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Roots are the authorities that are trusted; nil: the system's.
	Roots *x509.CertPool
	// Now is the clock by which requests are timed; nil: the real one.
	Now func() time.Time
}

// Client makes requests. It is safe for use by several goroutines, and keeps
// nothing open between them.
type Client struct {
	cfg Config

	mu      sync.Mutex
	running map[string]int // by module
	all     int
}

// New returns a client.
func New(cfg Config) *Client {
	if cfg.Secret == nil {
		cfg.Secret = func(string, string) (string, bool) { return "", false }
	}
	if cfg.Secrets == nil {
		cfg.Secrets = func(string) []string { return nil }
	}
	if cfg.Lookup == nil {
		cfg.Lookup = lookup
	}
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{}).DialContext
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Client{cfg: cfg, running: map[string]int{}}
}

// Allows decides on a request, as [capability.Set.AllowsFetch] does.
type Allows = func(capability.Fetch) (capability.Terms, bool)

// Fetch makes a request for a module: f is what allows is asked about, q what else
// belongs to it. Errors carry an [abi.Error]: denied for what allows or the terms
// refuse, invalid, unavailable, timeout, and limit where too many are under way.
// None of them tells a secret or an address that a name stands for.
func (c *Client) Fetch(ctx context.Context, module string, f capability.Fetch, allows Allows, q abi.FetchRequest) (abi.FetchResponse, error) {
	t, err := c.prepare(module, f, allows, q)
	if err != nil {
		return abi.FetchResponse{}, err
	}
	if !c.enter(module) {
		return abi.FetchResponse{}, errBusy
	}
	defer c.leave(module)
	began := c.cfg.Now()
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	answer, err := t.run(ctx)
	if err == nil {
		err = ctx.Err() // a server that sees us leave can still end its body well
	}
	if err != nil {
		return abi.FetchResponse{}, explain(ctx, err)
	}
	answer.TimeMS = c.cfg.Now().Sub(began).Milliseconds()
	return answer, nil
}

func (c *Client) enter(module string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running[module] >= perModule || c.all >= overall {
		return false
	}
	c.running[module]++
	c.all++
	return true
}

func (c *Client) leave(module string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.running[module]--; c.running[module] == 0 {
		delete(c.running, module)
	}
}

// task is one request of a module with the redirects that it leads to.
type task struct {
	*Client
	module  string
	allows  Allows
	first   capability.Fetch
	header  http.Header
	secret  map[string]bool // names of headers that hold one
	hide    []string        // what no answer shows
	body    []byte
	maxBody int
	timeout time.Duration
}

// prepare checks all of a request that does not need the network.
func (c *Client) prepare(module string, f capability.Fetch, allows Allows, q abi.FetchRequest) (*task, error) {
	t := &task{Client: c, module: module, allows: allows, first: f, body: q.Body, maxBody: MaxBody, timeout: MaxTime}
	switch {
	case q.MaxBody < 0 || q.TimeoutMS < 0:
		return nil, refuse(abi.Invalid, "A request has no time or length below nothing.")
	case len(q.Body) > MaxSent:
		return nil, refuse(abi.Limit, "The body of the request is too long.")
	case len(q.Body) > 0 && (f.Method() == http.MethodGet || f.Method() == http.MethodHead):
		return nil, refuse(abi.Invalid, "A request that only reads has no body.")
	}
	if q.MaxBody > 0 {
		t.maxBody = min(q.MaxBody, MaxBody)
	}
	if q.TimeoutMS > 0 && q.TimeoutMS < int(MaxTime.Milliseconds()) {
		t.timeout = time.Duration(q.TimeoutMS) * time.Millisecond
	}
	if _, ok := allows(f); !ok { // before anything is looked up for it
		return nil, errOutside
	}
	if err := t.setHeader(q.Headers); err != nil {
		return nil, err
	}
	t.hide = hidden(c.cfg.Secrets(module))
	return t, nil
}

// run makes the request, and those that it is redirected to.
func (t *task) run(ctx context.Context) (abi.FetchResponse, error) {
	next := t.first
	for range maxRedirects + 1 {
		h, err := t.hop(next)
		if err != nil {
			return abi.FetchResponse{}, err
		}
		answer, err := t.send(ctx, h)
		if err != nil {
			return abi.FetchResponse{}, err
		}
		location := leadsTo(answer)
		if location == "" {
			defer answer.Body.Close()
			return t.read(answer)
		}
		_ = answer.Body.Close()
		if next, err = t.follow(h, answer.StatusCode, location); err != nil {
			return abi.FetchResponse{}, err
		}
	}
	return abi.FetchResponse{}, errCircle
}

// hop is one request with where it really goes.
type hop struct {
	fetch  capability.Fetch
	terms  capability.Terms
	target capability.Fetch // fetch with the operator's address in the place of its name
}

func (t *task) hop(f capability.Fetch) (hop, error) {
	terms, ok := t.allows(f)
	if !ok {
		return hop{}, errOutside
	}
	target, err := t.resolve(f)
	return hop{fetch: f, terms: terms, target: target}, err
}

// send makes one request over a connection of its own. The answer's body ends with
// the context.
func (t *task) send(ctx context.Context, h hop) (*http.Response, error) {
	var body io.Reader
	if len(t.body) > 0 {
		body = bytes.NewReader(t.body)
	}
	r, err := http.NewRequestWithContext(ctx, h.target.Method(), h.target.URL(), body)
	if err != nil || r.URL.RequestURI() != h.target.Tail() || r.URL.User != nil {
		return nil, errAddress // its error would quote the URL
	}
	r.Header = t.header.Clone()
	conn, err := t.connect(ctx, h)
	if err != nil {
		return nil, err
	}
	answer, err := over(conn).RoundTrip(r)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	if answer.StatusCode == http.StatusSwitchingProtocols {
		_ = answer.Body.Close()
		return nil, errAnswer
	}
	return answer, nil
}

// over makes requests over one connection, and over no other. The library would dial
// beside the request, and go on after it.
func over(conn net.Conn) http.RoundTripper {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	dial := func(context.Context, string, string) (net.Conn, error) {
		if conn == nil {
			return nil, errAnswer
		}
		only := conn
		conn = nil
		return only, nil
	}
	return &http.Transport{
		DialContext: dial, DialTLSContext: dial, Protocols: protocols, DisableKeepAlives: true,
		DisableCompression:     true, // a few bytes could become very many
		MaxResponseHeaderBytes: maxHeader,
	}
}

// leadsTo returns where an answer redirects to; nothing: it is the last.
func leadsTo(answer *http.Response) string {
	switch answer.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return answer.Header.Get("Location")
	}
	return ""
}

// follow makes the next request of a redirect. What belongs to one server stays
// with it. Whether the module may make it is decided as for the first.
func (t *task) follow(h hop, status int, location string) (capability.Fetch, error) {
	from, err := url.Parse(h.target.URL())
	if err != nil {
		return capability.Fetch{}, errAddress
	}
	to, err := from.Parse(location)
	if err != nil {
		return capability.Fetch{}, errLeaves
	}
	to.Fragment, to.RawFragment = "", ""
	method := h.target.Method()
	if status == http.StatusSeeOther && method != http.MethodHead || (status == http.StatusMovedPermanently || status == http.StatusFound) && method == http.MethodPost {
		method, t.body = http.MethodGet, nil
		t.header.Del("Content-Type")
	}
	target, err := capability.ParseFetch(method, to.String(), nil)
	if _, _, based := target.Base(); err != nil || based { // the operator's names are none of a server's
		return capability.Fetch{}, errLeaves
	}
	if target.Origin() != h.target.Origin() {
		t.forget()
	}
	next, err := t.named(h.fetch, target)
	if err != nil {
		return capability.Fetch{}, errLeaves
	}
	if _, ok := t.allows(next); !ok {
		return capability.Fetch{}, errLeaves
	}
	return next, nil
}
