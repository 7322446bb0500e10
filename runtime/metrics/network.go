package metrics

import (
	"cmp"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// maxInterfaces bounds how many interfaces are listed: a machine has one for
// each container. Those with hardware come first, then those with most traffic.
const maxInterfaces = 1000

// Network returns the interfaces, with rates over the same kind of window as
// [Reader.CPU], and counts the connections by state at this moment.
func (r *Reader) Network(ctx context.Context) (abi.NetworkInfo, error) {
	out, err := r.Traffic(ctx)
	if err != nil {
		return abi.NetworkInfo{}, err
	}
	addresses := r.addresses()
	for i := range out.Interfaces {
		r.link(&out.Interfaces[i])
		out.Interfaces[i].Addresses = addresses[out.Interfaces[i].Name]
		out.Interfaces[i].Name = foreign.Line(out.Interfaces[i].Name, maxInterfaceName)
	}
	out.Connections, out.Uncounted, err = connections(ctx, r.now, r.netFolder())
	if err != nil {
		return abi.NetworkInfo{}, fail("its network", err)
	}
	return out, nil
}

// Traffic is the part of [Reader.Network] that is cheap however many
// connections there are: counters and rates, without addresses and connections.
func (r *Reader) Traffic(ctx context.Context) (abi.NetworkInfo, error) {
	s, err := r.net.measure(ctx)
	if err != nil {
		return abi.NetworkInfo{}, fail("its network", err)
	}
	before := make(map[string]abi.Interface, len(s.from))
	for _, i := range s.from {
		before[i.Name] = i
	}
	seconds := s.length.Seconds()
	all := slices.Clone(s.to) // others share the sample
	for n := range all {
		i := &all[n]
		if old, ok := before[i.Name]; ok {
			i.RateIn, i.RateOut = rate(i.BytesIn, old.BytesIn, seconds), rate(i.BytesOut, old.BytesOut, seconds)
		}
		i.Loopback = i.Name == "lo"
		_, err := os.Lstat(r.linkFile(i.Name, "device"))
		i.Virtual = err != nil
	}
	slices.SortFunc(all, func(a, b abi.Interface) int {
		return cmp.Or(first(!a.Loopback, !b.Loopback), first(!a.Virtual, !b.Virtual),
			cmp.Compare(plus(b.BytesIn, b.BytesOut), plus(a.BytesIn, a.BytesOut)), cmp.Compare(a.Name, b.Name))
	})
	return abi.NetworkInfo{Interfaces: all[:min(len(all), maxInterfaces)], WindowMS: s.length.Milliseconds()}, nil
}

// plus adds without wrapping.
func plus(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

// netFolder is where the machine's network is. /proc/net is that of whoever
// reads; process 1 is in the machine's, or in the container's own.
func (r *Reader) netFolder() string {
	first := filepath.Join(r.cfg.Proc, "1", "net")
	if _, err := os.Stat(filepath.Join(first, "dev")); err == nil {
		return first
	}
	return filepath.Join(r.cfg.Proc, "self", "net")
}

var errNoNetDev = errors.New("no interface in /proc/net/dev")

func (r *Reader) sampleNetwork() ([]abi.Interface, error) {
	text, err := readFile(filepath.Join(r.netFolder(), "dev"))
	if err != nil {
		return nil, err
	}
	all := parseNetDev(text)
	if len(all) == 0 && strings.Count(text, "\n") != 2 { // the two are its head
		return nil, errNoNetDev
	}
	return all, nil
}

// maxInterfaceName is the kernel's IFNAMSIZ without its final zero.
const maxInterfaceName = 15

// parseNetDev reads proc_net_dev(5). A name may hold anything but white space, a
// slash and, on newer kernels, a colon.
//
//	eth0: 1011825824 85259 0 0 0 0 0 0 7556977 71468 0 0 0 0 0 0
func parseNetDev(text string) []abi.Interface {
	all := []abi.Interface{}
	for line := range strings.Lines(text) {
		colon := strings.LastIndexByte(line, ':')
		if colon < 0 {
			continue
		}
		name := strings.TrimSpace(line[:colon])
		n, ok := parseCounters(line[colon+1:])
		if !ok || !isInterfaceName(name) {
			continue
		}
		all = append(all, abi.Interface{
			Name:    name,
			BytesIn: n[0], PacketsIn: n[1], ErrorsIn: n[2], DropsIn: n[3],
			BytesOut: n[8], PacketsOut: n[9], ErrorsOut: n[10], DropsOut: n[11],
		})
	}
	return all
}

// isInterfaceName is the kernel's dev_valid_name: the name becomes a part of a
// path.
func isInterfaceName(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= maxInterfaceName && !strings.ContainsAny(name, "/ \t\v\f\r\n\x00")
}

func parseCounters(columns string) (n [16]uint64, ok bool) {
	f := strings.Fields(columns)
	if len(f) < len(n) {
		return n, false
	}
	for i := range n {
		var err error
		if n[i], err = strconv.ParseUint(f[i], 10, 64); err != nil {
			return n, false
		}
	}
	return n, true
}

func (r *Reader) linkFile(name, attribute string) string {
	return filepath.Join(r.cfg.Sys, "class", "net", name, attribute)
}

// link adds what sysfs tells of an interface. Without it, one that something
// went through counts as up.
func (r *Reader) link(i *abi.Interface) {
	attribute := func(name string) string { return readLine(r.linkFile(i.Name, name)) }
	if mac := attribute("address"); mac != "" && strings.Trim(mac, "0:") != "" {
		i.MAC = foreign.Line(mac, 64)
	}
	if mtu, err := strconv.ParseUint(attribute("mtu"), 10, 31); err == nil {
		i.MTU = int(mtu)
	}
	flags, err := strconv.ParseUint(strings.TrimPrefix(attribute("flags"), "0x"), 16, 32)
	if err != nil {
		i.Up = i.BytesIn > 0 || i.BytesOut > 0
		return
	}
	const ifUp = 1
	i.Up = flags&ifUp != 0 && isUp(attribute("operstate"))
}

// isUp takes a state of RFC 2863: drivers that cannot tell say "unknown".
func isUp(operstate string) bool {
	switch operstate {
	case "down", "lowerlayerdown", "notpresent", "dormant", "testing":
		return false
	}
	return true
}
