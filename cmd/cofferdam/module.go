package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

func moduleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "module",
		Short: "Tools for authors of modules",
		Args:  usageArgs(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(moduleBuildCommand())
	return cmd
}

func moduleBuildCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "build DIR",
		Short: "Compile a Go module and put its manifest into it",
		Long: `Compile the Go program in DIR, or in DIR/wasm if there is one, for
WebAssembly, and append DIR/manifest.yaml to the result.`,
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
	cmd.Flags().StringVarP(&out, "out", "o", "", "the file to write (default: NAME.wasm in this directory)")
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
		return "", err
	}
	digest := sha256.Sum256(whole)
	return hex.EncodeToString(digest[:]), nil
}

func readManifest(path string) (abi.Manifest, error) {
	var m abi.Manifest
	text, err := os.ReadFile(path)
	if err != nil {
		return m, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&m); err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	if err := m.Check(); err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
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
	build := exec.CommandContext(ctx, "go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", wasm, ".")
	build.Dir = source
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if output, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compile %s: %w\n%s", source, err, output)
	}
	return os.ReadFile(wasm)
}
