package config

import (
	"fmt"
	"net/netip"
	"slices"
)

// width is the length of a prefix, in bits, for each family. Fewer bits are a wider range.
type width struct{ ip4, ip6 int }

var (
	// widest is what is taken: 10.0.0.0/8 is the widest private range.
	widest = width{8, 16}
	// widestPublic is what one operator has. Wider ones are a provider's, with other customers in them.
	widestPublic = width{16, 32}
)

func (w width) of(p netip.Prefix) int {
	if p.Addr().Is4() {
		return w.ip4
	}
	return w.ip6
}

// checkPeers refuses ranges in which strangers are: each of them could say who he is.
func checkPeers(r *report, key string, ranges []netip.Prefix) {
	for i, p := range ranges {
		at := fmt.Sprintf("%s[%d]", key, i)
		switch least := widest.of(p); {
		case p.Addr().Is4In6(): // addresses are compared as IPv4, so that it would never fit
			r.bad(at, "an IPv4 address inside of an IPv6 one", "write it like 192.0.2.1, which is the same")
		case p.Bits() < least:
			r.bad(at, fmt.Sprintf("a range wider than /%d: anybody could say who he is", least),
				"write the addresses of your own proxies, or of Telegram, only")
		}
	}
}

// warnOfProxies points out ranges that hold more than the operator's own proxies.
func warnOfProxies(r *report, key string, ranges []netip.Prefix) {
	for i, p := range ranges {
		if p.Bits() >= widest.of(p) && p.Bits() < widestPublic.of(p) && isPublic(p) {
			r.insecure(fmt.Sprintf("%s[%d]", key, i), fmt.Sprintf("a public range wider than /%d: whoever has an address in it can say that he is Telegram", widestPublic.of(p)),
				"write the addresses of your own proxies only")
		}
	}
}

// private are the ranges that nobody reaches from another network: RFC 1918, 1122, 3927 and 6598; for IPv6 4193 and 4291.
var private = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"),
}

// isPublic reports whether a range has public addresses in it.
func isPublic(p netip.Prefix) bool {
	return !slices.ContainsFunc(private, func(in netip.Prefix) bool { return in.Bits() <= p.Bits() && in.Overlaps(p) })
}
