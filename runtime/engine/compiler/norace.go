//go:build !race

package compiler

const limitsAddressSpace = true

// childEnvironment is what a child needs besides.
var childEnvironment []string
