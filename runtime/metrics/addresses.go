package metrics

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxAddresses bounds how many addresses of one interface are listed.
const maxAddresses = 8

// addresses returns the interfaces' addresses with their prefixes, by name. In
// the bot's own network namespace the kernel tells them (rtnetlink(7)); of
// another one there are files only.
func (r *Reader) addresses() map[string][]string {
	dir := r.netFolder()
	var found map[string][]netip.Prefix
	if sameFile(filepath.Join(dir, "dev"), "/proc/self/net/dev") {
		found = ownAddresses()
	} else {
		found = foreignAddresses(dir)
	}
	out := make(map[string][]string, len(found))
	for name, all := range found {
		slices.SortFunc(all, netip.Prefix.Compare)
		for _, p := range all[:min(len(all), maxAddresses)] {
			out[name] = append(out[name], p.String())
		}
	}
	return out
}

// sameFile tells whether two files of procfs belong to one network namespace:
// each has its own, with a number of their own, wherever it is mounted.
func sameFile(a, b string) bool {
	var fs unix.Statfs_t
	if err := unix.Statfs(a, &fs); err != nil || fs.Type != unix.PROC_SUPER_MAGIC {
		return false
	}
	var sa, sb unix.Stat_t
	return unix.Stat(a, &sa) == nil && unix.Stat(b, &sb) == nil && sa.Ino == sb.Ino
}

// ownAddresses asks once for all: [net.Interface.Addrs] asks for all of them
// for each interface.
func ownAddresses() map[string][]netip.Prefix {
	links, err := net.Interfaces()
	if err != nil {
		return nil
	}
	names := make(map[uint32]string, len(links))
	for _, l := range links {
		names[uint32(l.Index)] = l.Name
	}
	answer, err := syscall.NetlinkRIB(syscall.RTM_GETADDR, syscall.AF_UNSPEC)
	if err != nil {
		return nil
	}
	messages, err := syscall.ParseNetlinkMessage(answer)
	if err != nil {
		return nil
	}
	found := make(map[string][]netip.Prefix)
	for i := range messages {
		if index, p, ok := addressOf(&messages[i]); ok && names[index] != "" {
			found[names[index]] = append(found[names[index]], p)
		}
	}
	return found
}

// addressOf reads a message with a struct ifaddrmsg and its attributes. Between
// two points, IFA_LOCAL is this end's.
func addressOf(m *syscall.NetlinkMessage) (index uint32, p netip.Prefix, ok bool) {
	if m.Header.Type != syscall.RTM_NEWADDR || len(m.Data) < syscall.SizeofIfAddrmsg {
		return 0, p, false
	}
	attributes, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return 0, p, false
	}
	var address netip.Addr
	for _, a := range attributes {
		if a.Attr.Type == syscall.IFA_LOCAL || a.Attr.Type == syscall.IFA_ADDRESS && !address.IsValid() {
			address, _ = netip.AddrFromSlice(a.Value)
		}
	}
	p = netip.PrefixFrom(address, int(m.Data[1]))
	return binary.NativeEndian.Uint32(m.Data[4:]), p, p.IsValid()
}

// foreignAddresses reads the files of another network namespace. IPv4 has no
// list of addresses with their interfaces: the local addresses are put to the
// networks that interfaces have a route to. What fits two is left out.
func foreignAddresses(dir string) map[string][]netip.Prefix {
	found := make(map[string][]netip.Prefix)
	if text, err := readFile(filepath.Join(dir, "if_inet6")); err == nil {
		parseInet6(text, found)
	}
	trie, err := readFile(filepath.Join(dir, "fib_trie"))
	if err != nil {
		return found
	}
	table, err := readFile(filepath.Join(dir, "route"))
	if err != nil && !os.IsNotExist(err) {
		return found
	}
	routes := parseRoutes(table)
	for _, a := range parseLocal(trie) {
		if a.IsLoopback() {
			found["lo"] = append(found["lo"], netip.PrefixFrom(a, 8))
		} else if name, length := routes.to(a); name != "" {
			found[name] = append(found[name], netip.PrefixFrom(a, length))
		}
	}
	return found
}

// parseInet6 reads /proc/net/if_inet6: address, index, length of the prefix,
// scope, flags, name.
func parseInet6(text string, into map[string][]netip.Prefix) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 6 || !isInterfaceName(f[5]) {
			continue
		}
		raw, err := hex.DecodeString(f[0])
		length, err2 := strconv.ParseUint(f[2], 16, 8)
		address, ok := netip.AddrFromSlice(raw)
		if p := netip.PrefixFrom(address, int(length)); err == nil && err2 == nil && ok && address.Is6() && p.IsValid() {
			into[f[5]] = append(into[f[5]], p)
		}
	}
}

// parseLocal returns the addresses of /proc/net/fib_trie that are this side's:
//
//	|-- 172.17.0.1
//	   /32 host LOCAL
func parseLocal(text string) (out []netip.Addr) {
	var last netip.Addr
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if a, ok := strings.CutPrefix(line, "|-- "); ok {
			last, _ = netip.ParseAddr(a)
		} else if line == "/32 host LOCAL" && last.Is4() {
			out = append(out, last)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out) // the tables may be merged, and are shown twice
}

// routes are networks that an interface reaches without a gateway.
type routes []struct {
	network netip.Prefix
	name    string
}

// parseRoutes reads /proc/net/route, whose addresses are numbers of the
// machine's own byte order.
func parseRoutes(text string) (out routes) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		const name, destination, gateway, mask = 0, 1, 2, 7
		if len(f) <= mask || !isInterfaceName(f[name]) || strings.Trim(f[gateway], "0") != "" {
			continue
		}
		to, err := strconv.ParseUint(f[destination], 16, 32)
		m, err2 := strconv.ParseUint(f[mask], 16, 32)
		if err != nil || err2 != nil || m == 0 {
			continue
		}
		var address [4]byte
		binary.NativeEndian.PutUint32(address[:], uint32(to))
		p := netip.PrefixFrom(netip.AddrFrom4(address), bits.OnesCount32(uint32(m)))
		out = append(out, struct {
			network netip.Prefix
			name    string
		}{p.Masked(), f[name]})
	}
	return out
}

// to returns the interface with the narrowest network around an address; "" for
// none, or for more than one.
func (all routes) to(a netip.Addr) (name string, length int) {
	for _, r := range all {
		switch n := r.network.Bits(); {
		case !r.network.Contains(a) || n < length:
		case n > length:
			name, length = r.name, n
		case r.name != name:
			name = ""
		}
	}
	return name, length
}
