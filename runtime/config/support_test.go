package config

import (
	"strings"
	"testing"
)

// Secrets are made here, at run time, and not written into sources.

func testToken() string { return "4815162342:" + strings.Repeat("Ab3_-", 7) }

func testSalt() string { return strings.Repeat("s4lt-Of_tests", 3) }

// minimal returns the least configuration that is valid, with extra after it, from line 6 on.
func minimal(extra string) string {
	return "bot_token: {prod_token: '" + testToken() + "'}\n" +
		"access_control:\n" +
		"  allowed_user_ids: [11, 22]\n" +
		"  allowed_admins_ids: [11]\n" +
		"  auth_salt: " + testSalt() + "\n" + extra
}

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	c, _, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return c
}

// refused returns the text of the error, without the count in its first line.
func refused(t *testing.T, text string) string {
	t.Helper()
	c, _, err := Parse([]byte(text))
	if err == nil || c != nil {
		t.Fatalf("Parse accepted:\n%s", text)
	}
	_, list, _ := strings.Cut(err.Error(), "\n")
	return list
}

func warningTexts(warnings []Warning) string {
	var lines []string
	for _, w := range warnings {
		text := w.String()
		if w.Insecure {
			text += " [insecure]"
		}
		lines = append(lines, text)
	}
	return strings.Join(lines, "\n")
}

func environment(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}
