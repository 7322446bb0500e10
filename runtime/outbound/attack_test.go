package outbound

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// What a name stands for is what counts: an address inside is reached by nobody who
// was not granted it, in whatever form it comes, and one among many is enough.
func TestAttackNamesThatLeadInside(t *testing.T) {
	for _, addresses := range []string{
		"127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "169.254.169.254", "0.0.0.0", "::", "::1", "fe80::1", "fd00::1", "fd00:ec2::254",
		"::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1", "224.0.0.1", "255.255.255.255", "198.18.0.1", "168.63.129.16",
		"1.1.1.1 127.0.0.1", "127.0.0.1 1.1.1.1",
	} {
		w := newWorld(t)
		w.names["evil.example"] = []string{addresses}
		w.serve("1.1.1.1:443", certify(authority(), "evil.example"), say("public"))
		_, err := w.fetch(granted(t, "https://*:*/*", "https://evil.example/*"), abi.FetchRequest{URL: "https://evil.example/"})
		w.want(err, abi.Denied)
		if len(w.dialled) > 0 {
			t.Errorf("%s: dialled %q", addresses, w.dialled)
		}
	}
}

// TestAttackAnswerThatChanges: the name is looked up once, and what is dialled is
// what was checked.
func TestAttackAnswerThatChanges(t *testing.T) {
	w := newWorld(t)
	w.host("evil.example", "1.1.1.1", say("public"))
	w.names["evil.example"] = []string{"1.1.1.1", "127.0.0.1"}
	w.serve("127.0.0.1:443", certify(authority(), "evil.example"), say("inside"))
	answer, err := w.fetch(granted(t, "https://evil.example/*"), abi.FetchRequest{URL: "https://evil.example/"})
	if err != nil || string(answer.Body) != "public" || len(w.lookups) != 1 || !slices.Equal(w.dialled, []string{"1.1.1.1:443"}) {
		t.Fatalf("got %q, %v, after look-ups of %q and connections to %q", answer.Body, err, w.lookups, w.dialled)
	}
	_, err = w.fetch(granted(t, "https://evil.example/*"), abi.FetchRequest{URL: "https://evil.example/"})
	w.want(err, abi.Denied) // as the next answer is
	if len(w.dialled) != 1 {
		t.Errorf("dialled %q", w.dialled)
	}
}

// By name, and with the word, addresses inside are reached; those of metadata
// services only by themselves.
func TestAddressesThatAreGranted(t *testing.T) {
	w := newWorld(t)
	w.names["nas.lan"] = []string{"192.168.1.2"}
	w.names["cloud.lan"] = []string{"169.254.169.254"}
	for _, address := range []string{"192.168.1.2:8080", "169.254.169.254:80", "[::1]:80"} {
		w.serve(address, nil, say("inside"))
	}
	const asked = "http://*:*/* private"
	for _, test := range []struct {
		grant, url string
		want       bool
	}{
		{"http://nas.lan:8080/* private", "http://nas.lan:8080/", true},
		{"http://192.168.1.2:8080/* private", "http://192.168.1.2:8080/", true},
		{"http://[::1]/* private", "http://[::1]/", true},
		{"http://*:8080/* private", "http://nas.lan:8080/", false},
		{"http://nas.lan:8080/* private", "http://192.168.1.2:8080/", false},
		{"http://cloud.lan/* private", "http://cloud.lan/", false},
		{"http://169.254.169.254/* private", "http://169.254.169.254/", true},
		{"http://*/* private", "http://169.254.169.254/", false},
	} {
		answer, err := w.fetch(granted(t, asked, test.grant), abi.FetchRequest{URL: test.url})
		if test.want && (err != nil || string(answer.Body) != "inside") {
			t.Errorf("%s within %s: %v", test.url, test.grant, err)
		}
		if !test.want {
			w.want(err, abi.Denied)
		}
	}
}

func TestAttackRedirects(t *testing.T) {
	for name, test := range map[string]struct{ grant, to string }{
		"out of the scope":      {"https://example.org/*", "https://evil.example/"},
		"another path":          {"https://example.org/a", "/b"},
		"another port":          {"https://example.org/*", "https://example.org:8443/"},
		"to plain text":         {"https://example.org/*", "http://example.org/"},
		"to a private address":  {"https://*/*", "https://10.0.0.1/"},
		"to a name inside":      {"https://*/*", "https://inside.example/"},
		"to a metadata service": {"https://*/*", "https://169.254.169.254/latest"},
		"with user info":        {"https://*/*", "https://u:p@example.org/"},
		"with a strange host":   {"https://*/*", "https://0x7f.1/"},
		"to another scheme":     {"https://*/*", "file:///etc/passwd"},
		"to a secret's name":    {"https://*/*,secret:api/*", "secret:api/x"},
		"with encoded dots":     {"https://example.org/a*", "/a/%2e%2e/b"},
		"to nonsense":           {"https://*/*", "https://%zz/"},
		"without a host":        {"https://*/*", "https:///x"},
	} {
		for _, code := range []int{301, 302, 303, 307, 308} {
			t.Run(fmt.Sprint(name, " ", code), func(t *testing.T) {
				w := newWorld(t)
				w.secrets["api"] = "https://secret.example/" + rand.Text()
				w.names["inside.example"] = []string{"10.0.0.1"}
				w.host("example.org", "1.1.1.1", redirect(test.to, code))
				_, err := w.fetch(granted(t, test.grant), abi.FetchRequest{URL: "https://example.org/a"})
				w.want(err, abi.Denied)
				if len(w.dialled) != 1 {
					t.Errorf("dialled %q", w.dialled)
				}
			})
		}
	}
}

func TestRedirectsInTheScope(t *testing.T) {
	w := newWorld(t)
	token := rand.Text()
	w.secrets["token"] = token
	var met []string
	handle := func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		met = append(met, fmt.Sprintf("%s %s%s %q %v%v%v", r.Method, r.Host, r.URL, body, r.Header.Get("X-Token") == token, r.Header.Get("Authorization") != "", r.Header.Get("X-Mine") != ""))
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(rw, r, to, map[byte]int{'s': http.StatusSeeOther, 't': http.StatusTemporaryRedirect, 'f': http.StatusFound}[r.URL.Path[1]])
		}
	}
	w.host("a.example", "1.1.1.1", handle)
	w.host("b.example", "1.1.1.2", handle)
	grant := granted(t, "GET|POST https://a.example/* secret=token,GET|POST https://b.example/* secret=token")
	for _, test := range []struct{ method, url, want string }{
		{"POST", "https://a.example/s?to=/end", `POST a.example/s?to=/end "x" truetruetrue, GET a.example/end "" truetruetrue`},
		{"POST", "https://a.example/f?to=/end", `POST a.example/f?to=/end "x" truetruetrue, GET a.example/end "" truetruetrue`},
		{"POST", "https://a.example/t?to=end%23part", `POST a.example/t?to=end%23part "x" truetruetrue, POST a.example/end "x" truetruetrue`},
		// Another server gets neither secrets nor what could be one, though it may have it.
		{"POST", "https://a.example/t?to=https://b.example/end", `POST a.example/t?to=https://b.example/end "x" truetruetrue, POST b.example/end "x" falsefalsetrue`},
		{"GET", "https://a.example/f?to=https://b.example/f?to=https://a.example/", `GET a.example/f?to=https://b.example/f?to=https://a.example/ "" truetruetrue, ` +
			`GET b.example/f?to=https://a.example/ "" falsefalsetrue, GET a.example/ "" falsefalsetrue`},
	} {
		met = nil
		q := abi.FetchRequest{Method: test.method, URL: test.url, Headers: []abi.Header{{Name: "X-Token", Secret: "token"}, {Name: "authorization", Value: "mine"}, {Name: "X-Mine", Value: "1"}}}
		if test.method == "POST" {
			q.Body = []byte("x")
		}
		if _, err := w.fetch(grant, q); err != nil {
			t.Errorf("%s: %v", test.url, err)
		}
		if got := strings.Join(met, ", "); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.url, got, test.want)
		}
	}
}

// TestAttackTenThousandRedirects: three are followed.
func TestAttackTenThousandRedirects(t *testing.T) {
	w := newWorld(t)
	n := 0
	w.host("example.org", "1.1.1.1", func(rw http.ResponseWriter, r *http.Request) {
		if n++; n < 10_000 {
			http.Redirect(rw, r, fmt.Sprintf("/%d", n), http.StatusFound)
		}
	})
	_, err := w.fetch(granted(t, "https://example.org/*"), abi.FetchRequest{URL: "https://example.org/"})
	w.want(err, abi.Limit)
	if n != 1+maxRedirects {
		t.Errorf("%d requests", n)
	}
}

func TestAttackASecretToAnotherHost(t *testing.T) {
	w := newWorld(t)
	w.secrets["token"] = rand.Text()
	w.host("evil.example", "1.1.1.1", func(http.ResponseWriter, *http.Request) { t.Error("a request came") })
	q := abi.FetchRequest{URL: "https://evil.example/", Headers: []abi.Header{{Name: "Authorization", Value: "Bearer ", Secret: "token"}}}
	for _, parties := range [][]string{
		{"https://*/* secret=token"},
		{"https://*/* secret=token", "https://*/*"},
		{"https://*/* secret=token", "https://api.example/* secret=token,https://*/*"},
		{"https://*.example/* secret=token"},
	} {
		_, err := w.fetch(granted(t, parties...), q)
		w.want(err, abi.Denied)
	}
}

// The operator's address is in no answer, no error, and no request elsewhere.
func TestAnOperatorsAddress(t *testing.T) {
	w := newWorld(t)
	password := rand.Text()
	self := certify(nil, "whatever")
	w.secrets["api"], w.secrets["cert"] = "https://10.0.0.9:1234/"+password, fingerprint(self)
	w.secrets["hook"] = "https://10.0.0.9:1234/" + password + "/hook?key=" + rand.Text()
	var met []string
	w.serve("10.0.0.9:1234", self, func(rw http.ResponseWriter, r *http.Request) {
		met = append(met, strings.ReplaceAll(r.URL.String(), password, "PW"))
		switch strings.TrimPrefix(r.URL.Path, "/"+password) {
		case "/echo":
			rw.Header().Set("X-Where", "https://"+r.Host+r.URL.String())
			rw.Header().Set("Set-Cookie", "session=1")
			fmt.Fprintf(rw, "%s and %s", r.URL, strings.ToUpper(fmt.Sprintf("%x", password)))
		case "/within":
			http.Redirect(rw, r, "echo?again", http.StatusFound)
		case "/up":
			http.Redirect(rw, r, "/", http.StatusFound)
		case "/admin":
			t.Error("asked out of the scope")
		case "/toadmin":
			http.Redirect(rw, r, "admin", http.StatusFound)
		}
	})
	grant := granted(t, "secret:api/echo* private pin=cert,secret:api/within private pin=cert,secret:api/up private pin=cert,secret:api/toadmin private pin=cert,secret:hook private pin=cert")
	for _, path := range []string{"/echo", "/within"} {
		answer, err := w.fetch(grant, abi.FetchRequest{URL: "secret:api" + path})
		if err != nil {
			t.Fatal(err)
		}
		all := fmt.Sprint(string(answer.Body), answer.Headers)
		if strings.Contains(all, password) || strings.Contains(all, strings.ToUpper(fmt.Sprintf("%x", password))) || strings.Contains(all, "session") || strings.Contains(all, "10.0.0.9:1234/") {
			t.Errorf("a module sees %s", all)
		}
	}
	for _, path := range []string{"/up", "/toadmin"} {
		_, err := w.fetch(grant, abi.FetchRequest{URL: "secret:api" + path})
		w.want(err, abi.Denied)
	}
	if _, err := w.fetch(grant, abi.FetchRequest{URL: "secret:hook"}); err != nil {
		t.Error(err)
	}
	if got := strings.Join(met, " "); !strings.HasPrefix(got, "/PW/echo /PW/within /PW/echo?again /PW/up /PW/toadmin /PW/hook?key=") {
		t.Errorf("asked for %s", got)
	}
	for _, value := range []string{"http://10.0.0.9/x", "https://u:p@10.0.0.9/", "x", "https://10.0.0.8/" + password} {
		w.secrets["api"] = value
		_, err := w.fetch(grant, abi.FetchRequest{URL: "secret:api/echo"})
		w.want(err, abi.Unavailable)
	}
	delete(w.secrets, "api")
	_, err := w.fetch(grant, abi.FetchRequest{URL: "secret:api/echo"})
	w.want(err, abi.Unavailable)
	// What is named as private stays so for an operator's address too.
	w.secrets["api"] = "https://10.0.0.9:1234/" + password
	_, err = w.fetch(granted(t, "secret:api/* pin=cert"), abi.FetchRequest{URL: "secret:api/echo"})
	w.want(err, abi.Denied)
}

// TestAttackEchoedSecret: a server that repeats what it was sent tells a module
// nothing, however the module cuts the answer.
func TestAttackEchoedSecret(t *testing.T) {
	w := newWorld(t)
	token := rand.Text()
	w.secrets["token"], w.secrets["login"] = token, base64.StdEncoding.EncodeToString([]byte("me:"+token))
	w.host("example.org", "1.1.1.1", func(rw http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		rw.Header().Set("X-Echo", r.Header.Get("X-Token"))
		rw.Header().Set("Set-Cookie", "session=1")
		fmt.Fprintf(rw, "sent %s, %s:%s, %s", r.Header.Get("X-Token"), user, password, base64.StdEncoding.EncodeToString([]byte(r.Header.Get("X-Token"))))
	})
	grant := granted(t, "https://example.org/* secret=token|login")
	for limit := range 120 {
		answer, err := w.fetch(grant, abi.FetchRequest{URL: "https://example.org/", MaxBody: limit, Headers: []abi.Header{
			{Name: "X-Token", Value: "v1 ", Secret: "token"}, {Name: "Authorization", Value: "Basic ", Secret: "login"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		all := fmt.Sprint(string(answer.Body), answer.Headers)
		if strings.Contains(all, token[:4]) || strings.Contains(all, base64.StdEncoding.EncodeToString([]byte("v1 " + token))[4:12]) || strings.Contains(all, "session") {
			t.Fatalf("cut after %d, a module sees %s", limit, all)
		}
		if limit > 0 && len(answer.Body) > limit {
			t.Errorf("%d bytes for %d", len(answer.Body), limit)
		}
	}
	// What a server keeps from one request it may repeat in the next.
	w.host("later.org", "1.1.1.2", say("it was "+token))
	if answer, err := w.fetch(granted(t, "https://later.org/*"), abi.FetchRequest{URL: "https://later.org/"}); err != nil || strings.Contains(string(answer.Body), token) {
		t.Errorf("got %q, %v", answer.Body, err)
	}
}

func TestAttackCertificates(t *testing.T) {
	w := newWorld(t)
	good, self, other := certify(authority(), "example.org"), certify(nil, "x"), certify(authority(), "evil.example")
	w.secrets["cert"] = fingerprint(self)
	w.names["example.org"] = []string{"1.1.1.1"}
	for _, test := range []struct {
		name    string
		shown   *tls.Certificate
		parties []string
		want    abi.Code
	}{
		{"a good one", good, []string{"https://*/*"}, abi.OK},
		{"one that it made", self, []string{"https://*/*"}, abi.Unavailable},
		{"another's", other, []string{"https://*/*"}, abi.Unavailable},
		{"the one that was named", self, []string{"https://example.org/* pin=cert"}, abi.OK},
		{"a good one, though another was named", good, []string{"https://example.org/* pin=cert"}, abi.Unavailable},
		{"the one that the operator named", self, []string{"https://*/*", "https://example.org/* pin=" + fingerprint(self)}, abi.OK},
		{"the one that the module brought", self, []string{"https://example.org/* pin=" + fingerprint(self), "https://example.org/*"}, abi.Unavailable},
		{"another's that the module brought", other, []string{"https://example.org/* pin=" + fingerprint(other), "https://example.org/*"}, abi.Unavailable},
		{"a good one that the module named", good, []string{"https://example.org/* pin=" + fingerprint(good), "https://example.org/*"}, abi.OK},
		{"two that are never the same", self, []string{"https://example.org/* pin=" + fingerprint(self), "https://example.org/* pin=" + fingerprint(good)}, abi.Unavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.serve("1.1.1.1:443", test.shown, say(""))
			_, err := w.fetch(granted(t, test.parties...), abi.FetchRequest{URL: "https://example.org/"})
			if test.want == abi.OK && err != nil {
				t.Fatal(err)
			}
			if test.want != abi.OK {
				w.want(err, test.want)
			}
		})
	}
}
