package engine

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// systemMemories is what this system does best.
func systemMemories() memories { return mapped{} }

// mapped is the kind for Linux. An image is an anonymous file; an instance maps
// it privately, so that its pages are shared until the guest writes to them,
// and forgetting what it wrote is one system call.
type mapped struct{}

type mappedMemory struct {
	reserved []byte // address space; only the first size bytes can be touched
	size     uint64
	image    *mappedImage // what lies at the beginning; nil: zeros
}

type mappedImage struct {
	fd   int
	size uint64
}

func (mapped) Reserve(limit uint64) linear {
	if limit == 0 {
		limit = pageSize // nothing can be mapped with no length
	}
	reserved, err := unix.Mmap(-1, 0, int(limit), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil
	}
	return &mappedMemory{reserved: reserved}
}

func (m *mappedMemory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.reserved)) {
		return nil
	}
	if size > m.size {
		if err := unix.Mprotect(m.reserved[m.size:size], unix.PROT_READ|unix.PROT_WRITE); err != nil {
			return nil
		}
		m.size = size
	}
	return m.reserved[:m.size]
}

// Restore maps the image over the memory's beginning, or, if it lies there
// already, drops the pages that were written.
func (m *mappedMemory) Restore(i image) error {
	from := i.(*mappedImage)
	if from.size != m.size {
		return fmt.Errorf("a memory of %d bytes cannot be made one of %d", m.size, from.size)
	}
	if m.size == 0 {
		return nil
	}
	if m.image == from {
		return unix.Madvise(m.reserved[:m.size], unix.MADV_DONTNEED)
	}
	at := unsafe.Pointer(unsafe.SliceData(m.reserved))
	_, err := unix.MmapPtr(from.fd, 0, at, uintptr(m.size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED)
	if err != nil {
		return err
	}
	m.image = from
	return nil
}

func (m *mappedMemory) Free() {
	if m.reserved == nil {
		return
	}
	_ = unix.Munmap(m.reserved) // fails only for what is not mapped
	m.reserved, m.size = nil, 0
}

// Image writes what is not zero: the rest of the file is a hole that takes no
// memory.
func (mapped) Image(content []byte) (image, error) {
	fd, err := unix.MemfdCreate("cofferdam-image", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, err
	}
	i := &mappedImage{fd: fd, size: uint64(len(content))}
	if err := i.fill(content); err != nil {
		return nil, fmt.Errorf("keep the image of a memory: %w", errors.Join(err, i.Close()))
	}
	return i, nil
}

func (i *mappedImage) fill(content []byte) error {
	if err := unix.Ftruncate(i.fd, int64(len(content))); err != nil {
		return err
	}
	const block = 4096
	for at := 0; at < len(content); at += block {
		part := content[at:min(at+block, len(content))]
		if allZero(part) {
			continue
		}
		if _, err := unix.Pwrite(i.fd, part, int64(at)); err != nil {
			return err
		}
	}
	// From here on nobody can write to it, this process included.
	_, err := unix.FcntlInt(uintptr(i.fd), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	return err
}

func allZero(block []byte) bool {
	for _, b := range block {
		if b != 0 {
			return false
		}
	}
	return true
}

func (i *mappedImage) Size() uint64 { return i.size }
func (i *mappedImage) Close() error { return unix.Close(i.fd) }
