package peers

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/cofferdam-bot/cofferdam/runtime/engine/peers/protowasm"
)

// knqyf is knqyf263/go-plugin: what it generates, around wazero. Its loader
// takes a path, and makes a wazero runtime for each instance.
type knqyf struct {
	loader *protowasm.ModulePlugin
	path   string
	module knqyfModule // nil: one for each call
}

// knqyfModule is the type that its loader returns, without a name for it.
type knqyfModule interface {
	protowasm.Module
	Close(context.Context) error
}

func openKnqyf(life lifetime) func(context.Context, workshop) (peer, error) {
	return func(ctx context.Context, w workshop) (peer, error) {
		path, err := w.built(goKnqyf)
		if err != nil {
			return nil, err
		}
		config, err := w.wazeroConfig()
		if err != nil {
			return nil, err
		}
		// By default it compiles for each instance anew, which takes seconds.
		loader, err := protowasm.NewModulePlugin(ctx, protowasm.WazeroRuntime(func(ctx context.Context) (wazero.Runtime, error) {
			runtime := wazero.NewRuntimeWithConfig(ctx, config)
			_, err := wasi_snapshot_preview1.Instantiate(ctx, runtime)
			return runtime, err
		}))
		if err != nil {
			return nil, err
		}
		k := &knqyf{loader: loader, path: path}
		if life == kept {
			k.module, err = k.start(ctx)
		}
		return k, err
	}
}

func (k *knqyf) start(ctx context.Context) (knqyfModule, error) {
	return k.loader.Load(ctx, k.path, knqyfHost{})
}

func (k *knqyf) Call(ctx context.Context, request []byte) ([]byte, error) {
	module := k.module
	if module == nil {
		started, err := k.start(ctx)
		if err != nil {
			return nil, err
		}
		defer started.Close(ctx)
		module = started
	}
	reply, err := module.Handle(ctx, &protowasm.Request{Json: request})
	return reply.GetJson(), err
}

func (k *knqyf) Close(ctx context.Context) error {
	if k.module == nil {
		return nil
	}
	return k.module.Close(ctx)
}

type knqyfHost struct{}

func (knqyfHost) MetricsMemory(ctx context.Context, query *protowasm.Query) (*protowasm.Answer, error) {
	answer, err := askHost(ctx, query.Json)
	return &protowasm.Answer{Json: answer}, err
}
