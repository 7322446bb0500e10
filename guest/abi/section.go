//go:build !wasip1

// Manifests are for hosts and builders: no guest reads one, and none shall carry
// fmt and encoding/json for it.

package abi

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
)

var wasmHeader = []byte("\x00asm\x01\x00\x00\x00")

// ErrNoManifest is returned by [ReadManifest] for a module without the custom
// section.
var ErrNoManifest = errors.New("no " + ManifestSection + " section: build the module with `cofferdam module build`")

// ReadManifest finds and checks the manifest in a module's file. It reads
// section headers only, in time linear in their number, and trusts nothing.
// A second manifest is an error: people would be shown one and another might
// count.
func ReadManifest(wasm []byte) (Manifest, error) {
	var m Manifest
	var found []byte
	err := eachSection(wasm, func(id byte, body []byte) error {
		name, content, ok := customSection(id, body)
		if !ok || name != ManifestSection {
			return nil
		}
		if found != nil {
			return errors.New("two " + ManifestSection + " sections")
		}
		found = content
		return nil
	})
	if err != nil {
		return m, err
	}
	if found == nil {
		return m, ErrNoManifest
	}
	if len(found) > maxManifestLen {
		return m, fmt.Errorf("manifest of %d bytes: at most %d", len(found), maxManifestLen)
	}
	if err := json.Unmarshal(found, &m); err != nil {
		return Manifest{}, fmt.Errorf("manifest: %w", err)
	}
	if err := m.Check(); err != nil {
		return Manifest{}, fmt.Errorf("manifest: %w", err)
	}
	return m, nil
}

// WithManifest returns the module's file with m as its only manifest.
func WithManifest(wasm []byte, m Manifest) ([]byte, error) {
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	encoded, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	out := bytes.Clone(wasmHeader)
	err = eachSection(wasm, func(id byte, body []byte) error {
		if name, _, ok := customSection(id, body); ok && name == ManifestSection {
			return nil
		}
		out = appendSection(out, id, body)
		return nil
	})
	if err != nil {
		return nil, err
	}
	body := binary.AppendUvarint(nil, uint64(len(ManifestSection)))
	body = append(body, ManifestSection...)
	return appendSection(out, 0, append(body, encoded...)), nil
}

func appendSection(out []byte, id byte, body []byte) []byte {
	out = binary.AppendUvarint(append(out, id), uint64(len(body)))
	return append(out, body...)
}

// eachSection calls f for each section of a WebAssembly binary. body aliases
// wasm.
func eachSection(wasm []byte, f func(id byte, body []byte) error) error {
	if !bytes.HasPrefix(wasm, wasmHeader) {
		return errors.New("not a WebAssembly module (version 1)")
	}
	rest := wasm[len(wasmHeader):]
	for len(rest) > 0 {
		id := rest[0]
		size, n := binary.Uvarint(rest[1:])
		if n <= 0 || n > 5 || size > uint64(len(rest)-1-n) {
			return fmt.Errorf("section at offset %d: its size goes beyond the file", len(wasm)-len(rest))
		}
		end := 1 + n + int(size)
		if err := f(id, rest[1+n:end]); err != nil {
			return err
		}
		rest = rest[end:]
	}
	return nil
}

func customSection(id byte, body []byte) (name string, content []byte, ok bool) {
	if id != 0 {
		return "", nil, false
	}
	size, n := binary.Uvarint(body)
	if n <= 0 || size > uint64(len(body)-n) {
		return "", nil, false
	}
	end := n + int(size)
	return string(body[n:end]), body[end:], true
}
