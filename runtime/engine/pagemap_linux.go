package engine

import (
	"encoding/binary"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// systemPage is the unit in which the system maps memory. WebAssembly's pages
// are a multiple of it everywhere.
var systemPage = os.Getpagesize()

// What the kernel tells of a page (Documentation/admin-guide/mm/pagemap.rst).
const (
	entrySize   = 8
	pagePresent = 1 << 63
	pageSwapped = 1 << 62 // or on its way to another place
	pageOfFile  = 1 << 61 // not one's own copy
)

// pagemap tells which pages of this process are its own copies: -1 where the
// kernel does not, or not as its documentation has it.
var pagemap = sync.OnceValue(func() int {
	fd, err := unix.Open("/proc/self/pagemap", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	if !tellsTheTruth(fd) {
		_ = unix.Close(fd)
		return -1
	}
	return fd
})

// tellsTheTruth tries it on three pages, of which one is read and one written.
func tellsTheTruth(fd int) bool {
	content := make([]byte, 3*systemPage)
	for i := range content {
		content[i] = 1
	}
	i, err := mapped{}.Image(content)
	if err != nil {
		return false
	}
	defer i.Close()
	m := mapped{}.Reserve(uint64(len(content)))
	if m == nil {
		return false
	}
	defer m.Free()
	memory := m.Reallocate(uint64(len(content)))
	if memory == nil || m.Restore(i) != nil {
		return false
	}
	memory[2*systemPage] = memory[systemPage] + 1
	entries := make([]byte, 3*entrySize)
	return readEntries(fd, memory, entries) && !isWritten(entries, 0) && !isWritten(entries, 1) && isWritten(entries, 2)
}

// written returns the numbers of the memory's pages that are not the image's
// any more. They were written, if not by the last invocation then by one before.
func (m *mappedMemory) written(memory []byte) (pages []int, known bool) {
	fd := pagemap()
	if fd < 0 {
		return nil, false
	}
	if need := len(memory) / systemPage * entrySize; len(m.entries) != need {
		m.entries = make([]byte, need)
	}
	if !readEntries(fd, memory, m.entries) {
		return nil, false
	}
	m.pages = m.pages[:0]
	for n := range len(m.entries) / entrySize {
		if isWritten(m.entries, n) {
			m.pages = append(m.pages, n)
		}
	}
	return m.pages, true
}

func readEntries(fd int, memory, entries []byte) bool {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(memory))) / uintptr(systemPage) * entrySize
	n, err := unix.Pread(fd, entries, int64(at))
	return err == nil && n == len(entries)
}

// isWritten takes for written whatever is not certain to be the image's: a page
// that nobody touched, or that is there as the file's.
func isWritten(entries []byte, n int) bool {
	entry := binary.LittleEndian.Uint64(entries[n*entrySize:])
	return entry&(pagePresent|pageSwapped) != 0 && entry&(pagePresent|pageSwapped|pageOfFile) != pagePresent|pageOfFile
}
