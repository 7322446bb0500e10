package emulator

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strings"
)

// pageFiles is the chat page.
//
//go:embed page/*.html page/*.css page/*.js page/*.svg
var pageFiles embed.FS

// tokenMark stands in index.html where the page's token goes; the page sends it back in tokenHeader.
const (
	tokenMark   = "{{PAGE_TOKEN}}"
	tokenHeader = "X-Cofferdam-Page"
)

// pageHeaders go with every answer. Nothing comes from elsewhere, nothing inline runs, nobody frames the page, and
// nothing is kept: a chat may hold what only its people should see.
var pageHeaders = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
		"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	"X-Content-Type-Options":       "nosniff",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cache-Control":                "no-store",
}

// PageHandler serves the chat page at /, and its API at /api/, for these personas. They are put into the world; each has
// at least the private chat with the bot; groups must be there already (AddGroup), and the persona becomes a member.
//
// The page drives a bot that may have real power, so that a web site elsewhere must not reach it through the reader's
// browser: requests under a host name that is neither loopback nor in Options.PageHosts are refused (DNS rebinding),
// and those that change something, or read a code, need a random value that only the page itself can read (forged
// requests).
func (s *Server) PageHandler(personas []Persona) http.Handler {
	personas = slices.Clone(personas)
	for i := range personas {
		s.addPersona(&personas[i])
	}
	token := pageToken()
	mux := http.NewServeMux()
	(&pageAPI{s: s, personas: personas, token: token}).routes(mux)
	pageRoutes(mux, token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range pageHeaders {
			w.Header().Set(name, value)
		}
		if err := s.guardPage(r, token); err != nil {
			writePageError(w, err)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (s *Server) addPersona(p *Persona) {
	s.AddUser(p.User)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.privateChat(p.User)
	if !slices.Contains(p.Chats, p.User.ID) {
		p.Chats = append([]int64{p.User.ID}, p.Chats...)
	}
	for _, id := range p.Chats {
		if id != p.User.ID {
			s.mustChat(id).members[p.User.ID] = true
		}
	}
}

func pageToken() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails, by its documentation
	return base64.RawURLEncoding.EncodeToString(raw)
}

// guardPage is asked before anything else is looked at.
func (s *Server) guardPage(r *http.Request, token string) error {
	if !s.pageHost(r.Host) {
		return refuse(http.StatusForbidden, "The chat page is not served under this host name.")
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	return fromPage(r, token)
}

// fromPage refuses what does not carry the page's token.
func fromPage(r *http.Request, token string) error {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get(tokenHeader)), []byte(token)) != 1 {
		return refuse(http.StatusForbidden, "The request does not come from the chat page. Reload the page.")
	}
	return nil
}

// pageHost takes loopback names and addresses, and the names of Options.PageHosts, with any port.
func (s *Server) pageHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Unmap().IsLoopback() {
		return true
	}
	return strings.EqualFold(host, "localhost") ||
		slices.ContainsFunc(s.hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// pageTypes are not looked up in the system's tables: with nosniff a wrong one would leave the page blank.
var pageTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// pageRoutes serves each file of the page under its name, and index.html at /.
func pageRoutes(mux *http.ServeMux, token string) {
	entries, err := pageFiles.ReadDir("page")
	if err != nil {
		panic("emulator: embedded page: " + err.Error())
	}
	for _, e := range entries {
		body, err := pageFiles.ReadFile("page/" + e.Name())
		if err != nil {
			panic("emulator: embedded page: " + err.Error())
		}
		route, kind := "GET /"+e.Name(), pageTypes[path.Ext(e.Name())]
		if e.Name() == "index.html" {
			route = "GET /{$}"
			body = bytes.ReplaceAll(body, []byte(tokenMark), []byte(token)) // base64url needs no escaping
		}
		mux.HandleFunc(route, func(w http.ResponseWriter, _ *http.Request) {
			writeBody(w, http.StatusOK, kind, body)
		})
	}
}
