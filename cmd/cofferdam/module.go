package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
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
		Short: "Tools for modules: build, compile, list",
		Example: `  cofferdam module build ./hello
  cofferdam module list`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(moduleNewCommand(), moduleBuildCommand(), moduleCompileCommand(), moduleListCommand())
	return cmd
}

func moduleBuildCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "build DIR",
		Short: "Compile a module in Go or C and put its manifest into it",
		Long: `Compile the program in DIR, or in DIR/wasm if there is one, for
WebAssembly, and append DIR/manifest.yaml to the result. A program in Go needs
the Go toolchain; one in C, a folder with files that end in .c and none that
end in .go, needs clang and wasm-ld.`,
		Example: `  cofferdam module build ./hello
  cofferdam module build ./hello --out /srv/modules/hello.wasm`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				out = filepath.Base(filepath.Clean(args[0])) + ".wasm"
			}
			digest, err := buildModule(cmd.Context(), args[0], out)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", digest, out)
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "the `file` to write (default: NAME.wasm in this directory)")
	return cmd
}

// buildModule writes the module of dir to out and returns its SHA-256.
func buildModule(ctx context.Context, dir, out string) (string, error) {
	manifest, err := readManifest(filepath.Join(dir, "manifest.yaml"))
	if err != nil {
		return "", err
	}
	bare, err := compileGuest(ctx, dir)
	if err != nil {
		return "", err
	}
	whole, err := abi.WithManifest(bare, manifest)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(out, whole, 0o644); err != nil {
		return "", fmt.Errorf("%s cannot be written: %s; name another file with --out", out, reason(err))
	}
	digest := sha256.Sum256(whole)
	return hex.EncodeToString(digest[:]), nil
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
