package metrics

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// What is tested here reads the machine that the tests run on.

// needsFile skips a test where a file is not there, or fails it if COFFERDAM_CI is
// set.
func needsFile(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); err == nil {
		return
	}
	if os.Getenv("COFFERDAM_CI") != "" {
		t.Fatalf("there is no %s", path)
	}
	t.Skipf("there is no %s", path)
}

func TestThisMachine(t *testing.T) {
	needsFile(t, "/proc/stat")
	r, ctx := New(Config{}, nil), context.Background()
	host, err := r.Host(ctx)
	if err != nil || host.Hostname == "" || host.Uptime <= 0 || host.CPUs < 1 || time.Since(time.UnixMilli(host.BootTime)) < 0 {
		t.Errorf("host %+v, %v", host, err)
	}
	memory, err := r.Memory(ctx)
	if err != nil || memory.Total == 0 || memory.Used > memory.Total || memory.Percent <= 0 || memory.Percent > 100 {
		t.Errorf("memory %+v, %v", memory, err)
	}
	done := burn(t)
	cpu, err := r.CPU(ctx)
	done()
	if err != nil || cpu.Percent <= 0 || len(cpu.PerCore) != cpu.Logical || cpu.WindowMS < 200 {
		t.Errorf("cpu %+v, %v", cpu, err)
	}
	for name, call := range map[string]func() (any, error){
		"disk":    func() (any, error) { return r.Disk(ctx) },
		"sensors": func() (any, error) { return r.Sensors(ctx) },
		"users":   func() (any, error) { return r.Users(ctx) },
		"disk io": func() (any, error) { return r.DiskIO(ctx) },
		"network": func() (any, error) { return r.Network(ctx) },
		"psi":     func() (any, error) { return r.Pressure(ctx) },
	} {
		got, err := call()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := json.Marshal(got); err != nil {
			t.Errorf("%s is no JSON: %v", name, err)
		}
	}
}

// The first list of the busiest must already show who is busy.
func TestABusyProcessIsInTheFirstList(t *testing.T) {
	needsFile(t, "/proc/self/stat")
	defer burn(t)()
	got, err := New(Config{}, nil).Processes(context.Background(), abi.ProcessQuery{Count: MaxProcesses})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(got.Top, func(p abi.Process) bool { return p.PID == int32(os.Getpid()) })
	if i < 0 || got.Top[i].CPUPercent <= 0 || got.Top[i].Memory == 0 {
		t.Errorf("this test burns and is not in %+v", got.Top)
	}
	if got.Top[i].Name != filepath.Base(os.Args[0])[:min(15, len(filepath.Base(os.Args[0])))] {
		t.Errorf("this test is called %q", got.Top[i].Name)
	}
}

// What goes through loopback is counted, and so is the socket it goes through.
func TestTrafficOfThisMachine(t *testing.T) {
	needsFile(t, "/proc/net/dev")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	r := New(Config{}, nil)
	wait := r.net.wait
	r.net.wait = func(ctx context.Context, d time.Duration) error {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(make([]byte, 64<<10)); err != nil {
			t.Fatal(err)
		}
		return wait(ctx, d)
	}
	got, err := r.Network(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(got.Interfaces, func(i abi.Interface) bool { return i.Loopback })
	if i < 0 || got.Interfaces[i].RateIn < 64<<10 || !got.Interfaces[i].Up || got.Interfaces[i].MTU == 0 ||
		!slices.Contains(got.Interfaces[i].Addresses, "127.0.0.1/8") {
		t.Errorf("64 KiB went through %+v", got.Interfaces)
	}
	listens := func(c abi.ConnectionCount) bool { return c.Protocol == "tcp" && c.State == "LISTEN" && c.Count > 0 }
	if !slices.ContainsFunc(got.Connections, listens) {
		t.Errorf("this test listens, and the connections are %+v", got.Connections)
	}
}

// burn keeps a processor busy until its result is called.
func burn(testing.TB) (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for n := 1; ; n *= 3 {
			select {
			case <-quit:
				return
			default:
			}
		}
	}()
	return func() { close(quit); <-ended }
}

func BenchmarkHost(b *testing.B) {
	run(b, func(r *Reader, ctx context.Context) error { _, err := r.Host(ctx); return err })
}

func BenchmarkMemory(b *testing.B) {
	run(b, func(r *Reader, ctx context.Context) error { _, err := r.Memory(ctx); return err })
}

func BenchmarkDisk(b *testing.B) {
	run(b, func(r *Reader, ctx context.Context) error { _, err := r.Disk(ctx); return err })
}

func BenchmarkSensors(b *testing.B) {
	run(b, func(r *Reader, ctx context.Context) error { _, err := r.Sensors(ctx); return err })
}

func BenchmarkUsers(b *testing.B) {
	run(b, func(r *Reader, ctx context.Context) error { _, err := r.Users(ctx); return err })
}

// BenchmarkCPU and BenchmarkProcesses leave out the wait, which is for the
// window and not work.
func BenchmarkCPU(b *testing.B) {
	run(b, func(r *Reader, ctx context.Context) error { _, err := r.CPU(ctx); return err })
}

func BenchmarkProcesses(b *testing.B) {
	run(b, func(r *Reader, ctx context.Context) error {
		_, err := r.Processes(ctx, abi.ProcessQuery{Count: 10})
		return err
	})
}

func BenchmarkDiskIO(b *testing.B) {
	run(b, func(r *Reader, ctx context.Context) error { _, err := r.DiskIO(ctx); return err })
}

func BenchmarkTraffic(b *testing.B) {
	run(b, func(r *Reader, ctx context.Context) error { _, err := r.Traffic(ctx); return err })
}

func BenchmarkNetwork(b *testing.B) {
	run(b, func(r *Reader, ctx context.Context) error { _, err := r.Network(ctx); return err })
}

func BenchmarkPressure(b *testing.B) {
	run(b, func(r *Reader, ctx context.Context) error { _, err := r.Pressure(ctx); return err })
}

// BenchmarkCount200000Sockets leaves out the kernel's own share of such a file,
// which is the larger one.
func BenchmarkCount200000Sockets(b *testing.B) {
	m := newMachine(b, map[string]string{"tcp": socketTable("01", 200_000)})
	for b.Loop() {
		if _, _, err := connections(context.Background(), time.Now, m.root); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseStat256(b *testing.B) {
	text := testdata(b, "stat-256-after")
	for b.Loop() {
		if _, err := parseStat(text); err != nil {
			b.Fatal(err)
		}
	}
}

func run(b *testing.B, call func(*Reader, context.Context) error) {
	r := New(Config{}, nil)
	at := time.Now()
	clock := func() time.Time { at = at.Add(time.Second); return at }
	r.cpu.now, r.procs.now, r.disks.now, r.net.now = clock, clock, clock, clock
	for b.Loop() {
		if err := call(r, context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
