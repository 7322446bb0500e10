package config

import (
	"errors"
	"regexp"
	"strings"
)

// Grant is one capability that the operator gives to a module. In the file it is a section, or one text:
// "metrics.cpu", "docker.containers.list{web-*,label:env=prod}".
type Grant struct {
	// Capability is a name such as docker.containers.list. Only its shape is checked here.
	Capability string `koanf:"capability"`
	// Scope is a list of patterns; nil where the file gives none. What they mean is the capability's matter.
	Scope []string `koanf:"scope"`
}

var capabilityShape = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$`)

var (
	errGrantName   = errors.New("a capability is named like docker.containers.list: small letters, digits, _ and dots")
	errGrantBraces = errors.New("a scope stands in braces at the end: docker.containers.list{web-*,db}")
	errGrantScope  = errors.New("a pattern in the braces is empty")
)

// ParseGrant reads the short form of a grant. Its errors say what is wrong and do not repeat the text.
func ParseGrant(text string) (Grant, error) {
	name, rest, scoped := strings.Cut(text, "{")
	if !scoped && strings.Contains(text, "}") {
		return Grant{}, errGrantBraces
	}
	if !capabilityShape.MatchString(name) {
		return Grant{}, errGrantName
	}
	if !scoped {
		return Grant{Capability: name}, nil
	}
	inner, closed := strings.CutSuffix(rest, "}")
	if !closed || strings.ContainsAny(inner, "{}") {
		return Grant{}, errGrantBraces
	}
	scope := strings.Split(inner, ",")
	for i := range scope {
		scope[i] = strings.TrimSpace(scope[i])
		if scope[i] == "" {
			return Grant{}, errGrantScope
		}
	}
	return Grant{Capability: name, Scope: scope}, nil
}

// String returns the short form.
func (g Grant) String() string {
	if len(g.Scope) == 0 {
		return g.Capability
	}
	return g.Capability + "{" + strings.Join(g.Scope, ",") + "}"
}
