package distribution

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// TestWhereARegistryMustNotLead: redirects, realms and pages to addresses inside.
func TestWhereARegistryMustNotLead(t *testing.T) {
	redirect := func(to string) func(http.ResponseWriter, *http.Request) bool {
		return func(out http.ResponseWriter, req *http.Request) bool {
			if !strings.Contains(req.URL.Path, "/manifests/") {
				return false
			}
			http.Redirect(out, req, to, http.StatusFound)
			return true
		}
	}
	for _, test := range []struct {
		name    string
		guard   func(http.ResponseWriter, *http.Request) bool
		problem string
	}{
		{"metadata", redirect("https://169.254.169.254/latest/meta-data"), ""},
		{"metadata in plain", redirect("http://169.254.169.254/latest/meta-data"), ""},
		{"a private network", redirect("https://10.0.0.1/v2/app/manifests/latest"), ""},
		{"in IPv6", redirect("https://[fd00:ec2::254]/"), ""},
		{"mapped", redirect("https://[::ffff:10.0.0.1]/"), ""},
		{"nowhere", redirect("https://0.0.0.0/"), ""},
		{"plain HTTP", redirect("http://registry.example.org/v2/app/manifests/latest"), "The registry does not use HTTPS."},
		{"a file", redirect("file:///etc/passwd"), ""},
		{"a realm of metadata", wantsToken("http://169.254.169.254/token", "x"), ""},
		{"a realm in plain HTTP", wantsToken("http://auth.example.org/token", "x"), "The registry does not use HTTPS."},
		{"a realm that is a file", wantsToken("file:///etc/passwd", "x"), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.pulled("app:latest")
			w.guardedBy(test.guard)
			u := w.one()
			if u.Problem == "" || test.problem != "" && u.Problem != test.problem {
				t.Errorf("the problem is %q, want %q", u.Problem, test.problem)
			}
			if u.NewerDigest || u.NewerTag != "" {
				t.Errorf("%+v", u)
			}
		})
	}
}

func TestZones(t *testing.T) {
	for text, want := range map[string]zone{
		"93.184.215.14": public, "2606:2800:21f:cb07::1": public, "172.32.0.1": public,
		"10.1.2.3": private, "172.16.0.1": private, "192.168.1.1": private, "100.64.0.1": private, "fd12::1": private, "::ffff:10.0.0.1": private,
		"127.0.0.1": loopback, "127.1.2.3": loopback, "::1": loopback,
		"169.254.169.254": forbidden, "fe80::1": forbidden, "fe80::1%eth0": forbidden, "fd00:ec2::254": forbidden, "100.100.100.200": forbidden, "192.0.0.192": forbidden,
		"0.0.0.0": forbidden, "::": forbidden, "224.0.0.1": forbidden, "255.255.255.255": forbidden, "ff02::1": forbidden,
		"64:ff9b::a9fe:a9fe": forbidden, "64:ff9b::a00:1": private, "64:ff9b::5db8:d70e": public, "2002:a00:1::1": private,
	} {
		if got := zoneOf(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
	if zoneOf(netip.Addr{}) != forbidden {
		t.Error("no address is forbidden")
	}
	for _, test := range []struct {
		from, to zone
		want     bool
	}{
		{public, public, true}, {private, public, true}, {loopback, public, true}, {forbidden, public, true},
		{private, private, true}, {loopback, loopback, true},
		{public, private, false}, {public, loopback, false}, {private, loopback, false}, {loopback, private, false}, {forbidden, private, false},
		{public, forbidden, false}, {private, forbidden, false}, {forbidden, forbidden, false},
	} {
		if got := mayLead(test.from, test.to); got != test.want {
			t.Errorf("from %d to %d: %v", test.from, test.to, got)
		}
	}
}

// TestNamesAreLookedAtAfterTheyWereResolved: a public registry that leads to a
// name that means this machine.
func TestNamesAreLookedAtAfterTheyWereResolved(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	port := server.URL[strings.LastIndexByte(server.URL, ':')+1:]
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	for _, test := range []struct {
		at    zone
		leads bool
	}{{loopback, true}, {public, false}, {private, false}, {forbidden, false}} {
		g := newGate("registry.example.org", roots)
		g.transport.TLSClientConfig.ServerName = "example.com" // the certificate's
		g.zone.Store(int64(test.at))
		r := round{registry: &registry{gate: g, now: time.Now}}
		answer, err := r.RoundTrip(&http.Request{Method: http.MethodGet, Header: http.Header{}, URL: &url.URL{Scheme: "https", Host: "localhost:" + port, Path: "/"}})
		if err == nil {
			answer.Body.Close()
		}
		if leads := err == nil; leads != test.leads || !leads && !errors.Is(err, errLeads) {
			t.Errorf("from %d: %v", test.at, err)
		}
		g.transport.CloseIdleConnections()
	}
}

func TestHTTPSIsWanted(t *testing.T) {
	for host, plain := range map[string]bool{
		"localhost:5000": true, "127.0.0.1:5000": true, "[::1]:5000": true,
		"10.0.0.1:5000": false, "registry.local": false, "registry.example.org": false, "localhost.example.org": false,
	} {
		g := newGate(host, nil)
		err := g.admit(&http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "http", Host: host, Path: "/v2/"}}, login{})
		if (err == nil) != plain {
			t.Errorf("http for %s: %v", host, err)
		}
		if err := g.admit(&http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "https", Host: host, Path: "/v2/"}}, login{}); err != nil {
			t.Errorf("https for %s: %v", host, err)
		}
	}
}

func TestOwnHost(t *testing.T) {
	for _, test := range []struct {
		host, asked string
		own         bool
	}{
		{"registry.example.org", "registry.example.org", true}, {"registry.example.org", "Registry.Example.org:443", true},
		{"registry.example.org", "registry.example.org:8080", false}, {"registry.example.org", "registry.example.org:80", false},
		{"registry.example.org:5000", "registry.example.org:5000", true}, {"registry.example.org:5000", "registry.example.org", false},
		{"registry.example.org:443", "registry.example.org", true}, {"registry.example.org", "example.org", false},
		{"[::1]:5000", "[::1]:5000", true}, {"127.0.0.1", "127.0.0.1:80", true}, {"127.0.0.1:5000", "127.0.0.1:5001", false},
	} {
		if got := newGate(test.host, nil).isOwn(test.asked); got != test.own {
			t.Errorf("%s is %s: %v", test.asked, test.host, got)
		}
	}
}

func TestWhereCredentialsMayGo(t *testing.T) {
	for _, test := range []struct {
		registry, to string
		want         bool
	}{
		{"index.docker.io", "auth.docker.io", true}, {"registry.gitlab.com", "gitlab.com", true}, {"ghcr.io", "ghcr.io", true},
		{"registry.example.org:5000", "registry.example.org:5001", true}, {"registry.example.org", "auth.example.org", true},
		{"registry.example.org", "named.example.net", true},
		{"registry.example.org", "example.net", false}, {"registry.example.org", "org", false}, {"quay.io", "ghcr.io", false},
		{"registry.example.org", "registry.example.org.evil.net", false}, {"registry", "other", false},
		{"10.0.0.1:5000", "10.0.0.1", true}, {"10.0.0.1:5000", "11.0.0.1", false}, {"10.0.0.1", "0.0.1", false},
		{"ghcr.io", "auth.ghcr.io", false},
	} {
		l := login{registry: test.registry, named: map[string]bool{"named.example.net": true}}
		if got := l.goesTo(test.to); got != test.want {
			t.Errorf("from %s to %s: %v", test.registry, test.to, got)
		}
	}
}

func TestEndlessTags(t *testing.T) {
	w := newWorld(t)
	w.pulled("app:1.0")
	pages := 0 // they are asked for one after the other
	w.guardedBy(func(out http.ResponseWriter, req *http.Request) bool {
		if !strings.HasSuffix(req.URL.Path, "/tags/list") {
			return false
		}
		pages++
		out.Header().Set("Link", fmt.Sprintf("<%s?last=%d>; rel=\"next\"", req.URL.Path, pages))
		fmt.Fprintf(out, `{"name":"app","tags":["1.%d"]}`, pages)
		return true
	})
	u := w.one()
	w.wellTold(u, tooManyTags)
	if pages > maxPages+1 || u.NewerTag != "1."+strconv.Itoa(maxPages) {
		t.Errorf("%d pages, %+v", pages, u)
	}
}

// TestNonsense: what a registry answers that no registry should.
func TestNonsense(t *testing.T) {
	answer := func(path, header, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(out http.ResponseWriter, req *http.Request) bool {
			if !strings.Contains(req.URL.Path, path) {
				return false
			}
			if name, value, ok := strings.Cut(header, ": "); ok {
				out.Header().Set(name, value)
			}
			fmt.Fprint(out, body)
			return true
		}
	}
	long := strings.Repeat(`"1.1",`, maxBody/6)
	for _, test := range []struct {
		name    string
		guard   func(http.ResponseWriter, *http.Request) bool
		problem string // empty: any
		tag     string
	}{
		{"tags that are no tags", answer("/tags/list", "", `{"tags":["1.1\n","1.2\u0000","1.3\u202e","<b>1.4</b>","1.1"]}`), "", "1.1"},
		{"no JSON", answer("/tags/list", "", "<html>"), "The registry's answer makes no sense.", ""},
		{"a page that is too long", answer("/tags/list", "", `{"tags":[`+long+`"1.1"]}`), "The registry's answer is too long.", ""},
		{"a link to elsewhere", answer("/tags/list", "Link: <https://10.0.0.1/v2/>; rel=next", `{"tags":["1.1"]}`), "The registry's answer makes no sense.", ""},
		{"a digest that is none", answer("/manifests/", "Docker-Content-Digest: x", ""), "", ""},
		{"a manifest that is too long", func(out http.ResponseWriter, req *http.Request) bool {
			if !strings.Contains(req.URL.Path, "/manifests/") {
				return false
			}
			if req.Method == http.MethodHead {
				out.WriteHeader(http.StatusMethodNotAllowed)
				return true
			}
			out.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			for range maxBody >> 10 {
				fmt.Fprint(out, strings.Repeat(" ", 1<<10))
			}
			fmt.Fprint(out, "{}")
			return true
		}, "The registry's answer is too long.", ""},
		{"headers that are too long", answer("/manifests/", "X: "+strings.Repeat("x", maxHeader*2), ""), "", ""},
		{"a connection that is cut", func(out http.ResponseWriter, req *http.Request) bool {
			if strings.Contains(req.URL.Path, "/manifests/") {
				panic(http.ErrAbortHandler)
			}
			return false
		}, "The registry cannot be reached.", ""},
		{"a redirect in a circle", func(out http.ResponseWriter, req *http.Request) bool {
			if strings.Contains(req.URL.Path, "/manifests/") {
				http.Redirect(out, req, req.URL.Path, http.StatusFound)
				return true
			}
			return false
		}, "The registry's answer makes no sense.", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.pulled("app:1.0")
			w.guardedBy(test.guard)
			u := w.one()
			if test.problem != "" {
				w.wellTold(u, test.problem)
			}
			if u.NewerDigest || test.tag != "" && u.NewerTag != test.tag {
				t.Errorf("%+v", u)
			}
		})
	}
}

// TestASlowBody: a registry that sends a byte now and then is given up, and the
// next image does not wait for it as long.
func TestASlowBody(t *testing.T) {
	w := newWorld(t)
	w.client.times = times{tags: 100 * time.Millisecond, tag: 100 * time.Millisecond}
	w.pulled("app:1.0")
	w.pulled("other:1.0")
	w.guardedBy(func(out http.ResponseWriter, req *http.Request) bool {
		if !strings.HasSuffix(req.URL.Path, "/tags/list") {
			return false
		}
		for req.Context().Err() == nil {
			fmt.Fprint(out, " ")
			http.NewResponseController(out).Flush()
			select {
			case <-req.Context().Done():
			case <-time.After(time.Millisecond):
			}
		}
		return true
	})
	for _, u := range w.looks(abi.UpdateQuery{}) {
		if u.Problem != "The registry cannot be reached. It can be asked again in 60 seconds." && u.Problem != "The registry does not answer in time. It can be asked again in 60 seconds." {
			t.Errorf("%+v", u)
		}
	}
}

func TestARegistryThatIsAway(t *testing.T) {
	w := newWorld(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	host := strings.TrimPrefix(gone.URL, "http://")
	image := w.image()
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	w.engine.add(abi.Image{ID: "sha256:" + strings.Repeat("a", 64), Tags: []string{host + "/app:1.0"}, Digests: []string{host + "/app@" + digest.String()}})
	w.wellTold(w.one(), "The registry cannot be reached. It can be asked again in 60 seconds.")
	w.passes(30 * time.Second)
	w.wellTold(w.fresh(), "The registry cannot be reached. It can be asked again in 30 seconds.")
}

// TestCausesHoldNoSecret: what the log gets of errors, whatever is in them.
func TestCausesHoldNoSecret(t *testing.T) {
	password, token := secret(), secret()
	l := login{registry: "r.example.org", auth: authn.AuthConfig{Username: "operator", Password: password}}
	for _, test := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("bad login operator:%s", password), "bad login operator:•••"},
		{&url.Error{Op: "Get", URL: "https://r.example.org/token?account=operator&token=" + token, Err: errors.New("connection refused")}, "connection refused"},
		{fmt.Errorf("look: %w", &url.Error{Op: "Get", URL: token, Err: &url.Error{Op: "Get", URL: token, Err: errTooLong}}), errTooLong.Error()},
		{fmt.Errorf("no token in bearer response:\n{%q:%q}", "tok", token), "no token in bearer response"},
		{&transport.Error{StatusCode: 401, Errors: []transport.Diagnostic{{Code: "UNAUTHORIZED", Message: password}, {Code: transport.ErrorCode(token + " x")}}}, "status 401 UNAUTHORIZED"},
		{errors.New("two\nlines " + strings.Repeat("x", 999)), ""},
	} {
		got := cause(test.err, l)
		if strings.Contains(got, password) || strings.Contains(got, token) || strings.Contains(got, "\n") || len([]rune(got)) > maxCause {
			t.Errorf("%v became %q", test.err, got)
		}
		if test.want != "" && got != test.want {
			t.Errorf("%v became %q, want %q", test.err, got, test.want)
		}
	}
}
