package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/cofferdam-bot/cofferdam/guest/c"
)

// cFlags make small code without a library. Bulk memory is what copying a
// struct compiles to; without it that would be a call of memcpy.
var cFlags = []string{"--target=wasm32", "-std=c11", "-ffreestanding", "-mbulk-memory", "-Oz"}

// cLinkFlags make a reactor. A stack that grows beyond its 16 KiB traps,
// because it comes first; elsewhere it would grow into the module's data.
var cLinkFlags = []string{"--no-entry", "--stack-first", "-z", "stack-size=16384", "--strip-all", "-O2", "--compress-relocations"}

// cSources returns the names of the C files of a folder without Go files, or
// nothing.
func cSources(dir string) ([]string, error) {
	inGo, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(inGo) > 0 {
		return nil, err
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.c"))
	for i, path := range paths {
		paths[i] = filepath.Base(path)
	}
	return paths, err
}

// compileC compiles and links the C files of source. The header of this host
// is found before any other.
func compileC(ctx context.Context, source string, files []string, scratch, wasm string) error {
	include := filepath.Join(scratch, "include")
	if err := os.Mkdir(include, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(include, c.HeaderName), c.Header, 0o600); err != nil {
		return err
	}
	link := append([]string{"-o", wasm}, cLinkFlags...)
	for i, file := range files {
		object := filepath.Join(scratch, fmt.Sprintf("%d.o", i))
		// By its name alone, so that no path of this machine gets into the file.
		compile := append([]string{"-I", include, "-c", "./" + file, "-o", object}, cFlags...)
		if err := runC(ctx, source, "clang", compile); err != nil {
			return err
		}
		link = append(link, object)
	}
	return runC(ctx, source, "wasm-ld", link)
}

func runC(ctx context.Context, source, program string, args []string) error {
	command := exec.CommandContext(ctx, program, args...)
	command.Dir = source
	output, err := command.CombinedOutput()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("the program %s is not in PATH; modules in C are compiled with LLVM's clang and wasm-ld: apt-get install clang lld", program)
	case err != nil:
		return fmt.Errorf("%s does not compile for WebAssembly:\n%s", source, bytes.TrimSpace(output))
	}
	return nil
}
