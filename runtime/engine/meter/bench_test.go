package meter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/cofferdam-bot/cofferdam/modules"
	"github.com/cofferdam-bot/cofferdam/security/vetting"
)

// largest returns the largest built-in module, or that with the name.
func largest(t testing.TB, name string) []byte {
	t.Helper()
	files, err := modules.Builtin()
	if errors.Is(err, modules.ErrNotBuilt) && os.Getenv("COFFERDAM_CI") == "" {
		t.Skip("the modules are not built: run `make modules`")
	}
	if err != nil {
		t.Fatal(err)
	}
	var found []byte
	for _, f := range files {
		if (name == "" || f.Name == name) && len(f.Data) > len(found) {
			found = f.Data
		}
	}
	return found
}

// BenchmarkRewrite is what a module costs before it is compiled.
func BenchmarkRewrite(b *testing.B) {
	wasm := largest(b, "")
	b.SetBytes(int64(len(wasm)))
	b.ReportAllocs()
	for b.Loop() {
		f, err := vetting.Scan(wasm, vetting.Limits{MemoryPages: 1024})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Rewrite(f, Options{ExportGlobals: true, Detach: true}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLargestBody compiles, as they are and metered, the functions that
// take the compiler longest among those that the scanner admits: locals that
// are carried over as many blocks, loops, or calls as there may be.
func BenchmarkLargestBody(b *testing.B) {
	for _, shape := range []struct {
		name  string
		parts func(n int) []byte
	}{
		{"blocks", func(n int) []byte { return times(n, block(get(0), brIf(0), get(0), i32(1), add, set(1))) }},
		{"loops", func(n int) []byte { return times(n, loop(get(1), brIf(0))) }},
		{"loops-in-loops", func(n int) []byte { return ops(times(n/16, nested(16)), nested(n%16)) }},
		{"grows", func(n int) []byte { return times(n, ops(i32(0), grow, drop)) }},
	} {
		for _, locals := range []int{3, 200, 990} {
			largest := function{name: "f", typ: "i:i", locals: strings.Repeat("i", locals)}
			n := sort.Search(20_000, func(n int) bool {
				largest.code = withLocals(locals, shape.parts(n+1))
				_, err := vetting.Scan(assemble(largest), vetting.Limits{MemoryPages: 1})
				return err != nil
			})
			largest.code = withLocals(locals, shape.parts(n))
			wasm := assemble(largest)
			b.Run(fmt.Sprintf("%s-%d/locals-%d/bare", shape.name, n, locals), func(b *testing.B) { compile(b, wasm) })
			b.Run(fmt.Sprintf("%s-%d/locals-%d/metered", shape.name, n, locals), func(b *testing.B) { compile(b, rewrite(b, wasm, Options{}).Wasm) })
		}
	}
}

func nested(loops int) []byte {
	code := nop
	for range loops {
		code = loop(code, get(1), brIf(0))
	}
	return code
}

// withLocals sets each local before the code, and needs it after.
func withLocals(n int, code []byte) []byte {
	var before, after []byte
	for l := range n {
		before = append(before, ops(get(0), i32(l), add, set(l+1))...)
		after = append(after, ops(get(l+1), get(0), add, set(0))...)
	}
	return ops(before, code, after, get(0))
}

func compile(b *testing.B, wasm []byte) {
	for b.Loop() {
		r := wazero.NewRuntimeWithConfig(b.Context(), wazero.NewRuntimeConfigCompiler().WithCoreFeatures(coreFeatures))
		if _, err := r.CompileModule(b.Context(), wasm); err != nil {
			b.Fatal(err)
		}
		r.Close(b.Context())
	}
}

// spin is a tight loop of some arithmetic, count a loop of nothing.
var (
	spin  = function{name: "spin", typ: "i:i", locals: "i", code: ops(countdown(get(1), get(0), []byte{0x73}, i32(5), []byte{0x77}, set(1)), get(1))}
	count = function{name: "count", typ: "i:i", code: ops(countdown(), get(0))}
)

// inARow is how often a guest is called before it is another's turn: the
// processor's caches hold the code of one.
const inARow = 10

// BenchmarkMeter compares, in turns, the same code as it is, with the runtime's
// own check for a deadline, and with meters.
func BenchmarkMeter(b *testing.B) {
	small := assemble(fib, spin, count)
	for _, bench := range []struct {
		name string
		wasm []byte
		call func(context.Context, *guest) error
	}{
		{"fib-25", small, exported("fib", 25)},
		{"spin-1e6", small, exported("spin", 1_000_000)},
		{"count-1e6", small, exported("count", 1_000_000)},
		{"go-guest", largest(b, "core"), handle},
	} {
		b.Run(bench.name, func(b *testing.B) {
			ways := []*guest{
				newGuest(b, bench.wasm, "bare"),
				newGuest(b, bench.wasm, "closing"),
				newGuest(b, bench.wasm, "metered"),
			}
			// A deadline, so that the runtime has something to look for.
			ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
			defer cancel()
			spent := make([][]float64, len(ways))
			for b.Loop() {
				for i, g := range ways {
					for range inARow {
						start := time.Now()
						if err := bench.call(ctx, g); err != nil {
							b.Fatal(err)
						}
						spent[i] = append(spent[i], float64(time.Since(start)))
					}
				}
			}
			for i, g := range ways {
				b.ReportMetric(median(spent[i]), g.way+"-p50-ns")
				if i > 0 {
					b.ReportMetric(median(spent[i])/median(spent[0]), g.way+"/bare")
				}
			}
		})
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// guest is an instance in a runtime of its own.
type guest struct {
	api.Module
	way     string
	replies int
}

// request is what the guest of the built-in module handles.
const request = `{"v":1,"command":"getmyid","actor":{"id":17,"role":"user","name":"Ada"},"chat":{"id":17,"private":true},"time":1767225600000}`

func newGuest(t testing.TB, wasm []byte, way string) *guest {
	t.Helper()
	g := &guest{way: way}
	f := scan(t, wasm)
	var m Metered
	if way == "metered" || way == "detached" {
		m = rewrite(t, wasm, Options{ExportGlobals: true, Detach: way == "detached"})
		wasm = m.Wasm
	}
	ctx := t.Context()
	config := wazero.NewRuntimeConfigCompiler()
	if way == "detached" { // a test, which has no time to compile
		config = wazero.NewRuntimeConfigInterpreter()
	}
	r := wazero.NewRuntimeWithConfig(ctx, config.WithCoreFeatures(coreFeatures).WithCloseOnContextDone(way == "closing"))
	t.Cleanup(func() { r.Close(context.Background()) })
	hostTicks(t, r, func(left int64) int64 { return left + 1_000_000 })
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	host := r.NewHostModuleBuilder("cofferdam")
	for _, i := range f.Imports {
		if i.Module == "cofferdam" {
			g.define(host, i.Name, f.Types[i.Type])
		}
	}
	if _, err := host.Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	var err error
	// Go's scheduler needs a clock that moves.
	g.Module, err = r.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithStartFunctions().WithSysNanotime().WithSysWalltime())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range m.Segments {
		g.Memory().Write(s.Offset, s.Bytes)
	}
	if f := g.ExportedFunction("_initialize"); f != nil {
		if _, err := f.Call(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// define defines an import: requests and replies work, the rest does nothing.
func (g *guest) define(host wazero.HostModuleBuilder, name string, t vetting.Type) {
	function := func(_ context.Context, m api.Module, stack []uint64) {
		switch name {
		case "request_read":
			m.Memory().WriteString(uint32(stack[0]), request)
			stack[0] = uint64(len(request))
		case "reply_write":
			reply, _ := m.Memory().Read(uint32(stack[0]), uint32(stack[1]))
			if strings.Contains(string(reply), "17") {
				g.replies++
			}
			stack[0] = 0
		default:
			if len(t.Results) > 0 {
				stack[0] = 0
			}
		}
	}
	host.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(function), t.Params, t.Results).Export(name)
}

func exported(name string, arg uint64) func(context.Context, *guest) error {
	return func(ctx context.Context, g *guest) error {
		_, err := g.ExportedFunction(name).Call(ctx, arg)
		return err
	}
}

func handle(ctx context.Context, g *guest) error {
	g.replies = 0
	results, err := g.ExportedFunction("cofferdam_handle").Call(ctx, uint64(len(request)))
	if err == nil && (results[0] != 0 || g.replies != 1) {
		err = errors.New("the guest did not reply")
	}
	return err
}
