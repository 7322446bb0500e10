package registry

import (
	"fmt"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// table says which modules there are, and what is whose.
type table struct {
	modules map[string]*module
	// order is the names of modules, as they were added.
	order    []string
	commands map[string]command
	// words are what a menu's labels and aliases mean, folded.
	words map[string]string // to a command's name
}

type command struct {
	abi.Command
	module string
}

// newTable returns a table without modules, but with the host's own commands.
func newTable(own []abi.Command) table {
	t := table{modules: map[string]*module{}, commands: map[string]command{}, words: map[string]string{}}
	for _, c := range own {
		t.commands[c.Name] = command{Command: c}
	}
	return t
}

// add takes a module in, with all of its commands or not at all: the first
// owner of a command or a word keeps it.
func (t *table) add(m *module) error {
	name := m.manifest.Name
	if _, taken := t.modules[name]; taken {
		return fmt.Errorf("module %s: there is a module of that name already", name)
	}
	words, err := t.wordsFor(m)
	if err != nil {
		return fmt.Errorf("module %s: %w", name, err)
	}
	t.modules[name] = m
	t.order = append(t.order, name)
	for _, c := range m.manifest.Commands {
		t.commands[c.Name] = command{Command: c, module: name}
	}
	for word, command := range words {
		t.words[word] = command
	}
	return nil
}

// wordsFor returns the words of a module's commands, if none of them, and none
// of the commands, has an owner.
func (t *table) wordsFor(m *module) (map[string]string, error) {
	words := map[string]string{}
	for _, c := range m.manifest.Commands {
		if owner, taken := t.commands[c.Name]; taken {
			if owner.module == "" {
				return nil, fmt.Errorf("command /%s belongs to the bot itself", c.Name)
			}
			return nil, fmt.Errorf("command /%s belongs to module %s", c.Name, owner.module)
		}
		if c.Who == abi.WhoAnybody && !m.builtIn {
			return nil, fmt.Errorf("command /%s: only built-in modules may answer anybody", c.Name)
		}
		for _, word := range wordsOf(c) {
			owner, taken := t.words[word]
			if twin, twice := words[word]; twice && twin != c.Name {
				owner, taken = twin, true
			}
			if taken {
				return nil, fmt.Errorf("command /%s: the word %q belongs to /%s", c.Name, word, owner)
			}
			words[word] = c.Name
		}
	}
	return words, nil
}
