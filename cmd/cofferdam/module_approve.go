package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/control"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// approval is what the command line says about one.
type approval struct {
	place
	digest string
	grants []string
	yes    bool
	json   bool
}

func moduleApproveCommand() *cobra.Command {
	var a approval
	cmd := &cobra.Command{
		Use:   "approve NAME|FILE",
		Short: "Let a file of the module folder run",
		Long: `Ask the bot that runs for a file of its module folder that waits, by the name of
its module or of its file, say in words what it could do, and, after a yes, let
exactly this file run with exactly these grants. Other bytes under the same name
will wait anew.

--grant narrows one of the capabilities that it asks for, and may be given
several times; what is not named is granted as it asks. With a FILE that can be
read here, or with --digest, only those bytes are approved.

With --json it asks nothing, so it takes --yes too, and prints one JSON object:
name, digest, and whether anything changed.

It needs a running bot, found by its state directory as module list finds it. To
let a file run without one, pin it: modules.pins of the config.

Exit codes: 0 it runs, 1 not, 2 wrong usage, 3 config refused.`,
		Example: `  cofferdam module approve uptime
  cofferdam module approve /srv/modules/uptime.wasm --yes
  cofferdam module approve watch --grant 'docker.containers.restart{web-*}'`,
		Args: usageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return a.completePending(cmd.Context(), args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.json && !a.yes {
				return usageError(cmd, "--json asks nothing: add --yes")
			}
			return a.approve(cmd.Context(), args[0], cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	a.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&a.digest, "digest", "", "only the file of this `sha256`")
	flags.StringArrayVar(&a.grants, "grant", nil, "grant a `capability` in this scope instead of what it asks for")
	flags.BoolVar(&a.yes, "yes", false, "do not ask")
	flags.BoolVar(&a.json, "json", false, "one JSON object; with --yes")
	return cmd
}

func moduleRevokeCommand() *cobra.Command {
	var at place
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "revoke NAME",
		Short: "Take a module its approval",
		Long: `Let the bot that runs end a module from its module folder, whatever let it run.
Its commands are gone, and its file waits for a new approval. What it kept
stays.
Built-in modules are switched off with an empty list in modules.grants.

Exit codes: 0 it does not run, 1 failed, 2 wrong usage, 3 config refused.`,
		Example: `  cofferdam module revoke uptime`,
		Args:    usageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return at.completeModules(cmd.Context(), args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return at.revoke(cmd.Context(), args[0], asJSON, cmd.OutOrStdout())
		},
	}
	at.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// dir is the state directory of the bot that is asked.
func (p place) dir() (string, error) {
	state, err := auditDir(p.config, p.stateDir)
	if errors.Is(err, fs.ErrNotExist) && p.config == "" {
		return stateDir("", nil)
	}
	return state, err
}

func (a approval) approve(ctx context.Context, called string, in io.Reader, out io.Writer) error {
	state, err := a.dir()
	if err != nil {
		return err
	}
	file, err := a.find(ctx, state, called)
	if err != nil {
		return err
	}
	q, err := a.request(file)
	if err != nil {
		return err
	}
	if !a.json {
		writePending(out, file, q)
	}
	if !a.yes && !confirmed(in, out, "Let exactly this file run, with exactly that?") {
		return errors.New("not approved; nothing was changed")
	}
	var done abi.ModuleDone
	if err := control.Call(ctx, state, callApprove, q, &done); err != nil {
		return fmt.Errorf("%s is not approved: %w", cleanLine(file.Name), fromBot(err))
	}
	switch {
	case a.json:
		return writeJSON(out, done)
	case !done.Changed:
		fmt.Fprintf(out, "%s was approved so already.\n", cleanLine(file.Name))
	default:
		fmt.Fprintf(out, "%s is approved, and runs.\n", cleanLine(file.Name))
	}
	return nil
}

// find asks the bot for the one file that is meant.
func (a approval) find(ctx context.Context, state, called string) (abi.PendingModule, error) {
	digest := strings.ToLower(a.digest)
	if raw, err := hex.DecodeString(digest); digest != "" && (err != nil || len(raw) != sha256.Size) {
		return abi.PendingModule{}, exitWith(exitUsage, errors.New("--digest: a SHA-256 is 64 hexadecimal digits, as sha256sum prints them"))
	}
	if data, err := readModuleFile(called, maxModuleFile); err == nil {
		sum := sha256.Sum256(data)
		if here := hex.EncodeToString(sum[:]); digest == "" {
			digest = here
		} else if digest != here {
			return abi.PendingModule{}, fmt.Errorf("%s has another digest than --digest says: %s", quotedPath(called), here)
		}
	}
	var list abi.PendingList
	err := control.Call(ctx, state, callPending, called, &list)
	switch {
	case errors.Is(err, control.ErrNotRunning):
		return abi.PendingModule{}, fmt.Errorf("%w, %s: start it, name another with --state-dir, or pin the file in the config and start it then: modules: {pins: {NAME: %s}}",
			control.ErrNotRunning, state, pinText(digest))
	case err != nil:
		return abi.PendingModule{}, fromBot(err)
	}
	return a.choose(ctx, state, called, digest, list.Modules)
}

func pinText(digest string) string {
	if digest == "" {
		return "SHA256"
	}
	return digest
}

// choose picks the file of a digest, or says why there is none.
func (a approval) choose(ctx context.Context, state, called, digest string, files []abi.PendingModule) (abi.PendingModule, error) {
	matching := slices.DeleteFunc(slices.Clone(files), func(f abi.PendingModule) bool { return digest != "" && f.Digest != digest })
	switch {
	case len(matching) == 1:
		return matching[0], nil
	case len(matching) > 1:
		var names []string
		for _, f := range matching {
			names = append(names, cleanLine(f.File)+" "+cleanLine(f.Digest))
		}
		return abi.PendingModule{}, fmt.Errorf("several files go by that name; name one with --digest: %s", strings.Join(names, ", "))
	case len(files) > 0:
		return abi.PendingModule{}, fmt.Errorf("the bot has other bytes under that name: %s has the digest %s; was the file copied whole?", cleanLine(files[0].File), cleanLine(files[0].Digest))
	}
	if list, err := listModules(ctx, state); err == nil {
		for _, m := range list.Modules {
			if m.Name == called {
				return abi.PendingModule{}, fmt.Errorf("%s waits for nothing: it is %s, %s", cleanLine(called), m.State, trustText(m.Trust, m.Signer))
			}
		}
	}
	return abi.PendingModule{}, fmt.Errorf("no file of the module folder goes by %q: cofferdam module list shows those that wait; a file that was just copied is seen after a moment", cleanLine(called))
}

// request is the approval: what the file asks for, narrowed as the flags say.
func (a approval) request(file abi.PendingModule) (abi.ModuleApproval, error) {
	q := abi.ModuleApproval{Name: file.Name, Digest: file.Digest}
	for _, ask := range file.Asks {
		q.Grants = append(q.Grants, abi.GrantedCapability{Name: ask.Name, Scope: ask.Scope})
	}
	for _, text := range a.grants {
		grant, err := config.ParseGrant(text)
		if err != nil {
			return q, exitWith(exitUsage, fmt.Errorf("--grant: %w", err))
		}
		at := slices.IndexFunc(file.Asks, func(ask abi.AskedCapability) bool { return ask.Name == grant.Capability })
		if at < 0 {
			return q, fmt.Errorf("--grant: it does not ask for %s", cleanLine(grant.Capability))
		}
		name := capability.Name(grant.Capability)
		if _, err := capability.Parse([]capability.Request{{Name: grant.Capability, Scope: grant.Scope}}); err != nil {
			return q, exitWith(exitUsage, fmt.Errorf("--grant: %w", err))
		}
		if !capability.Covers(name, file.Asks[at].Scope, grant.Scope) {
			return q, fmt.Errorf("--grant: that is not surely within what it asks for: %s", cleanLine(capability.Words(name, file.Asks[at].Scope)))
		}
		q.Grants[at].Scope = grant.Scope
	}
	return q, nil
}

// writePending says what is approved.
func writePending(out io.Writer, f abi.PendingModule, q abi.ModuleApproval) {
	writeFile(out, f)
	field(out, "about", cleanLine(f.Description))
	if f.Before != "" {
		field(out, "before", "version "+cleanLine(f.Before)+" was approved")
	}
	if len(f.Commands) > 0 {
		field(out, "commands", cleanLine("/"+strings.Join(f.Commands, ", /")))
	}
	for _, text := range f.Runs {
		field(out, "runs", cleanLine(text))
	}
	asks := make([]abi.AskedCapability, 0, len(f.Asks))
	for i, ask := range f.Asks {
		// In our own words: they are about what is sent back.
		name := capability.Name(ask.Name)
		ask.Scope, ask.Words, ask.Danger = q.Grants[i].Scope, capability.Words(name, q.Grants[i].Scope), capability.Danger(name)
		asks = append(asks, ask)
	}
	slices.SortStableFunc(asks, func(a, b abi.AskedCapability) int { return b.Danger - a.Danger })
	writeAsks(out, asks)
	for _, gone := range f.Gone {
		field(out, "no more", cleanLine(gone))
	}
}

// confirmed asks for a yes. Whatever else is said is a no.
func confirmed(in io.Reader, out io.Writer, question string) bool {
	fmt.Fprint(out, question+" [y/N] ")
	line, _ := bufio.NewReader(io.LimitReader(in, 64)).ReadString('\n') // no answer is a no
	if f, ok := in.(*os.File); !ok || !isTerminal(f) {
		fmt.Fprintln(out)
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}

// fromBot is an error of the bot, whose words may be a module's.
func fromBot(err error) error {
	if refusal, ok := errors.AsType[*control.Refusal](err); ok {
		return &control.Refusal{Code: refusal.Code, Reason: strings.TrimSuffix(cleanLine(refusal.Reason), ".")}
	}
	return err
}

func (p place) revoke(ctx context.Context, name string, asJSON bool, out io.Writer) error {
	state, err := p.dir()
	if err != nil {
		return err
	}
	var done abi.ModuleDone
	err = control.Call(ctx, state, callRevoke, abi.ModuleRef{Name: name}, &done)
	switch {
	case errors.Is(err, control.ErrNotRunning):
		return fmt.Errorf("%w, %s: start it, or name another with --state-dir; to keep a module from the next start, move its file out of the folder, or grant it nothing in the config: modules: {grants: {%s: []}}",
			control.ErrNotRunning, state, cleanLine(name))
	case err != nil:
		return fmt.Errorf("%s is not revoked: %w", cleanLine(name), fromBot(err))
	case asJSON:
		return writeJSON(out, done)
	case !done.Changed:
		fmt.Fprintf(out, "%s did not run, and still does not.\n", cleanLine(name))
		return nil
	}
	fmt.Fprintf(out, "%s is revoked: it does not run any more, and its file waits for a new approval.\n", cleanLine(name))
	return nil
}

// completionTime bounds what a shell waits for names.
const completionTime = time.Second

// names offers a shell names that the running bot knows; none without one.
func (p place) names(ctx context.Context, pick func(moduleList) []string) ([]string, cobra.ShellCompDirective) {
	state, err := p.dir()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	list, err := listModules(ctx, state)
	if err != nil || !list.Running {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return pick(list), cobra.ShellCompDirectiveNoFileComp
}

func (a approval) completePending(ctx context.Context, args []string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.names(ctx, func(list moduleList) (names []string) {
		for _, f := range list.Files {
			if f.Name != "" {
				names = append(names, cleanLine(f.Name))
			}
		}
		return names
	})
}

func (p place) completeModules(ctx context.Context, args []string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return p.names(ctx, func(list moduleList) (names []string) {
		for _, m := range list.Modules {
			if m.Trust != "" && m.Trust != abi.TrustBuiltIn {
				names = append(names, m.Name)
			}
		}
		return names
	})
}
