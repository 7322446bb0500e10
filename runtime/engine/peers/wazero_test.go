package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// bare is wazero and nothing else: no grant is looked at, no size limited, no
// log kept.
type bare struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	patience patience
	handle   api.Function // of the instance that is kept; nil: one for each call
}

func openWazero(file string, life lifetime, patience patience) func(context.Context, workshop) (peer, error) {
	return func(ctx context.Context, w workshop) (peer, error) {
		wasm, err := w.wasm(file)
		if err != nil {
			return nil, err
		}
		config, err := w.wazeroConfig()
		if err != nil {
			return nil, err
		}
		b := &bare{runtime: wazero.NewRuntimeWithConfig(ctx, config.WithCloseOnContextDone(patience == limited)), patience: patience}
		if err := b.load(ctx, wasm, life); err != nil {
			return nil, errors.Join(err, b.Close(ctx))
		}
		return b, nil
	}
}

// wazeroConfig is for all peers that stand on wazero: with its compiler, and its
// cache on disk.
func (w workshop) wazeroConfig() (wazero.RuntimeConfig, error) {
	dir, err := w.cacheDir("wazero")
	if err != nil {
		return nil, err
	}
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil, err
	}
	return wazero.NewRuntimeConfigCompiler().WithCompilationCache(cache), nil
}

func (b *bare) load(ctx context.Context, wasm []byte, life lifetime) (err error) {
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, b.runtime); err != nil {
		return err
	}
	if err := linkBare(ctx, b.runtime); err != nil {
		return err
	}
	if b.compiled, err = b.runtime.CompileModule(ctx, wasm); err != nil {
		return err
	}
	if life == fresh {
		return nil
	}
	instance, err := b.start(ctx)
	if err != nil {
		return err
	}
	b.handle = instance.ExportedFunction(abi.ExportHandle)
	return nil
}

func (b *bare) start(ctx context.Context) (api.Module, error) {
	return b.runtime.InstantiateModule(ctx, b.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions(abi.ExportInitialize))
}

func (b *bare) Call(ctx context.Context, request []byte) ([]byte, error) {
	if b.patience == limited {
		limit, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		ctx = limit
	}
	handle := b.handle
	if handle == nil {
		instance, err := b.start(ctx)
		if err != nil {
			return nil, err
		}
		defer instance.Close(ctx)
		handle = instance.ExportedFunction(abi.ExportHandle)
	}
	call := &bareCall{request: request}
	results, err := handle.Call(context.WithValue(ctx, bareKey{}, call), uint64(len(request)))
	if err != nil {
		return nil, err
	}
	if results[0] != 0 {
		return nil, fmt.Errorf("the guest answered %d", api.DecodeI32(results[0]))
	}
	return call.reply, nil
}

func (b *bare) Close(ctx context.Context) error { return b.runtime.Close(ctx) }

type bareKey struct{}

// bareCall is one request on its way.
type bareCall struct{ request, result, reply []byte }

// linkBare defines the part of cofferdam's ABI that the guests use.
func linkBare(ctx context.Context, runtime wazero.Runtime) error {
	i32, i64 := api.ValueTypeI32, api.ValueTypeI64
	builder := runtime.NewHostModuleBuilder(abi.ImportModule)
	define := func(name string, result api.ValueType, f func(ctx context.Context, call *bareCall, view []byte) uint64) {
		builder.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, guest api.Module, stack []uint64) {
			view, ok := guest.Memory().Read(uint32(stack[0]), uint32(stack[1]))
			if !ok {
				panic(errors.New("outside the memory"))
			}
			stack[0] = f(ctx, ctx.Value(bareKey{}).(*bareCall), view)
		}), []api.ValueType{i32, i32}, []api.ValueType{result}).Export(name)
	}
	define(abi.ImportRequestRead, i32, func(_ context.Context, call *bareCall, view []byte) uint64 {
		copy(view, call.request)
		return uint64(len(call.request))
	})
	define(abi.ImportResultRead, i32, func(_ context.Context, call *bareCall, view []byte) uint64 {
		copy(view, call.result)
		return uint64(len(call.result))
	})
	define(abi.ImportReplyWrite, i32, func(_ context.Context, call *bareCall, view []byte) uint64 {
		call.reply = bytes.Clone(view)
		return 0
	})
	define(abi.OpMetricsMemory, i64, func(ctx context.Context, call *bareCall, view []byte) uint64 {
		result, err := askHost(ctx, view)
		if err != nil {
			panic(err)
		}
		call.result = result
		return uint64(abi.Pack(abi.OK, uint32(len(result))))
	})
	_, err := builder.Instantiate(ctx)
	return err
}
