package compiler

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
	"unsafe"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// confine takes from this process, before it reads a byte of the file, what a
// compiler does not need: time, memory, files but those in the folder, the
// network, and other programs.
func confine(folder string, most Limits) error {
	limits := map[int]uint64{
		unix.RLIMIT_CPU:    uint64(most.CPU / time.Second),
		unix.RLIMIT_FSIZE:  uint64(most.File),
		unix.RLIMIT_NOFILE: 64,
		unix.RLIMIT_CORE:   0,
	}
	if limitsAddressSpace {
		limits[unix.RLIMIT_AS] = uint64(most.Memory)
	}
	for what, limit := range limits {
		// Soft and hard are one: the kernel then kills, and a Go program would
		// overhear its softer signals.
		if err := unix.Setrlimit(what, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
			return fmt.Errorf("limit resource %d: %w", what, err)
		}
	}
	// If the machine runs short of memory, it must be this one that goes. Only
	// lowering the score needs a privilege.
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("offer itself to the system: %w", err)
	}
	// Collect garbage in time: what the address space holds is not all heap.
	debug.SetMemoryLimit(most.Memory / 2)
	// Commands are what people wait for.
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, 10); err != nil {
		return fmt.Errorf("lower the priority: %w", err)
	}
	if err := landlock.V6.BestEffort().Restrict(landlock.RWDirs(folder)); err != nil {
		return fmt.Errorf("give up files: %w", err)
	}
	if err := forbid(); err != nil {
		return fmt.Errorf("give up system calls: %w", err)
	}
	return nil
}

// attributes have the kernel end a child whose parent is gone. The thread that
// starts it must live as long.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// Unconfined says what the system cannot take from a child: "" if it can take
// all of it.
func Unconfined() string {
	const version = 1 // LANDLOCK_CREATE_RULESET_VERSION
	if abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, version); errno != 0 || abi < 1 {
		return "this kernel has no Landlock: a process that compiles a module could read files"
	}
	if _, ok := architectures[runtime.GOARCH]; !ok {
		return "the system calls of " + runtime.GOARCH + " are not known here: a process that compiles a module could open connections"
	}
	return ""
}

// forbidden is the system calls with which a process reaches out: other hosts,
// other programs, other processes, the kernel's settings. A list of what is
// allowed would break with each version of Go.
var forbidden = []uint32{
	unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_SENDTO, unix.SYS_SENDMSG,
	unix.SYS_IO_URING_SETUP,
	unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_KILL, unix.SYS_TKILL, unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO,
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_UNSHARE, unix.SYS_SETNS,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT, unix.SYS_UTIMENSAT,
	unix.SYS_SETXATTR, unix.SYS_LSETXATTR, unix.SYS_FSETXATTR, unix.SYS_REMOVEXATTR, unix.SYS_LREMOVEXATTR, unix.SYS_FREMOVEXATTR,
	unix.SYS_MKNODAT, unix.SYS_SYMLINKAT, unix.SYS_LINKAT, unix.SYS_OPEN_BY_HANDLE_AT,
	unix.SYS_FSOPEN, unix.SYS_FSMOUNT, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_MOUNT_SETATTR,
	unix.SYS_SETPRIORITY, unix.SYS_SCHED_SETAFFINITY, unix.SYS_SCHED_SETSCHEDULER, unix.SYS_SCHED_SETPARAM, unix.SYS_SCHED_SETATTR, unix.SYS_IOPRIO_SET,
	unix.SYS_SHMGET, unix.SYS_MSGGET, unix.SYS_SEMGET,
	unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_SETTIMEOFDAY, unix.SYS_ADJTIMEX, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_KEXEC_FILE_LOAD,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_REBOOT, unix.SYS_PRLIMIT64,
}

var architectures = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}

// Offsets in struct seccomp_data (linux/seccomp.h).
const (
	seccompNr   = 0
	seccompArch = 4
	seccompArg0 = 16 // its low half, on machines of either kind that are known here
)

// forbid has the kernel answer those calls with EPERM, and end a process that
// uses another architecture's numbers. It binds all threads.
func forbid() error {
	arch, ok := architectures[runtime.GOARCH]
	if !ok {
		return nil // Landlock and the limits stay
	}
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	answer := func(with uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: with} }
	equal := func(value uint32, skipIf, skipIfNot uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jt: skipIf, Jf: skipIfNot}
	}
	// The x32 variant of a call has this bit in its number.
	const x32 = 0x40000000
	filter := []unix.SockFilter{
		load(seccompArch), equal(arch, 1, 0), answer(unix.SECCOMP_RET_KILL_PROCESS),
		load(seccompNr), {Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: x32, Jf: 1}, answer(unix.SECCOMP_RET_KILL_PROCESS),
	}
	// Go's runtime stops its own threads with tgkill, and may stop no others.
	filter = append(filter,
		equal(unix.SYS_TGKILL, 0, 4), load(seccompArg0), equal(uint32(os.Getpid()), 0, 1), answer(unix.SECCOMP_RET_ALLOW), answer(unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM)))
	// A thread is made with clone, and so is a process that would outlive this one.
	filter = append(filter,
		equal(unix.SYS_CLONE3, 0, 1), answer(unix.SECCOMP_RET_ERRNO|uint32(unix.ENOSYS)),
		equal(unix.SYS_CLONE, 0, 4), load(seccompArg0),
		unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: unix.CLONE_THREAD, Jf: 1}, answer(unix.SECCOMP_RET_ALLOW), answer(unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM)))
	for _, nr := range append(older, forbidden...) {
		filter = append(filter, equal(nr, 0, 1), answer(unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM)))
	}
	filter = append(filter, answer(unix.SECCOMP_RET_ALLOW))
	// The kernel wants no_new_privs of the calling thread, and sets it in the
	// others along with the filter.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: unsafe.SliceData(filter)}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	return nil
}
