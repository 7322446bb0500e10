//go:build !wasip1

package sdk

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// TestAGuestMayUseEncodingJSON runs testdata/heavy in a host of a few lines: the
// codecs of the SDK stand in nobody's way.
func TestAGuestMayUseEncodingJSON(t *testing.T) {
	host := tinyHost{answers: map[string]string{abi.OpMetricsMemory: `{"total":12,"later":[{}],"free":null}`}}
	request, err := json.Marshal(Request{Version: abi.Version, Command: "heavy", Text: `{"unit":4}`, Actor: abi.Actor{Name: "Zoë \"<b>\""}})
	if err != nil {
		t.Fatal(err)
	}
	code := host.run(t, compile(t, "./testdata/heavy"), request)
	var got Reply
	if err := json.Unmarshal(host.reply, &got); err != nil || code != abi.OK {
		t.Fatalf("%v %q, %v", code, host.reply, err)
	}
	want := Reply{Blocks: []Block{Listing(`{"units":3,"user":"Zoë \"\u003cb\u003e\""}`, "json")}, Notice: "{Unit:4}"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if asked := string(host.asked); asked != `{"host":"edge"}` {
		t.Errorf("the host was asked %s", asked)
	}
}

// compile builds a guest as `cofferdam module build` does.
func compile(t *testing.T, source string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "guest.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", out, source)
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// tinyHost is the least that a guest needs: one request, and answers by operation.
type tinyHost struct {
	answers               map[string]string
	request, asked, reply []byte
	result                string
}

func (h *tinyHost) run(t *testing.T, wasm, request []byte) abi.Code {
	t.Helper()
	ctx := t.Context()
	h.request = request
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer runtime.Close(ctx)
	wasi_snapshot_preview1.MustInstantiate(ctx, runtime)
	imports := runtime.NewHostModuleBuilder(abi.ImportModule)
	export := func(name string, function any) { imports.NewFunctionBuilder().WithFunc(function).Export(name) }
	export(abi.ImportRequestRead, func(_ context.Context, m api.Module, ptr, _ uint32) uint32 {
		m.Memory().Write(ptr, h.request)
		return uint32(len(h.request))
	})
	export(abi.ImportReplyWrite, func(_ context.Context, m api.Module, ptr, length uint32) uint32 {
		h.reply = taken(m, ptr, length)
		return 0
	})
	export(abi.ImportResultRead, func(_ context.Context, m api.Module, ptr, _ uint32) uint32 {
		m.Memory().WriteString(ptr, h.result)
		return uint32(len(h.result))
	})
	export(abi.ImportLog, func(_ context.Context, m api.Module, _, ptr, length uint32) {
		t.Logf("guest: %s", taken(m, ptr, length))
	})
	for op, answer := range h.answers {
		export(op, func(_ context.Context, m api.Module, ptr, length uint32) int64 {
			h.asked, h.result = taken(m, ptr, length), answer
			return abi.Pack(abi.OK, uint32(len(answer)))
		})
	}
	if _, err := imports.Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	guest, err := runtime.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithStartFunctions(abi.ExportInitialize))
	if err != nil {
		t.Fatal(err)
	}
	results, err := guest.ExportedFunction(abi.ExportHandle).Call(ctx, uint64(len(request)))
	if err != nil {
		t.Fatal(err)
	}
	return abi.Code(int32(results[0]))
}

// taken copies a part of a guest's memory.
func taken(m api.Module, ptr, length uint32) []byte {
	part, _ := m.Memory().Read(ptr, length)
	return append([]byte(nil), part...)
}
