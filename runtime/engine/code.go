package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/tetratelabs/wazero"

	"github.com/cofferdam-bot/cofferdam/runtime/engine/compiler"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
)

// code is a module in a form that can run, native or interpreted, with the
// snapshot from which its instances start and those that wait for work.
type code struct {
	compiler.Prepared
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	cache    wazero.CompilationCache // nil: none
	memories memories
	limits   Limits
	// interim code is interpreted until a child has compiled it.
	interim bool
	// pristine is what every instance starts from; nil for a module whose
	// state no snapshot holds.
	pristine *snapshot

	mu   sync.Mutex
	idle []*instance

	// users and retired belong to the module, under its own lock: code that was
	// retired is freed when the last user is done.
	users   int
	retired bool
}

// interpret makes code that runs at once and slowly: a fiftieth of the speed,
// after a tenth of the time.
func interpret(ctx context.Context, p compiler.Prepared, m *Module) (*code, error) {
	c, err := newCode(ctx, p, m, wazero.NewRuntimeConfigInterpreter(), nil)
	if err == nil {
		c.interim = true
	}
	return c, err
}

// native takes code from the folder into which it was compiled.
func native(ctx context.Context, folder string, m *Module) (*code, error) {
	p, err := compiler.Read(folder)
	if err != nil {
		return nil, err
	}
	cache, err := compiler.OpenCache(folder)
	if err != nil {
		return nil, err
	}
	return newCode(ctx, p, m, wazero.NewRuntimeConfigCompiler().WithCompilationCache(cache), cache)
}

func newCode(ctx context.Context, p compiler.Prepared, m *Module, base wazero.RuntimeConfig, cache wazero.CompilationCache) (c *code, err error) {
	c = &code{Prepared: p, cache: cache, memories: m.engine.memories, limits: m.limits}
	defer func() {
		// A panic in a compiler that reads a hostile file must not end the bot.
		if r := recover(); r != nil {
			err = panicked("loading", r)
		}
		if err != nil {
			err = errors.Join(err, c.free(context.WithoutCancel(ctx)))
			c = nil
		}
	}()
	config := compiler.Config(base).WithMemoryLimitPages(uint32(m.limits.Memory / pageSize))
	c.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if c.compiled, err = c.runtime.CompileModule(ctx, p.Wasm); err != nil {
		return c, fmt.Errorf("compile: %s", oneLine(err.Error()))
	}
	c.Wasm = nil // wazero has what it needs of it
	if err := linkAll(ctx, c.runtime, m.granted); err != nil {
		return c, fmt.Errorf("link: %w", err)
	}
	m.engine.tidy.Reset(tidyAfter)
	if err := m.rehearse(ctx, c); err != nil {
		return c, fmt.Errorf("it does not start: %w", err)
	}
	return c, nil
}

func linkAll(ctx context.Context, runtime wazero.Runtime, granted map[string]hostcall.Operation) error {
	return errors.Join(linkWASI(ctx, runtime), linkMeter(ctx, runtime), link(ctx, runtime, granted))
}

// take returns an instance in its pristine state.
func (c *code) take(ctx context.Context) (*instance, error) {
	c.mu.Lock()
	if n := len(c.idle); n > 0 {
		i := c.idle[n-1]
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		return i, nil
	}
	c.mu.Unlock()
	return c.start(ctx)
}

// give takes an instance back, and makes it pristine again. One that cannot be
// is closed. There are never more than invocations at a time.
func (c *code) give(ctx context.Context, i *instance, whole bool) {
	if !whole || c.pristine == nil || c.pristine.restore(i) != nil {
		i.close(ctx)
		return
	}
	c.mu.Lock()
	c.idle = append(c.idle, i)
	c.mu.Unlock()
}

// free gives everything back. Nobody may use the code any more.
func (c *code) free(ctx context.Context) error {
	var errs []error
	for _, i := range c.idle {
		i.close(ctx)
	}
	c.idle = nil
	if c.runtime != nil {
		errs = append(errs, c.runtime.Close(ctx))
	}
	if c.cache != nil {
		errs = append(errs, c.cache.Close(ctx))
	}
	if c.pristine != nil {
		errs = append(errs, c.pristine.image.Close())
	}
	c.runtime, c.compiled, c.cache, c.pristine = nil, nil, nil, nil
	return errors.Join(errs...)
}
