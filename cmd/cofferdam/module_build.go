package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/runtime/registry"
	"github.com/cofferdam-bot/cofferdam/runtime/trigger"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

func moduleBuildCommand() *cobra.Command {
	var out string
	var quiet bool
	cmd := &cobra.Command{
		Use:   "build DIR",
		Short: "Compile a module in Go or C and put its manifest into it",
		Long: `Compile the program in DIR, or in DIR/wasm if there is one, for WebAssembly,
scan it as a bot would, hold what it imports against what DIR/manifest.yaml
asks for, and append the manifest. What it uses and does not ask for is an
error; what it asks for and does not use is a warning.

A program in Go needs the Go toolchain; one in C, a folder with files that end
in .c and none that end in .go, needs clang and wasm-ld. Equal sources give
equal bytes.`,
		Example: `  cofferdam module build ./hello
  cofferdam module build ./hello --out /srv/modules/hello.wasm`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := buildModule(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if out == "" {
				out = b.manifest.Name + ".wasm"
			}
			if err := os.WriteFile(out, b.wasm, 0o644); err != nil {
				return fmt.Errorf("%s cannot be written: %s; name another file with --out", out, reason(err))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", b.digest(), out)
			if !quiet {
				b.describe(cmd.OutOrStdout())
			}
			for _, warning := range b.warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning: "+warning)
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "the `file` to write (default: NAME.wasm in this directory)")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print the digest and warnings only")
	return cmd
}

// built is a module as it was built.
type built struct {
	manifest abi.Manifest
	wasm     []byte
	warnings []string
}

func (b built) digest() string {
	digest := sha256.Sum256(b.wasm)
	return hex.EncodeToString(digest[:])
}

// describe says what an operator who gets the file could be asked.
func (b built) describe(out io.Writer) {
	fmt.Fprintf(out, "%s %s, %s\n", b.manifest.Name, b.manifest.Version, kilobytes(len(b.wasm)))
	for _, c := range b.manifest.Commands {
		fmt.Fprintf(out, "  /%s for %s: %s\n", c.Name, whoText(c.Who), c.Description)
	}
	for _, c := range b.manifest.Capabilities {
		fmt.Fprintf(out, "  asks to %s\n    as %s\n    and says why: %s\n", capability.Words(capability.Name(c.Name), c.Scope), grantText(c.Name, c.Scope), c.Reason)
	}
	for _, text := range byItselfTexts(b.manifest) {
		fmt.Fprintf(out, "  runs by itself: %s\n", text)
	}
	if len(b.manifest.Capabilities) == 0 {
		fmt.Fprintln(out, "  asks for nothing of the host")
	}
}

func kilobytes(n int) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// buildModule compiles the module of dir and checks what a bot would check.
func buildModule(ctx context.Context, dir string) (built, error) {
	path := filepath.Join(dir, "manifest.yaml")
	manifest, err := readManifest(path)
	if err != nil {
		return built{}, err
	}
	asked, err := askedBy(manifest)
	if err != nil {
		return built{}, fmt.Errorf("%s: %w", path, err)
	}
	bare, err := compileGuest(ctx, dir)
	if err != nil {
		return built{}, err
	}
	anatomy, err := engine.Dissect(bare, moduleLimits(config.Modules{}, manifest), hostcall.Table(hostcall.Sources{}))
	if err != nil {
		return built{}, fmt.Errorf("%s compiles, but no bot would run it: %w", dir, err)
	}
	missing, warnings := compareUses(manifest, asked, anatomy)
	if len(missing) > 0 {
		return built{}, undeclared{path, missing}
	}
	if err := trigger.CheckByItself(manifest); err != nil {
		return built{}, fmt.Errorf("%s: %w", path, err)
	}
	whole, err := abi.WithManifest(bare, manifest)
	if err != nil {
		return built{}, err
	}
	return built{manifest, whole, warnings}, nil
}

// askedBy is what a manifest asks for, if a bot could grant it.
func askedBy(manifest abi.Manifest) (capability.Set, error) { return registry.Grant(manifest, nil) }

// moduleLimits are those with which a bot of that config would run it.
func moduleLimits(cfg config.Modules, manifest abi.Manifest) engine.Limits {
	return registry.Narrowed(limitsOf(cfg.LimitsFor(manifest.Name)), manifest.Limits)
}

func limitsOf(l config.Limits) engine.Limits {
	return engine.Limits{
		Memory: int64(l.Memory), Timeout: l.Timeout, HostCalls: l.HostCalls, Reply: int(l.Reply), Log: int(l.Log),
		Concurrency: l.Concurrency, Fuel: uint64(l.Fuel),
	}
}

// missingUse is something that a module uses and does not ask for.
type missingUse struct {
	what  string // an operation, or a part of the manifest
	needs capability.Name
}

// compareUses holds what a module uses against what its manifest asks for, both
// ways.
func compareUses(manifest abi.Manifest, asked capability.Set, anatomy engine.Anatomy) (missing []missingUse, warnings []string) {
	uses := map[capability.Name]bool{}
	need := func(what string, name capability.Name) {
		uses[name] = true
		if !asked.Has(name) {
			missing = append(missing, missingUse{what, name})
		}
	}
	for _, i := range anatomy.Imports {
		if i.Needs != "" {
			need(i.Name, i.Needs)
		}
	}
	if len(manifest.Schedules) > 0 {
		need("schedules", capability.Schedule)
	}
	if len(manifest.Events) > 0 {
		need("events", capability.DockerEvents)
		need("events", capability.ContainersList)
	}
	for _, c := range manifest.Capabilities {
		if !uses[capability.Name(c.Name)] {
			warnings = append(warnings, fmt.Sprintf("the manifest asks for %s, which the module does not use: leave it out, and operators have less to fear", c.Name))
		}
	}
	return missing, warnings
}

// undeclared is the error of a module that uses more than its manifest asks for.
type undeclared struct {
	path    string
	missing []missingUse
}

// exampleScopes are scopes to begin with, by capability.
var exampleScopes = map[capability.Name]string{
	capability.HTTPFetch: `["GET https://example.com/*"]`, capability.KV: `["64KiB"]`, capability.Schedule: `["5m"]`,
	capability.Notify: `["admins", "20/h"]`, capability.DockerEvents: `["container.die"]`,
}

func (u undeclared) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "the module uses what %s does not ask for:\n", u.path)
	var needs []capability.Name
	for _, m := range u.missing {
		fmt.Fprintf(&text, "  %s needs %s\n", m.what, m.needs)
		if !slices.Contains(needs, m.needs) {
			needs = append(needs, m.needs)
		}
	}
	text.WriteString("Add this to its capabilities, with scopes and reasons of your own:\n")
	for _, name := range needs {
		fmt.Fprintf(&text, "  - name: %s\n", name)
		if scope := scopeFor(name); scope != "" {
			fmt.Fprintf(&text, "    scope: %s\n", scope)
		}
		text.WriteString("    reason: why the module needs it, for who approves it\n")
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// scopeFor is a scope to begin with, as YAML; empty: the capability takes none.
func scopeFor(name capability.Name) string {
	if example, ok := exampleScopes[name]; ok {
		return example
	}
	if _, err := capability.Parse([]capability.Request{{Name: string(name)}}); err != nil {
		return `["*"]`
	}
	return ""
}

var errNoFile = errors.New("neither a module's file nor a folder with a manifest.yaml")

// openModule reads a module's file, or builds the folder that it is made from.
func openModule(ctx context.Context, path string) (built, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return built{}, fmt.Errorf("%s cannot be read: %s", quotedPath(path), reason(err))
	case info.IsDir():
		return buildModule(ctx, path)
	case !info.Mode().IsRegular():
		return built{}, fmt.Errorf("%s: %w", quotedPath(path), errNoFile)
	}
	wasm, err := readModuleFile(path, maxModuleFile)
	switch {
	case err != nil:
		return built{}, err
	case len(wasm) == maxModuleFile:
		return built{}, fmt.Errorf("%s is longer than 8 MiB, so it is no module", quotedPath(path))
	}
	manifest, err := abi.ReadManifest(wasm)
	if err != nil {
		return built{}, fmt.Errorf("%s: %w", quotedPath(path), err)
	}
	return built{manifest: manifest, wasm: wasm}, nil
}
