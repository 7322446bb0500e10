package capability

import (
	"reflect"
	"slices"
	"testing"
)

var (
	free    = Need{}
	reading = Need{Session: true}
	acting  = Need{Admin: true, Session: true}
	ruinous = Need{Admin: true, Session: true, Confirm: true}
	private = Need{Session: true, Private: true}
	all     = Need{Admin: true, Session: true, Confirm: true, Private: true}
	stopWeb = Act{Capability: ContainersStop, Host: "local", ID: "0123456789abcdef", Name: "web"}
)

// everyNeed is each that there could be.
func everyNeed() (list []Need) {
	for bits := range 1 << 4 {
		on := func(bit int) bool { return bits>>bit&1 == 1 }
		list = append(list, Need{Admin: on(0), Session: on(1), Confirm: on(2), Private: on(3)})
	}
	return list
}

// TestNeedsOfCapabilities lists what each capability demands (A5, B7, B8).
func TestNeedsOfCapabilities(t *testing.T) {
	needs := map[Name]Need{
		MetricsHost: free, MetricsCPU: free, MetricsMemory: free, MetricsDisk: free, MetricsSensors: free,
		MetricsProcesses: free, MetricsUsers: free, DockerInfo: free, BotModules: free,
		ContainersList: free, ContainersInspect: free, ContainersStats: free,
		MetricsNetwork: free, MetricsHistory: free, BotHealth: free,
		ImagesList: free, ImagesInspect: free, ImagesHistory: free, ImagesUpdates: free,

		HTTPFetch: free, KV: free, Schedule: free, Notify: free, DockerEvents: free,
		ModulesApprove: ruinous, ModulesRevoke: ruinous, ModulesRefuse: acting,

		ContainersLogs: reading, ContainersRuntime: reading, ContainersEnv: private,

		ContainersStart: acting, ContainersPause: acting, ContainersUnpause: acting, ContainersRename: acting,
		ContainersStop: ruinous, ContainersRestart: ruinous, ContainersKill: ruinous, ContainersRemove: ruinous,
	}
	for _, name := range Names() {
		want, listed := needs[name]
		if !listed {
			t.Errorf("%s is not listed here: what does it demand?", name)
		}
		if got := NeedOf(name); got != want {
			t.Errorf("%s demands %+v, want %+v", name, got, want)
		}
		if got := NeedOf(name).Acts(); got != (want.Admin || want.Confirm) {
			t.Errorf("%s acts: %v", name, got)
		}
	}
	if len(needs) != len(Names()) {
		t.Errorf("%d capabilities are listed, there are %d", len(needs), len(Names()))
	}
	for _, unknown := range []Name{"", "docker.exec", "docker.containers.Stop", "docker.containers.list "} {
		if got := NeedOf(unknown); got != all || !got.Acts() {
			t.Errorf("%q demands %+v", unknown, got)
		}
	}
}

func TestDecide(t *testing.T) {
	admin := Pass{Admin: true, Durable: true}
	session := Pass{Admin: true, Durable: true, Session: true}
	with := func(p Pass, change func(*Pass)) Pass { change(&p); return p }
	confirmed := func(a Act) func(*Pass) { return func(p *Pass) { p.Confirmed = &a } }
	borrowed := func(p *Pass) { p.Borrowed = true }
	acted := func(p *Pass) { p.Acted = true }
	inPrivate := func(p *Pass) { p.Private = true }
	broken := func(p *Pass) { p.Durable = false }
	other := func(change func(*Act)) Pass {
		a := stopWeb
		change(&a)
		return with(session, confirmed(a))
	}
	for _, test := range []struct {
		name string
		need Need
		pass Pass
		want Decision
	}{
		{"what needs nothing, with nothing", free, Pass{}, Decision{Allow, ReasonFree}},
		{"what needs nothing, after an act", free, with(session, acted), Decision{Allow, ReasonFree}},
		{"what needs nothing, borrowed", free, with(Pass{}, borrowed), Decision{Allow, ReasonFree}},
		{"what needs nothing, while the state is broken", free, with(session, broken), Decision{Allow, ReasonFree}},

		{"an act with nothing", acting, Pass{}, Decision{Refuse, ReasonAdmins}},
		{"a user with a session", acting, Pass{Session: true, Durable: true}, Decision{Refuse, ReasonAdmins}},
		{"a user who confirmed", ruinous, with(Pass{Session: true, Durable: true}, confirmed(stopWeb)), Decision{Refuse, ReasonAdmins}},
		{"a user reads what needs a session", reading, Pass{Session: true}, Decision{Refuse, ReasonAdmins}},

		{"reading without a session", reading, admin, Decision{AskSession, ReasonSession}},
		{"reading with one", reading, session, Decision{Allow, ReasonHeld}},
		{"reading with one, borrowed", reading, with(session, borrowed), Decision{Allow, ReasonHeld}},
		{"reading with one, while the state is broken", reading, with(session, broken), Decision{Allow, ReasonHeld}},
		{"reading with one, after an act", reading, with(session, acted), Decision{Allow, ReasonHeld}},
		{"reading without one, after an act", reading, with(admin, acted), Decision{Refuse, ReasonActed}},

		{"what is for private chats, in one", private, with(session, inPrivate), Decision{Allow, ReasonHeld}},
		{"in one, without a session", private, with(admin, inPrivate), Decision{AskSession, ReasonSession}},
		{"in a group", private, session, Decision{Refuse, ReasonPrivate}},
		{"in a group nobody is asked for a code", private, admin, Decision{Refuse, ReasonPrivate}},
		{"in a group, by a user", private, Pass{}, Decision{Refuse, ReasonAdmins}},
		{"in private, by a user", private, with(Pass{Session: true}, inPrivate), Decision{Refuse, ReasonAdmins}},
		{"what nobody classified, in a group", all, with(session, confirmed(stopWeb)), Decision{Refuse, ReasonPrivate}},
		{"and in private", all, with(with(session, confirmed(stopWeb)), inPrivate), Decision{Allow, ReasonApproved}},
		{"a private chat is no session", acting, with(admin, inPrivate), Decision{AskSession, ReasonSession}},

		{"an act without a session", acting, admin, Decision{AskSession, ReasonSession}},
		{"an act with one", acting, session, Decision{Allow, ReasonHeld}},
		{"an act, while the state is broken", acting, with(session, broken), Decision{Refuse, ReasonState}},
		{"an act without a session, while the state is broken", acting, with(admin, broken), Decision{Refuse, ReasonState}},
		{"a second act", acting, with(session, acted), Decision{Allow, ReasonHeld}},
		{"a second act, the session gone", acting, with(admin, acted), Decision{Refuse, ReasonActed}},
		{"a borrowed act", acting, with(session, borrowed), Decision{AskConfirm, ReasonConfirm}},
		{"a borrowed act without a session", acting, with(admin, borrowed), Decision{AskSession, ReasonSession}},
		{"a borrowed act that is confirmed", acting, with(with(session, borrowed), confirmed(stopWeb)), Decision{Allow, ReasonApproved}},
		{"a borrowed second act", acting, with(with(session, borrowed), acted), Decision{Refuse, ReasonOne}},

		{"a ruinous act without a session", ruinous, admin, Decision{AskSession, ReasonSession}},
		{"confirmed, without a session", ruinous, with(admin, confirmed(stopWeb)), Decision{AskSession, ReasonSession}},
		{"with a session", ruinous, session, Decision{AskConfirm, ReasonConfirm}},
		{"confirmed", ruinous, with(session, confirmed(stopWeb)), Decision{Allow, ReasonApproved}},
		{"confirmed, while the state is broken", ruinous, with(with(session, confirmed(stopWeb)), broken), Decision{Refuse, ReasonState}},
		{"a second one", ruinous, with(session, acted), Decision{Refuse, ReasonOne}},
		{"a second one, the session gone", ruinous, with(admin, acted), Decision{Refuse, ReasonActed}},

		{"another capability was confirmed", ruinous, other(func(a *Act) { a.Capability = ContainersKill }), Decision{AskConfirm, ReasonConfirm}},
		{"another host", ruinous, other(func(a *Act) { a.Host = "edge" }), Decision{AskConfirm, ReasonConfirm}},
		{"another container", ruinous, other(func(a *Act) { a.ID = "f" + a.ID[1:] }), Decision{AskConfirm, ReasonConfirm}},
		{"a beginning of its id", ruinous, other(func(a *Act) { a.ID = a.ID[:12] }), Decision{AskConfirm, ReasonConfirm}},
		{"it was renamed since", ruinous, other(func(a *Act) { a.Name = "db" }), Decision{AskConfirm, ReasonConfirm}},
		{"nothing in particular", ruinous, with(session, confirmed(Act{})), Decision{AskConfirm, ReasonConfirm}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Decide(test.need, test.pass, stopWeb); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// TestNoTapApprovesWhatHasNoTarget: two acts on nothing are equal.
func TestNoTapApprovesWhatHasNoTarget(t *testing.T) {
	for _, nothing := range []Act{{}, {Capability: ContainersStop}, {Capability: ContainersStop, Host: "local", Name: "web"}} {
		pass := Pass{Admin: true, Session: true, Durable: true, Confirmed: &nothing}
		if got := Decide(ruinous, pass, nothing); got.Verdict != AskConfirm {
			t.Errorf("%+v: %+v", nothing, got)
		}
	}
}

func TestZeroPassAndZeroDecision(t *testing.T) {
	for _, name := range append(Names(), "", "unknown") {
		need := NeedOf(name)
		got := Decide(need, Pass{}, stopWeb)
		if (got.Verdict == Allow) != (need == free) || (got.Verdict != Allow && got != Decision{Refuse, ReasonAdmins}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if (Decision{}).Verdict != Refuse {
		t.Error("the zero Decision does not refuse")
	}
}

// TestDecideHoldsItsRules goes through every pass there is.
func TestDecideHoldsItsRules(t *testing.T) {
	target := func(n int) *Act {
		return []*Act{nil, {}, {Capability: ContainersStop, Host: "local", ID: "0123456789abcdef", Name: "web"}, {Capability: ContainersKill, Host: "local", ID: "0123456789abcdef", Name: "web"}}[n]
	}
	allowed := map[string]bool{}
	for _, need := range everyNeed() {
		for bits := range 1 << 6 {
			for confirmed := range 4 {
				on := func(bit int) bool { return bits>>bit&1 == 1 }
				pass := Pass{Admin: on(0), Session: on(1), Durable: on(2), Borrowed: on(3), Acted: on(4), Private: on(5), Confirmed: target(confirmed)}
				before := pass
				got := Decide(need, pass, stopWeb)
				taps := pass.Confirmed != nil && *pass.Confirmed == stopWeb
				for broken, is := range map[string]bool{
					"confirmed by nobody":               got.Verdict == Allow && need.Confirm && !taps,
					"borrowed, and confirmed by nobody": got.Verdict == Allow && need.Acts() && pass.Borrowed && !taps,
					"allowed without a session":         got.Verdict == Allow && need.Session && !pass.Session,
					"allowed to somebody else":          got.Verdict == Allow && need != free && !pass.Admin,
					"acts without a record":             got.Verdict == Allow && need.Acts() && !pass.Durable,
					"asks after it acted":               pass.Acted && (got.Verdict == AskSession || got.Verdict == AskConfirm),
					"asks who may not":                  !pass.Admin && (got.Verdict == AskSession || got.Verdict == AskConfirm),
					"asks for a session that there is":  got.Verdict == AskSession && pass.Session,
					"asks for a tap before a session":   got.Verdict == AskConfirm && need.Session && !pass.Session,
					"asks for a tap that came":          got.Verdict == AskConfirm && taps,
					"shown to a group":                  got.Verdict != Refuse && need.Private && !pass.Private,
					"gives no reason":                   got.Reason == "",
					"changed the pass":                  !reflect.DeepEqual(pass, before),
				} {
					if is {
						t.Errorf("%s: %+v, %+v: %+v", broken, need, pass, got)
					}
				}
				if got.Verdict == Allow {
					allowed[got.Reason] = true
				}
			}
		}
	}
	if len(allowed) != 3 {
		t.Errorf("allowed for %v only", allowed)
	}
}

// FuzzConfirmedActIsTheAct: of two acts that differ anywhere the one does not
// stand for the other.
func FuzzConfirmedActIsTheAct(f *testing.F) {
	f.Add("docker.containers.stop", "local", "0123", "web", "", "docker.containers.stop", "local", "0123", "web", "")
	f.Add("docker.containers.stop", "local", "", "", "", "docker.containers.stop", "local", "", "", "")
	f.Add("docker.containers.stop", "lo", "cal0123", "web", "", "docker.containers.stop", "local", "0123", "web", "")
	f.Add("bot.modules.approve", "modules", "0123", "up 1", "It may:", "bot.modules.approve", "modules", "0123", "up 1", "It may do:")
	f.Fuzz(func(t *testing.T, c1, h1, i1, n1, d1, c2, h2, i2, n2, d2 string) {
		act, tapped := Act{Name(c1), h1, i1, n1, n1, d1}, Act{Name(c2), h2, i2, n2, n2, d2}
		pass := Pass{Admin: true, Session: true, Durable: true, Confirmed: &tapped}
		same := slices.Equal([]string{c1, h1, i1, n1, d1}, []string{c2, h2, i2, n2, d2})
		if got := Decide(ruinous, pass, act).Verdict; got != Allow && got != AskConfirm || (got == Allow) != (same && i1 != "") {
			t.Errorf("%+v, tapped %+v: %v", act, tapped, got)
		}
	})
}
