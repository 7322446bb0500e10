package metrics

import (
	"cmp"
	"context"
	"errors"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// MaxProcesses is how many processes are listed at most.
const MaxProcesses = 50

// userHZ is the unit of times in /proc: 100 on every architecture that Go
// runs on, whatever the kernel's own tick (sysconf(_SC_CLK_TCK)).
const userHZ = 100

// Processes counts the processes and lists the q.Count busiest, by default by
// use of the processor over the same kind of window as [Reader.CPU]. Without a
// list nothing is waited for. Processes that wait for a disk count as
// sleeping. q.Host is the caller's matter.
func (r *Reader) Processes(ctx context.Context, q abi.ProcessQuery) (abi.ProcessInfo, error) {
	if q.Count < 0 || q.By != "" && q.By != abi.ByCPU && q.By != abi.ByMemory {
		return abi.ProcessInfo{}, &Error{abi.Error{Code: abi.Invalid, Message: "Processes can be listed by cpu or by memory."}, errQuery}
	}
	if q.Count == 0 {
		out, err := r.countProcesses()
		if err != nil {
			return abi.ProcessInfo{}, fail("its processes", err)
		}
		return out, nil
	}
	s, err := r.procs.measure(ctx)
	if err != nil {
		return abi.ProcessInfo{}, fail("its processes", err)
	}
	out := count(s.to)
	out.Top = r.describe(busiest(s, q.By, min(q.Count, MaxProcesses)))
	return out, nil
}

var errQuery = errors.New("unknown order, or a negative count")

// process is one line of /proc/PID/stat.
type process struct {
	pid   int32
	name  string // at most 15 bytes, cut by the kernel
	state byte
	ticks uint64 // processor time so far, in user and kernel mode
	start uint64 // tells a process from a later one with the same id
	pages uint64 // resident
}

// processSample is all processes, by id.
type processSample map[int32]process

func (r *Reader) sampleProcesses() (processSample, error) {
	dir, err := os.Open(r.cfg.Proc)
	if err != nil {
		return nil, err
	}
	names, err := dir.Readdirnames(-1)
	_ = dir.Close()
	if err != nil {
		return nil, err
	}
	s := make(processSample, len(names))
	for _, name := range names {
		if _, err := strconv.ParseUint(name, 10, 31); err != nil {
			continue
		}
		text, err := r.proc(name, "stat")
		if err != nil {
			continue // it has ended
		}
		if p, ok := parseProcess(text); ok {
			s[p.pid] = p
		}
	}
	return s, nil
}

// parseProcess reads proc_pid_stat(5). The name is in parentheses and may hold
// anything, parentheses too: the last one counts.
func parseProcess(text string) (process, bool) {
	id, rest, ok := strings.Cut(text, " (")
	end := strings.LastIndexByte(rest, ')')
	if !ok || end < 0 {
		return process{}, false
	}
	f := strings.Fields(rest[end+1:])
	const state, utime, stime, start, rss = 0, 11, 12, 19, 21
	pid, err := strconv.ParseInt(id, 10, 32)
	if err != nil || pid <= 0 || len(f) <= rss {
		return process{}, false
	}
	user, err1 := strconv.ParseUint(f[utime], 10, 62)
	kernel, err2 := strconv.ParseUint(f[stime], 10, 62)
	begun, err3 := strconv.ParseUint(f[start], 10, 64)
	pages, err4 := strconv.ParseInt(f[rss], 10, 48)
	if cmp.Or(err1, err2, err3, err4) != nil {
		return process{}, false
	}
	return process{
		pid: int32(pid), name: rest[:end], state: f[state][0],
		ticks: user + kernel, start: begun, pages: uint64(max(pages, 0)),
	}, true
}

func count(all processSample) abi.ProcessInfo {
	out := abi.ProcessInfo{Total: len(all)}
	for _, p := range all {
		tally(&out, p.state)
	}
	return out
}

// ranked is a process with what it used of one core in a window, in percent.
type ranked struct {
	process
	cpu float64
}

func busiest(s span[processSample], by string, n int) []ranked {
	all := make([]ranked, 0, len(s.to))
	for _, p := range s.to {
		all = append(all, ranked{p, cpuOf(p, s)})
	}
	byCPU := func(a, b ranked) int { return cmp.Compare(b.cpu, a.cpu) }
	byMemory := func(a, b ranked) int { return cmp.Compare(b.pages, a.pages) }
	first, second := byCPU, byMemory
	if by == abi.ByMemory {
		first, second = byMemory, byCPU
	}
	slices.SortFunc(all, func(a, b ranked) int {
		return cmp.Or(first(a, b), second(a, b), cmp.Compare(a.pid, b.pid))
	})
	return all[:min(n, len(all))]
}

// cpuOf counts from zero for a process that began within the window.
func cpuOf(p process, s span[processSample]) float64 {
	if s.length <= 0 {
		return 0
	}
	var before uint64
	if old, ok := s.from[p.pid]; ok && old.start == p.start {
		before = old.ticks
	}
	used := time.Duration(min(less(p.ticks, before), math.MaxInt64/uint64(time.Second))) * time.Second / userHZ
	return float64(used) / float64(s.length) * 100
}

// describe adds what only the listed ones need: owner and shares.
func (r *Reader) describe(top []ranked) []abi.Process {
	users := r.userNames()
	var total uint64
	if text, err := r.proc("meminfo"); err == nil {
		total = parseSizes(text)["MemTotal"]
	}
	most := float64(r.cpus()) * 100
	out := make([]abi.Process, 0, len(top))
	for _, p := range top {
		memory := times(p.pages, uint64(os.Getpagesize()))
		out = append(out, abi.Process{
			PID: p.pid, Name: foreign.Line(p.name, 64), User: r.ownerOf(p.pid, users),
			CPUPercent: min(p.cpu, most), Memory: memory, MemoryPercent: percent(float64(memory), float64(total)),
		})
	}
	return out
}

// ownerOf returns a user's name, or number where it has none, or nothing for a
// process that has ended.
func (r *Reader) ownerOf(pid int32, users map[string]string) string {
	text, err := r.proc(strconv.Itoa(int(pid)), "status")
	if err != nil {
		return ""
	}
	uid := parseUID(text)
	return foreign.Line(cmp.Or(users[uid], uid), 64)
}

// parseUID returns the effective user of proc_pid_status(5), in digits. The
// owner of the folder would not do: it is root for a process that may not be
// dumped.
func parseUID(text string) string {
	for line := range strings.Lines(text) {
		if ids, ok := strings.CutPrefix(line, "Uid:"); ok {
			if f := strings.Fields(ids); len(f) > 1 {
				if _, err := strconv.ParseUint(f[1], 10, 32); err == nil {
					return f[1]
				}
			}
			return ""
		}
	}
	return ""
}

// userNames reads the machine's passwd(5); without one, users have numbers.
func (r *Reader) userNames() map[string]string {
	text, err := readFile(r.cfg.Etc + "/passwd")
	if err != nil {
		return nil
	}
	return parsePasswd(text)
}

func parsePasswd(text string) map[string]string {
	names := make(map[string]string)
	for line := range strings.Lines(text) {
		f := strings.SplitN(line, ":", 4)
		if len(f) < 4 || f[0] == "" || f[0][0] == '#' {
			continue
		}
		if _, ok := names[f[2]]; !ok { // the first one counts, as for getpwuid(3)
			names[f[2]] = f[0]
		}
	}
	return names
}
