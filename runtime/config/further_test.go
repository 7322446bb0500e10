package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// loadFurther loads a text with a check that finds a fault of one key and warns of
// another.
func loadFurther(t *testing.T, text string) (asked bool, warnings []Warning, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, warnings, err = Load(path, Options{Further: func(c *Config) ([]Problem, []Warning) {
		asked = true
		var problems []Problem
		if len(c.Modules.Grants["m"]) > 1 {
			problems = append(problems, Problem{Key: "modules.grants.m[1]", Message: "is too much"})
		}
		return problems, []Warning{{Problem: Problem{Key: "modules.grants.m[0]", Message: "is much"}, Insecure: true}}
	}})
	return asked, warnings, err
}

// What the caller finds gets the lines of the file, as what is found here.
func TestFurtherChecksGetLines(t *testing.T) {
	text := minimal("modules:\n  grants:\n    m:\n      - kv\n")
	asked, warnings, err := loadFurther(t, text)
	if err != nil || !asked || len(warnings) != 1 || warnings[0].String() != "line 9: modules.grants.m[0]: is much" || !warnings[0].Insecure {
		t.Errorf("%v, %v, %v", asked, warnings, err)
	}
	asked, _, err = loadFurther(t, text+"      - docker.info\n")
	if problems, _ := errors.AsType[Problems](err); !asked || len(problems) != 1 || problems[0].String() != "line 10: modules.grants.m[1]: is too much" {
		t.Errorf("%v, %v", asked, err)
	}
	// Of a file that is wrong already, the caller knows less than we do.
	if asked, _, err = loadFurther(t, text+"log: {level: loud}\n"); asked || err == nil {
		t.Errorf("%v, %v", asked, err)
	}
}
