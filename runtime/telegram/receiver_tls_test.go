package telegram

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

const webhookHost = "bot.example.org"

// papers are a certificate and its key in files, as an operator has them.
type papers struct {
	t         *testing.T
	cert, key string
}

func newPapers(t *testing.T) papers {
	dir := t.TempDir()
	return papers{t, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
}

// selfSign makes a new pair, valid until a time, and returns the certificate.
func (p papers) selfSign(from, until time.Time) []byte {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: webhookHost}, DNSNames: []string{webhookHost},
		NotBefore: from, NotAfter: until, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		p.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	p.write(p.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	p.write(p.cert, cert)
	return cert
}

func (p papers) write(path string, text []byte) {
	p.t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// withTLS serves a station's webhook with a certificate, which its Telegram
// trusts if it was told of exactly that one.
func withTLS(p papers) func(*station) {
	return func(s *station) {
		c, err := OpenCertificate(p.cert, p.key, s.clock.Now)
		if err != nil {
			s.t.Fatal(err)
		}
		s.certificate = c
		s.tls = &tls.Config{
			// It is verified below, against what Telegram was told last.
			InsecureSkipVerify: true, //nolint:gosec
			VerifyConnection: func(state tls.ConnectionState) error {
				known := x509.NewCertPool()
				known.AppendCertsFromPEM(s.world.Webhook().PEM)
				if state.Version < tls.VersionTLS12 {
					return errors.New("too old a version of TLS")
				}
				_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: webhookHost, Roots: known, CurrentTime: s.clock.Now()})
				return err
			},
		}
	}
}

func TestASelfSignedCertificateIsGivenToTelegram(t *testing.T) {
	p := newPapers(t)
	year := time.Now().Add(365 * 24 * time.Hour)
	first := p.selfSign(time.Now().Add(-time.Hour), year)
	s := newStation(t, withTLS(p))
	s.says("one")
	if hook := s.world.Webhook(); !bytes.Equal(hook.PEM, first) {
		t.Errorf("Telegram was told\n%s", hook.PEM)
	}

	// What cannot be used changes nothing.
	used := s.server.Certificate.used.Load()
	for name, spoil := range map[string]func(){
		"expired":    func() { p.selfSign(time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)) },
		"unreadable": func() { p.write(p.key, []byte("nothing")) },
		"gone":       func() { os.Remove(p.cert) },
	} {
		spoil()
		before := s.logged("webhook.certificate_refused")
		s.clock.ahead.Add(int64(2 * time.Minute)) // the log has a line a minute
		s.await(name, func() bool { return s.logged("webhook.certificate_refused") > before })
		s.says("while it is " + name)
		if s.server.Certificate.used.Load() != used {
			t.Errorf("%s: it is used", name)
		}
	}

	// A new one is used, and Telegram is told.
	url := s.world.Webhook().URL
	second := p.selfSign(time.Now().Add(-time.Hour), year)
	s.await("the new certificate", func() bool { return bytes.Equal(s.world.Webhook().PEM, second) })
	if s.world.Webhook().URL == url {
		t.Error("Telegram was told without a new path")
	}
	s.says("two")
	if s.logged("webhook.certificate") != 1 || s.logged("webhook.fallback") != 0 {
		t.Error("the log is wrong about the certificate")
	}
}
