package history

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// machine is one whose figures a test sets.
type machine struct {
	cpu     float64
	in, out uint64
	swap    uint64
	fails   bool
}

func (m *machine) err() error {
	if m.fails {
		return errors.New("nothing is there")
	}
	return nil
}

func (m *machine) Host(context.Context) (abi.HostInfo, error) {
	return abi.HostInfo{Load1: m.cpu / 10}, m.err()
}
func (m *machine) CPU(context.Context) (abi.CPUInfo, error) {
	return abi.CPUInfo{Percent: m.cpu, Logical: 8}, m.err()
}
func (m *machine) Memory(context.Context) (abi.MemoryInfo, error) {
	return abi.MemoryInfo{Percent: 40, Swap: abi.Swap{Total: m.swap, Percent: 5}}, m.err()
}
func (m *machine) Disk(context.Context) (abi.DiskInfo, error) {
	return abi.DiskInfo{Mounts: []abi.Mount{{Percent: 20}, {Percent: 80}, {Percent: 50}}}, m.err()
}
func (m *machine) DiskIO(context.Context) (abi.DiskIOInfo, error) {
	return abi.DiskIOInfo{Devices: []abi.DiskIO{
		{Name: "sda", ReadBytes: m.in, WriteBytes: m.out}, {Name: "nvme0n1", ReadBytes: m.in},
		{Name: "dm-0", ReadBytes: m.in, WriteBytes: m.out, Virtual: true},
	}}, m.err()
}
func (m *machine) Traffic(context.Context) (abi.NetworkInfo, error) {
	return abi.NetworkInfo{Interfaces: []abi.Interface{
		{Name: "lo", Loopback: true, BytesIn: m.in}, {Name: "eth0", BytesIn: m.in, BytesOut: m.out},
		{Name: "veth12ab", Virtual: true, BytesIn: m.in}, {Name: "docker0", Virtual: true, BytesIn: m.in},
	}}, m.err()
}

// containers are what an engine runs.
type containers struct {
	samples []Sample
	err     error
}

func (c *containers) Samples(context.Context) ([]Sample, error) { return c.samples, c.err }

func (c *containers) Identify(_ context.Context, ref abi.ContainerRef, keep Keep) (id, name string, err error) {
	if !keep("web", nil) {
		return "", "", &abi.Error{Code: abi.Denied, Message: "No."}
	}
	return ref.ID, "web", nil
}

func id(i int) string { return fmt.Sprintf("%064x", i) }

// rig is a history with a clock that a test moves.
type rig struct {
	*History
	t     testing.TB
	now   time.Time
	m     *machine
	c     *containers
	store *store.Store
	logs  *observer.ObservedLogs
}

func newRig(t testing.TB) *rig {
	t.Helper()
	s, err := store.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return newRigOn(t, s)
}

func newRigOn(t testing.TB, s *store.Store) *rig {
	core, logs := observer.New(zap.InfoLevel)
	r := &rig{t: t, now: noon, m: &machine{cpu: 50}, c: &containers{}, store: s, logs: logs}
	r.History = New(Config{Machine: r.m, Containers: r.c, Store: s, Now: func() time.Time { return r.now }, Log: zap.New(core)})
	return r
}

// measures lets so much time go by, with a sample of the machine every ten
// seconds.
func (r *rig) measures(d time.Duration) {
	for end := r.now.Add(d); r.now.Before(end); r.now = r.now.Add(machineEvery) {
		r.SampleMachine(r.t.Context())
	}
}

func (r *rig) asks(seconds int64, points int, series ...string) abi.History {
	r.t.Helper()
	got, err := r.Machine(r.t.Context(), abi.HistoryQuery{Series: series, Seconds: seconds, Points: points})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, s := range got.Series {
		if len(s.At) != len(s.Values) || len(s.At) > max(points, 1) {
			r.t.Errorf("%s: %d moments, %d values, at most %d", s.Name, len(s.At), len(s.Values), points)
		}
		for i, at := range s.At {
			if at < 0 || at > seconds || i > 0 && at <= s.At[i-1] {
				r.t.Errorf("%s: moment %d is %d", s.Name, i, at)
			}
		}
	}
	return got
}

func near(got, want float64) bool { return math.Abs(got-want) <= 0.002*math.Abs(want) }

func allNear(values []float64, want float64) bool {
	for _, v := range values {
		if !near(v, want) {
			return false
		}
	}
	return len(values) > 0
}

func TestTheMachineIsSampled(t *testing.T) {
	r := newRig(t)
	for range 30 {
		r.m.in += 1000
		r.m.out += 5000
		r.measures(machineEvery)
	}
	for series, want := range map[string]float64{
		abi.SeriesCPU: 50, abi.SeriesLoad1: 5, abi.SeriesMemory: 40, abi.SeriesDisk: 80,
		abi.SeriesDiskRead: 200, abi.SeriesDiskWrite: 500, abi.SeriesNetworkIn: 100, abi.SeriesNetworkOut: 500,
	} {
		if got := r.asks(300, 100, series); !allNear(got.Series[0].Values, want) {
			t.Errorf("%s: %v, want %v", series, got.Series[0].Values, want)
		}
	}
	if got := r.asks(300, 100, abi.SeriesSwap); len(got.Series[0].At) > 0 || got.CPUs != 8 {
		t.Errorf("swap of a machine without: %v; %d cores", got.Series[0], got.CPUs)
	}
}

// Of what is plugged in or away meanwhile, and of counters that begin anew, only
// what they rose by counts.
func TestDevicesThatComeAndGo(t *testing.T) {
	var m meter
	now := noon
	step := func(counters map[string][2]uint64) (map[string][2]uint64, float64) {
		now = now.Add(machineEvery)
		return m.rises(now, counters)
	}
	if rose, seconds := step(map[string][2]uint64{"eth0": {1000, 2000}, "usb0": {5, 5}}); len(rose) > 0 || seconds != 0 {
		t.Errorf("the first sample rose by %v in %v s", rose, seconds)
	}
	for _, sample := range []struct{ now, want map[string][2]uint64 }{
		{map[string][2]uint64{"eth0": {1100, 2000}, "wlan0": {1 << 60, 1 << 60}}, map[string][2]uint64{"eth0": {100, 0}, "wlan0": {}}},
		{map[string][2]uint64{"eth0": {10, 2500}, "wlan0": {1<<60 + 1, 1 << 60}}, map[string][2]uint64{"eth0": {0, 500}, "wlan0": {1, 0}}},
	} {
		if rose, seconds := step(sample.now); !maps.Equal(rose, sample.want) || seconds != 10 {
			t.Errorf("%v rose by %v in %v s, want %v", sample.now, rose, seconds, sample.want)
		}
	}
	now = now.Add(longestWindow)
	if rose, seconds := step(map[string][2]uint64{"eth0": {9000, 9000}}); len(rose) > 0 || seconds != 0 {
		t.Errorf("after a pause they rose by %v in %v s", rose, seconds)
	}
}

func TestTheSamplerSaysHowItDoes(t *testing.T) {
	r := newRig(t)
	if last, every, err := r.Condition(); !last.IsZero() || every != machineEvery || err != nil {
		t.Errorf("before the first: %v, %v, %v", last, every, err)
	}
	r.SampleMachine(t.Context())
	r.now = r.now.Add(time.Hour)
	r.m.fails = true
	r.SampleMachine(t.Context())
	if last, _, err := r.Condition(); !last.Equal(noon) || err == nil {
		t.Errorf("after one that failed: %v, %v", last, err)
	}
}

func TestPointsAreMeans(t *testing.T) {
	r := newRig(t)
	for i := range 360 {
		r.m.cpu = float64(10 + i%2*40) // 10, 50, 10, …
		r.measures(machineEvery)
	}
	got := r.asks(3600, 31, abi.SeriesCPU)
	if got.Step != 120 || len(got.Series[0].At) < 30 || !allNear(got.Series[0].Values[1:29], 30) {
		t.Errorf("step %d, %d points: %v", got.Step, len(got.Series[0].At), got.Series[0].Values)
	}
	if got := r.asks(600, 400, abi.SeriesCPU); got.Step != 10 || len(got.Series[0].At) != 60 {
		t.Errorf("step %d, %d points", got.Step, len(got.Series[0].At))
	}
	if from, to := got.From, got.To; to != r.now.UnixMilli() || from != to-3_600_000 {
		t.Errorf("from %d to %d", from, to)
	}
}

func TestWhereNothingWasMeasuredIsAGap(t *testing.T) {
	r := newRig(t)
	r.measures(10 * time.Minute)
	r.now = r.now.Add(20 * time.Minute) // the bot is away
	r.measures(10 * time.Minute)
	r.m.fails = true
	r.measures(10 * time.Minute)
	at := r.asks(3000, 400, abi.SeriesCPU, abi.SeriesNetworkIn).Series[0].At
	for _, a := range at {
		if a > 600 && a < 1800 || a > 2410 {
			t.Errorf("a point at %d s", a)
		}
	}
	if len(at) != 120 {
		t.Errorf("%d points, want 120", len(at))
	}
}

func TestADayIsKeptAndAMonthOfMeans(t *testing.T) {
	r := newRig(t)
	has := func(ring ring, at time.Time) bool {
		t.Helper()
		data, err := r.store.HistoryBlock(ring.name, ring.blockAt(at.Unix()), machineSource)
		if err != nil {
			t.Fatal(err)
		}
		return data != nil
	}
	for range 27 {
		r.measures(time.Hour)
		r.flush(t.Context())
	}
	if has(fineMachine, noon.Add(time.Hour)) || !has(fineMachine, noon.Add(4*time.Hour)) || !has(coarse, noon) {
		t.Error("after 27 hours there should be a day, and means of all")
	}
	r.now = noon.Add(29 * 24 * time.Hour)
	r.measures(time.Hour)
	for range 30 { // a few at a time
		r.flush(t.Context())
	}
	got := r.asks(month, 400, abi.SeriesCPU)
	if s := got.Series[0]; got.Step < 300 || !allNear(s.Values, 50) || s.At[0] > month-29*day || s.At[len(s.At)-1] < month-got.Step {
		t.Errorf("a month: step %d, %v", got.Step, s)
	}
	r.now = noon.Add(33 * 24 * time.Hour)
	for range 30 {
		r.flush(t.Context())
	}
	if has(coarse, noon) || has(coarse, noon.Add(27*time.Hour)) || !has(coarse, noon.Add(29*24*time.Hour)) {
		t.Error("after 33 days there should be the last 30")
	}
}

func TestRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := newRigOn(t, s)
	r.measures(10 * time.Minute)
	r.flush(t.Context())
	r.measures(50 * time.Second) // is lost: the process is killed
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = store.Open(dir); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	later := newRigOn(t, s)
	later.now = r.now
	later.m.cpu = 20
	later.measures(10 * time.Minute)
	got := later.asks(1250, 400, abi.SeriesCPU).Series[0]
	if len(got.At) != 120 || !allNear(got.Values[:60], 50) || !allNear(got.Values[60:], 20) {
		t.Errorf("%d points: %v", len(got.At), got.Values)
	}
	// The means of five minutes are of what was before and after, too.
	if got := later.asks(2*day, 400, abi.SeriesCPU).Series[0]; len(got.At) == 0 {
		t.Error("no means")
	}
}

func TestAClockThatJumps(t *testing.T) {
	r := newRig(t)
	r.measures(time.Hour)
	r.m.cpu = 90
	r.now = r.now.Add(-30 * time.Minute)
	r.measures(10 * time.Minute) // is measured anew
	r.now = r.now.Add(20 * time.Minute)
	got := r.asks(3600, 400, abi.SeriesCPU).Series[0]
	if len(got.At) != 360 || !allNear(got.Values[:180], 50) || !allNear(got.Values[180:240], 90) || !allNear(got.Values[240:], 50) {
		t.Errorf("%d points: %v", len(got.At), got.Values)
	}
	r.now = time.Unix(-5000, 0)
	r.measures(time.Minute)
	r.flush(t.Context())
	r.now = noon.Add(time.Hour)
	if got := r.asks(3600, 400, abi.SeriesCPU).Series[0]; len(got.At) != 360 {
		t.Errorf("%d points after a clock before 1970", len(got.At))
	}
}

func TestADamagedBlockIsSkipped(t *testing.T) {
	r := newRig(t)
	r.measures(90 * time.Minute)
	r.flush(t.Context())
	at := fineMachine.blockAt(noon.Unix())
	if err := r.store.PutHistory(t.Context(), "fine", at, map[string][]byte{machineSource: []byte("garbage")}); err != nil {
		t.Fatal(err)
	}
	if got := r.asks(5400, 400, abi.SeriesCPU).Series[0]; got.At[0] < 1790 || !allNear(got.Values, 50) {
		t.Errorf("from %d: %v", got.At[0], got.Values)
	}
	if n := r.logs.FilterField(zap.String("event", "history.corrupt")).Len(); n != 1 {
		t.Errorf("%d lines in the log", n)
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	r := newRig(t)
	good := abi.HistoryQuery{Series: []string{abi.SeriesCPU}, Seconds: 3600}
	if _, err := r.Machine(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*abi.HistoryQuery){
		"no series":       func(q *abi.HistoryQuery) { q.Series = nil },
		"unknown series":  func(q *abi.HistoryQuery) { q.Series = []string{"block_read"} },
		"five series":     func(q *abi.HistoryQuery) { q.Series = []string{"cpu", "cpu", "cpu", "cpu", "cpu"} },
		"no time":         func(q *abi.HistoryQuery) { q.Seconds = 0 },
		"more than kept":  func(q *abi.HistoryQuery) { q.Seconds = month + 1 },
		"no points":       func(q *abi.HistoryQuery) { q.Points = -1 },
		"too many points": func(q *abi.HistoryQuery) { q.Points = 401 },
	} {
		q := good
		spoil(&q)
		var told *abi.Error
		if _, err := r.Machine(t.Context(), q); !errors.As(err, &told) || told.Code != abi.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func sampleOf(i int, at time.Time, used float64) Sample {
	n := int64(used)
	return Sample{Host: abi.LocalHost, ID: id(i), At: at, CPU: time.Duration(used * float64(time.Millisecond)), Memory: 64 << 20, Limit: 128 << 20, CPUs: 4,
		NetworkIn: n, NetworkOut: 2 * n, BlockRead: 3 * n, BlockWrite: 4 * n}
}

func anything(string, map[string]string) bool { return true }

func TestContainersAreSampled(t *testing.T) {
	r := newRig(t)
	for i := range 20 {
		used := float64(i) * 3000 // 100 a second
		if i >= 10 {
			used = float64(i-10) * 3000 // restarted
		}
		// The engine's clock is an hour behind.
		r.c.samples = []Sample{sampleOf(1, r.now.Add(-time.Hour), used)}
		r.SampleContainers(t.Context())
		r.now = r.now.Add(containersEvery)
	}
	ask := func(series ...string) abi.History {
		t.Helper()
		got, err := r.Container(t.Context(), abi.ContainerHistoryQuery{ID: id(1), Series: series, Seconds: 600}, anything)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for series, want := range map[string]float64{
		abi.SeriesContainerCPU: 10, abi.SeriesContainerMemory: 64 << 20, abi.SeriesContainerIn: 100,
		abi.SeriesContainerOut: 200, abi.SeriesContainerRead: 300, abi.SeriesContainerWrite: 400,
	} {
		got := ask(series)
		points := 18 // no rate at the start, nor across the restart
		if series == abi.SeriesContainerMemory {
			points = 20
		}
		if s := got.Series[0]; len(s.At) != points || !allNear(s.Values, want) || got.Step != 30 {
			t.Errorf("%s: step %d, %d points: %v, want %d of %v", series, got.Step, len(s.At), s.Values, points, want)
		}
	}
	if got := ask(abi.SeriesContainerCPU); got.Name != "web" || got.MemoryLimit != 128<<20 || got.CPUs != 4 {
		t.Errorf("name %q, limit %d, %d cores", got.Name, got.MemoryLimit, got.CPUs)
	}
}

func TestTheScopeIsAsked(t *testing.T) {
	r := newRig(t)
	asked := ""
	_, err := r.Container(t.Context(), abi.ContainerHistoryQuery{ID: id(1), Series: []string{"cpu"}, Seconds: 600}, func(name string, _ map[string]string) bool {
		asked = name
		return false
	})
	var told *abi.Error
	if !errors.As(err, &told) || told.Code != abi.Denied || asked != "web" {
		t.Errorf("asked about %q: %v", asked, err)
	}
}

// TestContainersComeAndGo: in memory there is no more than runs, in the store no
// more than the bound.
func TestContainersComeAndGo(t *testing.T) {
	r := newRig(t)
	next := 0
	for range 60 { // half an hour, 40 new ones each half minute
		r.c.samples = nil
		for range 40 {
			next++
			r.c.samples = append(r.c.samples, sampleOf(next, r.now, 1))
		}
		r.SampleContainers(t.Context())
		r.flush(t.Context())
		r.now = r.now.Add(containersEvery)
	}
	if n := len(r.tracks); n > 40*12 {
		t.Errorf("%d tracks", n)
	}
	alive := 0
	for i := range next + 1 {
		for _, at := range []int64{fineContainer.blockAt(noon.Unix()), fineContainer.blockAt(r.now.Unix())} {
			if data, _ := r.store.HistoryBlock("fine", at, containerSource(abi.LocalHost, id(i))); data != nil {
				alive++
				break
			}
		}
	}
	if alive > MaxContainers+40 || alive < MaxContainers/2 {
		t.Errorf("%d containers are kept of %d", alive, next)
	}
}

func TestMoreContainersThanHaveAHistory(t *testing.T) {
	r := newRig(t)
	for i := range MaxContainers + 50 {
		r.c.samples = append(r.c.samples, sampleOf(i, r.now, 1))
	}
	r.c.samples = append(r.c.samples, Sample{Host: "local", ID: "not hexadecimal"})
	r.SampleContainers(t.Context())
	r.flush(t.Context())
	if n := len(r.tracks); n > MaxContainers+1 {
		t.Errorf("%d tracks", n)
	}
	if n := r.logs.FilterField(zap.String("event", "history.full")).Len(); n != 1 {
		t.Errorf("%d lines in the log", n)
	}
	if n := len(r.pending); n > 0 {
		t.Errorf("%d blocks are not written", n)
	}
}

// full is a store whose disk takes nothing.
type full struct{ Store }

var errFull = errors.New("no space left")

func (full) PutHistory(context.Context, string, int64, map[string][]byte) error { return errFull }

func TestADiskThatTakesNothing(t *testing.T) {
	r := newRig(t)
	working := r.cfg.Store
	r.cfg.Store = full{working}
	for range 8 { // hours with 600 containers
		r.c.samples = nil
		for i := range 600 {
			r.c.samples = append(r.c.samples, sampleOf(i, r.now, 1))
		}
		r.SampleContainers(t.Context())
		r.flush(t.Context())
		r.now = r.now.Add(time.Hour)
	}
	if n := len(r.pending); n > maxPending || n < maxPending/2 {
		t.Errorf("%d blocks wait", n)
	}
	lines := r.logs.FilterField(zap.String("event", "history.unwritten"))
	if lines.Len() != 8 || !strings.Contains(fmt.Sprint(lines.All()[0].Context), "no space left") {
		t.Errorf("%d lines in the log", lines.Len())
	}
	r.cfg.Store = working
	r.flush(t.Context())
	if n := len(r.pending); n > 0 {
		t.Errorf("%d blocks wait for a disk with room", n)
	}
}

// TestRunKeepsTime runs the real loops in a bubble: each slot gets its sample,
// and what is not written is written at the end.
func TestRunKeepsTime(t *testing.T) {
	r := newRig(t)
	data := map[string]int{}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		kept := &counting{puts: data, blocks: map[blockKey][]byte{}}
		h := New(Config{Machine: r.m, Store: kept})
		done := make(chan struct{})
		go func() { h.Run(ctx); close(done) }()
		time.Sleep(10*time.Minute + 5*time.Second)
		got, err := h.Machine(ctx, abi.HistoryQuery{Series: []string{"cpu"}, Seconds: 600, Points: 400})
		if err != nil || len(got.Series[0].At) != 60 {
			t.Errorf("%d points, %v", len(got.Series[0].At), err)
		}
		cancel()
		<-done
		if n := len(h.pending); n > 0 {
			t.Errorf("%d blocks are not written", n)
		}
	})
	if n := data["fine"]; n < 10 || n > 12 {
		t.Errorf("written %d times in ten minutes", n)
	}
}

// counting does without the store's own goroutine, which is not in the bubble.
type counting struct {
	puts   map[string]int
	mu     sync.Mutex
	blocks map[blockKey][]byte
}

func (c *counting) HistoryBlock(ring string, at int64, source string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blocks[blockKey{ring, at, source}], nil
}

func (c *counting) PutHistory(_ context.Context, ring string, at int64, blocks map[string][]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.puts[ring]++
	for source, data := range blocks {
		c.blocks[blockKey{ring, at, source}] = data
	}
	return nil
}
func (c *counting) PruneHistory(context.Context, string, int64, int) error { return nil }
func (c *counting) ForgetHistory(context.Context, int) error               { return nil }
