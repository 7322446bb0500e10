// Package modules carries the built-in modules inside the binary. `make build`
// compiles each folder beside this file into built/NAME.wasm and writes
// built/SHA256SUMS.
package modules

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed all:built
var embedded embed.FS

// File is a built-in module as it was built.
type File struct {
	// Name is the file's name without ".wasm"; the module's manifest has the
	// same.
	Name string
	// Data is the WebAssembly module with its manifest: a copy of two megabytes. Who
	// needs it later lets [Reader] make another.
	Data []byte
	// Digest is the SHA-256 of Data in lower-case hexadecimal digits.
	Digest string
}

// Reader returns a function that reads a built-in module's file. It keeps none of
// it.
func Reader(name string) func() ([]byte, error) {
	return func() ([]byte, error) { return embedded.ReadFile("built/" + name + ".wasm") }
}

// ErrNotBuilt is returned by [Builtin] for a binary that was compiled without
// its modules.
var ErrNotBuilt = errors.New("no built-in modules: run `make build`")

// Builtin returns the built-in modules, sorted by name. A file that differs
// from built/SHA256SUMS, or is on one side only, is an error: the binary was
// put together from different builds.
func Builtin() ([]File, error) {
	built, err := fs.Sub(embedded, "built")
	if err != nil {
		return nil, err
	}
	return read(built)
}

func read(built fs.FS) ([]File, error) {
	names, err := fs.Glob(built, "*.wasm") // sorted
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, ErrNotBuilt
	}
	files := make([]File, len(names))
	for i, name := range names {
		data, err := fs.ReadFile(built, name)
		if err != nil {
			return nil, fmt.Errorf("read built-in module: %w", err)
		}
		digest := sha256.Sum256(data)
		files[i] = File{Name: strings.TrimSuffix(name, ".wasm"), Data: data, Digest: hex.EncodeToString(digest[:])}
	}
	return files, checkSums(built, files)
}

// checkSums compares files with SHA256SUMS, in the format of sha256sum. Without
// that file there is nothing to compare.
func checkSums(built fs.FS, files []File) error {
	data, err := fs.ReadFile(built, "SHA256SUMS")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read built-in modules: %w", err)
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(data)) {
		sum, name, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok {
			return fmt.Errorf("built-in modules: SHA256SUMS: line %q is not a sum and a name", strings.TrimSpace(line))
		}
		sums[name] = sum
	}
	for _, f := range files {
		if sums[f.Name+".wasm"] != f.Digest {
			return fmt.Errorf("built-in module %s: its digest is %s, SHA256SUMS has %q", f.Name, f.Digest, sums[f.Name+".wasm"])
		}
	}
	if len(sums) != len(files) {
		return fmt.Errorf("built-in modules: %d files, SHA256SUMS has %d", len(files), len(sums))
	}
	return nil
}
