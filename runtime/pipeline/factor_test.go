package pipeline

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/totp"
)

// stopping is what /manage does in these tests: it stops a container, as far as
// the gate lets it.
var stopping = capability.Act{Capability: capability.ContainersStop, Host: "local", ID: strings.Repeat("ab", 32), Name: "web"}

// gateOf asks the real gate about an act.
func gateOf(act capability.Act, acted *int) func(*capability.Pass) error {
	return func(pass *capability.Pass) error {
		decision := capability.Decide(capability.NeedOf(act.Capability), *pass, act)
		switch decision.Verdict {
		case capability.Allow:
			if pass.Fresh != nil && !pass.Fresh() {
				return fault(abi.Timeout)
			}
			if !pass.Still() {
				return fault(abi.Denied)
			}
			*acted++
			return nil
		case capability.AskSession, capability.AskConfirm:
			return &capability.Asked{Verdict: decision.Verdict, Act: act}
		}
		return fault(abi.Denied)
	}
}

// withFactor enrols the admin, and lets /manage act.
func withFactor(t *testing.T, act capability.Act, test func(r *rig, acted *int)) {
	t.Helper()
	inBubble(t, func(r *rig) {
		acted := new(int)
		r.modules.gated = gateOf(act, acted)
		r.expect(r.handles(typed(admin, admin, "/qrcode")), fmt.Sprintf("send %d: photo qrcode.png", admin))
		time.Sleep(time.Minute)
		r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
		r.handles(typed(admin, admin, "/logout"))
		time.Sleep(time.Minute)
		r.sender.take()
		test(r, acted)
	})
}

// buttons are the tokens of the last message.
func (r *rig) buttons() (tokens []string) {
	for _, row := range r.sender.inline() {
		for _, b := range row {
			tokens = append(tokens, b.Data)
		}
	}
	return tokens
}

func (r *rig) starts(got []string, want ...string) {
	r.t.Helper()
	if len(got) != len(want) {
		r.t.Errorf("the bot did\n\t%s\nand not %d things", strings.Join(got, "\n\t"), len(want))
		return
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			r.t.Errorf("the bot did %q, want %q…", got[i], want[i])
		}
	}
}

func (r *rig) toAdmin(text string) string { return fmt.Sprintf("send %d: %s", admin, text) }

func (r *rig) deleted(message int) (in time.Duration, ok bool) {
	for _, d := range r.deletions {
		if d.id == message {
			return d.in, true
		}
	}
	return 0, false
}

// The whole way: a command, a code, a tap, the act.
func TestACommandWaitsForItsCodeAndItsTap(t *testing.T) {
	withFactor(t, stopping, func(r *rig, acted *int) {
		r.starts(r.handles(typed(admin, admin, "/manage web")), r.toAdmin("🔐 A code, please"))
		code := typed(admin, admin, r.factors.code(t, time.Now()))
		code.MessageID = 4711
		r.starts(r.handles(code), r.toAdmin("❗ Stop web?"))
		if in, ok := r.deleted(4711); !ok || in > 0 {
			t.Error("the message with the code stays")
		}
		if *acted != 0 {
			t.Fatal("it was done without a tap")
		}
		yes := r.buttons()[0]
		r.starts(r.handles(tapped(admin, admin, yes)), "notice q1: ", r.toAdmin("done"))
		if *acted != 1 {
			t.Fatalf("done %d times", *acted)
		}
		if in, ok := r.deleted(viewID); !ok || in > time.Minute {
			t.Error("the question stays")
		}
		last := r.modules.requests[len(r.modules.requests)-1]
		if last.Command != "manage" || last.Text != "web" {
			t.Errorf("what ran was %+v", last)
		}
		r.starts(r.handles(tapped(admin, admin, yes)), "alert q1: "+textConfirmExpired)
		if *acted != 1 {
			t.Error("a second tap did it again")
		}
	})
}

func TestASecondCommandNeedsNoSecondCode(t *testing.T) {
	withFactor(t, stopping, func(r *rig, acted *int) {
		r.starts(r.handles(typed(admin, admin, r.factors.code(t, time.Now()))), r.toAdmin(textSessionOpen))
		r.starts(r.handles(typed(admin, admin, "/manage web")), r.toAdmin("❗ Stop web?"))
		r.starts(r.handles(tapped(admin, admin, r.buttons()[1])), "notice q1: "+textCancelled)
		time.Sleep(8 * time.Minute)
		r.starts(r.handles(typed(admin, admin, "/manage web")), r.toAdmin("❗ Stop web?"))
		time.Sleep(2 * time.Minute) // ten in all: the session and the question are over
		r.Sweep()
		r.starts(r.handles(tapped(admin, admin, r.buttons()[0])), "alert q1: "+textConfirmExpired)
		r.starts(r.handles(typed(admin, admin, "/manage web")), r.toAdmin("🔐 A code, please"))
		if *acted != 0 || !r.has("session.expired") {
			t.Errorf("done %d times", *acted)
		}
	})
}

func TestTapsOnQuestions(t *testing.T) {
	for _, rule := range []struct {
		name string
		tap  func(yes string) chat.Update
		says string
	}{
		{"by another user", func(yes string) chat.Update { return tapped(user, admin, yes) }, ""}, // a foreign private chat
		{"by another user in a group", func(yes string) chat.Update { return tapped(user, group, yes) }, textButtonOther},
		{"from another chat", func(yes string) chat.Update { return tapped(admin, group, yes) }, textButtonOther},
		{"from another message", func(yes string) chat.Update { u := tapped(admin, admin, yes); u.MessageID++; return u }, textConfirmExpired},
		{"forged", func(yes string) chat.Update { return tapped(admin, admin, "?AAAAAAAAAAAAAAAAAAAAAA.y") }, textConfirmExpired},
		{"cut", func(yes string) chat.Update { return tapped(admin, admin, yes[:len(yes)-1]) }, textButtonExpired},
		{"empty", func(yes string) chat.Update { return tapped(admin, admin, "?.y") }, textConfirmExpired},
	} {
		t.Run(rule.name, func(t *testing.T) {
			withFactor(t, stopping, func(r *rig, acted *int) {
				r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
				r.handles(typed(admin, admin, "/manage web"))
				yes := r.buttons()[0]
				got := strings.Join(r.handles(rule.tap(yes)), "\n")
				if !strings.Contains(got, rule.says) || *acted != 0 {
					t.Errorf("the bot did %q, and acted %d times", got, *acted)
				}
				r.handles(tapped(admin, admin, yes))
				if *acted != 1 {
					t.Error("the question did not outlive it")
				}
			})
		})
	}
}

// A tap that waited in Telegram must not act (A7): Telegram does not take its
// answer any more.
func TestAStaleTapDoesNotAct(t *testing.T) {
	start := stopping
	start.Capability = capability.ContainersStart
	withFactor(t, start, func(r *rig, acted *int) {
		r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
		open := r.modules.gated
		r.modules.gated = nil
		tokens := r.view(admin, admin)
		r.modules.gated = open
		r.sender.refuse = errBroken
		r.handles(tapped(admin, admin, tokens[0]))
		if *acted != 0 {
			t.Error("it acted")
		}
		r.sender.refuse = nil
		r.handles(tapped(admin, admin, tokens[0]))
		if *acted != 1 {
			t.Error("a fresh tap did not act")
		}
	})
}

// What another module's button leads to is confirmed, though the same command
// typed would not be.
func TestABorrowedCommandIsConfirmed(t *testing.T) {
	start := stopping
	start.Capability = capability.ContainersStart
	withFactor(t, start, func(r *rig, acted *int) {
		r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
		r.starts(r.handles(typed(admin, admin, "/manage web")), r.toAdmin("done"))
		gated := r.modules.gated
		r.modules.gated = nil
		tokens := r.view(admin, admin)
		r.modules.gated = func(pass *capability.Pass) error { pass.Borrowed = true; return gated(pass) }
		r.starts(r.handles(tapped(admin, admin, tokens[3])), r.toAdmin("❗ Start web?"), "notice q1: ")
		if *acted != 1 {
			t.Errorf("acted %d times", *acted)
		}
	})
}

func TestWhatIsACode(t *testing.T) {
	const pending = true
	for _, rule := range []struct {
		name    string
		from    int64
		where   int64
		text    string // "right" stands for the right code
		pending bool
		says    string
		deleted bool
	}{
		{"a right one without a command", admin, admin, "right", !pending, textSessionOpen, true},
		{"with a slash", admin, admin, "/right", !pending, textSessionOpen, true},
		{"five digits", admin, admin, "12345", pending, textCodeShape, true},
		{"seven digits", admin, admin, "1234567", pending, textCodeShape, true},
		{"full-width digits", admin, admin, "１２３４５６", pending, textCodeShape, true},
		{"with a blank", admin, admin, "123 456", pending, textCodeShape, true},
		{"letters are a sentence", admin, admin, "abcdef", pending, textUnknown, false},
		{"five digits that nobody asked for", admin, admin, "12345", !pending, textUnknown, false},
		{"of somebody who is no admin", user, user, "123456", !pending, textNotForYou, true},
		{"in a group, unasked", admin, group, "123456", !pending, "", false},
		{"in a group, unasked, with a slash", admin, group, "/123456", !pending, textCodeInGroup, true},
		{"in a group, of a user", user, group, "/123456", !pending, textNotForYou, true},
	} {
		t.Run(rule.name, func(t *testing.T) {
			withFactor(t, stopping, func(r *rig, _ *int) {
				if rule.pending {
					r.handles(typed(admin, admin, "/manage web"))
				}
				u := typed(rule.from, rule.where, strings.Replace(rule.text, "right", r.factors.code(t, time.Now()), 1))
				u.MessageID = 4711
				got := strings.Join(r.handles(u), "\n")
				if !strings.Contains(got, rule.says) || rule.says == "" && got != "" {
					t.Errorf("the bot did %q, want %q", got, rule.says)
				}
				if _, ok := r.deleted(4711); ok != rule.deleted {
					t.Errorf("deleted: %v", ok)
				}
				if standing, _ := r.factors.Standing(u2p(admin), time.Now()); standing.Left != 3 {
					t.Errorf("%d wrong codes left: it was counted", standing.Left)
				}
			})
		})
	}
}

func TestInAGroupAskedForACodeCounts(t *testing.T) {
	withFactor(t, stopping, func(r *rig, _ *int) {
		r.handles(typed(admin, group, "/manage web"))
		r.starts(r.handles(typed(admin, group, r.factors.code(t, time.Now()))), fmt.Sprintf("send %d: ❗ Stop web?", group))
		// The session is this chat's alone.
		r.starts(r.handles(typed(admin, admin, "/manage web")), r.toAdmin("🔐 A code, please"))
	})
}

func TestWrongCodesBlock(t *testing.T) {
	withFactor(t, stopping, func(r *rig, acted *int) {
		r.handles(typed(admin, admin, "/manage web"))
		wrong := func() string {
			right := r.factors.code(t, time.Now())
			return fmt.Sprintf("%06d", (atoi(right)+500_000)%1_000_000)
		}
		r.starts(r.handles(typed(admin, admin, wrong())), r.toAdmin("❌ That code is wrong"))
		r.starts(r.handles(typed(admin, admin, wrong())), r.toAdmin("❌ That code is wrong"))
		r.starts(r.handles(typed(admin, admin, wrong())), r.toAdmin("⛔ That code is wrong, and it was one too many"))
		r.starts(r.handles(typed(admin, admin, r.factors.code(t, time.Now()))), r.toAdmin("⛔ Codes are blocked"))
		r.starts(r.handles(typed(admin, admin, "/manage web")), r.toAdmin("⛔ Codes are blocked"))
		if got := strings.Join(r.notices.told, ", "); got != "factor_blocked 1" || !strings.Contains(r.audit.events(), "totp.blocked") {
			t.Errorf("told %q, recorded %q", got, r.audit.events())
		}
		time.Sleep(totp.BlockFor)
		r.starts(r.handles(typed(admin, admin, "/manage web")), r.toAdmin("🔐 A code, please"))
		r.starts(r.handles(typed(admin, admin, r.factors.code(t, time.Now()))), r.toAdmin("❗ Stop web?"))
		if *acted != 0 {
			t.Error("it acted")
		}
	})
}

// A block is told once in a chat to who types on, then not again, and each
// message is deleted all the same (B3, B6).
func TestABlockIsToldOnce(t *testing.T) {
	withFactor(t, stopping, func(r *rig, _ *int) {
		wrong := fmt.Sprintf("%06d", (atoi(r.factors.code(t, time.Now()))+500_000)%1_000_000)
		message := 4711
		types := func(text string, want ...string) {
			t.Helper()
			message++
			u := typed(admin, admin, text)
			u.MessageID = message
			r.starts(r.handles(u), want...)
			if in, ok := r.deleted(message); !ok || in > 0 {
				t.Errorf("the message with %q stays", text)
			}
			time.Sleep(2 * time.Second) // A8
		}
		for block := range 2 {
			for range 2 {
				types(wrong, r.toAdmin("❌ That code is wrong"))
			}
			types(wrong, r.toAdmin("⛔ That code is wrong, and it was one too many"))
			types(wrong, r.toAdmin("⛔ Codes are blocked"))
			for range 3 {
				types(wrong)
				types(r.factors.code(t, time.Now()))
			}
			r.Sweep()
			types(wrong)
			if len(r.blocksTold) != 1 {
				t.Errorf("block %d: %d are remembered", block, len(r.blocksTold))
			}
			time.Sleep(totp.BlockFor)
			r.Sweep()
			if len(r.blocksTold) != 0 {
				t.Error("a block that is over is remembered")
			}
		}
	})
}

func TestACodeCountsOnce(t *testing.T) {
	withFactor(t, stopping, func(r *rig, _ *int) {
		code := r.factors.code(t, time.Now())
		r.handles(typed(admin, admin, code))
		r.starts(r.handles(typed(admin, admin, code)), r.toAdmin("♻️ That code was used already"))
		if !r.has("totp.replayed") {
			t.Error("no event")
		}
	})
}

func TestEnrolment(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.modules.gated = gateOf(stopping, new(int))
		r.starts(r.handles(typed(admin, admin, "/manage web")), r.toAdmin("🔐 docker.containers.stop needs a second factor, and you have none yet. Send /qrcode to"))
		r.starts(r.handles(typed(user, user, "/qrcode")), send(user, textNotForYou))
		r.starts(r.handles(typed(admin, group, "/qrcode")), send(group, textPrivateOnly))
		for range 2 {
			r.starts(r.handles(typed(admin, admin, "/qrcode")), r.toAdmin("photo qrcode.png"))
		}
		if in, ok := r.deleted(1001 + r.sender.ids - 1); !ok || in != time.Minute {
			t.Error("the picture is not deleted after 60 s")
		}
		// A secret that was shown, here or at the host, may be asked for.
		asks := r.handles(typed(admin, admin, "/manage web"))
		r.starts(asks, r.toAdmin("🔐 A code, please"))
		if !strings.Contains(asks[0], "the first code of a new secret") {
			t.Errorf("asked with %q", asks)
		}
		time.Sleep(5 * time.Minute) // the command is forgotten
		got := r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
		r.starts(got, r.toAdmin("🗝 Your backup codes"), r.toAdmin(textSessionOpen))
		if n := strings.Count(got[0], "-"); n < totp.Backups {
			t.Errorf("%d backup codes", n)
		}
		first := r.factors.uri
		// A live session may renew it; the old one is good until the new one is.
		r.starts(r.handles(typed(admin, admin, "/qrcode")), r.toAdmin("photo qrcode.png"))
		if r.factors.uri == first {
			t.Error("the picture that was accepted is shown again")
		}
		time.Sleep(11 * time.Minute)
		r.starts(r.handles(typed(admin, admin, "/qrcode")), r.toAdmin("🔐 You have a second factor already"))
		backup := strings.Fields(got[0])
		r.starts(r.handles(typed(admin, admin, backup[len(backup)-1])), r.toAdmin("🗝 That backup code is used up; 7 left"), r.toAdmin(textSessionOpen))
		r.starts(r.handles(typed(admin, admin, backup[len(backup)-1])), r.toAdmin("❌ That code is wrong"))
	})
}

func TestRemovedUsersLoseEverything(t *testing.T) {
	withFactor(t, stopping, func(r *rig, acted *int) {
		r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
		gated := r.modules.gated
		r.modules.gated = nil
		tokens, others := r.view(admin, admin), r.view(user, user)
		r.modules.gated = gated
		r.handles(typed(admin, admin, "/manage web"))
		yes := r.buttons()[0]
		if err := r.Forget(context.Background(), func(u, _ int64) bool { return u == admin }); err != nil {
			t.Fatal(err)
		}
		r.starts(r.handles(tapped(admin, admin, yes)), "alert q1: "+textConfirmExpired)
		r.starts(r.handles(tapped(admin, admin, tokens[0])), "alert q1: "+textButtonExpired)
		r.starts(r.handles(typed(admin, admin, "/manage web")), r.toAdmin("🔐 A code, please"))
		r.modules.gated = nil
		r.starts(r.handles(tapped(user, user, others[0])), "notice q2: ", "edit 2/80: tapped show")
		if *acted != 0 {
			t.Error("it acted")
		}
	})
}

func TestASecondFactorThatCannotBeReadLetsNobodyIn(t *testing.T) {
	withFactor(t, stopping, func(r *rig, acted *int) {
		for key, value := range r.factors.values {
			r.factors.values[key] = append(value[:len(value)-1:len(value)-1], value[len(value)-1]^1)
		}
		code := r.factors.code(t, time.Now())
		for _, text := range []string{"/manage web", code, "/qrcode"} {
			r.starts(r.handles(typed(admin, admin, text)), r.toAdmin("🔐 Your second factor cannot be read"))
		}
		if *acted != 0 {
			t.Error("it acted")
		}
	})
}

func TestNoCodeIsInTheLog(t *testing.T) {
	withFactor(t, stopping, func(r *rig, _ *int) {
		codes := []string{r.factors.code(t, time.Now()), "735195"}
		for _, code := range codes {
			r.handles(typed(admin, admin, code))
		}
		for _, line := range r.logs.All() {
			text := line.Message + fmt.Sprint(line.ContextMap())
			for _, code := range codes {
				if strings.Contains(text, code) {
					t.Errorf("a code is in the log: %s", text)
				}
			}
		}
		if r.logs.FilterField(zap.String("event", "totp.failed")).Len() == 0 {
			t.Error("the test saw no attempt")
		}
	})
}

func FuzzReadConfirmToken(f *testing.F) {
	f.Add("?AAAAAAAAAAAAAAAAAAAAAA.y")
	f.Add("?.n")
	f.Fuzz(func(t *testing.T, data string) {
		id, yes, ok := readConfirmToken(data)
		if ok && confirmToken(id, yes) != data {
			t.Errorf("%q is read as %q, %v", data, id, yes)
		}
	})
}
