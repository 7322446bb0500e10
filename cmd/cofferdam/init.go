package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
)

func initCommand() *cobra.Command {
	var path, tokenFile string
	var users, admins, chats []int64
	var hosts []string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a config",
		Long: `Write a valid config with mode 0600 and a fresh salt. The token and the users
are asked for unless a flag says them. A file that is there is never
overwritten.

You do not know your id? Give no user: then nobody may use the bot yet, but it
answers /getmyid to anybody in a private chat. Put the id into the config, and
start it again.

The token is read from a file, or asked for: on a command line other users of
the machine could see it.`,
		Example: `  cofferdam init
  cofferdam init --config /etc/cofferdam.yaml
  cofferdam init --token-file ./token --user 123456789 --admin 123456789`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := newPath(path)
			if err != nil {
				return err
			}
			in := config.SampleInput{UserIDs: users, AdminIDs: admins, ChatIDs: chats, DockerHosts: hosts}
			q := questions{in: cmd.InOrStdin(), lines: bufio.NewReader(cmd.InOrStdin()), out: cmd.ErrOrStderr()}
			switch err := q.complete(cmd.Context(), &in, tokenFile, cmd.Flags().Changed("admin")); {
			case errors.Is(err, errStopped):
				return err
			case err != nil:
				return exitWith(exitUsage, err)
			}
			return writeConfig(path, in, cmd.OutOrStdout())
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&tokenFile, "token-file", "", "`file` with the bot token from @BotFather; - for standard input")
	cmd.Flags().Int64SliceVar(&users, "user", nil, "Telegram `id` of a user who may use the bot (repeat for more)")
	cmd.Flags().Int64SliceVar(&admins, "admin", nil, "`id` of a user who may also act (repeat for more)")
	cmd.Flags().Int64SliceVar(&chats, "chat", nil, "`id` of a group in which the bot works (repeat for more)")
	for _, name := range []string{"user", "admin", "chat"} {
		cmd.Flags().Lookup(name).DefValue = "" // pflag would show an empty list as a default
	}
	cmd.Flags().StringSliceVar(&hosts, "docker-host", nil, "`address` of a Docker engine (default: the local socket)")
	return cmd
}

// newPath is where a new config goes. What stands in the way is said before
// anything is asked.
func newPath(flag string) (string, error) {
	// Find returns where the file would be, even if it is not there.
	path, err := config.Find(flag, os.Getenv)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	switch _, err := os.Lstat(path); {
	case err == nil:
		return "", isThere(path)
	case !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%s cannot be written: %s; name another file with --config", path, reason(err))
	}
	if dir := filepath.Dir(path); !isDir(dir) {
		return "", fmt.Errorf("%s cannot be written: there is no directory %s; make it first, or name another file with --config", path, dir)
	}
	return path, nil
}

func isThere(path string) error {
	return fmt.Errorf("%s is there already and is left as it is; remove it first, or name another file with --config", path)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

const nobodyYet = `Nobody may use the bot yet. Start it, send it /getmyid in a private chat, put
the id into allowed_user_ids and allowed_admins_ids, and start it again. An admin
then needs a second factor: cofferdam totp enroll.
`

func writeConfig(path string, in config.SampleInput, out io.Writer) error {
	salt, err := config.NewSalt(rand.Reader)
	if err != nil {
		return err
	}
	in.Salt = salt
	text, err := config.Sample(in)
	if err != nil {
		return exitWith(exitConfig, withoutLines(err))
	}
	err = config.WriteNew(path, text)
	switch {
	case errors.Is(err, fs.ErrExist): // since newPath looked
		return isThere(path)
	case err != nil:
		return fmt.Errorf("%s cannot be written: %s; name another file with --config", path, reason(err))
	}
	fmt.Fprintf(out, "%s is written, with mode 0600.\n", path)
	if len(in.UserIDs) == 0 {
		fmt.Fprint(out, nobodyYet)
	}
	fmt.Fprintf(out, "Next: cofferdam check --config %s\n", path)
	for _, id := range in.AdminIDs {
		fmt.Fprintf(out, "Then an admin's second factor: cofferdam totp enroll %d --config %s\n", id, path)
	}
	return nil
}

// withoutLines takes the line numbers out of what is wrong with a config: they
// are those of a file that was not written.
func withoutLines(err error) error {
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		return err
	}
	told := slices.Clone(problems)
	for i := range told {
		told[i].Line = 0
	}
	return fmt.Errorf("no config is written: %w", told)
}

// questions asks for what no flag said.
type questions struct {
	in    io.Reader // what lines reads; it may be a terminal
	lines *bufio.Reader
	out   io.Writer
}

// errStopped is the end of a prompt at which a signal came.
var errStopped = errors.New("stopped: no config is written")

// errNoAnswer is the end of standard input.
var errNoAnswer = errors.New("there is no answer on standard input")

func (q questions) complete(ctx context.Context, in *config.SampleInput, tokenFile string, adminsGiven bool) error {
	token, err := q.token(ctx, tokenFile)
	if err != nil {
		return err
	}
	in.Token = config.Secret(token)
	if len(in.UserIDs) > 0 {
		return nil
	}
	fmt.Fprintln(q.out, "Who may use the bot? Telegram ids, separated by blanks. Empty if you do not know yours yet:")
	if in.UserIDs, err = q.ids(ctx); err != nil || len(in.UserIDs) == 0 || adminsGiven {
		return err
	}
	fmt.Fprintln(q.out, "Which of them are admins? Empty for none:")
	in.AdminIDs, err = q.ids(ctx)
	return err
}

// maxToken is far above the 46 characters that a token has.
const maxToken = 256

func (q questions) token(ctx context.Context, file string) (string, error) {
	switch file {
	case "":
		defer hideTyping(q.in)()
		fmt.Fprintln(q.out, "The bot's token, from @BotFather (it is not shown):")
		return q.required(ctx, "--token-file")
	case "-":
		return q.required(ctx, "--token-file with the name of a file")
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("the token file %s cannot be read: %s", file, reason(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxToken))
	if err != nil {
		return "", fmt.Errorf("the token file %s cannot be read: %s", file, reason(err))
	}
	return strings.TrimSpace(string(text)), nil
}

// required reads an answer that there must be; flag is what would have said it.
func (q questions) required(ctx context.Context, flag string) (string, error) {
	text, err := q.line(ctx)
	if errors.Is(err, errNoAnswer) {
		return "", fmt.Errorf("%w: type one, or use %s", err, flag)
	}
	return text, err
}

// line reads an answer, without the blanks around it. A read from a terminal
// cannot be ended: when the context ends first, the goroutine stays in it until
// the process is gone, which is at once.
func (q questions) line(ctx context.Context) (string, error) {
	type answer struct {
		text string
		err  error
	}
	given := make(chan answer, 1)
	go func() {
		text, err := q.lines.ReadString('\n')
		given <- answer{strings.TrimSpace(text), err}
	}()
	select {
	case <-ctx.Done():
		return "", errStopped
	case a := <-given:
		switch {
		case a.err == nil || a.text != "":
			return a.text, nil
		case errors.Is(a.err, io.EOF):
			return "", errNoAnswer
		}
		return "", fmt.Errorf("standard input cannot be read: %s", reason(a.err))
	}
}

// ids reads Telegram ids. No answer is none.
func (q questions) ids(ctx context.Context) ([]int64, error) {
	text, err := q.line(ctx)
	if err != nil && !errors.Is(err, errNoAnswer) {
		return nil, err
	}
	var ids []int64
	for i, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' }) {
		id, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			// The word is not shown: it may be the token.
			return nil, fmt.Errorf("word %d of the answer is not a Telegram id: ids are numbers", i+1)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// hideTyping keeps a terminal from showing what is typed, but for the end of
// the line, until show is called. It does nothing with anything else.
func hideTyping(in io.Reader) (show func()) {
	f, ok := in.(*os.File)
	if !ok {
		return func() {}
	}
	fd := int(f.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return func() {}
	}
	hidden := *before
	hidden.Lflag = hidden.Lflag&^unix.ECHO | unix.ECHONL
	if unix.IoctlSetTermios(fd, unix.TCSETS, &hidden) != nil {
		return func() {}
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) } // the terminal may be gone
}
