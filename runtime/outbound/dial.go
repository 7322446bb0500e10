package outbound

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"strings"

	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// lookup asks the system's resolver. A name with a dot is asked for as it is: the
// search list of a host could find another one, inside.
func lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if strings.Contains(host, ".") {
		host += "."
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// address is one to which a connection may be made, with the terms of that.
type address struct {
	netip.Addr
	terms capability.Terms
}

// addresses looks a host up, once, and holds all of its addresses against the
// terms. A name of which one address is out of reach is out of reach: whoever
// answers for it chooses which one is tried.
func (t *task) addresses(ctx context.Context, h hop) ([]address, error) {
	host := h.target.Host()
	found := []netip.Addr{}
	if addr, err := netip.ParseAddr(host); err == nil {
		found = append(found, addr)
	} else if found, err = t.cfg.Lookup(ctx, host); err != nil {
		return nil, err
	}
	var all []address
	for _, addr := range found {
		addr = addr.Unmap()
		terms, ok := h.terms.At(host, addr)
		if !ok {
			return nil, errReach
		}
		all = append(all, address{addr, terms})
	}
	if len(all) == 0 {
		return nil, errNoHost
	}
	return all[:min(len(all), maxAddresses)], nil
}

// connect connects to the first address that answers, and shakes hands where the
// request is encrypted.
func (t *task) connect(ctx context.Context, h hop) (net.Conn, error) {
	all, err := t.addresses(ctx, h)
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		var conn net.Conn
		if conn, err = t.dial(ctx, a.Addr, h.target.Port()); err != nil {
			continue
		}
		if h.target.Scheme() == "http" {
			return conn, nil
		}
		secured := tls.Client(conn, t.tls(h.target.Host(), a.terms))
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return secured, nil
	}
	return nil, err
}

func (t *task) dial(ctx context.Context, addr netip.Addr, port string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	return t.cfg.Dial(ctx, "tcp", net.JoinHostPort(addr.String(), port))
}

// tls says which certificates are taken from a host. With pins the library's own
// verification is off, and what stands here is all there is.
func (t *task) tls(host string, terms capability.Terms) *tls.Config {
	cfg := &tls.Config{ServerName: host, RootCAs: t.cfg.Roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if !terms.Pinned() {
		return cfg
	}
	cfg.InsecureSkipVerify = true
	cfg.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errPin
		}
		setting := func(name string) (string, bool) { return t.cfg.Secret(t.module, name) }
		switch terms.Trusts(sha256.Sum256(state.PeerCertificates[0].Raw), setting) {
		case capability.TrustPin:
			return nil
		case capability.TrustName:
			return t.verify(host, state.PeerCertificates)
		}
		return errPin
	}
	return cfg
}

// verify is what the library does without pins.
func (t *task) verify(host string, chain []*x509.Certificate) error {
	options := x509.VerifyOptions{Roots: t.cfg.Roots, DNSName: host, Intermediates: x509.NewCertPool()}
	for _, certificate := range chain[1:] {
		options.Intermediates.AddCert(certificate)
	}
	_, err := chain[0].Verify(options)
	return err
}
