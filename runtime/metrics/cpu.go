package metrics

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// CPU returns the processors' use over a window that ends now: since the call
// before, if that was 200 ms to 60 s ago; otherwise over 250 ms that the call
// waits for.
func (r *Reader) CPU(ctx context.Context) (abi.CPUInfo, error) {
	s, err := r.cpu.measure(ctx)
	if err != nil {
		return abi.CPUInfo{}, fail("its processors", err)
	}
	out := cpuUse(s.from, s.to)
	out.WindowMS = s.length.Milliseconds()
	if text, err := r.proc("cpuinfo"); err == nil {
		out.Model, out.MHz, out.Physical = parseCPUInfo(text)
	}
	return out, nil
}

// ticks are the columns of a line of /proc/stat: user, nice, system, idle,
// iowait, irq, softirq, steal, in USER_HZ. The two after them, for guests, are
// part of user and nice already.
type ticks [8]uint64

const (
	tickUser = iota
	tickNice
	tickSystem
	tickIdle
	tickIOWait
	tickIRQ
	tickSoftIRQ
	tickSteal
)

// cpuSample is /proc/stat: all processors together, and each by its number.
type cpuSample struct {
	all  ticks
	core map[int]ticks
}

func (r *Reader) sampleCPU() (cpuSample, error) {
	text, err := r.proc("stat")
	if err != nil {
		return cpuSample{}, err
	}
	return parseStat(text)
}

var errNoCPU = errors.New("no processor in /proc/stat")

// parseStat reads the cpu lines, which come first: what follows, one counter
// for each interrupt, is many kilobytes on a big machine.
func parseStat(text string) (cpuSample, error) {
	s := cpuSample{core: make(map[int]ticks)}
	for line := range strings.Lines(text) {
		id, ok := strings.CutPrefix(line, "cpu")
		if !ok {
			break
		}
		id, columns, _ := strings.Cut(id, " ")
		t, ok := parseTicks(columns)
		if !ok {
			continue
		}
		if id == "" {
			s.all = t
		} else if n, err := strconv.Atoi(id); err == nil && n >= 0 {
			s.core[n] = t
		}
	}
	if len(s.core) == 0 {
		return cpuSample{}, errNoCPU
	}
	return s, nil
}

func parseTicks(columns string) (t ticks, ok bool) {
	for i, f := range strings.Fields(columns) {
		if i == len(t) {
			break
		}
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return ticks{}, false
		}
		t[i], ok = n, i >= tickIdle // what Linux 2.4 had is enough
	}
	return t, ok
}

func cpuUse(from, to cpuSample) abi.CPUInfo {
	d, total := difference(from.all, to.all)
	out := abi.CPUInfo{Percent: busy(d, total), PerCore: []float64{}, Logical: len(to.core)}
	for _, n := range slices.Sorted(maps.Keys(to.core)) {
		before, ok := from.core[n]
		if !ok {
			before = to.core[n] // just switched on: nothing is known yet
		}
		out.PerCore = append(out.PerCore, busy(difference(before, to.core[n])))
	}
	share := func(i int) float64 { return percent(float64(d[i]), total) }
	out.Times = abi.CPUTimes{
		User: share(tickUser), Nice: share(tickNice), System: share(tickSystem), Idle: share(tickIdle),
		IOWait: share(tickIOWait), IRQ: share(tickIRQ), SoftIRQ: share(tickSoftIRQ), Steal: share(tickSteal),
	}
	return out
}

// difference allows for counters that step back: the kernel says so of iowait,
// and a processor that was switched off starts anew.
func difference(from, to ticks) (d ticks, total float64) {
	for i := range d {
		d[i] = less(to[i], from[i])
		total += float64(d[i])
	}
	return d, total
}

func busy(d ticks, total float64) float64 {
	return percent(total-float64(d[tickIdle])-float64(d[tickIOWait]), total)
}

// parseCPUInfo returns the model, the mean frequency now, and how many cores
// there are without counting threads (0: the file does not say).
func parseCPUInfo(text string) (model string, mhz float64, physical int) {
	var sum float64
	var clocks int
	var pkg string
	cores := make(map[string]struct{})
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "model name", "Model": // the latter: boards with ARM
			if model == "" {
				model = foreign.Line(value, 128)
			}
		case "cpu MHz":
			if f, err := strconv.ParseFloat(value, 64); err == nil && f > 0 && f < 1e6 {
				sum, clocks = sum+f, clocks+1
			}
		case "processor":
			pkg = ""
		case "physical id":
			pkg = value
		case "core id":
			cores[pkg+"/"+value] = struct{}{}
		}
	}
	if clocks > 0 {
		mhz = sum / float64(clocks)
	}
	return model, mhz, len(cores)
}
