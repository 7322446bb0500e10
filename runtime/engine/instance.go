package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// instance is one copy of a guest. It serves one invocation at a time.
type instance struct {
	guest   api.Module
	memory  linear
	globals []api.MutableGlobal // in the order of their names in code
	fuel    api.MutableGlobal
}

// snapshot is what an instance is made of when it has started and has not been
// used: its memory, and its globals.
type snapshot struct {
	image   image
	globals []uint64
}

// blank makes an instance whose data is in place and whose start functions did
// not run.
func (c *code) blank(ctx context.Context) (i *instance, err error) {
	memory := &allocator{memories: c.memories, limit: uint64(c.limits.Memory)}
	i = &instance{}
	defer func() {
		if r := recover(); r == errNoMemory {
			err = errNoMemory
		} else if r != nil {
			err = panicked("starting an instance", r)
		}
		if err == nil {
			return
		}
		if i.guest != nil {
			i.close(ctx)
		} else if memory.memory != nil {
			memory.memory.Free()
		}
		i = nil
	}()
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	i.guest, err = c.runtime.InstantiateModule(experimental.WithMemoryAllocator(ctx, memory), c.compiled, config)
	if err != nil {
		return i, err
	}
	i.memory = memory.memory
	for _, name := range c.Globals {
		global, ok := i.guest.ExportedGlobal(name).(api.MutableGlobal)
		if !ok {
			return i, fmt.Errorf("global %s is not there", name)
		}
		i.globals = append(i.globals, global)
		if name == c.Fuel {
			i.fuel = global
		}
	}
	if i.fuel == nil {
		return i, errors.New("nothing counts its work")
	}
	return i, nil
}

// start makes a pristine instance, from the snapshot if there is one.
func (c *code) start(ctx context.Context) (*instance, error) {
	i, err := c.blank(ctx)
	if err != nil {
		return nil, err
	}
	if c.pristine != nil {
		err = c.pristine.adopt(i)
	} else {
		err = c.initialize(ctx, i)
	}
	if err != nil {
		i.close(ctx)
		return nil, err
	}
	return i, nil
}

// initialize puts the data into place and runs the start function. It runs in
// nobody's name: no request is there yet, and every operation is denied. What
// it burns counts, though.
func (c *code) initialize(ctx context.Context, i *instance) error {
	for _, segment := range c.Data {
		if !i.guest.Memory().Write(segment.Offset, segment.Bytes) {
			return errors.New("its data lies outside its memory")
		}
	}
	start := i.guest.ExportedFunction(abi.ExportInitialize)
	if start == nil {
		return nil
	}
	inv := invocationOf(ctx)
	nobody := inv.nobody()
	ctx = withInvocation(ctx, nobody)
	i.refuel(ctx)
	_, err := start.Call(ctx)
	nobody.spent(i)
	inv.used = nobody.used
	return err
}

// refuel lets the guest work until it asks again.
func (i *instance) refuel(ctx context.Context) { i.fuel.Set(uint64(invocationOf(ctx).ration())) }

// keep makes a snapshot of an instance as it is.
func (c *code) keep(i *instance) error {
	memory := i.guest.Memory()
	content, ok := memory.Read(0, memory.Size())
	if !ok {
		return errors.New("its memory cannot be read")
	}
	image, err := c.memories.Image(content)
	if err != nil {
		return err
	}
	s := &snapshot{image: image}
	for _, global := range i.globals {
		s.globals = append(s.globals, global.Get())
	}
	c.pristine, c.Data = s, nil // the data is in the image
	return s.restore(i)
}

// adopt makes a new instance one of the snapshot.
func (s *snapshot) adopt(i *instance) error {
	memory := i.guest.Memory()
	if missing := s.image.Size() - uint64(memory.Size()); missing > 0 {
		if _, ok := memory.Grow(uint32(missing / pageSize)); !ok {
			return errNoMemory
		}
	}
	return s.restore(i)
}

// errGrown is returned for an instance that no snapshot fits any more: memory
// never shrinks.
var errGrown = errors.New("the memory grew")

// restore wipes everything that an instance did.
func (s *snapshot) restore(i *instance) error {
	if uint64(i.guest.Memory().Size()) != s.image.Size() {
		return errGrown
	}
	if err := i.memory.Restore(s.image); err != nil {
		return err
	}
	for n, global := range i.globals {
		global.Set(s.globals[n])
	}
	return nil
}

// close frees the instance. wazero's error says only that the guest had
// exited.
func (i *instance) close(ctx context.Context) { _ = i.guest.Close(context.WithoutCancel(ctx)) }
