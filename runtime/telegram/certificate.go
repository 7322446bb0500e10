package telegram

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// maxPEM is the greatest file that is read, in bytes.
	maxPEM = 1 << 20
	// expiresSoon is when an operator should look after a new certificate.
	// Let's Encrypt's own clients renew 30 days before the end.
	expiresSoon = 21 * 24 * time.Hour
	// Keys that are weaker than these are no longer signed by public authorities:
	// CA/Browser Forum Baseline Requirements, section 6.1.5.
	minRSA   = 2048
	minCurve = 256
)

// Certificate is the pair of PEM files with which the webhook's listener speaks
// TLS (C5). It is safe for concurrent use, but for Reload.
type Certificate struct {
	certFile, keyFile string
	now               func() time.Time
	used              atomic.Pointer[tls.Certificate]
	// read are the bytes of the pair that is used.
	certPEM, keyPEM []byte
}

// OpenCertificate reads the files. A pair with which nobody could connect is an
// error, which names the key of the config and what to do; never the key's
// bytes.
func OpenCertificate(certFile, keyFile string, now func() time.Time) (*Certificate, error) {
	if now == nil {
		now = time.Now
	}
	c := &Certificate{certFile: certFile, keyFile: keyFile, now: now}
	_, err := c.Reload()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Get is for [tls.Config.GetCertificate].
func (c *Certificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.used.Load(), nil }

// Reload reads the files anew, and tells whether they changed. The pair is
// replaced as a whole or not at all: after an error, such as for a certificate
// whose key is not there yet, the one before stays in use.
func (c *Certificate) Reload() (changed bool, err error) {
	certPEM, err := readPEM(c.certFile, "webhook_config.cert", 0)
	if err != nil {
		return false, err
	}
	keyPEM, err := readPEM(c.keyFile, "webhook_config.cert_key", 0o007)
	if err != nil {
		return false, err
	}
	if bytes.Equal(certPEM, c.certPEM) && bytes.Equal(keyPEM, c.keyPEM) {
		return false, nil
	}
	pair, err := parsePair(certPEM, keyPEM)
	if err != nil {
		return false, err
	}
	if err := inTime(pair.Leaf, c.now()); err != nil {
		return false, err
	}
	c.used.Store(pair)
	c.certPEM, c.keyPEM = certPEM, keyPEM
	return true, nil
}

// readPEM reads a small regular file that lacks the forbidden bits of mode. It
// waits for nothing, whatever the file is.
func readPEM(path, key string, forbidden os.FileMode) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, unreadable(key, path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, unreadable(key, path, err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: %s is not a regular file: write the path of a PEM file", key, path)
	case info.Size() > maxPEM:
		return nil, fmt.Errorf("%s: %s is greater than 1 MiB: write the path of a PEM file", key, path)
	case info.Mode()&forbidden != 0:
		return nil, fmt.Errorf("%s: every user of this machine can read or change the key; run: chmod o= %s", key, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPEM))
	if err != nil {
		return nil, unreadable(key, path, err)
	}
	return text, nil
}

// unreadable adds what to do to an error of the file system, which has the path.
func unreadable(key, path string, err error) error {
	do := "is the disk in order?"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		do = "write the path as the bot sees it: in a container, the one inside"
	case errors.Is(err, fs.ErrPermission):
		do = fmt.Sprintf("the bot runs as user %d: let that user or its group read the file%s, and enter the folders above it", os.Geteuid(), modeOf(path))
	}
	return fmt.Errorf("%s: the file cannot be read: %w; %s", key, err, do)
}

// modeOf is empty where a folder above is closed too.
func modeOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (mode %#o)", info.Mode().Perm())
}

// parsePair reads a chain, the leaf first, and its key.
func parsePair(certPEM, keyPEM []byte) (*tls.Certificate, error) {
	if block := firstBlock(certPEM, "CERTIFICATE"); block == nil {
		return nil, errors.New("webhook_config.cert: there is no certificate in it: a PEM file is wanted, which has a line -----BEGIN CERTIFICATE-----")
	}
	// The texts of crypto/tls quote no bytes of a key; they are not used all the
	// same.
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		if _, alone := x509.ParseCertificate(firstBlock(certPEM, "CERTIFICATE").Bytes); alone != nil {
			return nil, errors.New("webhook_config.cert: the certificate cannot be read")
		}
		return nil, errors.New("webhook_config.cert_key: it is not the key of that certificate: a PEM file is wanted, unencrypted, with the key that belongs to the first certificate in webhook_config.cert")
	}
	if pair.Leaf == nil {
		return nil, errors.New("webhook_config.cert: the certificate cannot be read")
	}
	return &pair, nil
}

func firstBlock(text []byte, kind string) *pem.Block {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil || block.Type == kind {
			return block
		}
	}
}

func inTime(leaf *x509.Certificate, now time.Time) error {
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("webhook_config.cert: the certificate expired on %s: get a new one", day(leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("webhook_config.cert: the certificate is valid from %s on: is this machine's clock right?", day(leaf.NotBefore))
	}
	return nil
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// SelfSigned reports whether Telegram must be given the certificate, since no
// authority vouches for it.
func (c *Certificate) SelfSigned() bool { return selfSigned(c.used.Load().Leaf) }

func selfSigned(leaf *x509.Certificate) bool {
	return bytes.Equal(leaf.RawIssuer, leaf.RawSubject) && leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) == nil
}

// PEM is the certificate without the rest of its chain, and without the key.
func (c *Certificate) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.used.Load().Leaf.Raw})
}

// Expires is when the certificate does.
func (c *Certificate) Expires() time.Time { return c.used.Load().Leaf.NotAfter }

// Problems says what is wrong with it for a host, a name or an address, in
// sentences; a certificate that is good has none.
func (c *Certificate) Problems(host string, roots *x509.CertPool) (problems []string) {
	pair, now := c.used.Load(), c.now()
	leaf := pair.Leaf
	if err := inTime(leaf, now); err != nil {
		problems = append(problems, err.Error())
	} else if left := leaf.NotAfter.Sub(now); left < expiresSoon {
		problems = append(problems, fmt.Sprintf("the certificate expires in %d days, on %s: is its renewal set up?", int(left.Hours()/24), day(leaf.NotAfter)))
	}
	if leaf.VerifyHostname(host) != nil {
		problems = append(problems, "the certificate is not for "+host+": Telegram will not connect; get one for that name, or put the right name into webhook_config.url")
	}
	if weak(leaf.PublicKey) {
		problems = append(problems, "the certificate's key is too weak: use RSA with 2048 bits or more, or ECDSA")
	}
	if !selfSigned(leaf) && !hasChain(pair, roots, now) {
		problems = append(problems, "no known authority vouches for the certificate: webhook_config.cert must hold the whole chain (fullchain.pem), the certificate first")
	}
	return problems
}

func weak(key any) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() < minRSA
	case *ecdsa.PublicKey:
		return k.Curve.Params().BitSize < minCurve
	}
	return false
}

// hasChain reports whether the chain leads to a root; nil are the system's.
func hasChain(pair *tls.Certificate, roots *x509.CertPool, now time.Time) bool {
	between := x509.NewCertPool()
	for _, der := range pair.Certificate[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(c)
		}
	}
	// Whether it is in time is said on its own.
	at := now
	if now.After(pair.Leaf.NotAfter) {
		at = pair.Leaf.NotAfter
	}
	_, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: at})
	return err == nil
}
