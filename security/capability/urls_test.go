package capability

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// digest is a fingerprint as a pattern has it.
var digest = strings.Repeat("0a", 32)

func TestURLPatternsThatAreRefused(t *testing.T) {
	for _, pattern := range []string{
		"", " ", "*", "example.org", "//example.org/", "ftp://example.org/", "HTTPS://example.org/", "https:/example.org/",
		"https://", "https:///", "https://:443/", "https://example.org:0/", "https://example.org:0443/", "https://example.org:65536/",
		"https://example.org:/", "https://example.org:+443/", "https://example.org:4*/", "https://example.org?q=*", "https://example.org*",
		"https://user@example.org/", "https://user:pass@example.org/", "https://example.org@evil.example/", "https://evil.example\\@example.org/",
		"https://example.org/a#b", "https://example.org/a\\b", "https://example.org/a b", "https://example.org/ä", "https://exämple.org/",
		"https://example..org/", "https://-example.org/", "https://example-.org/", "https://.example.org/", "https://example.org../",
		"https://ex*mple.org/", "https://**/", "https://*example.org/", "https://*./", "https://*.*/", "https://a.*.org/", "https://*.0.0.1/",
		"https://127.1/", "https://0177.0.0.1/", "https://0x7f.0.0.1/", "https://0x7f000001/", "https://2130706433/", "https://127.0.0.01/",
		"https://127.0.0.1.5/", "https://1.2.3/", "https://[::1/", "https://::1/", "https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/",
		"https://[::ffff:127.0.0.1]/", "https://[127.0.0.1]/", "https://[]/", "https://[*]/",
		"https://example.org/../", "https://example.org/a/..", "https://example.org/./a", "https://example.org/..;x/a", "https://example.org/a/.;/b",
		"https://example.org/%2e%2e/a", "https://example.org/a%2Fb", "https://example.org/a%5cb", "https://example.org/%00", "https://example.org/a%0d%0ab",
		"https://example.org/%252e%252e/", "https://example.org/%252Fb", "https://example.org/%", "https://example.org/%2", "https://example.org/%zz", "https://example.org/%*2",
		"https://example.org/?%zz",
		"http://example.org/", "http://example.org/ private pin=" + digest, "http://example.org/ private secret=token",
		"get https://example.org/", "GET  https://example.org/", "GET https://example.org/ ", " GET https://example.org/", "GET|GET https://example.org/",
		"CONNECT https://example.org/", "TRACE https://example.org/", "GET| https://example.org/", "| https://example.org/", "GET", "GET GET https://example.org/",
		"https://example.org/ pin=", "https://example.org/ pin=a,b", "https://example.org/ pin=" + digest + " pin=x", "https://example.org/ pin=x|",
		"https://example.org/ secret=", "https://example.org/ secret=a|", "https://example.org/ secret=a secret=b", "https://example.org/ secret=a/b",
		"https://example.org/ private private", "https://example.org/ Private", "https://example.org/ public", "https://example.org/ private=yes",
		"secret:", "secret:/a", "secret:*/a", "secret:a*/a", "secret:api/../b", "secret:api#x", "secret:api:443/", "secret:a@b/", "secret:" + strings.Repeat("a", 32),
		"https://example.org/\n", "https://example.org/\x00", "https://example.org/" + strings.Repeat("a", maxPattern),
	} {
		if _, err := ParseURLScope([]string{pattern}); err == nil {
			t.Errorf("%q is taken", pattern)
		}
	}
	if _, err := ParseURLScope(nil); err == nil {
		t.Error("no pattern at all is taken")
	}
	if _, err := ParseURLScope(slices.Repeat([]string{"https://example.org/"}, MaxPatterns+1)); err == nil {
		t.Error("too many patterns are taken")
	}
}

// TestURLPatterns holds requests against one pattern.
func TestURLPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern, method, url string
		want                 bool
	}{
		{"https://example.org/health", "", "https://example.org/health", true},
		{"https://example.org/health", "HEAD", "https://example.org/health", true},
		{"https://example.org/health", "POST", "https://example.org/health", false},
		{"POST https://example.org/health", "GET", "https://example.org/health", false},
		{"GET|DELETE https://example.org/*", "DELETE", "https://example.org/a", true},
		{"https://example.org/health", "", "https://EXAMPLE.org./health", true},
		{"https://EXAMPLE.org./health", "", "https://example.org:443/health", true},
		{"https://example.org/health", "", "https://example.org/health?a=b", false},
		{"https://example.org/health*", "", "https://example.org/health?a=https%3A%2F%2Fb%2F..%2f", true},
		{"https://example.org/health", "", "https://example.org/Health", false},
		{"https://example.org/a/*/c", "", "https://example.org/a/b/b/c", true},
		{"https://example.org/a%c3%a4", "", "https://example.org/a%C3%A4", true},
		{"https://example.org", "", "https://example.org/", true},
		{"https://example.org/", "", "https://example.org", true},
		{"https://example.org/*", "", "https://example.org:8443/", false},
		{"https://example.org:8443/*", "", "https://example.org/", false},
		{"https://example.org:*/*", "", "https://example.org:8443/x", true},
		{"https://example.org/*", "", "http://example.org:443/", false},
		{"https://example.org/*", "", "https://example.org.evil.example/", false},
		{"https://example.org/*", "", "https://evil-example.org/", false},
		{"https://*.example.org/*", "", "https://a.b.example.org/", true},
		{"https://*.example.org/*", "", "https://example.org/", false},
		{"https://*.example.org/*", "", "https://evilexample.org/", false},
		{"https://*:*/*", "", "https://[2001:4860:4860::8888]:853/", true},
		{"https://[2001:4860:4860:0::8888]/*", "", "https://[2001:4860:4860::8888]/", true},
		{"https://*/*", "", "secret:api/x", false},
		{"secret:api/*", "", "secret:api/keys?x=1", true},
		{"secret:api/*", "", "secret:api", false},
		{"secret:hook", "", "secret:hook", true},
		{"secret:hook", "", "secret:hook?x", false},
		{"secret:api/*", "", "secret:apis/x", false},
		{"secret:api/*", "", "https://api/x", false},
	} {
		f, err := ParseFetch(test.method, test.url, nil)
		if err != nil {
			t.Errorf("%s: %v", test.url, err)
			continue
		}
		set := mustFetch(t, test.pattern)
		if _, got := set.AllowsFetch(f); got != test.want {
			t.Errorf("%q for %s %s: %v, want %v", test.pattern, test.method, test.url, got, test.want)
		}
	}
}

// A request is refused for whatever a pattern is, and has no stars.
func TestRequestsThatAreRefused(t *testing.T) {
	for _, url := range []string{
		"", "/", "example.org", "https://*/", "https://*.example.org/", "https://example.org:*/", "https://u@example.org/", "https://example.org/#a",
		"https://exämple.org/", "https://example。org/", "https://127.1/", "https://0/", "https://0x7f.1/", "https://[::ffff:10.0.0.1]/", "https://[::1%25lo]/",
		"https://example.org/%2e%2e/", "https://example.org/a/../b", "https://example.org\\.evil.example/", "https://example.org/\r\nHost: x",
		"secret:", "secret:a/%2e%2e", "https://example.org/" + strings.Repeat("a", maxURL), "gopher://example.org/", "file:///etc/passwd", "https:example.org",
	} {
		if f, err := ParseFetch("GET", url, nil); err == nil {
			t.Errorf("%q is taken for %s", url, f.URL())
		}
	}
	for _, method := range []string{"get", "CONNECT", "TRACE", "OPTIONS", "GET ", "GET\r\n", "*"} {
		if _, err := ParseFetch(method, "https://example.org/", nil); err == nil {
			t.Errorf("the method %q is taken", method)
		}
	}
	if _, err := ParseFetch("GET", "https://example.org/", []string{"a b"}); err == nil {
		t.Error("an impossible secret is taken")
	}
}

func mustFetch(t testing.TB, parties ...string) Set {
	t.Helper()
	var set Set
	for i, patterns := range parties {
		next, err := Parse([]Request{{Name: string(HTTPFetch), Scope: strings.Split(patterns, ",")}})
		if err != nil {
			t.Fatal(err)
		}
		if set = set.Narrow(next); i == 0 {
			set = next
		}
	}
	return set
}

func mustRequest(t testing.TB, method, url string, secrets ...string) Fetch {
	t.Helper()
	f, err := ParseFetch(method, url, secrets)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestZeroFetchDenies(t *testing.T) {
	if _, ok := (Set{}).AllowsFetch(mustRequest(t, "", "https://example.org/")); ok {
		t.Error("the zero Set allows a request")
	}
	if _, ok := mustFetch(t, "https://*:*/*,secret:a/*").AllowsFetch(Fetch{}); ok {
		t.Error("the zero Fetch is allowed")
	}
	if _, ok := (Terms{}).At("example.org", netip.MustParseAddr("1.1.1.1")); ok {
		t.Error("the zero Terms let a connection be made")
	}
	if (Terms{}).Trusts([32]byte{}, nil) != TrustNothing {
		t.Error("the zero Terms trust")
	}
}

// Whatever several parties say, all of them must allow a request, and what is
// dangerous needs one that names the host.
func TestParties(t *testing.T) {
	const public, inside, cloud = "1.1.1.1", "10.0.0.1", "169.254.169.254"
	for _, test := range []struct {
		name    string
		parties []string
		url     string
		secret  string
		address string
		want    bool
	}{
		{"both", []string{"https://*:*/*", "https://example.org/*"}, "https://example.org/a", "", public, true},
		{"one", []string{"https://*:*/*", "https://example.org/*"}, "https://example.com/a", "", public, false},
		{"a private address that nobody granted", []string{"https://*/*", "https://example.org/*"}, "https://example.org/", "", inside, false},
		{"that one granted", []string{"https://*/*", "https://example.org/* private"}, "https://example.org/", "", inside, false},
		{"that one asked for", []string{"https://*/* private", "https://example.org/*"}, "https://example.org/", "", inside, false},
		{"that all say, one by name", []string{"https://*/* private", "https://example.org/* private"}, "https://example.org/", "", inside, true},
		{"that all say, none by name", []string{"https://*/* private", "https://*/* private"}, "https://example.org/", "", inside, false},
		{"that one says, by half a name", []string{"https://*.example.org/* private"}, "https://a.example.org/", "", inside, false},
		{"by name in another pattern", []string{"https://*/* private,https://example.org/*"}, "https://example.org/", "", inside, false},
		{"a name for a public address", []string{"https://*/* private", "https://*/*"}, "https://example.org/", "", public, true},
		{"an operator's address", []string{"secret:api/* private"}, "secret:api/a", "", inside, true},
		{"an operator's address without the word", []string{"secret:api/* private", "secret:api/*"}, "secret:api/a", "", inside, false},
		{"plain", []string{"http://*/* private", "http://example.org/* private"}, "http://example.org/", "", public, true},
		{"plain without a name", []string{"http://*/* private", "http://*/* private"}, "http://example.org/", "", public, false},
		{"plain where it is not granted", []string{"http://*/* private", "https://example.org/* private"}, "http://example.org/", "", public, false},
		{"a secret", []string{"https://*/* secret=a|b", "https://example.org/* secret=a"}, "https://example.org/", "a", public, true},
		{"another secret", []string{"https://*/* secret=a|b", "https://example.org/* secret=a"}, "https://example.org/", "b", public, false},
		{"a secret to another host", []string{"https://*/* secret=a", "https://example.org/* secret=a,https://*/*"}, "https://evil.example/", "a", public, false},
		{"a secret to no host by name", []string{"https://*/* secret=a"}, "https://evil.example/", "a", public, false},
		{"a secret to half a name", []string{"https://*.example.org/* secret=a"}, "https://evil.example.org/", "a", public, false},
		{"a secret to an operator's address", []string{"secret:api/* secret=a"}, "secret:api/x", "a", public, true},
		{"credentials of a cloud through a name", []string{"https://example.org/* private"}, "https://example.org/", "", cloud, false},
		{"credentials of a cloud", []string{"http://*:*/* private", "http://169.254.169.254/* private"}, "http://169.254.169.254/latest", "", cloud, true},
		{"credentials of a cloud that nobody named", []string{"http://*:*/* private", "http://*/* private"}, "http://169.254.169.254/latest", "", cloud, false},
		{"nowhere", []string{"https://example.org/* private"}, "https://example.org/", "", "0.0.0.0", false},
		{"IPv4 in IPv6", []string{"https://example.org/*"}, "https://example.org/", "", "::ffff:10.0.0.1", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var secrets []string
			if test.secret != "" {
				secrets = []string{test.secret}
			}
			f := mustRequest(t, "", test.url, secrets...)
			for _, parties := range [][]string{test.parties, slices.Concat(test.parties[1:], test.parties[:1])} {
				terms, ok := mustFetch(t, parties...).AllowsFetch(f)
				if ok {
					_, ok = terms.At(f.Host(), netip.MustParseAddr(test.address))
				}
				if ok != test.want {
					t.Errorf("%q: %v, want %v", parties, ok, test.want)
				}
			}
		})
	}
}

func TestWhatACertificateIsWorth(t *testing.T) {
	mine, other := [32]byte{1}, [32]byte{2}
	settings := map[string]string{"cert": "01" + strings.Repeat(":00", 31), "bad": "01"}
	pinned, foreign := "01"+strings.Repeat("00", 31), "02"+strings.Repeat("00", 31)
	for _, test := range []struct {
		name                string
		parties             []string
		forMine, forAnother Trust
	}{
		{"none is named", []string{"https://e.org/*", "https://e.org/*"}, TrustName, TrustName},
		{"the module alone names one", []string{"https://e.org/* pin=" + pinned, "https://e.org/*"}, TrustName, TrustNothing},
		{"the operator names one", []string{"https://*/*", "https://e.org/* pin=" + pinned}, TrustPin, TrustNothing},
		{"both name it", []string{"https://*/* pin=" + pinned, "https://e.org/* pin=" + pinned}, TrustPin, TrustNothing},
		{"they name two", []string{"https://*/* pin=" + foreign, "https://e.org/* pin=" + pinned}, TrustNothing, TrustNothing},
		{"nobody else is asked", []string{"https://e.org/* pin=" + pinned}, TrustPin, TrustNothing},
		{"the operator's setting", []string{"https://e.org/* pin=cert", "https://e.org/*"}, TrustPin, TrustNothing},
		{"a setting that is not there", []string{"https://e.org/* pin=no"}, TrustNothing, TrustNothing},
		{"a setting that is none", []string{"https://e.org/* pin=bad"}, TrustNothing, TrustNothing},
		{"one of two", []string{"https://e.org/* pin=" + foreign + "|cert"}, TrustPin, TrustPin},
		{"with or without", []string{"https://e.org/* pin=cert,https://e.org/a"}, TrustPin, TrustName},
	} {
		t.Run(test.name, func(t *testing.T) {
			terms, ok := mustFetch(t, test.parties...).AllowsFetch(mustRequest(t, "", "https://e.org/a"))
			if !ok {
				t.Fatal("not allowed")
			}
			setting := func(name string) (string, bool) { v, ok := settings[name]; return v, ok }
			if got := terms.Trusts(mine, setting); got != test.forMine {
				t.Errorf("the certificate: %v, want %v", got, test.forMine)
			}
			if got := terms.Trusts(other, setting); got != test.forAnother {
				t.Errorf("another one: %v, want %v", got, test.forAnother)
			}
		})
	}
}

// At a private address only the patterns count that permit one, with their pins.
func TestTermsOfAnAddress(t *testing.T) {
	terms, _ := mustFetch(t, "https://e.org/*,https://e.org/* private pin="+digest).AllowsFetch(mustRequest(t, "", "https://e.org/"))
	inside, ok := terms.At("e.org", netip.MustParseAddr("192.168.1.1"))
	if !ok || inside.Trusts([32]byte{9}, nil) != TrustNothing {
		t.Error("a private address without its pin")
	}
	outside, ok := terms.At("e.org", netip.MustParseAddr("8.8.8.8"))
	if !ok || outside.Trusts([32]byte{9}, nil) != TrustName {
		t.Error("a public address with the pin of a private one")
	}
}

func TestFetchPatterns(t *testing.T) {
	for _, test := range []struct {
		parties []string
		want    string
	}{
		{[]string{"GET|HEAD https://*:*/*", "GET https://example.org/health"}, "GET https://example.org/health!"},
		{[]string{"GET|HEAD https://*:*/*,http://*:*/* private", "https://example.org:8443/*,http://nas:81/x private"},
			"GET,HEAD https://example.org:8443/* GET,HEAD http://nas:81/x!"},
		{[]string{"https://example.org/*", "POST https://example.org/*"}, ""},
		{[]string{"https://example.org/*", "https://example.com/*"}, ""},
		{[]string{"https://*:*/*"}, "GET,HEAD https://*:*/*"},
		{[]string{"http://*:*/* private"}, ""},
		{[]string{"https://a.org/*,GET|POST https://b.org/x", "https://a.org/y,GET|POST https://*/*", "https://*/*"}, "GET https://a.org/* GET https://b.org/x! GET,HEAD https://a.org/y!"},
		{[]string{"secret:api/* private pin=cert"}, "GET,HEAD secret:api/*"},
		{[]string{"https://example.org/a", "https://example.org/a"}, "GET,HEAD https://example.org/a!"},
		{[]string{"https://[::1]:99/a private"}, "GET,HEAD https://[::1]:99/a!"},
	} {
		var got []string
		for _, p := range mustFetch(t, test.parties...).FetchPatterns() {
			mark := ""
			if p.Exact {
				mark = "!"
			}
			got = append(got, strings.Join(p.Methods, ",")+" "+p.URL+mark)
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%q:\ngot  %s\nwant %s", test.parties, text, test.want)
		}
	}
}

func TestFetchSetsAreSets(t *testing.T) {
	a, b := mustFetch(t, "https://a.org/*"), mustFetch(t, "https://b.org/* private")
	if a.Equal(b) || !a.Equal(mustFetch(t, "https://a.org/*")) {
		t.Error("Equal")
	}
	if got := a.Narrow(b).List(); len(got) != 1 || got[0] != "http.fetch{https://a.org/*} within {https://b.org/* private}" {
		t.Errorf("List: %q", got)
	}
	if got := b.String(); got != "http.fetch{https://b.org/* private}" {
		t.Errorf("String: %q", got)
	}
	if a.OnlyReads() {
		t.Error("who asks other servers leaves something behind")
	}
}

// TestCovers: the first pair of each row is in the other, or surely apart from it.
func TestCovers(t *testing.T) {
	for _, test := range []struct {
		outer, inner            string
		urls, all, disjointURLs bool
	}{
		{"https://*:*/*", "https://example.org/health", true, true, false},
		{"https://example.org/health", "https://*:*/*", false, false, false},
		{"https://*.org/*", "https://*.example.org/*", true, true, false},
		{"https://*.example.org/*", "https://*.org/*", false, false, false},
		{"https://*.example.org/*", "https://example.org/*", false, false, true},
		{"https://*.example.org/*", "https://*.example.com/*", false, false, true},
		{"https://a/x*z", "https://a/x*y*z", true, true, false},
		{"https://a/x*y*z", "https://a/x*z", false, false, false},
		{"https://a/x/*", "https://a/y/*", false, false, true},
		{"https://a/*/x", "https://a/*/y", false, false, true},
		{"https://a/x", "https://a/x", true, true, false},
		{"https://a/x", "https://a/y", false, false, true},
		{"https://a/x", "https://a/*", false, false, false},
		{"https://a:1/*", "https://a:2/*", false, false, true},
		{"https://a:*/*", "https://a:2/*", true, true, false},
		{"GET https://a/*", "GET|POST https://a/*", false, false, false},
		{"GET https://a/*", "POST https://a/*", false, false, true},
		{"https://a/*", "https://a/* private", true, false, false},
		{"https://a/* private", "https://a/*", true, true, false},
		{"https://a/*", "https://a/* secret=x", true, false, false},
		{"https://a/* secret=x|y", "https://a/* secret=x", true, true, false},
		{"https://a/*", "https://a/* pin=x", true, false, false},
		{"https://a/* pin=x", "https://a/*", true, false, false},
		{"https://a/* pin=x|y", "https://a/* pin=x", true, true, false},
		{"http://a/* private", "https://a/*", false, false, true},
		{"secret:a/*", "secret:a/b*", true, true, false},
		{"secret:a/*", "secret:b/*", false, false, true},
		{"https://*:*/*", "secret:b/*", false, false, true},
	} {
		outer, inner := mustPattern(t, test.outer), mustPattern(t, test.inner)
		if got := coversURL(outer, inner); got != test.urls {
			t.Errorf("%q covers the URLs of %q: %v", test.outer, test.inner, got)
		}
		if got := covers(outer, inner); got != test.all {
			t.Errorf("%q covers %q: %v", test.outer, test.inner, got)
		}
		if disjointURLs(outer, inner) != test.disjointURLs || disjointURLs(inner, outer) != test.disjointURLs {
			t.Errorf("%q and %q are apart: %v", test.outer, test.inner, !test.disjointURLs)
		}
	}
}

// Scopes are compared pattern by pattern.
func TestCompareURLScopes(t *testing.T) {
	scope := func(patterns ...string) Scope {
		s, err := ParseURLScope(patterns)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one, other, both := scope("https://a/*"), scope("https://b/*"), scope("https://a/x", "https://b/x")
	for _, test := range []struct {
		a, b          Scope
		covers, apart bool
	}{
		{one, one, true, false}, {one, both, false, false}, {scope("https://a/*", "https://b/*"), both, true, false}, {one, other, false, true},
		{scope("https://*/*"), both, true, false}, {both, one, false, false}, {Scope{}, one, false, false}, {one, Scope{}, false, false},
	} {
		if coversURLs(test.a, test.b) != test.covers {
			t.Errorf("%q covers %q: %v", test.a.source, test.b.source, !test.covers)
		}
		if apart(test.a, test.b) != test.apart || apart(test.b, test.a) != test.apart {
			t.Errorf("%q and %q are apart: %v", test.a.source, test.b.source, !test.apart)
		}
	}
}

func mustPattern(t testing.TB, text string) urlPattern {
	t.Helper()
	p, err := parseURLPattern(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCheckFetchGrant(t *testing.T) {
	for pattern, want := range map[string]bool{
		"https://*:*/*": true, "https://*.org/*": true, "https://*/* private": false, "https://*.org/* private": false, "http://*/* private": false,
		"https://*/* secret=a": false, "https://a.org/* private secret=a": true, "http://a.org:*/* private": true, "secret:api/* private secret=a": true, "nonsense": false,
	} {
		if err := CheckFetchGrant(pattern); (err == nil) != want {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

func TestZones(t *testing.T) {
	for address, want := range map[string]zone{
		"1.1.1.1": zonePublic, "2606:4700:4700::1111": zonePublic, "64:ff9b::808:808": zonePublic, "2002:808:808::1": zonePublic, "::ffff:8.8.8.8": zonePublic,
		"10.1.2.3": zonePrivate, "172.31.255.255": zonePrivate, "192.168.0.1": zonePrivate, "127.0.0.1": zonePrivate, "127.255.0.1": zonePrivate,
		"100.64.0.1": zonePrivate, "169.254.1.1": zonePrivate, "198.18.0.1": zonePrivate, "::1": zonePrivate, "fe80::1": zonePrivate, "fd12::1": zonePrivate, "fec0::1": zonePrivate,
		"::ffff:10.0.0.1": zonePrivate, "64:ff9b::a00:1": zonePrivate, "2002:7f00:1::": zonePrivate, "64:ff9b::7f00:1": zonePrivate, "fe80::1%eth0": zonePrivate,
		"169.254.169.254": zoneMetadata, "169.254.170.2": zoneMetadata, "100.100.100.200": zoneMetadata, "168.63.129.16": zoneMetadata, "192.0.0.192": zoneMetadata,
		"fd00:ec2::254": zoneMetadata, "::ffff:169.254.169.254": zoneMetadata, "64:ff9b::a9fe:a9fe": zoneMetadata, "2002:a9fe:a9fe::": zoneMetadata, "fe80::a9fe:a9fe": zoneMetadata,
		"0.0.0.0": zoneNowhere, "0.1.2.3": zoneNowhere, "::": zoneNowhere, "::127.0.0.1": zoneNowhere, "224.0.0.1": zoneNowhere, "255.255.255.255": zoneNowhere, "240.0.0.1": zoneNowhere,
		"192.0.2.1": zoneNowhere, "198.51.100.1": zoneNowhere, "203.0.113.1": zoneNowhere, "2001:db8::1": zoneNowhere, "ff02::1": zoneNowhere, "64:ff9b:1::1": zoneNowhere,
		"2001::1": zoneNowhere, "100::1": zoneNowhere, "::ffff:0:10.0.0.1": zoneNowhere, "5f00::1": zoneNowhere,
	} {
		if got := zoneOf(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
	if zoneOf(netip.Addr{}) != zoneNowhere {
		t.Error("no address lies somewhere")
	}
}

// FuzzURLPattern: what is taken as a pattern is read the same in its other
// spellings, covers itself, and no request lies in it that net/url would send
// elsewhere.
func FuzzURLPattern(f *testing.F) {
	for _, pattern := range []string{
		"https://*:*/*", "GET|POST https://a.example.org:8443/x*y?z=* pin=" + digest + " secret=a|b private", "http://nas/ private", "secret:api/*",
		"https://[::1]/", "https://*.example.org", "https://a@b/", "https://a\\@b/", "https://0x7f.1/", "https://a/%2e./", "https://a/..;/",
	} {
		f.Add(pattern)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseURLPattern(text)
		if err != nil {
			return
		}
		again, err := parseURLPattern(p.place.String() + strings.Join(p.tail, "*") + " private")
		if err != nil || again.place != p.place || !slices.Equal(again.tail, p.tail) {
			t.Errorf("%q became %v %q, and that %v %q (%v)", text, p.place, p.tail, again.place, again.tail, err)
		}
		if !covers(p, p) || disjointURLs(p, p) {
			t.Errorf("%q does not cover itself", text)
		}
	})
}

// FuzzFetch: whatever is allowed, what net/url makes of it has the host, the port
// and the scheme of a pattern of each party.
func FuzzFetch(f *testing.F) {
	for _, url := range []string{
		"https://example.org/a", "https://a.example.org:8443/", "https://example.org@evil.example/", "https://example.org\\@evil.example/", "https://evil.example#example.org/",
		"https://example.org%2eevil.example/", "https://example.org/..%2f", "secret:api/a", "http://nas:81/a?b", "https://EXAMPLE.ORG./", "https://[::1]/", "https://127.1/", "https://１.1.1.1/",
	} {
		f.Add("https://*:*/*", "https://example.org/*", url)
		f.Add("https://*.example.org:*/a*", url, url)
		f.Add("http://*:*/* private", "http://nas:81/* private", url)
	}
	f.Fuzz(func(t *testing.T, one, two, text string) {
		a, err := ParseURLScope([]string{one})
		if err != nil {
			return
		}
		b, err := ParseURLScope([]string{two})
		if err != nil {
			return
		}
		r, err := ParseFetch("", text, nil)
		if err != nil {
			return
		}
		set := Set{granted: map[Name][]Scope{HTTPFetch: {a, b}}}
		_, allowed := set.AllowsFetch(r)
		p, q := a.urls[0], b.urls[0]
		if coversURL(p, q) && q.matches(r) && !p.matches(r) {
			t.Errorf("%q covers %q, and not %q", one, two, text)
		}
		if disjointURLs(p, q) && p.matches(r) && q.matches(r) {
			t.Errorf("%q is in %q and in %q", text, one, two)
		}
		if !allowed || r.place.base != "" {
			return
		}
		u, err := url.Parse(r.URL())
		if err != nil {
			t.Fatalf("%q became %q, which is no URL: %v", text, r.URL(), err)
		}
		if u.RequestURI() != r.tail || u.User != nil || u.Fragment != "" || u.Opaque != "" {
			t.Errorf("%q became %q, of which %q is asked", text, r.URL(), u.RequestURI())
		}
		for _, pattern := range []urlPattern{p, q} {
			host, port := pattern.place.host, pattern.place.port
			dialled := u.Port()
			if dialled == "" {
				dialled = map[string]string{"https": "443", "http": "80"}[u.Scheme]
			}
			if u.Scheme != pattern.place.scheme || port != "*" && port != dialled ||
				!strings.HasPrefix(host, "*") && host != u.Hostname() || !strings.HasSuffix(u.Hostname(), strings.TrimPrefix(host, "*")) {
				t.Errorf("%q goes to %s, which is not in %q", text, u.Host, pattern.place)
			}
		}
		if r.place.scheme == "http" && !p.exact && !q.exact {
			t.Errorf("%q goes out in plain text, and nobody named the host", text)
		}
	})
}
