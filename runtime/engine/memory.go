package engine

import (
	"fmt"

	"github.com/tetratelabs/wazero/experimental"
)

// linear is the memory of one instance. It never moves and never grows beyond
// what was reserved for it.
type linear interface {
	experimental.LinearMemory
	// Restore makes the memory what the image holds, to the last byte. It may
	// be called as often as wished as long as the memory has the image's size.
	Restore(image) error
}

// image is the content of a memory from which instances start. It is never
// written again, and shared by all instances of a module.
type image interface {
	// Size in bytes: a whole number of pages.
	Size() uint64
	Close() error
}

// memories makes memories and images. There is one for systems that can map an
// image copy on write, and one for all others.
type memories interface {
	// Reserve returns an empty memory that can grow to that many bytes, or nil
	// if the system has none left.
	Reserve(limit uint64) linear
	// Image keeps a copy of a memory's content.
	Image(content []byte) (image, error)
}

// allocator hands wazero the memory for one instance and remembers it: if an
// instance cannot be made, wazero does not always free its memory.
type allocator struct {
	memories memories
	limit    uint64
	memory   linear
}

// Allocate implements [experimental.MemoryAllocator]. wazero has no way to say
// that there is no memory: it is left to panic on nil, which Load and Invoke
// recover from.
func (a *allocator) Allocate(_, limit uint64) experimental.LinearMemory {
	memory := a.memories.Reserve(min(limit, a.limit))
	if memory == nil {
		panic(errNoMemory)
	}
	a.memory = memory
	return memory
}

// plain is the portable kind: slices of Go, images that are copied.
type plain struct{}

type plainMemory struct {
	bytes []byte
	limit uint64
}

type plainImage []byte

func (plain) Reserve(limit uint64) linear { return &plainMemory{limit: limit} }

func (plain) Image(content []byte) (image, error) {
	return plainImage(append([]byte(nil), content...)), nil
}

func (m *plainMemory) Reallocate(size uint64) []byte {
	if size > m.limit {
		return nil
	}
	if size > uint64(cap(m.bytes)) {
		// More than is asked for: a guest could ask for one page a thousand times.
		grown := make([]byte, size, min(m.limit, max(size, 2*uint64(cap(m.bytes)))))
		copy(grown, m.bytes)
		m.bytes = grown
	}
	m.bytes = m.bytes[:size]
	return m.bytes
}

func (m *plainMemory) Restore(i image) error {
	from := i.(plainImage)
	if len(from) != len(m.bytes) {
		return fmt.Errorf("a memory of %d bytes cannot be made one of %d", len(m.bytes), len(from))
	}
	copy(m.bytes, from)
	return nil
}

func (m *plainMemory) Free() { m.bytes = nil }

func (i plainImage) Size() uint64 { return uint64(len(i)) }
func (i plainImage) Close() error { return nil }
