package config

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// A fuzzed document says SECRET1 and SECRET2 where a token and a salt stand, so that the fuzzer moves them as a whole: a
// few characters of a salt in a key's place are a word like any other.
func withSecrets(text string) string {
	return strings.NewReplacer("SECRET1", testToken(), "SECRET2", testSalt()).Replace(text)
}

func withoutSecrets(text string) string {
	return strings.NewReplacer(testToken(), "SECRET1", testSalt(), "SECRET2").Replace(text)
}

// FuzzParse: no input panics, a Config comes without an error and the other way round, a message never shows a secret,
// wherever in the file it stands, and what the walker accepts always fits the Config.
func FuzzParse(f *testing.F) {
	for _, path := range []string{"testdata/pytmbot.yaml", "../../cofferdam.sample.yaml"} {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(switchedOff.ReplaceAll(data, []byte("$1$2")))
	}
	for _, text := range []string{
		"bot_token: {prod_token: SECRET}", "bot_token: SECRET", "bot_token: [SECRET]", "SECRET: x", "SECRET", "- SECRET",
		"bot_token: *SECRET", "bot_token: &SECRET x\nlog: *SECRET", "bot_token: !SECRET x", "bot_token: !!SECRET x",
		"bot_token: !<SECRET> x", "bot_token: @SECRET", "bot_token: \"\\SECRET\"", "bot_token: 'SECRET", "%SECRET", "? [SECRET]\n: x",
		"a: SECRET: b", "bot_token:\n\tprod_token: SECRET", "docker: {host: SECRET}", "docker: {host: 'tcp://SECRET@x:1'}",
		"docker: {host: 'SECRET://x'}", "telegram: {api_url: 'https://h/%zzSECRET', max_update_age: SECRET}",
		"telegram: {api_url: 'http://SECRET:8081'}", "webhook_config: {url: SECRET, local_port: SECRET, trusted_proxy_ips: SECRET}",
		"plugins_config: {outline: {api_url: 'http://SECRET', cert: SECRET}}", "log: {level: SECRET, format: SECRET}",
		"modules: {pins: {SECRET: x}, grants: {m: SECRET, n: [SECRET, {capability: SECRET}]}, limits: {m: {memory: SECRET}}}",
		"access_control: {allowed_user_ids: [SECRET], auth_salt: [SECRET, SECRET]}", "metrics: {listen: 'SECRET:1'}", "<<: SECRET",
		"bot_token: {prod_token: &a [*a]}", "config_version: &a {b: *a}", "--- SECRET\n--- SECRET", "bot_token: |1SECRET",
	} {
		for _, which := range []string{"SECRET1", "SECRET2"} {
			seed := strings.ReplaceAll(text, "SECRET", which)
			f.Add([]byte(seed))
			f.Add([]byte(withoutSecrets(minimal(seed + "\n"))))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkParse(t, withSecrets(string(data))) })
}

func checkParse(t *testing.T, text string) {
	t.Helper()
	c, warnings, err := Parse([]byte(text))
	if (c == nil) != (err != nil) {
		t.Fatalf("both or neither: %v, %v", c, err)
	}
	said := warningTexts(warnings)
	if err != nil {
		said += err.Error()
		var problems Problems
		if !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("an error without problems: %v", err)
		}
	} else if _, err := c.Validate(); err != nil {
		t.Fatalf("accepted, and not valid: %v", err)
	}
	if strings.Contains(said, errMismatch.Error()) {
		t.Fatal("the walker accepted what does not fit the Config")
	}
	for _, secret := range []string{testToken(), testSalt()} {
		if leak(said, secret) {
			t.Fatalf("a secret is shown:\n%s", said)
		}
	}
}

// leak reports whether ten characters of secret in a row stand in said.
func leak(said, secret string) bool {
	for i := 0; i+10 <= len(secret); i++ {
		if strings.Contains(said, secret[i:i+10]) {
			return true
		}
	}
	return false
}

func FuzzParseGrant(f *testing.F) {
	for _, text := range []string{"kv", "docker.containers.list{web-*,label:env=prod}", "a{", "a{}", "a{ b , c }"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		g, err := ParseGrant(text)
		if err != nil {
			return
		}
		again, err := ParseGrant(g.String())
		if err != nil || again.String() != g.String() {
			t.Errorf("%q became %q, which became %q (%v)", text, g, again, err)
		}
	})
}
