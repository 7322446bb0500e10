package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
)

const oneSample = `{"read":"2026-03-01T12:00:00.5Z","cpu_stats":{"cpu_usage":{"total_usage":1500000000,"percpu_usage":[1,2]},"online_cpus":4},
"memory_stats":{"usage":5000,"limit":9000,"stats":{%s}},"networks":{"eth0":{"rx_bytes":10,"tx_bytes":20},"eth1":{"rx_bytes":1,"tx_bytes":2}},
"blkio_stats":{"io_service_bytes_recursive":[{"op":"Read","value":7},{"op":"write","value":8},{"op":"Total","value":15},{"op":"read","value":1}]},"pids_stats":{"current":3}}`

// running is an engine with these containers; other states are in its list too.
func running(ids ...string) string {
	list := []string{fmt.Sprintf(`{"Id":%q,"State":"paused"}`, strings.Repeat("e", 64)), `{"Id":"../../x","State":"running"}`}
	for _, id := range ids {
		list = append(list, fmt.Sprintf(`{"Id":%q,"Names":["/x"],"State":"running"}`, id))
	}
	return "[" + strings.Join(list, ",") + "]"
}

func TestSamples(t *testing.T) {
	f := newFake(map[string]http.HandlerFunc{
		"/containers/json": body(running(idA, idB)),
		"/containers/" + idA + "/stats": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("one-shot") != "1" || r.URL.Query().Get("stream") != "0" {
				t.Errorf("asked with %q", r.URL.RawQuery)
			}
			body(fmt.Sprintf(oneSample, `"inactive_file":1000`))(w, r)
		},
		"/containers/" + idB + "/stats": body(fmt.Sprintf(oneSample, `"total_inactive_file":2000,"inactive_file":1`)),
	})
	got, err := newClient(t, f.serve(t)).Samples(t.Context())
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	slices.SortFunc(got, func(a, b Sample) int { return strings.Compare(a.ID, b.ID) })
	want := Sample{Host: "local", ID: idA, At: time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC), CPU: 1500 * time.Millisecond, CPUs: 4,
		Memory: 4000, Limit: 9000, NetworkIn: 11, NetworkOut: 22, BlockRead: 8, BlockWrite: 8}
	if got[0] != want {
		t.Errorf("got  %+v\nwant %+v", got[0], want)
	}
	if got[1].ID != idB || got[1].Memory != 3000 {
		t.Errorf("cgroup v1: %+v", got[1])
	}
}

// TestSamplesLeaveOutWhatThereIsNot: one that ended between the list and its turn,
// and whatever makes no sense, costs the others nothing.
func TestSamplesLeaveOutWhatThereIsNot(t *testing.T) {
	stats := map[string]http.HandlerFunc{}
	var ids []string
	for i, answer := range []string{
		`{"read":"0001-01-01T00:00:00Z"}`, `{`, `[]`, `{"read":5}`, "", `{"read":"2026-03-01T12:00:00Z"}`,
		`{"read":"2026-03-01T12:00:00Z","cpu_stats":{"cpu_usage":{"total_usage":18446744073709551615}},"memory_stats":{"usage":18446744073709551615}}`,
	} {
		id := fmt.Sprintf("%064x", i)
		ids = append(ids, id)
		stats["/containers/"+id+"/stats"] = body(answer)
	}
	ids = append(ids, idA) // which the engine does not know
	stats["/containers/json"] = body(running(ids...))
	got, err := newClient(t, newFake(stats).serve(t)).Samples(t.Context())
	if err != nil || len(got) != 1 || got[0].CPU < 0 || got[0].Memory < 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestSamplesOfSeveralEngines: one that is away, and one that hangs in the middle,
// hold up nobody, and what the others said is there.
func TestSamplesOfSeveralEngines(t *testing.T) {
	var many []string
	for i := range 500 {
		many = append(many, fmt.Sprintf("%064x", i))
	}
	var asked atomic.Int64
	hanging := map[string]http.HandlerFunc{"/containers/json": body(running(many...))}
	for _, id := range many {
		hanging["/containers/"+id+"/stats"] = func(_ http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			<-r.Context().Done()
		}
	}
	well := newFake(map[string]http.HandlerFunc{
		"/containers/json": body(running(idA)), "/containers/" + idA + "/stats": body(fmt.Sprintf(oneSample, "")),
	})
	c := newClientWith(t, Config{Timeout: 300 * time.Millisecond, Hosts: []string{
		"unix://" + filepath.Join(t.TempDir(), "nobody.sock"), well.serve(t), newFake(hanging).serve(t),
	}})
	begin := time.Now()
	got, err := c.Samples(t.Context())
	if len(got) != 1 || got[0].ID != idA || got[0].Host == "local" {
		t.Errorf("%+v", got)
	}
	if codeOf(err) != abi.Unavailable {
		t.Errorf("error %v", err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if n := asked.Load(); n > 2*samplesAtOnce {
		t.Errorf("an engine that hangs was asked %d times", n)
	}
}

// TestEachHasItsTurn: with more containers than a round has time for, the next
// round begins with those that were left.
func TestEachHasItsTurn(t *testing.T) {
	const n = 3 * samplesAtOnce
	var ids []string
	var round, asked atomic.Int64
	paths := map[string]http.HandlerFunc{}
	var cancel atomic.Value
	for i := range n {
		id := fmt.Sprintf("%064x", i)
		ids = append(ids, id)
		paths["/containers/"+id+"/stats"] = func(w http.ResponseWriter, r *http.Request) {
			if round.Load() == 0 && asked.Add(1) == samplesAtOnce {
				cancel.Load().(context.CancelFunc)()
			}
			if round.Load() == 0 {
				<-r.Context().Done() // until the round is over
				return
			}
			body(fmt.Sprintf(oneSample, ""))(w, r)
		}
	}
	paths["/containers/json"] = body(running(ids...))
	c := newClient(t, newFake(paths).serve(t))
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	cancel.Store(stop)
	if _, err := c.Samples(ctx); !errors.Is(err, errRound) || c.endpoints[0].away.Load() {
		t.Errorf("a round that was cut short: %v, the engine is away: %v", err, c.endpoints[0].away.Load())
	}
	round.Add(1)
	first := c.endpoints[0].turn.Load()
	if first != samplesAtOnce {
		t.Errorf("the next round begins with %d", first)
	}
	if got, err := c.Samples(t.Context()); err != nil || len(got) != n {
		t.Errorf("%d samples, %v", len(got), err)
	}
}

func TestSamplesOfTheRealEngine(t *testing.T) {
	c := newClientWith(t, Config{Hosts: []string{dockertest.Engine(t)}})
	id := dockertest.Run(t, dockertest.Container{Args: []string{"burn", "1"}})
	find := func() Sample {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		all, err := c.Samples(ctx)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(s Sample) bool { return s.ID == id })
		if i < 0 {
			t.Fatalf("%.12s is not among %d samples", id, len(all))
		}
		return all[i]
	}
	first, second := find(), find()
	if first.Memory <= 0 || first.CPUs < 1 || second.CPU <= first.CPU || !second.At.After(first.At) {
		t.Errorf("first %+v\nsecond %+v", first, second)
	}
	got, name, err := c.Identify(t.Context(), abi.ContainerRef{ID: id}, anything)
	if err != nil || got != id || name == "" {
		t.Errorf("identified %q, %q, %v", got, name, err)
	}
	if _, _, err := c.Identify(t.Context(), abi.ContainerRef{ID: name}, func(string, map[string]string) bool { return false }); codeOf(err) != abi.Denied {
		t.Errorf("outside of the scope: %v", err)
	}
}

// BenchmarkSamples takes one round over 50 containers of the real engine. ns/op
// is how long a round takes, which is mostly waiting; cpu-ms/round is what this
// process spends, engine-ms/round what the engine does.
func BenchmarkSamples(b *testing.B) {
	host := dockertest.Engine(b)
	const n = 50
	dockertest.RunMany(b, n, func(int) dockertest.Container {
		return dockertest.Container{Adjust: func(_ *container.Config, h *container.HostConfig) { h.NetworkMode = "bridge" }}
	})
	c := newClientWith(b, Config{Hosts: []string{host}})
	if _, err := c.Samples(b.Context()); err != nil {
		b.Fatal(err)
	}
	ours, theirs := ownCPU(b), engineCPU(b)
	rounds := 0
	for b.Loop() {
		got, err := c.Samples(b.Context())
		if err != nil || len(got) < n {
			b.Fatalf("%d samples, %v", len(got), err)
		}
		rounds++
	}
	b.ReportMetric(float64((ownCPU(b)-ours).Microseconds())/1000/float64(rounds), "cpu-ms/round")
	b.ReportMetric(float64((engineCPU(b)-theirs).Microseconds())/1000/float64(rounds), "engine-ms/round")
}

func ownCPU(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// engineCPU is the processor time of dockerd, or 0 if its process cannot be seen.
func engineCPU(tb testing.TB) time.Duration {
	tb.Helper()
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, name := range names {
		if comm, err := os.ReadFile(name); err != nil || strings.TrimSpace(string(comm)) != "dockerd" {
			continue
		}
		stat, err := os.ReadFile(filepath.Join(filepath.Dir(name), "stat"))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		user, _ := strconv.Atoi(fields[11])
		system, _ := strconv.Atoi(fields[12])
		return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
	}
	return 0
}
