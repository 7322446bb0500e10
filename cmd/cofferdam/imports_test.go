package main

import (
	"os/exec"
	"strings"
	"testing"
)

const projectPath = "github.com/cofferdam-bot/cofferdam/"

// importTable says which of our packages a folder may import, the longest
// matching folder counts, and why not more. What is not listed is an error, so
// that a new package begins with a decision.
var importTable = []struct {
	folder, may, reason string
}{
	{"guest", "", "it only carries the source that modules are compiled with"},
	{"guest/abi", "", "the contract is shared by host and guests: it must drag in nothing"},
	{"guest/c", "", "it only carries a header, which its tests hold against the contract"},
	{"guest/sdk", "guest/abi guest/sdk/internal", "authors of modules must not get the host's code into their guests"},
	{"guest/testkit", "", "it only carries vectors"},
	{"guest/testkit/headroom", "guest/abi guest/sdk", "it is a module like any other"},
	{"guest/sdk/internal", "", "it reads and writes JSON, or source, and knows none of the types"},
	{"modules/internal", "guest/sdk guest/abi", "what helps to test modules is bound as modules are"},
	{"modules/internal/view", "guest/sdk guest/abi modules/internal/texts", "what views of two modules have in common says its words from the catalogue"},
	{"modules/core", "guest/sdk guest/abi modules/internal", "a built-in module may use nothing that a stranger's could not"},
	{"modules/installs", "guest/sdk guest/abi modules/internal", "it lets modules in, and stands in the sandbox as they do"},
	{"modules/server", "guest/sdk guest/abi modules/internal", "a built-in module may use nothing that a stranger's could not"},
	{"modules/containers", "guest/sdk guest/abi modules/internal", "a built-in module may use nothing that a stranger's could not"},
	{"modules/manage", "guest/sdk guest/abi modules/internal", "a built-in module may use nothing that a stranger's could not"},
	{"modules/logs", "guest/sdk guest/abi modules/internal", "a built-in module may use nothing that a stranger's could not"},
	{"modules/runtime", "guest/sdk guest/abi modules/internal", "a built-in module may use nothing that a stranger's could not"},
	{"modules/images", "guest/sdk guest/abi modules/internal", "a built-in module may use nothing that a stranger's could not"},
	{"modules/updates", "guest/sdk guest/abi modules/internal", "a built-in module may use nothing that a stranger's could not"},
	{"modules/quick", "guest/sdk guest/abi modules/internal", "a built-in module may use nothing that a stranger's could not"},
	{"modules/health", "guest/sdk guest/abi modules/internal", "a built-in module may use nothing that a stranger's could not"},
	{"modules/devices", "guest/sdk guest/abi modules/internal", "a built-in module may use nothing that a stranger's could not"},
	{"modules/charts", "guest/sdk guest/abi modules/internal", "a built-in module may use nothing that a stranger's could not"},
	{"modules/outline", "guest/sdk guest/abi modules/internal", "a built-in module may use nothing that a stranger's could not"},
	{"modules/installs", "guest/sdk guest/abi modules/internal", "a built-in module decides nothing: the host asks, and does it"},
	{"modules/extra", "guest/sdk guest/abi", "a module to drop in may use nothing that a stranger's could not"},
	{"modules", "", "this only carries bytes"},
	{"security", "", "rules are pure: no Telegram, no Docker, no wazero, nothing of ours"},
	{"security/webhook", "security/ratelimit", "rules are pure; its limits are sliding windows, and those are there"},
	{"security/trust", "guest/abi security/capability security/signature", "whether a file may run is decided from what its manifest says; the manifest is the ABI's"},
	{"runtime/chat", "", "the words that all share must drag in nothing"},
	{"runtime/config", "security/capability", "what the operator wrote is checked before anything of ours runs; patterns by the rule that reads them"},
	{"runtime/docker", "guest/abi security/foreign", "an adapter knows one technology and the answers it gives"},
	{"runtime/metrics", "guest/abi security/foreign", "an adapter knows one technology and the answers it gives"},
	{"runtime/distribution", "guest/abi security/foreign", "an adapter: it asks registries, and is told by interfaces which images there are"},
	{"runtime/history", "guest/abi", "it samples through interfaces and keeps through one"},
	{"runtime/health", "guest/abi", "it is told facts, and says what they mean: it knows none of the parts"},
	{"runtime/releases", "guest/abi security/foreign", "an adapter: it asks one address, and what that answers is foreign"},
	{"runtime/outbound", "guest/abi security/capability security/foreign security/scrub", "an adapter: it makes requests inside terms that were decided before, and hides what an answer repeats of secrets"},
	{"runtime/trigger", "guest/abi security/capability", "it runs modules by the clock and by events, through interfaces"},
	{"runtime/folder", "", "an adapter: it reads one folder, and knows nothing of what is in the files"},
	{"runtime/vault", "", "an adapter: bytes by their digest"},
	{"runtime/dropin", "guest/abi runtime/folder runtime/vault security/audit security/capability security/signature security/trust security/vetting", "it holds files against rules, and lets the registry run them through an interface"},
	{"runtime/chart", "", "numbers in, a picture out"},
	{"runtime/store", "guest/abi runtime/chat security/audit security/dedup", "an adapter: it keeps what others give it and knows none of them, and answers modules in the words of the ABI; what may be forgotten, and how audit records are chained, are rules"},
	{"runtime/telegram", "runtime/chat security/ratelimit security/webhook", "transport must not know what commands do; whom the webhook lets in is a rule"},
	{"runtime/telegram/emulator", "", "a test double that shared code with the bot would share its faults"},
	{"runtime/twofactor", "security/totp", "rules and a table: what it keeps is encrypted before anybody sees it"},
	{"runtime/schedule", "runtime/chat runtime/store", "a worker on the store"},
	{"runtime/notice", "security/ratelimit", "it decides what is told, and sends through a function"},
	{"runtime/telemetry", "", "it counts words and numbers, and knows nothing of what is counted"},
	{"runtime/control", "", "a socket that carries JSON: it knows nothing of what is asked"},
	{"runtime/transcript", "guest/abi security/foreign security/scrub", "pure: what crossed the boundary in, a text without secrets out, and back"},
	{"runtime/render", "runtime/chat runtime/chart guest/abi security/foreign", "pure: a reply in, messages out"},
	{"runtime/hostcall", "guest/abi security/audit security/capability security/foreign security/scrub", "operations reach the world through interfaces of their own, so that a grant is checked in one place"},
	{"runtime/engine", "guest/abi runtime/engine/compiler runtime/engine/meter runtime/hostcall security/capability security/foreign security/vetting", "the sandbox knows no Telegram and no Docker"},
	{"runtime/engine/compiler", "runtime/engine/meter security/foreign security/vetting", "a child process of it reads hostile files: nothing that reaches anything may be in there"},
	{"runtime/engine/meter", "security/vetting", "bytes in, bytes out: it rewrites what was scanned, and runs nothing"},
	{"runtime/registry", "guest/abi runtime/chat runtime/engine runtime/hostcall security/capability security/quarantine", "it chooses modules and runs them; it sends and stores nothing"},
	{"runtime/pipeline", "guest/abi runtime/chat runtime/notice runtime/render runtime/twofactor security/access security/audit security/capability security/foreign security/ratelimit security/scrub security/session security/totp", "the stages see Telegram, the store and the sandbox through interfaces, so that each can be tested alone"},
	{"cmd/cofferdam", "*", "it puts everything together"},
}

func TestImportTable(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, projectPath+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		name := strings.TrimPrefix(words[0], projectPath)
		may, reason := rulesOf(name)
		if reason == "" {
			t.Errorf("%s is not in the import table", name)
		}
		for _, imported := range words[1:] {
			target, ours := strings.CutPrefix(imported, projectPath)
			if ours && !allowedIn(target, name, may) {
				t.Errorf("%s must not import %s: %s", name, target, reason)
			}
		}
	}
}

func rulesOf(name string) (may, reason string) {
	longest := ""
	for _, row := range importTable {
		if within(name, row.folder) && len(row.folder) > len(longest) {
			longest, may, reason = row.folder, row.may, row.reason
		}
	}
	return may, reason
}

func allowedIn(target, importer, may string) bool {
	for _, folder := range strings.Fields(may) {
		if folder == "*" || within(target, folder) {
			return true
		}
	}
	// A module's program imports the module.
	return importer == target+"/wasm"
}

func within(name, folder string) bool { return name == folder || strings.HasPrefix(name, folder+"/") }

// TestImportTableCanFail shows that the table bans what it should.
func TestImportTableCanFail(t *testing.T) {
	for _, test := range []struct {
		importer, target string
		want             bool
	}{
		{"runtime/pipeline", "runtime/render", true},
		{"runtime/pipeline", "runtime/docker", false},
		{"security/access", "runtime/chat", false},
		{"modules/core", "modules/server", false},
		{"modules/core/wasm", "modules/core", true},
		{"runtime/telegram/emulator", "runtime/telegram", false},
		{"runtime/chatter", "runtime/chat", false},
	} {
		may, _ := rulesOf(test.importer)
		if got := allowedIn(test.target, test.importer, may); got != test.want {
			t.Errorf("%s imports %s: allowed %v, want %v", test.importer, test.target, got, test.want)
		}
	}
}
