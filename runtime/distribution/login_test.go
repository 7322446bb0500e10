package distribution

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
)

// wantsBasic lets the registry ask for a name and a password.
func wantsBasic(user, password string) func(http.ResponseWriter, *http.Request) bool {
	return func(out http.ResponseWriter, req *http.Request) bool {
		if u, p, ok := req.BasicAuth(); ok && u == user && p == password {
			return false
		}
		out.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		// A registry that repeats what it was sent.
		http.Error(out, "no entry for "+req.Header.Get("Authorization")+" "+password, http.StatusUnauthorized)
		return true
	}
}

func TestBasicLogin(t *testing.T) {
	password := secret()
	encoded := base64.StdEncoding.EncodeToString([]byte("operator:" + password))
	for _, test := range []struct {
		name    string
		config  func(host string) any
		problem string
	}{
		{"with the password", func(host string) any {
			return map[string]any{"auths": map[string]any{host: map[string]string{"auth": encoded}}}
		}, ""},
		{"in two members", func(host string) any {
			return map[string]any{"auths": map[string]any{"http://" + host + "/v2/": map[string]string{"username": "operator", "password": password}}}
		}, ""},
		{"with another", func(host string) any {
			return map[string]any{"auths": map[string]any{host: map[string]string{"username": "operator", "password": "not " + password}}}
		}, "The registry refuses the login of the Docker config."},
		{"without", func(string) any { return map[string]any{} }, "The registry wants a login for this repository, or does not know it."},
		{"with that of another registry", func(string) any {
			return map[string]any{"auths": map[string]any{"registry.example.org": map[string]string{"auth": encoded}}}
		}, "The registry wants a login for this repository, or does not know it."},
		{"with a helper for all", func(string) any { return map[string]any{"credsStore": "desktop"} },
			"The registry wants a login, and the Docker config leaves that to a helper program, which the bot does not run."},
		{"with a helper for this one", func(host string) any {
			return map[string]any{"credHelpers": map[string]string{host: "ecr-login"}, "auths": map[string]any{host: struct{}{}}}
		}, "The registry wants a login, and the Docker config leaves that to a helper program, which the bot does not run."},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.pulled("app:1.0")
			w.push(w.image(), "app:1.1")
			w.guardedBy(wantsBasic("operator", password))
			w.config(test.config(w.host))
			u := w.one()
			w.wellTold(u, test.problem)
			if (u.NewerTag == "1.1") != (test.problem == "") {
				t.Errorf("%+v", u)
			}
			w.keepsSecret(password, encoded)
		})
	}
}

// keepsSecret fails if the log has one of the texts.
func (w *world) keepsSecret(texts ...string) {
	w.t.Helper()
	for _, text := range texts {
		if log := w.logged(); strings.Contains(log, text) {
			w.t.Errorf("the log has %q:\n%s", text, log)
		}
	}
}

// tokens is a server that gives out tokens to whoever has the password.
type tokens struct {
	user, password, token string
	asked                 atomic.Int64
	// given is the last Authorization header that it got.
	given atomic.Value
}

func (s *tokens) ServeHTTP(out http.ResponseWriter, req *http.Request) {
	s.asked.Add(1)
	s.given.Store(req.Header.Get("Authorization"))
	u, p, _ := req.BasicAuth()
	if s.password != "" && (u != s.user || p != s.password) {
		http.Error(out, `{"details":"incorrect password `+p+`"}`, http.StatusUnauthorized)
		return
	}
	fmt.Fprintf(out, `{"token":%q}`, s.token)
}

// wantsToken lets the registry ask for a token of the server at realm.
func wantsToken(realm, token string) func(http.ResponseWriter, *http.Request) bool {
	return func(out http.ResponseWriter, req *http.Request) bool {
		if req.Header.Get("Authorization") == "Bearer "+token {
			return false
		}
		out.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q,service="registry",scope="repository:app:pull"`, realm))
		http.Error(out, "{}", http.StatusUnauthorized)
		return true
	}
}

// serves runs a token server on this machine, and returns its address.
func (s *tokens) serves(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

// at lets the registry at host give out its tokens itself.
func (s *tokens) at(host string) func(http.ResponseWriter, *http.Request) bool {
	wants := wantsToken("http://"+host+"/token", s.token)
	return func(out http.ResponseWriter, req *http.Request) bool {
		if req.URL.Path == "/token" {
			s.ServeHTTP(out, req)
			return true
		}
		return wants(out, req)
	}
}

func TestTokens(t *testing.T) {
	for _, anonymous := range []bool{true, false} {
		w := newWorld(t)
		w.pulled("app:1.0")
		w.push(w.image(), "app:1.1")
		s := &tokens{user: "operator", token: secret()}
		if !anonymous {
			s.password = secret()
			w.config(map[string]any{"auths": map[string]any{w.host: authn.AuthConfig{Username: s.user, Password: s.password}}})
		}
		w.guardedBy(s.at(w.host))
		if u := w.one(); u.NewerTag != "1.1" || u.Problem != "" {
			t.Errorf("anonymous %v: %+v", anonymous, u)
		}
		if n := s.asked.Load(); n != 1 {
			t.Errorf("%d tokens for one look", n)
		}
		w.keepsSecret(s.token, s.password+"x")
	}
}

func TestAWrongPasswordForTokens(t *testing.T) {
	w := newWorld(t)
	w.pulled("app:1.0")
	s := &tokens{user: "operator", password: secret(), token: secret()}
	wrong := secret()
	w.config(map[string]any{"auths": map[string]any{w.host: authn.AuthConfig{Username: s.user, Password: wrong}}})
	w.guardedBy(s.at(w.host))
	w.wellTold(w.one(), "The registry refuses the login of the Docker config.")
	w.keepsSecret(wrong)
}

// TestCredentialsStayWithTheirHost: a registry that sends its users elsewhere for
// a token does not get the operator's password sent there.
func TestCredentialsStayWithTheirHost(t *testing.T) {
	w := newWorld(t)
	w.pulled("app:1.0")
	password := secret()
	s := &tokens{token: secret()}
	elsewhere := strings.Replace(s.serves(t), "127.0.0.1", "localhost", 1)
	w.guardedBy(wantsToken(elsewhere, s.token))
	w.config(map[string]any{"auths": map[string]any{w.host: authn.AuthConfig{Username: "operator", Password: password}}})
	w.wellTold(w.one(), "The registry wants its credentials to be sent to another host.")
	if n := s.asked.Load(); n != 0 {
		t.Errorf("the other host was asked %d times, with %q", n, s.given.Load())
	}
	w.keepsSecret(password)

	// An identity token travels in a body.
	w.config(map[string]any{"auths": map[string]any{w.host: authn.AuthConfig{IdentityToken: password}}})
	w.passes(2 * keepFor)
	w.wellTold(w.one(), "The registry wants its credentials to be sent to another host.")
	if n := s.asked.Load(); n != 0 {
		t.Errorf("the other host was asked %d times with an identity token", n)
	}

	// A host that the config has credentials for is trusted, and so is everybody
	// without any.
	w.config(map[string]any{"auths": map[string]any{
		w.host:      authn.AuthConfig{Username: "operator", Password: password},
		"localhost": authn.AuthConfig{Username: "operator", Password: password},
	}})
	w.passes(2 * keepFor)
	w.wellTold(w.one(), "")
	w.config(map[string]any{})
	w.passes(2 * keepFor)
	w.wellTold(w.one(), "")
	if got := s.given.Load(); got != "" {
		t.Errorf("somebody without a login sent %q", got)
	}
}

// TestRedirectsTakeNoPassword: to another host goes the question alone.
func TestRedirectsTakeNoPassword(t *testing.T) {
	w := newWorld(t)
	w.pulled("app:latest")
	password := secret()
	var given atomic.Value
	given.Store("nothing")
	other := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, req *http.Request) {
		given.Store(req.Header.Get("Authorization"))
		http.NotFound(out, req)
	}))
	defer other.Close()
	basic := wantsBasic("operator", password)
	w.guardedBy(func(out http.ResponseWriter, req *http.Request) bool {
		if basic(out, req) {
			return true
		}
		if strings.Contains(req.URL.Path, "/manifests/") {
			http.Redirect(out, req, strings.Replace(other.URL, "127.0.0.1", "localhost", 1)+req.URL.Path, http.StatusTemporaryRedirect)
			return true
		}
		return false
	})
	w.config(map[string]any{"auths": map[string]any{w.host: authn.AuthConfig{Username: "operator", Password: password}}})
	w.wellTold(w.one(), tagGone)
	if got := given.Load(); got != "" {
		t.Errorf("the other host got %q", got)
	}
}
