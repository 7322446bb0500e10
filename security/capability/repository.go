package capability

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/distribution/reference"
)

// hub is the registry that a repository is in which names none, and official
// the namespace of one that names neither: "nginx" is docker.io/library/nginx.
const (
	hub      = "docker.io"
	oldHub   = "index.docker.io"
	official = "library/"
)

// repository is a pattern of images' repositories. Registry and path are held
// against each other part by part, so that no `*` of the registry reaches into a
// path: "*.example.com/app" must not match "evil.io/x.example.com/app".
type repository struct {
	all            bool // "*": whatever its repository, and also without any
	registry, path glob
}

// ParseImageScope checks patterns of a capability that is about images. A
// pattern is a repository without a tag, written as for `docker pull`, in which
// `*` stands for any run of characters, slashes too: "nginx",
// "ghcr.io/acme/*". "*" alone is every image.
func ParseImageScope(patterns []string) (Scope, error) {
	if len(patterns) > MaxPatterns {
		return Scope{}, fmt.Errorf("%d patterns: at most %d", len(patterns), MaxPatterns)
	}
	scope := Scope{source: append([]string(nil), patterns...)}
	for _, text := range patterns {
		r, err := parseRepository(text)
		if err != nil {
			return Scope{}, fmt.Errorf("pattern %q: %w", text, err)
		}
		scope.repositories = append(scope.repositories, r)
	}
	return scope, nil
}

func parseRepository(text string) (repository, error) {
	switch {
	case text == "" || len(text) > maxPattern || !utf8.ValidString(text):
		return repository{}, fmt.Errorf("must be 1 to %d bytes of text", maxPattern)
	case text == "*":
		return repository{all: true}, nil
	case strings.HasPrefix(text, "label:") || strings.HasPrefix(text, "project:"):
		return repository{}, errors.New("is about containers: images go by their repository, such as ghcr.io/acme/*")
	}
	registry, path, err := splitRegistry(text)
	if err != nil {
		return repository{}, err
	}
	if err := checkPath(path); err != nil {
		return repository{}, err
	}
	if !strings.Contains(text, "*") {
		if _, err := reference.ParseNormalizedNamed(text); err != nil {
			return repository{}, errors.New("is not the name of a repository")
		}
	}
	return repository{registry: newGlob(registry), path: newGlob(path)}, nil
}

// splitRegistry does what Docker does with a name: its first part is a registry
// if it has a dot, a colon or a capital letter, or is "localhost".
func splitRegistry(text string) (registry, path string, err error) {
	first, rest, several := strings.Cut(text, "/")
	switch {
	case !several:
		return hub, official + text, nil
	case first == "localhost" || strings.ContainsAny(first, ".:") || strings.ToLower(first) != first:
		registry, path = strings.ToLower(first), rest
	case strings.Contains(first, "*"):
		return "", "", errors.New("must say which registry: docker.io/" + text + ", or another one")
	default:
		return hub, text, nil
	}
	if strings.ContainsFunc(registry, func(r rune) bool { return !oneOf(r, "*.-:[]") }) {
		return "", "", fmt.Errorf("%q is not a registry", first)
	}
	if registry == oldHub {
		registry = hub
	}
	if registry == hub && path != "*" && !strings.Contains(path, "/") {
		path = official + path
	}
	return registry, path, nil
}

// checkPath refuses what can never match: it would be a typing error.
func checkPath(path string) error {
	if i := strings.LastIndexAny(path, ":@"); i >= 0 {
		return errors.New("must be a repository without a tag or digest")
	}
	for _, r := range path {
		if !oneOf(r, "*._-/") {
			return fmt.Errorf("%q cannot be in a repository's name", r)
		}
	}
	if strings.Contains("/"+path+"/", "//") {
		return errors.New("has a slash too many")
	}
	return nil
}

// oneOf tells a lower-case letter, a digit, or one of more.
func oneOf(r rune, more string) bool {
	return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune(more, r)
}

// containsImage is Contains for an image that goes by these references. What is
// no reference says nothing, as the engine's "<none>:<none>".
func (s Scope) containsImage(tags []string) bool {
	for _, r := range s.repositories {
		if r.all {
			return true
		}
	}
	for _, tag := range tags {
		named, err := reference.ParseNormalizedNamed(tag)
		if err != nil {
			continue
		}
		registry, path := strings.ToLower(reference.Domain(named)), reference.Path(named)
		for _, r := range s.repositories {
			if r.registry.matches(registry) && r.path.matches(path) {
				return true
			}
		}
	}
	return false
}
