package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/runtime/engine/compiler"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
)

// Module is a loaded module. It is safe for concurrent use.
//
// Its code comes and goes: it is interpreted until a child has compiled it,
// native from then on, and given back while nobody uses it.
type Module struct {
	name    string
	builtIn bool
	file    file
	granted map[string]hostcall.Operation
	limits  Limits
	engine  *Engine
	// born is the zero of the guest's monotonic clock.
	born time.Time
	// slots bounds how many invocations run at once.
	slots chan struct{}
	// life ends with Close, or with the engine.
	life context.Context
	end  context.CancelFunc
	// closing guards taken, the slots that Close holds.
	closing sync.Mutex
	taken   int
	// working is what makes and frees code in the background. Once closed is set,
	// nothing is added.
	working   sync.WaitGroup
	upgrading atomic.Bool
	// admitted tells that the file was held against scan, ABI and grant since the
	// module was loaded, and begun that Load has returned.
	admitted, begun atomic.Bool

	mu      sync.Mutex
	closed  bool        // Close has every place, and waits for what works
	code    *code       // what new invocations use; nil: it comes on demand
	coming  *arrival    // of code that is being made
	trouble error       // why there was none the last time; nil: there was
	rest    *time.Timer // gives the code back when nobody used it for a while
}

// arrival is code on its way.
type arrival struct {
	over chan struct{} // closed when it is there, or cannot be had
	err  error
}

// acquire returns the module's code, and waits for it if there is none. The
// caller has a place, and releases the code.
func (m *Module) acquire(ctx context.Context) (*code, error) {
	for {
		m.mu.Lock()
		if c := m.code; c != nil {
			c.users++
			m.mu.Unlock()
			return c, nil
		}
		if m.coming == nil {
			m.coming = &arrival{over: make(chan struct{})}
			m.working.Go(m.arrive)
		}
		coming := m.coming
		m.mu.Unlock()
		select {
		case <-coming.over:
			if coming.err != nil {
				return nil, coming.err
			}
		case <-ctx.Done():
			return nil, stopped(ctx, "waited for its code")
		}
	}
}

// arrive makes code for all who wait. It ends with none of them.
func (m *Module) arrive() {
	c, err := m.provide(m.life)
	m.note(err)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.code != nil && c != nil: // a child was quicker than the interpreter
		m.working.Go(func() { m.discard(c) })
	case m.code == nil && c != nil:
		m.code = c
		m.rest.Reset(m.engine.idle) // whoever waited may have given up
	case m.code == nil:
		m.coming.err = err
	}
	close(m.coming.over)
	m.coming = nil
}

func (m *Module) release(c *code) {
	m.mu.Lock()
	c.users--
	last := c.users == 0
	gone := last && c.retired
	if last && !c.retired {
		m.rest.Reset(m.engine.idle)
	}
	m.mu.Unlock()
	if gone {
		m.discard(c)
	}
}

// install makes c what new invocations use.
func (m *Module) install(c *code) {
	m.mu.Lock()
	old := m.code
	m.code = c
	m.rest.Reset(m.engine.idle)
	unused := old != nil && old.users == 0
	if old != nil {
		old.retired = true
	}
	m.mu.Unlock()
	if unused {
		m.discard(old)
	}
}

func (m *Module) discard(c *code) {
	defer m.engine.tidy.Reset(tidyAfter)
	if err := c.free(context.Background()); err != nil {
		m.engine.log.Warn("a module's code cannot be freed", zap.String("event", "module.leak"), zap.String("module", m.name), zap.Error(err))
	}
}

// doze gives back the code of a module that nobody used for a while. It comes
// again on demand, as at the start.
func (m *Module) doze() {
	m.mu.Lock()
	c := m.code
	if c == nil || c.users > 0 || m.closed {
		m.mu.Unlock()
		return
	}
	m.code, c.retired = nil, true
	m.working.Add(1)
	m.mu.Unlock()
	defer m.working.Done()
	m.discard(c)
	m.engine.log.Debug("a module's code is given back until somebody needs it", zap.String("event", "module.idle"), zap.String("module", m.name))
}

// provide makes code, in the quickest way there is: from a folder, interpreted
// if the module is the project's own, or else by compiling it. Nothing of a file
// runs that was not held against scan and grant in this life of the module: that
// there is code for it says only that it passed once.
func (m *Module) provide(ctx context.Context) (*code, error) {
	if !m.admitted.Load() {
		if err := m.inspect(); err != nil {
			return nil, err
		}
	}
	folder, ok := m.engine.find(m.file.digest)
	if !ok && m.builtIn {
		m.beginUpgrade()
		return m.interim(ctx)
	}
	if !ok {
		var err error
		if folder, err = m.engine.compile(ctx, m.file); err != nil {
			return nil, err
		}
	}
	return native(ctx, folder, m)
}

// interim is what runs until native code is there. Only the project's own files
// are metered and interpreted in this process without a child that could have
// died of it.
func (m *Module) interim(ctx context.Context) (*code, error) {
	wasm, err := m.file.bytes()
	if err != nil {
		return nil, err
	}
	file, err := scan(wasm, m.limits)
	if err != nil {
		return nil, err
	}
	p, err := compiler.Prepare(file)
	if err != nil {
		return nil, err
	}
	return interpret(ctx, p, m)
}

// beginUpgrade has a child compile a module that is interpreted, if none is at it.
func (m *Module) beginUpgrade() {
	if m.upgrading.CompareAndSwap(false, true) {
		m.working.Go(func() {
			defer m.upgrading.Store(false)
			m.upgrade()
		})
	}
}

// upgrade compiles a module that can be used meanwhile. If that is not possible
// it stays interpreted, slow and right, and the next time that its code is
// needed anew it is tried again.
func (m *Module) upgrade() {
	began := time.Now()
	folder, err := m.engine.compile(m.life, m.file)
	if err == nil {
		m.engine.noteAdmitted(m)
	}
	if err == nil && !m.inUse() {
		return // it is there for whoever comes
	}
	var c *code
	if err == nil {
		c, err = native(m.life, folder, m)
	}
	if err != nil {
		if m.life.Err() == nil {
			m.engine.log.Warn("a module cannot be compiled, and is interpreted", zap.String("event", "module.interpreted"),
				zap.String("module", m.name), zap.Error(err))
		}
		return
	}
	m.install(c)
	m.engine.log.Info("a module is compiled", zap.String("event", "module.compiled"), zap.String("module", m.name), zap.Duration("took", time.Since(began)))
}

// inUse reports whether there is code, or some on its way.
func (m *Module) inUse() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.code != nil || m.coming != nil
}

// Close stops running invocations, waits for them, and frees the module's
// code. If the context ends first, the module stays stopped and nothing is
// freed: Close again.
func (m *Module) Close(ctx context.Context) error {
	m.end()
	m.closing.Lock()
	defer m.closing.Unlock()
	m.rest.Stop()
	// Memory must not go while a guest or an operation may touch it. Whoever
	// holds every slot is alone.
	for ; m.taken < cap(m.slots); m.taken++ {
		select {
		case m.slots <- struct{}{}: // free, even if there is no time to wait
			continue
		default:
		}
		select {
		case m.slots <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("close module %s: an invocation does not end: %w", m.name, ctx.Err())
		}
	}
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.working.Wait()
	m.mu.Lock()
	c := m.code
	m.code = nil
	m.mu.Unlock()
	if c == nil {
		return nil
	}
	return c.free(context.WithoutCancel(ctx))
}

// errNoMemory is what an instance ends with for which the system has no memory.
var errNoMemory = errors.New("there is no memory left")
