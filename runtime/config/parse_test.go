package config

import (
	"errors"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestDefaultsAreThoseOfTheContract(t *testing.T) {
	got := mustParse(t, minimal(""))
	want := &Config{
		BotToken: BotToken{ProdToken: Secret(testToken())},
		AccessControl: AccessControl{
			AllowedUserIDs: []int64{11, 22}, AllowedAdminsIDs: []int64{11}, AuthSalt: Secret(testSalt()),
		},
		Docker:  Docker{Host: []string{"unix:///var/run/docker.sock"}},
		Webhook: Webhook{WebhookPort: 443, LocalPort: 5001},
		Plugins: Plugins{Monitor: Monitor{
			Tracehold: Tracehold{
				CPUUsageThreshold: 80, MemoryUsageThreshold: 80, DiskUsageThreshold: 80,
				CPUTemperatureThreshold: 85, GPUTemperatureThreshold: 90, DiskTemperatureThreshold: 60,
			},
			MaxNotifications: 3, CheckInterval: 5 * time.Second, ResetNotificationCount: 5 * time.Minute,
			RetryAttempts: 3, RetryInterval: 10 * time.Second,
		}},
		Telegram: Telegram{
			APIURL: "https://api.telegram.org", MaxUpdateAge: 5 * time.Minute,
			Flood: Flood{Overall: 30, Chat: 1, Group: 20},
		},
		Modules: Modules{ChatApproval: true},
		Log:     Log{Level: "INFO", Format: "json"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
}

func TestEveryKeyReachesItsField(t *testing.T) {
	got := mustParse(t, minimal(`
  allowed_chat_ids: -100
  containers: {11: db, 22: [web-*, "label=team=blue"]}
  totp: {legacy_derivation: yes}
chat_id: {global_chat_id: [-1, 2, "-100123456/45", -100123456/46]}
docker: {host: [unix:///a, tcp://proxy_1:2375], strict_access: true, debug_docker_client: True}
webhook_config:
  enabled: true
  url: https://bot.example.org/
  webhook_port: 8443
  local_port: "8081"
  cert: /c.pem
  cert_key: /k.pem
  trusted_proxy_ips: [10.0.0.1, 'fd00::/16']
  additional_telegram_ip_ranges: 198.51.100.0/24
plugins_config: {outline: {api_url: 'https://h:1/x', cert: `+strings.Repeat("AB:", 31)+`AB}}
influxdb: {url: 'http://db:8086', token: tt, org: 1, bucket: 2024-01-01, debug_mode: on}
telegram: {api_url: 'http://127.0.0.1:8081/', max_update_age: 90s, flood: {overall: 0, chat: 0.5, group: 1}}
modules:
  dir: /m
  pins: {a.b: `+strings.Repeat("AB", 32)+`}
  chat_approval: false
  grants:
    none: []
    one: metrics.cpu
    some:
      - "docker.containers.list{web-*, label:env=prod}"
      - {capability: docker.containers.logs, scope: web-1}
  limits: {one: {memory: 1MiB, timeout: 3s, host_calls: 7, reply: 2048, log: 1KiB, concurrency: 2, fuel: 5000000}}
state: {dir: s}
metrics: {listen: ":9108"}
releases: {feed: "https://example.org/latest"}
log: {level: debug, format: Human}
`))
	for _, check := range []struct {
		key       string
		got, want any
	}{
		{"allowed_chat_ids", got.AccessControl.AllowedChatIDs, []int64{-100}},
		{"totp", got.AccessControl.TOTP, TOTP{LegacyDerivation: true}},
		{"reach", got.AccessControl.Reach(), map[int64][]string{11: {"db"}, 22: {"web-*", "label=team=blue"}}},
		{"chat_id", got.ChatID, ChatID{GlobalChatID: []Chat{{ID: -1}, {ID: 2}, {-100123456, 45}, {-100123456, 46}}}},
		{"docker", got.Docker, Docker{[]string{"unix:///a", "tcp://proxy_1:2375"}, true, true}},
		{"webhook_config", got.Webhook, Webhook{
			Enabled: true, URL: "bot.example.org", WebhookPort: 8443, LocalPort: 8081, Cert: "/c.pem", CertKey: "/k.pem",
			TrustedProxyIPs:            []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32"), netip.MustParsePrefix("fd00::/16")},
			AdditionalTelegramIPRanges: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
		}},
		{"outline", got.Plugins.Outline, Outline{APIURL: "https://h:1/x", Cert: strings.Repeat("ab", 32)}},
		{"influxdb", got.InfluxDB, InfluxDB{URL: "http://db:8086", Token: "tt", Org: "1", Bucket: "2024-01-01", DebugMode: true}},
		{"telegram", got.Telegram, Telegram{"http://127.0.0.1:8081", 90 * time.Second, Flood{0, 0.5, 1}}},
		{"modules", got.Modules, Modules{
			Dir: "/m", Pins: map[string]string{"a.b": strings.Repeat("ab", 32)},
			Grants: map[string][]Grant{
				"none": {},
				"one":  {{Capability: "metrics.cpu"}},
				"some": {
					{"docker.containers.list", []string{"web-*", "label:env=prod"}},
					{"docker.containers.logs", []string{"web-1"}},
				},
			},
			Limits: map[string]Limits{"one": {1 << 20, 3 * time.Second, 7, 2048, 1024, 2, 5_000_000}},
		}},
		{"state", got.State, State{Dir: "s"}},
		{"metrics", got.Metrics, Metrics{Listen: ":9108"}},
		{"releases", got.Releases, Releases{Feed: "https://example.org/latest"}},
		{"log", got.Log, Log{Level: "DEBUG", Format: "human"}},
	} {
		if !reflect.DeepEqual(check.got, check.want) {
			t.Errorf("%s:\n got %#v\nwant %#v", check.key, check.got, check.want)
		}
	}
}

func TestLimitsForFillsWhatIsOpen(t *testing.T) {
	m := Modules{Limits: map[string]Limits{"a": {Timeout: time.Second}}}
	want := DefaultLimits
	want.Timeout = time.Second
	if got := m.LimitsFor("a"); got != want {
		t.Errorf("a: got %+v, want %+v", got, want)
	}
	if got := m.LimitsFor("b"); got != DefaultLimits {
		t.Errorf("b: got %+v, want %+v", got, DefaultLimits)
	}
}

func pytmbotFile(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("testdata/pytmbot.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestPyTMBotSampleIsRefusedForItsPlaceholdersOnly(t *testing.T) {
	_, warnings, err := Parse([]byte(pytmbotFile(t)))
	wantError := `2 problems
  line 6: bot_token.prod_token: still the placeholder of the sample; put the token here that @BotFather gave you
  line 20: access_control.auth_salt: still the placeholder of the sample; put 32 or more random characters here, such as: openssl rand -hex 32`
	if err == nil || err.Error() != wantError {
		t.Errorf("error:\n%v\nwant:\n%s", err, wantError)
	}
	ignored := ": still the placeholder of the sample, so it is ignored; fill it in, or remove it"
	wantWarnings := "line 8: bot_token.dev_bot_token" + ignored + `
line 13: access_control.allowed_user_ids[0]: 123456789 is the example of a sample; if it is not yours, a stranger may use the bot [insecure]
line 14: access_control.allowed_user_ids[1]: 987654321 is the example of a sample; if it is not yours, a stranger may use the bot [insecure]
` + "line 34: webhook_config.url" + ignored + "\nline 72: plugins_config.outline.api_url" + ignored +
		"\nline 74: plugins_config.outline.cert" + ignored +
		"\nline 76: influxdb: url without token, org and bucket: nothing is written to InfluxDB; fill them in, or remove url" +
		"\nline 80: influxdb.token" + ignored + "\nline 82: influxdb.org" + ignored + "\nline 84: influxdb.bucket" + ignored
	if got := warningTexts(warnings); got != wantWarnings {
		t.Errorf("warnings:\n%s\nwant:\n%s", got, wantWarnings)
	}
}

func TestPyTMBotFileWorksAsItIs(t *testing.T) {
	c := mustParse(t, strings.NewReplacer(
		"YOUR_PROD_BOT_TOKEN", testToken(),
		"your-secret-random-32-char-salt-here-replace-this-value", testSalt(),
		"your-domain.com", "bot.example.org",
	).Replace(pytmbotFile(t)))
	if string(c.BotToken.ProdToken) != testToken() || c.BotToken.DevBotToken != "" || string(c.AccessControl.AuthSalt) != testSalt() {
		t.Error("a token or the salt is not what the file says")
	}
	if want := []Chat{{ID: -1001234567890}}; !reflect.DeepEqual(c.ChatID.GlobalChatID, want) {
		t.Errorf("global_chat_id: got %v, want %v", c.ChatID.GlobalChatID, want)
	}
	if want := (Webhook{URL: "bot.example.org", WebhookPort: 8443, LocalPort: 5001}); !reflect.DeepEqual(c.Webhook, want) {
		t.Errorf("webhook_config: got %+v, want %+v", c.Webhook, want)
	}
	want := Monitor{
		Tracehold:        Tracehold{80, 81, 82, 85, 90, 60},
		MaxNotifications: 4, CheckInterval: 7 * time.Second, ResetNotificationCount: 300 * time.Second,
		RetryAttempts: 2, RetryInterval: 11 * time.Second, MonitorDocker: true,
	}
	if c.Plugins.Monitor != want {
		t.Errorf("monitor: got %+v, want %+v", c.Plugins.Monitor, want)
	}
	if c.Plugins.Outline != (Outline{}) {
		t.Errorf("outline: placeholders were taken for values: %+v", c.Plugins.Outline)
	}
}

func TestNothingMeansNotSet(t *testing.T) {
	want := mustParse(t, minimal(""))
	for _, extra := range []string{
		"influxdb:\n", "influxdb: null\n", "influxdb: ~\n", "influxdb: {}\n",
		"webhook_config: {cert: null, cert_key: [], url: [null], local_port: ''}\n",
		"plugins_config: {monitor: , outline: {api_url: , cert: ''}}\n",
		"config_version: '0.3.0'\n", "config_version: [1, {a: b}]\n",
		"modules: {grants: , pins: {}, limits: null, dir: ''}\n",
		"docker: {host: }\n", "docker: {host: ''}\n",
		"# only a comment\n", "...\n",
	} {
		if got := mustParse(t, minimal(extra)); !reflect.DeepEqual(normalEmpty(got), normalEmpty(want)) {
			t.Errorf("%q changes the configuration:\n got %#v\nwant %#v", extra, got, want)
		}
	}
}

// normalEmpty makes nil of empty maps, which mean the same.
func normalEmpty(c *Config) *Config {
	if len(c.Modules.Pins) == 0 {
		c.Modules.Pins = nil
	}
	return c
}

func TestTextsAreTakenAsTheyStand(t *testing.T) {
	digits := strings.Repeat("0123456789", 4)
	c := mustParse(t, strings.Replace(minimal(""), testSalt(), digits, 1))
	if string(c.AccessControl.AuthSalt) != digits {
		t.Error("an unquoted salt of digits was read as a number")
	}
}

func TestAliasesAreFollowed(t *testing.T) {
	c := mustParse(t, minimal("chat_id: {global_chat_id: &ops [-5, -6]}\ndocker: {host: &h unix:///x}\n"+
		"modules: {grants: {a: [{capability: docker.containers.list, scope: &s [web]}, {capability: docker.containers.logs, scope: *s}]}}\n"))
	if got := c.Modules.Grants["a"][1].Scope; !reflect.DeepEqual(got, []string{"web"}) {
		t.Errorf("scope: got %q", got)
	}
}

func TestAliasesDoNotMultiply(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("modules: {grants: {a: [{capability: kv, scope: &big [" + strings.Repeat("x,", 2000) + "x]}")
	bomb.WriteString(strings.Repeat(", {capability: kv, scope: *big}", 20_000) + "]}}\n")
	start := time.Now()
	got := refused(t, minimal(bomb.String()))
	if want := "  line 6: more than 20000 values; do aliases (*name) repeat a long list?"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestProblemsAreCut(t *testing.T) {
	var many strings.Builder
	for range 10_000 {
		many.WriteString("docker.host: x\n")
	}
	_, _, err := Parse([]byte(minimal(many.String())))
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != maxProblems+1 {
		t.Fatalf("got %d problems, want %d", len(problems), maxProblems+1)
	}
	if last := problems[maxProblems].Message; !strings.HasPrefix(last, "and ") {
		t.Errorf("the last one does not say that there are more: %s", last)
	}
}

func TestLoadingIsQuick(t *testing.T) {
	text := []byte(minimal(""))
	best := time.Hour
	for range 20 {
		start := time.Now()
		if _, _, err := Parse(text); err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(start))
	}
	if best > 20*time.Millisecond {
		t.Errorf("the quickest of 20 took %s", best)
	}
	t.Logf("the quickest of 20 took %s", best)
}
