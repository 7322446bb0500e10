package config

import (
	"math"
	"reflect"
	"regexp"
	"testing"

	"github.com/knadh/koanf/parsers/yaml"
)

func TestEveryFieldHasAKey(t *testing.T) {
	key := regexp.MustCompile(`^[a-z][a-z_]*$`)
	var walk func(f *field, at string)
	walk = func(f *field, at string) {
		for _, c := range f.fields {
			if !key.MatchString(c.name) {
				t.Errorf("a field of %s has the key %q", at, c.name)
			}
			walk(c, join(at, c.name))
		}
		if f.elem != nil {
			walk(f.elem, at)
		}
	}
	walk(schema(), "Config")
}

func TestDefaultsNameKnownKeysOnly(t *testing.T) {
	values, err := yaml.Parser().Unmarshal([]byte(defaults))
	if err != nil {
		t.Fatal(err)
	}
	var walk func(values map[string]any, f *field, at string)
	walk = func(values map[string]any, f *field, at string) {
		for name, v := range values {
			child := f.child(name)
			if child == nil {
				t.Errorf("%s is no key", join(at, name))
			} else if inner, ok := v.(map[string]any); ok {
				walk(inner, child, join(at, name))
			}
		}
	}
	walk(values, schema(), "")
	if _, err := decode(nil); err != nil {
		t.Errorf("the defaults alone: %v", err)
	}
}

func TestHintsAreForKnownKeys(t *testing.T) {
	known := map[string]bool{}
	for _, path := range schema().paths("") {
		known[path] = true
	}
	for key := range hints {
		if !known[key] {
			t.Errorf("%s is no key", key)
		}
	}
	for key, other := range dependents {
		if !known[key] || !known[other] {
			t.Errorf("%s or %s is no key", key, other)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, row := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"host", "host", 0}, {"hots", "host", 1}, {"hst", "host", 1}, {"hosts", "host", 1},
		{"", "host", 4}, {"kitten", "sitting", 3}, {"dokcer", "docker", 1},
	} {
		if got := distance(row.a, row.b); got != row.want {
			t.Errorf("%q, %q: got %d, want %d", row.a, row.b, got, row.want)
		}
		if got := distance(row.b, row.a); got != row.want {
			t.Errorf("%q, %q: got %d, want %d", row.b, row.a, got, row.want)
		}
	}
}

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]Bytes{
		"0": 0, "1500": 1500, "1B": 1, "64MiB": 64 << 20, "2 GiB": 2 << 30, "16KiB": 16 << 10,
		"8589934591GiB": math.MaxInt64 - 1<<30 + 1,
	} {
		if got, err := ParseBytes(text); err != nil || got != want {
			t.Errorf("%s: got %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5MiB", "1MB", "1mib", "8589934592GiB", "9223372036854775808", "0x10"} {
		if got, err := ParseBytes(text); err == nil {
			t.Errorf("%s: got %d", text, got)
		}
	}
	for size, want := range map[Bytes]string{0: "0B", 1500: "1500B", 64 << 20: "64MiB", 1 << 30: "1GiB"} {
		if got := size.String(); got != want {
			t.Errorf("%d: got %s, want %s", int64(size), got, want)
		}
	}
}

func TestParseGrantGivesBackWhatStringWrites(t *testing.T) {
	for text, want := range map[string]Grant{
		"kv":                      {Capability: "kv"},
		"metrics.cpu":             {Capability: "metrics.cpu"},
		"docker.images.list{a/*}": {"docker.images.list", []string{"a/*"}},
		"docker.containers.list{web-*,label:env=prod}": {"docker.containers.list", []string{"web-*", "label:env=prod"}},
	} {
		got, err := ParseGrant(text)
		if err != nil || !reflect.DeepEqual(got, want) || got.String() != text {
			t.Errorf("%s: got %#v (%s), %v", text, got, got, err)
		}
	}
	for _, text := range []string{"", "{a}", "a.", ".a", "A", "a b", "a{", "a}", "a{}", "a{b}c", "a{b}{c}", "a{{b}}", "a{b,}", "a\n"} {
		if got, err := ParseGrant(text); err == nil {
			t.Errorf("%q: got %#v", text, got)
		}
	}
}
