//go:build !linux

package compiler

import "syscall"

// confine leaves a process as it is on systems whose ways of doing it are not
// known here. The parent still ends it after [Limits].Time.
func confine(string, Limits) error { return nil }

func attributes() *syscall.SysProcAttr { return nil }

// Unconfined says what the system cannot take from a child.
func Unconfined() string {
	return "on this system a process that compiles a module keeps its files and its network"
}
