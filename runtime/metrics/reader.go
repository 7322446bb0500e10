// Package metrics reads what a Linux machine does: processors, memory, file
// systems, disks, network, sensors, processes, users.
//
// Nothing runs in the background and nothing is cached that could go stale:
// each call reads the machine. Reading is thin and parsing is pure, so the
// parsers are tested on text. gopsutil is used where it does exactly that
// (utmp); elsewhere the files are parsed here, because gopsutil starts programs
// (lsb_release, loginctl), leaves out network file systems and fans, measures
// from the start of the process, or makes a list of every socket to count them.
//
// Names of processes, mounts, users and machines are foreign text and are
// cleaned. Every error is an [*Error].
package metrics

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Config says where the machine's files are. In a container that shall report
// about the machine outside, they are bind mounts.
type Config struct {
	Root string // "": HOST_ROOT, or /
	Proc string // "": HOST_PROC, or /proc
	Sys  string // "": HOST_SYS, or /sys
	Etc  string // "": HOST_ETC, or etc in Root
	Var  string // "": HOST_VAR, or var in Root
	// DiskTimeout is how long a mount may take to answer; 0: 1 s.
	DiskTimeout time.Duration
}

// Reader reads one machine. Its methods may be called concurrently.
type Reader struct {
	cfg    Config
	now    func() time.Time
	cpu    *window[cpuSample]
	procs  *window[processSample]
	disks  *window[diskSample]
	net    *window[[]abi.Interface]
	probes probes
}

// New returns a reader of the machine at cfg; what cfg leaves empty is taken
// from gopsutil's environment variables. A nil clock is [time.Now].
func New(cfg Config, clock func() time.Time) *Reader {
	if clock == nil {
		clock = time.Now
	}
	root := cmp.Or(cfg.Root, os.Getenv("HOST_ROOT"), "/")
	cfg.Root = root
	cfg.Proc = cmp.Or(cfg.Proc, os.Getenv("HOST_PROC"), "/proc")
	cfg.Sys = cmp.Or(cfg.Sys, os.Getenv("HOST_SYS"), "/sys")
	cfg.Etc = cmp.Or(cfg.Etc, os.Getenv("HOST_ETC"), filepath.Join(root, "etc"))
	cfg.Var = cmp.Or(cfg.Var, os.Getenv("HOST_VAR"), filepath.Join(root, "var"))
	cfg.DiskTimeout = cmp.Or(cfg.DiskTimeout, time.Second)
	r := &Reader{cfg: cfg, now: clock}
	r.cpu = newWindow(clock, r.sampleCPU)
	r.procs = newWindow(clock, r.sampleProcesses)
	r.disks = newWindow(clock, r.sampleDisks)
	r.net = newWindow(clock, r.sampleNetwork)
	r.probes.statfs = statfs
	return r
}

// maxFile bounds what is read of one file: /proc/cpuinfo of a machine with a
// thousand processors has 2 MB.
const maxFile = 8 << 20

func (r *Reader) proc(name ...string) (string, error) {
	return readFile(filepath.Join(append([]string{r.cfg.Proc}, name...)...))
}

func readFile(path string) (string, error) { return readAtMost(path, maxFile) }

// readLine returns a small file of sysfs without the end of its line; "" for one
// that cannot be read.
func readLine(path string) string {
	text, err := readAtMost(path, 256)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(text)
}

func readAtMost(path string, most int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return string(b), nil
}

func statfs(path string) (unix.Statfs_t, error) {
	var st unix.Statfs_t
	err := unix.Statfs(path, &st)
	for errors.Is(err, unix.EINTR) {
		err = unix.Statfs(path, &st)
	}
	return st, err
}

// Error is what every call of a [Reader] fails with. What a user or a module
// may read is in Answer, reached with errors.As as an *abi.Error; the rest is
// for the log.
type Error struct {
	Answer abi.Error
	Cause  error
}

// Error returns code, sentence and cause.
func (e *Error) Error() string {
	return fmt.Sprintf("metrics: %v (%v)", e.Answer.Error(), e.Cause)
}

// Unwrap gives both sides: the answer and the cause.
func (e *Error) Unwrap() []error { return []error{&e.Answer, e.Cause} }

// fail turns the failure to read subject ("the processors") into an answer.
func fail(subject string, err error) *Error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &Error{abi.Error{Code: abi.Timeout, Message: "Measuring " + subject + " took longer than this command may take."}, err}
	}
	return &Error{abi.Error{Code: abi.Unavailable, Message: "This machine does not tell about " + subject + "."}, err}
}

// percent is part of whole, between 0 and 100; 0 of nothing.
func percent(part, whole float64) float64 {
	if whole <= 0 || part <= 0 {
		return 0
	}
	return min(part/whole*100, 100)
}

// less is a-b, or 0 where a counter went backwards.
func less(a, b uint64) uint64 {
	if a < b {
		return 0
	}
	return a - b
}
