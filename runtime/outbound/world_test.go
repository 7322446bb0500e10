package outbound

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// module is who asks in all tests.
const module = "hello"

// world is a network of its own: names, addresses and the servers there, in which
// a client makes requests. Connections go to where the client was told an address
// is, so that a test sees which one was dialled.
type world struct {
	t       *testing.T
	client  *Client
	secrets map[string]string

	mu      sync.Mutex
	names   map[string][]string         // of each look-up, the last one stays
	servers map[string]*httptest.Server // by ip:port
	lookups []string
	dialled []string
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, secrets: map[string]string{}, names: map[string][]string{}, servers: map[string]*httptest.Server{}}
	w.client = New(Config{
		Secret:  func(m, name string) (string, bool) { v, ok := w.secrets[name]; return v, ok && m == module },
		Secrets: func(m string) []string { return slices.Sorted(maps.Values(w.secrets)) },
		Lookup:  w.lookup, Dial: w.dial, Roots: w.roots(),
	})
	return w
}

// lookup answers with the addresses of the first entry that is left.
func (w *world) lookup(_ context.Context, host string) ([]netip.Addr, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookups = append(w.lookups, host)
	answers := w.names[host]
	if len(answers) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if len(answers) > 1 {
		w.names[host] = answers[1:]
	}
	var all []netip.Addr
	for text := range strings.SplitSeq(answers[0], " ") {
		all = append(all, netip.MustParseAddr(text))
	}
	return all, nil
}

func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	server := w.servers[address]
	w.dialled = append(w.dialled, address)
	w.mu.Unlock()
	if server == nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("connect to " + address + ": refused")}
	}
	return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
}

var authority = sync.OnceValue(func() *tls.Certificate { return certify(nil, "the tests' authority") })

func (w *world) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(authority().Leaf)
	return pool
}

// certify makes a certificate, by itself if nobody signs it.
func certify(by *tls.Certificate, names ...string) *tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: by == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, DNSNames: names,
	}
	parent, signer := template, any(key)
	if by != nil {
		parent, signer = by.Leaf, by.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func fingerprint(c *tls.Certificate) string {
	sum := sha256.Sum256(c.Leaf.Raw)
	return hex.EncodeToString(sum[:])
}

// serve puts a server at an address, with a certificate; nil: without TLS.
func (w *world) serve(address string, certificate *tls.Certificate, handle http.HandlerFunc) {
	server := httptest.NewUnstartedServer(handle)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that leave on purpose
	if certificate == nil {
		server.Start()
	} else {
		server.TLS = &tls.Config{Certificates: []tls.Certificate{*certificate}}
		server.StartTLS()
	}
	w.t.Cleanup(server.Close)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.servers[address] = server
}

// host puts a server with a good certificate behind a name at a public address.
func (w *world) host(name, ip string, handle http.HandlerFunc) {
	w.names[name] = []string{ip}
	w.serve(net.JoinHostPort(ip, "443"), certify(authority(), name), handle)
}

// granted is a grant of one party or more, of patterns with commas between them.
func granted(t *testing.T, parties ...string) capability.Set {
	t.Helper()
	var set capability.Set
	for i, patterns := range parties {
		next, err := capability.Parse([]capability.Request{{Name: string(capability.HTTPFetch), Scope: strings.Split(patterns, ",")}})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			set = next
		} else {
			set = set.Narrow(next)
		}
	}
	return set
}

// fetch makes a request as the operation does.
func (w *world) fetch(grant capability.Set, q abi.FetchRequest) (abi.FetchResponse, error) {
	w.t.Helper()
	return w.fetchIn(w.t.Context(), grant, q)
}

func (w *world) fetchIn(ctx context.Context, grant capability.Set, q abi.FetchRequest) (abi.FetchResponse, error) {
	w.t.Helper()
	var secrets []string
	for _, h := range q.Headers {
		if h.Secret != "" {
			secrets = append(secrets, h.Secret)
		}
	}
	f, err := capability.ParseFetch(q.Method, q.URL, secrets)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.client.Fetch(ctx, module, f, grant.AllowsFetch, q)
}

// want fails unless an error has a code, and a sentence without what nobody is to
// read there.
func (w *world) want(err error, code abi.Code) {
	w.t.Helper()
	told, ok := errors.AsType[*abi.Error](err)
	if !ok || told.Code != code {
		w.t.Fatalf("got %v, want %v", err, code)
	}
	for _, secret := range w.secrets {
		if strings.Contains(told.Message, secret) {
			w.t.Errorf("the error tells a secret: %s", told.Message)
		}
	}
	for _, address := range w.dialled {
		ip, _, _ := net.SplitHostPort(address)
		if strings.Contains(told.Message, ip) {
			w.t.Errorf("the error tells an address: %s", told.Message)
		}
	}
	if !strings.HasSuffix(told.Message, ".") {
		w.t.Errorf("no sentence: %s", told.Message)
	}
}

func say(text string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(text)) }
}

func redirect(to string, code int) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Location", to)
		rw.WriteHeader(code)
	}
}
