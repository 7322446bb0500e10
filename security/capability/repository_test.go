package capability

import (
	"strings"
	"testing"

	"github.com/distribution/reference"
)

const someDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestImageScopeContains(t *testing.T) {
	for _, test := range []struct {
		patterns, tags string
		want           bool
	}{
		{"*", "nginx:1.27", true},
		{"*", "", true},
		{"*", "<none>:<none>", true},
		{"nginx", "nginx:1.27", true},
		{"nginx", "nginx", true},
		{"nginx", "docker.io/library/nginx:1.27", true},
		{"nginx", "index.docker.io/library/nginx:1.27", true},
		{"docker.io/nginx", "nginx:1", true},
		{"index.docker.io/library/nginx", "nginx:1", true},
		{"library/nginx", "nginx:1", true},
		{"nginx", "acme/nginx:1", false},
		{"nginx", "ghcr.io/library/nginx:1", false},
		{"nginx", "nginx-plus:1", false},
		{"nginx", "localhost:5000/nginx:1", false},
		{"nginx*", "nginx-plus:1", true},
		{"nginx*", "acme/nginx-plus:1", false},
		{"*nginx", "my-nginx:1", true},
		{"*nginx", "acme/nginx:1", false},
		{"acme/*", "acme/web:1", true},
		{"acme/*", "docker.io/acme/web:1", true},
		{"acme/*", "acmecorp/web:1", false},
		{"acme/*", "evil.io/acme/web:1", false},
		{"docker.io/*", "nginx:1", true},
		{"docker.io/*", "acme/web:1", true},
		{"docker.io/*", "ghcr.io/acme/web:1", false},
		{"docker.io/*/web", "acme/web:1", true},
		{"ghcr.io/acme/*", "ghcr.io/acme/web:1", true},
		{"ghcr.io/acme/*", "ghcr.io/acme/team/web:1", true},
		{"ghcr.io/acme/*", "ghcr.io/acme:1", false},
		{"ghcr.io/acme/*", "ghcr.io/acmecorp/web:1", false},
		{"ghcr.io/acme/*", "acme/web:1", false},
		{"ghcr.io/acme/*", "evil.io/ghcr.io/acme/web:1", false},
		{"GHCR.io/acme/*", "ghcr.io/acme/web:1", true},
		{"ghcr.io/acme/*", "GHCR.IO/acme/web:1", true},
		{"localhost/web", "localhost/web:1", true},
		{"localhost:5000/*", "localhost:5000/web", true},
		{"localhost:5000/*", "localhost:5001/web", false},
		{"*.example.com/app", "eu.example.com/app:1", true},
		{"*.example.com/app", "evil.io/x.example.com/app:1", false},
		{"*:5000/app", "registry:5000/app:1", true},
		{"*:5000/app", "registry:5001/app:5000", false},
		{"nginx", "redis:7 nginx:1", true},
		{"nginx redis", "redis:7", true},
		{"nginx", "", false},
		{"nginx", "<none>:<none>", false},
		{"nginx", "nginx@" + someDigest, true},
		{"nginx", "nginx:1@" + someDigest, true},
		{"redis", "nginx@" + someDigest, false},
		{"nginx", "Nginx:1", false},
		{"nginx", someDigest, false},
		{"docker.io/*", someDigest[7:], false},
	} {
		t.Run(test.patterns+" "+test.tags, func(t *testing.T) {
			set := mustParse(t, Request{Name: ImagesList.text(), Scope: strings.Fields(test.patterns)})
			if got := set.AllowsImage(ImagesList, strings.Fields(test.tags)); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if set.Allows(ImagesList, Target{Name: "nginx"}) {
				t.Error("a container lies in a scope of images")
			}
		})
	}
}

// text is how a request names it.
func (n Name) text() string { return string(n) }

func TestParseImageScopeRefuses(t *testing.T) {
	for pattern, says := range map[string]string{
		"":                         "1 to 256 bytes",
		strings.Repeat("a", 257):   "1 to 256 bytes",
		"\xff":                     "1 to 256 bytes",
		"label:env=prod":           "about containers",
		"project:shop":             "about containers",
		"nginx:1.27":               "without a tag",
		"nginx:*":                  "without a tag",
		"nginx@" + someDigest:      "without a tag",
		"ghcr.io/acme/web:1":       "without a tag",
		"*/nginx":                  "must say which registry: docker.io/*/nginx",
		"gh*/acme":                 "must say which registry",
		"Nginx":                    "cannot be in a repository's name",
		"acme/Web":                 "cannot be in a repository's name",
		"acme/we b":                "cannot be in a repository's name",
		"acme/web\n":               "cannot be in a repository's name",
		"wéb":                      "cannot be in a repository's name",
		"acme//web":                "a slash too many",
		"acme/web/":                "a slash too many",
		"ghcr.io/":                 "a slash too many",
		"/nginx":                   "a slash too many",
		"user@ghcr.io/acme":        "is not a registry",
		"gh_cr.io/acme":            "is not a registry",
		"https://ghcr.io/acme/web": "a slash too many",
		"-nginx":                   "not the name of a repository",
		"acme/..":                  "not the name of a repository",
		someDigest[7:]:             "not the name of a repository",
	} {
		if _, err := ParseImageScope([]string{pattern}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("pattern %q: %v, want %q", pattern, err, says)
		}
	}
	if _, err := ParseImageScope(make([]string, MaxPatterns+1)); err == nil {
		t.Errorf("%d patterns were accepted", MaxPatterns+1)
	}
}

// TestScopesAreOfOneKind: who mixes them up is told so.
func TestScopesAreOfOneKind(t *testing.T) {
	for _, test := range []struct {
		name     Name
		pattern  string
		problems string
	}{
		{ImagesList, "project:shop", "about containers"},
		{ImagesUpdates, "label:a=b", "about containers"},
		{ContainersList, "ghcr.io/acme/*", "repositories of images are for docker.images"},
		{ContainersList, "nginx:1.27", "must be a name, label:KEY=VALUE or project:NAME"},
		{ImagesHistory, "", "needs a scope: repositories"},
		{ContainersEnv, "", "needs a scope: container names"},
		{DockerInfo, "nginx", "takes no scope"},
	} {
		_, err := Parse([]Request{{Name: test.name.text(), Scope: strings.Fields(test.pattern)}})
		if err == nil || !strings.Contains(err.Error(), test.problems) {
			t.Errorf("%s in %q: %v, want %q", test.name, test.pattern, err, test.problems)
		}
	}
	images := mustParse(t, Request{ImagesList.text(), []string{"nginx"}})
	containers := mustParse(t, Request{ContainersList.text(), []string{"*"}})
	if containers.AllowsImage(ContainersList, []string{"nginx"}) {
		t.Error("an image lies in a scope of containers")
	}
	if got := images.String(); got != "docker.images.list{nginx}" {
		t.Errorf("written %q", got)
	}
}

func TestNarrowedImageScopes(t *testing.T) {
	ask, grant := Request{ImagesList.text(), []string{"*"}}, Request{ImagesList.text(), []string{"acme/*"}}
	both := mustParse(t, ask).Narrow(mustParse(t, grant))
	for tags, want := range map[string]bool{"acme/web:1": true, "nginx:1": false, "": false} {
		if got := both.AllowsImage(ImagesList, strings.Fields(tags)); got != want {
			t.Errorf("%q: got %v, want %v", tags, got, want)
		}
	}
	if got := both.List(); len(got) != 1 || got[0] != "docker.images.list{acme/*}" {
		t.Errorf("listed as %q", got)
	}
	if (Set{}).AllowsImage(ImagesList, []string{"nginx"}) || (Scope{}).containsImage([]string{"nginx"}) {
		t.Error("the zero value grants something")
	}
}

// FuzzImageScope holds patterns against Docker's own way to read a name: one
// without a star contains exactly the repository that it names, whatever its tag,
// and "*" alone what is no name.
func FuzzImageScope(f *testing.F) {
	for _, seed := range [][2]string{
		{"nginx", "nginx:1"}, {"docker.io/nginx", "library/nginx"}, {"localhost/a", "LOCALHOST/a"}, {"a.b/c", "A.B/c"},
		{"*", "<none>:<none>"}, {"*.b/c", "d/x.b/c"}, {"docker.io/*", "nginx"}, {"Acme/web", "acme/web"}, {"[::1]:5/a", "[::1]:5/a"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, tag string) {
		scope, err := ParseImageScope([]string{pattern})
		if err != nil {
			return
		}
		got := scope.containsImage([]string{tag})
		named, err := reference.ParseNormalizedNamed(tag)
		switch {
		case pattern == "*":
			if !got || !scope.containsImage(nil) {
				t.Errorf("* does not contain %q", tag)
			}
		case scope.containsImage(nil) || err != nil && got:
			t.Errorf("%q contains %q, which is no name", pattern, tag)
		case err == nil && !strings.Contains(pattern, "*"):
			want, err := reference.ParseNormalizedNamed(pattern)
			if err != nil {
				t.Fatalf("%q was accepted: %v", pattern, err)
			}
			same := strings.EqualFold(reference.Domain(want), reference.Domain(named)) && reference.Path(want) == reference.Path(named)
			if got != same {
				t.Errorf("%q contains %q: got %v, want %v", pattern, tag, got, same)
			}
		case got && strings.Count(reference.Path(named), "/") > 0 && !strings.Contains(pattern, "/") && reference.Domain(named) != hub:
			t.Errorf("%q reaches %q in another registry", pattern, tag)
		}
	})
}
