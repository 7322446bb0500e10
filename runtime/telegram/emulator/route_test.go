package emulator

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// site is a bot's webhook behind a real socket. It keeps the requests.
type site struct {
	*httptest.Server
	mu   sync.Mutex
	got  []*http.Request
	body []string
}

func newSite(t *testing.T, answer http.HandlerFunc) *site {
	t.Helper()
	s := &site{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.got, s.body = append(s.got, r), append(s.body, string(raw))
		s.mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail on purpose
	t.Cleanup(s.Close)
	return s
}

func (s *site) at() func() string { return func() string { return s.Listener.Addr().String() } }

// accepted waits until n updates were accepted.
func accepted(t *testing.T, s *Server, n int) {
	t.Helper()
	err := s.WaitDeliveries(within(t), func(log []Delivery) bool {
		ok := 0
		for _, d := range log {
			if d.Error == "" {
				ok++
			}
		}
		return ok >= n
	})
	if err != nil {
		t.Fatalf("%v; so far: %+v", err, s.Deliveries())
	}
}

func TestARequestIsAsTelegramMakesIt(t *testing.T) {
	bot := newSite(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"method":"sendMessage"}`) })
	bot.Start()
	s := hooked(t, Route{To: bot.at(), From: "127.0.0.9", Forwarded: func() string { return "149.154.167.220" }}.RoundTripper())
	set(t, s, fields{"url": hookURL + "x?y=z", "secret_token": "s3cret"})
	for i, text := range []string{"1", "2", "3"} {
		s.Client(ada, ada).Type(text)
		accepted(t, s, i+1)
	}
	first := bot.got[0]
	for name, want := range map[string]string{
		"Content-Type": "application/json", "X-Telegram-Bot-Api-Secret-Token": "s3cret", "Connection": "keep-alive",
		"Accept-Encoding": "gzip, deflate", "X-Forwarded-For": "149.154.167.220", "User-Agent": "",
	} {
		if got := first.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if first.Method != "POST" || first.Proto != "HTTP/1.1" || first.Host != "bot.example.org" ||
		first.RequestURI != "/hook/x?y=z" || first.ContentLength != int64(len(bot.body[0])) {
		t.Errorf("%s %s %s for %q, %d bytes", first.Method, first.RequestURI, first.Proto, first.Host, first.ContentLength)
	}
	host, _, _ := net.SplitHostPort(first.RemoteAddr)
	if host != "127.0.0.9" || bot.got[2].RemoteAddr != first.RemoteAddr {
		t.Errorf("the requests come from %s and %s", first.RemoteAddr, bot.got[2].RemoteAddr)
	}
	var u struct {
		ID      int64 `json:"update_id"`
		Message wireMessage
	}
	if err := json.Unmarshal([]byte(bot.body[2]), &u); err != nil || u.Message.Text != "3" || u.ID != s.Deliveries()[2].UpdateID {
		t.Errorf("the third is %s", bot.body[2])
	}
	if n := s.Count("sendMessage"); n != 0 {
		t.Error("the call in the answer was made")
	}
}

// TestFailuresInTelegramsWords makes each failure over real sockets.
func TestFailuresInTelegramsWords(t *testing.T) {
	answer := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/")
			w.WriteHeader(code)
		}
	}
	breakOff := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	short := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		w.WriteHeader(200)
	}
	slow := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	const wrong = "Wrong response from the webhook: "
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		start  func(*httptest.Server)
		tls    *tls.Config
		want   string
	}{
		"not found":       {answer: answer(404), want: wrong + "404 Not Found"},
		"redirect":        {answer: answer(302), want: wrong + "302 Found"},
		"no listener":     {start: func(s *httptest.Server) { s.Start(); s.Close() }, want: "Connection refused"},
		"broken off":      {answer: breakOff, want: "Connection closed"},
		"half an answer":  {answer: short, want: "Connection closed"},
		"too slow":        {answer: slow, want: "Read timeout expired"},
		"unknown issuer":  {start: (*httptest.Server).StartTLS, tls: &tls.Config{}, want: "SSL error {error:0A000086:SSL routines::certificate verify failed}"},
		"no TLS":          {answer: answer(200), tls: &tls.Config{}, want: "SSL error {error:0A00010B:SSL routines::wrong version number}"},
		"another version": {start: onlyTLS13, tls: &tls.Config{MaxVersion: tls.VersionTLS12}, want: "SSL error {remote error: tls: protocol version not supported}"},
	} {
		t.Run(name, func(t *testing.T) {
			bot := newSite(t, tc.answer)
			if tc.start == nil {
				tc.start = (*httptest.Server).Start
			}
			tc.start(bot.Server)
			s := hooked(t, Route{To: bot.at(), TLS: tc.tls}.RoundTripper(), func(o *Options) {
				o.RetryFirst, o.RetryMost = time.Hour, time.Hour
				o.WebhookTimeout = 5 * time.Second
				if name == "too slow" {
					o.WebhookTimeout = 100 * time.Millisecond
				}
			})
			s.Client(ada, ada).Type("x")
			if err := s.WaitDeliveries(within(t), func(d []Delivery) bool { return len(d) == 1 }); err != nil {
				t.Fatal(err)
			}
			var info webhookInfo
			if err := json.Unmarshal(tell(t, s, "getWebhookInfo", nil).Result, &info); err != nil {
				t.Fatal(err)
			}
			if info.LastError != tc.want || s.Deliveries()[0].Error != tc.want {
				t.Errorf("last error %q, want %q", info.LastError, tc.want)
			}
			if info.Pending != 1 || time.Since(time.Unix(info.LastErrorDate, 0)) > time.Minute {
				t.Errorf("%+v", info)
			}
		})
	}
}

func onlyTLS13(s *httptest.Server) {
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	s.StartTLS()
}

func TestWordsOfFailuresThatCannotBeMadeHere(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&net.DNSError{Err: "no such host", IsNotFound: true}, "Failed to resolve host: Name or service not known"},
		{&net.OpError{Op: "dial", Err: timeout{}}, "Connection timed out"},
		{errCertificate, "Can't create an SSL context"},
		{errors.New("something else"), "something else"},
	} {
		if got := words(tc.err, false); got != tc.want {
			t.Errorf("%v is %q, want %q", tc.err, got, tc.want)
		}
	}
}

type timeout struct{}

func (timeout) Error() string   { return "i/o timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

// selfSigned makes a certificate for the webhook's name.
func selfSigned(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bot.example.org"}, DNSNames: []string{"bot.example.org"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	raw, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}

// uploadCertificate calls setWebhook with a certificate, and an ip_address if there is one.
func uploadCertificate(t *testing.T, s *Server, ip string, certificate []byte) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("certificate", "certificate.pem")
	if err == nil {
		_, err = part.Write(certificate)
	}
	if err := errors.Join(err, form.WriteField("url", hookURL), form.WriteField("ip_address", ip), form.Close()); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/bot"+s.Token()+"/setWebhook", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, r)
	if rec.Code != http.StatusOK {
		t.Fatalf("setWebhook: %s", rec.Body)
	}
}

func TestExactlyTheUploadedCertificateIsTrusted(t *testing.T) {
	own, ownPEM := selfSigned(t)
	_, otherPEM := selfSigned(t)
	bot := newSite(t, nil)
	bot.TLS = &tls.Config{Certificates: []tls.Certificate{own}}
	bot.StartTLS()
	ownPool := x509.NewCertPool()
	ownPool.AppendCertsFromPEM(ownPEM)
	for _, tc := range []struct {
		name     string
		roots    *x509.CertPool
		uploaded []byte
		want     string
	}{
		{"its own", nil, ownPEM, ""},
		{"another", ownPool, otherPEM, "SSL error {error:0A000086:SSL routines::certificate verify failed}"},
		{"no certificate at all", ownPool, []byte("-----BEGIN CERTIFICATE-----"), "Can't create an SSL context"},
		{"none uploaded, but known", ownPool, nil, ""},
		{"none uploaded", nil, nil, "SSL error {error:0A000086:SSL routines::certificate verify failed}"},
	} {
		s := hooked(t, Route{To: bot.at(), TLS: &tls.Config{RootCAs: tc.roots}}.RoundTripper())
		if tc.uploaded != nil {
			uploadCertificate(t, s, "", tc.uploaded)
			if got := s.Webhook(); !got.Certificate || !bytes.Equal(got.PEM, tc.uploaded) {
				t.Errorf("%s: kept is %+v", tc.name, got)
			}
		}
		s.Client(ada, ada).Type("x")
		if err := s.WaitDeliveries(within(t), func(d []Delivery) bool { return len(d) > 0 }); err != nil {
			t.Fatal(err)
		}
		if got := s.Deliveries()[0].Error; got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
		var info webhookInfo
		if err := json.Unmarshal(tell(t, s, "getWebhookInfo", nil).Result, &info); err != nil || info.Certificate != (tc.uploaded != nil) {
			t.Errorf("%s: %+v, %v", tc.name, info, err)
		}
		s.Close()
	}
}

func TestWhereARouteLeads(t *testing.T) {
	for _, tc := range []struct {
		route Route
		ip    string
		want  string
		ok    bool
	}{
		{Route{}, "", "bot.example.org:8443", true},
		{Route{}, "127.0.0.5", "127.0.0.5:8443", true},
		{Route{To: func() string { return "127.0.0.1:9" }}, "127.0.0.5", "127.0.0.1:9", true},
		{Route{To: func() string { return "" }}, "", "", false},
	} {
		got, err := tc.route.target(tc.ip, "bot.example.org:8443")
		if got != tc.want || (err == nil) != tc.ok {
			t.Errorf("%q with ip_address %q leads to %q, %v", tc.want, tc.ip, got, err)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a local address that is none was taken")
		}
	}()
	Route{From: "localhost"}.RoundTripper()
}

func TestNobodyListensYet(t *testing.T) {
	s := hooked(t, Route{To: func() string { return "" }}.RoundTripper())
	s.Client(ada, ada).Type("x")
	if err := s.WaitDeliveries(within(t), func(d []Delivery) bool { return len(d) > 1 }); err != nil {
		t.Fatal(err)
	}
	if got := s.Deliveries()[0]; got.Error != "Connection refused" || got.Status != 0 {
		t.Errorf("%+v", got)
	}
}

// TestTheNetworkIsUsedWithoutARoute calls a listener on a port that a webhook may have, at an ip_address that nobody
// else uses.
func TestTheNetworkIsUsedWithoutARoute(t *testing.T) {
	own, ownPEM := selfSigned(t)
	bot := newSite(t, nil)
	bot.Listener.Close()
	n := randomUint64()
	ip := netip.AddrFrom4([4]byte{127, byte(1 + n%200), byte(n >> 8), byte(1 + n>>16%200)}).String()
	listener, err := net.Listen("tcp", net.JoinHostPort(ip, "8443"))
	if err != nil {
		t.Fatal(err)
	}
	bot.Listener, bot.TLS = listener, &tls.Config{Certificates: []tls.Certificate{own}}
	bot.StartTLS()
	s := New(Options{})
	defer s.Close()
	s.AddUser(User{ID: ada, FirstName: "Ada"})
	s.Client(ada, ada).Type("x")
	uploadCertificate(t, s, ip, ownPEM)
	accepted(t, s, 1)
}

// TestOneTransportServesARegistration: a later registration does not reuse, nor leave open, an earlier one's connections.
func TestOneTransportServesARegistration(t *testing.T) {
	states := make(chan http.ConnState, 100)
	bot := newSite(t, nil)
	bot.Config.ConnState = func(_ net.Conn, state http.ConnState) { states <- state }
	bot.Start()
	s := hooked(t, Route{To: bot.at()}.RoundTripper())
	s.Client(ada, ada).Type("1")
	accepted(t, s, 1)
	set(t, s, fields{"url": "https://bot.example.org/new/"})
	s.Client(ada, ada).Type("2")
	accepted(t, s, 2)
	s.Close()
	ends := []http.ConnState{}
	for !slices.Equal(ends, []http.ConnState{http.StateClosed, http.StateClosed}) {
		select {
		case state := <-states:
			if state == http.StateClosed {
				ends = append(ends, state)
			}
		case <-within(t).Done():
			t.Fatalf("%d of 2 connections were closed", len(ends))
		}
	}
	if bot.got[0].RemoteAddr == bot.got[1].RemoteAddr {
		t.Error("the connection was used again")
	}
}
