package webhook

import (
	"net/netip"
	"strings"
	"testing"
)

func TestTheClientIsReadFromTheRight(t *testing.T) {
	long := strings.Repeat("1.2.3.4,", 62) + "149.154.160.1   " // 512
	for _, test := range []struct {
		name, peer string
		forwarded  []string
		client     string
		reason     Reason
	}{
		{"no header", "149.154.160.1", nil, "149.154.160.1", ""},
		{"no header from a proxy", "10.0.0.2", nil, "10.0.0.2", ""},
		{"one", "10.0.0.2", []string{"149.154.160.1"}, "149.154.160.1", ""},
		{"forged at the left", "10.0.0.2", []string{"149.154.160.1, 192.0.2.7"}, "192.0.2.7", ""},
		{"two headers", "10.0.0.2", []string{"149.154.160.1", "192.0.2.7"}, "192.0.2.7", ""},
		{"proxies in between", "10.0.0.2", []string{"192.0.2.7, 149.154.160.1, 10.0.0.9, 10.0.0.3"}, "149.154.160.1", ""},
		{"proxies only", "10.0.0.2", []string{"10.0.0.9, 10.0.0.3"}, "10.0.0.9", ""},
		{"blanks and tabs", "10.0.0.2", []string{" \t149.154.160.1\t "}, "149.154.160.1", ""},
		{"a port", "10.0.0.2", []string{"149.154.160.1:4711"}, "149.154.160.1", ""},
		{"IPv6", "10.0.0.2", []string{"2001:db8::1"}, "2001:db8::1", ""},
		{"brackets", "10.0.0.2", []string{"[2001:db8::1]"}, "2001:db8::1", ""},
		{"brackets and a port", "10.0.0.2", []string{"[2001:db8::1]:443"}, "2001:db8::1", ""},
		{"mapped", "10.0.0.2", []string{"::ffff:149.154.160.1"}, "149.154.160.1", ""},
		{"mapped, as peer", "::ffff:10.0.0.2", []string{"149.154.160.1"}, "149.154.160.1", ""},
		{"mapped, in brackets, with a port", "10.0.0.2", []string{"[::ffff:149.154.160.1]:1"}, "149.154.160.1", ""},
		{"not from a proxy", "192.0.2.7", []string{"149.154.160.1"}, "192.0.2.7", ""},
		{"512 characters", "10.0.0.2", []string{long}, "149.154.160.1", ""},
		{"513 characters", "10.0.0.2", []string{long + " "}, "10.0.0.2", Chain},
		{"513 in two headers", "10.0.0.2", []string{long[:256], long[256:] + "1"}, "10.0.0.2", Chain},
		{"empty", "10.0.0.2", []string{""}, "10.0.0.2", Chain},
		{"commas", "10.0.0.2", []string{",,,"}, "10.0.0.2", Chain},
		{"a comma at the end", "10.0.0.2", []string{"149.154.160.1,"}, "10.0.0.2", Chain},
		{"an empty second header", "10.0.0.2", []string{"149.154.160.1", ""}, "10.0.0.2", Chain},
		{"a zone", "10.0.0.2", []string{"fe80::1%eth0"}, "10.0.0.2", Chain},
		{"a zone in brackets", "10.0.0.2", []string{"[fe80::1%eth0]"}, "10.0.0.2", Chain},
		{"a zone in a mapped one", "10.0.0.2", []string{"::ffff:149.154.160.1%x"}, "10.0.0.2", Chain},
		{"a word", "10.0.0.2", []string{"unknown"}, "10.0.0.2", Chain},
		{"a word at the left", "10.0.0.2", []string{"_hidden, 149.154.160.1"}, "10.0.0.2", Chain},
		{"IPv4 in brackets", "10.0.0.2", []string{"[149.154.160.1]"}, "10.0.0.2", Chain},
		{"leading zeros", "10.0.0.2", []string{"149.154.160.001"}, "10.0.0.2", Chain},
		{"a port that is none", "10.0.0.2", []string{"149.154.160.1:99999"}, "10.0.0.2", Chain},
		{"blanks inside", "10.0.0.2", []string{"149.154. 160.1"}, "10.0.0.2", Chain},
		{"quoted", "10.0.0.2", []string{`"149.154.160.1"`}, "10.0.0.2", Chain},
	} {
		p := newPeers(policy)
		client, reason := p.client(netip.MustParseAddr(test.peer), test.forwarded)
		if client != netip.MustParseAddr(test.client) || reason != test.reason {
			t.Errorf("%s: %v %q, want %s %q", test.name, client, reason, test.client, test.reason)
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
	for a, b := range map[string]string{"2001:db8::1": "2001:db8::ffff:1", "192.0.2.1": "192.0.2.1"} {
		if host(netip.MustParseAddr(a)) != host(netip.MustParseAddr(b)) {
			t.Errorf("%s and %s are not one", a, b)
		}
	}
	for a, b := range map[string]string{"2001:db8::1": "2001:db8:0:1::1", "192.0.2.1": "192.0.2.2"} {
		if host(netip.MustParseAddr(a)) == host(netip.MustParseAddr(b)) {
			t.Errorf("%s and %s are one", a, b)
		}
	}
}

func FuzzForwarded(f *testing.F) {
	f.Add("149.154.160.1", "192.0.2.7")
	f.Add("[::1]:5, unknown", "2001:db8::1")
	f.Fuzz(func(t *testing.T, left, seen string) {
		p := newPeers(policy)
		real, err := netip.ParseAddr(seen)
		if err != nil || real.Zone() != "" {
			return
		}
		// What the last proxy wrote decides, whatever the client wrote before it.
		client, reason := p.client(proxy, []string{left + "," + real.String()})
		if real = plain(real); within(p.proxies, real) {
			return
		}
		if reason == "" && client != real {
			t.Errorf("%q made %v of %v", left, client, real)
		}
		if reason != "" && client != proxy {
			t.Errorf("%q: %v with %q", left, client, reason)
		}
	})
}
