//go:build linux && !amd64

package compiler

// older are calls that only older processors have.
var older []uint32
