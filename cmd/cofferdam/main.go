// Command cofferdam is a Telegram bot with which operators run Docker hosts
// and watch servers. Every chat command runs as a sandboxed WebAssembly module.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cofferdam-bot/cofferdam/runtime/engine/compiler"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// Exit codes, as docs/OPERATIONS.md promises them.
const (
	exitFailed       = 1
	exitUsage        = 2
	exitConfig       = 3
	exitUnauthorized = 4
	exitDocker       = 5
)

// exitError is an error that decides how the process ends.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func exitWith(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: code, err: err}
}

func main() {
	compiler.Main() // if this process is to compile a module, and nothing else
	os.Exit(run(os.Args[1:]))
}

// run is the whole program but for the process around it.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal asks for an end in order; from then on the second kills.
	context.AfterFunc(ctx, stop)
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	// Errors carry no secret. What was typed may: a token in the wrong place.
	fmt.Fprintln(os.Stderr, scrub.New(nil).Secrets("cofferdam: "+err.Error()))
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "cofferdam",
		Short: "A Telegram bot that runs Docker hosts from sandboxed modules",
		Example: `  cofferdam demo                 try it in the browser: no token, no account
  cofferdam init                 write a config
  cofferdam check                is everything in place?
  cofferdam run                  the bot`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          usageArgs(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	root.SetUsageTemplate(usageTemplate)
	root.SetHelpCommand(helpCommand())
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(runCommand(), demoCommand(), initCommand(), checkCommand(), totpCommand(), auditCommand(), moduleCommand(), versionCommand(), completionCommand())
	return root
}

// reason is why the system refused something, without the chain of what was
// tried in the program's words.
func reason(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if refused, ok := errors.AsType[*fs.PathError](err); ok {
		return refused.Err.Error() // its path is said already
	}
	return err.Error()
}
