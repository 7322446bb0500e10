package history

import (
	"context"
	"math"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// The order of series in a block. It is in the store: add at the end.
var (
	machineSeries = []string{
		abi.SeriesCPU, abi.SeriesLoad1, abi.SeriesMemory, abi.SeriesSwap, abi.SeriesDisk,
		abi.SeriesDiskRead, abi.SeriesDiskWrite, abi.SeriesNetworkIn, abi.SeriesNetworkOut,
	}
	containerSeries = []string{
		abi.SeriesContainerCPU, abi.SeriesContainerMemory, abi.SeriesContainerIn, abi.SeriesContainerOut,
		abi.SeriesContainerRead, abi.SeriesContainerWrite,
	}
)

var unknown = math.NaN()

// SampleMachine measures the machine once. What cannot be measured is a gap; the
// view of that kind says why.
func (h *History) SampleMachine(ctx context.Context) {
	if h.cfg.Machine == nil {
		return
	}
	h.measuring.Lock()
	defer h.measuring.Unlock()
	at := h.cfg.Now()
	values, cores, err := h.machineNow(ctx, at)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cores = cores
	if slices.ContainsFunc(values, func(v float64) bool { return !math.IsNaN(v) }) {
		h.sampled = at
	} else {
		h.failure = err
	}
	h.record(machineSource, fineMachine, at.Unix(), values)
}

// Condition is how the sampler of the machine does: when it last measured
// anything, the time between two samples, and why it last measured nothing.
func (h *History) Condition() (last time.Time, every time.Duration, failure error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sampled, machineEvery, h.failure
}

// machineNow has an error of the first kind of figures, for when there are none.
func (h *History) machineNow(ctx context.Context, at time.Time) (values []float64, cores int, err error) {
	cpu, load, memory, swap, full := unknown, unknown, unknown, unknown, unknown
	used, err := h.cfg.Machine.CPU(ctx)
	if err == nil {
		cpu, cores = used.Percent, used.Logical
	}
	if info, err := h.cfg.Machine.Host(ctx); err == nil {
		load = info.Load1
	}
	if info, err := h.cfg.Machine.Memory(ctx); err == nil {
		memory = info.Percent
		if info.Swap.Total > 0 {
			swap = info.Swap.Percent
		}
	}
	if info, err := h.cfg.Machine.Disk(ctx); err == nil && len(info.Mounts) > 0 {
		full = 0
		for _, m := range info.Mounts {
			full = max(full, m.Percent)
		}
	}
	read, write := unknown, unknown
	if info, err := h.cfg.Machine.DiskIO(ctx); err == nil {
		read, write = h.diskRates(at, info)
	}
	in, out := unknown, unknown
	if info, err := h.cfg.Machine.Traffic(ctx); err == nil {
		in, out = h.networkRates(at, info)
	}
	return []float64{cpu, load, memory, swap, full, read, write, in, out}, cores, err
}

// diskRates are of all disks together, each byte once: of counters that a view
// sums up in the same way.
func (h *History) diskRates(at time.Time, info abi.DiskIOInfo) (read, write float64) {
	now := make(map[string][2]uint64, len(info.Devices))
	for _, d := range info.Devices {
		now[d.Name] = [2]uint64{d.ReadBytes, d.WriteBytes}
	}
	rises, seconds := h.disk.rises(at, now)
	rose := abi.DiskIOInfo{Devices: slices.Clone(info.Devices)}
	for i := range rose.Devices {
		d := &rose.Devices[i]
		d.ReadBytes, d.WriteBytes = rises[d.Name][0], rises[d.Name][1]
	}
	sum := rose.Total()
	return perSecond(sum.ReadBytes, seconds), perSecond(sum.WriteBytes, seconds)
}

// networkRates are of what the machine exchanges with others, each byte once.
func (h *History) networkRates(at time.Time, info abi.NetworkInfo) (in, out float64) {
	now := make(map[string][2]uint64, len(info.Interfaces))
	for _, i := range info.Interfaces {
		now[i.Name] = [2]uint64{i.BytesIn, i.BytesOut}
	}
	rises, seconds := h.network.rises(at, now)
	rose := abi.NetworkInfo{Interfaces: slices.Clone(info.Interfaces)}
	for n := range rose.Interfaces {
		i := &rose.Interfaces[n]
		i.BytesIn, i.BytesOut = rises[i.Name][0], rises[i.Name][1]
	}
	sum := rose.Total()
	return perSecond(sum.BytesIn, seconds), perSecond(sum.BytesOut, seconds)
}

// perSecond is bytes a second; unknown for a span without a length.
func perSecond(bytes uint64, seconds float64) float64 {
	if seconds <= 0 {
		return unknown
	}
	return float64(bytes) / seconds
}

// SampleContainers measures every running container once.
func (h *History) SampleContainers(ctx context.Context) {
	if h.cfg.Containers == nil {
		return
	}
	at := h.cfg.Now()
	// An engine that does not answer is logged where it is asked.
	samples, _ := h.cfg.Containers.Samples(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	left := 0
	for _, s := range samples {
		source := containerSource(s.Host, s.ID)
		t := h.tracks[source]
		switch {
		case source == "" || t == nil && len(h.tracks) > MaxContainers:
			left++
			continue
		case t == nil:
			t = &track{}
			h.tracks[source] = t
		}
		h.record(source, fineContainer, at.Unix(), t.since(s))
		t.seen = at
	}
	if left > 0 {
		h.cfg.Log.Warn("more containers run than have a history", zap.String("event", "history.full"), zap.Int("left_out", left), zap.Int("most", MaxContainers))
	}
	for source, t := range h.tracks {
		// A container that is stopped, or whose engine was away, may come back.
		if age := at.Sub(t.seen); source != machineSource && (age > longestWindow || age < -longestWindow) {
			delete(h.tracks, source)
		}
	}
}

// longestWindow is how far two samples may be apart to make a rate of them.
const longestWindow = 5 * time.Minute

// since returns what a container used between its last sample and this one.
func (t *track) since(s Sample) []float64 {
	last := t.last
	t.last, t.limit, t.cpus = s, s.Limit, s.CPUs
	seconds := s.At.Sub(last.At).Seconds()
	rate := func(before, now float64) float64 {
		if seconds <= 0 || seconds > longestWindow.Seconds() || now < before { // started anew
			return unknown
		}
		return (now - before) / seconds
	}
	bytes := func(before, now int64) float64 { return rate(float64(before), float64(now)) }
	return []float64{
		100 * rate(last.CPU.Seconds(), s.CPU.Seconds()), float64(max(s.Memory, 0)),
		bytes(last.NetworkIn, s.NetworkIn), bytes(last.NetworkOut, s.NetworkOut),
		bytes(last.BlockRead, s.BlockRead), bytes(last.BlockWrite, s.BlockWrite),
	}
}

// meter compares pairs of counters, by the device that they are of, with those of
// the last sample. The zero value is ready; it is for one goroutine.
type meter struct {
	at   time.Time
	last map[string][2]uint64
}

// rises is by how much the counters rose since the last call, and in how many
// seconds; 0 seconds: that is not known. A counter that is new or went backwards
// rose by nothing.
func (m *meter) rises(at time.Time, now map[string][2]uint64) (rose map[string][2]uint64, seconds float64) {
	seconds = at.Sub(m.at).Seconds()
	last := m.last
	m.at, m.last = at, now
	if last == nil || seconds <= 0 || seconds > longestWindow.Seconds() {
		return nil, 0
	}
	rose = make(map[string][2]uint64, len(now))
	for device, n := range now {
		before, ok := last[device]
		var rise [2]uint64
		for i := range n {
			if ok && n[i] >= before[i] {
				rise[i] = n[i] - before[i]
			}
		}
		rose[device] = rise
	}
	return rose, seconds
}
