package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageError is a wrong usage of a command, with where to read the right one.
func usageError(cmd *cobra.Command, format string, args ...any) error {
	return exitWith(exitUsage, fmt.Errorf("%s (see `%s --help`)", fmt.Sprintf(format, args...), cmd.CommandPath()))
}

// usageArgs makes wrong arguments a wrong usage.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case check(cmd, args) == nil:
			return nil
		case cmd.HasSubCommands() && len(args) > 0:
			return unknownCommand(cmd, args[0])
		}
		return usageError(cmd, "wrong arguments; it is used so: %s", cmd.UseLine())
	}
}

func unknownCommand(parent *cobra.Command, name string) error {
	parent.SuggestionsMinimumDistance = 2 // as cobra has it for its own texts
	hint := ""
	if near := parent.SuggestionsFor(name); len(near) > 0 {
		hint = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usageError(parent, "there is no command %q of %s%s", name, parent.CommandPath(), hint)
}

// flagError says what is wrong with a flag without the words of the parser.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var empty *pflag.ValueRequiredError
	var bad *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		return usageError(cmd, "there is no flag --%s", unknown.GetSpecifiedName())
	case errors.As(err, &unknown):
		return usageError(cmd, "there is no flag -%s", unknown.GetSpecifiedName())
	case errors.As(err, &empty):
		return usageError(cmd, "--%s needs a value", empty.GetFlag().Name)
	case errors.As(err, &bad):
		return usageError(cmd, "--%s: %q is not %s", bad.GetFlag().Name, bad.GetValue(), wanted(bad.GetFlag()))
	}
	return usageError(cmd, "%v", err)
}

// wanted says what a flag takes.
func wanted(flag *pflag.Flag) string {
	switch flag.Value.Type() {
	case "bool":
		return "true or false"
	case "int64Slice":
		return "a number, or several with commas between"
	case "stringSlice":
		return "a list with commas between"
	}
	return "a " + flag.Value.Type()
}
