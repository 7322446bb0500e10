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
		Long: `Write a valid config with mode 0600 and a fresh salt. What no flag says is
asked for. A file that is there is never overwritten.

The token is read from a file, or asked for: on a command line other users of
the machine could see it.`,
		Example: `  cofferdam init
  cofferdam init --config /etc/cofferdam.yaml
  cofferdam init --token-file /run/secrets/token --user 123456789 --admin 123456789`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			// Find returns where the file would be, even if it is not there.
			path, err := config.Find(path, os.Getenv)
			if err == nil {
				return fmt.Errorf("%s is there already; it is left as it is (remove it first, or name another with --config)", path)
			}
			if !errors.Is(err, fs.ErrNotExist) {
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
	cmd.Flags().StringVar(&tokenFile, "token-file", "", "file with the bot token from @BotFather; - for standard input")
	cmd.Flags().Int64SliceVar(&users, "user", nil, "Telegram id of a user who may use the bot (repeat for more)")
	cmd.Flags().Int64SliceVar(&admins, "admin", nil, "id of a user who may also act (repeat for more)")
	cmd.Flags().Int64SliceVar(&chats, "chat", nil, "id of a group in which the bot works (repeat for more)")
	cmd.Flags().StringSliceVar(&hosts, "docker-host", nil, "address of a Docker engine (default: the local socket)")
	return cmd
}

func writeConfig(path string, in config.SampleInput, out io.Writer) error {
	salt, err := config.NewSalt(rand.Reader)
	if err != nil {
		return err
	}
	in.Salt = salt
	text, err := config.Sample(in)
	if err != nil {
		return exitWith(exitConfig, err)
	}
	if err := config.WriteNew(path, text); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s is there already; it is left as it is", path)
		}
		return err
	}
	fmt.Fprintf(out, "%s is written, with mode 0600.\nNext: cofferdam check --config %s\n", path, path)
	return nil
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
			return errors.New("at least one user is needed (--user)")
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
		return q.line("--token-file -")
	}
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxToken))
	return strings.TrimSpace(string(text)), err
}

// line reads an answer; flag is what would have said it.
func (q questions) line(flag string) (string, error) {
	text, err := q.in.ReadString('\n')
	text = strings.TrimSpace(text)
	if err != nil && text == "" {
		return "", fmt.Errorf("no answer on standard input (or use %s): %w", flag, err)
	}
	return text, nil
}

func (q questions) ids() ([]int64, error) {
	text, err := q.line("--user and --admin")
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' }) {
		id, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a Telegram id: ids are numbers", word)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
