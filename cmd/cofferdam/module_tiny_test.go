package main

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// tiny is the smallest module that a bot would load: it answers nothing. It may import
// operations, as MODULE.NAME or as names of the ABI's.
func tiny(imports ...string) []byte {
	section := func(id byte, entries ...[]byte) []byte {
		body := binary.AppendUvarint(nil, uint64(len(entries)))
		for _, entry := range entries {
			body = append(body, entry...)
		}
		return append(binary.AppendUvarint([]byte{id}, uint64(len(body))), body...)
	}
	text := func(s string) []byte { return append(binary.AppendUvarint(nil, uint64(len(s))), s...) }
	var imported [][]byte
	for _, name := range imports {
		module := abi.ImportModule
		if from, rest, ok := strings.Cut(name, ":"); ok {
			module, name = from, rest
		}
		imported = append(imported, append(append(text(module), text(name)...), 0, 1))
	}
	handle := byte(len(imports))
	wasm := []byte("\x00asm\x01\x00\x00\x00")
	wasm = append(wasm, section(1, []byte{0x60, 1, 0x7f, 1, 0x7f}, []byte{0x60, 2, 0x7f, 0x7f, 1, 0x7e})...)
	if len(imported) > 0 {
		wasm = append(wasm, section(2, imported...)...)
	}
	wasm = append(wasm, section(3, []byte{0})...)
	wasm = append(wasm, section(5, []byte{0, 1})...)
	wasm = append(wasm, section(7, append(text(abi.ExportMemory), 2, 0), append(text(abi.ExportHandle), 0, handle))...)
	return append(wasm, section(10, []byte{4, 0, 0x41, 0, 0x0b})...) // i32.const 0
}

// tinyModule is tiny with a manifest.
func tinyModule(t testing.TB, m abi.Manifest, imports ...string) []byte {
	t.Helper()
	file, err := abi.WithManifest(tiny(imports...), m)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// wasm writes a tiny module: a file, its manifest's file, and what it imports.
func (s *session) wasm(args []string) error {
	manifest, err := readManifest(s.ts.MkAbs(args[1]))
	if err != nil {
		return err
	}
	file, err := abi.WithManifest(tiny(args[2:]...), manifest)
	return errors.Join(err, os.WriteFile(s.ts.MkAbs(args[0]), file, 0o600))
}
