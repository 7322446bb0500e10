package capability

import (
	"path"
	"slices"
	"strings"
	"testing"
)

func TestZeroValuesDeny(t *testing.T) {
	target := Target{Name: "web"}
	if (Set{}).Has(DockerInfo) || (Set{}).Allows(ContainersList, target) {
		t.Error("the zero Set grants something")
	}
	if (Scope{}).Contains(target) {
		t.Error("the zero Scope contains something")
	}
	all, err := ParseScope([]string{"*"})
	if err != nil || all.Contains(Target{}) {
		t.Errorf("a container without a name lies inside *: %v", err)
	}
}

func TestScopeContains(t *testing.T) {
	shop := map[string]string{ProjectLabel: "shop", "env": "prod"}
	for _, test := range []struct {
		patterns string
		target   Target
		want     bool
	}{
		{"*", Target{Name: "anything"}, true},
		{"web", Target{Name: "web"}, true},
		{"web", Target{Name: "web-1"}, false},
		{"web", Target{Name: "Web"}, false},
		{"web-*", Target{Name: "web-1"}, true},
		{"web-*", Target{Name: "web-"}, true},
		{"web-*", Target{Name: "my-web-1"}, false},
		{"*-web", Target{Name: "a-web"}, true},
		{"*-web", Target{Name: "a-web-b"}, false},
		{"a*b*c", Target{Name: "a-b-c"}, true},
		{"a*b*c", Target{Name: "abc"}, true},
		{"a*b*c", Target{Name: "a-c-b"}, false},
		{"aa*aa", Target{Name: "aaa"}, false},
		{"db web", Target{Name: "web"}, true},
		{"project:shop", Target{Name: "x", Labels: shop}, true},
		{"project:sho", Target{Name: "x", Labels: shop}, false},
		{"project:shop", Target{Name: "shop"}, false},
		{"label:env=prod", Target{Name: "x", Labels: shop}, true},
		{"label:env=*", Target{Name: "x", Labels: shop}, true},
		{"label:env=", Target{Name: "x", Labels: shop}, false},
		{"label:env=*", Target{Name: "x"}, false},
		{"label:ENV=prod", Target{Name: "x", Labels: shop}, false},
	} {
		t.Run(test.patterns+" "+test.target.Name, func(t *testing.T) {
			scope, err := ParseScope(strings.Fields(test.patterns))
			if err != nil {
				t.Fatal(err)
			}
			if got := scope.Contains(test.target); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestParseScopeRefuses(t *testing.T) {
	for _, pattern := range []string{"", "web 1", "web\n", "/web", "web/..", "wéb", "label:", "label:env", "label:=x", "label:e*=x", "project:", "image:x", strings.Repeat("a", 257), "a\x00b", "\xff"} {
		if _, err := ParseScope([]string{pattern}); err == nil {
			t.Errorf("pattern %q was accepted", pattern)
		}
	}
	if _, err := ParseScope(slices.Repeat([]string{"a"}, 65)); err == nil {
		t.Error("65 patterns were accepted")
	}
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name     string
		requests []Request
		want     string // part of the error; empty: none
	}{
		{"nothing", nil, ""},
		{"plain", []Request{{Name: "docker.info"}}, ""},
		{"scoped", []Request{{"docker.containers.list", []string{"*"}}}, ""},
		{"unknown", []Request{{Name: "docker.exec"}}, "unknown"},
		{"zero", []Request{{}}, "unknown"},
		{"case", []Request{{Name: "Docker.info"}}, "unknown"},
		{"twice", []Request{{Name: "docker.info"}, {Name: "docker.info"}}, "twice"},
		{"no scope", []Request{{Name: "docker.containers.list"}}, "needs a scope"},
		{"scope too many", []Request{{"docker.info", []string{"*"}}}, "takes no scope"},
		{"one bad spoils all", []Request{{Name: "docker.info"}, {Name: "nope"}}, "nope"},
	} {
		t.Run(test.name, func(t *testing.T) {
			set, err := Parse(test.requests)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if set.Has(DockerInfo) {
				t.Error("a refused list still grants something")
			}
		})
	}
}

func TestNarrowIsTheIntersection(t *testing.T) {
	asked := mustParse(t, Request{"docker.containers.list", []string{"web-*", "db-*"}}, Request{Name: "docker.info"}, Request{Name: "metrics.cpu"})
	granted := mustParse(t, Request{"docker.containers.list", []string{"*-1"}}, Request{Name: "docker.info"}, Request{Name: "metrics.memory"})
	both := asked.Narrow(granted)
	for name, want := range map[string]bool{"web-1": true, "db-1": true, "web-2": false, "mail-1": false} {
		if got := both.Allows(ContainersList, Target{Name: name}); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	if !both.Has(DockerInfo) || both.Has(MetricsCPU) || both.Has(MetricsMemory) {
		t.Errorf("got %s", both)
	}
	if got := asked.Missing(granted); !slices.Equal(got, []Name{MetricsCPU}) {
		t.Errorf("missing: %v", got)
	}
	if (Set{}).Narrow(asked).Has(DockerInfo) || asked.Narrow(Set{}).Has(DockerInfo) {
		t.Error("narrowed with nothing, something is left")
	}
	if both.Allows(DockerInfo, Target{Name: "web-1"}) {
		t.Error("a capability without a scope allows a target")
	}
}

func mustParse(t *testing.T, requests ...Request) Set {
	t.Helper()
	set, err := Parse(requests)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// FuzzGlob holds the matcher against the standard library's, for the alphabet
// in which the two mean the same.
func FuzzGlob(f *testing.F) {
	f.Add("a*b*c", "aXbYc")
	f.Add("**", "")
	f.Add("aa*aa", "aaa")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if strings.ContainsAny(pattern+name, `?[]\/`) {
			return
		}
		want, err := path.Match(pattern, name)
		if err != nil {
			return
		}
		if got := newGlob(pattern).matches(name); got != want {
			t.Errorf("%q matches %q: got %v, want %v", pattern, name, got, want)
		}
	})
}

func TestEqualSets(t *testing.T) {
	parse := func(requests ...Request) Set {
		set, err := Parse(requests)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	list := func(scope ...string) Request { return Request{Name: "docker.containers.list", Scope: scope} }
	info := Request{Name: "docker.info"}
	for _, test := range []struct {
		name string
		a, b Set
		want bool
	}{
		{"nothing", Set{}, parse(), true},
		{"the same", parse(info, list("web-*", "db")), parse(list("web-*", "db"), info), true},
		{"the same, narrowed", parse(list("*")).Narrow(parse(list("db"))), parse(list("*")).Narrow(parse(list("db"))), true},
		{"one more", parse(info), parse(info, list("db")), false},
		{"another", parse(info), parse(Request{Name: "bot.modules"}), false},
		{"another scope", parse(list("db")), parse(list("web")), false},
		{"a wider scope", parse(list("db")), parse(list("db", "web")), false},
		{"one label and two patterns that read the same", parse(list("label:a=b,c")), parse(list("label:a=b", "c")), false},
		{"narrowed or not", parse(list("*")), parse(list("*")).Narrow(parse(list("*"))), false},
		{"nothing and something", Set{}, parse(info), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.a.Equal(test.b) != test.want || test.b.Equal(test.a) != test.want {
				t.Errorf("%s and %s: want %v", test.a, test.b, test.want)
			}
		})
	}
}

func TestListIsForPeople(t *testing.T) {
	parse := func(requests ...Request) Set {
		t.Helper()
		set, err := Parse(requests)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	asked := parse(Request{Name: "metrics.cpu"}, Request{Name: "docker.containers.list", Scope: []string{"*"}},
		Request{Name: "docker.containers.stats", Scope: []string{"a*", "b"}}, Request{Name: "docker.containers.inspect", Scope: []string{"*"}})
	granted := parse(Request{Name: "metrics.cpu"}, Request{Name: "docker.containers.list", Scope: []string{"web-*"}},
		Request{Name: "docker.containers.stats", Scope: []string{"b*"}}, Request{Name: "docker.containers.inspect", Scope: []string{"*"}})
	want := []string{
		"docker.containers.inspect{*}", "docker.containers.list{web-*}", "docker.containers.stats{a*,b} within {b*}", "metrics.cpu",
	}
	if got := asked.Narrow(granted).List(); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := (Set{}).List(); len(got) != 0 {
		t.Errorf("the empty set lists %q", got)
	}
}
