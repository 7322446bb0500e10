package folder

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// File is a module's file with its signature, each read once.
type File struct {
	Wasm []byte
	// Signature is the content of the file beside it; nil: there is none.
	Signature []byte
	// Stamp is that of the [Entry] that was read.
	Stamp string
}

// Read reads a module's file and its signature. The error is [ErrGone], [ErrOpen],
// [ErrChanging], or says what is wrong with the file.
func (f *Folder) Read(name string) (File, error) {
	if !goodName.MatchString(name) {
		return File{}, fmt.Errorf("%q is no name of a module's file", name)
	}
	dir, _, err := f.open()
	if err != nil {
		return File{}, err
	}
	defer dir.Close()
	var file File
	if file.Wasm, file.Stamp, err = f.one(dir, name, MaxFile); err != nil {
		return File{}, err
	}
	signature, stamp, err := f.one(dir, name+SignatureSuffix, MaxSignature)
	switch {
	case errors.Is(err, unix.ENOENT):
		return file, nil
	case errors.Is(err, ErrChanging):
		return File{}, err
	case err != nil:
		return File{}, fmt.Errorf("its signature, %s%s: %w", name, SignatureSuffix, err)
	}
	file.Signature, file.Stamp = signature, file.Stamp+" "+stamp
	return file, nil
}

// one reads a file of which nothing is known, without following or waiting.
func (f *Folder) one(dir *os.File, name string, most int64) (data []byte, stamp string, err error) {
	// Opening a device may do something, so it is looked at first. What is opened may
	// be another by then, and is looked at again.
	named, err := stat(dir, name)
	if err != nil {
		return nil, "", fmt.Errorf("it cannot be looked at: %w", err)
	}
	if err := usable(named, most); err != nil {
		return nil, "", err
	}
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENXIO):
		return nil, "", ErrChanging // it was a file a moment ago
	case err != nil:
		return nil, "", fmt.Errorf("it cannot be opened: %w", err)
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	before, err := fstat(file)
	if err != nil {
		return nil, "", err
	}
	if stampOf(before) != stampOf(named) {
		return nil, "", ErrChanging
	}
	data = make([]byte, before.Size+1) // a byte more would be seen
	n, err := io.ReadFull(file, data)
	f.between(name)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, "", fmt.Errorf("it cannot be read: %w", err)
	}
	after, err := fstat(file)
	if err != nil {
		return nil, "", err
	}
	if stampOf(after) != stampOf(before) || int64(n) != before.Size {
		return nil, "", ErrChanging
	}
	return data[:n], stampOf(before), nil
}

func fstat(file *os.File) (st unix.Stat_t, err error) {
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return st, fmt.Errorf("it cannot be looked at: %w", err)
	}
	return st, nil
}
