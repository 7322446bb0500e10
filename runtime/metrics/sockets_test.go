package metrics

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

const socketHead = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

// socketTable is a file such as /proc/net/tcp with n sockets in one state.
func socketTable(state string, n int) string {
	line := "   0: 0100007F:0016 00000000:0000 " + state + " 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0                     \n"
	return socketHead + strings.Repeat(line, n)
}

func TestConnectionsAreCountedByState(t *testing.T) {
	for name, tc := range map[string]struct {
		files map[string]string
		want  []abi.ConnectionCount
	}{
		"no files":         {nil, []abi.ConnectionCount{}},
		"no sockets":       {map[string]string{"tcp": socketHead, "udp": ""}, []abi.ConnectionCount{}},
		"most first":       {map[string]string{"tcp": socketTable("06", 2), "tcp6": socketTable("0a", 9)}, []abi.ConnectionCount{{Protocol: "tcp", State: "LISTEN", Count: 9}, {Protocol: "tcp", State: "TIME_WAIT", Count: 2}}},
		"both kinds of it": {map[string]string{"tcp": socketTable("03", 1), "tcp6": socketTable("0C", 1)}, []abi.ConnectionCount{{Protocol: "tcp", State: "SYN_RECV", Count: 2}}},
		"newer states":     {map[string]string{"tcp": socketTable("0D", 1), "tcp6": socketTable("FF", 1)}, []abi.ConnectionCount{{Protocol: "tcp", State: "UNKNOWN", Count: 2}}},
		"udp has no state": {map[string]string{"udp": socketTable("07", 3), "udp6": socketTable("01", 1)}, []abi.ConnectionCount{{Protocol: "udp", Count: 4}}},
		"garbage":          {map[string]string{"tcp": "\x00\xff\n\n \na b c zz d\na b c\nx: y z 1FF w\n"}, []abi.ConnectionCount{}},
		"one line of 1 MB": {map[string]string{"tcp": socketHead + "0: 1 2 01 " + strings.Repeat("x", 1<<20) + "\n0: 1 2 01 x\n"}, []abi.ConnectionCount{{Protocol: "tcp", State: "ESTABLISHED", Count: 2}}},
		"no end of line":   {map[string]string{"tcp": socketHead + "0: 1 2 01 x"}, []abi.ConnectionCount{{Protocol: "tcp", State: "ESTABLISHED", Count: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, uncounted, err := connections(context.Background(), time.Now, newMachine(t, tc.files).root)
			if err != nil || !slices.Equal(got, tc.want) || uncounted {
				t.Errorf("%+v, uncounted %v, %v; want %+v", got, uncounted, err, tc.want)
			}
		})
	}
}

func TestCountingObeysItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err := connections(ctx, time.Now, newMachine(t, map[string]string{"tcp": socketTable("01", 10)}).root)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestSocketsAreCountedUpToABound(t *testing.T) {
	tally := socketTally{left: 4, late: func() bool { return false }}
	read := func(table string) error { return tally.read(context.Background(), strings.NewReader(table), false) }
	if err := read(socketTable("01", 3)); err != nil {
		t.Error(err)
	}
	if err := read(socketTable("06", 2)); !errors.Is(err, errTooManySockets) {
		t.Errorf("the fifth line: %v", err)
	}
	if tally.tcp[1] != 3 || tally.tcp[6] != 1 {
		t.Errorf("counted %v", tally.tcp)
	}
}

// Where the kernel is slow, counting ends with what there is by then.
func TestCountingTakesASecondAtMost(t *testing.T) {
	at := time.Unix(1e9, 0)
	clock := func() time.Time { at = at.Add(maxCounting/2 + 1); return at }
	m := newMachine(t, map[string]string{"tcp": socketTable("01", 3*countedBetween), "udp": socketTable("07", 3)})
	got, uncounted, err := connections(context.Background(), clock, m.root)
	if err != nil || !uncounted || got[0].Count < countedBetween || got[0].Count >= 3*countedBetween {
		t.Errorf("%+v, uncounted %v, %v", got, uncounted, err)
	}
}

func TestAddressesOfAnotherNamespace(t *testing.T) {
	table := parseRoutes(testdata(t, "route"))
	for address, want := range map[string]string{
		"192.0.2.10": "eth0", "172.17.0.1": "docker0", "10.9.8.7": "", // two interfaces have that network
		"10.1.2.3": "wg0", "198.51.100.1": "", // behind the gateway
	} {
		if got, _ := table.to(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s is at %q, want %q", address, got, want)
		}
	}
	want := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("172.17.0.1"), netip.MustParseAddr("192.0.2.10")}
	if got := parseLocal(testdata(t, "fib_trie")); !slices.Equal(got, want) {
		t.Errorf("local addresses %v, want %v", got, want)
	}
}

func FuzzSockets(f *testing.F) {
	f.Add([]byte(socketTable("01", 3)))
	f.Add([]byte(": : : :"))
	f.Fuzz(func(t *testing.T, text []byte) {
		tally := socketTally{left: 100, late: func() bool { return false }}
		_ = tally.read(context.Background(), strings.NewReader(string(text)), false)
		sum := 0
		for _, c := range tally.counts() {
			sum += c.Count
		}
		if sum > 100 {
			t.Fatalf("%d counted", sum)
		}
	})
}

func FuzzAddresses(f *testing.F) {
	f.Add("eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n", "|-- 10.0.2.1\n/32 host LOCAL\n", "fe800000000000000000000000000001 02 40 20 80 eth0\n")
	f.Fuzz(func(t *testing.T, route, trie, inet6 string) {
		found := map[string][]netip.Prefix{}
		parseInet6(inet6, found)
		table := parseRoutes(route)
		for _, a := range parseLocal(trie) {
			if name, length := table.to(a); name != "" && !netip.PrefixFrom(a, length).IsValid() {
				t.Fatalf("%v/%d", a, length)
			}
		}
		for name, all := range found {
			for _, p := range all {
				if !p.IsValid() || !isInterfaceName(name) {
					t.Fatalf("%q has %v", name, p)
				}
			}
		}
	})
}
