// Package c carries the header for modules in C, so that `cofferdam module
// build` has the one that belongs to its host.
package c

import _ "embed"

// HeaderName is the name under which modules include [Header].
const HeaderName = "cofferdam.h"

// Header is cofferdam.h: the contract of package abi in C, and helpers.
//
//go:embed cofferdam.h
var Header []byte
