package health

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

var noon = time.Date(2026, time.January, 1, 12, 0, 0, 0, time.UTC)

func before(d time.Duration) time.Time { return noon.Add(-d) }

func TestFindings(t *testing.T) {
	secret := errors.New("dial unix /run/secret.sock")
	away := errors.Join(&abi.Error{Code: abi.Unavailable, Message: "There is no Docker socket at /run/docker.sock."}, secret)
	for _, test := range []struct {
		name  string
		found Finding
		state string
		// detail is for everybody, reason for admins.
		detail, reason string
		since          time.Time
	}{
		{"polling", receiving(Link{By: ByPolling, Connected: true, Since: before(time.Hour), LastSuccess: before(12 * time.Second)}, noon),
			abi.HealthOK, "The bot asks Telegram for updates. The last contact was 12 seconds ago.", "", before(time.Hour)},
		{"polling begins", receiving(Link{By: ByPolling, Since: noon}, noon), abi.HealthOK, "The bot begins to ask Telegram for updates.", "", noon},
		{"polling is silent", receiving(Link{By: ByPolling, Connected: true, LastSuccess: before(121 * time.Second)}, noon),
			abi.HealthWarn, "Telegram does not answer. The last contact was 2 minutes ago.", "", time.Time{}},
		{"polling fails", receiving(Link{By: ByPolling, Since: before(time.Minute), LastSuccess: before(time.Hour), LastError: "connection refused"}, noon),
			abi.HealthFail, "Telegram cannot be reached. The last contact was 60 minutes ago.", "connection refused.", before(time.Minute)},
		{"token refused", receiving(Link{By: ByPolling, Unauthorized: true, LastError: "Unauthorized"}, noon), abi.HealthFail, "Telegram refuses the bot's token.", "", time.Time{}},
		{"webhook", receiving(Link{By: ByWebhook, Connected: true, LastSuccess: before(30 * time.Second)}, noon),
			abi.HealthOK, "Telegram brings updates to the webhook. The last contact was 30 seconds ago.", "", time.Time{}},
		{"webhook, Telegram away", receiving(Link{By: ByWebhook, Connected: true, LastSuccess: before(5 * time.Minute)}, noon),
			abi.HealthWarn, "Telegram does not answer. The last contact was 5 minutes ago.", "", time.Time{}},
		{"webhook begins", receiving(Link{By: ByWebhook}, noon), abi.HealthOK, "The webhook is being registered.", "", time.Time{}},
		{"webhook fails", receiving(Link{By: Instead, Connected: true, LastSuccess: noon, LastError: "bad certificate"}, noon), abi.HealthWarn,
			"The webhook does not work, so the bot asks Telegram for updates. The last contact was 0 seconds ago.", "bad certificate.", time.Time{}},
		{"both fail", receiving(Link{By: Instead, LastError: "no route"}, noon), abi.HealthFail, "Telegram cannot be reached.", "no route.", time.Time{}},

		{"sending", sending(Link{Connected: true, LastSuccess: before(3 * time.Hour), LastError: "before that"}, noon), abi.HealthOK, "Messages get out; the last one did 3 hours ago.", "", time.Time{}},
		{"nothing sent", sending(Link{Since: noon}, noon), abi.HealthOK, "Nothing was sent yet.", "", noon},
		{"sending fails", sending(Link{LastError: "timeout"}, noon), abi.HealthFail, "Messages do not get out; they wait.", "timeout.", time.Time{}},
		{"sending refused", sending(Link{Unauthorized: true}, noon), abi.HealthFail, "Telegram refuses the bot's token.", "", time.Time{}},

		{"engine", engine("local", 1, abi.DockerInfo{Version: "20.10.24", EngineResponseMS: 1.26}, nil), abi.HealthOK, "Engine 20.10.24 answers in 1.3 ms.", "", time.Time{}},
		{"engine without a version", engine("local", 1, abi.DockerInfo{}, nil), abi.HealthOK, "Engine of an unknown version answers in 0.0 ms.", "", time.Time{}},
		{"engine away", engine("local", 1, abi.DockerInfo{}, away), abi.HealthFail, "The engine does not answer.", "There is no Docker socket at /run/docker.sock.", time.Time{}},
		{"engine fails in an unknown way", engine("local", 1, abi.DockerInfo{}, secret), abi.HealthFail, "The engine does not answer.", "", time.Time{}},

		{"state", journal(State{Disk: Disk{Path: "/state"}, Waiting: 1, Free: 1 << 40, FreeKnown: true}), abi.HealthOK, "It can be written; 1 update is under way.", "", time.Time{}},
		{"state of an unknown disk", journal(State{Disk: Disk{Path: "/state"}, Waiting: 3}), abi.HealthOK, "It can be written; 3 updates are under way.", "", time.Time{}},
		{"state in memory", journal(State{}), abi.HealthOK, "It is kept in memory, and ends with the bot.", "", time.Time{}},
		{"state unwritable", journal(State{Disk: Disk{Path: "/state", Unwritable: true, Since: noon, LastError: "no space left on device"}, Free: 0, FreeKnown: true}),
			abi.HealthFail, "The state cannot be written, so nothing is done that has to be recorded.", "It is in /state. no space left on device.", noon},
		{"disk full", journal(State{Disk: Disk{Path: "/state", Since: noon}, Free: noSpace - 1, FreeKnown: true}), abi.HealthFail, "The disk of the state is full: 15 MiB are free.", "It is in /state.", time.Time{}},
		{"disk nearly full", journal(State{Disk: Disk{Path: "/state", Since: noon}, Free: littleSpace - 1, FreeKnown: true}), abi.HealthWarn, "The disk of the state is nearly full: 255 MiB are free.", "It is in /state.", time.Time{}},
		{"many wait", journal(State{Disk: Disk{Path: "/state"}, Waiting: manyWaiting + 1, Free: 1 << 40, FreeKnown: true}), abi.HealthWarn, "201 updates wait to be handled.", "", time.Time{}},

		{"audit", trail(Disk{Path: "/state"}), abi.HealthOK, "Records are written.", "", time.Time{}},
		{"audit in memory", trail(Disk{}), abi.HealthOK, "It is kept in memory, and ends with the bot.", "", time.Time{}},
		{"audit unwritable", trail(Disk{Path: "/state", Unwritable: true, LastError: "something else wrote to /state/audit.jsonl"}), abi.HealthFail,
			"Records cannot be written, so nothing is done that has to be recorded.", "something else wrote to /state/audit.jsonl.", time.Time{}},

		{"modules", modules([]Module{{Name: "core"}, {Name: "server"}, {Name: "manage", Refused: "empty grant", Unwanted: true}}), abi.HealthOK, "2 modules loaded.", "", time.Time{}},
		{"modules load", modules([]Module{{Name: "core"}, {Name: "server", Loading: true}}), abi.HealthOK, "1 module loaded; 1 module still loading.", "", time.Time{}},
		{"modules off", modules([]Module{{Name: "core"}, {Name: "server", OffUntil: noon}, {Name: "x", Refused: "no signature"}}), abi.HealthWarn,
			"1 module loaded; switched off after faults: server; not loaded: x.", "server comes back by itself at 12:00. x: no signature.", time.Time{}},
		{"no modules", modules(nil), abi.HealthFail, "0 modules loaded.", "", time.Time{}},
		{"all modules off", modules([]Module{{Name: "core", OffUntil: noon}}), abi.HealthFail, "0 modules loaded; switched off after faults: core.", "core comes back by itself at 12:00.", time.Time{}},

		{"history", sampler(Samples{Last: before(9 * time.Second), Every: 10 * time.Second, LastError: "old"}, before(time.Hour), noon), abi.HealthOK, "Figures are kept every 10 seconds.", "", time.Time{}},
		{"history begins", sampler(Samples{Every: 10 * time.Second}, before(20*time.Second), noon), abi.HealthOK, "The first figures are being measured.", "", time.Time{}},
		{"history stands", sampler(Samples{Last: before(61 * time.Second), Every: 10 * time.Second, LastError: "disk full"}, before(time.Hour), noon), abi.HealthWarn,
			"Nothing was measured for 61 seconds.", "disk full.", before(61 * time.Second)},
		{"history never began", sampler(Samples{Every: 10 * time.Second}, before(5*time.Minute), noon), abi.HealthWarn, "Nothing was measured for 5 minutes.", "", before(5 * time.Minute)},

		{"clock", clock(14*time.Second, true, noon), abi.HealthOK, "It goes with Telegram's.", "", time.Time{}},
		{"clock unknown", clock(0, false, noon), abi.HealthOK, "There is nothing to compare it with yet.", "", time.Time{}},
		{"clock ahead", clock(15*time.Second, true, noon), abi.HealthWarn, "The machine's clock is 15 seconds ahead of Telegram's.", "", time.Time{}},
		{"clock behind", clock(-3*time.Hour, true, noon), abi.HealthFail, "The machine's clock is 3 hours behind Telegram's.", "", time.Time{}},
		{"clock absurd", clock(math.MinInt64, true, noon), abi.HealthFail, "The machine's clock is 53375 days behind Telegram's.", "", time.Time{}},
		{"clock never set", clock(0, true, time.Unix(0, 0)), abi.HealthFail, "The machine's clock was never set: it shows 1970-01-01.", "", time.Time{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := test.found
			if f.State != test.state || f.Detail != test.detail || f.Reason != test.reason || !f.Since.Equal(test.since) {
				t.Errorf("got %+v", f)
			}
			if (f.Advice == "") != (f.State == abi.HealthOK) || f.Name == "" {
				t.Errorf("state %s with the advice %q", f.State, f.Advice)
			}
			if strings.Contains(f.Detail+f.Reason, "secret") {
				t.Error("an error's own text is in it")
			}
		})
	}
}

func TestLongListsOfModulesAreCut(t *testing.T) {
	var list []Module
	for _, name := range strings.Split("abcdefgh", "") {
		list = append(list, Module{Name: name, Refused: "no"})
	}
	f := modules(list)
	if want := "0 modules loaded; not loaded: a, b, c, d, e and 3 others."; f.Detail != want || strings.Contains(f.Reason, "f:") {
		t.Errorf("%q, %q", f.Detail, f.Reason)
	}
}

// fixed is a part that is always found so.
func fixed(state *string) Part {
	return always(func() Finding {
		return Finding{Name: "x", State: *state, Detail: "Detail.", Reason: "Reason.", Advice: "Advice."}
	})
}

func TestSinceIsWhenAChangeWasSeen(t *testing.T) {
	state, now := abi.HealthOK, noon
	c := &Check{Now: func() time.Time { return now }, Parts: []Part{fixed(&state)}}
	for _, step := range []struct {
		state string
		since time.Duration // after noon; below zero: unknown
	}{{abi.HealthOK, -1}, {abi.HealthOK, -1}, {abi.HealthFail, 2}, {abi.HealthFail, 2}, {abi.HealthWarn, 4}, {abi.HealthOK, 5}, {abi.HealthOK, 5}} {
		state = step.state
		want := noon.Add(step.since * time.Minute)
		if step.since < 0 {
			want = time.Time{}
		}
		if got := c.Look(t.Context()).Findings[0].Since; !got.Equal(want) {
			t.Errorf("at %v, %s: since %v, want %v", now, state, got, want)
		}
		now = now.Add(time.Minute)
	}
	// What fails when it is looked at first has failed since then at least.
	state = abi.HealthFail
	c = &Check{Now: func() time.Time { return now }, Parts: []Part{fixed(&state)}}
	if got := c.Look(t.Context()).Findings[0].Since; !got.Equal(now) {
		t.Errorf("since %v", got)
	}
}

func TestWhatARoleMayKnow(t *testing.T) {
	state := abi.HealthFail
	r := (&Check{Version: "1.2.3", Started: before(time.Hour), Now: func() time.Time { return noon }, Parts: []Part{fixed(&state)}}).Look(t.Context())
	for role, want := range map[string]abi.Component{
		abi.RoleAdmin: {Name: "x", State: abi.HealthFail, Detail: "Detail. Reason.", Advice: "Advice.", Since: noon.UnixMilli()},
		abi.RoleUser:  {Name: "x", State: abi.HealthFail, Detail: "Detail.", Since: noon.UnixMilli()},
		"":            {Name: "x", State: abi.HealthFail, Detail: "Detail.", Since: noon.UnixMilli()},
	} {
		got := r.For(role)
		if len(got.Components) != 1 || got.Components[0] != want {
			t.Errorf("%q: %+v", role, got.Components)
		}
		if got.Version != "1.2.3" || got.Started != before(time.Hour).UnixMilli() || got.Memory < 1<<20 || got.Goroutines < 1 {
			t.Errorf("%q: %+v", role, got)
		}
	}
}

func TestTheWorstStateCounts(t *testing.T) {
	for _, test := range []struct{ states, want string }{
		{"", abi.HealthOK}, {"ok ok", abi.HealthOK}, {"ok warn ok", abi.HealthWarn}, {"warn fail ok", abi.HealthFail}, {"ok odd fail", "odd"},
	} {
		var r Report
		for _, state := range strings.Fields(test.states) {
			r.Findings = append(r.Findings, Finding{State: state})
		}
		if got := r.State(); got != test.want {
			t.Errorf("%q: %s", test.states, got)
		}
	}
}

// engines of which the second hangs, until the look ends.
type engines []string

func (e engines) Hosts() []string { return e }

func (e engines) Info(ctx context.Context, host string) (abi.DockerInfo, error) {
	if host != e[1] {
		return abi.DockerInfo{Version: "28.0.0"}, nil
	}
	<-ctx.Done()
	return abi.DockerInfo{}, &abi.Error{Code: abi.Timeout, Message: "Docker does not answer on tcp://192.0.2.7:2375."}
}

func TestAnEngineThatHangsHoldsUpNothingElse(t *testing.T) {
	state := abi.HealthOK
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	c := &Check{Now: time.Now, Parts: []Part{Docker(engines{"local", "nas", "pi"}), fixed(&state)}}
	r := c.Look(ctx)
	var got []string
	for _, f := range r.Findings {
		got = append(got, f.Name+" "+f.State+" "+f.Endpoint)
	}
	want := []string{"Docker on local ok local", "Docker on nas fail nas", "Docker on pi ok pi", "x ok "}
	if !slices.Equal(got, want) || r.Findings[1].Reason != "Docker does not answer on tcp://192.0.2.7:2375." {
		t.Errorf("found %q, %q", got, r.Findings[1].Reason)
	}
}
