package config

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// Secret is a text that does not show itself: whatever formats or encodes it gets a fixed word. string(s) is the value.
type Secret string

const hidden = "[hidden]"

// Format writes "[hidden]" for every verb; a String method alone would let %d through.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText returns "[hidden]", so that JSON and YAML show no more than fmt does.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Secrets returns every value of type Secret that is set, for scrubbing logs.
func (c *Config) Secrets() []string {
	return secretsIn(reflect.ValueOf(c).Elem(), nil)
}

func secretsIn(v reflect.Value, found []string) []string {
	if v.Type() == reflect.TypeFor[Secret]() {
		if v.Len() > 0 {
			found = append(found, v.String())
		}
		return found
	}
	if v.Kind() == reflect.Map {
		for _, key := range slices.SortedFunc(slices.Values(v.MapKeys()), func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) }) {
			found = secretsIn(v.MapIndex(key), found)
		}
		return found
	}
	if v.Kind() == reflect.Struct && !isLeaf(v.Type()) {
		for _, field := range v.Fields() {
			found = secretsIn(field, found)
		}
	}
	return found
}
