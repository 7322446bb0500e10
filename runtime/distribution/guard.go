package distribution

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Bounds of what a registry may answer, and of its time.
const (
	maxBody     = 4 << 20 // bytes; 1,000 tags, or a manifest, are a tenth of that
	maxHeader   = 64 << 10
	dialTimeout = 5 * time.Second
	headTimeout = 10 * time.Second
	// maxRedirects are followed; the library would follow them for ever.
	maxRedirects = 5
)

var (
	errLeads     = errors.New("the registry leads to an address that it must not lead to")
	errPlain     = errors.New("the registry, or where it leads to, does not use HTTPS")
	errElsewhere = errors.New("the registry wants its credentials to be sent to another host")
	errTooLong   = errors.New("the registry's answer is too long")
	errCircle    = errors.New("the registry redirects again and again")
	errMethod    = errors.New("only reading requests are sent to registries")
)

// gate is the connections to one registry, and to where that leads. They are not
// shared with other registries: what one may reach, another may not.
type gate struct {
	host      string // as in references: "registry.example.org:5000"
	plain     bool   // the registry is this machine, which may do without TLS
	transport *http.Transport
	// zone is where the registry's own address lies, once it is known.
	zone atomic.Int64
	// proxies are the addresses of the operator's own proxies.
	proxies sync.Map
}

func newGate(host string, roots *x509.CertPool) *gate {
	g := &gate{host: host, plain: isLoopbackName(hostname(host))}
	g.transport = &http.Transport{
		Proxy:                  g.proxy,
		DialContext:            g.dial,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    dialTimeout,
		ResponseHeaderTimeout:  headTimeout,
		MaxResponseHeaderBytes: maxHeader,
		MaxIdleConnsPerHost:    perRegistry,
		IdleConnTimeout:        30 * time.Second,
		ForceAttemptHTTP2:      true,
	}
	return g
}

// proxy is that of the environment, as for Telegram.
func (g *gate) proxy(req *http.Request) (*url.URL, error) {
	address, err := http.ProxyFromEnvironment(req)
	if address != nil {
		g.proxies.Store(dialed(address), true)
	}
	return address, err
}

// dialed is what is dialed for an address: its host and port.
func dialed(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// dial connects to what a name means, unless it lies where the registry must not
// lead. The addresses are looked at after the name was resolved.
func (g *gate) dial(ctx context.Context, network, address string) (net.Conn, error) {
	_, proxied := g.proxies.Load(address)
	own := g.isOwn(address)
	dialer := net.Dialer{Timeout: dialTimeout, Control: func(_, resolved string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(resolved)
		if err == nil && (proxied || g.mayReach(zoneOf(at.Addr()), own)) {
			return nil
		}
		return errLeads
	}}
	conn, err := dialer.DialContext(ctx, network, address)
	if err == nil && own {
		if at, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil {
			g.zone.Store(int64(zoneOf(at.Addr())))
		}
	}
	return conn, err
}

func (g *gate) mayReach(to zone, own bool) bool {
	return own && to != forbidden || mayLead(zone(g.zone.Load()), to)
}

// isOwn reports whether host, with or without a port, is the registry's.
func (g *gate) isOwn(host string) bool {
	name, port := hostname(host), portOf(host)
	if name != hostname(g.host) {
		return false
	}
	if own := portOf(g.host); own != "" {
		return port == own || port == "" && own == "443"
	}
	return port == "" || port == "443" || port == "80" && g.plain
}

// portOf is the port of a host; empty if it names none.
func portOf(hostport string) string {
	_, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return ""
	}
	return port
}

// redirects counts those that led to a request.
func redirects(req *http.Request) (n int) {
	for ; req != nil && req.Response != nil; req = req.Response.Request {
		n++
	}
	return n
}

// admit looks at where a request goes before a name is resolved for it.
func (g *gate) admit(req *http.Request, l login) error {
	host := req.URL.Host
	switch req.URL.Scheme {
	case "https":
	case "http":
		if !g.plain || !isLoopbackName(req.URL.Hostname()) {
			return errPlain
		}
	default:
		return errPlain
	}
	own := g.isOwn(host)
	if addr, err := netip.ParseAddr(req.URL.Hostname()); err == nil && !g.mayReach(zoneOf(addr), own) {
		return errLeads
	}
	if own || !l.known() || !carries(req) || l.goesTo(host) {
		return nil
	}
	return fmt.Errorf("%w, %s", errElsewhere, hostname(host))
}

// carries reports whether a request can have the operator's credentials in it: in
// a header, or in the body with which a token is asked for.
func carries(req *http.Request) bool {
	return req.Body != nil && req.Body != http.NoBody || strings.HasPrefix(strings.ToLower(req.Header.Get("Authorization")), "basic ")
}

// round sends one request of a look at a registry.
type round struct {
	*registry
	login login
}

// RoundTrip implements [http.RoundTripper].
func (r round) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := r.pause(); err != nil {
		return nil, err
	}
	if req.Method != http.MethodGet && req.Method != http.MethodHead && req.Method != http.MethodPost {
		return nil, errMethod
	}
	if redirects(req) > maxRedirects {
		return nil, errCircle
	}
	if err := r.gate.admit(req, r.login); err != nil {
		return nil, err
	}
	answer, err := r.gate.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	r.heed(answer)
	answer.Body = &bounded{ReadCloser: answer.Body, left: maxBody}
	return answer, nil
}

// bounded is a body that fails where it gets too long, instead of seeming to end.
type bounded struct {
	io.ReadCloser
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left+1)])
	if b.left -= n; b.left < 0 {
		return 0, errTooLong
	}
	return n, err
}
