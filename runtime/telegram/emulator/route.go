package emulator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

const (
	// dialTimeout is how long a connection to a webhook may take.
	dialTimeout = 10 * time.Second
	// idleTimeout is how long a connection is kept for the next update.
	idleTimeout = 15 * time.Second
)

// Route brings the requests for a webhook to where a test's bot listens, whatever their host.
type Route struct {
	// To gives the host:port; empty: nobody listens. Without To it is the URL's, or setWebhook's ip_address.
	To func() string
	// From is the local address, such as 127.0.0.7; empty: any. RoundTripper panics if it is no IP address.
	From string
	// Forwarded gives the X-Forwarded-For that a proxy would add; nil: none.
	Forwarded func() string
	// TLS is used towards the listener, with the name of the URL's host; nil: plain HTTP, as from a proxy that ends
	// TLS. A certificate that was uploaded with setWebhook takes the place of its RootCAs. It must hold the name or
	// address: Go does not look at a common name.
	TLS *tls.Config
}

// RoundTripper makes a transport of a route: HTTP/1.1 with connections kept alive, as Telegram's, and never through a
// proxy of the environment. Close its idle connections when it is no longer needed.
func (r Route) RoundTripper() *Carrier { return r.carrier(Webhook{}) }

// Carrier is the transport of a Route.
type Carrier struct {
	route     Route
	transport *http.Transport
}

// carrier makes the transport; of the webhook only ip_address counts here.
func (r Route) carrier(hook Webhook) *Carrier {
	dialer := &net.Dialer{Timeout: dialTimeout}
	if r.From != "" {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(r.From), 0))
	}
	return &Carrier{route: r, transport: &http.Transport{
		TLSClientConfig: r.TLS.Clone(), MaxIdleConnsPerHost: 100, IdleConnTimeout: idleTimeout, DisableCompression: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			to, err := r.target(hook.IPAddress, addr)
			if err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, network, to)
		},
	}}
}

// target is where a connection for the URL's host and port goes.
func (r Route) target(ip, addr string) (string, error) {
	if r.To != nil {
		if to := r.To(); to != "" {
			return to, nil
		}
		return "", syscall.ECONNREFUSED
	}
	if ip == "" {
		return addr, nil
	}
	_, port, err := net.SplitHostPort(addr)
	return net.JoinHostPort(ip, port), err
}

// For gives the carrier for one webhook. It trusts exactly the certificate that was uploaded with it, if one was; if
// that cannot be read, each request fails, as at Telegram.
func (c *Carrier) For(hook Webhook) http.RoundTripper {
	r := c.route
	if hook.Certificate && r.TLS != nil {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(hook.PEM) {
			return deadEnd{errCertificate}
		}
		r.TLS = r.TLS.Clone()
		r.TLS.RootCAs = pool
	}
	return r.carrier(hook)
}

// RoundTrip makes one request.
func (c *Carrier) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context()) // a RoundTripper must not change what it was given
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

// errCertificate: what was uploaded as a certificate is none.
var errCertificate = errors.New("no certificate in what was uploaded")

// deadEnd carries nothing.
type deadEnd struct{ err error }

// RoundTrip fails.
func (d deadEnd) RoundTrip(*http.Request) (*http.Response, error) { return nil, d.err }
