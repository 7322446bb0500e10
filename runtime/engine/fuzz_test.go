package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// isCountBomb reports whether a number above 255 could stand anywhere in the
// file. wazero believes a file's counts: 15 bytes that announce 2³² imports,
// tables or locals end the process in a way that nothing can recover from
// (files are scanned for that before they get here), and no test must die so.
func isCountBomb(wasm []byte) bool {
	const headerLen = 8
	for i := headerLen; i < len(wasm); i++ {
		if n, size := binary.Uvarint(wasm[i:]); size < 0 || n > 255 {
			return true
		}
	}
	return len(wasm) > 512
}

// mayStart reports whether the file has a start section or another start
// function. Code that somebody made up may recurse without end, and where there
// is no loop, the deadline is not seen.
func mayStart(wasm []byte) bool {
	const start = 8
	for rest := wasm[min(8, len(wasm)):]; len(rest) > 0; {
		size, n := binary.Uvarint(rest[1:])
		if rest[0] == start {
			return true
		}
		if n <= 0 || size > uint64(len(rest)-1-n) {
			break // which no decoder follows
		}
		rest = rest[1+n+int(size):]
	}
	return bytes.Contains(wasm, []byte(abi.ExportInitialize))
}

// FuzzLoad gives the compiler files that somebody made up.
func FuzzLoad(f *testing.F) {
	for _, g := range []guest{
		{},
		{memory: pages(1, 2), data: "hello"},
		telling([]imported{requestReads}, i32(0), i32(6), call(1)),
		{imports: []imported{readsMemory}, handle: ops(i32(0), i32(2), call(0), drop, i32(0)), data: "{}"},
		{imports: []imported{logs, exits}, handle: ops(i32(1), i32(0), i32(5), call(0), i32(1), call(1), i32(0)), data: "hello"},
		{handle: ops(forever(i32(1), grow, drop), i32(0))},
		{imports: []imported{host(abi.OpDockerInfo, "ii:I"), wasi("path_open", "iiiiiIIii:i")}},
		{exports: []exported{{abi.ExportHandle, 2, 0}}},
	} {
		wasm := g.assemble()
		if isCountBomb(wasm) || mayStart(wasm) {
			f.Fatalf("%x would not be loaded", wasm)
		}
		f.Add(wasm)
	}
	e, err := New(Config{Operations: operations(nil)})
	if err != nil {
		f.Fatal(err)
	}
	limits := usualLimits()
	limits.Memory = 4 << 20
	grant := memoryGrant(f)
	f.Fuzz(func(t *testing.T, wasm []byte) {
		if isCountBomb(wasm) || mayStart(wasm) {
			return
		}
		m, err := e.Load(t.Context(), Source{Name: "fuzzed", Wasm: wasm, Grant: grant, Limits: limits})
		if err != nil {
			return
		}
		if err := m.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}
