package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// codeFolder is where the native code of one file is kept from one start of
// the bot to the next.
//
// wazero checks no more of an entry than its version and a CRC of the code: a
// flipped bit in a count makes it ask for 32 GiB, and one in an offset makes it
// jump into the middle of a function. Neither can be recovered from. So a seal
// lies beside the entry, a digest of every byte in the folder, and wazero is
// let near a folder only if the seal is whole. A seal guards against damage,
// not against malice: who can write here can run code as the bot anyway.
type codeFolder struct {
	final string   // where a sealed folder lies
	work  string   // where wazero reads and writes; final, if that was sealed
	found []string // entries, when it was opened
}

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
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("mode %04o: others could put native code there; run chmod 0700 %s", mode, dir)
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

// openCodeFolder returns the sealed folder of a file's code, or else an empty
// one to fill.
func openCodeFolder(cacheDir string, wasm []byte) (codeFolder, error) {
	digest := sha256.Sum256(wasm)
	final := filepath.Join(cacheDir, hex.EncodeToString(digest[:]))
	if sealed(final) {
		// Its time says when it was last of use. If it cannot be set, the worst is
		// that the code is compiled again in a month.
		now := time.Now()
		_ = os.Chtimes(final, now, now)
		return codeFolder{final: final, work: final, found: entriesIn(final)}, nil
	}
	if err := os.RemoveAll(final); err != nil {
		return codeFolder{}, err
	}
	work, err := os.MkdirTemp(cacheDir, filepath.Base(final)+newMark)
	return codeFolder{final: final, work: work}, err
}

// keep seals what wazero put into the folder and moves it to its place. If that
// does not work, on a full disk for instance, the next start compiles again.
func (f codeFolder) keep() {
	if slices.Equal(entriesIn(f.work), f.found) {
		return
	}
	seal, err := digestOf(f.work)
	if err == nil {
		err = os.WriteFile(filepath.Join(f.work, sealFile), []byte(seal), 0o600)
	}
	if err == nil && f.work != f.final {
		err = os.Rename(f.work, f.final)
	}
	if err != nil {
		f.discard()
	}
}

// discard removes the folder, since it is of no use.
func (f codeFolder) discard() { os.RemoveAll(f.work) }

// entriesIn lists wazero's files. It makes a new one beside the old if its own
// version, or the processor's features, are not those of the last time.
func entriesIn(dir string) []string {
	entries, err := filepath.Glob(filepath.Join(dir, "wazero-*", "*"))
	if err != nil {
		return nil // only for a malformed pattern
	}
	return entries
}

func sealed(dir string) bool {
	seal, err := os.ReadFile(filepath.Join(dir, sealFile))
	if err != nil {
		return false
	}
	digest, err := digestOf(dir)
	return err == nil && string(seal) == digest
}

// digestOf covers the name, the size and the content of every file but the
// seal.
func digestOf(dir string) (string, error) {
	sum := sha256.New()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path == filepath.Join(dir, sealFile) {
			return err
		}
		if !entry.Type().IsRegular() {
			return errors.New("not a file: " + path)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%q %d\n", name, info.Size())
		return addFile(sum, path)
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

func addFile(to io.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(to, file)
	return err
}
