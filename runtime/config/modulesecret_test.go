package config

import (
	"strings"
	"testing"
)

func TestModuleSecret(t *testing.T) {
	const pytmbot = "plugins_config: {outline: {api_url: 'https://h:1/path', cert: "
	cert := strings.Repeat("AB:", 31) + "AB"
	for _, test := range []struct{ name, lines, module, secret, want string }{
		{"what is there", "modules: {secrets: {m: {token: abcdefgh}}}", "m", "token", "abcdefgh"},
		{"another name", "modules: {secrets: {m: {token: abcdefgh}}}", "m", "key", ""},
		{"another module's", "modules: {secrets: {m: {token: abcdefgh}}}", "n", "token", ""},
		{"pyTMBot's address", pytmbot + "'" + cert + "'}}", "outline", "api_url", "https://h:1/path"},
		{"pyTMBot's fingerprint", pytmbot + "'" + cert + "'}}", "outline", "cert", strings.Repeat("ab", 32)},
		{"pyTMBot's for another module", pytmbot + "'" + cert + "'}}", "m", "api_url", ""},
		{"pyTMBot's by another name", pytmbot + "'" + cert + "'}}", "outline", "token", ""},
		{"ours before pyTMBot's", pytmbot + "'" + cert + "'}}\nmodules: {secrets: {outline: {api_url: 'https://i/path'}}}", "outline", "api_url", "https://i/path"},
		{"nothing", "", "outline", "cert", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := mustParse(t, minimal(test.lines)).ModuleSecret(test.module, test.secret)
			if got != test.want || ok != (test.want != "") {
				t.Errorf("got %q, %v; want %q", got, ok, test.want)
			}
		})
	}
}
