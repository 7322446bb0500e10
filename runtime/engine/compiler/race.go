//go:build race

package compiler

// The race detector reserves terabytes of address space before main begins.
const limitsAddressSpace = false
