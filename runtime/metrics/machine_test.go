package metrics

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

func TestMemory(t *testing.T) {
	m := newMachine(t, map[string]string{"proc/meminfo": testdata(t, "meminfo"), "proc/vmstat": "nr_free_pages 1\npswpin 3\npswpout 5\npgpgin x\n"})
	got, err := m.reader(nil).Memory(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	const kB = 1 << 10
	page := got.Swap.In / 3
	want := abi.MemoryInfo{
		Total: 16000000 * kB, Used: 7000000 * kB, Free: 1000000 * kB, Available: 9000000 * kB, Percent: 43.75,
		Active: 5000000 * kB, Inactive: 4000000 * kB, Cached: 6500000 * kB, Buffers: 200000 * kB, Shared: 300000 * kB,
		Swap: abi.Swap{Total: 2000000 * kB, Used: 500000 * kB, Free: 1500000 * kB, Percent: 25, In: 3 * page, Out: 5 * page},
	}
	if got != want || page < 4096 {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	m.write("proc/meminfo", "MemTotal: 100 kB\nMemAvailable: 25 kB\n")
	if got, err = m.reader(nil).Memory(context.Background()); err != nil || got.Percent != 75 {
		t.Errorf("the next call shows %+v, %v", got, err)
	}
}

func TestMemoryOfOddMachines(t *testing.T) {
	for name, tc := range map[string]struct {
		text      string
		available uint64
		percent   float64
	}{
		"without MemAvailable":      {"MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 5 kB\nCached: 5 kB\n", 20 << 10, 80},
		"more available than total": {"MemTotal: 100 kB\nMemAvailable: 900 kB\n", 100 << 10, 0},
	} {
		got, err := parseMemInfo(tc.text)
		if err != nil || got.Available != tc.available || got.Percent != tc.percent {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, text := range []string{"", "MemTotal: 0 kB\n", "MemTotal: -5 kB\n", "MemTotal: 99999999999999999999 kB\n", "MemTotal: 5\n"} {
		if got, err := parseMemInfo(text); err == nil {
			t.Errorf("%q gave %+v", text, got)
		}
	}
}

func TestHost(t *testing.T) {
	m := newMachine(t, map[string]string{
		"proc/uptime": "90061.53 1.0\n", "proc/loadavg": "0.50 1.25 2.00 3/456 789\n",
		"proc/sys/kernel/osrelease": "6.1.0-18-amd64\n", "proc/sys/kernel/hostname": "container\n",
		"etc/hostname": "srv\x1b[1m\n", "etc/os-release": "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
		"sys/devices/system/cpu/online": "0-3,8,10-11\n",
	})
	r := m.reader(nil)
	want := abi.HostInfo{
		Hostname: "srv�[1m", OS: "Debian GNU/Linux 12 (bookworm)", Kernel: "6.1.0-18-amd64",
		Uptime: 90061, BootTime: 1_899_909_938_000, Load1: 0.5, Load5: 1.25, Load15: 2, CPUs: 7,
	}
	got, err := r.Host(context.Background())
	if err != nil || got != want {
		t.Errorf("\n got %+v, %v\nwant %+v", got, err, want)
	}
	m.write("proc/uptime", "90075.00 1.0\n")
	if got, _ = r.Host(context.Background()); got.Uptime != 90075 {
		t.Errorf("the uptime stands still at %d", got.Uptime)
	}
}

func TestUptimesThatAreNone(t *testing.T) {
	for _, text := range []string{"", "x", "-1 2", "NaN 1", "1e300 1", "Inf"} {
		if got, err := parseUptime(text); err == nil {
			t.Errorf("%q gave %v", text, got)
		}
	}
}

func TestRanges(t *testing.T) {
	for text, want := range map[string]int{"0": 1, "0-255": 256, "0-3,8,10-11\n": 7, "": 0, "5-2": 0, "a-b": 0, "0-99999999": 0} {
		if got := parseRanges(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestUsers(t *testing.T) {
	utmp := string(utmpEntry(7, "ada", "pts/0", "10.0.0.9", 1_800_000_000)) +
		string(utmpEntry(8, "gone", "pts/1", "", 1)) + // a dead one
		string(utmpEntry(7, "eve\x1b[2J", "tty1", "", 1_800_000_100)) + "cut off"
	want := []abi.LoggedIn{
		{User: "ada", Terminal: "pts/0", From: "10.0.0.9", Since: 1_800_000_000_000},
		{User: "eve�[2J", Terminal: "tty1", Since: 1_800_000_100_000},
	}
	for _, path := range []string{"var/run/utmp", "run/utmp"} {
		got, err := newMachine(t, map[string]string{path: utmp}).reader(nil).Users(context.Background())
		if err != nil || len(got.Users) != 2 || got.Users[0] != want[0] || got.Users[1] != want[1] {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", path, got.Users, err, want)
		}
	}
}

// utmpEntry is a struct utmp of utmp(5) on 64 bits.
func utmpEntry(kind uint16, user, line, host string, since uint32) []byte {
	b := make([]byte, 384)
	binary.LittleEndian.PutUint16(b, kind)
	copy(b[8:40], line)
	copy(b[44:76], user)
	copy(b[76:332], host)
	binary.LittleEndian.PutUint32(b[340:], since)
	return b
}
