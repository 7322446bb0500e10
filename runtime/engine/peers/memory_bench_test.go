package peers

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The variables that make this binary measure one contestant and run no test:
// its id, and the folder of the workshop.
const (
	childOf = "COFFERDAM_PEERS_MEASURE"
	childIn = "COFFERDAM_PEERS_WORKSHOP"
)

// footprint is resident memory in bytes, above that of a process which has not
// loaded the contestant; that of its own processes included.
type footprint struct {
	Loaded int64 // after the first call, and with what is free given back
	Peak   int64 // the most while it was called
	After  int64 // after that, with what is free given back
	Calls  int   // between the first and After
}

// A contestant is called so often, or for so long, while its memory is watched.
const (
	watchedCalls = 1000
	watchedTime  = 20 * time.Second
)

// BenchmarkMemory gives each contestant a process of its own.
func BenchmarkMemory(b *testing.B) {
	list := available(b)
	found := map[string]footprint{}
	for _, c := range list {
		f, err := measureElsewhere(c)
		if err != nil {
			b.Fatalf("%s: %v", c.id(), err)
		}
		found[c.id()] = f
	}
	t := newTable("guest", "contestant", "instance", "loaded", "peak while called", "after", "calls")
	for _, c := range list {
		f := found[c.id()]
		t.row(c.guest, c.name, c.instance(), size(float64(f.Loaded)), size(float64(f.Peak)), size(float64(f.After)), f.Calls)
	}
	t.print()
	for _, c := range list {
		b.Run(c.id(), func(b *testing.B) {
			f := found[c.id()]
			b.ReportMetric(float64(f.Loaded)/(1<<20), "loaded-MiB")
			b.ReportMetric(float64(f.Peak)/(1<<20), "peak-MiB")
			b.ReportMetric(float64(f.After)/(1<<20), "after-MiB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func measureElsewhere(c contestant) (f footprint, err error) {
	// Fill the caches here: what a compiler leaves behind is not what is asked.
	p, err := c.open(background, shop)
	if err != nil {
		return f, err
	}
	if err := p.Close(background); err != nil {
		return f, err
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childOf+"="+c.id(), childIn+"="+shop.dir)
	child.Stderr = os.Stderr
	out, err := child.Output()
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(out, &f)
}

// measureHere writes the footprint of one contestant to stdout.
func measureHere(ctx context.Context, id string) error {
	i := slices.IndexFunc(contestants, func(c contestant) bool { return c.id() == id })
	if i < 0 {
		return fmt.Errorf("there is no contestant %s", id)
	}
	request := requestFor("memory")
	if _, err := (native{}).Call(ctx, request); err != nil { // touches the code that all need
		return err
	}
	own := resident{}
	base := own.settled()
	p, err := contestants[i].open(ctx, shop)
	if err != nil {
		return err
	}
	own.watch(p)
	if _, err := p.Call(ctx, request); err != nil {
		return err
	}
	f := footprint{Loaded: own.settled() - base}
	if err := own.resetPeak(); err != nil {
		return err
	}
	for began := time.Now(); f.Calls < watchedCalls && time.Since(began) < watchedTime; f.Calls++ {
		if _, err := p.Call(ctx, request); err != nil {
			return err
		}
	}
	f.Peak = own.peak() - base
	f.After = own.settled() - base
	if err := p.Close(ctx); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(f)
}

// resident reads the memory of this process, and of one that a peer started.
type resident struct {
	peer *hashicorp
	last int64 // the peak of a process that was ended
}

func (r *resident) watch(p peer) {
	if h, ok := p.(*hashicorp); ok {
		r.peer = h
		h.ended = func(pid int) { r.last = max(r.last, status(pid, "VmHWM")) }
	}
}

func (r *resident) settled() int64 {
	debug.FreeOSMemory()
	return status(os.Getpid(), "VmRSS") + unmapped() + r.other("VmRSS")
}

func (r *resident) peak() int64 {
	return status(os.Getpid(), "VmHWM") + unmapped() + max(r.last, r.other("VmHWM"))
}

// unmapped is what this process keeps in memory files and does not map: it is
// there, and resident memory does not show it.
func unmapped() int64 {
	names, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		return 0
	}
	held := int64(0)
	for _, name := range names {
		var stat syscall.Stat_t
		if to, err := os.Readlink(name); err == nil && strings.HasPrefix(to, "/memfd:") && syscall.Stat(name, &stat) == nil {
			held += stat.Blocks * 512
		}
	}
	return max(0, held-status(os.Getpid(), "RssShmem"))
}

func (r *resident) other(field string) int64 {
	if r.peer == nil || r.peer.process == nil {
		return 0
	}
	return status(r.peer.process.pid, field)
}

// resetPeak sets VmHWM back to what is resident now.
func (r *resident) resetPeak() error { return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// status reads a field of a process in bytes, 0 if it has none.
func status(pid int, field string) int64 {
	file, err := os.Open("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) == 3 && words[0] == field+":" {
			kib, err := strconv.ParseInt(words[1], 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}
