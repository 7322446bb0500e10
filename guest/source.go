// Package guest carries the source of the Go SDK, so that `cofferdam module new`
// writes folders that build without a network.
package guest

import (
	"embed"
	"errors"
	"io/fs"
	"path"
	"strings"
)

//go:embed LICENSE abi/*.go sdk/*.go sdk/internal/jsonwire/*.go
var source embed.FS

// Packages are the folders below guest that a module is compiled with.
var Packages = []string{"abi", "sdk", "sdk/internal/jsonwire"}

// Source calls write with each file that a module is compiled with, tests left
// out: its path below guest, such as "abi/abi.go", and its content. The license
// is one of them.
func Source(write func(name string, content []byte) error) error {
	var errs []error
	err := fs.WalkDir(source, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(name, "_test.go") {
			return err
		}
		content, err := source.ReadFile(path.Clean(name))
		if err != nil {
			return err
		}
		errs = append(errs, write(name, content))
		return nil
	})
	return errors.Join(append(errs, err)...)
}
