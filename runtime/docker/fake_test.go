package docker

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
)

const (
	idA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	idB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func anything(string, map[string]string) bool { return true }

// fake is an engine that answers what a test says.
type fake struct {
	version  atomic.Value // string: the Api-Version header
	requests atomic.Int64
	paths    map[string]http.HandlerFunc // by path without its version
}

// serve answers on a new unix socket and returns its URL.
func (f *fake) serve(t testing.TB) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "d.sock")
	f.listen(t, socket)
	return "unix://" + socket
}

func (f *fake) listen(t testing.TB, socket string) (stop func()) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: f}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return func() { _ = srv.Close() }
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.requests.Add(1)
	version, _ := f.version.Load().(string)
	if version != "" {
		w.Header().Set("Api-Version", version)
	}
	if r.URL.Path == "/_ping" && f.paths["/_ping"] == nil {
		return
	}
	asked, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v"), "/")
	path := "/" + rest
	if r.URL.Path == "/_ping" {
		path = "/_ping"
	} else if version != "" && asked != version {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"message":"client version %s is too new. Maximum supported API version is %s"}`, asked, version)
		return
	}
	h := f.paths[path]
	if h == nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"message":"no such thing"}`)
		return
	}
	h(w, r)
}

func newFake(paths map[string]http.HandlerFunc) *fake {
	f := &fake{paths: paths}
	f.version.Store("1.41")
	return f
}

func body(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, s)
	}
}

func newClient(t testing.TB, url ...string) *Client {
	t.Helper()
	return newClientWith(t, Config{Hosts: url, Timeout: time.Second})
}

func newClientWith(t testing.TB, cfg Config) *Client {
	t.Helper()
	if cfg.Fresh == 0 {
		cfg.Fresh = -1 // tests are quicker than people
	}
	c, err := New(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
