package config

import (
	"errors"
	"path/filepath"
)

// StateVariable is the environment variable that names the state directory.
const StateVariable = "COFFERDAM_STATE_DIR"

// StateDir returns the state directory, which need not exist: flag (the value of --state-dir), else what env returns
// for StateVariable, else state.dir of c, else cofferdam in env's XDG_STATE_HOME, else .local/state/cofferdam in home.
// A nil c is one without state.dir. A relative XDG_STATE_HOME is ignored, as the XDG base directory specification asks.
func StateDir(flag string, env func(string) string, c *Config, home string) (string, error) {
	if flag != "" {
		return filepath.Clean(flag), nil
	}
	if dir := env(StateVariable); dir != "" {
		return filepath.Clean(dir), nil
	}
	if c != nil && c.State.Dir != "" {
		return filepath.Clean(c.State.Dir), nil
	}
	if base := env("XDG_STATE_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "cofferdam"), nil
	}
	if filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "cofferdam"), nil
	}
	return "", errors.New("no place for the state: this user has no home directory; give --state-dir, " + StateVariable +
		" or state.dir")
}
