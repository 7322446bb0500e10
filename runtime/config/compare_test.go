package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestDifferences(t *testing.T) {
	base := minimal("docker: {host: [unix:///a.sock]}\nmodules: {pins: {x: " + strings.Repeat("ab", 32) + "}, grants: {server: [docker.info]}}\n")
	for _, test := range []struct{ name, from, to, want string }{
		{"nothing", "", "", ""},
		{"a comment", "docker:", "# engines\ndocker:", ""},
		{"what is not read", "docker:", "config_version: 7\ndocker:", ""},
		{"a default that is written", "docker:", "log: {level: info}\ntelegram: {max_update_age: 300s}\ndocker:", ""},
		{"an empty list", "docker:", "chat_id: {global_chat_id: []}\ndocker:", ""},
		{"a secret", "4815162342:", "4815162343:", "bot_token.prod_token"},
		{"a list grows", "[11, 22]", "[11, 22, 33]", "access_control.allowed_user_ids"},
		{"the order of a list", "[11, 22]", "[22, 11]", "access_control.allowed_user_ids"},
		{"an address", "a.sock", "b.sock", "docker.host"},
		{"a pin", "abab", "cdab", "modules.pins"},
		{"a grant", "docker.info]", "docker.info, metrics.cpu]", "modules.grants"},
		{"a module that is granted nothing", "server: [docker.info]", "server: []", "modules.grants"},
		{"a module without a list", ", grants: {server: [docker.info]}", "", "modules.grants"},
		{"sections in sections", "docker:", "telegram: {flood: {chat: 2}}\nplugins_config: {monitor: {tracehold: {cpu_usage_threshold: 5}}}\ndocker:",
			"plugins_config.monitor.tracehold.cpu_usage_threshold telegram.flood.chat"},
		{"a moment of time", "docker:", "telegram: {max_update_age: 6m}\ndocker:", "telegram.max_update_age"},
		{"networks", "docker:", "webhook_config: {trusted_proxy_ips: [10.0.0.0/8]}\ndocker:", "webhook_config.trusted_proxy_ips"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !strings.Contains(base, test.from) {
				t.Fatalf("the file does not have %q", test.from)
			}
			a, b := mustParse(t, base), mustParse(t, strings.Replace(base, test.from, test.to, 1))
			for _, got := range [][]string{Differences(a, b), Differences(b, a)} {
				if text := strings.Join(got, " "); text != test.want {
					t.Errorf("got %q, want %q", text, test.want)
				}
			}
		})
	}
}

// Every key is compared: none can be changed in silence.
func TestDifferencesSeeEveryKey(t *testing.T) {
	changed := new(Config)
	want := set(t, schema(), "", reflect.ValueOf(changed).Elem())
	if got := Differences(new(Config), changed); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// set gives every key a value other than nothing, and returns their paths.
func set(t *testing.T, f *field, at string, v reflect.Value) []string {
	var keys []string
	switch {
	case f.kind == ignored:
		return nil
	case f.kind == section:
		for i, c := range f.fields {
			keys = append(keys, set(t, c, join(at, c.name), v.Field(i))...)
		}
		return keys
	case f.kind == list:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case f.kind == dict:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("x"), reflect.Zero(v.Type().Elem()))
	case v.Kind() == reflect.String:
		v.SetString("x")
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(1)
	case v.CanFloat():
		v.SetFloat(1)
	default:
		t.Fatalf("%s: this test cannot set a %s", at, v.Type())
	}
	return []string{at}
}
