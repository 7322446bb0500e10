package capability

import (
	"errors"
	"fmt"
	"strings"
)

var (
	errUnknown  = errors.New("is unknown in this version")
	errNoImages = errors.New("must be a repository without a tag, such as nginx or ghcr.io/acme/*, or * for all")
	errNoURLs   = errors.New("is no pattern of requests, such as https://example.org/status")
)

// CheckScope says what is wrong with a capability in a scope, without repeating
// either: a secret may stand in the wrong line. at is the pattern that is wrong, or
// -1 if it is the whole. The error is nil for what [Parse] accepts.
func CheckScope(name Name, patterns []string) (at int, err error) {
	rule, known := rules[name]
	if !known {
		return -1, errUnknown
	}
	if len(patterns) > MaxPatterns {
		return -1, fmt.Errorf("takes at most %d patterns", MaxPatterns)
	}
	for i, p := range patterns {
		switch rule.scope {
		case ofContainers:
			err = CheckPattern(p)
		case ofImages:
			if _, wrong := parseRepository(p); wrong != nil {
				err = errNoImages
			}
		case ofURLs:
			if _, wrong := ParseURLScope([]string{p}); wrong != nil {
				err = errNoURLs
			}
		}
		if err != nil {
			return i, err
		}
	}
	_, err = parseFor(name, patterns) // its errors about the whole repeat nothing
	return -1, err
}

// Reckless says why a scope is wider than an operator should grant to a module from
// elsewhere; empty: it is not. It is about scopes that can be read.
func Reckless(name Name, patterns []string) string {
	rule := rules[name]
	switch {
	case rule.need.Acts() && rule.scope == ofContainers && Covers(name, patterns, []string{"*"}):
		return "lets the module " + Words(name, []string{"*"})
	case rule.scope != ofURLs:
		return ""
	}
	for _, pattern := range patterns {
		words := strings.Fields(pattern)
		writes := false
		if len(words) > 1 && !strings.Contains(words[0], ":") {
			for method := range strings.SplitSeq(words[0], "|") {
				writes = writes || method != "GET" && method != "HEAD"
			}
			words = words[1:]
		}
		if len(words) == 0 {
			continue
		}
		_, rest, _ := strings.Cut(words[0], "://")
		host, _, _ := strings.Cut(rest, "/")
		host, _, _ = strings.Cut(host, ":")
		switch {
		case host == "*" && writes:
			return "lets the module send what it knows to any host, and change things there"
		case host == "*":
			return "lets the module send what it knows to any host"
		case writes && strings.Contains(host, "*"):
			return "lets the module change things on hosts that are not named"
		}
	}
	return ""
}
