package metrics

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

const netDevHead = "Inter-|   Receive    |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes packets\n"

// netDev is a line of /proc/net/dev: bytes, packets, errors, drops either way.
func netDev(name string, in, out [4]uint64) string {
	return fmt.Sprintf("%6s: %d %d %d %d 0 0 0 0 %d %d %d %d 0 0 0 0\n", name, in[0], in[1], in[2], in[3], out[0], out[1], out[2], out[3])
}

func TestNetwork(t *testing.T) {
	files := map[string]string{
		"proc/1/net/dev": netDevHead + netDev("lo", [4]uint64{900, 9}, [4]uint64{900, 9}) + netDev("eth0", [4]uint64{1000, 10, 1, 2}, [4]uint64{2000, 20, 3, 4}) +
			netDev("veth1", [4]uint64{50, 5}, [4]uint64{60, 6}) + netDev("docker0", [4]uint64{90, 5}, [4]uint64{60, 6}),
		"proc/1/net/if_inet6":                 "fe80000000000000a5b6fffe00000001 02 40 20 80     eth0\n00000000000000000000000000000001 01 80 10 80       lo\nzz 01 80 10 80 lo\n",
		"proc/1/net/fib_trie":                 testdata(t, "fib_trie"),
		"proc/1/net/route":                    testdata(t, "route"),
		"proc/1/net/tcp":                      socketTable("0A", 2) + strings.TrimPrefix(socketTable("01", 3), socketHead),
		"proc/1/net/tcp6":                     socketTable("01", 4),
		"proc/1/net/udp":                      socketTable("07", 5),
		"sys/class/net/eth0/device/vendor":    "x",
		"sys/class/net/eth0/address":          "02:42:ac:11:00:02\n",
		"sys/class/net/eth0/mtu":              "1500\n",
		"sys/class/net/eth0/flags":            "0x1003\n",
		"sys/class/net/eth0/operstate":        "up\n",
		"sys/class/net/lo/flags":              "0x9\n",
		"sys/class/net/lo/address":            "00:00:00:00:00:00\n",
		"sys/class/net/lo/operstate":          "unknown\n",
		"sys/class/net/docker0/flags":         "0x1003\n",
		"sys/class/net/docker0/operstate":     "down\n",
		"sys/class/net/docker0/address":       "02:42:00:00:00:01\x1b\n",
		"proc/self/net/dev":                   netDevHead + netDev("wrong", [4]uint64{}, [4]uint64{}),
		"proc/net/dev":                        netDevHead + netDev("wrong", [4]uint64{}, [4]uint64{}),
		"sys/class/net/veth1/flags":           "garbage",
		"sys/class/net/unrelated/device/file": "",
	}
	m := newMachine(t, files)
	got, err := m.reader(func() { // in the 250 ms of the window
		m.write("proc/1/net/dev", netDevHead+netDev("lo", [4]uint64{900, 9}, [4]uint64{900, 9})+
			netDev("eth0", [4]uint64{2000, 10, 1, 2}, [4]uint64{4500, 20, 3, 4})+
			netDev("veth1", [4]uint64{5, 1}, [4]uint64{60, 6})+netDev("docker0", [4]uint64{90, 5}, [4]uint64{60, 6}))
	}).Network(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := abi.NetworkInfo{
		Interfaces: []abi.Interface{
			{Name: "eth0", Up: true, MAC: "02:42:ac:11:00:02", MTU: 1500, Addresses: []string{"192.0.2.10/24", "fe80::a5b6:fffe:0:1/64"},
				BytesIn: 2000, BytesOut: 4500, PacketsIn: 10, PacketsOut: 20, ErrorsIn: 1, ErrorsOut: 3, DropsIn: 2, DropsOut: 4, RateIn: 4000, RateOut: 10000},
			{Name: "docker0", Virtual: true, MAC: "02:42:00:00:00:01�", Addresses: []string{"172.17.0.1/16"}, BytesIn: 90, BytesOut: 60, PacketsIn: 5, PacketsOut: 6},
			{Name: "veth1", Virtual: true, Up: true, BytesIn: 5, BytesOut: 60, PacketsIn: 1, PacketsOut: 6}, // its counter went back
			{Name: "lo", Loopback: true, Virtual: true, Up: true, Addresses: []string{"127.0.0.1/8", "::1/128"}, BytesIn: 900, BytesOut: 900, PacketsIn: 9, PacketsOut: 9},
		},
		Connections: []abi.ConnectionCount{{Protocol: "tcp", State: "ESTABLISHED", Count: 7}, {Protocol: "tcp", State: "LISTEN", Count: 2}, {Protocol: "udp", Count: 5}},
		WindowMS:    250,
	}
	if a, b := asJSON(t, got), asJSON(t, want); a != b {
		t.Errorf("\n got %s\nwant %s", a, b)
	}
	if sum := got.Total(); sum.BytesIn != 2000 || sum.RateOut != 10000 || sum.DropsOut != 4 {
		t.Errorf("in all %+v", sum)
	}
	virtual := abi.NetworkInfo{Interfaces: got.Interfaces[1:]}
	if sum := virtual.Total(); sum.BytesIn != 95 {
		t.Errorf("in a container %+v", sum)
	}
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestNetDevOfOddMachines(t *testing.T) {
	zero := [4]uint64{}
	for name, tc := range map[string]struct {
		text  string
		shown []string
		fails bool
	}{
		"nothing at all":         {"", nil, true},
		"only the head":          {netDevHead, []string{}, false},
		"garbage":                {strings.Repeat("\xff\x00: 1 2 3\n", 5), nil, true},
		"odd names":              {netDevHead + netDev("wg-büro", zero, zero) + netDev("br:1", zero, zero) + netDev("a\x1b", zero, zero), []string{"a�", "br:1", "wg-büro"}, false},
		"names that are paths":   {netDevHead + netDev("../../etc", zero, zero) + netDev("..", zero, zero) + netDev("x", zero, zero), []string{"x"}, false},
		"a name that is long":    {netDevHead + netDev(strings.Repeat("x", 300), zero, zero) + netDev("x", zero, zero), []string{"x"}, false},
		"a column that is none":  {netDevHead + strings.Replace(netDev("a", zero, zero), "0", "-1", 1) + netDev("x", zero, zero), []string{"x"}, false},
		"the same name twice":    {netDevHead + netDev("x", zero, zero) + netDev("x", zero, zero), []string{"x", "x"}, false},
		"counters at their ends": {netDevHead + netDev("x", [4]uint64{math.MaxUint64}, [4]uint64{math.MaxUint64}), []string{"x"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := newMachine(t, map[string]string{"proc/self/net/dev": tc.text}).reader(nil).Network(context.Background())
			if tc.fails {
				wantCode(t, err, abi.Unavailable)
				return
			}
			var shown []string
			for _, i := range got.Interfaces {
				shown = append(shown, i.Name)
			}
			if err != nil || !slices.Equal(shown, tc.shown) {
				t.Errorf("%q, %v; want %q", shown, err, tc.shown)
			}
		})
	}
}

func TestAThousandInterfacesFitAnAnswer(t *testing.T) {
	var text strings.Builder
	text.WriteString(netDevHead)
	most := [4]uint64{math.MaxUint64, math.MaxUint64, math.MaxUint64, math.MaxUint64}
	for i := range 1500 {
		text.WriteString(netDev(fmt.Sprintf("veth%011d", i), most, most))
	}
	text.WriteString(netDev("eth0", [4]uint64{}, [4]uint64{}))
	m := newMachine(t, map[string]string{"proc/1/net/dev": text.String(), "sys/class/net/eth0/device/x": ""})
	got, err := m.reader(nil).Network(context.Background())
	if err != nil || len(got.Interfaces) != maxInterfaces || got.Interfaces[0].Name != "eth0" {
		t.Fatalf("%d interfaces, %v", len(got.Interfaces), err)
	}
	for i := range got.Interfaces {
		got.Interfaces[i].MAC, got.Interfaces[i].MTU = "02:42:ac:11:00:02", math.MaxInt32
		got.Interfaces[i].Addresses = []string{"255.255.255.255/32", "fe80:1234:1234:1234:1234:1234:1234:1234/128"}
	}
	const maxAnswer = 1 << 20 // of a call (runtime/hostcall)
	if size := len(asJSON(t, got)); size > maxAnswer {
		t.Errorf("an answer of %d bytes", size)
	}
}

// Many callers, one of them a sampler, share what is measured.
func TestReadersMayBeConcurrent(t *testing.T) {
	m := newMachine(t, map[string]string{
		"proc/1/net/dev": netDevHead + netDev("eth0", [4]uint64{1}, [4]uint64{1}) + netDev("lo", [4]uint64{1}, [4]uint64{1}),
		"proc/diskstats": diskLine("sda", 1, 1, 1, 1, 1), "proc/1/net/tcp": socketTable("01", 1),
	})
	r := m.reader(nil)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				if got, err := r.Network(context.Background()); err != nil || len(got.Interfaces) != 2 || got.Interfaces[0].Name != "eth0" {
					t.Errorf("%+v, %v", got, err)
				}
				if got, err := r.DiskIO(context.Background()); err != nil || len(got.Devices) != 1 {
					t.Errorf("%+v, %v", got, err)
				}
				m.at.Add(time.Second.Milliseconds())
			}
		})
	}
	all.Wait()
}

func FuzzParseNetDev(f *testing.F) {
	f.Add(netDevHead + netDev("eth0", [4]uint64{1, 2, 3, 4}, [4]uint64{5, 6, 7, 8}))
	f.Add("a:b: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n:\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, i := range parseNetDev(text) {
			if i.Name == "" || len(i.Name) > maxInterfaceName || strings.ContainsAny(i.Name, "/\n") {
				t.Fatalf("%q from %q", i.Name, text)
			}
		}
	})
}
