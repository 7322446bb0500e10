package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/control"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
	"github.com/cofferdam-bot/cofferdam/runtime/twofactor"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
	"github.com/cofferdam-bot/cofferdam/security/totp"
)

func totpCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "totp",
		Short: "Second factors of admins",
		Example: `  cofferdam totp enroll 123456789
  cofferdam totp reset 123456789`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(totpEnrollCommand(), totpResetCommand())
	return cmd
}

// place is where a command of the host finds the state.
type place struct{ config, stateDir string }

func (p *place) flags(cmd *cobra.Command) {
	configFlag(cmd, &p.config)
	cmd.Flags().StringVar(&p.stateDir, "state-dir", "", "`directory` for state, as for run")
}

func totpEnrollCommand() *cobra.Command {
	var at place
	cmd := &cobra.Command{
		Use:   "enroll USER_ID",
		Short: "Show an admin's QR code in the terminal",
		Long: `Draw the QR code of an admin's second factor in the terminal, with eight backup
codes, so that the secret never passes through Telegram. It counts from the
moment at which the admin sends its first code to the bot; until then, the
command can be given again, which makes a new secret and new backup codes.
Afterwards no code is shown again: see totp reset.

It works while the bot runs, and while it does not.`,
		Example: `  cofferdam totp enroll 123456789
  cofferdam totp enroll 123456789 --config /etc/cofferdam.yaml`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return totpEnroll(cmd.Context(), at, args[0], cmd.OutOrStdout())
		},
	}
	at.flags(cmd)
	return cmd
}

func totpResetCommand() *cobra.Command {
	var at place
	cmd := &cobra.Command{
		Use:   "reset USER_ID",
		Short: "Make an admin's enrolment possible again",
		Long: `Forget an admin's second factor: codes and backup codes of it are refused from
now on, sessions end, a block ends, and the admin can enrol again, with
/qrcode in the private chat or with totp enroll.

It works while the bot runs, and while it does not.`,
		Example: `  cofferdam totp reset 123456789`,
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return totpReset(cmd.Context(), at, args[0], cmd.OutOrStdout())
		},
	}
	at.flags(cmd)
	return cmd
}

func totpEnroll(ctx context.Context, at place, id string, out io.Writer) error {
	var shown enrolment
	user, err := at.ask(ctx, id, callEnroll, &shown, func(k *twofactor.Keeper, log recorder, user int64) (err error) {
		shown, err = enrollFor(ctx, k, log, user, time.Now())
		return err
	})
	switch {
	case isEnrolled(err):
		return fmt.Errorf("%w, so its QR code is not shown again; to enrol anew: cofferdam totp reset %s", twofactor.ErrEnrolled, id)
	case err != nil:
		return err
	}
	return showEnrolment(out, user, shown)
}

// isEnrolled recognises [twofactor.ErrEnrolled], of this process or of the bot
// that was asked.
func isEnrolled(err error) bool {
	refusal, refused := errors.AsType[*control.Refusal](err)
	return errors.Is(err, twofactor.ErrEnrolled) || refused && refusal.Code == refusedEnrolled
}

func showEnrolment(out io.Writer, user int64, shown enrolment) error {
	picture, err := totp.Terminal(shown.URI)
	if err != nil {
		return err
	}
	uri, err := url.Parse(shown.URI)
	if err != nil {
		return fmt.Errorf("the bot sent no key: %w", err)
	}
	fmt.Fprintf(out, "\n%s\nScan this with an authenticator app, or type the key:\n\n    %s\n\n", picture, uri.Query().Get("secret"))
	fmt.Fprintf(out, "Then send the six digits to the bot, as user %d, in the private chat.\n\n", user)
	fmt.Fprintf(out, "Backup codes, each good for one session. They are not shown again:\n\n")
	for i := 0; i+1 < len(shown.Backups); i += 2 {
		fmt.Fprintf(out, "    %s    %s\n", shown.Backups[i], shown.Backups[i+1])
	}
	fmt.Fprintln(out, "\nWhoever sees this screen can make codes: clear it.")
	return nil
}

func totpReset(ctx context.Context, at place, id string, out io.Writer) error {
	var done bool
	user, err := at.ask(ctx, id, callReset, &done, func(k *twofactor.Keeper, log recorder, user int64) error {
		return resetFor(ctx, k, log, user)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "User %d has no second factor any more. To enrol: cofferdam totp enroll %d, or /qrcode in the private chat.\n", user, user)
	return nil
}

// ask lets the bot that runs do something for a user, or does it itself if none
// runs.
func (p place) ask(ctx context.Context, id, call string, result any, self func(*twofactor.Keeper, recorder, int64) error) (user int64, err error) {
	user, err = strconv.ParseInt(id, 10, 64)
	if err != nil || user <= 0 {
		return 0, exitWith(exitUsage, fmt.Errorf("%q is no Telegram user id: a number such as 123456789; the user sends /getmyid to the bot to learn it", foreign.Line(id, 40)))
	}
	cfg, _, err := loadConfig(p.config, config.Options{})
	if err != nil {
		return 0, exitWith(exitConfig, err)
	}
	if err := mustBeAdmin(cfg, user); err != nil {
		return 0, err
	}
	dir, err := stateDir(p.stateDir, cfg)
	if err != nil {
		return 0, err
	}
	err = control.Call(ctx, dir, call, user, result)
	if !errors.Is(err, control.ErrNotRunning) {
		return user, err
	}
	return user, p.alone(cfg, dir, user, self)
}

// alone opens the state, which no bot uses.
func (p place) alone(cfg *config.Config, dir string, user int64, do func(*twofactor.Keeper, recorder, int64) error) (err error) {
	if err := checkState(dir); err != nil {
		return err
	}
	s, err := store.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	scrubber := scrub.New(cfg.Secrets())
	log, err := store.OpenAudit(dir, store.AuditOptions{Clean: scrubber.String})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	keeper, err := newFactors(cfg, s, scrubber.Learn)
	if err != nil {
		return err
	}
	return do(keeper, log, user)
}
