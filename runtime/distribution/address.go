package distribution

import (
	"net"
	"net/netip"
	"strings"
)

// zone is where an address lies. The zero value is never connected to.
type zone int

const (
	forbidden zone = iota // link-local, metadata services, and what is no host
	public
	private
	loopback
)

// neverAsked are networks besides link-local ones in which no registry is, but
// services that must not be asked: clouds keep credentials there.
var neverAsked = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.100.100.200/32"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("fd00:ec2::/32"),
}

// carrierGrade is shared address space, in which private networks are built.
var carrierGrade = netip.MustParsePrefix("100.64.0.0/10")

// embeds are prefixes whose addresses stand for an IPv4 address: with the byte
// at which it begins.
var embeds = map[netip.Prefix]int{
	netip.MustParsePrefix("64:ff9b::/96"): 12, // NAT64
	netip.MustParsePrefix("2002::/16"):    2,  // 6to4
}

func zoneOf(addr netip.Addr) zone {
	addr = addr.Unmap().WithZone("")
	for prefix, at := range embeds {
		if prefix.Contains(addr) {
			bytes := addr.As16()
			return zoneOf(netip.AddrFrom4([4]byte(bytes[at : at+4])))
		}
	}
	for _, prefix := range neverAsked {
		if prefix.Contains(addr) {
			return forbidden
		}
	}
	switch {
	case !addr.IsValid(), addr.IsUnspecified(), addr.IsMulticast(), addr.IsLinkLocalUnicast():
		return forbidden
	case addr.IsLoopback():
		return loopback
	case addr.IsPrivate(), carrierGrade.Contains(addr):
		return private
	}
	return public
}

// mayLead reports whether a registry at an address of one zone may send us to an
// address of another: to the public network, or to its own neighbours. So a
// public registry reaches nothing inside.
func mayLead(from, to zone) bool {
	return to == public || to != forbidden && to == from
}

// isLoopbackName reports whether a host is this machine by its name alone.
func isLoopbackName(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && zoneOf(addr) == loopback
}

// hostname is a host without its port, in lower case.
func hostname(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		hostport = host
	}
	return strings.ToLower(strings.Trim(hostport, "[]"))
}
