package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

func moduleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "module",
		Short: "Tools for modules: build, sign, inspect, list, approve",
		Example: `  cofferdam module build ./hello
  cofferdam module inspect hello.wasm
  cofferdam module list`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		moduleNewCommand(), moduleBuildCommand(), moduleRunCommand(), moduleCompileCommand(), moduleListCommand(),
		moduleInspectCommand(), moduleVerifyCommand(), moduleSignCommand(), moduleApproveCommand(), moduleRevokeCommand(),
	)
	return cmd
}

func readManifest(path string) (abi.Manifest, error) {
	var m abi.Manifest
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return m, fmt.Errorf("%s is not there; a module's folder has a manifest.yaml beside its program", path)
	case err != nil:
		return m, fmt.Errorf("%s cannot be read: %s", path, reason(err))
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	err = decoder.Decode(&m)
	switch {
	case errors.Is(err, io.EOF):
		return m, fmt.Errorf("%s is empty", path)
	case err != nil:
		return m, fmt.Errorf("%s: %s", path, plainYAML(err))
	}
	if err := m.Check(); err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

var (
	unknownField = regexp.MustCompile(`field (.+) not found in type \S+`)
	wrongType    = regexp.MustCompile("cannot unmarshal !!\\S+ (`.*` )?into (\\S+)")
)

// plainYAML says what is wrong with a manifest without the names of Go's types.
func plainYAML(err error) string {
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:\n  ")
	text = unknownField.ReplaceAllString(text, "there is no key $1 in a manifest")
	return wrongType.ReplaceAllStringFunc(text, func(found string) string {
		goType := wrongType.FindStringSubmatch(found)[2]
		switch {
		case goType == "string":
			return "this must be a text"
		case goType == "bool":
			return "this must be true or false"
		case strings.HasPrefix(goType, "[]"):
			return "this must be a list"
		case strings.Contains(goType, "int"):
			return "this must be a number"
		}
		return "this must be a section with keys of its own"
	})
}

// compileGuest compiles a reactor: no main, exports only, no paths of this
// machine and no symbols in it, so that equal sources give equal bytes.
func compileGuest(ctx context.Context, dir string) ([]byte, error) {
	source := filepath.Join(dir, "wasm")
	if _, err := os.Stat(source); errors.Is(err, fs.ErrNotExist) {
		source = dir
	}
	scratch, err := os.MkdirTemp("", "cofferdam-build-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	wasm := filepath.Join(scratch, "guest.wasm")
	inC, err := cSources(source)
	switch {
	case err != nil:
		return nil, err
	case len(inC) > 0:
		err = compileC(ctx, source, inC, scratch, wasm)
	default:
		err = compileGo(ctx, source, wasm)
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(wasm)
}

func compileGo(ctx context.Context, source, wasm string) error {
	build := exec.CommandContext(ctx, "go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", wasm, ".")
	build.Dir = source
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	output, err := build.CombinedOutput()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("the program go is not in PATH; modules are compiled with the Go toolchain from https://go.dev/dl")
	case err != nil:
		return fmt.Errorf("%s does not compile for WebAssembly:\n%s", source, bytes.TrimSpace(output))
	}
	return nil
}
