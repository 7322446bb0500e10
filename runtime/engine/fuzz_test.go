package engine

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/engine/compiler"
)

// FuzzLoad gives the whole way of a file files that somebody made up. What the
// scan admits, a child compiles within its limits, or refuses.
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
		f.Add(g.assemble())
	}
	e, err := New(Config{Operations: operations(nil)})
	if err != nil {
		f.Fatal(err)
	}
	limits := usualLimits()
	limits.Memory = 4 << 20
	grant := memoryGrant(f)
	f.Fuzz(func(t *testing.T, wasm []byte) {
		m, err := e.Load(t.Context(), Source{Name: "fuzzed", Wasm: wasm, Grant: grant, Limits: limits})
		var refused *compiler.Refused
		if errors.As(err, &refused) && (strings.Contains(refused.Reason, "takes more") || strings.Contains(refused.Reason, "takes longer") || strings.Contains(refused.Reason, "broke")) {
			t.Fatalf("what the scan admits, a child cannot compile: %v", err)
		}
		if err != nil {
			return
		}
		if err := m.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}
