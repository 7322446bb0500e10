package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"go.uber.org/zap"
)

// file is where a module's bytes come from. It is known by its digest, so that
// nothing has to be read to find the code that was made of it.
type file struct {
	digest string // SHA-256, lower-case hexadecimal
	wasm   []byte // if it stays in memory
	read   func() ([]byte, error)
}

func newFile(s Source) (file, error) {
	if s.Read == nil || s.Wasm != nil {
		return fileOf(s.Wasm), nil
	}
	if raw, err := hex.DecodeString(s.Digest); err != nil || len(raw) != sha256.Size || hex.EncodeToString(raw) != s.Digest {
		return file{}, fmt.Errorf("digest %q: it must be a SHA-256 in lower-case hexadecimal", s.Digest)
	}
	return file{digest: s.Digest, read: s.Read}, nil
}

func fileOf(wasm []byte) file {
	return file{digest: digest(wasm), wasm: wasm}
}

func digest(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return hex.EncodeToString(sum[:])
}

// lazy reports whether the bytes are read when they are needed.
func (f file) lazy() bool { return f.read != nil }

// errOtherFile is returned for a file that was changed behind our back.
var errOtherFile = errors.New("its file is not the one that was let in: the SHA-256 is another")

// bytes returns the file. What was read is looked at no further if it is not the
// file that was meant.
func (f file) bytes() ([]byte, error) {
	if f.read == nil {
		return f.wasm, nil
	}
	wasm, err := f.read()
	if err != nil {
		return nil, fmt.Errorf("its file cannot be read: %w", err)
	}
	if digest(wasm) != f.digest {
		return nil, errOtherFile
	}
	return wasm, nil
}

// Trouble says why the module's code could not be had when somebody asked for it
// the last time; nil: it could, or nobody asked. The next request tries again.
func (m *Module) Trouble() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.trouble
}

// note keeps why there is no code, and tells when that is news.
func (m *Module) note(err error) {
	if m.life.Err() != nil {
		return // the module is being closed
	}
	m.mu.Lock()
	before := m.trouble
	m.trouble = err
	m.mu.Unlock()
	if !m.begun.Load() {
		return // who loads it will tell
	}
	log := m.engine.log.With(zap.String("module", m.name), zap.String("digest", m.file.digest))
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		log.Error("a module cannot be loaded", zap.String("event", "module.rejected"), zap.Error(err))
	case err == nil && before != nil:
		log.Info("a module can be loaded again", zap.String("event", "module.loaded"))
	}
}
