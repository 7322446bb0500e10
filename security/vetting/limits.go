package vetting

// What a file may have at most. "Known" is the most that was seen in guests
// that Go 1.26, TinyGo, Rust, Zig and clang made, the built-in modules among
// them. Above it is room for a guest of the largest size a file may have.
const (
	// A Go guest with fmt and encoding/json has 3.3 MB, the largest known one
	// 3.9 MB. Compiling takes half a second for each MB.
	maxFile = 8 << 20

	// Known: 15, of a TinyGo guest with debug information.
	maxCustoms = 64

	// Known: 42 types; 13 parameters, 1 result.
	maxTypes   = 1024
	maxParams  = 64
	maxResults = 16

	// Known: 30. The ABI has fewer than 128 operations.
	maxImports = 256

	// Known: 2,370, in 3.9 MB.
	maxFunctions = 20_000

	// Known: one table, as Scan demands; a Go guest's has 6,466 places for
	// 2,370 functions. A place takes 8 bytes of the host, an item 40.
	maxTables    = 16
	maxTableSize = 1 << 16
	maxItems     = 1 << 16

	// Known: 8 globals, 24 exports.
	maxGlobals = 1024
	maxExports = 1024

	// Known: one segment of a table; 41,918 of the memory in 3.9 MB, because Go
	// leaves out zeros.
	maxElements = 1024
	maxData     = 1 << 17

	// In bytes. Known: 26.
	maxName = 256

	// Known: 29 KB with 13,335 instructions, in Go's runtime. The compiler's
	// time grows faster than a body.
	maxBody         = 256 << 10
	maxInstructions = 50_000

	// Known: 811, of a C guest that was not optimized.
	maxLocals = 1000

	// Known: 967, for a jump table of 964 labels, which is how Go comes back
	// into a function.
	maxNesting = 3000
	maxLoops   = 16   // in each other; known: 6
	maxTargets = 4096 // of one br_table
	maxLabels  = 8192 // of all in one body

	// The compiler carries each local to each place at which ways of control
	// meet, so that 4,000 locals in a body of 95 KB take it 149 s and 2 GB; what
	// is on the stack counts as locals do. It compares the places with each
	// other, so that 10,000 take it a minute however few the locals are: 32 such
	// pairs count as a local at a place. And it goes over a body again for
	// loops in loops, so that 381 in each other take it 16 s: four of them make
	// a place count twice.
	// Known: 95,173 of Go, 114,060 of a C guest that was not optimized; 2,793,480
	// in a whole Go guest of 3.9 MB. The most that a body may have takes the
	// compiler a second with meters, so that a whole file takes it half a minute.
	maxWork       = 250_000
	maxAllWork    = 6_000_000
	pairsOfPlaces = 32
	roundsOfLoops = 4
)
