package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

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
			return compileBuiltIn(cmd.Context(), folder, func(name string) {
				fmt.Fprintf(cmd.OutOrStdout(), "%s is compiled\n", name)
			})
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "the `folder` to fill (default: PROGRAM.code beside this program)")
	return cmd
}

// compileBuiltIn fills a folder with the code of all built-in modules, and
// tells of each.
func compileBuiltIn(ctx context.Context, folder string, tell func(name string)) error {
	files, err := modules.Builtin()
	if err != nil {
		return err
	}
	e, err := engine.New(engine.Config{CacheDir: folder})
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := e.Precompile(ctx, file.Data); err != nil {
			return errors.Join(fmt.Errorf("module %s: %w", file.Name, err), e.Close(ctx))
		}
		tell(file.Name)
	}
	return e.Close(ctx)
}
