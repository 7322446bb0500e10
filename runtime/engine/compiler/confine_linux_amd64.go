package compiler

import "golang.org/x/sys/unix"

// older are calls that only older processors have: what they do is forbidden
// under its newer names, too.
var older = []uint32{
	unix.SYS_FORK, unix.SYS_VFORK, unix.SYS_CHMOD, unix.SYS_CHOWN, unix.SYS_LCHOWN, unix.SYS_UTIME, unix.SYS_UTIMES, unix.SYS_FUTIMESAT,
	unix.SYS_MKNOD, unix.SYS_SYMLINK, unix.SYS_LINK,
}
