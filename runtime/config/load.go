package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// DefaultPath is where the configuration is looked for when neither a flag nor the environment names it.
const DefaultPath = "./cofferdam.yaml"

// PathVariable is the environment variable that names the configuration.
const PathVariable = "COFFERDAM_CONFIG"

// Find returns the path of the configuration: flag (the value of --config), else what env returns for PathVariable,
// else DefaultPath. The error, which wraps [fs.ErrNotExist], says which places were looked in when no file is there;
// the path is returned even then, since it is where `cofferdam init` writes.
func Find(flag string, env func(string) string) (string, error) {
	path, from := flag, "--config"
	if path == "" {
		path, from = env(PathVariable), PathVariable
	}
	if path == "" {
		path, from = DefaultPath, "default"
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return path, nil // Load tells everything else that can be wrong with it.
	}
	return path, notFound(path, from, existing("pytmbot.yaml"))
}

func existing(path string) string {
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

func notFound(path, from, pytmbot string) error {
	var b strings.Builder
	if from == "default" {
		fmt.Fprintf(&b, "no configuration: --config is not given, %s is not set, and %s is not there", PathVariable, path)
	} else {
		fmt.Fprintf(&b, "no configuration: %s, which %s names, is not there", quotePath(path), from)
	}
	b.WriteString("; write one with: cofferdam init")
	if from != "default" {
		b.WriteString(" --config " + quotePath(path))
	}
	if pytmbot != "" {
		b.WriteString("; or use the one that is here with: --config " + pytmbot)
	}
	return &fileError{b.String(), fs.ErrNotExist}
}

// Options changes how Load treats a file. The zero value is the strict way.
type Options struct {
	// LooseModeWarns turns the refusal of a file that others may read or write into a warning. It is for `check`, which
	// goes on to what else there is to tell; a bot must not start so.
	LooseModeWarns bool
	// Further checks a configuration that is good as far as this package knows, by what only its caller does: what
	// modules ask for. What it returns has keys, and no lines: those are looked up. nil: nothing more is checked.
	Further func(*Config) ([]Problem, []Warning)
}

// Load reads and checks the configuration at path. A file that was read and is refused gives an error that wraps
// [Problems]; any error of Load means exit code 3. The warnings are there with an error too. The Config is nil then.
func Load(path string, opts Options) (*Config, []Warning, error) {
	data, warnings, err := readFile(path, opts)
	if err != nil {
		return nil, nil, fmt.Errorf("config %s: %w", quotePath(path), err)
	}
	c, more, err := parse(data, opts.Further)
	warnings = append(warnings, more...)
	if err != nil {
		return nil, warnings, fmt.Errorf("config %s: %w", quotePath(path), err)
	}
	return c, warnings, nil
}

// Parse reads a configuration from the bytes of a file, fills in the defaults and validates it. It touches nothing but
// its argument. The error is a [Problems], and holds no value from data; the Config is nil then.
func Parse(data []byte) (*Config, []Warning, error) { return parse(data, nil) }

func parse(data []byte, further func(*Config) ([]Problem, []Warning)) (*Config, []Warning, error) {
	root, problem := parseYAML(data)
	if problem != nil {
		return nil, nil, Problems{*problem}
	}
	w := newWalker()
	values, _ := w.section(schema(), "", root.Line, root)
	c, err := decode(values.(map[string]any))
	if err != nil {
		return nil, nil, Problems{{Message: err.Error()}}
	}
	c.normalize()
	w.adopt(c.check())
	if further != nil && len(w.problems) == 0 {
		problems, more := further(c)
		w.adopt(&report{problems: problems, warnings: more})
	}
	warnings, err := w.finish()
	if err != nil {
		return nil, warnings, err
	}
	return c, warnings, nil
}

// adopt takes over what validation found, with lines. A key about which the walker has complained is left out: its
// value was dropped, so "missing" would be a second answer to the same mistake.
func (w *walker) adopt(found *report) {
	for _, p := range found.problems {
		if !w.isCovered(p.Key) {
			p.Line = w.lineOf(p.Key)
			w.refuse(p)
		}
	}
	for _, warning := range found.warnings {
		if !w.isCovered(warning.Key) {
			warning.Line = w.lineOf(warning.Key)
			w.warn(warning)
		}
	}
}

// dependents are keys whose check, or that of a name right below them, looks at another list too.
var dependents = map[string]string{
	"access_control.allowed_admins_ids": "access_control.allowed_user_ids",
	containersKey:                       "access_control.allowed_user_ids",
}

func (w *walker) isCovered(key string) bool {
	if other := cmp.Or(dependents[key], dependents[parent(key)]); w.damaged[key] || w.damaged[other] || w.covered[other] {
		return true
	}
	for ; key != ""; key = parent(key) {
		if w.covered[key] {
			return true
		}
	}
	return false
}

// lineOf returns the line of a key, or of the section that it should stand in, or 0.
func (w *walker) lineOf(key string) int {
	for ; key != ""; key = parent(key) {
		if line := w.lines[key]; line > 0 {
			return line
		}
	}
	return 0
}

// parent returns a.b for a.b.c and for a.b[3], and nothing for a.
func parent(key string) string { return key[:max(strings.LastIndexAny(key, ".["), 0)] }
