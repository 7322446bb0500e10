package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/transcript"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// runOf is what the command line of `module run` says.
type runOf struct {
	path, text     string
	grants         []string
	action         string
	args           []string
	event          string
	role           string
	config         string
	kv             string
	record, replay string
	trace, json    bool
	yes            bool
	in             io.Reader
	out, err       io.Writer
}

func moduleRunCommand() *cobra.Command {
	var r runOf
	cmd := &cobra.Command{
		Use:   "run FILE [TEXT...]",
		Short: "Run one command of a module in the sandbox, and show the reply",
		Long: `Run one request in the same sandbox as the bot's, against this machine's Docker
and metrics, and print the reply as it would look, with what it took. FILE is a
module's file, or a folder that is built first. TEXT is what a user would type;
with --action it is a tapped button, or what runs by itself.

The module is granted what its manifest asks for, but nothing that acts or
that a user would need a session for, unless --grant names it. What acts is
confirmed here in the terminal. kv is kept in memory, and notices are printed.

--record keeps the request, every host call with its answer, and the reply:
without the secrets of the config, what looks like one, ids and addresses.
--replay runs the module against that, or against each file of a folder,
without any host, and fails at the first difference.

Exit codes: 0 it ended with ok, or as recorded; 1 it did not; 2 wrong usage;
3 config refused.`,
		Example: `  cofferdam module run ./hello /hello
  cofferdam module run hello.wasm /hello --trace --record testdata/hello.json
  cofferdam module run hello.wasm --replay testdata
  cofferdam module run ops.wasm /fix --grant 'docker.containers.restart{web-*}'
  cofferdam module run ops.wasm --action show --arg id=web --as user`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.path, r.text = args[0], strings.Join(args[1:], " ")
			r.in, r.out, r.err = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			if wrong := r.check(); wrong != "" {
				return usageError(cmd, "%s", wrong)
			}
			return r.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&r.grants, "grant", nil, "grant `CAPABILITY{SCOPE}` too, or in that scope only")
	flags.StringVar(&r.action, "action", "", "tap a button: its action's `name`")
	flags.StringArrayVar(&r.args, "arg", nil, "an argument of that button, as `KEY=VALUE`")
	flags.StringVar(&r.event, "event", "", "a `file` with the JSON of an event, for an action that runs by itself")
	flags.StringVar(&r.role, "as", "", "who asks: admin, user, or module for what runs by itself (default admin)")
	configFlag(cmd, &r.config)
	flags.StringVar(&r.kv, "kv", "", "keep the module's store in this `file`")
	flags.StringVar(&r.record, "record", "", "write a transcript to this `file`")
	flags.StringVar(&r.replay, "replay", "", "run against this `file`, or each .json of this folder")
	flags.BoolVar(&r.trace, "trace", false, "show every host call")
	flags.BoolVar(&r.json, "json", false, "one JSON object")
	flags.BoolVar(&r.yes, "yes", false, "confirm what acts")
	return cmd
}

// check says what about the flags makes no sense together; "": nothing.
func (r *runOf) check() string {
	byItself := r.event != "" || r.role == abi.RoleModule
	switch {
	case r.replay != "" && (r.text != "" || r.action != "" || r.event != "" || r.record != "" || len(r.grants) > 0 || r.role != "" || r.kv != ""):
		return "with --replay, the request and all answers come from the transcript"
	case r.replay != "":
		return ""
	case r.text != "" && r.action != "":
		return "either a text or --action"
	case r.text == "" && r.action == "":
		return "a TEXT such as /hello, --action or --replay is missing"
	case len(r.args) > 0 && r.action == "":
		return "--arg goes with --action"
	case byItself && r.action == "":
		return "what runs by itself is an action: name it with --action"
	case r.event != "" && r.role != "" && r.role != abi.RoleModule:
		return "--event is for what runs by itself, as module"
	case !slices.Contains([]string{"", abi.RoleAdmin, abi.RoleUser, abi.RoleModule}, r.role):
		return fmt.Sprintf("--as: %q is none of admin, user and module", r.role)
	}
	return ""
}

func (r *runOf) run(ctx context.Context) error {
	b, err := openModule(ctx, r.path)
	if err != nil {
		return err
	}
	for _, warning := range b.warnings {
		fmt.Fprintln(r.err, "warning: "+warning)
	}
	if r.replay != "" {
		return r.replayAll(ctx, b)
	}
	request, err := r.request(b.manifest)
	if err != nil {
		return err
	}
	w, err := r.world(b)
	if err != nil {
		return err
	}
	done, err := w.run(ctx, request)
	if err := errors.Join(err, w.close()); err != nil {
		return err
	}
	if r.record != "" {
		if err := writeTranscript(r.record, done.Transcript); err != nil {
			return err
		}
	}
	if err := r.show(done); err != nil {
		return err
	}
	return done.failure()
}

// request is the JSON of what is asked. The ids are stand-ins: nobody's.
func (r *runOf) request(manifest abi.Manifest) ([]byte, error) {
	request := abi.Request{
		Version: abi.Version, Action: r.action, Actor: abi.Actor{ID: 1, Role: r.role, Name: "User"},
		Chat: abi.Chat{ID: 1, Private: true}, Time: time.Now().UnixMilli(),
	}
	if request.Actor.Role == "" {
		request.Actor.Role = abi.RoleAdmin
	}
	if r.event != "" {
		text, err := os.ReadFile(r.event)
		if err != nil {
			return nil, fmt.Errorf("%s cannot be read: %s", r.event, reason(err))
		}
		if err := json.Unmarshal(text, &request.Event); err != nil {
			return nil, fmt.Errorf("%s is no event: %w", r.event, err)
		}
		request.Actor = abi.Actor{Role: abi.RoleModule}
	}
	if request.Actor.Role == abi.RoleModule {
		request.Actor.ID, request.Actor.Name, request.Chat = 0, "", abi.Chat{}
	}
	for _, arg := range r.args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok || key == "" {
			return nil, exitWith(exitUsage, fmt.Errorf("--arg %q: KEY=VALUE", arg))
		}
		if request.Args == nil {
			request.Args = map[string]string{}
		}
		request.Args[key] = value
	}
	if r.text != "" {
		var err error
		if request.Command, request.Text, err = typed(manifest, r.text); err != nil {
			return nil, exitWith(exitUsage, err)
		}
	}
	return json.Marshal(request)
}

// typed finds the command that a text runs, and what stands behind it.
func typed(manifest abi.Manifest, text string) (command, rest string, err error) {
	text = strings.TrimSpace(text)
	var names []string
	for _, c := range manifest.Commands {
		names = append(names, "/"+c.Name)
		words := slices.Clone(c.Aliases)
		for _, menu := range c.Menus {
			words = append(words, menu.Label)
		}
		if slices.Contains(words, text) {
			return c.Name, "", nil
		}
	}
	first, rest, _ := strings.Cut(text, " ")
	first = strings.TrimPrefix(first, "/")
	for _, c := range manifest.Commands {
		if c.Name == first {
			return first, strings.TrimSpace(rest), nil
		}
	}
	return "", "", fmt.Errorf("%s has no command %q: it has %s", manifest.Name, foreign.Line(first, 40), strings.Join(names, ", "))
}

func writeTranscript(path string, t transcript.Transcript) error {
	text, err := t.Format()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("%s cannot be written: %s", path, reason(err))
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return fmt.Errorf("%s cannot be written: %s", path, reason(err))
	}
	return nil
}

// readTranscript reads no more than a transcript can have.
func readTranscript(path string) (transcript.Transcript, error) {
	f, err := os.Open(path)
	if err != nil {
		return transcript.Transcript{}, fmt.Errorf("%s cannot be read: %s", path, reason(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, transcript.MaxSize+1))
	if err != nil {
		return transcript.Transcript{}, fmt.Errorf("%s cannot be read: %s", path, reason(err))
	}
	t, err := transcript.Parse(text)
	if err != nil {
		return transcript.Transcript{}, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// replayAll replays one transcript, or each of a folder.
func (r *runOf) replayAll(ctx context.Context, b built) error {
	info, err := os.Stat(r.replay)
	if err != nil {
		return fmt.Errorf("%s cannot be read: %s", r.replay, reason(err))
	}
	if !info.IsDir() {
		done, err := r.replayOne(ctx, b, r.replay)
		if err != nil {
			return err
		}
		return errors.Join(r.show(done), done.failure())
	}
	files, err := filepath.Glob(filepath.Join(r.replay, "*.json"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("there is no transcript in %s: write one with --record", r.replay)
	}
	if err != nil {
		return err
	}
	var all []ran
	failed := 0
	for _, file := range files {
		done, err := r.replayOne(ctx, b, file)
		if err != nil {
			return err
		}
		all = append(all, done)
		if done.Difference != "" {
			failed++
		}
		if !r.json {
			fmt.Fprintln(r.out, done.verdict())
		}
	}
	if r.json {
		err = writeJSON(r.out, map[string]any{"runs": all})
	}
	if failed > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d transcripts are not what happens now", failed, len(files)))
	}
	return err
}
