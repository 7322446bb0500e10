// Package outlinetest is an Outline server's management API for tests, as
// outline-server's api.yml has it: what a bot reads of it, and passwords that no
// bot may show.
package outlinetest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Server answers as an Outline server does. Its members may be changed before it
// is asked.
type Server struct {
	// Path is the secret part of the address, "/" and letters.
	Path  string
	Keys  []Key
	Bytes map[string]int64 // traffic by the id of a key
	// Says has bodies in place of the true ones, by path, such as "/server"; and
	// Status other statuses.
	Says   map[string]string
	Status map[string]int

	mu    sync.Mutex
	asked []string
}

// Key is an access key.
type Key struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Password  string     `json:"password"`
	Port      int        `json:"port"`
	Method    string     `json:"method"`
	DataLimit *DataLimit `json:"dataLimit,omitempty"`
	AccessURL string     `json:"accessUrl"`
}

// DataLimit is how much a key may use in 30 days.
type DataLimit struct {
	Bytes int64 `json:"bytes"`
}

// New returns a server with n keys and their traffic.
func New(n int) *Server {
	s := &Server{Path: "/" + rand.Text(), Bytes: map[string]int64{}, Says: map[string]string{}, Status: map[string]int{}}
	for i := range n {
		id, password := strconv.Itoa(i), rand.Text()
		k := Key{
			ID: id, Name: fmt.Sprintf("Phone %d", i), Password: password, Port: 9443, Method: "chacha20-ietf-poly1305",
			AccessURL: "ss://" + password + "@vpn.example.org:9443/?outline=1",
		}
		if i%3 == 1 {
			k.DataLimit = &DataLimit{Bytes: 10 << 30}
		}
		s.Keys = append(s.Keys, k)
		s.Bytes[id] = int64(i) * 300 << 20
	}
	return s
}

// Secrets are what must never leave the server's answers.
func (s *Server) Secrets() []string {
	secrets := []string{s.Path[1:], "ss://"}
	for _, k := range s.Keys {
		secrets = append(secrets, k.Password)
	}
	return secrets
}

// Asked returns methods and paths of the requests, without the secret part.
func (s *Server) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.asked...)
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, s.Path)
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+path)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	answer, known := map[string]any{
		"/server": map[string]any{
			"name": "Home", "serverId": "40f1b4a3", "metricsEnabled": false, "createdTimestampMs": 1_700_000_000_000, "version": "1.12.3",
			"portForNewAccessKeys": 9443, "hostnameForAccessKeys": "vpn.example.org",
		},
		"/access-keys":      map[string]any{"accessKeys": append([]Key{}, s.Keys...)},
		"/metrics/transfer": map[string]any{"bytesTransferredByUserId": s.Bytes},
		"/metrics/enabled":  map[string]any{"metricsEnabled": false},
	}[path]
	status := s.Status[path]
	switch {
	case status != 0:
		w.WriteHeader(status)
		fmt.Fprintln(w, `{"code":"Other","message":"no"}`)
	case !ok || !known || r.Method != http.MethodGet:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintln(w, `{"code":"ResourceNotFound","message":"no"}`)
	case s.Says[path] != "":
		fmt.Fprint(w, s.Says[path])
	default:
		_ = json.NewEncoder(w).Encode(answer) // the other side may be gone
	}
}

// Start serves it behind TLS, with a certificate that nobody signed, and returns
// what Outline Manager shows: apiUrl, and certSha256.
func (s *Server) Start(t testing.TB) (apiURL, certSHA256 string) {
	t.Helper()
	server := httptest.NewTLSServer(s)
	t.Cleanup(server.Close)
	digest := sha256.Sum256(server.Certificate().Raw)
	return server.URL + s.Path, strings.ToUpper(hex.EncodeToString(digest[:]))
}
