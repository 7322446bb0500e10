package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// checkGrants holds the grants of a config against the capabilities that there are,
// and those of built-in modules against what these ask for. What drop-in modules ask
// for is known when their files are read.
func checkGrants(cfg *config.Config) (problems []config.Problem, warnings []config.Warning) {
	for _, module := range slices.Sorted(maps.Keys(cfg.Modules.Grants)) {
		manifest, builtIn := inside().manifests[module]
		seen := map[string]bool{}
		for i, g := range cfg.Modules.Grants[module] {
			p := config.Problem{Key: fmt.Sprintf("modules.grants.%s[%d]", module, i)}
			name := capability.Name(g.Capability)
			at, err := capability.CheckScope(name, g.Scope)
			switch {
			case err != nil:
				p.Message = "this capability " + err.Error()
				if at >= 0 {
					p.Message = fmt.Sprintf("pattern %d of its scope: %s", at+1, err)
				}
				problems = append(problems, p)
				continue
			case seen[g.Capability]:
				p.Message, p.Hint = "this capability is granted twice", "write both scopes as one"
				problems = append(problems, p)
				continue
			}
			seen[g.Capability] = true
			if problem, ok := uselessGrant(p, name, g.Scope, manifest, builtIn); ok {
				problems = append(problems, problem)
				continue
			}
			if w, ok := oddGrant(p, name, g.Scope, manifest, builtIn); ok {
				warnings = append(warnings, w)
			}
		}
	}
	return problems, warnings
}

// uselessGrant is the problem of a grant with a scope in which a built-in module can do
// nothing.
func uselessGrant(p config.Problem, name capability.Name, scope []string, m abi.Manifest, builtIn bool) (config.Problem, bool) {
	asked, asks := askedScope(m, name)
	if !builtIn || !asks || !capability.Disjoint(name, asked, scope) {
		return p, false
	}
	p.Message = "nothing is in this scope that the module asks for, so it would be of no use"
	p.Hint = "it asks to " + capability.Words(name, asked)
	return p, true
}

// oddGrant is the warning of a grant that changes nothing, or gives very much. What a
// built-in module may do without a grant too is no weakness of the config.
func oddGrant(p config.Problem, name capability.Name, scope []string, m abi.Manifest, builtIn bool) (config.Warning, bool) {
	_, asks := askedScope(m, name)
	switch why := capability.Reckless(name, scope); {
	case builtIn && !asks:
		p.Message, p.Hint = "the module does not ask for that, so it changes nothing", "remove it"
	case why != "":
		p.Message, p.Hint = why, "grant a narrower scope, if it can do with that"
	default:
		return config.Warning{}, false
	}
	return config.Warning{Problem: p, Insecure: !builtIn}, true
}

// askedScope is the scope in which a manifest asks for a capability, if it does.
func askedScope(m abi.Manifest, name capability.Name) ([]string, bool) {
	for _, c := range m.Capabilities {
		if c.Name == string(name) {
			return c.Scope, true
		}
	}
	return nil, false
}
