package compiler

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// Limits are what a child may take.
type Limits struct {
	CPU    time.Duration // processor time over all of its threads, in whole seconds
	Memory int64         // address space, in bytes
	File   int64         // what it may write, in bytes
	Time   time.Duration // wall time: a busy machine gives a child less than one processor
}

// Usual is ten times what the largest built-in module needs, but for memory: a
// Go program reserves a gigabyte of address space that it never touches.
var Usual = Limits{CPU: 30 * time.Second, Memory: 2 << 30, File: 128 << 20, Time: 2 * time.Minute}

// maxReason bounds a reason, in runes.
const maxReason = 512

// maxSaid is how much of a child's last words is read, in bytes.
const maxSaid = 64 << 10

// Refused is the error for a file that cannot be compiled, or not within the
// limits. Its text is one line, fit for an operator.
type Refused struct{ Reason string }

// Error returns the reason.
func (r *Refused) Error() string { return r.Reason }

// Compile has a child compile the file into the folder, which must be empty.
// The error is a [*Refused] if the file is to blame.
func Compile(ctx context.Context, folder string, wasm []byte, limits Limits) error {
	self, err := thisProgram()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limits.Time, &Refused{fmt.Sprintf("compiling it takes longer than %v", limits.Time)})
	defer cancel()
	var said beginning
	child := exec.CommandContext(ctx, self, append([]string{argument}, limits.arguments()...)...)
	child.Dir = folder
	child.Env = append([]string{"GOTRACEBACK=none"}, childEnvironment...)
	child.Stdin = bytes.NewReader(wasm)
	child.Stderr = &said
	child.WaitDelay = time.Second
	child.SysProcAttr = attributes()
	runtime.LockOSThread() // see attributes
	err = child.Run()
	runtime.UnlockOSThread()
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("start a process that compiles: %w", err)
	}
	return verdict(exit.ProcessState, string(said.kept), limits)
}

// arguments hand the limits to the child, which takes them upon itself: the
// parent could only do it after the child has begun.
func (l Limits) arguments() []string {
	return []string{strconv.FormatInt(int64(l.CPU/time.Second), 10), strconv.FormatInt(l.Memory, 10), strconv.FormatInt(l.File, 10)}
}

func limitsOf(arguments []string) (Limits, error) {
	var figures [3]int64
	if len(arguments) != len(figures) {
		return Limits{}, errors.New("a process that compiles takes three limits")
	}
	for i, text := range arguments {
		var err error
		if figures[i], err = strconv.ParseInt(text, 10, 64); err != nil {
			return Limits{}, err
		}
	}
	return Limits{CPU: time.Duration(figures[0]) * time.Second, Memory: figures[1], File: figures[2]}, nil
}

// thisProgram is what runs now, even if its file was replaced meanwhile.
func thisProgram() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}

// verdict says why a child ended.
func verdict(state *os.ProcessState, said string, limits Limits) error {
	line, _, _ := strings.Cut(said, "\n")
	line = foreign.Line(line, maxReason) // of a child that read a hostile file
	status, _ := state.Sys().(syscall.WaitStatus)
	switch {
	case state.ExitCode() == exitRefused:
		return &Refused{line}
	case status.Signaled() && state.UserTime()+state.SystemTime() >= limits.CPU-time.Second/2:
		return &Refused{fmt.Sprintf("compiling it takes more than %v of processor time", limits.CPU)}
	case status.Signaled() && status.Signal() == syscall.SIGXFSZ:
		return &Refused{fmt.Sprintf("its code would take more than %d MiB", limits.File>>20)}
	case status.Signaled():
		return fmt.Errorf("the process that compiles was ended by signal %v; the machine may be short of memory", status.Signal())
	case !strings.HasPrefix(line, "panic:"):
		// Without memory Go's runtime dies in many ways, and in no other.
		return &Refused{fmt.Sprintf("compiling it takes more than %d MiB of memory", limits.Memory>>20)}
	}
	return &Refused{"the compiler broke: " + line}
}

// beginning keeps the beginning of what a child says, and swallows the rest.
type beginning struct{ kept []byte }

func (b *beginning) Write(p []byte) (int, error) {
	b.kept = append(b.kept, p[:min(len(p), maxSaid-len(b.kept))]...)
	return len(p), nil
}
