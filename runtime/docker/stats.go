package docker

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Stats returns what a running container uses now; [abi.Conflict] if it does
// not run, otherwise the errors of [Client.Inspect].
//
// Use of the processor needs two samples. What engine 20.10.24 gives, measured:
//
//	stream=0             1.0–2.0 s  waits for the second tick of its own 1 s collector
//	stream=1, 2 frames   1.0–2.0 s  the same
//	stream=0&one-shot=1  0.0–1.0 s  waits for the next tick; one sample
//
// Newer engines sample at once for one-shot. So one-shot is asked twice, at
// least SampleInterval apart: never slower than the other two, a quarter of a
// second on a new engine; and once if the sample of a call before is still
// recent, as it is when a user taps "refresh". Engines before API 1.41 ignore
// one-shot and send two samples in one answer, which are then used.
func (c *Client) Stats(ctx context.Context, ref abi.ContainerRef, keep Keep) (abi.ContainerStats, error) {
	e, ctx, cancel, err := c.begin(ctx, ref.Host)
	if err != nil {
		return abi.ContainerStats{}, err
	}
	defer cancel()
	got, err := e.resolve(ctx, ref.ID, keep)
	if err != nil {
		return abi.ContainerStats{}, err
	}
	name := displayName(bareName(got.Name), got.ID)
	if got.State == nil || !got.State.Running {
		return abi.ContainerStats{}, notRunning(name, nil)
	}
	return c.measure(ctx, e, got.ID, name)
}

// measure returns what the container with that id uses, once for all who ask
// within [Config.Fresh].
func (c *Client) measure(ctx context.Context, e *endpoint, id, name string) (abi.ContainerStats, error) {
	stats, err := c.measured.get(ctx, e.name+"/"+id, func(ctx context.Context) (abi.ContainerStats, error) {
		from, to, err := c.twoSamples(ctx, e, id)
		if err != nil {
			return abi.ContainerStats{}, err
		}
		if to.Read.IsZero() || to.PidsStats.Current == 0 && to.MemoryStats.Usage == 0 {
			return abi.ContainerStats{}, notRunning(name, nil) // it ended meanwhile
		}
		return statsOf(from, to), nil
	})
	if err != nil && codeOf(err) == abi.Internal {
		err = e.explain(ctx, "stats", err)
	}
	return stats, err
}

func notRunning(name string, cause error) *Error {
	return fail(abi.Conflict, "The container "+name+" is not running.", cause)
}

// twoSamples returns the start of the window for the processor's use, and the
// newest sample.
func (c *Client) twoSamples(ctx context.Context, e *endpoint, id string) (from usage, to container.StatsResponse, err error) {
	if to, err = e.sample(ctx, id); err != nil {
		return from, to, err
	}
	from, known := c.samples.swap(e.name+"/"+id, usageOf(to), c.interval)
	switch {
	case !to.PreRead.IsZero():
		return usage{to.PreRead, to.PreCPUStats.CPUUsage.TotalUsage, to.PreCPUStats.SystemUsage}, to, nil
	case known, to.Read.IsZero():
		return from, to, nil
	}
	from = usageOf(to)
	if err = sleep(ctx, c.interval); err != nil {
		return from, to, e.explain(ctx, "stats", err)
	}
	if to, err = e.sample(ctx, id); err == nil {
		c.samples.swap(e.name+"/"+id, usageOf(to), c.interval)
	}
	return from, to, err
}

func (e *endpoint) sample(ctx context.Context, id string) (container.StatsResponse, error) {
	var got container.StatsResponse
	err := e.ask(ctx, "stats", func(cli *client.Client) error {
		answer, err := cli.ContainerStatsOneShot(ctx, id)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		got = container.StatsResponse{}
		if err := json.NewDecoder(answer.Body).Decode(&got); err != nil {
			return err
		}
		if got.ID != "" && got.ID != id {
			return errNonsense
		}
		return nil
	})
	if codeOf(err) == abi.NotFound {
		err = fail(abi.NotFound, "There is no such container (any more).", err)
	}
	return got, err
}

// usage is a container's processor time at a moment of the engine's clock.
type usage struct {
	at     time.Time
	total  uint64 // nanoseconds of all its processes
	system uint64 // nanoseconds of the whole machine, all cores; in steps of 10 ms
}

func usageOf(s container.StatsResponse) usage {
	return usage{s.Read, s.CPUStats.CPUUsage.TotalUsage, s.CPUStats.SystemUsage}
}

func statsOf(from usage, s container.StatsResponse) abi.ContainerStats {
	cpus := int(s.CPUStats.OnlineCPUs)
	if cpus == 0 { // engines before 17.04
		cpus = len(s.CPUStats.CPUUsage.PercpuUsage)
	}
	cpus = min(max(cpus, 1), 8192) // Linux's own bound
	out := abi.ContainerStats{
		CPUPercent:  cpuPercent(from, usageOf(s), cpus),
		CPUs:        cpus,
		MemoryUsed:  bytesOf(memoryUsed(s.MemoryStats)),
		MemoryLimit: bytesOf(s.MemoryStats.Limit),
		PIDs:        int(min(s.PidsStats.Current, math.MaxInt32)),
	}
	var in, sent, read, written uint64
	for _, n := range s.Networks {
		in, sent = add(in, n.RxBytes), add(sent, n.TxBytes)
	}
	for _, b := range s.BlkioStats.IoServiceBytesRecursive {
		switch strings.ToLower(b.Op) {
		case "read":
			read = add(read, b.Value)
		case "write":
			written = add(written, b.Value)
		}
	}
	out.NetworkIn, out.NetworkOut = bytesOf(in), bytesOf(sent)
	out.BlockRead, out.BlockWrite = bytesOf(read), bytesOf(written)
	return out
}

// cpuPercent divides by the engine's clock, not by the machine's processor time
// as `docker stats` does: over a quarter of a second the 10 ms steps of the
// latter are an error of several percent. It is the fallback where the clock
// was set meanwhile.
func cpuPercent(from, to usage, cpus int) float64 {
	if to.total < from.total {
		return 0 // started anew
	}
	used := float64(to.total - from.total)
	window := float64(to.at.Sub(from.at))
	if (window <= 0 || window > float64(time.Hour)) && to.system > from.system {
		window = float64(to.system-from.system) / float64(cpus)
	}
	if window <= 0 {
		return 0
	}
	return min(used/window*100, float64(cpus)*100)
}

// memoryUsed leaves out the page cache that the kernel would give back first,
// as `docker stats` does. The statistic is total_inactive_file on cgroup v1
// and inactive_file on v2.
func memoryUsed(m container.MemoryStats) uint64 {
	cache, ok := m.Stats["total_inactive_file"]
	if !ok {
		cache = m.Stats["inactive_file"]
	}
	if cache >= m.Usage {
		return m.Usage
	}
	return m.Usage - cache
}

func bytesOf(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

func add(a, b uint64) uint64 {
	if a+b < a {
		return math.MaxUint64
	}
	return a + b
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// samples remembers the newest sample of some containers, by host and id.
type samples struct {
	mu   sync.Mutex
	last map[string]usage
}

const (
	maxSamples = 2048
	recent     = 15 * time.Second // a longer window would not be "now"
)

// swap stores a sample and returns the one before, if a window from there to
// the new one is long and short enough and the container was not restarted.
func (s *samples) swap(key string, now usage, least time.Duration) (usage, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, ok := s.last[key]
	window := now.at.Sub(before.at)
	ok = ok && window >= least && window <= recent && now.total >= before.total
	if now.at.IsZero() {
		return usage{}, false
	}
	if len(s.last) >= maxSamples || s.last == nil {
		s.last = make(map[string]usage) // losing them costs one longer call each
	}
	s.last[key] = now
	return before, ok
}
