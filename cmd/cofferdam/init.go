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
			q := questions{in: bufio.NewReader(cmd.InOrStdin()), out: cmd.ErrOrStderr()}
			if err := q.complete(cmd.Context(), &in, tokenFile, cmd.Flags().Changed("admin")); err != nil {
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
	fmt.Fprintf(out, "%s is written, with mode 0600.\nNext: cofferdam check --config %s\n", path, path)
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
	in  *bufio.Reader
	out io.Writer
}

func (q questions) complete(ctx context.Context, in *config.SampleInput, tokenFile string, adminsGiven bool) error {
	token, err := q.token(tokenFile)
	if err != nil {
		return err
	}
	in.Token = config.Secret(token)
	if len(in.UserIDs) == 0 {
		fmt.Fprintln(q.out, "Who may use the bot? Telegram ids, separated by blanks (send /getmyid to the running bot, or ask @userinfobot):")
		if in.UserIDs, err = q.ids(); err != nil {
			return err
		}
		if len(in.UserIDs) == 0 {
			return errors.New("nobody could use the bot: give at least one id, or use --user")
		}
		if !adminsGiven {
			fmt.Fprintln(q.out, "Which of them are admins? Empty for none:")
			if in.AdminIDs, err = q.ids(); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// maxToken is far above the 46 characters that a token has.
const maxToken = 256

func (q questions) token(file string) (string, error) {
	switch file {
	case "":
		fmt.Fprintln(q.out, "The bot's token, from @BotFather:")
		return q.line("--token-file")
	case "-":
		return q.line("--token-file with the name of a file")
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

// line reads an answer; flag is what would have said it.
func (q questions) line(flag string) (string, error) {
	text, err := q.in.ReadString('\n')
	text = strings.TrimSpace(text)
	if err != nil && text == "" {
		return "", fmt.Errorf("there is no answer on standard input: type one, or use %s", flag)
	}
	return text, nil
}

func (q questions) ids() ([]int64, error) {
	text, err := q.line("--user and --admin")
	if err != nil {
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
