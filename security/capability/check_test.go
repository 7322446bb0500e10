package capability

import (
	"strings"
	"testing"
)

func TestCheckScope(t *testing.T) {
	for _, test := range []struct {
		name  Name
		scope string
		at    int
		want  string // part of the error; empty: none
	}{
		{DockerInfo, "", -1, ""},
		{DockerInfo, "x", -1, "takes no scope"},
		{"metrics.everything", "", -1, "unknown in this version"},
		{ContainersStop, "", -1, "needs a scope"},
		{ContainersStop, "web;b d", 1, "blanks"},
		{ContainersStop, "web;db", -1, ""},
		{ContainersStop, strings.Repeat("a;", 64) + "a", -1, "at most 64 patterns"},
		{ImagesList, "nginx;nginx:1", 1, "repository without a tag"},
		{ImagesList, "se cret", 0, "repository without a tag"},
		{KV, "64KiB", -1, ""},
		{KV, "lots", -1, "quota"},
		{Schedule, "1s", -1, "least time"},
		{Notify, "admins", -1, "budget"},
		{DockerEvents, "die", -1, "types of events"},
	} {
		at, err := CheckScope(test.name, split(test.scope))
		switch {
		case at != test.at || (err == nil) != (test.want == ""):
			t.Errorf("%s %q: %d, %v", test.name, test.scope, at, err)
		case err != nil && !strings.Contains(err.Error(), test.want):
			t.Errorf("%s %q: %v", test.name, test.scope, err)
		}
		_, parsed := parseFor(test.name, split(test.scope))
		if (parsed == nil) != (err == nil) {
			t.Errorf("%s %q: %v, and to parse it gives %v", test.name, test.scope, err, parsed)
		}
	}
}

// A pattern is refused exactly if it cannot be parsed, and not repeated.
func FuzzCheckScope(f *testing.F) {
	f.Add("web-*")
	f.Add("ghcr.io/acme/*")
	f.Add("localhost:5000/x")
	f.Fuzz(func(t *testing.T, pattern string) {
		for _, name := range []Name{ContainersStop, ImagesList, KV, Schedule, Notify, DockerEvents} {
			_, err := CheckScope(name, []string{pattern})
			_, parsed := parseFor(name, []string{pattern})
			if (err == nil) != (parsed == nil) {
				t.Fatalf("%s %q: %v, and to parse it gives %v", name, pattern, err, parsed)
			}
			if err != nil && len(pattern) > 12 && strings.Contains(err.Error(), pattern) {
				t.Fatalf("%s %q is repeated: %v", name, pattern, err)
			}
		}
	})
}

func TestReckless(t *testing.T) {
	for _, test := range []struct {
		name  Name
		scope string
		want  string
	}{
		{ContainersStop, "*", "lets the module stop all containers"},
		{ContainersRemove, "web-*;**", "lets the module delete all containers"},
		{ContainersStop, "web-*", ""},
		{ContainersStop, "label:env=*", ""},
		{ContainersList, "*", ""},
		{ContainersLogs, "*", ""},
		{KV, "16MiB", ""},
		{HTTPFetch, "https://example.org/*", ""},
		{HTTPFetch, "https://*.example.org/*", ""},
		{HTTPFetch, "POST https://example.org/*", ""},
		{HTTPFetch, "secret:api_url/*", ""},
		{HTTPFetch, "DELETE secret:api_url/*", ""},
		{HTTPFetch, "https://*/*", "to any host"},
		{HTTPFetch, "https://a.example/;https://*:8443/x", "to any host"},
		{HTTPFetch, "GET|DELETE https://*/x", "change things there"},
		{HTTPFetch, "PUT https://*.example.org/x", "hosts that are not named"},
	} {
		if got := Reckless(test.name, split(test.scope)); test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s %q: %q, want %q", test.name, test.scope, got, test.want)
		}
	}
}
