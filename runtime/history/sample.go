package history

import (
	"context"
	"math"
	"strings"
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
	values, cores := h.machineNow(ctx, at)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cores = cores
	h.record(machineSource, fineMachine, at.Unix(), values)
}

func (h *History) machineNow(ctx context.Context, at time.Time) (values []float64, cores int) {
	cpu, load, memory, swap, full := unknown, unknown, unknown, unknown, unknown
	if info, err := h.cfg.Machine.CPU(ctx); err == nil {
		cpu, cores = info.Percent, info.Logical
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
		read, write = h.disk.rates(at, diskCounters(info))
	}
	in, out := unknown, unknown
	if info, err := h.cfg.Machine.Network(ctx); err == nil {
		in, out = h.network.rates(at, networkCounters(info))
	}
	return []float64{cpu, load, memory, swap, full, read, write, in, out}, cores
}

// diskCounters are those of whole disks. What lies on top of them, partitions,
// mapped and assembled devices, would count the same bytes again.
func diskCounters(info abi.DiskIOInfo) map[string][2]uint64 {
	out := map[string][2]uint64{}
	for _, d := range info.Devices {
		if !stacked(d.Name) {
			out[d.Name] = [2]uint64{d.ReadBytes, d.WriteBytes}
		}
	}
	for name := range out {
		if whole, ok := partitionOf(name); ok {
			if _, ok := out[whole]; ok {
				delete(out, name)
			}
		}
	}
	return out
}

// partitionOf returns the disk that a partition is named after: sda for sda1,
// nvme0n1 for nvme0n1p2.
func partitionOf(name string) (whole string, ok bool) {
	whole = strings.TrimRight(name, "0123456789")
	if whole == name {
		return "", false
	}
	if disk, ok := strings.CutSuffix(whole, "p"); ok && disk != "" && strings.ContainsAny(disk[len(disk)-1:], "0123456789") {
		return disk, true
	}
	return whole, true
}

func stacked(device string) bool {
	for _, prefix := range []string{"dm-", "md", "loop", "ram", "zram", "sr"} {
		if strings.HasPrefix(device, prefix) {
			return true
		}
	}
	return false
}

// networkCounters are those of the machine's own interfaces. What containers
// send goes through their interfaces, their bridge, and one of these.
func networkCounters(info abi.NetworkInfo) map[string][2]uint64 {
	out := map[string][2]uint64{}
	for _, i := range info.Interfaces {
		if !i.Loopback && !inner(i.Name) {
			out[i.Name] = [2]uint64{i.BytesIn, i.BytesOut}
		}
	}
	return out
}

func inner(iface string) bool {
	for _, prefix := range []string{"veth", "docker", "br-", "virbr", "vnet", "cni", "cali", "flannel", "lxc"} {
		if strings.HasPrefix(iface, prefix) {
			return true
		}
	}
	return false
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

// meter makes rates of pairs of counters. The zero value is ready; it is for one
// goroutine.
type meter[K comparable] struct {
	at   time.Time
	last map[K][2]uint64
}

// rates returns the sums of what the counters rose by since the last call, a
// second. A counter that is new or went backwards adds nothing.
func (m *meter[K]) rates(at time.Time, now map[K][2]uint64) (first, second float64) {
	seconds := at.Sub(m.at).Seconds()
	last := m.last
	m.at, m.last = at, now
	if last == nil || seconds <= 0 || seconds > longestWindow.Seconds() {
		return unknown, unknown
	}
	var sum [2]float64
	for k, n := range now {
		before, ok := last[k]
		for i := range sum {
			if ok && n[i] >= before[i] {
				sum[i] += float64(n[i] - before[i])
			}
		}
	}
	return sum[0] / seconds, sum[1] / seconds
}
