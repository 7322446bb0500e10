package capability

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ProjectLabel is where Docker Compose writes a container's project.
const ProjectLabel = "com.docker.compose.project"

// Target is the container that a call is about, as the engine names it, never
// as the module does.
type Target struct {
	Name   string
	Labels map[string]string
}

// Scope is a list of patterns; a target lies inside if one of them matches.
// The zero Scope contains nothing.
type Scope struct {
	// source is the patterns as they were written.
	source []string
	// A scope is of containers, of images, of URLs or of terms: one of these is set.
	patterns     []pattern
	repositories []repository
	urls         []urlPattern
	terms        terms
}

// MaxPatterns bounds a scope: more is a mistake or an attack.
const MaxPatterns = 64

// maxPattern bounds one pattern, in bytes.
const maxPattern = 256

// ParseScope checks patterns. A pattern is a container's name, or
// `label:KEY=VALUE`, or `project:NAME`, in which `*` stands for any run of
// characters. `label=KEY=VALUE`, as Docker's own filters have it, is the same as
// with a colon. Upper and lower case differ, as they do for the engine.
func ParseScope(patterns []string) (Scope, error) {
	if len(patterns) > MaxPatterns {
		return Scope{}, fmt.Errorf("%d patterns: at most %d", len(patterns), MaxPatterns)
	}
	scope := Scope{source: append([]string(nil), patterns...)}
	for _, text := range patterns {
		p, err := parsePattern(text)
		if err != nil {
			return Scope{}, fmt.Errorf("pattern %q: %w", text, err)
		}
		scope.patterns = append(scope.patterns, p)
	}
	return scope, nil
}

// CheckPattern says what is wrong with one pattern, without repeating it: it may
// be a secret that somebody put into the wrong line.
func CheckPattern(text string) error {
	_, err := parsePattern(text)
	return err
}

// Contains reports whether a target lies inside. A scope that was parsed from
// no patterns is the scope of a capability that takes none: asked about a
// target, it denies.
func (s Scope) Contains(t Target) bool {
	for _, p := range s.patterns {
		if p.matches(t) {
			return true
		}
	}
	return false
}

// pattern matches a container's name if label is empty, otherwise the value
// of that label.
type pattern struct {
	label string
	glob  glob
}

func parsePattern(text string) (pattern, error) {
	if text == "" || len(text) > maxPattern || !utf8.ValidString(text) {
		return pattern{}, fmt.Errorf("must be 1 to %d bytes of text", maxPattern)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return pattern{}, errors.New("must not contain blanks or control characters")
	}
	if filter, ok := strings.CutPrefix(text, "label="); ok {
		text = "label:" + filter
	}
	kind, rest, prefixed := strings.Cut(text, ":")
	switch {
	case !prefixed:
		return pattern{glob: newGlob(text)}, checkNamePattern(text)
	case kind == "project" && rest != "":
		return pattern{label: ProjectLabel, glob: newGlob(rest)}, nil
	case kind == "label":
		key, value, ok := strings.Cut(rest, "=")
		if !ok || key == "" || strings.Contains(key, "*") {
			return pattern{}, errors.New("must be label:KEY=VALUE, with a key without *")
		}
		return pattern{label: key, glob: newGlob(value)}, nil
	}
	return pattern{}, errors.New("must be a name, label:KEY=VALUE or project:NAME")
}

// checkNamePattern refuses what can never match a container's name
// ([a-zA-Z0-9][a-zA-Z0-9_.-]*): a pattern that matches nothing is a typing
// error, and one with a slash is a wrong idea of what names look like.
func checkNamePattern(text string) error {
	if strings.Contains(text, "/") {
		return errors.New("'/' cannot be in a container's name; repositories of images are for docker.images")
	}
	for _, r := range text {
		if !strings.ContainsRune("*_.-", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return fmt.Errorf("%q cannot be in a container's name", r)
		}
	}
	return nil
}

func (p pattern) matches(t Target) bool {
	if p.label == "" {
		return t.Name != "" && p.glob.matches(t.Name)
	}
	value, ok := t.Labels[p.label]
	return ok && p.glob.matches(value)
}

// glob is the text between the stars of a pattern.
type glob []string

func newGlob(text string) glob { return strings.Split(text, "*") }

// matches runs in time linear in s for each piece: what stands between two
// stars is taken at its first place, which is never worse than a later one.
func (g glob) matches(s string) bool {
	if len(g) == 1 {
		return s == g[0]
	}
	first, last := g[0], g[len(g)-1]
	if !strings.HasPrefix(s, first) {
		return false
	}
	s = s[len(first):]
	for _, piece := range g[1 : len(g)-1] {
		at := strings.Index(s, piece)
		if at < 0 {
			return false
		}
		s = s[at+len(piece):]
	}
	return strings.HasSuffix(s, last)
}
