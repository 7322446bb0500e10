package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/modules"
	"github.com/cofferdam-bot/cofferdam/runtime/control"
	"github.com/cofferdam-bot/cofferdam/runtime/registry"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// callModules is the name under which a running bot is asked for its modules.
const callModules = "modules/list"

// moduleList is what a bot says of its modules, and what is printed with --json.
type moduleList struct {
	// Running says whether a bot does. Without one these are the modules inside
	// this program.
	Running bool           `json:"running"`
	Version string         `json:"version"`
	Modules []listedModule `json:"modules"`
	// Files are those of the module folder that do not run, without what they ask
	// for. All of their texts are foreign.
	Files []abi.PendingModule `json:"files,omitempty"`
	// FolderWhy says why the folder cannot be looked at; empty: it can, or there is
	// none.
	FolderWhy string `json:"folder_why,omitempty"`
}

type listedModule struct {
	abi.BotModule
	// State is one of the registry's, or "built_in" without a bot.
	State registry.State `json:"state"`
	// Why says what is wrong with a module that was refused.
	Why string `json:"why,omitempty"`
}

// stateBuiltIn is that of a module inside a program that does not run.
const stateBuiltIn registry.State = "built_in"

func moduleListCommand() *cobra.Command {
	var path, dir string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the modules, how they are, and what they took",
		Long: `Ask the bot that runs for its modules: version, SHA-256, what each is granted,
what it took since the bot was started, and its state:

    loaded     it runs
    loading    it is being compiled; its commands wait
    off        switched off after repeated faults, and until when
    refused    it could not be loaded, or is not granted what it needs, and why

and why it is trusted. Then the files of modules.dir that do not run:

    pending    it waits for an approval: see module approve
    refused    something about it is wrong, and what

Without a running bot: the modules inside this program.

The bot is found by its state directory, as run finds it: --state-dir, else
$COFFERDAM_STATE_DIR, else by the config.

Exit codes: 0 listed, 1 failed, 2 wrong usage, 3 config refused.`,
		Example: `  cofferdam module list
  cofferdam module list --json --state-dir /var/lib/cofferdam`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			state, err := auditDir(path, dir)
			if errors.Is(err, fs.ErrNotExist) && path == "" {
				state, err = stateDir("", nil) // whoever has no config yet may look as well
			}
			if err != nil {
				return err
			}
			list, err := listModules(cmd.Context(), state)
			if err != nil {
				return err
			}
			return list.write(cmd.OutOrStdout(), asJSON, time.Now())
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&dir, "state-dir", "", "`directory` for state, as for run")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// listModules asks the bot that runs with a state directory, or looks into this
// program if none does.
func listModules(ctx context.Context, state string) (moduleList, error) {
	var list moduleList
	err := control.Call(ctx, state, callModules, nil, &list)
	if !errors.Is(err, control.ErrNotRunning) {
		return list, err
	}
	files, err := modules.Builtin()
	if err != nil {
		return moduleList{}, err
	}
	list = moduleList{Version: version()}
	for _, file := range files {
		manifest, err := abi.ReadManifest(file.Data)
		if err != nil {
			return moduleList{}, fmt.Errorf("built-in module %s: %w", file.Name, err)
		}
		list.Modules = append(list.Modules, listedModule{State: stateBuiltIn, BotModule: abi.BotModule{
			Name: manifest.Name, Version: manifest.Version, Description: manifest.Description, Author: manifest.Author, Digest: file.Digest,
		}})
	}
	return list, nil
}

// modules is what a running bot says.
func (a *app) modules(ctx context.Context) (moduleList, error) {
	list := moduleList{Running: true, Version: version()}
	for _, m := range a.registry.List() {
		list.Modules = append(list.Modules, listedModule{BotModule: m.BotModule, State: m.State, Why: m.Why})
	}
	files, err := a.listedFiles(ctx)
	if err != nil { // the modules are still worth a look
		list.FolderWhy = a.told(sentence(err))
	}
	list.Files = files
	return list, nil
}

// write prints a list: a paragraph for each module, in words, as a screen reader
// reads it, and within 80 columns.
func (l moduleList) write(out io.Writer, asJSON bool, now time.Time) error {
	if asJSON {
		return writeJSON(out, l)
	}
	if !l.Running {
		fmt.Fprint(out, "No bot runs with this state directory. These modules are inside this program:\n\n")
	}
	for i, m := range l.Modules {
		if i > 0 {
			fmt.Fprintln(out)
		}
		m.write(out, now)
	}
	if l.FolderWhy != "" {
		fmt.Fprintln(out)
		field(out, "folder", "cannot be looked at: "+cleanLine(l.FolderWhy))
	}
	for _, f := range l.Files {
		fmt.Fprintln(out)
		writeFile(out, f)
	}
	return nil
}

func (m listedModule) write(out io.Writer, now time.Time) {
	fmt.Fprintln(out, foreign.Line(m.Name+" "+m.Version, 60)+", "+m.state(now))
	field(out, "why", cleanLine(m.Why))
	field(out, "about", cleanLine(m.Description))
	field(out, "author", cleanLine(m.Author))
	field(out, "sha256", m.Digest)
	field(out, "trust", trustText(m.Trust, m.Signer))
	field(out, "may", cleanLine(strings.Join(m.Capabilities, ", ")))
	if m.Use != nil {
		field(out, "use", useText(*m.Use))
	}
}

// trustText says whose word a module goes by; empty: nobody said.
func trustText(trust, signer string) string {
	switch trust {
	case abi.TrustBuiltIn:
		return "built in"
	case abi.TrustPinned:
		return "pinned in the config"
	case abi.TrustSigned:
		return "signed by " + cleanLine(signer) + ", a key of modules.trusted_keys"
	case abi.TrustApproved:
		return "approved"
	}
	return cleanLine(trust)
}

// writeFile prints a file that does not run.
func writeFile(out io.Writer, f abi.PendingModule) {
	title := foreign.Line(f.File, 50)
	if f.Name != "" {
		title += ", " + foreign.Line(f.Name+" "+f.Version, 60)
	}
	lines := folded(title+", "+cleanLine(f.State), 80)
	fmt.Fprintln(out, strings.Join(lines, "\n"))
	field(out, "why", cleanLine(f.Why))
	field(out, "author", cleanLine(f.Author))
	field(out, "sha256", cleanLine(f.Digest))
	switch {
	case f.Signer != "" && f.Trusted:
		field(out, "signed", "by "+cleanLine(f.Signer)+", a key of modules.trusted_keys")
	case f.Signer != "":
		field(out, "signed", "by "+cleanLine(f.Signer)+", as it says; that is no key of modules.trusted_keys")
	}
}

func (m listedModule) state(now time.Time) string {
	switch m.State {
	case registry.StateOff:
		until := time.UnixMilli(m.OffUntil)
		left := max(until.Sub(now), 0).Round(time.Second)
		return fmt.Sprintf("off until %s, %s from now", until.Format("15:04:05"), left)
	case registry.StateLoading:
		return "loading"
	case stateBuiltIn:
		return "built in"
	}
	return string(m.State)
}

// useText says what a module took since the bot was started.
func useText(u abi.ModuleUse) string {
	if u.Invocations == 0 {
		return "none yet"
	}
	parts := []string{plural(int(u.Invocations), "invocation"), plural(int(u.Traps+u.Limits+u.Timeouts), "fault")}
	var kinds []string
	for _, kind := range []struct {
		n    int64
		name string
	}{{u.Traps, "trap"}, {u.Limits, "limit"}, {u.Timeouts, "timeout"}} {
		if kind.n > 0 {
			kinds = append(kinds, plural(int(kind.n), kind.name))
		}
	}
	if len(kinds) > 0 {
		parts[1] += " (" + strings.Join(kinds, ", ") + ")"
	}
	parts = append(parts, plural(int(u.HostCalls), "host call"), (time.Duration(u.TimeMS)*time.Millisecond).String()+" in all")
	if u.Memory > 0 {
		parts = append(parts, "at most "+strconv.FormatFloat(float64(u.Memory)/(1<<20), 'f', 1, 64)+" MiB of memory")
	}
	if u.Fuel > 0 {
		parts = append(parts, fmt.Sprintf("%d units of fuel, at most %d at once", u.Fuel, u.MostFuel))
	}
	if u.Bytes > 0 {
		parts = append(parts, plural(int(u.Bytes), "byte")+" exchanged")
	}
	return strings.Join(parts, ", ")
}

// wrapped breaks a text at blanks into lines of at most so many characters, as
// far as its words allow. An empty text has no lines.
func wrapped(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
