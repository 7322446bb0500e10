package capability

import (
	"net/netip"
	"slices"
	"strings"
)

// zone is where an address lies. Nothing is ever sent to one in the zero zone.
type zone int

const (
	zoneNowhere  zone = iota // what is no host's, or stands for another in a way that cannot be read
	zoneMetadata             // where clouds hand out credentials to whoever asks
	zonePrivate              // this machine, its neighbours, and networks that are not routed
	zonePublic
)

// networks are the special ones, each before those that contain it; what is in none
// is public, of IPv6 only in 2000::/3. From the registries of special-purpose
// addresses at IANA, and from the clouds' manuals.
var networks = []struct {
	prefix netip.Prefix
	zone   zone
}{
	{netip.MustParsePrefix("169.254.169.0/24"), zoneMetadata},   // nearly all clouds
	{netip.MustParsePrefix("169.254.170.0/24"), zoneMetadata},   // credentials of containers at AWS
	{netip.MustParsePrefix("169.254.0.23/32"), zoneMetadata},    // Tencent
	{netip.MustParsePrefix("100.100.100.200/32"), zoneMetadata}, // Alibaba
	{netip.MustParsePrefix("192.0.0.192/32"), zoneMetadata},     // Oracle
	{netip.MustParsePrefix("168.63.129.16/32"), zoneMetadata},   // Azure
	{netip.MustParsePrefix("fd00:ec2::/32"), zoneMetadata},      // AWS
	{netip.MustParsePrefix("fd20:ce::/32"), zoneMetadata},       // Google
	{netip.MustParsePrefix("fe80::a9fe:a9fe/128"), zoneMetadata},

	{netip.MustParsePrefix("0.0.0.0/8"), zoneNowhere}, // 0.0.0.0 reaches this machine
	{netip.MustParsePrefix("10.0.0.0/8"), zonePrivate},
	{netip.MustParsePrefix("100.64.0.0/10"), zonePrivate}, // carrier-grade NAT, and networks that are built in it
	{netip.MustParsePrefix("127.0.0.0/8"), zonePrivate},
	{netip.MustParsePrefix("169.254.0.0/16"), zonePrivate},
	{netip.MustParsePrefix("172.16.0.0/12"), zonePrivate},
	{netip.MustParsePrefix("192.0.0.0/24"), zoneNowhere},
	{netip.MustParsePrefix("192.0.2.0/24"), zoneNowhere}, // documentation
	{netip.MustParsePrefix("192.31.196.0/24"), zoneNowhere},
	{netip.MustParsePrefix("192.52.193.0/24"), zoneNowhere},
	{netip.MustParsePrefix("192.88.99.0/24"), zoneNowhere},
	{netip.MustParsePrefix("192.168.0.0/16"), zonePrivate},
	{netip.MustParsePrefix("192.175.48.0/24"), zoneNowhere},
	{netip.MustParsePrefix("198.18.0.0/15"), zonePrivate},   // benchmarks, and proxies that make addresses up
	{netip.MustParsePrefix("198.51.100.0/24"), zoneNowhere}, // documentation
	{netip.MustParsePrefix("203.0.113.0/24"), zoneNowhere},  // documentation
	{netip.MustParsePrefix("224.0.0.0/4"), zoneNowhere},     // multicast
	{netip.MustParsePrefix("240.0.0.0/4"), zoneNowhere},     // reserved, and broadcast

	{netip.MustParsePrefix("::1/128"), zonePrivate},
	{netip.MustParsePrefix("2001::/23"), zoneNowhere}, // Teredo, benchmarks, ORCHID and other protocols
	{netip.MustParsePrefix("2001:db8::/32"), zoneNowhere},
	{netip.MustParsePrefix("3fff::/20"), zoneNowhere}, // documentation
	{netip.MustParsePrefix("2620:4f:8000::/48"), zoneNowhere},
	{netip.MustParsePrefix("2000::/3"), zonePublic},
	{netip.MustParsePrefix("fc00::/7"), zonePrivate},
	{netip.MustParsePrefix("fe80::/10"), zonePrivate},
	{netip.MustParsePrefix("fec0::/10"), zonePrivate},
}

// embedding are networks whose addresses stand for an IPv4 address, with the byte
// at which it begins.
var embedding = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12}, // NAT64
	{netip.MustParsePrefix("2002::/16"), 2},     // 6to4
}

// zoneOf says where an address lies. One that stands for another lies where that
// does.
func zoneOf(addr netip.Addr) zone {
	if !addr.IsValid() {
		return zoneNowhere
	}
	addr = addr.Unmap().WithZone("")
	for _, e := range embedding {
		if e.prefix.Contains(addr) {
			bytes := addr.As16()
			return zoneOf(netip.AddrFrom4([4]byte(bytes[e.at : e.at+4])))
		}
	}
	for _, n := range networks {
		if n.prefix.Contains(addr) {
			return n.zone
		}
	}
	if addr.Is4() {
		return zonePublic
	}
	return zoneNowhere
}

// metadataNames are the names by which metadata services are asked.
var metadataNames = []string{
	"metadata.google.internal", "metadata.goog", "instance-data.ec2.internal", "metadata.tencentyun.com", "metadata.platformequinix.com",
}

// meansMetadata reports whether whoever writes a host means a metadata service: any
// other name that leads there is an attack.
func meansMetadata(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && zoneOf(addr) == zoneMetadata || slices.Contains(metadataNames, strings.ToLower(host))
}
