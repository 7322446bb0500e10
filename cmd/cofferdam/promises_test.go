package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

var (
	namedTest   = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`")
	namedPlace  = regexp.MustCompile("`((?:cmd|runtime|security|modules|docs|testdata)/[a-z./_-]+)`")
	writtenTest = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9]+)\(`)
)

// TestPromisesNameWhatThereIs holds docs/SECURITY.md against the repository:
// each test and each place that it names is there.
func TestPromisesNameWhatThereIs(t *testing.T) {
	document, err := os.ReadFile("../../docs/SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := exec.Command("go", "list", "-f",
		`{{range .TestGoFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}`, projectPath+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	written := map[string]bool{}
	for file := range strings.FieldsSeq(string(files)) {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range writtenTest.FindAllStringSubmatch(string(source), -1) {
			written[test[1]] = true
		}
	}
	tests := namedTest.FindAllStringSubmatch(string(document), -1)
	places := namedPlace.FindAllStringSubmatch(string(document), -1)
	if len(tests) < 50 || len(places) < 30 {
		t.Errorf("only %d tests and %d places are named", len(tests), len(places))
	}
	for _, test := range tests {
		if !written[test[1]] {
			t.Errorf("docs/SECURITY.md names the test %s, which is not there", test[1])
		}
	}
	for _, place := range places {
		path := "../../" + place[1]
		if strings.HasPrefix(place[1], "testdata/") {
			path = place[1]
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("docs/SECURITY.md names the place %s, which is not there", place[1])
		}
	}
}
