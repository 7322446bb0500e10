// Command cofferdam is a Telegram bot with which operators run Docker hosts
// and watch servers. Every chat command runs as a sandboxed WebAssembly module.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
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

func main() { os.Exit(run(os.Args[1:])) }

// run is the whole program but for the process around it.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "cofferdam:", err)
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
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return exitWith(exitUsage, fmt.Errorf("%w (see `%s --help`)", err, cmd.CommandPath()))
	})
	root.AddCommand(runCommand(), demoCommand(), initCommand(), checkCommand(), moduleCommand(), versionCommand())
	return root
}

// usageArgs makes a wrong number of arguments a wrong usage.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return exitWith(exitUsage, fmt.Errorf("%w (see `%s --help`)", err, cmd.CommandPath()))
		}
		return nil
	}
}
