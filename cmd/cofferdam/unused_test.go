package main

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
)

func TestUnusedKeys(t *testing.T) {
	for _, test := range []struct{ name, lines, want string }{
		{"a fresh config", ``, ""},
		{"metrics", `metrics: {listen: "127.0.0.1:9108"}`, ""},
		{"a folder of modules", `modules: {dir: /srv/modules, pins: {hello: ` + strings.Repeat("0a", 32) + `}}`, ""},
		{"pins without a folder", `modules: {pins: {hello: ` + strings.Repeat("0a", 32) + `}}`, "modules.pins"},
		{"a webhook", `webhook_config: {url: bot.example.org}`, "webhook_config.url"},
		{"the port of a webhook that is not used", `webhook_config: {local_port: 5002}`, ""},
		{"Outline", `plugins_config: {outline: {api_url: "https://vpn.example.org/path", cert: "` + strings.Repeat("0a", 32) + `"}}`,
			""},
		{"a threshold", `plugins_config: {monitor: {tracehold: {cpu_usage_threshold: 90}}}`, "plugins_config.monitor"},
		{"InfluxDB", `influxdb: {url: "http://localhost:8086", token: abcdefgh, org: o, bucket: b}`, "influxdb.url"},
		{"grants for a built-in module", `modules: {grants: {server: [metrics.cpu]}}`, ""},
		{"two", "webhook_config: {url: bot.example.org}\ninfluxdb: {url: 'http://localhost:8086', token: abcdefgh, org: o, bucket: b}", "webhook_config.url influxdb.url"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var keys []string
			for _, u := range unusedKeys(configWith(t, test.lines), false) {
				keys = append(keys, u.key)
			}
			if got := strings.Join(keys, " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestUnusedKeysOfTrust(t *testing.T) {
	cfg := configWith(t, "")
	cfg.Modules.TrustedKeys = []string{"a key"}
	if got := unusedKeys(cfg, false); len(got) != 1 || got[0].key != "modules.trusted_keys" {
		t.Errorf("got %v", got)
	}
}

// In webhook mode the address has an effect, and nothing else has one for that.
func TestUnusedKeysInWebhookMode(t *testing.T) {
	cfg := configWith(t, "webhook_config: {url: bot.example.org}\ninfluxdb: {url: 'http://localhost:8086', token: abcdefgh, org: o, bucket: b}")
	if got := unusedKeys(cfg, true); len(got) != 1 || got[0].key != "influxdb.url" {
		t.Errorf("got %v", got)
	}
	want := "webhook_config.url: the bot polls, and listens nowhere, unless it is run with --webhook or webhook_config.enabled is true"
	if got := unusedKeys(cfg, false); len(got) != 2 || got[0].String() != want {
		t.Errorf("got %v, want first %q", got, want)
	}
}

// TestUnusedKeysAreKnown: a name in a warning is one that the file can have.
func TestUnusedKeysAreKnown(t *testing.T) {
	cfg := configWith(t, "")
	cfg.Webhook.URL, cfg.InfluxDB.URL = "x", "x"
	cfg.Modules.TrustedKeys, cfg.Modules.Pins = []string{"x"}, map[string]string{"x": "x"}
	cfg.Plugins.Monitor.MonitorDocker = true
	found := unusedKeys(cfg, false)
	if len(found) != 5 {
		t.Errorf("%d keys, want all 5: %v", len(found), found)
	}
	for _, u := range found {
		// A key with a value of no use is refused with its own name, a key
		// that is not there as unknown.
		tree := map[string]any{}
		if err := put(tree, append(strings.Split(u.key, "."), "no_such_key"), "1"); err != nil {
			t.Fatal(err)
		}
		text, err := yaml.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = config.Parse(text)
		if err == nil || strings.Contains(err.Error(), ": "+u.key+": unknown key") ||
			strings.Contains(err.Error(), ": "+strings.Split(u.key, ".")[0]+": unknown key") {
			t.Errorf("%s: %v", u.key, err)
		}
		if slices.Contains(strings.Fields(u.instead), "x") {
			t.Errorf("%s: the warning shows the value", u.key)
		}
	}
}

func configWith(t *testing.T, lines string) *config.Config {
	t.Helper()
	salt, err := config.NewSalt(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := config.Sample(config.SampleInput{
		Token: config.Secret("123456:" + rand.Text() + rand.Text()), Salt: salt, UserIDs: []int64{user}, AdminIDs: []int64{user},
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Parse(append(text, lines...))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}
