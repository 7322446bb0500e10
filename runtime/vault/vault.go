// Package vault keeps the modules that may run: copies by their digest, in the state
// directory, where nobody else writes (F2). What runs is read from here, so that a file
// that changes in the module folder takes nothing away before the new one is approved.
package vault

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Bounds of what is kept.
const (
	MaxFiles = 512
	MaxBytes = 1 << 30
	// MaxMemory is that of a vault in memory, in bytes.
	MaxMemory = 256 << 20
	// MaxFile bounds one file, in bytes.
	MaxFile = 8 << 20
)

// Errors of a vault.
var (
	// ErrFull is returned if there is no room for another file.
	ErrFull = errors.New("the vault of modules is full")
	// ErrNone is returned for a digest that is not there.
	ErrNone = errors.New("there is no copy of that module")
	// ErrDamaged is returned for a copy whose bytes are not those of its digest.
	ErrDamaged = errors.New("the copy of the module was changed")
)

// Vault is safe for concurrent use.
type Vault struct {
	dir string // empty: in memory
	mu  sync.Mutex
	// sizes are those of what is there, by digest.
	sizes  map[string]int64
	memory map[string][]byte
	most   int64
}

const (
	suffix  = ".wasm"
	newMark = ".new-" // in the name of a file that is being written
)

// OpenMemory makes a vault that dies with the process.
func OpenMemory() *Vault {
	return &Vault{sizes: map[string]int64{}, memory: map[string][]byte{}, most: MaxMemory}
}

// Open opens or makes the vault in a directory, which only its owner can enter. It may
// hold other files and folders: they are left alone.
func Open(dir string) (*Vault, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("vault of modules: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return nil, fmt.Errorf("vault of modules: %s: %w", dir, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Mode&0o077 != 0 || int(st.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("vault of modules: %s is no folder of ours alone: run chown %d %s and chmod 700 %s", dir, os.Geteuid(), dir, dir)
	}
	v := &Vault{dir: dir, sizes: map[string]int64{}, most: MaxBytes}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("vault of modules: %w", err)
	}
	for _, e := range entries {
		digest, _ := strings.CutSuffix(e.Name(), suffix)
		switch info, err := e.Info(); {
		case strings.Contains(e.Name(), suffix+newMark) && !e.IsDir():
			os.Remove(filepath.Join(dir, e.Name())) // what a crash left half done
		case err == nil && isDigest(digest) && digest != e.Name() && !e.IsDir():
			v.sizes[digest] = info.Size()
		}
	}
	return v, nil
}

// Put keeps a copy, and returns its digest: SHA-256 in lower-case hexadecimal. When it
// returns without an error, the copy is on disk, whole. The error may be an [ErrFull].
func (v *Vault) Put(wasm []byte) (digest string, err error) {
	sum := sha256.Sum256(wasm)
	digest = hex.EncodeToString(sum[:])
	if len(wasm) > MaxFile {
		return "", fmt.Errorf("%w: a file of %d bytes, at most %d", ErrFull, len(wasm), MaxFile)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, err := v.get(digest); err == nil {
		v.sizes[digest] = int64(len(wasm))
		return digest, nil
	}
	total := int64(len(wasm))
	for _, size := range v.sizes {
		total += size
	}
	if len(v.sizes) >= MaxFiles || total > v.most {
		return "", fmt.Errorf("%w: %d modules of %d MiB in all are kept, at most %d of %d MiB", ErrFull, len(v.sizes), total>>20, MaxFiles, v.most>>20)
	}
	if v.dir == "" {
		v.memory[digest] = append([]byte{}, wasm...)
	} else if err := v.write(digest, wasm); err != nil {
		return "", fmt.Errorf("keep a copy of the module: %w", err)
	}
	v.sizes[digest] = int64(len(wasm))
	return digest, nil
}

// write makes a file under another name first: it is there whole, or not at all.
func (v *Vault) write(digest string, wasm []byte) (err error) {
	file, err := os.CreateTemp(v.dir, digest+suffix+newMark) // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, err = file.Write(wasm)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), v.path(digest)); err != nil {
		return err
	}
	dir, err := os.Open(v.dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (v *Vault) path(digest string) string { return filepath.Join(v.dir, digest+suffix) }

// Get returns a copy. Its bytes were held against the digest. The error may be an
// [ErrNone] or an [ErrDamaged].
func (v *Vault) Get(digest string) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.get(digest)
}

func (v *Vault) get(digest string) ([]byte, error) {
	if !isDigest(digest) {
		return nil, ErrNone
	}
	wasm, there := v.memory[digest]
	if v.dir != "" {
		var err error
		if wasm, err = v.read(digest); err != nil {
			return nil, err
		}
	} else if !there {
		return nil, ErrNone
	}
	if sum := sha256.Sum256(wasm); hex.EncodeToString(sum[:]) != digest {
		return nil, fmt.Errorf("%w: %s", ErrDamaged, digest)
	}
	return wasm, nil
}

// Has reports whether there is a copy. Whether it is whole is seen when it is read.
func (v *Vault) Has(digest string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, there := v.sizes[digest]
	return there
}

func (v *Vault) read(digest string) ([]byte, error) {
	file, err := os.OpenFile(v.path(digest), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrNone
	case err != nil:
		return nil, fmt.Errorf("read a copy of a module: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("read a copy of a module: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > MaxFile {
		return nil, fmt.Errorf("%w: %s", ErrDamaged, digest)
	}
	wasm := make([]byte, info.Size())
	if _, err := io.ReadFull(file, wasm); err != nil {
		return nil, fmt.Errorf("read a copy of a module: %w", err)
	}
	return wasm, nil
}

// Keep removes every copy that a test does not pick.
func (v *Vault) Keep(picks func(digest string) bool) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var errs []error
	for digest := range v.sizes {
		if picks(digest) {
			continue
		}
		if v.dir != "" {
			if err := os.Remove(v.path(digest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, fmt.Errorf("remove a copy of a module: %w", err))
				continue
			}
		}
		delete(v.memory, digest)
		delete(v.sizes, digest)
	}
	return errors.Join(errs...)
}

// Len is how many copies there are.
func (v *Vault) Len() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.sizes)
}

func isDigest(text string) bool {
	raw, err := hex.DecodeString(text)
	return err == nil && len(raw) == sha256.Size && strings.ToLower(text) == text
}
