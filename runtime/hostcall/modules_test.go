package hostcall

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// porter stands for the module folder. It writes down what it is asked to do.
type porter struct {
	list    abi.PendingList
	running []abi.BotModule
	calls   []string
	granted []abi.GrantedCapability
	done    abi.ModuleDone
	err     error
	record  []audit.Entry
}

func (p *porter) Pending(context.Context) (abi.PendingList, error) { return p.list, nil }

func (p *porter) Approve(_ context.Context, by abi.Actor, q abi.ModuleApproval) (abi.ModuleDone, error) {
	p.calls, p.granted = append(p.calls, fmt.Sprintf("%d approves %s %.4s", by.ID, q.Name, q.Digest)), q.Grants
	return p.done, p.err
}

func (p *porter) Refuse(_ context.Context, by abi.Actor, q abi.ModuleRef) (abi.ModuleDone, error) {
	p.calls = append(p.calls, fmt.Sprintf("%d refuses %s %.4s", by.ID, q.Name, q.Digest))
	return p.done, p.err
}

func (p *porter) Revoke(_ context.Context, by abi.Actor, q abi.ModuleRef) (abi.ModuleDone, error) {
	p.calls = append(p.calls, fmt.Sprintf("%d revokes %s %.4s", by.ID, q.Name, q.Digest))
	return p.done, p.err
}

func (p *porter) Describe(string) abi.BotInfo { return abi.BotInfo{Modules: p.running} }

func (p *porter) Record(_ context.Context, e audit.Entry) error {
	p.record = append(p.record, e)
	return nil
}

func (p *porter) sources() Sources { return Sources{Modules: p, Bot: p, Audit: p} }

func (p *porter) call(t *testing.T, c *Caller, op string, request any) (abi.Code, []byte) {
	t.Helper()
	data, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return operation(t, p.sources(), op).Call(t.Context(), c, data)
}

var digestA, digestB = strings.Repeat("a1", 32), strings.Repeat("b2", 32)

// uptime waits, and asks for two things.
func uptime() abi.PendingModule {
	return abi.PendingModule{
		File: "uptime.wasm", State: abi.FilePending, Name: "uptime", Version: "1.2.0", Author: "Ada", Digest: digestA,
		Asks: []abi.AskedCapability{
			{Name: "docker.containers.list", Scope: []string{"web-*", "db"}, Words: "see containers named web-* or db", Danger: abi.DangerNone},
			{Name: "docker.containers.restart", Scope: []string{"web-*", "db"}, Words: "restart containers named web-* or db", Danger: abi.DangerMost, New: true},
		},
	}
}

func newPorter(files ...abi.PendingModule) *porter {
	return &porter{
		list:    abi.PendingList{Modules: files, Approval: true},
		running: []abi.BotModule{{Name: "core", Version: "1", Digest: digestB, Trust: abi.TrustBuiltIn}, {Name: "ship", Version: "3", Digest: digestB, Trust: abi.TrustApproved}, {Name: "odd", Digest: digestB}},
		done:    abi.ModuleDone{Changed: true},
	}
}

// warden is an admin with a session who uses the bot's own module.
func warden(t *testing.T, pass capability.Pass) *Caller {
	t.Helper()
	c, _ := callerWith(grantOf(t, capability.BotModules, capability.ModulesApprove, capability.ModulesRefuse, capability.ModulesRevoke), abi.RoleAdmin)
	c.Pass, c.Actor.ID = &pass, 7
	return c
}

// confirmed asks once, and returns what a tap would confirm.
func (p *porter) asks(t *testing.T, op string, request any) capability.Act {
	t.Helper()
	c := warden(t, full())
	code, answer := p.call(t, c, op, request)
	mustRefuse(t, code, answer, abi.ConfirmRequired)
	if c.Demand == nil || len(p.calls) > 0 {
		t.Fatalf("demands %+v, did %q", c.Demand, p.calls)
	}
	return c.Demand.Act
}

func TestAnApprovalNamesTheFileAndWhatItMayDo(t *testing.T) {
	p := newPorter(uptime())
	request := abi.ModuleApproval{Name: "uptime", Digest: digestA}
	act := p.asks(t, abi.OpModuleApprove, request)
	want := "It may:\n🔴 restart containers named web-* or db (new)\n⚪️ list containers named web-* or db"
	if act.Capability != capability.ModulesApprove || act.Host != "modules" || act.Name != "uptime 1.2.0" || act.By != "Ada" || act.Details != want ||
		!strings.HasPrefix(act.ID, digestA+"/") || len(act.ID) != 129 {
		t.Errorf("to be confirmed is %+v", act)
	}
	c := warden(t, tapped(act))
	if code, answer := p.call(t, c, abi.OpModuleApprove, request); code != abi.OK || string(answer) != `{"name":"","digest":"","changed":true}` {
		t.Fatalf("%v %s", code, answer)
	}
	all := []abi.GrantedCapability{
		{Name: "docker.containers.list", Scope: []string{"web-*", "db"}}, {Name: "docker.containers.restart", Scope: []string{"web-*", "db"}},
	}
	if !slices.Equal(p.calls, []string{"7 approves uptime a1a1"}) || !reflect.DeepEqual(p.granted, all) {
		t.Errorf("it did %q with %+v", p.calls, p.granted)
	}
	for i, outcome := range []string{"begun", "done"} {
		e := p.record[i]
		if e.Event != "module.action" || e.Target != "uptime 1.2.0 ("+digestA[:12]+")" || e.Outcome != outcome || e.Capability != "bot.modules.approve" || e.ActorID != 7 || e.Decision != "allow" {
			t.Errorf("recorded %+v", e)
		}
	}
	if c.Pass.Confirmed != nil || !c.Pass.Acted {
		t.Error("the tap is not used up")
	}
}

// A tap approves this digest with these grants in these words, and nothing else:
// whatever differs afterwards is asked about again, or refused (F2).
func TestAttackAReplayedApproval(t *testing.T) {
	narrow := []abi.GrantedCapability{
		{Name: "docker.containers.list", Scope: []string{"db"}}, {Name: "docker.containers.restart", Scope: []string{"db"}},
	}
	wide := []abi.GrantedCapability{narrow[0], {Name: "docker.containers.restart", Scope: []string{"web-*", "db"}}}
	request := abi.ModuleApproval{Name: "uptime", Digest: digestA, Grants: narrow}
	other := uptime()
	other.Digest = digestB
	for name, test := range map[string]struct {
		changes func(*porter, *abi.ModuleApproval)
		want    abi.Code
	}{
		"the same":              {func(*porter, *abi.ModuleApproval) {}, abi.OK},
		"the grants, reordered": {func(_ *porter, q *abi.ModuleApproval) { q.Grants = []abi.GrantedCapability{narrow[1], narrow[0]} }, abi.OK},
		"wider grants":          {func(_ *porter, q *abi.ModuleApproval) { q.Grants = wide }, abi.ConfirmRequired},
		"all that it asks":      {func(_ *porter, q *abi.ModuleApproval) { q.Grants = nil }, abi.ConfirmRequired},
		"another pattern": {func(_ *porter, q *abi.ModuleApproval) {
			q.Grants = []abi.GrantedCapability{narrow[0], {Name: "docker.containers.restart", Scope: []string{"web-*"}}}
		}, abi.ConfirmRequired},
		"another digest that waits": {func(p *porter, q *abi.ModuleApproval) {
			p.list.Modules = append(p.list.Modules, other)
			q.Digest = digestB
		}, abi.ConfirmRequired},
		"a file that was replaced": {func(p *porter, _ *abi.ModuleApproval) { p.list.Modules[0] = other }, abi.Conflict},
		"a file that is gone":      {func(p *porter, _ *abi.ModuleApproval) { p.list.Modules = nil }, abi.NotFound},
		"a file that is refused now": {func(p *porter, _ *abi.ModuleApproval) {
			p.list.Modules[0].State, p.list.Modules[0].Why = abi.FileRefused, "it is older than the one before"
		}, abi.Conflict},
		"approvals that were switched off": {func(p *porter, _ *abi.ModuleApproval) { p.list.Approval = false }, abi.Denied},
		"other words":                      {func(p *porter, _ *abi.ModuleApproval) { p.list.Modules[0].Asks[1].Danger = abi.DangerNone }, abi.ConfirmRequired},
		"another author":                   {func(p *porter, _ *abi.ModuleApproval) { p.list.Modules[0].Author = "Eve" }, abi.ConfirmRequired},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPorter(uptime())
			act := p.asks(t, abi.OpModuleApprove, request)
			q := request
			test.changes(p, &q)
			c := warden(t, tapped(act))
			code, answer := p.call(t, c, abi.OpModuleApprove, q)
			if code != test.want || (len(p.calls) > 0) != (test.want == abi.OK) {
				t.Errorf("%v %s, it did %q", code, answer, p.calls)
			}
			if code == abi.OK && !reflect.DeepEqual(p.granted, narrow) {
				t.Errorf("granted %+v", p.granted)
			}
		})
	}
}

// What changes between the look and the act is not approved either.
func TestAFileThatChangesAtTheLastMoment(t *testing.T) {
	p := newPorter(uptime())
	request := abi.ModuleApproval{Name: "uptime", Digest: digestA}
	act := p.asks(t, abi.OpModuleApprove, request)
	pass := tapped(act)
	pass.Still = func() bool { p.list.Modules[0].Asks = p.list.Modules[0].Asks[:1]; return true }
	code, answer := p.call(t, warden(t, pass), abi.OpModuleApprove, request)
	mustRefuse(t, code, answer, abi.Conflict)
	if len(p.calls) > 0 {
		t.Errorf("it did %q", p.calls)
	}
	if last := p.record[len(p.record)-1]; last.Outcome != "conflict" {
		t.Errorf("recorded %+v", last)
	}
}

func TestWhoMayNotVouch(t *testing.T) {
	requests := map[string]any{
		abi.OpModuleApprove: abi.ModuleApproval{Name: "uptime", Digest: digestA},
		abi.OpModuleRefuse:  abi.ModuleRef{Name: "uptime", Digest: digestA},
		abi.OpModuleRevoke:  abi.ModuleRef{Name: "ship"},
	}
	everything := func(p *capability.Pass) *capability.Pass { p.Confirmed = &capability.Act{}; return p }
	for name, test := range map[string]struct {
		pass *capability.Pass
		want abi.Code
	}{
		"nobody":                      {nil, abi.Denied},
		"a user with all else":        {everything(&capability.Pass{Session: true, Durable: true, Private: true}), abi.Denied},
		"an admin without a session":  {everything(&capability.Pass{Admin: true, Durable: true, Private: true}), abi.AuthRequired},
		"whose act is not recorded":   {everything(&capability.Pass{Admin: true, Session: true, Private: true}), abi.Unavailable},
		"whose rights end meanwhile":  {&capability.Pass{Admin: true, Session: true, Durable: true, Still: func() bool { return false }}, abi.Denied},
		"who tapped for another file": {&capability.Pass{Admin: true, Session: true, Durable: true, Confirmed: &capability.Act{Capability: capability.ModulesApprove, Host: "modules", ID: digestB}}, abi.ConfirmRequired},
		"who acted already":           {&capability.Pass{Admin: true, Session: true, Durable: true, Acted: true}, abi.Denied},
	} {
		for op, request := range requests {
			if op == abi.OpModuleRefuse && (test.want == abi.ConfirmRequired || name == "who acted already") {
				continue // it needs no tap
			}
			p := newPorter(uptime())
			c := warden(t, capability.Pass{})
			c.Pass = test.pass
			if name == "whose rights end meanwhile" {
				asked := warden(t, full())
				if p.call(t, asked, op, request); asked.Demand != nil {
					c.Pass.Confirmed = &asked.Demand.Act
				}
				p.calls = nil
			}
			code, answer := p.call(t, c, op, request)
			if code != test.want || len(p.calls) > 0 {
				t.Errorf("%s, %s: %v %s, it did %q", name, op, code, answer, p.calls)
			}
			// Who has no session learns nothing of the files either.
			if code == abi.AuthRequired && c.Demand.Act != (capability.Act{Capability: operation(t, p.sources(), op).Capability}) {
				t.Errorf("%s: demands %+v", name, c.Demand)
			}
		}
	}
}

// A button of another module that leads here is confirmed for each act.
func TestABorrowedRefusalIsConfirmed(t *testing.T) {
	p := newPorter(uptime())
	request := abi.ModuleRef{Name: "uptime", Digest: digestA}
	pass := full()
	pass.Borrowed = true
	c := warden(t, pass)
	code, answer := p.call(t, c, abi.OpModuleRefuse, request)
	mustRefuse(t, code, answer, abi.ConfirmRequired)
	if code, _ := p.call(t, warden(t, full()), abi.OpModuleRefuse, request); code != abi.OK || !slices.Equal(p.calls, []string{"7 refuses uptime a1a1"}) {
		t.Errorf("%v, it did %q", code, p.calls)
	}
}

func TestRevoking(t *testing.T) {
	p := newPorter()
	act := p.asks(t, abi.OpModuleRevoke, abi.ModuleRef{Name: "ship"})
	if act.ID != digestB || act.Name != "ship 3" {
		t.Fatalf("to be confirmed is %+v", act)
	}
	if code, _ := p.call(t, warden(t, tapped(act)), abi.OpModuleRevoke, abi.ModuleRef{Name: "ship"}); code != abi.OK || !slices.Equal(p.calls, []string{"7 revokes ship b2b2"}) {
		t.Errorf("%v, it did %q", code, p.calls)
	}
	p.calls, p.running[1].Digest = nil, digestA
	code, answer := p.call(t, warden(t, tapped(act)), abi.OpModuleRevoke, abi.ModuleRef{Name: "ship"})
	mustRefuse(t, code, answer, abi.ConfirmRequired) // another file runs by now
	for name, test := range map[string]struct {
		ref  abi.ModuleRef
		want abi.Code
	}{
		"a part of the bot": {abi.ModuleRef{Name: "core"}, abi.Denied},
		"trusted by nobody": {abi.ModuleRef{Name: "odd"}, abi.Denied},
		"another digest":    {abi.ModuleRef{Name: "ship", Digest: digestB}, abi.Conflict},
		"none of that name": {abi.ModuleRef{Name: "nowhere"}, abi.NotFound},
		"no name":           {abi.ModuleRef{}, abi.Invalid},
	} {
		if code, answer := p.call(t, warden(t, full()), abi.OpModuleRevoke, test.ref); code != test.want || len(p.calls) > 0 {
			t.Errorf("%s: %v %s", name, code, answer)
		}
	}
}

func TestGrantsThatCannotBe(t *testing.T) {
	list, restart := "docker.containers.list", "docker.containers.restart"
	g := func(name string, scope ...string) abi.GrantedCapability {
		return abi.GrantedCapability{Name: name, Scope: scope}
	}
	for name, grants := range map[string][]abi.GrantedCapability{
		"one is left out":    {g(list, "db")},
		"one twice":          {g(list, "db"), g(restart, "db"), g(restart, "web-*")},
		"one that is new":    {g(list, "db"), g(restart, "db"), g("docker.containers.remove", "db")},
		"vouching itself":    {g(list, "db"), g(restart, "db"), g("bot.modules.approve")},
		"without a pattern":  {g(list), g(restart, "db")},
		"nonsense":           {g(list, "db"), g(restart, "label:")},
		"beyond what it ask": {g(list, "db"), g(restart, "*")},
	} {
		c := warden(t, full())
		code, answer := newPorter(uptime()).call(t, c, abi.OpModuleApprove, abi.ModuleApproval{Name: "uptime", Digest: digestA, Grants: grants})
		if code != abi.Invalid || c.Demand != nil {
			t.Errorf("%s: %v %s, demands %+v", name, code, answer, c.Demand)
		}
	}
}

func TestHowModuleActsEndIsRecorded(t *testing.T) {
	for _, test := range []struct {
		done abi.ModuleDone
		err  error
		want string
	}{
		{abi.ModuleDone{Changed: true}, nil, "done"},
		{abi.ModuleDone{}, nil, "unchanged"},
		{abi.ModuleDone{}, refuse(abi.NotFound, "It is gone."), "not_found"},
		{abi.ModuleDone{}, errors.New(secret), "internal"},
	} {
		p := newPorter(uptime())
		p.done, p.err = test.done, test.err
		p.call(t, warden(t, full()), abi.OpModuleRefuse, abi.ModuleRef{Name: "uptime", Digest: digestA})
		if n := len(p.record); n != 2 || p.record[0].Outcome != "begun" || p.record[1].Outcome != test.want {
			t.Errorf("recorded %+v, want %s", p.record, test.want)
		}
	}
}

// What is shown before an approval hides nothing that is dangerous, is in the
// host's words, and stays short: else it is refused (F6).
func TestWhatAnApprovalLists(t *testing.T) {
	many := func(n, danger, words int) (file abi.PendingModule) {
		file = uptime()
		file.Asks = nil
		names := capability.Names()
		for i := range n {
			file.Asks = append(file.Asks, abi.AskedCapability{Name: string(names[i]), Words: fmt.Sprint(i) + strings.Repeat("x", words), Danger: danger})
		}
		return file
	}
	details := func(file abi.PendingModule) (string, error) {
		var list []asked
		for _, a := range file.Asks {
			list = append(list, asked{name: a.Name, words: a.Words, danger: a.Danger})
		}
		return mayDo(list)
	}
	t.Run("what is harmless is counted", func(t *testing.T) {
		file := many(20, abi.DangerNone, 400)
		file.Asks[19].Danger = abi.DangerMost
		text, err := details(file)
		if err != nil || !strings.HasPrefix(text, "It may:\n🔴 19x") || !strings.Contains(text, "and 14 more, which read no more") {
			t.Errorf("%v %q", err, text)
		}
		if n := len(utf16.Encode([]rune(text))); n > maxDetails+200 {
			t.Errorf("%d units", n)
		}
	})
	for _, danger := range []int{abi.DangerSome, abi.DangerMuch, abi.DangerMost, 99, -1} {
		if text, err := details(many(20, danger, 400)); err == nil || public(err).Code != abi.Limit {
			t.Errorf("danger %d: %v %q", danger, err, text)
		}
	}
	t.Run("nothing", func(t *testing.T) {
		if text, err := details(many(0, 0, 0)); err != nil || text != "It may do nothing beyond answering." {
			t.Errorf("%v %q", err, text)
		}
	})
	t.Run("words of several lines", func(t *testing.T) {
		file := many(1, abi.DangerMost, 0)
		file.Asks[0].Words = "restart\nIt may:\nnothing\u202e"
		if text, _ := details(file); strings.Count(text, "\n") != 1 || strings.Contains(text, "\u202e") {
			t.Errorf("%q", text)
		}
	})
	t.Run("the author's words", func(t *testing.T) {
		file := uptime()
		file.Author, file.Version = strings.Repeat("Ada\n\nApproved. ", 100), "1\n2\u202e"+strings.Repeat("3", 100)
		file.Asks[0].Reason = "because I say so"
		act := newPorter(file).asks(t, abi.OpModuleApprove, abi.ModuleApproval{Name: "uptime", Digest: digestA})
		if len([]rune(act.By)) > maxShownAuthor || strings.ContainsAny(act.By+act.Name, "\n\u202e") || len(act.Name) > 80 || strings.Contains(act.Details, "because") {
			t.Errorf("%+v", act)
		}
	})
}

func TestPendingFilesAreForAdmins(t *testing.T) {
	p := newPorter(uptime())
	for role, want := range map[string]abi.Code{abi.RoleAdmin: abi.OK, abi.RoleUser: abi.Denied, abi.RoleModule: abi.Denied} {
		c, _ := callerWith(grantOf(t, capability.BotModules), role)
		if code, answer := p.call(t, c, abi.OpModulesPending, abi.PendingQuery{}); code != want {
			t.Errorf("%s: %v %s", role, code, answer)
		}
	}
	c, _ := callerWith(grantOf(t, capability.BotModules), abi.RoleAdmin)
	c.Log = zap.NewNop()
	if code, answer := operation(t, Sources{}, abi.OpModulesPending).Call(t.Context(), c, []byte(`{}`)); code != abi.OK || string(answer) != `{"modules":[],"total":0,"approval":false}` {
		t.Errorf("without a folder: %v %s", code, answer)
	}
}

// TestAttackNamesakes: whoever fills the folder with files of one name keeps no admin from
// the one that is meant.
func TestAttackNamesakes(t *testing.T) {
	p := newPorter()
	for n := range 60 {
		f := uptime()
		f.File, f.Digest = fmt.Sprintf("a%d.wasm", n), fmt.Sprintf("%064x", n)
		f.Asks = []abi.AskedCapability{{Name: "docker.containers.restart", Scope: slices.Repeat([]string{strings.Repeat("y", 250)}, 250)}}
		p.list.Modules = append(p.list.Modules, f)
	}
	p.list.Modules = append(p.list.Modules, uptime())
	for _, digest := range []string{digestA, digestA[:32]} {
		c, _ := callerWith(grantOf(t, capability.BotModules), abi.RoleAdmin)
		code, answer := p.call(t, c, abi.OpModulesPending, abi.PendingQuery{Name: "uptime", Digest: digest})
		var list abi.PendingList
		if err := json.Unmarshal(answer, &list); code != abi.OK || err != nil || len(list.Modules) != 1 || list.Modules[0].Digest != digestA {
			t.Errorf("%v, %v: %.200s", code, err, answer)
		}
	}
}

// A folder of files with the longest manifests there are can be listed, and each
// of its files can be looked at.
func TestManyLongFilesCanBeListed(t *testing.T) {
	p := newPorter()
	for n := range 500 {
		f := uptime()
		f.Name, f.Digest = fmt.Sprint("m", n), fmt.Sprintf("%064x", n)
		f.Author, f.Version, f.Why = strings.Repeat("<", 256), strings.Repeat("<", 256), strings.Repeat("<", 256)
		f.Asks = nil
		for range 64 {
			f.Asks = append(f.Asks, abi.AskedCapability{Name: strings.Repeat("x", 256), Scope: slices.Repeat([]string{strings.Repeat("y", 14)}, 64), Words: strings.Repeat("z", 900), Danger: abi.DangerMost})
		}
		p.list.Modules = append(p.list.Modules, f)
	}
	p.list.Modules[7].State = abi.FileRefused
	ask := func(q abi.PendingQuery) (list abi.PendingList) {
		t.Helper()
		c, _ := callerWith(grantOf(t, capability.BotModules), abi.RoleAdmin)
		code, answer := p.call(t, c, abi.OpModulesPending, q)
		if code != abi.OK {
			t.Fatalf("%+v: %v %.200s", q, code, answer)
		}
		if err := json.Unmarshal(answer, &list); err != nil || list.Total != 500 || list.Refused != 1 || !list.Approval {
			t.Fatalf("%+v: %v, %d of %d", q, err, list.Refused, list.Total)
		}
		return list
	}
	for q, want := range map[abi.PendingQuery]string{
		{}:                           "20 from m0",
		{Offset: 498, Count: 5}:      "2 from m498",
		{Offset: 10, Count: 1 << 30}: "20 from m10",
		{Offset: 1 << 40}:            "0",
		{Name: "m3"}:                 "1 from m3",
		{Name: "nowhere"}:            "0",
	} {
		list := ask(q)
		got := fmt.Sprint(len(list.Modules))
		if len(list.Modules) > 0 {
			got += " from " + list.Modules[0].Name
		}
		if got != want {
			t.Errorf("%+v: %s, want %s", q, got, want)
		}
	}
	if full := ask(abi.PendingQuery{Name: "m3"}).Modules[0].Asks[0]; len(full.Scope) != 64 || full.Words == "" {
		t.Errorf("in full it is %+v", full)
	}
}

func FuzzApproval(f *testing.F) {
	f.Add([]byte(`{"name":"uptime","digest":"` + digestA + `","grants":[{"name":"docker.containers.list","scope":["db"]}]}`))
	f.Add([]byte(`{"name":"uptime","digest":"A1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newPorter(uptime()).sources()
		approval, act, err := s.approval(t.Context(), data)
		if err != nil {
			return
		}
		if approval.Digest != digestA || len(approval.Grants) != 2 || !strings.HasPrefix(act.ID, digestA+"/") {
			t.Errorf("%s: %+v, %+v", data, approval, act)
		}
	})
}

// What the config leaves is what is approved if nothing else is chosen. A scope of the
// config that lies beside what is asked is no reason to refuse: it holds all the same.
func TestAnApprovalWithinTheConfig(t *testing.T) {
	for _, test := range []struct{ config, want []string }{
		{[]string{"web-1"}, []string{"web-1"}},
		{[]string{"web-1", "ldap"}, []string{"web-*", "db"}},
		{[]string{"*-1"}, []string{"web-*", "db"}},
	} {
		file := uptime()
		file.Asks[1].Narrowed = test.config
		p := newPorter(file)
		request := abi.ModuleApproval{Name: "uptime", Digest: digestA}
		act := p.asks(t, abi.OpModuleApprove, request)
		if words := capability.Words(capability.ContainersRestart, test.want); !strings.Contains(act.Details, "🔴 "+words+" (new)") {
			t.Errorf("%q: %s", test.config, act.Details)
		}
		if code, answer := p.call(t, warden(t, tapped(act)), abi.OpModuleApprove, request); code != abi.OK || !slices.Equal(p.granted[1].Scope, test.want) {
			t.Errorf("%q: %v %s, granted %+v", test.config, code, answer, p.granted)
		}
	}
}
