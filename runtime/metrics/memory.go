package metrics

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Memory returns the machine's memory at this moment. Used is what is not
// available, as free(1) has it; Cached holds what the kernel can reclaim of
// its own caches.
func (r *Reader) Memory(context.Context) (abi.MemoryInfo, error) {
	text, err := r.proc("meminfo")
	if err != nil {
		return abi.MemoryInfo{}, fail("its memory", err)
	}
	out, err := parseMemInfo(text)
	if err != nil {
		return abi.MemoryInfo{}, fail("its memory", err)
	}
	if text, err := r.proc("vmstat"); err == nil {
		out.Swap.In, out.Swap.Out = parseSwapTraffic(text, uint64(os.Getpagesize()))
	}
	return out, nil
}

var errNoMemory = errors.New("no MemTotal in /proc/meminfo")

func parseMemInfo(text string) (abi.MemoryInfo, error) {
	m := parseSizes(text)
	out := abi.MemoryInfo{
		Total: m["MemTotal"], Free: m["MemFree"],
		Active: m["Active"], Inactive: m["Inactive"],
		Cached: m["Cached"] + m["SReclaimable"], Buffers: m["Buffers"], Shared: m["Shmem"],
	}
	if out.Total == 0 {
		return abi.MemoryInfo{}, errNoMemory
	}
	available, ok := m["MemAvailable"]
	if !ok { // before Linux 3.14
		available = out.Free + out.Buffers + m["Cached"]
	}
	out.Available = min(available, out.Total) // containers' views have shown more
	out.Used = out.Total - out.Available
	out.Percent = percent(float64(out.Used), float64(out.Total))
	out.Swap = abi.Swap{Total: m["SwapTotal"], Free: min(m["SwapFree"], m["SwapTotal"])}
	out.Swap.Used = out.Swap.Total - out.Swap.Free
	out.Swap.Percent = percent(float64(out.Swap.Used), float64(out.Swap.Total))
	return out, nil
}

// parseSizes reads lines such as "MemFree:  123 kB" into bytes.
func parseSizes(text string) map[string]uint64 {
	sizes := make(map[string]uint64, 64)
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		value, ok := strings.CutSuffix(strings.TrimSpace(value), " kB")
		if !ok {
			continue
		}
		if n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 53); err == nil {
			sizes[key] = n << 10
		}
	}
	return sizes
}

// parseSwapTraffic returns bytes swapped in and out since boot.
func parseSwapTraffic(text string, page uint64) (in, out uint64) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseUint(value, 10, 48)
		switch {
		case err != nil:
		case key == "pswpin":
			in = n * page
		case key == "pswpout":
			out = n * page
		}
	}
	return in, out
}
