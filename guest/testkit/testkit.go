// Package testkit carries vectors for SDKs in any language: one scenario a file,
// from the request to the host calls that are expected, their answers, and the
// reply. They are about one small module, headroom, which is there in Go (package
// headroom) and in C (guest/c/example), and which an SDK for another language
// writes a third time. README.md says how.
package testkit

import (
	"embed"
	"io/fs"
)

//go:embed vectors/*.json
var vectors embed.FS

// Vectors returns the files, sorted by name, each a transcript as
// `cofferdam module run --record` writes them.
func Vectors() (names []string, files map[string][]byte, err error) {
	if names, err = fs.Glob(vectors, "vectors/*.json"); err != nil {
		return nil, nil, err
	}
	files = make(map[string][]byte, len(names))
	for _, name := range names {
		if files[name], err = vectors.ReadFile(name); err != nil {
			return nil, nil, err
		}
	}
	return names, files, nil
}
