package devices

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/golden"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

const noon = 1_767_268_800_000

// machine is what a test's host answers; a test spoils what it is about.
type machine struct {
	host    abi.HostInfo
	disk    abi.DiskInfo
	io      abi.DiskIOInfo
	network abi.NetworkInfo
}

func healthy() *machine {
	return &machine{
		disk: abi.DiskInfo{Mounts: []abi.Mount{
			{Path: "/", Device: "/dev/sda1", Type: "ext4", Total: 40 << 30, Used: 12 << 30, Free: 28 << 30, Percent: 30},
			{Path: "/var/lib/docker", Device: "/dev/sdb1", Type: "xfs", Total: 100 << 30, Used: 99 << 30, Free: 1 << 30, Percent: 99}}},
		io: abi.DiskIOInfo{WindowMS: 1200, Devices: []abi.DiskIO{
			{Name: "sda", Reads: 1_234_567, Writes: 1, ReadBytes: 5 << 30, WriteBytes: 4096, ReadRate: 1 << 20, WriteRate: 0.4, Busy: 12.5},
			{Name: "dm-0", Reads: 10, Writes: 20, ReadBytes: 40960, WriteBytes: 81920, Virtual: true}}},
		network: abi.NetworkInfo{WindowMS: 250, Interfaces: []abi.Interface{
			{Name: "eth0", Up: true, Addresses: []string{"192.0.2.10/24", "2001:db8::10/64"}, MAC: "02:42:ac:11:00:02", MTU: 1500,
				BytesIn: 15 << 30, BytesOut: 1 << 20, PacketsIn: 41_098_532, PacketsOut: 1, ErrorsIn: 3, DropsOut: 1200, RateIn: 2048, RateOut: 100},
			{Name: "docker0", Virtual: true, Addresses: []string{"172.17.0.1/16"}, BytesIn: 444, BytesOut: 9773, PacketsIn: 7, PacketsOut: 90},
			{Name: "lo", Up: true, Loopback: true, Virtual: true, Addresses: []string{"127.0.0.1/8", "::1/128"}, BytesIn: 99 << 30, BytesOut: 99 << 30}},
			Connections: []abi.ConnectionCount{{Protocol: "tcp", State: "ESTABLISHED", Count: 1234}, {Protocol: "tcp", State: "LISTEN", Count: 12}, {Protocol: "udp", Count: 7}}},
	}
}

// many has as much of everything as a host can answer, with the longest names
// and the largest numbers.
func many() *machine {
	m := &machine{}
	long := strings.Repeat("ö", 256)
	for range 256 {
		m.disk.Mounts = append(m.disk.Mounts, abi.Mount{Path: long, Device: long, Type: long[:64], Total: math.MaxUint64, Used: math.MaxUint64, Free: math.MaxUint64, Percent: 100})
		m.disk.Hanging = append(m.disk.Hanging, long)
		m.io.Devices = append(m.io.Devices, abi.DiskIO{Name: long[:64], Reads: math.MaxUint64, Writes: math.MaxUint64, ReadBytes: math.MaxUint64,
			WriteBytes: math.MaxUint64, ReadRate: math.MaxFloat64, WriteRate: -1, Busy: 100, Virtual: true})
	}
	address := "fe80:1234:1234:1234:1234:1234:1234:1234/128"
	for range 1000 {
		m.network.Interfaces = append(m.network.Interfaces, abi.Interface{Name: long[:15], Addresses: slices.Repeat([]string{address}, 8),
			BytesIn: math.MaxUint64, BytesOut: math.MaxUint64, PacketsIn: math.MaxUint64, PacketsOut: math.MaxUint64, ErrorsIn: 1 << 63, DropsIn: 1 << 63, RateIn: 1e18, RateOut: 1e18})
	}
	for range 100 {
		m.network.Connections = append(m.network.Connections, abi.ConnectionCount{Protocol: long, State: long, Count: 500_000})
	}
	m.network.Uncounted = true
	return m
}

func (m *machine) fake() *sdk.Fake {
	fake := sdk.NewFake()
	sdk.Answer(fake, abi.OpMetricsHost, func(abi.MetricsQuery) (abi.HostInfo, error) { return m.host, nil })
	sdk.Answer(fake, abi.OpMetricsDisk, func(abi.MetricsQuery) (abi.DiskInfo, error) { return m.disk, nil })
	sdk.Answer(fake, abi.OpMetricsDiskIO, func(abi.MetricsQuery) (abi.DiskIOInfo, error) { return m.io, nil })
	sdk.Answer(fake, abi.OpMetricsNetwork, func(abi.MetricsQuery) (abi.NetworkInfo, error) { return m.network, nil })
	return fake
}

func TestReplies(t *testing.T) {
	command := func(name string) sdk.Request { return sdk.Request{Command: name, Time: noon} }
	action := func(name string) sdk.Request { return sdk.Request{Action: name, Time: noon} }
	page := func(name, number string) sdk.Request {
		return sdk.Request{Action: name, Args: map[string]string{"page": number}, Time: noon}
	}
	as := func(spoil func(*machine)) *machine {
		m := healthy()
		spoil(m)
		return m
	}
	// mounts has n of them.
	mounts := func(n int) *machine {
		return as(func(m *machine) {
			m.disk.Mounts = nil
			for i := range n {
				m.disk.Mounts = append(m.disk.Mounts, abi.Mount{Path: "/mnt/" + strconv.Itoa(i), Device: "/dev/sdx" + strconv.Itoa(i), Type: "ext4", Total: 1 << 30})
			}
		})
	}
	hanging := func(n int) *machine {
		return as(func(m *machine) {
			for i := range n {
				m.disk.Hanging = append(m.disk.Hanging, "/mnt/nas"+strconv.Itoa(i))
			}
		})
	}
	interfaces := func(n int) *machine {
		return as(func(m *machine) {
			m.network.Interfaces = nil
			for i := range n {
				m.network.Interfaces = append(m.network.Interfaces, abi.Interface{Name: "veth" + strconv.Itoa(i), Up: true, Virtual: true})
			}
		})
	}
	for _, test := range []struct {
		name string
		m    *machine
		req  sdk.Request
	}{
		{"disk", healthy(), command("disk")},
		{"disk-in-guest", as(func(m *machine) { m.host.InGuest = true }), command("disk")},
		{"disk-none", as(func(m *machine) { m.disk = abi.DiskInfo{} }), command("disk")},
		{"disk-only-hanging", as(func(m *machine) { m.disk = abi.DiskInfo{Hanging: []string{"/mnt/my nas\n"}} }), command("disk")},
		{"disk-11-hanging", hanging(11), command("disk")},
		{"disk-12-hanging", hanging(12), command("disk")},
		{"disk-9-mounts", mounts(9), command("disk")},
		{"disk-9-mounts-2", mounts(9), page("disk", "2")},
		{"disk-io", healthy(), action("disk_io")},
		{"disk-io-none", as(func(m *machine) { m.io = abi.DiskIOInfo{} }), action("disk_io")},
		{"network", healthy(), command("network")},
		{"network-none", as(func(m *machine) { m.network = abi.NetworkInfo{} }), command("network")},
		{"network-in-container", as(func(m *machine) { m.host.InGuest, m.network.Interfaces = true, m.network.Interfaces[1:] }), command("network")},
		{"interfaces", healthy(), action("network_interfaces")},
		{"interfaces-none", as(func(m *machine) { m.network = abi.NetworkInfo{} }), action("network_interfaces")},
		{"interfaces-1000", interfaces(1000), page("network_interfaces", "100")},
		{"interfaces-most", many(), page("network_interfaces", "167")},
		{"connections", healthy(), action("network_connections")},
		{"connections-none", as(func(m *machine) { m.network.Connections = nil }), action("network_connections")},
		{"connections-most", many(), action("network_connections")},
	} {
		t.Run(test.name, func(t *testing.T) {
			reply, err := Module().Handle(test.m.fake().Host(), test.req)
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, Module(), test.name, reply)
		})
	}
}

// views are all of the module's, by name.
func views() map[string]sdk.Handler {
	all := maps.Clone(Module().Commands)
	maps.Copy(all, Module().Actions)
	return all
}

// TestEveryViewIsFreshAndLeadsBack: whose figures, their time, a button that
// shows them again, and one that leads back.
func TestEveryViewIsFreshAndLeadsBack(t *testing.T) {
	for name, show := range views() {
		m := healthy()
		m.host.InGuest = true
		reply, err := show(m.fake().Host(), sdk.Request{Time: noon})
		if err != nil {
			t.Fatal(err)
		}
		n := len(reply.Blocks)
		if last := reply.Blocks[n-1]; len(last.Spans) != 2 || last.Spans[1].Time != noon || reply.Blocks[n-2].Spans[0].Text != texts.InGuest {
			t.Errorf("%s does not say when it was made, or of what: %+v", name, reply.Blocks[n-2:])
		}
		row := reply.Keyboard[len(reply.Keyboard)-1]
		if len(row) != 2 || row[0].Label != texts.Refresh || row[0].Action != name && row[0].Command != name || row[1].Label != texts.Back {
			t.Errorf("%s has the last row %+v", name, row)
		}
	}
}

// TestEveryPageIsOneMessage: what a machine can have at most is on pages of 4,096
// units each (Bot API, sendMessage).
func TestEveryPageIsOneMessage(t *testing.T) {
	for name, show := range views() {
		for _, page := range []int{1, 2, 32, 100, 167, 200} {
			reply, err := show(many().fake().Host(), sdk.Request{Args: map[string]string{"page": strconv.Itoa(page)}, Time: noon})
			if err != nil {
				t.Fatal(err)
			}
			golden.Fits(t, Module(), reply)
			if n := length(reply); n > 4000 {
				t.Errorf("%s, page %d has some %d units", name, page, n)
			}
		}
	}
}

// length is about what the host makes of a reply, in UTF-16 units.
func length(reply sdk.Reply) (n int) {
	units := func(text string) int { return len(utf16.Encode([]rune(text))) }
	for _, b := range reply.Blocks {
		n += 2
		for _, s := range b.Spans {
			n += units(s.Text)
		}
		for _, f := range b.Fields {
			n += units(f.Name) + units(f.Value[0].Text) + 3
		}
		n += len(b.Bars) * 30
		if b.Table != nil {
			n += (len(b.Table.Rows) + 1) * 40
		}
	}
	return n
}

// TestRefusalsReachTheUser: a view fails with the sentence of its source.
func TestRefusalsReachTheUser(t *testing.T) {
	for name, show := range views() {
		reply, err := show(sdk.NewFake().Host(), sdk.Request{Time: noon})
		if sdk.CodeOf(err) != abi.Denied || len(reply.Blocks) != 0 {
			t.Errorf("%s without a grant: %+v, %v; want denied", name, reply, err)
		}
	}
}

// TestTheTotalCountsEachPacketOnce: what goes through a bridge goes through a
// card too, or stays inside.
func TestTheTotalCountsEachPacketOnce(t *testing.T) {
	reply, err := network(healthy().fake().Host(), sdk.Request{})
	if err != nil {
		t.Fatal(err)
	}
	if got := reply.Blocks[1].Fields[1].Value[0].Text; got != "15.0 GiB, 41,098,532 packets" {
		t.Errorf("received %q", got)
	}
}
