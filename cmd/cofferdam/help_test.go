package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// everyCommand calls visit for the root and all that is below it.
func everyCommand(command *cobra.Command, visit func(*cobra.Command)) {
	visit(command)
	for _, below := range command.Commands() {
		everyCommand(below, visit)
	}
}

func helpOf(t *testing.T, path string) string {
	t.Helper()
	root := newRoot()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs(append(strings.Fields(path)[1:], "--help"))
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestEveryCommandHasHelpThatFits(t *testing.T) {
	seen := 0
	everyCommand(newRoot(), func(c *cobra.Command) {
		seen++
		help := helpOf(t, c.CommandPath())
		if !strings.Contains(help, "\nExamples:\n  ") {
			t.Errorf("%s --help has no example:\n%s", c.CommandPath(), help)
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: a short description is a phrase without a full stop: %q", c.CommandPath(), c.Short)
		}
		for line := range strings.Lines(help) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("%s --help has a line of %d columns:\n%s", c.CommandPath(), n, line)
			}
			if strings.Contains(line, "\t") {
				t.Errorf("%s --help has a tab in it: %q", c.CommandPath(), line)
			}
		}
	})
	if seen < 9 {
		t.Errorf("%d commands were looked at", seen)
	}
}

// TestExamplesAreValid holds the examples against the commands and flags that
// there are.
func TestExamplesAreValid(t *testing.T) {
	everyCommand(newRoot(), func(c *cobra.Command) {
		for line := range strings.Lines(c.Example) {
			_, example, found := strings.Cut(line, "cofferdam ")
			if !found {
				t.Errorf("%s: an example without the program: %q", c.CommandPath(), line)
				continue
			}
			example, _, _ = strings.Cut(example, "  ") // what it is good for
			example, _, _ = strings.Cut(example, " >") // where a shell sends it
			words := strings.Fields(strings.TrimRight(strings.TrimSpace(example), ")"))
			root := newRoot()
			command, rest, err := root.Find(words)
			if err == nil {
				err = command.ParseFlags(rest)
			}
			if err == nil {
				err = command.ValidateArgs(command.Flags().Args())
			}
			if err != nil {
				t.Errorf("%s: the example %q: %v", c.CommandPath(), strings.TrimSpace(line), err)
			}
		}
	})
}
