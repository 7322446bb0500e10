package peers

import (
	"context"
	"errors"
	"fmt"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
)

// cofferdam is this project's engine, with the limits that a module gets of
// which the config says nothing.
type cofferdam struct {
	engine *engine.Engine
	module *engine.Module
}

func openCofferdam(file string) func(context.Context, workshop) (peer, error) {
	return func(ctx context.Context, w workshop) (peer, error) {
		wasm, err := w.wasm(file)
		if err != nil {
			return nil, err
		}
		dir, err := w.cacheDir("engine")
		if err != nil {
			return nil, err
		}
		e, err := engine.New(engine.Config{CacheDir: dir, Operations: operations})
		if err != nil {
			return nil, err
		}
		m, err := e.Load(ctx, engine.Source{Name: "peer", Wasm: wasm, Grant: grant, Limits: usualLimits()})
		if err != nil {
			return nil, errors.Join(err, e.Close(ctx))
		}
		return cofferdam{engine: e, module: m}, nil
	}
}

func usualLimits() engine.Limits {
	l := config.DefaultLimits
	return engine.Limits{
		Memory: int64(l.Memory), Timeout: l.Timeout, HostCalls: l.HostCalls,
		Reply: int(l.Reply), Log: int(l.Log), Concurrency: l.Concurrency, Fuel: uint64(l.Fuel),
	}
}

func (c cofferdam) Call(ctx context.Context, request []byte) ([]byte, error) {
	answer, err := c.module.Invoke(ctx, newCaller(), request)
	if err != nil {
		return nil, err
	}
	if answer.Code != abi.OK {
		return nil, fmt.Errorf("the guest answered %s", answer.Code)
	}
	return answer.Reply, nil
}

func (c cofferdam) Close(ctx context.Context) error {
	return errors.Join(c.module.Close(ctx), c.engine.Close(ctx))
}
