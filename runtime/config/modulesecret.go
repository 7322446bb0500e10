package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// Bounds of one secret of a module, in bytes. A shorter one could not be hidden where a log or a server's answer repeats
// it: it would be found in the middle of words.
const (
	minModuleSecret = 8
	maxModuleSecret = 4096
)

// ModuleSecret returns the secret of a module that goes by a name; false if the operator wrote none. pyTMBot's section
// plugins_config.outline stands for the secrets api_url and cert of the module outline where modules.secrets has none.
func (c *Config) ModuleSecret(module, name string) (string, bool) {
	if value, ok := c.Modules.Secrets[module][name]; ok {
		return string(value), true
	}
	if module != "outline" || c.Plugins.Outline.APIURL == "" {
		return "", false
	}
	switch name {
	case "api_url":
		return string(c.Plugins.Outline.APIURL), true
	case "cert":
		return c.Plugins.Outline.Cert, true
	}
	return "", false
}

// ModuleSecrets returns all that [Config.ModuleSecret] knows of a module.
func (c *Config) ModuleSecrets(module string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(c.Modules.Secrets[module])) {
		all = append(all, string(c.Modules.Secrets[module][name]))
	}
	for _, name := range []string{"api_url", "cert"} { // as pyTMBot has them
		if value, ok := c.ModuleSecret(module, name); ok && !slices.Contains(all, value) {
			all = append(all, value)
		}
	}
	return all
}

// checkSecrets refuses what could not be put into a header or asked, and would fail only when a module needs it.
func checkSecrets(r *report, key string, secrets map[string]Secret) {
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		value, at := string(secrets[name]), key+"."+display(name)
		switch {
		case len(value) < minModuleSecret || len(value) > maxModuleSecret:
			r.bad(at, fmt.Sprintf("must have %d to %d characters (%s)", minModuleSecret, maxModuleSecret, shapeOf(value)), "")
		case strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c > '~' }) || strings.TrimSpace(value) != value:
			r.bad(at, "must be one line of printable ASCII without blanks around it", "")
		case strings.Contains(value, "://"):
			if err := capability.CheckBase(value); err != nil {
				r.bad(at, "is an address that cannot be asked: "+err.Error(), "")
			}
		}
	}
}

// checkFetch is about the one capability whose patterns have rules of their own for who gives.
func checkFetch(name, pattern string) error {
	if name != string(capability.HTTPFetch) {
		return nil
	}
	return capability.CheckFetchGrant(pattern)
}
