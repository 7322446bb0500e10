package main

import (
	"embed"
	"errors"
	"fmt"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/Masterminds/semver/v3"
	"github.com/spf13/cobra"

	"github.com/cofferdam-bot/cofferdam/guest"
	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

//go:embed scaffold
var scaffold embed.FS

// scaffoldFiles are the files of a new module, by language: where each stands, and
// the template that it is made of.
var scaffoldFiles = map[string]map[string]string{
	"go": {
		"go.mod": "go/go.mod.tmpl", "vendor/modules.txt": "go/modules.txt.tmpl", "manifest.yaml": "manifest.yaml.tmpl",
		"handler.go": "go/handler.go.tmpl", "handler_test.go": "go/handler_test.go.tmpl", "wasm/main.go": "go/wasm/main.go.tmpl",
		"conversation_test.go": "go/conversation_test.go.tmpl", "testdata/memory.json": "conversation.json.tmpl", "README.md": "go/README.md.tmpl",
	},
	"c": {
		"main.c": "c/main.c.tmpl", "manifest.yaml": "manifest.yaml.tmpl", "testdata/memory.json": "conversation.json.tmpl", "README.md": "c/README.md.tmpl",
	},
}

func moduleNewCommand() *cobra.Command {
	var language string
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Write the folder of a new module",
		Long: `Write a folder NAME with a module that works: one command with a button, its
manifest, a test, and a recorded conversation that is replayed as a test. It is
built and tested without a network: the SDK's source is written with it.

Nothing is overwritten. In Go it needs the Go toolchain; in C, clang and
wasm-ld.`,
		Example: `  cofferdam module new hello
  cofferdam module new hello --lang c`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			files, known := scaffoldFiles[language]
			if !known {
				return usageError(cmd, "--lang: %q is neither go nor c", language)
			}
			if err := writeModule(args[0], files, language == "go"); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is there. Next:\n\n    cd %[1]s\n    cofferdam module build .\n    cofferdam module run . /%s\n    cofferdam demo --modules .\n",
				args[0], strings.ReplaceAll(args[0], "-", "_"))
			return nil
		},
	}
	cmd.Flags().StringVar(&language, "lang", "go", "the language: go or c")
	return cmd
}

// checkModuleName is the rule of manifests.
func checkModuleName(name string) error {
	m := abi.Manifest{Name: name, Version: "0", Description: "a module", Author: "somebody", ABI: abi.Version}
	return m.Check()
}

// writeModule makes a folder that was not there. Of one that cannot be written
// whole nothing stays.
func writeModule(name string, files map[string]string, inGo bool) (err error) {
	if err := checkModuleName(name); err != nil {
		return exitWith(exitUsage, err)
	}
	switch err := os.Mkdir(name, 0o755); {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s is there already, and nothing is overwritten: choose another name, or another folder", name)
	case err != nil:
		return fmt.Errorf("%s cannot be made: %s", name, reason(err))
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(name))
		}
	}()
	facts := factsOf(name)
	for path, from := range files {
		if err := writeScaffold(filepath.Join(name, path), from, facts); err != nil {
			return err
		}
	}
	if !inGo {
		return nil
	}
	vendored := filepath.Join(name, "vendor", "github.com", "cofferdam-bot", "cofferdam")
	return guest.Source(func(path string, content []byte) error {
		if path != "LICENSE" {
			path = "guest/" + path
		}
		return writeBelow(filepath.Join(vendored, filepath.FromSlash(path)), content)
	})
}

// moduleFacts is what the templates are filled with.
type moduleFacts struct {
	Name, Command string
	// Package is the name of the package, and Path that of the Go module.
	Package, Path string
	// SDK is the version that the SDK is said to have, and Go the toolchain's that
	// it needs.
	SDK, Go  string
	Packages []string
}

func factsOf(name string) moduleFacts {
	ident := strings.ReplaceAll(name, "-", "")
	if token.IsKeyword(ident) || slices.Contains([]string{"main", "init", "vendor", "internal", "testdata"}, ident) {
		ident += "module"
	}
	facts := moduleFacts{
		Name: name, Command: strings.ReplaceAll(name, "-", "_"), Package: ident, Path: "example.org/" + ident,
		SDK: "v0.0.0", Go: "1.26.0", Packages: guest.Packages,
	}
	if v, err := semver.StrictNewVersion(strings.TrimPrefix(version(), "v")); err == nil {
		facts.SDK = "v" + v.String()
	}
	return facts
}

func writeScaffold(path, from string, facts moduleFacts) error {
	text, err := scaffold.ReadFile("scaffold/" + from)
	if err != nil {
		return err
	}
	t, err := template.New(from).Parse(string(text))
	if err != nil {
		return err
	}
	var out strings.Builder
	if err := t.Execute(&out, facts); err != nil {
		return err
	}
	return writeBelow(path, []byte(out.String()))
}

// writeBelow writes a file that is not there, with the folders above it.
func writeBelow(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("%s cannot be made: %s", filepath.Dir(path), reason(err))
	}
	return writeNew(path, content, 0o644)
}
