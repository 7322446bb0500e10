package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

func moduleInspectCommand() *cobra.Command {
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show what a module's file is and could do",
		Long: `Read a module's file, run nothing of it, and say: whether a bot would refuse it
and why, its SHA-256, what it asks for with the author's reasons, the most
dangerous first, its commands, what it does by itself, its imports against what
it asks for, and who signed it, if FILE.minisig lies beside it. No bot and no
network is needed.

With --config also what that config makes of it: its pin, whether the key that
signed it is trusted, and what modules.grants leave of what it asks for.

Exit codes: 0 fine, 1 a bot would refuse it or it cannot be read, 2 wrong usage,
3 config refused.`,
		Example: `  cofferdam module inspect uptime.wasm
  cofferdam module inspect uptime.wasm --config /etc/cofferdam.yaml
  cofferdam module inspect uptime.wasm --json`,
		Args:              usageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: completeModuleFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			var cfg *config.Config
			if path != "" {
				var err error
				if cfg, _, err = loadConfig(path, config.Options{LooseModeWarns: true}); err != nil {
					return exitWith(exitConfig, err)
				}
			}
			return inspect(cmd.OutOrStdout(), args[0], cfg, asJSON)
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "hold it against this config `file`")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// completeModuleFile lets the shell offer one file that ends in .wasm.
func completeModuleFile(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"wasm"}, cobra.ShellCompDirectiveFilterFileExt
}

func inspect(out io.Writer, path string, cfg *config.Config, asJSON bool) error {
	f, err := lookAt(path, cfg)
	if err != nil {
		return err
	}
	if asJSON {
		err = writeJSON(out, f)
	} else {
		f.write(out, cfg != nil)
	}
	if !f.OK {
		err = errors.Join(err, fmt.Errorf("%s would be refused", f.File))
	}
	return err
}

// field writes a name and what it is, wrapped within 80 columns.
func field(out io.Writer, name, text string) {
	for _, line := range folded(text, 80-12) {
		fmt.Fprintf(out, "  %-9s %s\n", name, line)
		name = ""
	}
}

// folded breaks a text into lines as [wrapped] does, and words that are too long for
// one too.
func folded(text string, width int) (lines []string) {
	for _, line := range wrapped(text, width) {
		for runes := []rune(line); ; runes = runes[width:] {
			if len(runes) <= width {
				lines = append(lines, string(runes))
				break
			}
			lines = append(lines, string(runes[:width]))
		}
	}
	return lines
}

// write prints a file in words, within 80 columns.
func (f moduleFile) write(out io.Writer, configured bool) {
	if m := f.Manifest; m != nil {
		fmt.Fprintln(out, cleanLine(m.Name)+" "+strings.Join(folded(cleanLine(m.Version), 40), " "))
		field(out, "about", cleanLine(m.Description))
		field(out, "author", cleanLine(m.Author))
	} else {
		fmt.Fprintln(out, "no module's manifest")
	}
	field(out, "file", f.File+", "+plural(f.Size, "byte"))
	field(out, "sha256", f.Digest)
	if configured {
		field(out, "here", f.where())
	}
	field(out, "signed", f.signedText())
	if f.Signature.Comment != "" {
		field(out, "", "its trusted comment: "+f.Signature.Comment)
	}
	if f.Manifest != nil {
		f.writeManifest(out, *f.Manifest)
	}
	field(out, "imports", f.importsText())
	field(out, "exports", firstOf(f.Exports, 12))
	for _, note := range f.Notes {
		field(out, "note", note)
	}
	if len(f.Wrong) == 0 {
		field(out, "verdict", "nothing in it speaks against running it")
	}
	for _, wrong := range f.Wrong {
		field(out, "refused", wrong)
	}
}

func (f moduleFile) signedText() string {
	switch s := f.Signature; s.State {
	case signedTrusted:
		return "by " + s.KeyID + ", a key of modules.trusted_keys"
	case signedUnknown:
		return "by " + s.KeyID + ", as it says; that is no key of modules.trusted_keys"
	case signedClaimed:
		return "by " + s.KeyID + ", as it says: hold it against a key with module verify, or with --config"
	case signedBad:
		return "badly: " + s.Why
	}
	return "no"
}

func (f moduleFile) writeManifest(out io.Writer, m abi.Manifest) {
	for _, c := range m.Commands {
		field(out, "command", "/"+cleanLine(c.Name)+", for "+whoText(c.Who)+": "+cleanLine(c.Description))
	}
	for _, text := range byItselfTexts(m) {
		field(out, "runs", cleanLine(text))
	}
	if limits := limitsText(m.Limits); limits != "" {
		field(out, "limits", "asks for "+limits)
	}
	writeAsks(out, f.Asks)
}

func whoText(who string) string {
	switch who {
	case abi.WhoUser:
		return "users"
	case abi.WhoAdmin:
		return "admins"
	}
	return who
}

// byItselfTexts say what a module does without being asked.
func byItselfTexts(m abi.Manifest) (texts []string) {
	for _, s := range m.Schedules {
		when := "every " + s.Every
		if s.Cron != "" {
			when = "at the times of " + s.Cron + " (crontab)"
		}
		texts = append(texts, s.Name+", "+when)
	}
	for _, e := range m.Events {
		texts = append(texts, "on the events "+strings.Join(e.Types, ", "))
	}
	return texts
}

func limitsText(l abi.LimitRequest) string {
	var parts []string
	for _, limit := range []struct {
		n    int64
		text string
	}{
		{int64(l.MemoryMiB), "%d MiB of memory"}, {int64(l.TimeoutMS), "%d ms"}, {int64(l.HostCalls), "%d host calls"}, {int64(l.ReplyKiB), "%d KiB of reply"},
		{int64(l.LogKiB), "%d KiB of log"}, {int64(l.Concurrency), "%d at once"}, {l.Fuel, "%d units of fuel"},
	} {
		if limit.n > 0 {
			parts = append(parts, fmt.Sprintf(limit.text, limit.n))
		}
	}
	return strings.Join(parts, ", ")
}

// dangers are the headings above what is asked for.
var dangers = map[int]string{
	abi.DangerMost: "Changes something, when a user asks for it:",
	abi.DangerMuch: "Reads what may hold secrets:",
	abi.DangerSome: "Reaches out, keeps something or acts by itself:",
	abi.DangerNone: "Reads what every user may read:",
}

// writeAsks prints what a module asks for, which is sorted by danger, in words.
func writeAsks(out io.Writer, asks []abi.AskedCapability) {
	if len(asks) == 0 {
		field(out, "asks", "for nothing")
		return
	}
	field(out, "asks", "for what follows, the most dangerous first")
	danger := -1
	for _, ask := range asks {
		if ask.Danger != danger {
			danger = ask.Danger
			fmt.Fprintf(out, "\n    %s\n", dangers[danger])
		}
		words := cleanLine(ask.Words)
		if ask.New {
			words += " (new: the version before did not)"
		}
		list := append([]string{}, folded("- "+words, 74)...)
		list = append(list, folded(cleanLine(grantText(ask.Name, ask.Scope)), 70)...)
		if ask.Reason != "" {
			list = append(list, folded("The author says: "+cleanLine(ask.Reason), 70)...)
		}
		if len(ask.Narrowed) > 0 {
			list = append(list, folded("The config leaves: "+cleanLine(capability.Words(capability.Name(ask.Name), ask.Narrowed)), 70)...)
		}
		for i, line := range list {
			if i > 0 {
				line = "  " + line
			}
			fmt.Fprintln(out, "    "+line)
		}
	}
	fmt.Fprintln(out)
}

// grantText is a capability as it is written in the config.
func grantText(name string, scope []string) string {
	return config.Grant{Capability: name, Scope: scope}.String()
}

func (f moduleFile) importsText() string {
	var operations, others []string
	for _, i := range f.Imports {
		switch {
		case i.Capability != "":
			operations = append(operations, i.Name+" ("+i.Capability+")")
		case i.Module != abi.ImportModule:
			others = append(others, i.Name)
		}
	}
	text := "no operations"
	if len(operations) > 0 {
		text = firstOf(operations, 100)
	}
	if len(others) > 0 {
		text += "; and what needs no grant: " + firstOf(others, 20)
	}
	return text
}

// firstOf joins the first names of a list.
func firstOf(names []string, most int) string {
	if len(names) == 0 {
		return "none"
	}
	text := strings.Join(names[:min(most, len(names))], ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
