package pipeline

import (
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/twofactor"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// approving is what /manage does in these tests: it lets a module run.
func approving() capability.Act {
	return capability.Act{
		Capability: capability.ModulesApprove, Host: capability.HostModules, ID: strings.Repeat("ab", 32) + "/" + strings.Repeat("cd", 32),
		Name: "uptime 1.2.0", By: "Ada", Details: "It may:\n🔴 restart containers named web-*\n⚪️ see containers",
	}
}

// An approval needs a code, and then a tap on what says which file it is, who made
// it, and all that it may do (B7, B8, F2).
func TestAnApprovalSaysWhatItPermits(t *testing.T) {
	withFactor(t, approving(), func(r *rig, acted *int) {
		got := r.handles(typed(admin, admin, "/manage"))
		r.starts(got, r.toAdmin("🔐 A code, please"))
		if !strings.Contains(got[0], "bot.modules.approve (Approve a module)") {
			t.Errorf("the question is %q", got[0])
		}
		got = r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
		want := r.toAdmin(`❗ Approve the module uptime 1.2.0?
SHA-256: ` + strings.Repeat("ab", 32) + `
Made, it says, by: Ada
Asked for by module: mod

It may:
🔴 restart containers named web-*
⚪️ see containers

It runs from now on, within these bounds, until its file changes or an admin revokes it.

You have 60 seconds. Nothing happens without your tap.`)
		r.expect(got, want)
		if b := r.sender.inline()[0]; b[0].Label != "Approve uptime 1.2.0" || b[1].Label != "✖️ Cancel" {
			t.Errorf("the buttons are %+v", b)
		}
		r.starts(r.handles(tapped(admin, admin, r.buttons()[0])), "notice q1: ", r.toAdmin("done"))
		if *acted != 1 {
			t.Errorf("done %d times", *acted)
		}
	})
}

// What does not fit into one message is not asked: nobody could see what they
// confirm.
func TestAQuestionIsOneMessage(t *testing.T) {
	long := approving()
	long.Details = strings.Repeat("🔴 restart containers named web-*\n", 200)
	withFactor(t, long, func(r *rig, acted *int) {
		r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
		r.starts(r.handles(typed(admin, admin, "/manage")), r.toAdmin(textInternal))
		if *acted != 0 {
			t.Error("it acted")
		}
	})
	// As long as the host writes them.
	most := approving()
	most.Name, most.By, most.Details = strings.Repeat("🐳", 57), strings.Repeat("🐳", 60), strings.Repeat("x", 3000)
	withFactor(t, most, func(r *rig, _ *int) {
		r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
		r.handles(typed(admin, admin, "/manage"))
		if m := r.sender.last; units(m.Text) > chat.MaxText || !strings.Contains(m.Text, most.Details) || len(m.Inline) != 1 {
			t.Errorf("%d units: %q", units(m.Text), m.Text)
		}
	})
}

// None of the host's own words look like those of a module from elsewhere.
func TestNoPromptHasANameLine(t *testing.T) {
	for _, act := range []capability.Act{stopping, approving(), {Capability: capability.ModulesRevoke, Host: capability.HostModules, ID: "ab", Name: "x"}, {Capability: "made.up", ID: "x"}} {
		p := New(Config{Now: time.Now, Zone: time.UTC})
		for _, private := range []bool{true, false} {
			for _, enrolled := range []bool{true, false} {
				code := p.compose(codePrompt(act, "mod", twofactor.Standing{Enrolled: enrolled, Left: 3}, private))
				confirm, err := p.composeWhole(confirmPrompt(act, "mod"))
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(code.Text+confirm.Text, "🧩") {
					t.Errorf("%q, %q", code.Text, confirm.Text)
				}
			}
		}
	}
}
