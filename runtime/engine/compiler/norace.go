//go:build !race

package compiler

const limitsAddressSpace = true
