package registry

import (
	"fmt"
	"maps"
	"slices"

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

// conflict is that what a module needs for itself has another owner.
type conflict struct {
	module string
	// owner is the module that has it; empty: the bot itself, or the module's own
	// other command.
	owner string
	what  string
}

func (c *conflict) Error() string { return "module " + c.module + ": " + c.what }

// add takes a module in, with all of its commands or not at all: the first
// owner of a command or a word keeps it. A fault is a [*conflict].
func (t *table) add(m *module) error {
	name := m.manifest.Name
	if _, taken := t.modules[name]; taken {
		return &conflict{name, name, "there is a module of that name already"}
	}
	words, err := t.wordsFor(m)
	if err != nil {
		return err
	}
	t.modules[name] = m
	t.order = append(t.order, name)
	t.assign(m, words)
	return nil
}

func (t *table) assign(m *module, words map[string]string) {
	for _, c := range m.manifest.Commands {
		t.commands[c.Name] = command{Command: c, module: m.manifest.Name}
	}
	maps.Copy(t.words, words)
}

// replace takes a module in, in the place of the one of its name if there is
// one. The words are those that wordsFor returned for it.
func (t *table) replace(m *module, words map[string]string) {
	name := m.manifest.Name
	if old := t.modules[name]; old != nil {
		t.retire(old)
	} else {
		t.order = append(t.order, name)
	}
	t.modules[name] = m
	t.assign(m, words)
}

// remove takes a module out, with its commands and words.
func (t *table) remove(m *module) {
	t.retire(m)
	delete(t.modules, m.manifest.Name)
	t.order = slices.DeleteFunc(t.order, func(name string) bool { return name == m.manifest.Name })
}

func (t *table) retire(m *module) {
	for _, c := range m.manifest.Commands {
		delete(t.commands, c.Name)
		for _, word := range wordsOf(c) {
			delete(t.words, word)
		}
	}
}

// wordsFor returns the words of a module's commands, if none of them, and none
// of the commands, has an owner. What a module of the same name owns is free.
func (t *table) wordsFor(m *module) (map[string]string, error) {
	name := m.manifest.Name
	fault := func(owner, format string, args ...any) error {
		return &conflict{name, owner, fmt.Sprintf(format, args...)}
	}
	words := map[string]string{}
	for _, c := range m.manifest.Commands {
		if owner, taken := t.commands[c.Name]; taken && owner.module == "" {
			return nil, fault("", "command /%s belongs to the bot itself", c.Name)
		} else if taken && owner.module != name {
			return nil, fault(owner.module, "command /%s belongs to module %s", c.Name, owner.module)
		}
		if c.Who == abi.WhoAnybody && !m.builtIn {
			return nil, fmt.Errorf("module %s: command /%s: only built-in modules may answer anybody", name, c.Name)
		}
		for _, word := range wordsOf(c) {
			if twin, twice := words[word]; twice && twin != c.Name {
				return nil, fault("", "command /%s: the word %q belongs to /%s", c.Name, word, twin)
			}
			if owner, taken := t.words[word]; taken && t.commands[owner].module != name {
				return nil, fault(t.commands[owner].module, "command /%s: the word %q belongs to /%s of module %s", c.Name, word, owner, t.commands[owner].module)
			}
			words[word] = c.Name
		}
	}
	return words, nil
}
