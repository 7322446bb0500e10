package docker

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func TestCPUPercentIsOfOneCore(t *testing.T) {
	sec := uint64(time.Second)
	for name, tc := range map[string]struct {
		from, to usage
		want     float64
	}{
		"half a core":               {usage{noon, 0, 0}, usage{noon.Add(time.Second), sec / 2, 0}, 50},
		"two cores of four":         {usage{noon, sec, 0}, usage{noon.Add(time.Second), 3 * sec, 0}, 200},
		"never above all cores":     {usage{noon, 0, 0}, usage{noon.Add(time.Second), 99 * sec, 0}, 400},
		"idle":                      {usage{noon, sec, 0}, usage{noon.Add(time.Second), sec, 0}, 0},
		"started anew":              {usage{noon, sec, 0}, usage{noon.Add(time.Second), 0, 0}, 0},
		"no time passed":            {usage{noon, 0, 0}, usage{noon, sec, 0}, 0},
		"clock set back: system":    {usage{noon, 0, 0}, usage{noon.Add(-time.Minute), sec, 4 * sec}, 100},
		"clock set forward: system": {usage{noon, 0, 0}, usage{noon.AddDate(1, 0, 0), sec, 8 * sec}, 50},
	} {
		if got := cpuPercent(tc.from, tc.to, 4); math.Abs(got-tc.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestMemoryUsedLeavesOutTheCache(t *testing.T) {
	for name, tc := range map[string]struct {
		stats map[string]uint64
		want  uint64
	}{
		"cgroup v1":                  {map[string]uint64{"total_inactive_file": 300, "inactive_file": 1}, 700},
		"cgroup v2":                  {map[string]uint64{"inactive_file": 100}, 900},
		"no statistics":              {nil, 1000},
		"more cache than is counted": {map[string]uint64{"inactive_file": 5000}, 1000},
	} {
		if got := memoryUsed(container.MemoryStats{Usage: 1000, Stats: tc.stats}); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}

func TestStatsOfAbsurdNumbers(t *testing.T) {
	s := container.StatsResponse{
		MemoryStats: container.MemoryStats{Usage: math.MaxUint64, Limit: math.MaxUint64},
		PidsStats:   container.PidsStats{Current: math.MaxUint64},
		Networks:    map[string]container.NetworkStats{"a": {RxBytes: math.MaxUint64}, "b": {RxBytes: 5, TxBytes: 7}},
		BlkioStats: container.BlkioStats{IoServiceBytesRecursive: []container.BlkioStatEntry{
			{Op: "Read", Value: 10}, {Op: "read", Value: 5}, {Op: "WRITE", Value: 3}, {Op: "Total", Value: 18}}},
		CPUStats: container.CPUStats{OnlineCPUs: math.MaxUint32},
	}
	want := abi.ContainerStats{CPUs: 8192, MemoryUsed: math.MaxInt64, MemoryLimit: math.MaxInt64,
		NetworkIn: math.MaxInt64, NetworkOut: 7, BlockRead: 15, BlockWrite: 3, PIDs: math.MaxInt32}
	if got := statsOf(usage{}, s); got != want {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

// sampler answers stats of one container with half a core in use; each request
// finds the engine's clock a little later.
func sampler(step time.Duration, extra string) (*fake, *atomic.Int64) {
	n := &atomic.Int64{}
	return newFake(map[string]http.HandlerFunc{
		"/containers/web/json": body(`{"Id":"` + idA + `","Name":"/web","State":{"Status":"running","Running":true}}`),
		"/containers/" + idA + "/stats": func(w http.ResponseWriter, r *http.Request) {
			at := time.Duration(n.Add(1)) * step
			fmt.Fprintf(w, `{"id":"%s","read":%q,"pids_stats":{"current":1},"memory_stats":{"usage":5},"cpu_stats":{"online_cpus":2,"cpu_usage":{"total_usage":%d}}%s}`,
				idA, noon.Add(at).Format(time.RFC3339Nano), at/2, extra)
		},
	}), n
}

func TestASecondSampleIsTakenOnlyWhenOneIsNeeded(t *testing.T) {
	for name, tc := range map[string]struct {
		step  time.Duration // of the engine's clock, from request to request
		extra string
		want  []int64 // requests after each of three calls
	}{
		"refresh after a second":      {time.Second, "", []int64{2, 3, 4}},
		"the sample before is stale":  {time.Minute, "", []int64{2, 4, 6}},
		"the sample before too young": {time.Microsecond, "", []int64{2, 4, 6}},
		"an engine that sends two":    {time.Second, `,"preread":"2029-01-01T00:00:00Z"`, []int64{1, 2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			f, n := sampler(tc.step, tc.extra)
			c := newClientWith(t, Config{Hosts: []string{f.serve(t)}, SampleInterval: time.Millisecond})
			for i, want := range tc.want {
				got, err := c.Stats(context.Background(), abi.ContainerRef{ID: "web"}, anything)
				if err != nil {
					t.Fatal(err)
				}
				if tc.extra == "" && math.Abs(got.CPUPercent-50) > 0.1 {
					t.Errorf("call %d: %v %%, want 50", i+1, got.CPUPercent)
				}
				if n.Load() != want {
					t.Errorf("call %d: %d requests in all, want %d", i+1, n.Load(), want)
				}
			}
		})
	}
}

func TestStatsThatAnEngineMayGive(t *testing.T) {
	for name, tc := range map[string]struct {
		json string
		want abi.Code
	}{
		"of another container": {`{"id":"` + idB + `","read":"2030-01-01T12:00:00Z","pids_stats":{"current":1}}`, abi.Unavailable},
		"garbage":              {`]`, abi.Unavailable},
		"negative":             {`{"pids_stats":{"current":-1}}`, abi.Unavailable},
		"ended meanwhile":      {`{"id":"` + idA + `"}`, abi.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := sampler(time.Second, "")
			f.paths["/containers/"+idA+"/stats"] = body(tc.json)
			c := newClientWith(t, Config{Hosts: []string{f.serve(t)}, SampleInterval: time.Millisecond})
			_, err := c.Stats(context.Background(), abi.ContainerRef{ID: "web"}, anything)
			wantCode(t, err, tc.want)
		})
	}
}

func TestSamplesAreBounded(t *testing.T) {
	var s samples
	for i := range 10 * maxSamples {
		s.swap(fmt.Sprint(i), usage{at: noon}, 0)
		if len(s.last) > maxSamples {
			t.Fatalf("%d samples are kept", len(s.last))
		}
	}
}
