package scrub

import (
	"net/netip"
	"strings"
	"testing"
)

func TestAddresses(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"alone", "203.0.113.7", "203.0.*.*"},
		{"port", "dial tcp 203.0.113.7:443: refused", "dial tcp 203.0.*.*:443: refused"},
		{"range", "10.1.2.3-10.1.2.9", "10.1.*.*-10.1.*.*"},
		{"network", "10.20.0.0/16 and 2001:db8::/32", "10.20.*.*/16 and 2001:db8:*/32"},
		{"URL", "tcp://192.168.1.5:2375/x", "tcp://192.168.*.*:2375/x"},
		{"after a password", "redis://u:p@10.1.2.3/0", "redis://[hidden]@10.1.*.*/0"},
		{"end of a sentence", "from 203.0.113.7. Then", "from 203.0.*.*. Then"},
		{"escaped newline", `"x\n203.0.113.7\n2001:db8::1\n"`, `"x\n203.0.*.*\n2001:db8:*\n"`},
		{"percent-encoded", "a%20203.0.113.7%3A443&ip%3D203.0.113.7", "a%20203.0.*.*%3A443&ip%3D203.0.*.*"},
		{"a version of four parts is an address too", "libfoo-1.2.3.4", "libfoo-1.2.*.*"},
		{"IPv6", "peer 2001:db8:1:2:3:4:5:6 left", "peer 2001:db8:* left"},
		{"IPv6 in capitals", "2001:DB8::A", "2001:db8:*"},
		{"IPv6 with port", "[2001:db8::1]:443", "[2001:db8:*]:443"},
		{"IPv6 before a colon", "2001:db8::1: refused", "2001:db8:*: refused"},
		{"IPv6, eight groups and a port", "2001:db8:1:2:3:4:5:6:443", "2001:db8:*:443"},
		{"IPv6 after a key", "add:2001:db8::1", "add:2001:db8:*"},
		{"zone", "fe80::1%eth0", "fe80:0:*%eth0"},
		{"private", "fdab:cdef::1", "fdab:cdef:*"},
		{"mapped", "::ffff:203.0.113.7", "::ffff:203.0.*.*"},
		{"mapped in brackets", "[::ffff:203.0.113.7]:80", "[::ffff:203.0.*.*]:80"},
		{"mapped, in hexadecimal digits", "::ffff:cb00:7107", "::ffff:203.0.*.*"},
		{"translated", "64:ff9b::cb00:7107", "64:ff9b:*"},
	}
	var zero Scrubber
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := zero.String(tt.in)
			if got != tt.want {
				t.Errorf("String(%q)\n got %q\nwant %q", tt.in, got, tt.want)
			}
			if again := zero.String(got); again != got {
				t.Errorf("masked again: %q", again)
			}
		})
	}
}

func TestWhatIsNoAddressStays(t *testing.T) {
	var zero Scrubber
	for _, text := range []string{
		"127.0.0.1:8080", "[::1]:8080", "0.0.0.0:80", "[::]:80", "::ffff:127.0.0.1", "127.8.9.10",
		"v1.2.3", "1.27.4-alpine", "v1.2.3.4", "go1.26.8", "1.2.3.4.5", "256.1.1.1", "1.2.3.999", "192.168.001.001", "0.12 0.34 0.56",
		"12:34:56", "2026-11-25T22:34:56.123+01:00", "2026:12:34", "aa:bb:cc:dd:ee:ff", "00:11:22:33:44:55:66:77", "20:01:0d:b8:00:00:00:01",
		"sha256:2001" + strings.Repeat("ab", 30), "2001" + strings.Repeat("ab", 30) + ":latest", "ubuntu:2204", "registry:5000/x:3.1",
		"golang.org/x/net@v0.38.0", "gopkg.in/yaml.v3", "std::vector", "a::b", "ab::cd", "dead::beef", "fe::add", "::add", "feed:me",
		"map[a:2001:b]", "ffff:ffff", "line 2001:12", "2001::x", "3000:3000",
	} {
		if got := zero.String(text); got != text {
			t.Errorf("String(%q) = %q", text, got)
		}
	}
}

func TestTheOperatorsOwnTerminalShowsAddresses(t *testing.T) {
	s := New([]string{"hunter22"})
	if got := s.Secrets("tcp://10.1.2.3:2375 hunter22"); got != "tcp://10.1.2.3:2375 [hidden]" {
		t.Errorf("got %q", got)
	}
	if got := s.Secrets("tcp://10.1.2.3:2375"); got != "tcp://10.1.2.3:2375" {
		t.Errorf("got %q", got)
	}
}

// FuzzAddressNeverSurvives makes addresses out of bytes and looks for them.
func FuzzAddressNeverSurvives(f *testing.F) {
	f.Add([]byte{203, 0, 113, 7}, "from ", ":443")
	f.Add([]byte("\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"), "[", "]:443")
	f.Add([]byte("\x20\x01\x0d\xb8abcdefghijkl"), "x=", ": refused")
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xcb\x00\x71\x07"), "\\n", ".")
	f.Fuzz(func(t *testing.T, raw []byte, before, after string) {
		addr, ok := netip.AddrFromSlice(raw)
		if !ok || addr.Unmap().IsLoopback() || addr.Unmap().IsUnspecified() || addr.Is6() && !inUse(addr) {
			t.Skip("no address, or one that stays")
		}
		// What touches it may make something else of it.
		if before != "" && strings.ContainsAny(before[len(before)-1:], "0123456789abcdefABCDEF:.%") || joinsLetter(before+"1", len(before)) ||
			after != "" && strings.ContainsAny(after[:1], "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:.") {
			t.Skip("not standing alone")
		}
		if strings.Contains(before+" "+after, addr.String()) {
			t.Skip("there already")
		}
		var zero Scrubber
		if out := zero.String(before + addr.String() + after); strings.Contains(out, addr.String()) {
			t.Errorf("%s survives in %q", addr, out)
		}
	})
}
