package capability

import (
	"slices"
	"strings"
	"testing"
)

// texts returns every text of up to n of some letters, the empty one too.
func texts(letters string, n int) []string {
	all := []string{""}
	for from, length := 0, 0; length < n; length++ {
		to := len(all)
		for _, text := range all[from:to] {
			for _, letter := range letters {
				all = append(all, text+string(letter))
			}
		}
		from = to
	}
	return all
}

// TestGlobsAgainstAllTexts holds both comparisons against the sets of texts that
// patterns match. Two letters and the star make the patterns; the texts have a third
// letter, so that no pattern has them all, and are as long as is needed to tell.
func TestGlobsAgainstAllTexts(t *testing.T) {
	const length = 4
	words := texts("abc", 2*length-1)
	var globs []glob
	var matched [][]uint64 // which of words, a bit for each
	for _, text := range texts("ab*", length) {
		g := newGlob(text)
		set := make([]uint64, len(words)/64+1)
		for i, word := range words {
			if g.matches(word) {
				set[i/64] |= 1 << (i % 64)
			}
		}
		globs, matched = append(globs, g), append(matched, set)
	}
	for i, g := range globs {
		for j, h := range globs {
			inside, apart := true, true
			for k := range matched[i] {
				inside = inside && matched[j][k]&^matched[i][k] == 0
				apart = apart && matched[i][k]&matched[j][k] == 0
			}
			if got := g.covers(h); got != inside {
				t.Fatalf("%q covers %q: %v, want %v", g, h, got, inside)
			}
			if got := g.disjoint(h); got != apart {
				t.Fatalf("%q and %q are disjoint: %v, want %v", g, h, got, apart)
			}
		}
	}
}

// TestContainersAgainstAllTargets holds lists of patterns against the containers in
// them: what is said to be covered is, and what is said to be disjoint.
func TestContainersAgainstAllTargets(t *testing.T) {
	var targets []Target
	for _, name := range texts("ab", 3)[1:] {
		for _, project := range []string{"none", "", "a", "ab"} {
			for _, label := range []string{"none", "a", "b"} {
				labels := map[string]string{}
				if project != "none" {
					labels[ProjectLabel] = project
				}
				if label != "none" {
					labels["k"] = label
				}
				targets = append(targets, Target{name, labels})
			}
		}
	}
	patterns := []string{"*", "a", "a*", "*b", "a*b", "project:a", "project:a*", "project:*", "label:k=a", "label:k=*", "label:com.docker.compose.project=a"}
	var lists [][]string
	for i, p := range patterns {
		lists = append(lists, []string{p})
		for _, q := range patterns[i+1:] {
			lists = append(lists, []string{p, q})
		}
	}
	covered, apart := 0, 0
	for _, a := range lists {
		for _, b := range lists {
			x, errX := ParseScope(a)
			y, errY := ParseScope(b)
			if errX != nil || errY != nil {
				t.Fatal(errX, errY)
			}
			if Covers(ContainersLogs, a, b) {
				covered++
				if i := slices.IndexFunc(targets, func(c Target) bool { return y.Contains(c) && !x.Contains(c) }); i >= 0 {
					t.Fatalf("%q covers %q, but not %v", a, b, targets[i])
				}
			}
			if Disjoint(ContainersLogs, a, b) {
				apart++
				if i := slices.IndexFunc(targets, func(c Target) bool { return y.Contains(c) && x.Contains(c) }); i >= 0 {
					t.Fatalf("%q and %q are disjoint, and %v is in both", a, b, targets[i])
				}
			}
		}
	}
	if covered <= len(lists) || apart == 0 {
		t.Errorf("%d of %d pairs are covered and %d disjoint, so this shows little", covered, len(lists)*len(lists), apart)
	}
}

func TestCompare(t *testing.T) {
	for _, test := range []struct {
		name             Name
		outer, inner     string // patterns with a semicolon between
		covers, disjoint bool
	}{
		{DockerInfo, "", "", true, false},
		{DockerInfo, "x", "", false, false},
		{"docker.unknown", "", "", false, false},
		{ContainersStop, "*", "label:env=prod", true, false},
		{ContainersStop, "label:env=prod", "*", false, false},
		{ContainersStop, "web-*", "web-1;web-2*", true, false},
		{ContainersStop, "web-*", "web-1;db", false, false},
		{ContainersStop, "web-*;db", "db;web-x", true, false},
		{ContainersStop, "web-*", "db", false, true},
		{ContainersStop, "web-*", "db;cache", false, true},
		{ContainersStop, "web-*", "label:env=prod", false, false},
		{ContainersStop, "project:shop", "label:com.docker.compose.project=shop", true, false},
		{ContainersStop, "project:shop", "project:bank", false, true},
		{ContainersStop, "label:a=1", "label:b=2", false, false},
		{ContainersStop, "web-*", "", false, false},
		{ContainersStop, "bad name", "bad name", false, false},
		{ImagesList, "*", "ghcr.io/acme/*", true, false},
		{ImagesList, "ghcr.io/acme/*", "ghcr.io/acme/web", true, false},
		{ImagesList, "ghcr.io/acme/*", "ghcr.io/evil/web", false, true},
		{ImagesList, "nginx", "docker.io/library/nginx", true, false},
		{ImagesList, "nginx", "redis", false, true},
		{ImagesList, "*.example.com/app", "evil.io/x.example.com/app", false, true},
		{ImagesList, "ghcr.io/*", "*", false, false},
		{KV, "1MiB", "64KiB", true, false},
		{KV, "64KiB", "1MiB", false, false},
		{KV, "1MiB", "1024KiB", true, false},
		{Schedule, "5m", "10m", true, false},
		{Schedule, "5m", "1m", false, false},
		{Notify, "admins;chats;20/h", "admins;5/h", true, false},
		{Notify, "admins;5/h", "admins;20/h", false, false},
		{Notify, "admins;5/h", "chats;5/h", false, true},
		{Notify, "admins;5/h", "admins;chats;5/h", false, false},
		{DockerEvents, "container.*", "container.die;container.oom", true, false},
		{DockerEvents, "container.die", "container.*", false, false},
		{DockerEvents, "container.die", "container.start", false, true},
		{DockerEvents, "container.die;container.*", "container.start", true, false},
	} {
		outer, inner := split(test.outer), split(test.inner)
		if got := Covers(test.name, outer, inner); got != test.covers {
			t.Errorf("%s: %q covers %q: %v", test.name, outer, inner, got)
		}
		for _, pair := range [][2][]string{{outer, inner}, {inner, outer}} {
			if got := Disjoint(test.name, pair[0], pair[1]); got != test.disjoint {
				t.Errorf("%s: %q and %q are disjoint: %v", test.name, pair[0], pair[1], got)
			}
		}
	}
}

func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ";")
}

// FuzzCompare holds the comparisons against one target.
func FuzzCompare(f *testing.F) {
	f.Add("web-*", "*1", "web-1")
	f.Add("label:k=a*", "label:k=*b", "ab")
	f.Add("project:a*b*", "project:*b", "axb")
	f.Fuzz(func(t *testing.T, a, b, text string) {
		x, errX := ParseScope([]string{a})
		y, errY := ParseScope([]string{b})
		if errX != nil || errY != nil || text == "" {
			if Covers(ContainersList, []string{a}, []string{b}) && (errX != nil || errY != nil) {
				t.Fatalf("%q covers %q, which cannot be read", a, b)
			}
			return
		}
		target := Target{Name: text, Labels: map[string]string{"k": text, ProjectLabel: text}}
		in, out := y.Contains(target), x.Contains(target)
		if in && !out && Covers(ContainersList, []string{a}, []string{b}) {
			t.Fatalf("%q covers %q, but not %q", a, b, text)
		}
		if in && out && Disjoint(ContainersList, []string{a}, []string{b}) {
			t.Fatalf("%q and %q are disjoint, and %q is in both", a, b, text)
		}
	})
}
