// Package compiler makes native code of a module's file, in a process of its
// own. A file can be made to cost a compiler minutes and gigabytes, and neither
// can be recovered from; a child that has little of both, no network and no
// files but one folder, can be.
//
// [Compile] is the parent's side, [Main] the child's.
package compiler

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/cofferdam-bot/cofferdam/runtime/engine/meter"
	"github.com/cofferdam-bot/cofferdam/security/vetting"
)

// Features is what Go, C and Rust guests need of WebAssembly 2.0. Without SIMD
// a module has a third of the instructions to compile wrongly.
const Features = api.CoreFeaturesV2 &^ api.CoreFeatureSIMD

// PreparedFile is the name under which a [Prepared] lies in the folder, beside
// wazero's own.
const PreparedFile = "prepared"

// Prepared is a module's file made fit to run: metered, with everything that a
// snapshot must hold within reach, and without its data, which is put into
// memory once and not for each instance.
type Prepared struct {
	Wasm    []byte
	Data    []meter.Segment
	Globals []string // the exports of all mutable globals
	Fuel    string   // which of them counts the work
	// Fresh modules have state that is in neither memory nor globals: each
	// invocation needs an instance that was started from nothing.
	Fresh bool
}

// Prepare meters a file that was scanned.
func Prepare(file *vetting.File) (Prepared, error) {
	options := meter.Options{ExportGlobals: true, Detach: !file.HiddenState}
	m, err := meter.Rewrite(file, options)
	if errors.Is(err, meter.ErrAttached) {
		options.Detach = false
		m, err = meter.Rewrite(file, options)
	}
	if err != nil {
		return Prepared{}, err
	}
	p := Prepared{Wasm: m.Wasm, Data: m.Segments, Fuel: m.Fuel, Fresh: file.HiddenState}
	for _, global := range m.Globals {
		p.Globals = append(p.Globals, global.Name)
	}
	return p, nil
}

// Config is how wazero is set up, wherever it compiles. Code is found in a
// cache only if it is the same.
func Config(base wazero.RuntimeConfig) wazero.RuntimeConfig {
	return base.
		WithCoreFeatures(Features).
		WithCloseOnContextDone(false). // metered code asks by itself
		WithDebugInfoEnabled(false).
		WithCustomSections(false)
}

// Into compiles a prepared file and leaves code and file in the folder.
func Into(ctx context.Context, folder string, p Prepared) (err error) {
	cache, err := OpenCache(folder)
	if err != nil {
		return err
	}
	runtime := wazero.NewRuntimeWithConfig(ctx, Config(wazero.NewRuntimeConfigCompiler()).WithCompilationCache(cache))
	defer func() { err = errors.Join(err, runtime.Close(ctx), cache.Close(ctx)) }()
	if _, err := runtime.CompileModule(ctx, p.Wasm); err != nil {
		return err
	}
	var encoded bytes.Buffer
	if err := gob.NewEncoder(&encoded).Encode(p); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, PreparedFile), encoded.Bytes(), 0o600)
}

// Read returns what Into left. The folder must be sealed: gob is not made for
// hostile bytes.
func Read(folder string) (Prepared, error) {
	var p Prepared
	file, err := os.Open(filepath.Join(folder, PreparedFile))
	if err != nil {
		return p, err
	}
	defer file.Close()
	if err := gob.NewDecoder(file).Decode(&p); err != nil {
		return p, fmt.Errorf("%s: %w", PreparedFile, err)
	}
	return p, nil
}

// cacheMutex is there because wazero 1.12 reads its own version into a global
// without a lock when a cache is opened.
var cacheMutex sync.Mutex

// OpenCache opens wazero's cache in a folder.
func OpenCache(dir string) (wazero.CompilationCache, error) {
	cacheMutex.Lock()
	defer cacheMutex.Unlock()
	return wazero.NewCompilationCacheWithDir(dir)
}

// probe is a module with a little of all that the meter changes: a loop, a
// call, a return, a bulk operation, a global, data.
const probe = "\x00asm\x01\x00\x00\x00" +
	"\x01\x04\x01\x60\x00\x00" + // type () -> ()
	"\x03\x02\x01\x00" + // a function of it
	"\x05\x03\x01\x00\x01" + // memory of a page
	"\x06\x06\x01\x7f\x01\x41\x00\x0b" + // global: a mutable i32
	"\x07\x05\x01\x01f\x00\x00" + // export: function 0 as f
	"\x0a\x13\x01\x11\x00\x03\x40\x41\x00\x41\x00\x41\x00\xfc\x0b\x00\x0b\x10\x00\x0f\x0b" +
	"\x0b\x07\x01\x00\x41\x00\x0b\x01a" // data: "a" at 0

// Fingerprint tells apart meters, versions of wazero and processors whose code
// is not the same. wazero names the files of its cache by a digest of the
// module, its version and the features of the processor; so the name of the
// file for one and the same module is the same if all others' are.
func Fingerprint(ctx context.Context, scratch string) (string, error) {
	dir, err := os.MkdirTemp(scratch, "fingerprint-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	prepared, err := prepareBytes([]byte(probe))
	if err == nil {
		err = Into(ctx, dir, prepared)
	}
	if err != nil {
		return "", err
	}
	entries, err := filepath.Glob(filepath.Join(dir, "wazero-*", "*"))
	if err != nil || len(entries) != 1 {
		return "", fmt.Errorf("the compiler left %d files, not 1: %w", len(entries), err)
	}
	return filepath.Base(filepath.Dir(entries[0])) + "/" + filepath.Base(entries[0]), nil
}

// argument is what a binary is called with to be the child.
const argument = "compile-module"

// Main is the child's whole life, in a binary that was called to be one: it
// compiles what is on standard input into the working directory, and ends the
// process. In any other it returns at once. A binary that uses this package
// calls it before anything else.
func Main() {
	if len(os.Args) < 2 || os.Args[1] != argument {
		return
	}
	if err := child(os.Args[2:], os.Stdin, compileBytes); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitRefused)
	}
	os.Exit(0)
}

// The limits of one module were looked at before. In a child there are only
// those of WebAssembly, and of what is read.
const (
	maxPages = 1 << 16
	maxInput = 16 << 20
)

// exitRefused is the status of a child that found a fault in the file. A Go
// program that panics or has no memory left ends with 2.
const exitRefused = 1

func child(arguments []string, input io.Reader, work func([]byte) error) error {
	limits, err := limitsOf(arguments)
	if err != nil {
		return err
	}
	if err := confine(".", limits); err != nil {
		return err
	}
	wasm, err := io.ReadAll(io.LimitReader(input, maxInput))
	if err != nil {
		return err
	}
	return work(wasm)
}

func compileBytes(wasm []byte) error {
	prepared, err := prepareBytes(wasm)
	if err != nil {
		return err
	}
	return Into(context.Background(), ".", prepared)
}

func prepareBytes(wasm []byte) (Prepared, error) {
	file, err := vetting.Scan(wasm, vetting.Limits{MemoryPages: maxPages})
	if err != nil {
		return Prepared{}, err
	}
	return Prepare(file)
}
