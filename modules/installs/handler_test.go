package installs

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/golden"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

const noon = 1_767_268_800_000

var (
	ada = abi.Actor{ID: 1001, Role: abi.RoleAdmin, Name: "Ada"}
	bob = abi.Actor{ID: 1002, Role: abi.RoleUser, Name: "Bob"}
)

// world is what the host says and is asked to do.
type world struct {
	fake     *sdk.Fake
	bot      abi.BotInfo
	files    abi.PendingList
	approved []abi.ModuleApproval
	refused  []abi.ModuleRef
	revoked  []abi.ModuleRef
	err      error
}

func newWorld(files ...abi.PendingModule) *world {
	w := &world{fake: sdk.NewFake(), bot: busyBot(), files: abi.PendingList{Modules: files, Approval: true}}
	sdk.Answer(w.fake, abi.OpBotModules, func(abi.BotQuery) (abi.BotInfo, error) { return w.bot, nil })
	sdk.Answer(w.fake, abi.OpModulesPending, w.pending)
	sdk.Answer(w.fake, abi.OpModuleApprove, func(q abi.ModuleApproval) (abi.ModuleDone, error) {
		w.approved = append(w.approved, q)
		return abi.ModuleDone{Name: q.Name, Digest: q.Digest, Changed: true}, w.err
	})
	sdk.Answer(w.fake, abi.OpModuleRefuse, func(q abi.ModuleRef) (abi.ModuleDone, error) {
		w.refused = append(w.refused, q)
		return abi.ModuleDone{Name: q.Name, Changed: true}, w.err
	})
	sdk.Answer(w.fake, abi.OpModuleRevoke, func(q abi.ModuleRef) (abi.ModuleDone, error) {
		w.revoked = append(w.revoked, q)
		return abi.ModuleDone{Name: q.Name, Changed: true}, w.err
	})
	return w
}

// pending answers as the host does.
func (w *world) pending(q abi.PendingQuery) (abi.PendingList, error) {
	list := abi.PendingList{Approval: w.files.Approval, Total: len(w.files.Modules)}
	for i, f := range w.files.Modules {
		if f.State != abi.FilePending {
			list.Refused++
		}
		if q.Name != "" && f.Name == q.Name || q.Name == "" && i >= q.Offset && len(list.Modules) < q.Count {
			list.Modules = append(list.Modules, f)
		}
	}
	return list, nil
}

func (w *world) handle(req sdk.Request) (sdk.Reply, error) {
	if req.Actor.Role == "" {
		req.Actor = ada
	}
	req.Time = noon
	return Module().Handle(w.fake.Host(), req)
}

func (w *world) run(t *testing.T, req sdk.Request) sdk.Reply {
	t.Helper()
	reply, err := w.handle(req)
	if err != nil {
		t.Fatalf("%s%s %s: %v", req.Command, req.Action, req.Text, err)
	}
	golden.Fits(t, Module(), reply)
	return reply
}

// tap presses the button of that label.
func (w *world) tap(t *testing.T, reply sdk.Reply, label string) sdk.Reply {
	t.Helper()
	b := button(t, reply, label)
	return w.run(t, sdk.Request{Action: b.Action, Args: b.Args})
}

func button(t *testing.T, reply sdk.Reply, label string) sdk.Button {
	t.Helper()
	for _, row := range reply.Keyboard {
		for _, b := range row {
			if b.Label == label {
				return b
			}
		}
	}
	t.Fatalf("no button %q among %q", label, labels(reply))
	return sdk.Button{}
}

func labels(reply sdk.Reply) (all []string) {
	for _, row := range reply.Keyboard {
		for _, b := range row {
			all = append(all, b.Label)
		}
	}
	return all
}

// busyBot has a module of its own that is switched off, and one from elsewhere.
func busyBot() abi.BotInfo {
	return abi.BotInfo{Modules: []abi.BotModule{
		{
			Name: "core", Version: "1.0.0", Description: "Greeting", Author: "cofferdam", Digest: strings.Repeat("0123456789abcdef", 4), Trust: abi.TrustBuiltIn,
			Capabilities: []string{"bot.modules"}, Use: &abi.ModuleUse{},
		},
		{
			Name: "containers", Version: "1.0.1", Description: "Shows containers", Author: "somebody", Digest: strings.Repeat("fedcba9876543210", 4), Trust: abi.TrustBuiltIn,
			OffUntil: noon + 60_000, Capabilities: []string{"docker.info", "docker.containers.list{web-*}"},
			Use: &abi.ModuleUse{Invocations: 12, Traps: 4, Timeouts: 1, Fuel: 123_456, MostFuel: 100_000, Memory: 5 << 20, HostCalls: 30, Bytes: 4096, TimeMS: 10_250},
		},
		{
			Name: "ships", Version: "0.3.0", Description: "Shows ships", Author: "Eve", Digest: strings.Repeat("5a", 32), Trust: abi.TrustSigned, Signer: "ED0123456789ABCD",
			Capabilities: []string{"http.fetch{GET https://ships.example/*}"}, Words: []string{"get https://ships.example/*"}, Use: &abi.ModuleUse{Invocations: 1},
		},
	}}
}

func uptime() abi.PendingModule {
	return abi.PendingModule{
		File: "uptime.wasm", Size: 1_234_567, State: abi.FilePending, Name: "uptime", Version: "1.2.0", Author: "Grace", Description: "Checks addresses",
		Digest: strings.Repeat("a1b2c3d4", 8), Signer: "ED00000000000001", Before: "1.1.0", Commands: []string{"uptime", "checks"}, Runs: []string{"every 5 minutes"},
		Asks: []abi.AskedCapability{
			{Name: "docker.containers.restart", Scope: []string{"web-*", "db"}, Words: "restart containers named web-* or db", Reason: "restarts what hangs", Danger: abi.DangerMost, New: true},
			{Name: "notify", Scope: []string{"admins", "chats", "20/h"}, Words: "write to admins and the notification chats, 20 times an hour", Reason: "tells of outages", Danger: abi.DangerSome},
			{Name: "kv", Scope: []string{"64KiB"}, Words: "keep 64 KiB", Reason: "remembers the last state", Danger: abi.DangerSome},
			{Name: "docker.containers.list", Scope: []string{"*"}, Narrowed: []string{"web-*"}, Words: "see all containers", Reason: "knows what to restart", Danger: abi.DangerNone},
		},
		Gone: []string{"see the machine's users"},
	}
}

func broken() abi.PendingModule {
	return abi.PendingModule{File: "evil\u202e.wasm", Size: 3, State: abi.FileRefused, Why: "it is no WebAssembly module"}
}

func TestReplies(t *testing.T) {
	older := uptime()
	older.State, older.Why = abi.FileRefused, "it is older than version 1.3.0, which was approved before"
	plain := abi.PendingModule{File: "x.wasm", State: abi.FilePending, Name: "x", Version: "1", Author: "a", Digest: strings.Repeat("1", 64)}
	file := strings.Repeat("a1b2c3d4", 4)
	for _, test := range []struct {
		name string
		w    *world
		req  sdk.Request
	}{
		{"list", newWorld(uptime(), broken()), sdk.Request{Command: "modules"}},
		{"list-no-files", newWorld(), sdk.Request{Command: "plugins"}},
		{"list-to-users", newWorld(uptime()), sdk.Request{Command: "modules", Actor: bob}},
		{"module", newWorld(), sdk.Request{Command: "modules", Text: "ships"}},
		{"module-built-in", newWorld(), sdk.Request{Command: "modules", Text: "containers"}},
		{"module-unknown", newWorld(), sdk.Request{Command: "modules", Text: "nowhere"}},
		{"pending", newWorld(uptime()), sdk.Request{Command: "modules", Text: "pending uptime " + uptime().Digest}},
		{"pending-refused", newWorld(older), sdk.Request{Action: "pending", Args: map[string]string{"name": "uptime", "digest": file}}},
		{"pending-asks-nothing", newWorld(plain), sdk.Request{Command: "modules", Text: "pending x " + plain.Digest}},
		{"pending-gone", newWorld(), sdk.Request{Command: "modules", Text: "pending uptime " + file}},
		{"narrow", newWorld(uptime()), sdk.Request{Action: "narrow", Args: map[string]string{"name": "uptime", "digest": file, "off": "2"}}},
		{"narrow-typed", newWorld(uptime()), sdk.Request{Command: "modules", Text: "narrow uptime docker.containers.restart web-1 web-2 kv 1KiB"}},
		{"narrow-nothing", newWorld(plain), sdk.Request{Command: "modules", Text: "narrow x"}},
		{"approved", newWorld(uptime()), sdk.Request{Action: "approve", Args: map[string]string{"name": "uptime", "digest": file}}},
		{"refused", newWorld(uptime()), sdk.Request{Action: "refuse", Args: map[string]string{"name": "uptime", "digest": file}}},
		{"revoked", newWorld(), sdk.Request{Action: "revoke", Args: map[string]string{"name": "ships"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			golden.Check(t, Module(), test.name, test.w.run(t, test.req))
		})
	}
}

func TestAtHostOnly(t *testing.T) {
	w := newWorld(uptime())
	w.files.Approval = false
	reply := w.run(t, sdk.Request{Command: "modules", Text: "pending uptime " + uptime().Digest})
	if all := labels(reply); slices.Contains(all, texts.InstallsApprove) || !strings.Contains(encoded(t, reply), texts.InstallsAtHost) {
		t.Errorf("buttons %q", all)
	}
}

func encoded(t *testing.T, reply sdk.Reply) string {
	t.Helper()
	data, err := json.Marshal(reply)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// From the message to the approval: each button does what it says, on this file.
func TestTheWayToAnApproval(t *testing.T) {
	w := newWorld(uptime(), broken())
	file := w.tap(t, w.run(t, sdk.Request{Command: "modules"}), "📥 uptime")
	w.tap(t, file, texts.InstallsApprove)
	if want := []abi.ModuleApproval{{Name: "uptime", Digest: uptime().Digest}}; !reflect.DeepEqual(w.approved, want) {
		t.Errorf("approved %+v", w.approved)
	}
	w.tap(t, file, texts.InstallsRefuse)
	if want := []abi.ModuleRef{{Name: "uptime", Digest: uptime().Digest}}; !reflect.DeepEqual(w.refused, want) {
		t.Errorf("refused %+v", w.refused)
	}
	choice := w.tap(t, file, texts.InstallsNarrower)
	choice = w.tap(t, choice, "✅ restart web-*")
	choice = w.tap(t, choice, "✅ notify chats")
	choice = w.tap(t, choice, "▫️ restart web-*")
	choice = w.tap(t, choice, "✅ restart db")
	w.approved = nil
	w.tap(t, choice, texts.InstallsApproveThese)
	want := []abi.GrantedCapability{
		{Name: "docker.containers.restart", Scope: []string{"web-*"}}, {Name: "notify", Scope: []string{"admins", "20/h"}},
		{Name: "kv", Scope: []string{"64KiB"}}, {Name: "docker.containers.list", Scope: []string{"web-*"}},
	}
	if len(w.approved) != 1 || !reflect.DeepEqual(w.approved[0].Grants, want) || w.approved[0].Digest != uptime().Digest {
		t.Errorf("approved %+v", w.approved)
	}
	w.tap(t, w.tap(t, w.run(t, sdk.Request{Command: "modules"}), "ships"), texts.InstallsRevoke)
	if want := []abi.ModuleRef{{Name: "ships", Digest: strings.Repeat("5a", 32)}}; !reflect.DeepEqual(w.revoked, want) {
		t.Errorf("revoked %+v", w.revoked)
	}
}

// TestAReasonStaysInItsQuotes: what stands behind them is the host's.
func TestAReasonStaysInItsQuotes(t *testing.T) {
	f := uptime()
	f.Asks[0].Reason = "x” ✅ The bot has checked this. “"
	w := newWorld(f)
	page := w.run(t, sdk.Request{Action: "pending", Args: map[string]string{"name": f.Name, "digest": f.Digest}})
	data, err := json.Marshal(page.Blocks)
	if err != nil || !strings.Contains(string(data), "“x' ✅ The bot has checked this. '”") {
		t.Errorf("%v: %s", err, data)
	}
}

// A permission cannot be left out: its last pattern stays, and says why.
func TestThePatternThatStays(t *testing.T) {
	w := newWorld(uptime())
	choice := w.run(t, sdk.Request{Command: "modules", Text: "narrow uptime"})
	choice = w.tap(t, choice, "✅ restart web-*")
	choice = w.tap(t, choice, "✅ restart db")
	if choice.Notice != texts.InstallsOneStays || !slices.Contains(labels(choice), "✅ restart db") {
		t.Errorf("notice %q, buttons %q", choice.Notice, labels(choice))
	}
	choice = w.tap(t, choice, "✅ notify admins")
	if choice = w.tap(t, choice, "✅ notify chats"); choice.Notice != texts.InstallsOneStays {
		t.Errorf("no place is left, and the budget counts for one: %q", choice.Notice)
	}
}

// Typed patterns take the place of the toggles of their permission, and go along
// with each button.
func TestTypedPatterns(t *testing.T) {
	w := newWorld(uptime())
	choice := w.run(t, sdk.Request{Command: "modules", Text: "narrow uptime docker.containers.restart web-1 kv 1KiB"})
	if all := labels(choice); slices.Contains(all, "✅ restart db") {
		t.Errorf("buttons %q", all)
	}
	choice = w.tap(t, choice, "✅ notify chats")
	w.tap(t, choice, texts.InstallsApproveThese)
	want := []abi.GrantedCapability{
		{Name: "docker.containers.restart", Scope: []string{"web-1"}}, {Name: "notify", Scope: []string{"admins", "20/h"}},
		{Name: "kv", Scope: []string{"1KiB"}}, {Name: "docker.containers.list", Scope: []string{"web-*"}},
	}
	if len(w.approved) != 1 || !reflect.DeepEqual(w.approved[0].Grants, want) {
		t.Errorf("approved %+v", w.approved)
	}
	fetcher := abi.PendingModule{Name: "fetch", State: abi.FilePending, Digest: strings.Repeat("3", 64), Asks: []abi.AskedCapability{{Name: "http.fetch", Scope: []string{"GET https://*.example/*"}}}}
	w.files.Modules = append(w.files.Modules, fetcher)
	w.tap(t, w.run(t, sdk.Request{Command: "modules", Text: "narrow fetch http.fetch GET,HEAD https://a.example/* https://b.example/"}), texts.InstallsApproveThese)
	if got := w.approved[1].Grants; !reflect.DeepEqual(got, []abi.GrantedCapability{{Name: "http.fetch", Scope: []string{"GET,HEAD https://a.example/*", "https://b.example/"}}}) {
		t.Errorf("approved %+v", got)
	}
	for text, code := range map[string]abi.Code{
		"narrow uptime docker.containers.restart " + strings.Repeat("x ", 150): abi.Limit,
		"narrow uptime web-1":                  abi.Invalid, // of which permission?
		"narrow uptime docker.info web-1":      abi.Invalid, // for which it does not ask
		"narrow nowhere":                       abi.NotFound,
		"narrow uptime bot.modules.approve xx": abi.Invalid,
	} {
		if _, err := w.handle(sdk.Request{Command: "modules", Text: text}); sdk.CodeOf(err) != code {
			t.Errorf("%.60q: %v", text, err)
		}
	}
	twin := uptime()
	twin.Digest = strings.Repeat("9", 64)
	w.files.Modules = append(w.files.Modules, twin)
	if _, err := w.handle(sdk.Request{Command: "modules", Text: "narrow uptime"}); sdk.CodeOf(err) != abi.Invalid {
		t.Errorf("two files of one name: %v", err)
	}
}

// Whoever is no admin sees the list, and nothing of files, whatever is sent.
func TestUsersSeeNoFiles(t *testing.T) {
	w := newWorld(uptime())
	file := map[string]string{"name": "uptime", "digest": uptime().Digest}
	for _, req := range []sdk.Request{
		{Command: "modules"}, {Command: "modules", Text: "pending uptime " + uptime().Digest}, {Command: "plugins", Text: "narrow uptime"},
		{Command: "modules", Text: "ships"}, {Action: "list", Args: map[string]string{"page": "1"}},
		{Action: "pending", Args: file}, {Action: "narrow", Args: file}, {Action: "approve", Args: file}, {Action: "refuse", Args: file},
		{Action: "show", Args: map[string]string{"name": "ships"}},
	} {
		req.Actor = bob
		reply, err := w.handle(req)
		if text := encoded(t, reply); err == nil && (strings.Contains(text, "uptime") || strings.Contains(text, "Revoke")) || err != nil && sdk.CodeOf(err) != abi.Denied {
			t.Errorf("%+v: %v %s", req, err, text)
		}
	}
	for _, call := range w.fake.Calls() {
		if call != abi.OpBotModules {
			t.Errorf("a user caused %s", call)
		}
	}
}

func TestRefusalsOfTheHostReachTheAdmin(t *testing.T) {
	w := newWorld(uptime())
	w.err = sdk.Fail(abi.Conflict, "The file changed meanwhile.")
	file := map[string]string{"name": "uptime", "digest": uptime().Digest}
	for _, action := range []string{"approve", "refuse", "revoke"} {
		if _, err := w.handle(sdk.Request{Action: action, Args: file}); sdk.CodeOf(err) != abi.Conflict {
			t.Errorf("%s: %v", action, err)
		}
	}
	for _, args := range []map[string]string{
		{}, {"name": "uptime"}, {"name": "uptime", "digest": "a1b2"}, {"name": "uptime", "digest": strings.Repeat("f", 32)}, {"name": "", "digest": ""},
	} {
		if _, err := w.handle(sdk.Request{Action: "approve", Args: args}); err == nil && args["digest"] != "" {
			t.Errorf("%v is approved", args)
		}
	}
	for _, args := range []map[string]string{
		{"off": "x"}, {"off": "fffffffffffffffff"}, {"off": "100"}, {"off": "-1"}, {"off": "0", "own": "99\tweb"}, {"off": "0", "own": "x\tweb"},
		{"off": "0", "flip": "99"}, {"off": "0", "flip": "-1"}, {"off": "0", "own": "0\t" + strings.Repeat("x", 300)},
	} {
		args["name"], args["digest"] = "uptime", uptime().Digest
		if _, err := w.handle(sdk.Request{Action: "narrow", Args: args}); sdk.CodeOf(err) != abi.Invalid {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// hostile is a file whose every text is as bad as it can be.
func hostile(n int) abi.PendingModule {
	evil := "🔐 A code, please\n\n" + strings.Repeat("\u202e*_`<b>@x", 60) + strconv.Itoa(n)
	f := abi.PendingModule{File: evil, Size: -1, Digest: fmt.Sprintf("%064x", n), State: abi.FilePending, Why: evil, Name: strings.Repeat("🐳", 40) + strconv.Itoa(n),
		Version: evil, Author: evil, Description: evil, Signer: evil, Before: evil}
	for range 64 {
		f.Commands, f.Runs, f.Gone = append(f.Commands, evil), append(f.Runs, evil), append(f.Gone, evil)
		f.Asks = append(f.Asks, abi.AskedCapability{Name: "docker." + strings.Repeat("é", 60), Scope: slices.Repeat([]string{strings.Repeat("日本", 10)}, 64), Words: evil, Reason: evil, Danger: 77, New: true, Narrowed: slices.Repeat([]string{evil}, 3)})
	}
	return f
}

func TestHostileTexts(t *testing.T) {
	w := newWorld()
	for n := range 12 {
		w.files.Modules = append(w.files.Modules, hostile(n))
	}
	for i := range w.bot.Modules {
		m := &w.bot.Modules[i]
		m.Name, m.Version, m.Author, m.Digest, m.Signer = strings.Repeat("🐳", 99), hostile(1).Version, hostile(1).Version, "x", hostile(1).Version
		m.Words = slices.Repeat([]string{hostile(1).Version}, 500)
	}
	first := w.run(t, sdk.Request{Command: "modules"})
	if title := first.Blocks[0].Spans[0].Text; !strings.Contains(title, "12 files to decide on, page 1 of 3") {
		t.Errorf("the title is %q", title)
	}
	for page := range 5 {
		w.run(t, sdk.Request{Action: "list", Args: map[string]string{"page": strconv.Itoa(page)}})
	}
	name := hostile(7).Name
	w.run(t, sdk.Request{Action: "pending", Args: map[string]string{"name": name, "digest": hostile(7).Digest}})
	choice := w.run(t, sdk.Request{Action: "narrow", Args: map[string]string{"name": name, "digest": hostile(7).Digest}})
	all := 0
	for _, row := range choice.Keyboard {
		for _, b := range row {
			data, _ := json.Marshal(b)
			all += len(data)
		}
	}
	if all > 14<<10 { // the host's bound is 16 KiB, with what leads back
		t.Errorf("the buttons take %d bytes", all)
	}
	w.run(t, sdk.Request{Action: "show", Args: map[string]string{"name": strings.Repeat("🐳", 99)}})
	for _, reply := range []sdk.Reply{first, choice} {
		for _, b := range reply.Blocks {
			for _, s := range b.Spans {
				if strings.ContainsAny(s.Text, "\u202e") {
					t.Errorf("%q", s.Text)
				}
			}
		}
	}
}

func TestManyModulesAreShownInPages(t *testing.T) {
	w := newWorld()
	w.bot.Modules = nil
	for n := range 2*perPage + 1 {
		w.bot.Modules = append(w.bot.Modules, abi.BotModule{Name: "m" + strconv.Itoa(n), Description: "x", Author: "y", Digest: "z", Capabilities: make([]string, maxCapabilities+3)})
	}
	for _, test := range []struct{ text, title, first, buttons string }{
		{"", "page 1 of 3", "m0", "2/3 ▶️, 🔄 Refresh"},
		{"2", "page 2 of 3", "m5", "◀️ 1/3, 3/3 ▶️, 🔄 Refresh"},
		{"3", "page 3 of 3", "m10", "⏮ 1/3, ◀️ 2/3, 🔄 Refresh"},
		{"99999999999999999999", "page 1 of 3", "m0", "2/3 ▶️, 🔄 Refresh"},
		{"77", "page 3 of 3", "m10", "⏮ 1/3, ◀️ 2/3, 🔄 Refresh"},
		{"-1", "page 1 of 3", "m0", "2/3 ▶️, 🔄 Refresh"},
		{"x", "page 1 of 3", "m0", "2/3 ▶️, 🔄 Refresh"},
	} {
		reply := w.run(t, sdk.Request{Command: "modules", Text: test.text, Actor: bob})
		if got := strings.Join(labels(reply), ", "); got != test.buttons {
			t.Errorf("%q: buttons %q, want %q", test.text, got, test.buttons)
		}
		if title := reply.Blocks[0].Spans[0].Text; !strings.Contains(title, test.title) || reply.Blocks[1].Spans[0].Text != test.first {
			t.Errorf("%q: %s, begins with %s", test.text, title, reply.Blocks[1].Spans[0].Text)
		}
		may := reply.Blocks[2].Fields[3].Value
		if last := may[len(may)-1].Text; last != " and 3 more" {
			t.Errorf("the capabilities end with %q", last)
		}
	}
}

func TestRefusalsReachTheUser(t *testing.T) {
	for _, command := range []string{"modules", "plugins"} {
		if _, err := Module().Handle(sdk.NewFake().Host(), sdk.Request{Command: command, Actor: bob}); sdk.CodeOf(err) != abi.Denied {
			t.Errorf("%s without a grant: %v, want denied", command, err)
		}
	}
}
