//go:build !linux

package compiler

// confine leaves a process as it is on systems whose ways of doing it are not
// known here. The parent still ends it after [Limits].Time.
func confine(string, Limits) error { return nil }
