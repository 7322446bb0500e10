package pipeline

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// smuggling is a module that reads a log when asked to, carries it along in its
// buttons, and makes a file of what it has: in the first answer, or later.
func (r *rig) smuggling() {
	r.unlimited()
	r.modules.set(func(_ context.Context, q abi.Request) (abi.Code, []byte, error) {
		v := words("at " + q.Command + q.Action)
		has := map[string]string{"log": "a line of it"}
		v.Keyboard = [][]abi.Button{{
			{Label: "File", Action: "file", Args: has},
			{Label: "More", Action: "more", Args: has},
			{Label: "Other", Command: "stats", Text: "a line of it"},
			{Label: "Back", Command: "view", Back: true},
		}}
		if q.Action == "file" || q.Command == "stats" {
			v.Blocks = append(v.Blocks, abi.Block{Kind: abi.BlockFile, File: &abi.File{Name: "log.txt", Data: []byte("a line of it")}})
		}
		return reply(v)
	})
	r.modules.of = map[string]string{"stats": "stats"}
}

// reads makes the next request one that reads what needs a session, or none.
func (r *rig) reads(name capability.Name) {
	r.modules.gate(func(pass *capability.Pass) error {
		if name != "" {
			pass.Revealed = name
		}
		return nil
	})
}

// Rule A5: what was read within a session goes into no group as a file, neither at
// once nor over the arguments of buttons, a view behind, or another module.
func TestAttackFilesIntoAGroup(t *testing.T) {
	const toFile, toMore, toOther, goBack = 0, 1, 2, 3
	for _, rule := range []struct {
		name string
		taps []int
	}{
		{"carried by a button", []int{toFile}},
		{"over several views", []int{toMore, toMore, toMore, toFile}},
		{"typed for another module", []int{toOther}},
		{"a view of before", []int{toMore, goBack, toFile}},
	} {
		t.Run(rule.name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.smuggling()
				r.reads(capability.ContainersLogs)
				r.expect(r.handles(typed(admin, group, "/view")), send(group, "at view"))
				r.reads("")
				var did []string
				for _, n := range rule.taps {
					did = r.handles(tapped(admin, group, r.buttons()[n]))
				}
				r.expect(did, "alert q1: "+textPrivateFile)
				if last := r.audit.entries[len(r.audit.entries)-1]; last.Event != "capability.denied" || last.Reason != capability.ReasonPrivate ||
					last.Capability != string(capability.ContainersLogs) || last.Module == "" || last.Decision != "deny" {
					t.Errorf("recorded %+v", last)
				}
				if !r.has("capability.denied") {
					t.Error("it is not in the log")
				}
			})
		})
	}
	t.Run("at once", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			r.smuggling()
			r.reads(capability.ContainersRuntime)
			r.expect(r.handles(typed(admin, group, "/stats")), send(group, textPrivateFile))
		})
	})
	t.Run("over a follow-up", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			r.unlimited()
			r.modules.set(func(_ context.Context, q abi.Request) (abi.Code, []byte, error) {
				v := words("at " + q.Command + q.Action)
				switch q.Action {
				case "":
					v.Again = &abi.Again{After: 1, Action: "more", Args: map[string]string{"log": "a line of it"}}
				case "more":
					v.Keyboard = [][]abi.Button{{{Label: "File", Action: "file", Args: q.Args}}}
				case "file":
					v.Blocks = append(v.Blocks, abi.Block{Kind: abi.BlockFile, File: &abi.File{Name: "log.txt", Data: []byte(q.Args["log"])}})
				}
				return reply(v)
			})
			r.reads(capability.ContainersLogs)
			r.handles(typed(admin, group, "/view"))
			r.reads("")
			r.passes(2 * time.Second)
			u := tapped(admin, group, r.buttons()[0])
			u.MessageID = 1001 // the first answer had no buttons
			r.expect(r.handles(u), "alert q1: "+textPrivateFile)
		})
	})
	t.Run("over a code that came meanwhile", func(t *testing.T) {
		withFactor(t, stopping, func(r *rig, _ *int) {
			r.smuggling()
			r.reads(capability.ContainersLogs)
			r.handles(typed(admin, group, "/view"))
			asked := false
			r.modules.gate(func(pass *capability.Pass) error {
				if !asked {
					asked = true
					return &capability.Asked{Verdict: capability.AskSession, Act: capability.Act{Capability: capability.ContainersRuntime}}
				}
				return nil
			})
			r.handles(tapped(admin, group, r.buttons()[toFile]))
			did := strings.Join(r.handles(typed(admin, group, "/"+r.factors.code(t, time.Now()))), "\n")
			if !strings.Contains(did, textPrivateFile) || strings.Contains(did, "file log.txt") {
				t.Errorf("the bot did %q", did)
			}
		})
	})
}

// What nobody has to have a session for is sent as ever, and so is everything in
// a private chat: for half a minute at most, if it was read within a session (B6).
func TestFilesThatAreSent(t *testing.T) {
	for _, rule := range []struct {
		name  string
		where int64
		reads capability.Name
		after int // what the module says
		stays time.Duration
	}{
		{"a report in a group", group, "", 0, 0},
		{"a report in private", admin, "", 0, 0},
		{"a log that the module would leave", admin, capability.ContainersLogs, 0, 30 * time.Second},
		{"or leave long", admin, capability.ContainersLogs, 300, 30 * time.Second},
		{"a log that goes sooner", admin, capability.ContainersLogs, 10, 10 * time.Second},
	} {
		t.Run(rule.name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) {
					return reply(abi.Reply{DeleteAfter: rule.after, Blocks: []abi.Block{{Kind: abi.BlockFile, File: &abi.File{Name: "x.txt", Data: []byte("x")}}}})
				})
				r.reads(rule.reads)
				r.expect(r.handles(typed(admin, rule.where, "/view")), send(rule.where, "file x.txt"))
				if in, _ := r.deleted(1001); in != rule.stays {
					t.Errorf("it stays %v, want %v", in, rule.stays)
				}
			})
		})
	}
}

// A pass says where a request came from.
func TestAPassKnowsPrivateChats(t *testing.T) {
	inBubble(t, func(r *rig) {
		for _, where := range []int64{admin, group} {
			r.handles(typed(admin, where, "/view"))
			if pass := r.modules.passes[len(r.modules.passes)-1]; pass.Private != (where == admin) || pass.Revealed != "" {
				t.Errorf("%s: %+v", fmt.Sprint(where), pass)
			}
		}
	})
}
