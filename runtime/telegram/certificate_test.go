package telegram

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var certifiedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// issued is a certificate with its key.
type issued struct {
	leaf *x509.Certificate
	key  crypto.Signer
}

// issue makes a certificate for bot.example.org that is valid for 90 days
// around certifiedAt; by nobody means by itself. Changes spoil it.
func issue(t testing.TB, by *issued, key crypto.Signer, changes ...func(*x509.Certificate)) issued {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bot.example.org"}, DNSNames: []string{"bot.example.org"},
		NotBefore: certifiedAt.AddDate(0, 0, -30), NotAfter: certifiedAt.AddDate(0, 0, 60),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	for _, change := range changes {
		change(template)
	}
	if by == nil {
		by = &issued{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.leaf, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return issued{leaf, key}
}

// authority lets a certificate sign others.
func authority(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject.CommonName, c.DNSNames, c.ExtKeyUsage = name, nil, nil
		c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign
	}
}

func ends(end time.Time) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotAfter = end }
}

func begins(begin time.Time) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotBefore = begin }
}

func ecKey(t testing.TB, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func selfIssued(t testing.TB, changes ...func(*x509.Certificate)) issued {
	return issue(t, nil, ecKey(t, elliptic.P256()), changes...)
}

func (i issued) certPEM(chain ...issued) []byte {
	var text []byte
	for _, c := range append([]issued{i}, chain...) {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.leaf.Raw})...)
	}
	return text
}

func (i issued) keyPEM(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// pairFiles is where a certificate and its key lie.
type pairFiles struct{ cert, key string }

func writePair(t testing.TB, i issued, chain ...issued) pairFiles {
	t.Helper()
	dir := t.TempDir()
	f := pairFiles{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	write(t, f.cert, i.certPEM(chain...))
	write(t, f.key, i.keyPEM(t))
	return f
}

// write replaces a file, whatever it is, as a whole.
func write(t testing.TB, path string, data []byte) {
	t.Helper()
	beside := path + ".new"
	if err := os.WriteFile(beside, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(beside, path); err != nil {
		t.Fatal(err)
	}
}

func (f pairFiles) open() (*Certificate, error) {
	return OpenCertificate(f.cert, f.key, func() time.Time { return certifiedAt })
}

func (f pairFiles) mustOpen(t testing.TB) *Certificate {
	t.Helper()
	c, err := f.open()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *Certificate) serves(t testing.TB, want issued) {
	t.Helper()
	got, err := c.Get(nil)
	if err != nil || !got.Leaf.Equal(want.leaf) {
		t.Errorf("another certificate is served: %v", err)
	}
}

// badPairs are ways to spoil the files of a good pair, each with what is said.
var badPairs = []struct {
	name  string
	spoil func(*testing.T, pairFiles)
	says  string
}{
	{"no certificate", func(t *testing.T, f pairFiles) { remove(t, f.cert) }, "no such file or directory; write the path as the bot sees it"},
	{"no key", func(t *testing.T, f pairFiles) { remove(t, f.key) }, "webhook_config.cert_key: the file cannot be read"},
	{"a folder as the certificate", func(t *testing.T, f pairFiles) { mkdir(t, f.cert) }, "is not a regular file"},
	{"a folder as the key", func(t *testing.T, f pairFiles) { mkdir(t, f.key) }, "is not a regular file"},
	{"a FIFO as the certificate", func(t *testing.T, f pairFiles) { fifo(t, f.cert) }, "is not a regular file"},
	{"a FIFO as the key", func(t *testing.T, f pairFiles) { fifo(t, f.key) }, "is not a regular file"},
	{"a link to nothing", func(t *testing.T, f pairFiles) { link(t, f.cert, "nowhere") }, "webhook_config.cert: the file cannot be read"},
	{"a link to a device", func(t *testing.T, f pairFiles) { link(t, f.key, "/dev/zero") }, "is not a regular file"},
	{"a certificate that is too large", func(t *testing.T, f pairFiles) { write(t, f.cert, make([]byte, maxPEM+1)) }, "greater than 1 MiB"},
	{"a key that is too large", func(t *testing.T, f pairFiles) { write(t, f.key, make([]byte, maxPEM+1)) }, "greater than 1 MiB"},
	{"nothing in the certificate", func(t *testing.T, f pairFiles) { write(t, f.cert, nil) }, "there is no certificate in it"},
	{"no PEM", func(t *testing.T, f pairFiles) { write(t, f.cert, []byte("a certificate")) }, "there is no certificate in it"},
	{"a key as the certificate", func(t *testing.T, f pairFiles) { write(t, f.cert, selfIssued(t).keyPEM(t)) }, "there is no certificate in it"},
	{"a certificate cut short", func(t *testing.T, f pairFiles) { write(t, f.cert, selfIssued(t).certPEM()[:200]) }, "there is no certificate in it"},
	{"PEM of something else", func(t *testing.T, f pairFiles) {
		write(t, f.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("words")}))
	}, "webhook_config.cert: the certificate cannot be read"},
	{"no PEM in the key", func(t *testing.T, f pairFiles) { write(t, f.key, []byte("a key")) }, "webhook_config.cert_key: it is not the key of that certificate"},
	{"the key of another", func(t *testing.T, f pairFiles) { write(t, f.key, selfIssued(t).keyPEM(t)) }, "webhook_config.cert_key: it is not the key of that certificate"},
	{"the certificate of another", func(t *testing.T, f pairFiles) { write(t, f.cert, selfIssued(t).certPEM()) }, "webhook_config.cert_key: it is not the key of that certificate"},
	{"a key that others can read", func(t *testing.T, f pairFiles) { chmod(t, f.key, 0o604) }, "chmod o= "},
	{"a key that others can write", func(t *testing.T, f pairFiles) { chmod(t, f.key, 0o602) }, "chmod o= "},
	{"expired", func(t *testing.T, f pairFiles) {
		replace(t, f, selfIssued(t, ends(certifiedAt.Add(-time.Second))))
	}, "expired on 2026-03-01"},
	{"not yet valid", func(t *testing.T, f pairFiles) {
		replace(t, f, selfIssued(t, begins(certifiedAt.AddDate(0, 0, 2))))
	}, "valid from 2026-03-03 on: is this machine's clock right?"},
}

func replace(t *testing.T, f pairFiles, by issued) {
	t.Helper()
	write(t, f.cert, by.certPEM())
	write(t, f.key, by.keyPEM(t))
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	remove(t, path)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func fifo(t *testing.T, path string) {
	t.Helper()
	remove(t, path)
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

// link replaces a file by a symbolic link, as a whole.
func link(t *testing.T, path, to string) {
	t.Helper()
	if err := os.Symlink(to, path+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// A pair with which nobody could connect is refused, and what is said of it has
// nothing of the key. When it comes later, the one before stays.
func TestBadCertificates(t *testing.T) {
	for _, bad := range badPairs {
		t.Run(bad.name, func(t *testing.T) {
			good := selfIssued(t)
			f := writePair(t, good)
			c := f.mustOpen(t)
			bad.spoil(t, f)
			_, err := f.open()
			if err == nil || !strings.Contains(err.Error(), bad.says) || !strings.HasPrefix(err.Error(), "webhook_config.cert") {
				t.Errorf("at the start: %v, want …%s…", err, bad.says)
			}
			changed, again := c.Reload()
			if changed || again == nil || again.Error() != err.Error() {
				t.Errorf("later: %t, %v, want: %v", changed, again, err)
			}
			c.serves(t, good)

			// What is put right is taken.
			better := selfIssued(t)
			for _, path := range []string{f.cert, f.key} {
				if err := os.RemoveAll(path); err != nil {
					t.Fatal(err)
				}
			}
			replace(t, f, better)
			if changed, err := c.Reload(); !changed || err != nil {
				t.Errorf("put right: %t, %v", changed, err)
			}
			c.serves(t, better)
		})
	}
}

// A file that is closed to the bot is named, with its mode, and whom to let in.
func TestACertificateThatTheBotMayNotRead(t *testing.T) {
	for _, test := range []struct {
		name  string
		close func(*testing.T, pairFiles)
		says  string // an expression
	}{
		{"the key", func(t *testing.T, f pairFiles) { chmod(t, f.key, 0) },
			`^webhook_config.cert_key: the file cannot be read: open /.*/key.pem: permission denied; the bot runs as user \d+: .* \(mode 0\)`},
		{"the certificate", func(t *testing.T, f pairFiles) { chmod(t, f.cert, 0o200) },
			`^webhook_config.cert: the file cannot be read: open /.*/cert.pem: permission denied; .* \(mode 0200\)`},
		{"the folder", func(t *testing.T, f pairFiles) { chmod(t, filepath.Dir(f.cert), 0) },
			`^webhook_config.cert: .* permission denied; .* read the file, and enter the folders above it$`},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "closed") // those of testing let nobody else in
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = os.Chmod(dir, 0o700)
				_ = os.RemoveAll(dir)
			})
			chmod(t, dir, 0o711)
			f := pairFiles{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
			replace(t, f, selfIssued(t))
			chmod(t, f.cert, 0o644)
			test.close(t, f)
			err = asNobody(t, func() error {
				_, err := f.open()
				return err
			})
			if err == nil || !regexp.MustCompile(test.says).MatchString(err.Error()) {
				t.Errorf("got %v, want %s", err, test.says)
			}
		})
	}
}

// asNobody runs f without the privilege to read every file, which root has.
func asNobody(t *testing.T, f func() error) (err error) {
	t.Helper()
	if os.Geteuid() != 0 {
		return f()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if _, err = unix.SetfsuidRetUid(65534); err == nil {
			err = f()
		}
	}()
	<-done
	return err
}

// What is said of a key that cannot be read quotes nothing of it.
func TestACertificatesErrorsHaveNoKey(t *testing.T) {
	f := writePair(t, selfIssued(t))
	secret := rand.Text()
	for _, text := range []string{
		secret, "-----BEGIN PRIVATE KEY-----\n" + secret + "\n-----END PRIVATE KEY-----\n",
		string(pem.EncodeToMemory(&pem.Block{Type: secret, Bytes: []byte(secret)})),
	} {
		write(t, f.key, []byte(text))
		if _, err := f.open(); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("got %v", err)
		}
	}
}

// Whichever file is replaced first, there is no moment at which a certificate is
// served with the key of another.
func TestACertificateIsReplacedInEitherOrder(t *testing.T) {
	for _, certFirst := range []bool{true, false} {
		before, after := selfIssued(t), selfIssued(t)
		f := writePair(t, before)
		c := f.mustOpen(t)
		steps := []func(){
			func() { write(t, f.cert, after.certPEM()) },
			func() { write(t, f.key, after.keyPEM(t)) },
		}
		if !certFirst {
			slices.Reverse(steps)
		}
		steps[0]()
		if changed, err := c.Reload(); changed || err == nil {
			t.Errorf("certificate first %t: half of it was taken: %v", certFirst, err)
		}
		c.serves(t, before)
		steps[1]()
		if changed, err := c.Reload(); !changed || err != nil {
			t.Errorf("certificate first %t: %t, %v", certFirst, changed, err)
		}
		c.serves(t, after)
		if changed, err := c.Reload(); changed || err != nil {
			t.Errorf("certificate first %t: without a change: %t, %v", certFirst, changed, err)
		}
	}
}

// Certbot leaves the paths as they are, and lets them lead elsewhere.
func TestACertificateBehindLinks(t *testing.T) {
	before, after := selfIssued(t), selfIssued(t)
	one, two := writePair(t, before), writePair(t, after)
	dir := t.TempDir()
	f := pairFiles{filepath.Join(dir, "fullchain.pem"), filepath.Join(dir, "privkey.pem")}
	link(t, f.cert, one.cert)
	link(t, f.key, one.key)
	c := f.mustOpen(t)
	link(t, f.cert, two.cert)
	if changed, err := c.Reload(); changed || err == nil {
		t.Errorf("half of it was taken: %v", err)
	}
	c.serves(t, before)
	link(t, f.key, two.key)
	if changed, err := c.Reload(); !changed || err != nil {
		t.Errorf("%t, %v", changed, err)
	}
	c.serves(t, after)
}

// A new certificate for the key that is in use already is a change too.
func TestACertificateIsRenewedWithTheSameKey(t *testing.T) {
	before := selfIssued(t)
	f := writePair(t, before)
	c := f.mustOpen(t)
	after := issue(t, nil, before.key, ends(certifiedAt.AddDate(0, 0, 80)))
	write(t, f.cert, after.certPEM())
	if changed, err := c.Reload(); !changed || err != nil {
		t.Errorf("%t, %v", changed, err)
	}
	c.serves(t, after)
	if got := c.Expires(); !got.Equal(certifiedAt.AddDate(0, 0, 80)) {
		t.Errorf("it expires %s", got)
	}
}

func TestSelfSigned(t *testing.T) {
	root := selfIssued(t, authority("root"))
	// One of that name, which the key of another has signed.
	namesake := selfIssued(t, func(c *x509.Certificate) { c.Subject.CommonName, c.DNSNames = "root", []string{"bot.example.org"} })
	for _, test := range []struct {
		name string
		pair issued
		want bool
	}{
		{"by itself", selfIssued(t), true},
		{"by an authority", issue(t, &root, ecKey(t, elliptic.P256())), false},
		{"by an authority of the same name", issue(t, &root, namesake.key, func(c *x509.Certificate) { c.Subject.CommonName = "root" }), false},
		{"with that name, by itself", namesake, true},
	} {
		c := writePair(t, test.pair, root).mustOpen(t)
		if got := c.SelfSigned(); got != test.want {
			t.Errorf("%s: %t", test.name, got)
		}
		block, rest := pem.Decode(c.PEM())
		if block == nil || block.Type != "CERTIFICATE" || len(rest) > 0 || !bytes.Equal(block.Bytes, test.pair.leaf.Raw) {
			t.Errorf("%s: what Telegram would get is not the certificate alone", test.name)
		}
	}
}

func TestCertificateProblems(t *testing.T) {
	root := selfIssued(t, authority("root"), ends(certifiedAt.AddDate(1, 0, 0)))
	middle := issue(t, &root, ecKey(t, elliptic.P256()), authority("middle"))
	roots := x509.NewCertPool()
	roots.AddCert(root.leaf)
	weakRSA, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	goodRSA, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	byMiddle := func(changes ...func(*x509.Certificate)) issued {
		return issue(t, &middle, ecKey(t, elliptic.P256()), changes...)
	}
	const host = "bot.example.org"
	addresses := func(c *x509.Certificate) {
		c.IPAddresses = []net.IP{net.ParseIP("203.0.113.7"), net.ParseIP("2001:db8::1")}
	}
	for _, test := range []struct {
		name  string
		pair  issued
		chain []issued
		host  string
		want  string // a part of the only problem; "" is none
	}{
		{"good", byMiddle(), []issued{middle}, host, ""},
		{"good, with its root", byMiddle(), []issued{middle, root}, host, ""},
		{"good, in capitals", byMiddle(), []issued{middle}, "Bot.Example.ORG", ""},
		{"self-signed", selfIssued(t), nil, host, ""},
		{"an address", selfIssued(t, addresses), nil, "203.0.113.7", ""},
		{"an IPv6 address", selfIssued(t, addresses), nil, "[2001:db8::1]", ""},
		{"another address", selfIssued(t, addresses), nil, "203.0.113.8", "is not for 203.0.113.8"},
		{"another name", byMiddle(), []issued{middle}, "bot.example.com", "is not for bot.example.com: Telegram will not connect"},
		{"a name in the subject only", byMiddle(func(c *x509.Certificate) { c.DNSNames = nil }), []issued{middle}, host, "is not for bot.example.org"},
		{"no chain", byMiddle(), nil, host, "fullchain.pem"},
		{"the chain of another", byMiddle(), []issued{selfIssued(t, authority("middle"))}, host, "fullchain.pem"},
		{"an authority that nobody knows", func() issued {
			unknown := selfIssued(t, authority("unknown"))
			return issue(t, &unknown, ecKey(t, elliptic.P256()))
		}(), nil, host, "no known authority"},
		{"for clients only", byMiddle(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), []issued{middle}, host, "no known authority"},
		{"20 days left", byMiddle(ends(certifiedAt.AddDate(0, 0, 20))), []issued{middle}, host, "expires in 20 days, on 2026-03-21"},
		{"22 days left", byMiddle(ends(certifiedAt.AddDate(0, 0, 22))), []issued{middle}, host, ""},
		{"a weak curve", issue(t, &middle, ecKey(t, elliptic.P224())), []issued{middle}, host, "key is too weak"},
		{"RSA with 2048 bits", issue(t, &middle, goodRSA), []issued{middle}, host, ""},
		{"Ed25519", issue(t, &middle, edwards), []issued{middle}, host, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := writePair(t, test.pair, test.chain...).mustOpen(t).Problems(test.host, roots)
			if test.want == "" && len(got) > 0 || test.want != "" && (len(got) != 1 || !strings.Contains(got[0], test.want)) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if !weak(weakRSA.Public()) {
		t.Error("RSA with 1024 bits is good enough")
	}
}

// A certificate that was good at the start ends while the bot runs.
func TestCertificateProblemsLater(t *testing.T) {
	f, now := writePair(t, selfIssued(t)), certifiedAt
	c, err := OpenCertificate(f.cert, f.key, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	now = certifiedAt.AddDate(0, 0, 61)
	got := c.Problems("bot.example.org", nil)
	if len(got) != 1 || !strings.Contains(got[0], "expired on 2026-04-30") {
		t.Errorf("got %q", got)
	}
	if changed, err := c.Reload(); changed || err != nil {
		t.Errorf("without a change: %t, %v", changed, err)
	}
}

// Connections that are open when the certificate is replaced go on, and new ones
// are shown the new one.
func TestTheWebhooksCertificateIsReplacedWhileItServes(t *testing.T) {
	before, after := selfIssued(t), selfIssued(t)
	f := writePair(t, before)
	c := f.mustOpen(t)
	h := listenHook(t, func(o *WebhookOptions) { o.Certificate = c })
	old := dialSecure(t, h, before)
	old.ask(t)
	replace(t, f, after)
	old.ask(t)
	dialSecure(t, h, before).ask(t) // it is not read yet
	if changed, err := c.Reload(); !changed || err != nil {
		t.Fatalf("%t, %v", changed, err)
	}
	old.ask(t)
	dialSecure(t, h, after).ask(t)
	// A bad one later changes nothing for anybody.
	write(t, f.cert, nil)
	if _, err := c.Reload(); err == nil {
		t.Error("an empty file was taken")
	}
	old.ask(t)
	dialSecure(t, h, after).ask(t)
}

// secure is one connection to a webhook.
type secure struct {
	*tls.Conn
	in *bufio.Reader
}

// dialSecure connects from one of Telegram's addresses, and wants to see exactly
// that certificate.
func dialSecure(t *testing.T, h *hook, want issued) *secure {
	t.Helper()
	plain, err := dialFrom(telegramPeer)(t.Context(), "tcp", h.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(want.leaf)
	conn := tls.Client(plain, &tls.Config{RootCAs: roots, ServerName: "bot.example.org", Time: func() time.Time { return certifiedAt }})
	t.Cleanup(func() { conn.Close() })
	if err := conn.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !conn.ConnectionState().PeerCertificates[0].Equal(want.leaf) {
		t.Error("another certificate is shown")
	}
	return &secure{conn, bufio.NewReader(conn)}
}

// ask makes a request that is refused: the connection works.
func (s *secure) ask(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(s, "GET / HTTP/1.1\r\nHost: bot.example.org\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(s.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusMethodNotAllowed && answer.StatusCode != http.StatusNotFound {
		t.Errorf("the answer is %d", answer.StatusCode)
	}
}

// FuzzCertificatePEM: whatever is in the files, a pair is usable as a whole, or
// it is refused with a key of the config that is to blame.
func FuzzCertificatePEM(f *testing.F) {
	good, other := selfIssued(f), selfIssued(f)
	f.Add(good.certPEM(), good.keyPEM(f))
	f.Add(good.certPEM(), other.keyPEM(f))
	f.Add(good.certPEM(other), good.keyPEM(f))
	f.Add(append(good.keyPEM(f), good.certPEM()...), append(good.certPEM(), good.keyPEM(f)...))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), good.keyPEM(f))
	f.Add([]byte(nil), []byte(nil))
	f.Fuzz(func(t *testing.T, certPEM, keyPEM []byte) {
		pair, err := parsePair(certPEM, keyPEM)
		if err != nil {
			if pair != nil || !strings.HasPrefix(err.Error(), "webhook_config.cert") {
				t.Errorf("%v and %v", pair, err)
			}
			return
		}
		_ = inTime(pair.Leaf, certifiedAt)
		c := &Certificate{now: func() time.Time { return certifiedAt }}
		c.used.Store(pair)
		_ = c.SelfSigned()
		_ = c.Problems("bot.example.org", x509.NewCertPool())
		if block, _ := pem.Decode(c.PEM()); block == nil {
			t.Error("what Telegram would get is no PEM")
		}
	})
}
