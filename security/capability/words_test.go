package capability

import (
	"slices"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

func TestWords(t *testing.T) {
	for _, test := range []struct {
		name  Name
		scope string // patterns with a semicolon between
		want  string
	}{
		{MetricsCPU, "", "read how busy the processors are"},
		{ContainersLogs, "web-*", "read the logs of containers named web-*"},
		{ContainersLogs, "*", "read the logs of all containers"},
		{ContainersLogs, "web-1;db;*;x", "read the logs of all containers"},
		{ContainersRestart, "web-1;db", "restart containers named web-1 or db"},
		{ContainersRestart, "a;b;c;a", "restart containers named a, b or c"},
		{ContainersList, "project:shop", "list containers of the project shop"},
		{ContainersList, "project:*", "list containers of any project"},
		{ContainersList, "label:env=prod", "list containers with the label env=prod"},
		{ContainersList, "label:env=*", "list containers that have the label env"},
		{ContainersList, "project:shop;web;label=a=b", "list containers named web, containers of the project shop and containers with the label a=b"},
		{ContainersList, "label:a=\u202eb", "list containers with the label a=\ufffdb"},
		{ContainersList, "label:a=x\u00a0y", "list containers with the label a=x\ufffdy"},
		{ContainersEnv, "db", "read the environment variables, passwords among them, of containers named db"},
		{ContainersStop, "", "use docker.containers.stop in a scope that cannot be read"},
		{ContainersStop, "a b\n\x1b[2J", "use docker.containers.stop in a scope that cannot be read: a b\ufffd\ufffd[2J"},
		{ImagesList, "*", "list all images"},
		{ImagesUpdates, "nginx;ghcr.io/acme/*", "ask registries for newer versions of images of nginx or ghcr.io/acme/*"},
		{KV, "256KiB", "keep up to 256KiB of its own data"},
		{Schedule, "5m", "run by itself, at most every 5 minutes"},
		{Schedule, "1h", "run by itself, at most every hour"},
		{Schedule, "90s", "run by itself, at most every 1 minute 30 seconds"},
		{Schedule, "26h0.5s", "run by itself, at most every 1 day 2 hours 500ms"},
		{Notify, "admins;20/h", "write to admins by itself, at most 20 times an hour"},
		{Notify, "chats;1/h;admins", "write to the chats for notices and admins by itself, at most once an hour"},
		{DockerEvents, "container.*", "run by itself when anything happens to a container"},
		{DockerEvents, "container.die;container.oom", "run by itself when a container has the event die or oom"},
		{ModulesApprove, "", "let modules run"},
		{"docker.unknown", "a;b", "use docker.unknown, which this version does not know: a, b"},
	} {
		if got := Words(test.name, split(test.scope)); got != test.want {
			t.Errorf("%s %q:\n got %q\nwant %q", test.name, test.scope, got, test.want)
		}
	}
}

// The patterns are those that ParseURLScope documents.
func TestWordsOfRequests(t *testing.T) {
	for _, test := range []struct{ scope, want string }{
		{"https://example.org/health", "GET requests to https://example.org/health"},
		{"POST|PUT https://example.org/api/*", "POST and PUT requests to https://example.org/api/*"},
		{"https://*/*", "GET requests to any https address"},
		{"https://*/health", "GET requests to /health at any https host"},
		{"https://*.example.org/*", "GET requests to https://*.example.org/*"},
		{"https://a.example/x secret=token", "GET requests to https://a.example/x with your secret token"},
		{"https://a.example/x secret=token|key private", "GET requests to https://a.example/x with your secret token or key, private addresses included"},
		{"secret:api_url/*", "GET requests to your secret address api_url"},
		{"GET|DELETE secret:api_url/access-keys/* pin=cert private", "GET and DELETE requests to /access-keys/* at your secret address api_url (only to a server that shows a certificate you name), private addresses included"},
		// A certificate that the author names may be the author's: nobody else need vouch for it.
		{"https://a.example/x pin=" + digest + " secret=token", "GET requests to https://a.example/x (only to a server that shows the certificate " + digest + ", whoever made it) with your secret token"},
		{"https://a.example/x pin=cert|" + digest, "GET requests to https://a.example/x (only to a server that shows a certificate you name or the certificate " + digest + ", whoever made it)"},
		{"https://a.example/;https://b.example/", "GET requests to https://a.example/ and GET requests to https://b.example/"},
	} {
		if got := requestsWords(split(test.scope)); got != test.want {
			t.Errorf("%q:\n got %q\nwant %q", test.scope, got, test.want)
		}
	}
}

// TestAttackBlanksThatAreLetters: a label's value that is full of them could look like a
// sentence of the host's.
func TestAttackBlanksThatAreLetters(t *testing.T) {
	for _, blank := range []string{"\u2800", "\u3164", "\u115f", "\u1160", "\uffa0", "\u034f", "\u17b4", "\u180b", "\ufe00", "\U000e0100", "\u00a0"} {
		words := Words(ContainersKill, []string{"label:a=b" + blank + blank + "harmless"})
		if want := "kill containers with the label a=b\ufffd\ufffdharmless"; words != want {
			t.Errorf("%q: %q", blank, words)
		}
	}
	if got := visible("ключ 日本 é"); got != "ключ 日本 é" {
		t.Errorf("what people write became %q", got)
	}
}

// scopeOf is one that a capability takes.
func scopeOf(name Name) []string {
	return map[kind][]string{
		ofContainers: {"web"}, ofImages: {"nginx"}, ofURLs: {"https://example.org/"}, ofSize: {"1KiB"},
		ofInterval: {"1m"}, ofNotices: {"admins", "1/h"}, ofEvents: {"container.die"},
	}[rules[name].scope]
}

// What a module may do is said once, however many had a say, and never wider than it is.
func TestWordsOfWhatIsGranted(t *testing.T) {
	set := func(requests ...Request) Set {
		t.Helper()
		s, err := Parse(requests)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	asked := set(Request{Name: "docker.info"}, Request{Name: "docker.containers.restart", Scope: []string{"web-*", "db"}},
		Request{Name: "docker.containers.list", Scope: []string{"*"}}, Request{Name: "kv", Scope: []string{"64KiB"}})
	config := set(Request{Name: "docker.info"}, Request{Name: "docker.containers.restart", Scope: []string{"*"}},
		Request{Name: "docker.containers.list", Scope: []string{"a*"}}, Request{Name: "kv", Scope: []string{"1KiB"}})
	approved := set(Request{Name: "docker.info"}, Request{Name: "docker.containers.restart", Scope: []string{"web-1"}},
		Request{Name: "docker.containers.list", Scope: []string{"*z"}}, Request{Name: "kv", Scope: []string{"64KiB"}})
	want := []string{
		"restart containers named web-1", "keep up to 1KiB of its own data",
		"list containers named a*; of these only containers named *z", "read Docker's version, counts and hosts",
	}
	for _, all := range []Set{asked.Narrow(config).Narrow(approved), approved.Narrow(asked).Narrow(asked).Narrow(config)} {
		got := all.Words()
		if len(got) == 4 && got[2] == "list containers named *z; of these only containers named a*" {
			got[2] = want[2] // they mean the same
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := (Set{}).Words(); len(got) != 0 {
		t.Errorf("nothing is said as %q", got)
	}
}

func TestEveryCapabilityHasWords(t *testing.T) {
	if len(phrases) != len(rules) {
		t.Errorf("%d phrases for %d capabilities", len(phrases), len(rules))
	}
	said := map[string]Name{}
	for _, name := range Names() {
		if phrases[name] == "" || strings.Contains(phrases[name], "%s") != (rules[name].scope != unscoped) {
			t.Errorf("%s: %q", name, phrases[name])
		}
		if _, err := parseFor(name, scopeOf(name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		words := Words(name, scopeOf(name))
		if other, twice := said[words]; twice || words != strings.TrimSpace(words) || strings.Contains(words, "%!") {
			t.Errorf("%s, as %s: %q", name, other, words)
		}
		said[words] = name
	}
}

func TestDangers(t *testing.T) {
	if dangerNone != abi.DangerNone || dangerSome != abi.DangerSome || dangerMuch != abi.DangerMuch || dangerMost != abi.DangerMost {
		t.Error("the wire has other numbers")
	}
	for name, want := range map[Name]int{
		MetricsCPU: dangerNone, ContainersList: dangerNone, HTTPFetch: dangerSome, KV: dangerSome, Schedule: dangerSome, Notify: dangerSome,
		DockerEvents: dangerSome, ContainersLogs: dangerMuch, ContainersEnv: dangerMuch, ContainersStart: dangerMost, ContainersRemove: dangerMost,
		ModulesRefuse: dangerMost, "docker.unknown": dangerMost,
	} {
		if got := Danger(name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	for _, name := range Names() {
		if need := NeedOf(name); need.Acts() != (Danger(name) == dangerMost) || need == (Need{}) && Danger(name) > dangerSome {
			t.Errorf("%s: danger %d, need %+v", name, Danger(name), need)
		}
	}
}

// Nothing that is printed tells a terminal what to do, whatever a manifest has.
func FuzzWords(f *testing.F) {
	f.Add(string(ContainersLogs), "label:a=\u202eb")
	f.Add(string(HTTPFetch), "https://example.org/ secret=a")
	f.Add("x\x1b", "*")
	f.Fuzz(func(t *testing.T, name, pattern string) {
		for _, words := range []string{Words(Name(name), []string{pattern}), Words(ContainersLogs, []string{pattern}), requestsWords([]string{"https://e.example/" + pattern})} {
			if words != visible(words) {
				t.Fatalf("%q", words)
			}
		}
	})
}
