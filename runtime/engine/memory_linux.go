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
	entries  []byte       // of the page table, to be read again and again
	pages    []int        // that were written, likewise
}

// mappedImage is shared by all instances of a module.
type mappedImage struct {
	fd       int
	size     uint64
	pristine []byte // the same, to be read
	zero     []bool // of each page of the system's, whether it is a hole
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
// already, undoes what was written.
func (m *mappedMemory) Restore(i image) error {
	from := i.(*mappedImage)
	if from.size != m.size {
		return fmt.Errorf("a memory of %d bytes cannot be made one of %d", m.size, from.size)
	}
	if m.size == 0 {
		return nil
	}
	memory := m.reserved[:m.size]
	if m.image == from {
		written, known := m.written(memory)
		return from.undo(memory, written, known)
	}
	at := unsafe.Pointer(unsafe.SliceData(m.reserved))
	_, err := unix.MmapPtr(from.fd, 0, at, uintptr(m.size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED)
	if err == nil {
		m.image = from
	}
	return err
}

// rewriteAtMost is how many pages an instance may keep for itself while it waits
// for work: 2 MiB, of pages of 4 KiB. A Go guest writes about a hundred.
const rewriteAtMost = 512

// undo writes the written pages once more, or, if it is not known which these
// are, or they are many, forgets them all: the next one that touches a page then
// gets it from the image, by a page fault, which on a virtual machine costs ten
// times more than to copy it.
func (i *mappedImage) undo(memory []byte, written []int, known bool) error {
	if !known || len(written) > rewriteAtMost {
		return unix.Madvise(memory, unix.MADV_DONTNEED)
	}
	for _, n := range written {
		page := memory[n*systemPage : (n+1)*systemPage]
		if i.zero[n] {
			clear(page) // to read a hole of the image would fill it
		} else {
			copy(page, i.pristine[n*systemPage:])
		}
	}
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
	if len(content) == 0 {
		return nil
	}
	if err := unix.Ftruncate(i.fd, int64(len(content))); err != nil {
		return err
	}
	i.zero = make([]bool, len(content)/systemPage)
	for at := 0; at < len(content); at += systemPage {
		part := content[at : at+systemPage]
		if i.zero[at/systemPage] = allZero(part); i.zero[at/systemPage] {
			continue
		}
		if _, err := unix.Pwrite(i.fd, part, int64(at)); err != nil {
			return err
		}
	}
	// From here on nobody can write to it, this process included.
	_, err := unix.FcntlInt(uintptr(i.fd), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	if err != nil {
		return err
	}
	i.pristine, err = unix.Mmap(i.fd, 0, len(content), unix.PROT_READ, unix.MAP_SHARED)
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

func (i *mappedImage) Close() error {
	var err error
	if i.pristine != nil {
		err = unix.Munmap(i.pristine)
	}
	return errors.Join(err, unix.Close(i.fd))
}
