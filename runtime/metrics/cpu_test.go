package metrics

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

func TestCPUOf256Cores(t *testing.T) {
	m := newMachine(t, map[string]string{"proc/stat": testdata(t, "stat-256-before"), "proc/cpuinfo": testdata(t, "cpuinfo")})
	r := m.reader(func() { m.write("proc/stat", testdata(t, "stat-256-after")) })
	got, err := r.CPU(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.PerCore) != 256 || got.Logical != 256 || !near(got.PerCore[0], 50) || !near(got.PerCore[127], 50) || got.PerCore[128] != 0 {
		t.Errorf("per core %v", got.PerCore)
	}
	if !near(got.Percent, 25) || !near(got.Times.User, 20) || !near(got.Times.System, 5) || !near(got.Times.Idle, 75) {
		t.Errorf("percent %v, times %+v", got.Percent, got.Times)
	}
	if got.WindowMS != 250 {
		t.Errorf("window of %d ms", got.WindowMS)
	}
	if got.Physical != 4 || !near(got.MHz, 1550) || got.Model != "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz" {
		t.Errorf("model %q, %v MHz, %d cores", got.Model, got.MHz, got.Physical)
	}
}

func TestCPUUse(t *testing.T) {
	stat := func(lines string) cpuSample {
		s, err := parseStat(lines)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, tc := range map[string]struct {
		from, to string
		percent  float64
		perCore  []float64
	}{
		"half":                      {"cpu 0 0 0 0\ncpu0 0 0 0 0\n", "cpu 50 0 0 50\ncpu0 50 0 0 50\n", 50, []float64{50}},
		"nothing moved":             {"cpu 9 9 9 9\ncpu0 9 9 9 9\n", "cpu 9 9 9 9\ncpu0 9 9 9 9\n", 0, []float64{0}},
		"iowait is idle":            {"cpu 0 0 0 0 0\ncpu0 0 0 0 0 0\n", "cpu 10 0 0 0 90\ncpu0 10 0 0 0 90\n", 10, []float64{10}},
		"guest is in user already":  {"cpu 0 0 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0\n", "cpu 50 0 0 50 0 0 0 0 50 0\ncpu0 1 0 0 1\n", 50, []float64{50}},
		"counters that go back":     {"cpu 50 0 0 90\ncpu0 50 0 0 90\n", "cpu 60 0 0 80\ncpu0 0 0 0 0\n", 100, []float64{0}},
		"a core was switched on":    {"cpu 0 0 0 0\ncpu0 0 0 0 0\n", "cpu 5 0 0 5\ncpu0 5 0 0 5\ncpu7 900 0 0 1\n", 50, []float64{50, 0}},
		"a core was switched off":   {"cpu 0 0 0 0\ncpu0 0 0 0 0\ncpu1 0 0 0 0\n", "cpu 5 0 0 5\ncpu1 5 0 0 5\n", 50, []float64{50}},
		"cores in the file's order": {"cpu 0 0 0 0\ncpu10 0 0 0 0\ncpu2 0 0 0 0\n", "cpu 0 0 0 9\ncpu10 1 0 0 0\ncpu2 0 0 0 1\n", 0, []float64{0, 100}},
	} {
		got := cpuUse(stat(tc.from), stat(tc.to))
		if !near(got.Percent, tc.percent) || len(got.PerCore) != len(tc.perCore) {
			t.Errorf("%s: %v %v, want %v %v", name, got.Percent, got.PerCore, tc.percent, tc.perCore)
			continue
		}
		for i := range tc.perCore {
			if !near(got.PerCore[i], tc.perCore[i]) {
				t.Errorf("%s: %v, want %v", name, got.PerCore, tc.perCore)
			}
		}
	}
}

func TestAMachineWithoutProc(t *testing.T) {
	r := newMachine(t, nil).reader(nil)
	ctx := context.Background()
	_, err := r.CPU(ctx)
	wantCode(t, err, abi.Unavailable)
	_, err = r.Memory(ctx)
	wantCode(t, err, abi.Unavailable)
	_, err = r.Host(ctx)
	wantCode(t, err, abi.Unavailable)
	_, err = r.Disk(ctx)
	wantCode(t, err, abi.Unavailable)
	_, err = r.Processes(ctx, abi.ProcessQuery{Count: 1})
	wantCode(t, err, abi.Unavailable)
	_, err = r.DiskIO(ctx)
	wantCode(t, err, abi.Unavailable)
	_, err = r.Network(ctx)
	wantCode(t, err, abi.Unavailable)
	if p, err := r.Pressure(ctx); err != nil || p.Known {
		t.Errorf("pressure %+v, %v; want none known", p, err)
	}
	if s, err := r.Sensors(ctx); err != nil || len(s.Temperatures) != 0 || s.Temperatures == nil {
		t.Errorf("sensors %+v, %v; want an empty list", s, err)
	}
	if u, err := r.Users(ctx); err != nil || len(u.Users) != 0 || u.Users == nil {
		t.Errorf("users %+v, %v; want an empty list", u, err)
	}
}

func TestACancelledCallIsATimeout(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := newMachine(t, map[string]string{"proc/stat": "cpu 1 1 1 1\ncpu0 1 1 1 1\n"}).reader(nil).CPU(ctx)
	wantCode(t, err, abi.Timeout)
}

func FuzzParseStat(f *testing.F) {
	f.Add("cpu 1 2 3 4\ncpu0 1 2 3 4\n", "cpu 2 2 3 9\ncpu0 0 2 3 9\n")
	f.Add("cpu0 18446744073709551615 1 1 1", "cpu0 0 0 0 18446744073709551615")
	f.Fuzz(func(t *testing.T, a, b string) {
		from, err1 := parseStat(a)
		to, err2 := parseStat(b)
		if err1 != nil || err2 != nil {
			return
		}
		got := cpuUse(from, to)
		for _, p := range append(got.PerCore, got.Percent, got.Times.User, got.Times.Idle) {
			if math.IsNaN(p) || p < 0 || p > 100 {
				t.Fatalf("%v percent from %q to %q", p, a, b)
			}
		}
	})
}

func TestStatWithoutProcessors(t *testing.T) {
	for _, text := range []string{"", "intr 1 2 3\n", "cpu\n", "cpux 1 2 3 4\n", "cpu0 1 2 three 4\n", "cpu-1 1 2 3 4\n", strings.Repeat("cpu0 1\n", 3)} {
		if _, err := parseStat(text); err == nil {
			t.Errorf("%q was taken for /proc/stat", text)
		}
	}
}
