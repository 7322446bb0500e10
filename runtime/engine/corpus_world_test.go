package engine

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// stage is the machine, the Docker engine and the audit log of the corpus.
type stage struct {
	hostcall.Metrics
	hostcall.Docker

	mutex      sync.Mutex
	machine    string
	containers []abi.Container
	replaces   bool
	done       []string
	reasons    []string
	// entered gets something whenever the machine is asked; again invokes the
	// module that asks.
	entered chan struct{}
	again   func(context.Context) error
}

func newStage() *stage { return &stage{entered: make(chan struct{}, 1000)} }

// The containers at first. The engine may call one what Docker would not.
var cargo = []abi.Container{
	{ID: strings.Repeat("a1", 32), Name: "web-1", State: "running"},
	{ID: strings.Repeat("a2", 32), Name: "web-2", State: "running"},
	{ID: strings.Repeat("d0", 32), Name: "db", State: "running"},
	{ID: strings.Repeat("b0", 32), Name: "WEB-1", State: "running"},
	{ID: strings.Repeat("c0", 32), Name: "wеb-1", State: "running"}, // with a Cyrillic е
	{ID: strings.Repeat("e0", 32), Name: "web-1\u200b", State: "running"},
}

func (s *stage) reset(machine, docker string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.machine, s.containers, s.replaces, s.done, s.reasons = machine, slices.Clone(cargo), docker == "replaces", nil, nil
	for len(s.entered) > 0 {
		<-s.entered
	}
}

// CPU answers at once. The bystander asks for it.
func (s *stage) CPU(context.Context) (abi.CPUInfo, error) { return abi.CPUInfo{Logical: 1}, nil }

// Memory answers as the crime needs it.
func (s *stage) Memory(ctx context.Context) (abi.MemoryInfo, error) {
	select {
	case s.entered <- struct{}{}:
	default:
	}
	switch s.machine {
	case "slow": // until it is told to stop
		<-ctx.Done()
		return abi.MemoryInfo{}, ctx.Err()
	case "deaf": // and answers as if there had been no deadline
		<-ctx.Done()
		time.Sleep(50 * time.Millisecond)
	case "panics":
		var nowhere *abi.MemoryInfo
		return *nowhere, nil
	case "calls the module":
		if err := s.again(ctx); err != nil {
			return abi.MemoryInfo{}, err
		}
	}
	return abi.MemoryInfo{Total: 7}, nil
}

func (s *stage) List(_ context.Context, _ abi.ContainerQuery, keep hostcall.Keep) (abi.ContainerList, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var list abi.ContainerList
	for _, c := range s.containers {
		if keep(c.Name, nil) {
			list.Containers = append(list.Containers, c)
		}
	}
	if s.replaces { // what was listed is another container a moment later
		s.containers[0].Name, s.containers[2].Name = s.containers[2].Name, s.containers[0].Name
	}
	return list, nil
}

// Find resolves the full id or the exact name, as the adapter does.
func (s *stage) Find(_ context.Context, ref abi.ContainerRef, keep hostcall.Keep) (abi.Container, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, c := range s.containers {
		if c.ID != ref.ID && c.Name != ref.ID {
			continue
		}
		if !keep(c.Name, nil) {
			return abi.Container{}, &abi.Error{Code: abi.Denied, Message: "This module may not see that container."}
		}
		return c, nil
	}
	return abi.Container{}, &abi.Error{Code: abi.NotFound, Message: "There is no such container."}
}

func (s *stage) Inspect(ctx context.Context, ref abi.ContainerRef, keep hostcall.Keep) (abi.ContainerDetails, error) {
	c, err := s.Find(ctx, ref, keep)
	return abi.ContainerDetails{Container: c}, err
}

func (s *stage) Act(_ context.Context, _, id, act string) (abi.ContainerDone, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.done = append(s.done, act+" "+id[:4])
	return abi.ContainerDone{Name: "x"}, nil
}

// Record keeps the reasons of denials.
func (s *stage) Record(_ context.Context, e audit.Entry) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if e.Decision == "deny" {
		s.reasons = append(s.reasons, e.Reason)
	}
	return nil
}

func (s *stage) acted() string { return cmp.Or(strings.Join(s.done, ", "), "nothing") }

func (s *stage) denials() []string { return s.reasons }

// pass is what a request brings along: words of capability.Pass, and the name
// of a container to whose stop the user has said yes.
func (s *stage) pass(text string) *capability.Pass {
	p := &capability.Pass{Durable: true, Reach: capability.Everywhere}
	for _, word := range strings.Fields(text) {
		switch word {
		case "admin":
			p.Admin = true
		case "session":
			p.Session = true
		default:
			i := slices.IndexFunc(cargo, func(c abi.Container) bool { return c.Name == word })
			p.Confirmed = &capability.Act{Capability: capability.ContainersStop, Host: abi.LocalHost, ID: cargo[i].ID, Name: word}
		}
	}
	return p
}

// watch asks the bystander again and again, and collects garbage, until end is
// called.
type watch struct {
	stop, stopped chan struct{}
	collected     chan struct{}
	seen          sighting
	pauses        *metrics.Float64Histogram
}

// sighting is what others noticed of a crime.
type sighting struct {
	asked   int
	slowest time.Duration
	err     error
	stall   time.Duration // the longest that all of Go stood still for its garbage collection
}

func (w *crimeWorld) watch(t *testing.T) *watch {
	v := &watch{stop: make(chan struct{}), stopped: make(chan struct{}), collected: make(chan struct{}), pauses: gcPauses()}
	grant := bystanderGrant(t)
	go func() {
		defer close(v.stopped)
		for {
			began := time.Now()
			caller := &hostcall.Caller{Module: "bystander", Grant: grant, Actor: abi.Actor{ID: 2, Role: abi.RoleUser}, Log: zap.NewNop()}
			answer, err := w.good.Invoke(context.Background(), caller, []byte("how are you?"))
			if err == nil && string(answer.Reply) != "how are you?" {
				err = fmt.Errorf("it answered %q", answer.Reply)
			}
			v.seen.asked, v.seen.err, v.seen.slowest = v.seen.asked+1, cmp.Or(v.seen.err, err), max(v.seen.slowest, time.Since(began))
			if !v.pause(5 * time.Millisecond) {
				return
			}
		}
	}()
	go func() {
		defer close(v.collected)
		for v.pause(20 * time.Millisecond) {
			runtime.GC()
		}
	}()
	return v
}

func (v *watch) pause(d time.Duration) bool {
	select {
	case <-v.stop:
		return false
	case <-time.After(d):
		return true
	}
}

func (v *watch) end() sighting {
	close(v.stop)
	<-v.stopped
	<-v.collected
	after := gcPauses()
	for i := len(after.Counts) - 1; i >= 0; i-- {
		if after.Counts[i] > v.pauses.Counts[i] {
			v.seen.stall = time.Duration(max(after.Buckets[i], 0) * float64(time.Second))
			break
		}
	}
	return v.seen
}

// What others may notice at most.
const (
	mostLatency = time.Second
	mostStall   = 50 * time.Millisecond
)

func (s sighting) complaint() string {
	switch {
	case s.err != nil:
		return fmt.Sprintf("another module suffered: %v", s.err)
	case s.slowest > mostLatency:
		return fmt.Sprintf("another module answered after %v", s.slowest)
	case s.stall > mostStall && !raceEnabled:
		// On a busy machine that alone can take half a second, and now more
		// than then.
		fill := max(uninterrupted(), uninterrupted(), uninterrupted())
		if s.stall > 3*fill {
			return fmt.Sprintf("a garbage collection held everything up for %v; this machine fills a memory in %v", s.stall, fill)
		}
	}
	return ""
}

// uninterrupted is how long this machine needs now for the longest work that
// nothing interrupts: one memory.fill of all that a module may have.
func uninterrupted() time.Duration {
	memory, err := unix.Mmap(-1, 0, int(usualLimits().Memory), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return 0
	}
	defer func() { _ = unix.Munmap(memory) }()
	began := time.Now()
	for page := 0; page < len(memory); page += os.Getpagesize() {
		memory[page] = 1
	}
	return time.Since(began)
}

func gcPauses() *metrics.Float64Histogram {
	sample := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(sample)
	read := sample[0].Value.Float64Histogram()
	return &metrics.Float64Histogram{Counts: slices.Clone(read.Counts), Buckets: read.Buckets}
}

// trace is what a crime could leave behind.
type trace struct {
	goroutines, descriptors, mappings int
	resident                          int64 // bytes
}

func takeTrace() trace {
	debug.FreeOSMemory()
	entries, _ := os.ReadDir("/proc/self/fd")
	var resident int64
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		pages, _ := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
		resident = pages * int64(os.Getpagesize())
	}
	return trace{runtime.NumGoroutine(), len(entries), guestMappings(), resident}
}

// guestMappings counts the mappings of native code and of guests' memories.
func guestMappings() int {
	maps, _ := os.ReadFile("/proc/self/maps")
	n := 0
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		if len(fields) == 5 && strings.Contains(fields[1], "x") || strings.Contains(line, "memfd:") {
			n++
		}
	}
	return n
}

// residentNoise is what the process may have grown for other reasons.
const residentNoise = 16 << 20

// leaves fails a test after which there is more than there was before.
func leaves(t *testing.T, before trace) {
	t.Helper()
	var now trace
	for began := time.Now(); time.Since(began) < 5*time.Second; time.Sleep(5 * time.Millisecond) {
		now = takeTrace()
		// The race detector's own memory is never given back.
		if now.goroutines <= before.goroutines && now.descriptors <= before.descriptors && now.mappings <= before.mappings &&
			(now.resident <= before.resident+residentNoise || raceEnabled) {
			return
		}
	}
	t.Errorf("left behind: %+v, before there was %+v", now, before)
}

// poorProcess is the variable that names the crime which this binary is to
// commit without memory.
const poorProcess = "COFFERDAM_ENGINE_TEST_POOR"

// commitInAPoorProcess commits a crime in a process of its own, which may die
// of it.
func commitInAPoorProcess(t *testing.T, file string) {
	t.Helper()
	if raceEnabled {
		t.Log("it is not committed under the race detector, which needs terabytes of addresses")
		return
	}
	test := exec.Command(os.Args[0], "-test.run=^TestHostileCorpus$")
	test.Env = append(os.Environ(), poorProcess+"="+file)
	if text, err := test.CombinedOutput(); err != nil {
		t.Errorf("the process without memory: %v\n%.4000s", err, text)
	}
}

// commitWithoutMemory leaves the process less than an instance of the module
// needs: some invocations end, as a fault each, and nothing else does.
func (w *crimeWorld) commitWithoutMemory(t *testing.T, c crime) {
	w.reset(c.facts["machine"], c.facts["docker"])
	m, err := w.Load(t.Context(), Source{Name: "hostile", Wasm: c.wasm, Grant: c.grant, Limits: c.limits})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(context.Background())
	var usual unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &usual); err != nil {
		t.Fatal(err)
	}
	poor := usual
	poor.Cur = addressSpace(t) + uint64(c.limits.Memory)*3/4
	if err := unix.Setrlimit(unix.RLIMIT_AS, &poor); err != nil {
		t.Fatal(err)
	}
	watched := w.watch(t)
	outcomes := w.invokeAll(t, m, c)
	seen := watched.end()
	if err := unix.Setrlimit(unix.RLIMIT_AS, &usual); err != nil {
		t.Fatal(err)
	}
	faults := 0
	for _, o := range outcomes {
		if o.err != nil {
			c.judgeFault(t, strings.TrimPrefix(c.verdict, "fault "), o)
			faults++
		}
	}
	if faults == 0 {
		t.Error("there was memory for all: the test shows nothing")
	}
	if seen.err != nil {
		t.Errorf("another module suffered: %v", seen.err)
	}
	if o := w.send(t.Context(), t, m, c); o.err != nil {
		t.Errorf("when there is memory again: %v", o.err)
	}
}

// addressSpace is how much of it this process has taken, in bytes.
func addressSpace(t *testing.T) uint64 {
	t.Helper()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseUint(strings.Fields(string(statm))[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * uint64(os.Getpagesize())
}
