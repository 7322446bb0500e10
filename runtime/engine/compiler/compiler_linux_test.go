package compiler

import (
	"os"

	"golang.org/x/sys/unix"
)

func raise() error {
	return succeeded(unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 65, Max: 65}))
}

func endThread() error {
	return succeeded(unix.Tgkill(os.Getppid(), os.Getppid(), unix.SIGCONT))
}
