package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/engine/compiler"
)

// The native code of each file has a folder of its own, in which it stays from
// one start of the bot to the next.
//
// wazero checks no more of an entry than its version and a CRC of the code: a
// flipped bit in a count makes it ask for 32 GiB, and one in an offset makes it
// jump into the middle of a function. Neither can be recovered from. So a seal
// lies beside the entry, a digest of every byte in the folder, and wazero is
// let near a folder only if the seal is whole. A seal guards against damage,
// not against malice: who can write here can run code as the bot anyway.

const (
	sealFile = "seal"
	newMark  = ".new-" // in the name of a folder that is being filled
)

// checkCacheDir makes the folder of all folders, refuses one in which others
// could put code, and removes what a crash left half done.
func checkCacheDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := onlyOurs(dir); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		keep := keepUnused
		if strings.Contains(e.Name(), newMark) {
			keep = keepUnfinished
		}
		if info, err := e.Info(); err == nil && isCodeFolder(e) && time.Since(info.ModTime()) > keep {
			os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
	return nil
}

// onlyOurs refuses a folder in which somebody else could put native code.
func onlyOurs(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return errors.New("it is not a folder")
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("mode %04o: others could put native code there; run chmod 0700 %s", mode, dir)
	}
	if owner, known := ownerOf(info); known && owner != 0 && owner != os.Geteuid() {
		return fmt.Errorf("it belongs to user %d, who could put native code there; run chown %d %s", owner, os.Geteuid(), dir)
	}
	return nil
}

// isCodeFolder tells our folders by their names, so that nothing else is ever
// removed.
func isCodeFolder(e fs.DirEntry) bool {
	digest, _, _ := strings.Cut(e.Name(), newMark)
	raw, err := hex.DecodeString(digest)
	return e.IsDir() && err == nil && len(raw) == sha256.Size
}

const (
	// keepUnused is how long the code of a file that is not loaded any more
	// stays: about 13 MB for each version of a module.
	keepUnused = 30 * 24 * time.Hour
	// keepUnfinished is how long a folder that is being filled is left alone: it
	// may be another process's work.
	keepUnfinished = time.Hour
)

// folders is where compiled code is kept.
type folders struct {
	own     string // read and written
	shipped string // came with the program, and is only read; may be empty
	passing bool   // own goes with the engine
	// fingerprint tells apart processors, compilers and meters whose code is
	// not the same. Only with it in a folder's name is it sure that wazero finds
	// its code there, and does not compile a foreign file in this process.
	fingerprint string
}

func openFolders(own, shipped string) (folders, error) {
	f := folders{own: own, shipped: shipped}
	if own == "" {
		dir, err := os.MkdirTemp("", "cofferdam-code-")
		if err != nil {
			return f, fmt.Errorf("a folder for compiled modules: %w", err)
		}
		f.own, f.passing = dir, true
	}
	err := checkCacheDir(f.own)
	if err == nil {
		f.fingerprint, err = compiler.Fingerprint(context.Background(), f.own)
	}
	if err != nil {
		return f, errors.Join(fmt.Errorf("cache of compiled modules in %s: %w", f.own, err), f.close())
	}
	if shipped != "" && onlyOurs(shipped) != nil {
		f.shipped = "" // it saves time, and nothing depends on it
	}
	return f, nil
}

func (f folders) close() error {
	if !f.passing {
		return nil
	}
	return os.RemoveAll(f.own)
}

// name is that of the folder for the code of a file with that digest.
func (f folders) name(digest string) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n%s\n", f.fingerprint, compiler.PreparedFile, digest)
	return hex.EncodeToString(sum.Sum(nil))
}

// places are where a file's code may lie, the own one first.
func (f folders) places(digest string) []string {
	name := f.name(digest)
	dirs := []string{filepath.Join(f.own, name)}
	if f.shipped != "" {
		dirs = append(dirs, filepath.Join(f.shipped, name))
	}
	return dirs
}

// find returns the sealed folder of a file's code, if there is one. To read it
// through costs as much as to load the code, so it is for who loads it at once.
func (f folders) find(digest string) (string, bool) {
	for _, dir := range f.places(digest) {
		if sealed(dir) {
			f.touch(dir)
			return dir, true
		}
	}
	return "", false
}

// has reports whether there is a folder with a seal, which find may yet find
// broken.
func (f folders) has(digest string) bool {
	for _, dir := range f.places(digest) {
		if _, err := os.Lstat(filepath.Join(dir, sealFile)); err == nil {
			f.touch(dir)
			return true
		}
	}
	return false
}

// touch notes that a folder is of use. What was shipped is left alone.
func (f folders) touch(dir string) {
	if filepath.Dir(dir) == filepath.Clean(f.own) {
		// If its time cannot be set, the worst is that the code is compiled again in
		// a month.
		now := time.Now()
		_ = os.Chtimes(dir, now, now)
	}
}

// compile has a child compile the file, and returns the sealed folder of its
// code. The file passed the scan.
func (e *Engine) compile(ctx context.Context, of file) (string, error) {
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	final := filepath.Join(e.own, e.name(of.digest))
	if sealed(final) { // while this one waited for its turn
		return final, nil
	}
	wasm, err := of.bytes() // now, and not while it waits
	if err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(e.own, filepath.Base(final)+newMark)
	if err != nil {
		return "", fmt.Errorf("compile: %w", err)
	}
	err = compiler.Compile(ctx, work, wasm, compiler.Usual)
	if err == nil {
		err = seal(work)
	}
	if err == nil {
		err = settle(work, final)
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("compile: %w", err), os.RemoveAll(work))
	}
	e.evict(e.cacheSize)
	return final, nil
}

// Precompile leaves the code of a file in the cache, so that Load finds it.
func (e *Engine) Precompile(ctx context.Context, wasm []byte) error {
	_, err := e.compile(ctx, fileOf(wasm))
	return err
}

// settle moves a sealed folder to its place. What is there already is damaged,
// or as good: another process may compile the same file.
func settle(work, final string) error {
	if os.Rename(work, final) == nil {
		return nil
	}
	if sealed(final) {
		return os.RemoveAll(work)
	}
	if err := os.RemoveAll(final); err != nil {
		return err
	}
	if err := os.Rename(work, final); err != nil && !sealed(final) {
		return err
	}
	return os.RemoveAll(work)
}
