package webhook

import (
	"iter"
	"net/netip"
	"slices"
	"strings"
)

// Published are the ranges from which Telegram delivers to webhooks:
// https://core.telegram.org/bots/webhooks#the-short-version. IPv4 only.
var Published = []netip.Prefix{
	netip.MustParsePrefix("149.154.160.0/20"),
	netip.MustParsePrefix("91.108.4.0/22"),
}

// Policy is what the operator decides.
type Policy struct {
	// Additional are ranges that count as Telegram's beside the published ones.
	Additional []netip.Prefix
	// Proxies are the peers whose X-Forwarded-For counts.
	Proxies []netip.Prefix
}

// maxForwarded is how long X-Forwarded-For may be, in bytes, all headers of that
// name together (C2).
const maxForwarded = 512

const (
	// hostBits are those of an IPv6 address that tell hosts apart.
	hostBits = 64
	// mappedBits is the length of ::ffff:0:0/96, in which IPv6 has IPv4.
	mappedBits = 96
)

// peers knows who is who.
type peers struct{ ours, proxies []netip.Prefix }

func newPeers(p Policy) peers {
	return peers{ours: plainRanges(Published, p.Additional), proxies: plainRanges(p.Proxies)}
}

// plainRanges are ranges of plain addresses: an operator may write the range of
// IPv4 as IPv6 maps it, and no plain address is in there.
func plainRanges(lists ...[]netip.Prefix) (ranges []netip.Prefix) {
	for _, r := range slices.Concat(lists...) {
		if a := r.Addr(); a.Is4In6() && r.Bits() >= mappedBits {
			r = netip.PrefixFrom(a.Unmap(), r.Bits()-mappedBits)
		}
		ranges = append(ranges, r)
	}
	return ranges
}

func (p peers) telegram(a netip.Addr) bool { return within(p.ours, a) }

// exempt reports whether an address is never banned.
func (p peers) exempt(a netip.Addr) bool { return within(p.ours, a) || within(p.proxies, a) }

func within(ranges []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(ranges, func(r netip.Prefix) bool { return r.Contains(a) })
}

// plain is an address without what makes the same one look different: an IPv4
// address inside of an IPv6 one, and a zone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// host is what counts as one host: an IPv4 address, and a /64 of IPv6, all of
// which one machine can have.
func host(a netip.Addr) netip.Prefix {
	a = plain(a) // all of IPv4 is in one /64, as IPv6 maps it
	bits := a.BitLen()
	if a.Is6() {
		bits = hostBits
	}
	prefix, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address: they all are one
	}
	return prefix
}

// client returns who sent a request (C2): the peer, or, if that is a trusted
// proxy, whom X-Forwarded-For names. Each proxy adds at the right end whom it
// saw, and what stands further left is what the client itself wrote: so the
// rightmost address that is no trusted proxy is the client.
//
// That is so of a header that is refused, too: else a client that writes
// nonsense would be the proxy, which is never banned.
func (p peers) client(peer netip.Addr, forwarded []string) (netip.Addr, Reason) {
	peer = plain(peer)
	switch {
	case len(forwarded) == 0:
		return peer, ""
	case len(p.proxies) == 0:
		return peer, Unexpected
	case !within(p.proxies, peer):
		return peer, "" // anybody can write a header
	}
	client, trusted, tooLong := peer, true, length(forwarded) > maxForwarded
	for entry := range fromTheRight(forwarded) {
		a, ok := parseEntry(strings.Trim(entry, " \t"))
		if !ok || tooLong && !trusted {
			return client, Chain
		}
		if trusted {
			client, trusted = a, within(p.proxies, a)
		}
	}
	if tooLong {
		return client, Chain
	}
	return client, ""
}

// length is that of headers as one, joined by commas.
func length(headers []string) int {
	n := len(headers) - 1
	for _, h := range headers {
		n += len(h)
	}
	return n
}

// fromTheRight are the entries of headers, the last of the last one first.
func fromTheRight(headers []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, rest := range slices.Backward(headers) {
			for more := true; more; {
				comma := strings.LastIndexByte(rest, ',')
				if !yield(rest[comma+1:]) {
					return
				}
				more, rest = comma >= 0, rest[:max(comma, 0)]
			}
		}
	}
}

// parseEntry reads an address, with or without a port: 192.0.2.1,
// 192.0.2.1:443, 2001:db8::1, [2001:db8::1] or [2001:db8::1]:443.
func parseEntry(text string) (netip.Addr, bool) {
	if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(inner, "]") {
		a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		return plain(a), err == nil && a.Is6() && a.Zone() == ""
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		var withPort netip.AddrPort
		withPort, err = netip.ParseAddrPort(text)
		a = withPort.Addr()
	}
	return plain(a), err == nil && a.Zone() == ""
}
