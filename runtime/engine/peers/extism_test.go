package peers

import (
	"context"
	"errors"
	"fmt"

	extism "github.com/extism/go-sdk"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// extismPeer is Extism's Go SDK: a compiled plugin, and instances of it.
type extismPeer struct {
	compiled *extism.CompiledPlugin
	instance *extism.Plugin // nil: one for each call
}

func openExtism(file string, life lifetime, patience patience) func(context.Context, workshop) (peer, error) {
	return func(ctx context.Context, w workshop) (peer, error) {
		wasm, err := w.wasm(file)
		if err != nil {
			return nil, err
		}
		config, err := w.wazeroConfig()
		if err != nil {
			return nil, err
		}
		manifest := extism.Manifest{Wasm: []extism.Wasm{extism.WasmData{Data: wasm}}}
		if patience == limited {
			manifest.Timeout = uint64(callTimeout.Milliseconds())
		}
		p := &extismPeer{}
		p.compiled, err = extism.NewCompiledPlugin(ctx, manifest,
			extism.PluginConfig{EnableWasi: true, RuntimeConfig: config}, []extism.HostFunction{extismMemory})
		if err != nil {
			return nil, err
		}
		if life == kept {
			if p.instance, err = p.start(ctx); err != nil {
				return nil, errors.Join(err, p.Close(ctx))
			}
		}
		return p, nil
	}
}

var extismMemory = extism.NewHostFunctionWithStack(abi.OpMetricsMemory,
	func(ctx context.Context, p *extism.CurrentPlugin, stack []uint64) {
		query, err := p.ReadBytes(stack[0])
		if err != nil {
			panic(err)
		}
		answer, err := askHost(ctx, query)
		if err != nil {
			panic(err)
		}
		if stack[0], err = p.WriteBytes(answer); err != nil {
			panic(err)
		}
	}, []extism.ValueType{extism.ValueTypePTR}, []extism.ValueType{extism.ValueTypePTR})

func (p *extismPeer) start(ctx context.Context) (*extism.Plugin, error) {
	return p.compiled.Instance(ctx, extism.PluginInstanceConfig{})
}

func (p *extismPeer) Call(ctx context.Context, request []byte) ([]byte, error) {
	instance := p.instance
	if instance == nil {
		started, err := p.start(ctx)
		if err != nil {
			return nil, err
		}
		defer started.Close(ctx)
		instance = started
	}
	code, reply, err := instance.CallWithContext(ctx, abi.ExportHandle, request)
	if err != nil {
		return nil, err
	}
	if code != 0 {
		return nil, fmt.Errorf("the guest answered %d", code)
	}
	return reply, nil
}

// Close frees the instances too: they live in the runtime of the compiled
// plugin.
func (p *extismPeer) Close(ctx context.Context) error { return p.compiled.Close(ctx) }
