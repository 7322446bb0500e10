package capability

import (
	"slices"
	"strings"
	"testing"
)

func TestZeroReachesDeny(t *testing.T) {
	web := Target{Name: "web", Labels: map[string]string{"a": "b"}}
	for name, reach := range map[string]Reach{
		"the zero Reach":        {},
		"the zero Reaches":      Reaches{}.Of(1),
		"no pass":               (*Pass)(nil).Reaches(),
		"the zero pass":         (&Pass{}).Reaches(),
		"a scope of nothing":    Within(Scope{}),
		"an admin's empty pass": (&Pass{Admin: true, Session: true, Durable: true}).Reaches(),
	} {
		if reach.Contains(web) || reach.Unlimited() {
			t.Errorf("%s reaches something", name)
		}
	}
}

func TestReachesAreThoseOfTheirUsers(t *testing.T) {
	reaches, err := NewReaches(map[int64][]string{1: {"web-*", "label=team=blue"}, 2: {"project:shop"}, 3: {"*"}})
	if err != nil {
		t.Fatal(err)
	}
	blue, shop := map[string]string{"team": "blue"}, map[string]string{ProjectLabel: "shop"}
	for _, test := range []struct {
		user   int64
		target Target
		want   bool
	}{
		{1, Target{Name: "web-1"}, true},
		{1, Target{Name: "db", Labels: blue}, true},
		{1, Target{Name: "db", Labels: shop}, false},
		{1, Target{Name: "db", Labels: map[string]string{"label=team": "blue"}}, false},
		{1, Target{Labels: blue}, true}, // it has no name, and its label counts
		{2, Target{Name: "db", Labels: shop}, true},
		{2, Target{Name: "web-1"}, false},
		{3, Target{Name: "anything"}, true},
		{3, Target{}, false},
		{4, Target{Name: "anything"}, true}, // not listed
		{4, Target{}, true},
	} {
		if got := reaches.Of(test.user).Contains(test.target); got != test.want {
			t.Errorf("user %d, %+v: got %v, want %v", test.user, test.target, got, test.want)
		}
	}
	for user, want := range map[int64]bool{1: false, 2: false, 3: false, 4: true} {
		if reaches.Of(user).Unlimited() != want {
			t.Errorf("user %d is unlimited: want %v", user, want)
		}
	}
}

// TestAListThatCannotBeReadReachesNothing: it must not be read as "everything".
func TestAListThatCannotBeReadReachesNothing(t *testing.T) {
	reaches, err := NewReaches(map[int64][]string{1: {"web", "a b"}, 2: {}, 3: nil, 4: {"db"}, 5: slices.Repeat([]string{"a"}, MaxPatterns+1)})
	if err == nil {
		t.Error("no error")
	}
	for user := int64(1); user <= 5; user++ {
		for _, name := range []string{"web", "a", "db"} {
			if got, want := reaches.Of(user).Contains(Target{Name: name}), user == 4 && name == "db"; got != want {
				t.Errorf("user %d reaches %s: %v", user, name, got)
			}
		}
	}
}

// TestALabelIsWrittenInTwoWays holds both against each other.
func TestALabelIsWrittenInTwoWays(t *testing.T) {
	for _, rest := range []string{"a=b", "a=*", "a=", "a.b/c=d:e", "a", "=x", "a*=x", ""} {
		colon, errColon := ParseScope([]string{"label:" + rest})
		equals, errEquals := ParseScope([]string{"label=" + rest})
		if (errColon == nil) != (errEquals == nil) {
			t.Errorf("%q: %v and %v", rest, errColon, errEquals)
			continue
		}
		for _, labels := range []map[string]string{nil, {"a": "b"}, {"a": ""}, {"a.b/c": "d:e"}} {
			if target := (Target{Name: "x", Labels: labels}); colon.Contains(target) != equals.Contains(target) {
				t.Errorf("%q means two things for %v", rest, labels)
			}
		}
	}
}

func FuzzCheckPattern(f *testing.F) {
	for _, seed := range []string{"web-*", "label=a=b", "label:a=b", "project:x", "4815162342:Ab3_Ab3_Ab3_", "ä", "label=a b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		err := CheckPattern(text)
		scope, parsed := ParseScope([]string{text})
		if (err == nil) != (parsed == nil) {
			t.Fatalf("%q: %v and %v", text, err, parsed)
		}
		if err != nil && (scope.Contains(Target{Name: text}) || len(text) > 20 && strings.Contains(err.Error(), text)) {
			t.Errorf("%q: refused, and matches or is shown: %v", text, err)
		}
	})
}
