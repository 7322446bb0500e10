package metrics

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// Host returns what the machine is and how long it has been up, at this
// moment.
func (r *Reader) Host(context.Context) (abi.HostInfo, error) {
	text, err := r.proc("uptime")
	if err != nil {
		return abi.HostInfo{}, fail("its uptime", err)
	}
	uptime, err := parseUptime(text)
	if err != nil {
		return abi.HostInfo{}, fail("its uptime", err)
	}
	out := abi.HostInfo{
		Hostname: r.hostname(),
		OS:       r.system(),
		Uptime:   int64(uptime / time.Second),
		BootTime: r.now().Add(-uptime).Round(time.Second).UnixMilli(),
		CPUs:     r.cpus(),
		InGuest:  r.inGuest(),
	}
	if text, err := r.proc("sys", "kernel", "osrelease"); err == nil {
		out.Kernel = foreign.Line(strings.TrimSpace(text), 128)
	}
	if text, err := r.proc("loadavg"); err == nil {
		out.Load1, out.Load5, out.Load15 = parseLoad(text)
	}
	return out, nil
}

// hostname prefers the machine's file if its files are elsewhere: the kernel
// tells each container its own name, whoever's /proc is read.
func (r *Reader) hostname() string {
	if r.cfg.Etc != "/etc" {
		if text, err := readFile(filepath.Join(r.cfg.Etc, "hostname")); err == nil {
			return foreign.Line(strings.TrimSpace(text), 255)
		}
	}
	text, _ := r.proc("sys", "kernel", "hostname")
	return foreign.Line(strings.TrimSpace(text), 255)
}

func (r *Reader) system() string {
	for _, path := range []string{filepath.Join(r.cfg.Etc, "os-release"), filepath.Join(r.cfg.Root, "usr/lib/os-release")} {
		if text, err := readFile(path); err == nil {
			return parseOSRelease(text)
		}
	}
	return "Linux" // an image without a distribution, as ours
}

func (r *Reader) cpus() int {
	text, err := readFile(filepath.Join(r.cfg.Sys, "devices/system/cpu/online"))
	if err != nil {
		return runtime.NumCPU()
	}
	return max(parseRanges(text), 1)
}

// inGuest tells whether /proc is a container's own. The first PID namespace
// has a fixed number (PROC_PID_INIT_INO in the kernel's proc_ns.h); a /proc
// that was mounted from elsewhere is taken for the machine's.
func (r *Reader) inGuest() bool {
	if r.cfg.Proc != "/proc" {
		return false
	}
	ns, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && ns != "pid:[4026531836]"
}

var errUptime = errors.New("no uptime in /proc/uptime")

func parseUptime(text string) (time.Duration, error) {
	seconds, _, _ := strings.Cut(text, " ")
	f, err := strconv.ParseFloat(strings.TrimSpace(seconds), 64)
	if err != nil || !(f >= 0 && f < math.MaxInt64/float64(time.Second)) {
		return 0, errUptime
	}
	return time.Duration(f * float64(time.Second)), nil
}

func parseLoad(text string) (one, five, fifteen float64) {
	var load [3]float64
	for i, f := range strings.Fields(text) {
		if i == len(load) {
			break
		}
		if n, err := strconv.ParseFloat(f, 64); err == nil && n >= 0 && n < 1e9 {
			load[i] = n
		}
	}
	return load[0], load[1], load[2]
}

// parseOSRelease returns PRETTY_NAME of os-release(5).
func parseOSRelease(text string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return foreign.Line(strings.Trim(value, `"'`), 128)
		}
	}
	return "Linux"
}

// parseRanges counts the numbers in the kernel's lists: "0-3,8,10-11" is 7.
func parseRanges(text string) int {
	count := 0
	for part := range strings.SplitSeq(strings.TrimSpace(text), ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, errA := strconv.ParseUint(first, 10, 16)
		b, errB := strconv.ParseUint(last, 10, 16)
		if errA == nil && errB == nil && a <= b {
			count += int(b - a + 1)
		}
	}
	return count
}
