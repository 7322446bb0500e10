package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// eventForms are the ways in which code names the event of a log line: in the
// line itself, or in a variable that gets its name nearby. A way that is none
// of them is an error below.
var (
	eventField   = regexp.MustCompile(`zap\.String\("event", ("[^"]*"\+string\(end\)|"[^"]*"|[^"()]*(?:\([^)]*\))?)\)`)
	eventLiteral = regexp.MustCompile(`^"([a-z]+\.[a-z_]+)"$`)
	eventOutcome = regexp.MustCompile(`^"update\."\+string\(end\)$`)
	eventElse    = regexp.MustCompile(`(?:event :?=|return) "([a-z]+\.[a-z_]+)"`)
	eventOutage  = regexp.MustCompile(`\.failed\("([a-z]+\.[a-z_]+)"`)
	outcomeConst = regexp.MustCompile(`(?m)^\t[a-z]+ +outcome = "([a-z]+)"$`)
)

// eventsOf returns the names of events that a Go file logs, and every event
// field that it cannot read.
func eventsOf(source string) (names, unread []string) {
	for _, field := range eventField.FindAllStringSubmatch(source, -1) {
		switch value := field[1]; {
		case eventLiteral.MatchString(value):
			names = append(names, eventLiteral.FindStringSubmatch(value)[1])
		case eventOutcome.MatchString(value), value == "event": // found below
		default:
			unread = append(unread, field[0])
		}
	}
	for _, outcome := range outcomeConst.FindAllStringSubmatch(source, -1) {
		names = append(names, "update."+outcome[1])
	}
	for _, name := range eventOutage.FindAllStringSubmatch(source, -1) {
		names = append(names, name[1])
	}
	if strings.Contains(source, `zap.String("event", event)`) {
		for _, name := range eventElse.FindAllStringSubmatch(source, -1) {
			names = append(names, name[1])
		}
	}
	return names, unread
}

// documentedEvents returns the names in the first column of the table of
// events.
func documentedEvents(document string) []string {
	_, table, _ := strings.Cut(document, "| event | means |\n| --- | --- |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var names []string
	for row := range strings.Lines(table) {
		first := strings.Split(row, "|")[1]
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(first, -1) {
			names = append(names, name[1])
		}
	}
	return names
}

// TestEventsAreDocumented holds the table in docs/OPERATIONS.md against the
// code: what is logged, and nothing else, is explained there.
func TestEventsAreDocumented(t *testing.T) {
	logged := map[string]string{} // the name of an event -> a file
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		names, unread := eventsOf(string(source))
		for _, name := range names {
			logged[name] = path
		}
		for _, field := range unread {
			t.Errorf("%s: this test does not know which events these are: %s", path, field)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile("../../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := documentedEvents(string(document))
	for _, name := range slices.Sorted(maps.Keys(logged)) {
		if !slices.Contains(documented, name) {
			t.Errorf("%s, which %s logs, is not in docs/OPERATIONS.md", name, logged[name])
		}
	}
	for _, name := range documented {
		if logged[name] == "" {
			t.Errorf("docs/OPERATIONS.md explains %s, which nothing logs", name)
		}
	}
}

func TestEventsAreFoundInCode(t *testing.T) {
	for source, want := range map[string]string{
		`log.Info("x", zap.String("event", "app.started"), zap.Int("n", 1))`:                     "app.started",
		`zap.String("event", "a.b"), zap.String("event", "c.d_e"))`:                              "a.b c.d_e",
		`zap.String("event", "update."+string(end)), zap.Int64("id", 1)`:                         "",
		"\tonward   outcome = \"\"\n\tanswered outcome = \"answered\"\n":                         "update.answered",
		"event := \"config.warning\"\nevent = \"config.insecure\"\nzap.String(\"event\", event)": "config.warning config.insecure",
		`p.keeping.failed("telegram.deliver_failed", err)`:                                       "telegram.deliver_failed",
		`zap.String("event", name)`:                                                              `zap.String("event", name)`,
		`zap.String("event", eventOf(err))`:                                                      `zap.String("event", eventOf(err))`,
		`zap.String("event", "not an event")`:                                                    `zap.String("event", "not an event")`,
	} {
		names, unread := eventsOf(source)
		if got := strings.Join(append(names, unread...), " "); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", source, got, want)
		}
	}
	table := "| event | means |\n| --- | --- |\n| `a.b`, `c.d` | `no.event` |\n| `e.f` | x |\n\n| `g.h` | other |\n"
	if got := strings.Join(documentedEvents(table), " "); got != "a.b c.d e.f" {
		t.Errorf("documented: %s", got)
	}
}
