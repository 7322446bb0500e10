package webhook

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

// forwarded are X-Forwarded-For headers as a peer sends them, and whom they make
// the client of. The trusted proxies are 10.0.0.0/24 and fd00::/64.
var forwarded = []struct {
	name, peer string
	headers    []string
	client     string
	reason     Reason
}{
	{"no header", "149.154.160.1", nil, "149.154.160.1", ""},
	{"no header from a proxy", "10.0.0.2", nil, "10.0.0.2", ""},
	{"one address", "10.0.0.2", []string{"149.154.160.1"}, "149.154.160.1", ""},

	{"forged at the left", "10.0.0.2", []string{"149.154.160.1, 192.0.2.7"}, "192.0.2.7", ""},
	{"forged in a header of its own", "10.0.0.2", []string{"149.154.160.1", "192.0.2.7"}, "192.0.2.7", ""},
	{"a proxy forged at the left", "10.0.0.2", []string{"149.154.160.1, 10.0.0.3, 192.0.2.7"}, "192.0.2.7", ""},
	{"forged often", "10.0.0.2", []string{strings.Repeat("149.154.160.1,", 30), "149.154.160.1,192.0.2.7"}, "192.0.2.7", Chain},

	{"proxies in between", "10.0.0.2", []string{"192.0.2.7, 149.154.160.1, 10.0.0.9, 10.0.0.3"}, "149.154.160.1", ""},
	{"proxies in between, each with a header", "10.0.0.2", []string{"192.0.2.7", "149.154.160.1", "10.0.0.9", "10.0.0.3"}, "149.154.160.1", ""},
	{"a proxy of IPv6 in between", "10.0.0.2", []string{"192.0.2.7, 149.154.160.1, [fd00::9]:80"}, "149.154.160.1", ""},
	{"a mapped proxy in between", "10.0.0.2", []string{"192.0.2.7, 149.154.160.1, ::ffff:10.0.0.9"}, "149.154.160.1", ""},
	{"proxies only", "10.0.0.2", []string{"10.0.0.9, 10.0.0.3"}, "10.0.0.9", ""},
	{"proxies only, each with a header", "10.0.0.2", []string{"10.0.0.9", "10.0.0.3"}, "10.0.0.9", ""},

	{"blanks and tabs", "10.0.0.2", []string{" \t149.154.160.1\t "}, "149.154.160.1", ""},
	{"a port", "10.0.0.2", []string{"149.154.160.1:4711"}, "149.154.160.1", ""},
	{"IPv6", "10.0.0.2", []string{"2001:db8::1"}, "2001:db8::1", ""},
	{"IPv6 that ends like a port", "10.0.0.2", []string{"2001:db8::1:443"}, "2001:db8::1:443", ""},
	{"brackets", "10.0.0.2", []string{"[2001:db8::1]"}, "2001:db8::1", ""},
	{"brackets and a port", "10.0.0.2", []string{"[2001:db8::1]:443"}, "2001:db8::1", ""},
	{"mapped", "10.0.0.2", []string{"::ffff:149.154.160.1"}, "149.154.160.1", ""},
	{"mapped, in hexadecimal", "10.0.0.2", []string{"::ffff:959a:a001"}, "149.154.160.1", ""},
	{"mapped, as peer", "::ffff:10.0.0.2", []string{"149.154.160.1"}, "149.154.160.1", ""},
	{"mapped, in brackets, with a port", "10.0.0.2", []string{"[::ffff:149.154.160.1]:1"}, "149.154.160.1", ""},
	{"a peer of IPv6", "fd00::2", []string{"149.154.160.1"}, "149.154.160.1", ""},
	{"a peer of IPv6 with a zone", "fd00::2%eth0", []string{"149.154.160.1"}, "149.154.160.1", ""},

	{"not from a proxy", "192.0.2.7", []string{"149.154.160.1"}, "192.0.2.7", ""},
	{"not from a proxy, and a proxy's address", "192.0.2.7", []string{"10.0.0.2"}, "192.0.2.7", ""},
	{"not from a proxy, and nonsense", "192.0.2.7", []string{"unknown"}, "192.0.2.7", ""},
	{"not from a proxy, mapped", "::ffff:192.0.2.7", []string{"149.154.160.1"}, "192.0.2.7", ""},
	{"from beside the proxies", "10.0.1.0", []string{"149.154.160.1"}, "10.0.1.0", ""},

	{"512 characters", "10.0.0.2", []string{filled(512)}, "149.154.160.1", ""},
	{"513 characters", "10.0.0.2", []string{filled(513)}, "149.154.160.1", Chain},
	{"512 in two headers", "10.0.0.2", []string{"192.0.2.7", filled(502)}, "149.154.160.1", ""},
	{"513 in two headers", "10.0.0.2", []string{"192.0.2.7", filled(503)}, "149.154.160.1", Chain},
	{"513 of proxies only", "10.0.0.2", []string{strings.Repeat("10.0.0.3,", 56) + "10.0.0.3 "}, "10.0.0.3", Chain},
	{"600 empty headers", "10.0.0.2", make([]string, 600), "10.0.0.2", Chain},

	{"empty", "10.0.0.2", []string{""}, "10.0.0.2", Chain},
	{"blank", "10.0.0.2", []string{" \t "}, "10.0.0.2", Chain},
	{"commas only", "10.0.0.2", []string{",,,"}, "10.0.0.2", Chain},
	{"a comma at the end", "10.0.0.2", []string{"149.154.160.1,"}, "10.0.0.2", Chain},
	{"a comma at the start", "10.0.0.2", []string{",149.154.160.1"}, "149.154.160.1", Chain},
	{"an empty entry", "10.0.0.2", []string{"192.0.2.7, ,149.154.160.1"}, "149.154.160.1", Chain},
	{"an empty header at the end", "10.0.0.2", []string{"149.154.160.1", ""}, "10.0.0.2", Chain},
	{"an empty header at the start", "10.0.0.2", []string{"", "149.154.160.1"}, "149.154.160.1", Chain},
	{"a zone", "10.0.0.2", []string{"fe80::1%eth0"}, "10.0.0.2", Chain},
	{"a zone in brackets", "10.0.0.2", []string{"[fe80::1%eth0]"}, "10.0.0.2", Chain},
	{"a zone in brackets, and a port", "10.0.0.2", []string{"[fe80::1%eth0]:443"}, "10.0.0.2", Chain},
	{"a zone in a mapped one", "10.0.0.2", []string{"::ffff:149.154.160.1%x"}, "10.0.0.2", Chain},
	{"a word", "10.0.0.2", []string{"unknown"}, "10.0.0.2", Chain},
	{"a word at the left", "10.0.0.2", []string{"_hidden, 149.154.160.1"}, "149.154.160.1", Chain},
	{"a word left of a proxy", "10.0.0.2", []string{"unknown, 10.0.0.9"}, "10.0.0.9", Chain},
	{"IPv4 in brackets", "10.0.0.2", []string{"[149.154.160.1]"}, "10.0.0.2", Chain},
	{"IPv4 in brackets, and a port", "10.0.0.2", []string{"[149.154.160.1]:443"}, "10.0.0.2", Chain},
	{"brackets in brackets", "10.0.0.2", []string{"[[2001:db8::1]]"}, "10.0.0.2", Chain},
	{"half of the brackets", "10.0.0.2", []string{"[2001:db8::1"}, "10.0.0.2", Chain},
	{"nothing in brackets", "10.0.0.2", []string{"[]"}, "10.0.0.2", Chain},
	{"leading zeros", "10.0.0.2", []string{"149.154.160.001"}, "10.0.0.2", Chain},
	{"three numbers", "10.0.0.2", []string{"149.154.160"}, "10.0.0.2", Chain},
	{"one number", "10.0.0.2", []string{"2509938689"}, "10.0.0.2", Chain},
	{"a port that is none", "10.0.0.2", []string{"149.154.160.1:99999"}, "10.0.0.2", Chain},
	{"a port that is empty", "10.0.0.2", []string{"149.154.160.1:"}, "10.0.0.2", Chain},
	{"blanks inside", "10.0.0.2", []string{"149.154. 160.1"}, "10.0.0.2", Chain},
	{"a line inside", "10.0.0.2", []string{"149.154.160.1\n"}, "10.0.0.2", Chain},
	{"a blank of another kind", "10.0.0.2", []string{"\u00a0149.154.160.1"}, "10.0.0.2", Chain},
	{"another comma", "10.0.0.2", []string{"192.0.2.7;149.154.160.1"}, "10.0.0.2", Chain},
	{"quoted", "10.0.0.2", []string{`"149.154.160.1"`}, "10.0.0.2", Chain},
	{"as RFC 7239 has it", "10.0.0.2", []string{"for=149.154.160.1"}, "10.0.0.2", Chain},
}

// filled is a header of so many characters, the rightmost address is Telegram's.
func filled(length int) string {
	const last = "149.154.160.1"
	left := strings.Repeat("1.2.3.4,", (length-len(last))/8)
	return left + strings.Repeat(" ", length-len(last)-len(left)) + last
}

func TestTheClientIsReadFromTheRight(t *testing.T) {
	p := newPeers(Policy{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00::/64")}})
	for _, test := range forwarded {
		t.Run(test.name, func(t *testing.T) {
			client, reason := p.client(netip.MustParseAddr(test.peer), test.headers)
			if client != netip.MustParseAddr(test.client) || reason != test.reason {
				t.Errorf("%v %q, want %s %q", client, reason, test.client, test.reason)
			}
		})
	}
}

// TestWithoutProxiesNobodyIsForwarded: the header is refused, and the client is
// the peer, whatever the header says.
func TestWithoutProxiesNobodyIsForwarded(t *testing.T) {
	p := newPeers(Policy{})
	for _, test := range forwarded {
		peer, want := netip.MustParseAddr(test.peer), Unexpected
		if test.headers == nil {
			want = ""
		}
		if client, reason := p.client(peer, test.headers); client != plain(peer) || reason != want {
			t.Errorf("%s: %v %q, want %v %q", test.name, client, reason, plain(peer), want)
		}
	}
}

// TestNonsenseHidesNobody: a stranger behind a proxy writes what spoils the
// header, so as not to be seen behind the proxy, which is never banned.
func TestNonsenseHidesNobody(t *testing.T) {
	for name, left := range map[string]string{
		"nothing": "", "a word": "unknown, ", "an empty entry": ",", "too much": strings.Repeat("1.2.3.4,", 100), "the proxy": "10.0.0.2, ",
	} {
		g, pair := newGuard(t, policy)
		wrong := good(pair)
		wrong.Peer, wrong.Forwarded, wrong.Target = proxy, []string{left + stranger.String()}, "/"
		for i := range 6 {
			if v := g.Judge(wrong, start); v.Client != stranger || v.Reason != Path || v.Bans != (i == 5) {
				t.Errorf("%s, the %d. one: %+v", name, i+1, v)
			}
		}
		if v := g.Judge(wrong, start); v.Reason != Banned || v.Status != http.StatusForbidden {
			t.Errorf("%s, then: %+v", name, v)
		}
	}
}

func TestWithoutProxiesTheHeaderIsRefused(t *testing.T) {
	g, pair := newGuard(t, Policy{})
	r := good(pair)
	r.Forwarded = []string{"149.154.160.1"}
	for range 10 {
		if v := g.Judge(r, start); v.Status != 403 || v.Reason != Unexpected || v.Bans {
			t.Fatalf("%+v", v)
		}
	}
}

func TestWhatIsOneHost(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
		{"2001:db8::1", "2001:db8::ffff:1", true},
		{"2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"2001:db8:0:1::", "2001:db8::ffff:ffff:ffff:ffff", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
		{"::192.0.2.1", "192.0.2.1", false},
	} {
		a, b := host(netip.MustParseAddr(test.a)), host(netip.MustParseAddr(test.b))
		if (a == b) != test.same || !a.IsValid() || !b.IsValid() {
			t.Errorf("%s and %s are %v and %v", test.a, test.b, a, b)
		}
	}
	if got := host(netip.Addr{}); got != (netip.Prefix{}) {
		t.Errorf("nobody's host is %v", got)
	}
}

func TestWhoseAddressItIs(t *testing.T) {
	prefixes := func(texts ...string) (list []netip.Prefix) {
		for _, text := range texts {
			list = append(list, netip.MustParsePrefix(text))
		}
		return list
	}
	for _, test := range []struct {
		policy           Policy
		address          string
		telegram, exempt bool
	}{
		{Policy{}, "149.154.159.255", false, false},
		{Policy{}, "149.154.160.0", true, true},
		{Policy{}, "149.154.175.255", true, true},
		{Policy{}, "149.154.176.0", false, false},
		{Policy{}, "91.108.3.255", false, false},
		{Policy{}, "91.108.4.0", true, true},
		{Policy{}, "91.108.7.255", true, true},
		{Policy{}, "91.108.8.0", false, false},
		{Policy{}, "::ffff:149.154.160.1", true, true},
		{Policy{}, "::149.154.160.1", false, false},
		{Policy{}, "127.0.0.1", false, false},
		{Policy{}, "::1", false, false},
		{Policy{}, "0.0.0.0", false, false},
		{Policy{Additional: prefixes("2001:db8::/32")}, "2001:db8::1", true, true},
		{Policy{Additional: prefixes("198.51.100.0/24")}, "::ffff:198.51.100.1", true, true},
		{Policy{Additional: prefixes("::ffff:198.51.100.0/120")}, "198.51.100.1", true, true},
		{Policy{Additional: prefixes("::ffff:198.51.100.0/120")}, "198.51.101.1", false, false},
		{Policy{Additional: prefixes("::/0")}, "198.51.100.1", false, false},
		{Policy{Proxies: prefixes("10.0.0.0/24")}, "10.0.0.1", false, true},
		{Policy{Proxies: prefixes("::ffff:10.0.0.1/128")}, "10.0.0.1", false, true},
		{Policy{Proxies: prefixes("::ffff:10.0.0.1/128")}, "10.0.0.2", false, false},
		{Policy{Proxies: prefixes("fe80::/64")}, "fe80::1%eth0", false, true},
	} {
		p, a := newPeers(test.policy), plain(netip.MustParseAddr(test.address))
		if p.telegram(a) != test.telegram || p.exempt(a) != test.exempt {
			t.Errorf("%+v, %s: Telegram's %v, exempt %v", test.policy, test.address, p.telegram(a), p.exempt(a))
		}
	}
	if p := newPeers(Policy{Additional: prefixes("0.0.0.0/0", "::/0")}); p.telegram(netip.Addr{}) || p.exempt(netip.Addr{}) {
		t.Error("no address is in a range")
	}
}

// FuzzForwarded holds the reading of the header to what C2 rests on. left is what
// a client wrote, and seen whom the first trusted proxy saw; as many more proxies
// follow as hops says.
func FuzzForwarded(f *testing.F) {
	for _, test := range forwarded {
		f.Add(strings.Join(test.headers, ","), []byte{192, 0, 2, 7}, uint8(len(test.headers)))
	}
	f.Add("149.154.160.1", []byte("0123456789abcdef"), uint8(9))
	p := newPeers(policy)
	f.Fuzz(func(t *testing.T, left string, seen []byte, hops uint8) {
		client, reason := p.client(proxy, []string{left})
		if within(p.proxies, client) && reason == "" && !onlyProxies(left) {
			t.Errorf("%q: a proxy is the client", left)
		}
		if (reason == "") != readable(left) {
			t.Errorf("%q: %q", left, reason)
		}

		saw, ok := netip.AddrFromSlice(seen)
		if !ok || within(p.proxies, plain(saw)) {
			return
		}
		proxies := strings.Repeat(",10.0.0.9", int(hops%8))
		one := []string{left + "," + saw.String() + proxies}
		for _, headers := range [][]string{one, {left, saw.String() + proxies}, strings.Split(one[0], ",")} {
			client, reason := p.client(proxy, headers)
			if client != plain(saw) {
				t.Errorf("%q: %q makes %v of %v", headers, left, client, saw)
			}
			if (reason == "") != readable(one[0]) {
				t.Errorf("%q: %q", headers, reason)
			}
		}
	})
}

// onlyProxies reads a header as simply as it can be done.
func onlyProxies(header string) bool {
	for entry := range strings.SplitSeq(header, ",") {
		a, ok := parseEntry(strings.Trim(entry, " \t"))
		if !ok || !netip.MustParsePrefix("10.0.0.0/24").Contains(a) {
			return false
		}
	}
	return true
}

// readable reports whether a header is one that may be believed.
func readable(header string) bool {
	for entry := range strings.SplitSeq(header, ",") {
		if _, ok := parseEntry(strings.Trim(entry, " \t")); !ok {
			return false
		}
	}
	return len(header) <= 512
}

// FuzzEntry holds the reading of one entry against another reader: net splits
// host and port, and knows no netip.
func FuzzEntry(f *testing.F) {
	for _, test := range forwarded {
		for _, h := range test.headers {
			f.Add(h)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, ok := parseEntry(text)
		if ok && (!a.IsValid() || a.Zone() != "" || a.Is4In6()) {
			t.Fatalf("%q: %v", text, a)
		}
		ip := readEntry(text)
		if ok != (ip != nil) || ok && !ip.Equal(net.IP(a.AsSlice())) {
			t.Errorf("%q: %v %v, and another reads %v", text, a, ok, ip)
		}
	})
}

// readEntry returns nil for what is no entry.
func readEntry(text string) net.IP {
	inner, bracketed := text, false
	if name, port, err := net.SplitHostPort(text); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return nil
		}
		inner, bracketed = name, strings.HasPrefix(text, "[")
		if !bracketed && strings.Contains(inner, ":") {
			return nil
		}
	} else if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		inner, bracketed = text[1:len(text)-1], true
	}
	if bracketed && !strings.Contains(inner, ":") {
		return nil // brackets are for IPv6
	}
	return net.ParseIP(inner)
}
