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
)

// seal writes the digest of all that is in the folder.
func seal(dir string) error {
	digest, err := digestOf(dir)
	if err != nil {
		return err
	}
	// A child that was taken over may have left something of that name: it is
	// not followed, and not written over.
	file, err := os.OpenFile(filepath.Join(dir, sealFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(digest)
	return errors.Join(err, file.Close())
}

func sealed(dir string) bool {
	// Whoever can write to the folder around it could put another in its place.
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() || onlyOurs(dir) != nil {
		return false
	}
	seal, err := os.ReadFile(filepath.Join(dir, sealFile))
	if err != nil {
		return false
	}
	digest, err := digestOf(dir)
	return err == nil && string(seal) == digest
}

// digestOf covers the name, the size and the content of every file but the
// seal, and the note that comes after it.
func digestOf(dir string) (string, error) {
	sum := sha256.New()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path == filepath.Join(dir, sealFile) || path == filepath.Join(dir, admittedFile) {
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
