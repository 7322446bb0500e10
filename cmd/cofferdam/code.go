package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"

	"github.com/cofferdam-bot/cofferdam/modules"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
)

// shippedCode is the folder with the compiled built-in modules that came with
// this program, if any did: beside it, under its name.
func shippedCode() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	return codeBeside(self)
}

func codeBeside(program string) string { return program + ".code" }

func moduleCompileCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "compile",
		Short: "Compile the built-in modules ahead, to ship their code",
		Long: `Compile the built-in modules to native code for this processor, into a folder
that can be shipped with the program. A bot finds it as PROGRAM.code beside its
own file and then compiles nothing at its first start. Code for another version
or another kind of processor is not used.`,
		Example: `  cofferdam module compile
  cofferdam module compile --out /usr/local/bin/cofferdam.code`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				out = shippedCode()
			}
			if out == "" {
				return errors.New("it is not known where this program lies; name a folder with --out")
			}
			folder, err := filepath.Abs(out)
			if err != nil {
				return err
			}
			var telling sync.Mutex
			err = compileBuiltIn(cmd.Context(), folder, func(name string) {
				telling.Lock()
				defer telling.Unlock()
				fmt.Fprintf(cmd.OutOrStdout(), "%s is compiled\n", name)
			})
			return errors.Join(err, shareable(folder))
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "the `folder` to fill (default: PROGRAM.code beside this program)")
	return cmd
}

// shareable lets a bot that runs as another user read what was compiled.
func shareable(folder string) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.Chmod(path, 0o755)
		}
		return os.Chmod(path, 0o644)
	})
}

// compileBuiltIn fills a folder with the code of all built-in modules, and
// tells of each, from a goroutine of its own.
func compileBuiltIn(ctx context.Context, folder string, tell func(name string)) error {
	files, err := modules.Builtin()
	if err != nil {
		return err
	}
	e, err := engine.New(engine.Config{CacheDir: folder})
	if err != nil {
		return err
	}
	// As many at a time as the engine has children.
	done := make(chan error, len(files))
	for _, file := range files {
		go func() {
			err := e.Precompile(ctx, file.Data)
			if err != nil {
				err = fmt.Errorf("module %s: %w", file.Name, err)
			} else {
				tell(file.Name)
			}
			done <- err
		}()
	}
	for range files {
		err = errors.Join(err, <-done)
	}
	return errors.Join(err, e.Close(ctx))
}
