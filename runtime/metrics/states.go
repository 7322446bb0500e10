package metrics

import (
	"bytes"
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// countProcesses counts processes by state: without the use of each, which is
// what a list of the busiest needs. It reads the beginning of each file into one
// buffer, with no more than the three calls to the kernel that this takes.
func (r *Reader) countProcesses() (abi.ProcessInfo, error) {
	dir, err := os.Open(r.cfg.Proc)
	if err != nil {
		return abi.ProcessInfo{}, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return abi.ProcessInfo{}, err
	}
	var out abi.ProcessInfo
	var begin [statBegin]byte
	at := int(dir.Fd())
	for _, name := range names {
		if _, err := strconv.ParseUint(name, 10, 31); err != nil {
			continue
		}
		n, err := readAt(at, name+"/stat", begin[:])
		if err != nil {
			continue // it has ended
		}
		if state, ok := parseState(begin[:n]); ok {
			out.Total++
			tally(&out, state)
		}
	}
	return out, nil
}

// statBegin is enough of /proc/PID/stat for what stands before the state: an id
// of ten digits, and a name, which for the kernel's own threads has 64 bytes at
// most (proc_task_name in fs/proc/array.c).
const statBegin = 128

func readAt(dir int, path string, into []byte) (int, error) {
	fd, err := retry(func() (int, error) { return unix.Openat(dir, path, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	return retry(func() (int, error) { return unix.Read(fd, into) })
}

// retry repeats what a signal interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// parseState finds the state in the beginning of proc_pid_stat(5). The name may
// hold anything, parentheses too, and what follows it holds none: the last one
// counts.
func parseState(begin []byte) (byte, bool) {
	end := bytes.LastIndexByte(begin, ')')
	if end < 0 || end+2 >= len(begin) || begin[end+1] != ' ' {
		return 0, false
	}
	return begin[end+2], true
}

// tally counts one process. Those that wait for a disk count as sleeping.
func tally(out *abi.ProcessInfo, state byte) {
	switch state {
	case 'R':
		out.Running++
	case 'S', 'D':
		out.Sleeping++
	case 'I':
		out.Idle++
	case 'T', 't':
		out.Stopped++
	case 'Z', 'X':
		out.Zombie++
	}
}
