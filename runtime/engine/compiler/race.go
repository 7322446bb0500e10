//go:build race

package compiler

// The race detector reserves terabytes of address space before main begins.
const limitsAddressSpace = false

// Before it ends, a process with the race detector sleeps for a second, so that
// others of its threads can still be caught. A child is alone, and there are
// hundreds.
var childEnvironment = []string{"GORACE=atexit_sleep_ms=0"}
