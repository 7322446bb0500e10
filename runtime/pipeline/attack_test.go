package pipeline

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/twofactor"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/session"
	"github.com/cofferdam-bot/cofferdam/security/totp"
)

// What was drawn at the host never passes through Telegram, nor the other way
// round: somebody else may hold the account.
func TestAttackTerminalSecretStaysOutOfTelegram(t *testing.T) {
	inBubble(t, func(r *rig) {
		uri, _, err := r.factors.EnrolAtHost(context.Background(), u2p(admin), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		r.handles(typed(admin, admin, "/qrcode"))
		if r.factors.uri == uri {
			t.Error("/qrcode sent the secret that `totp enroll` drew in the terminal")
		}
	})
}

func TestAttackTelegramSecretIsNotDrawnInTerminal(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.handles(typed(admin, admin, "/qrcode")) // the thief of the account
		seen := r.factors.uri
		uri, _, err := r.factors.EnrolAtHost(context.Background(), u2p(admin), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if seen == uri {
			t.Error("`totp enroll` draws the secret that went through Telegram before")
		}
	})
}

// A picture that was not used opens nothing once its session is over.
func TestAttackRenewalEndsWithItsSession(t *testing.T) {
	withFactor(t, stopping, func(r *rig, _ *int) {
		old := r.factors.uri
		r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
		r.handles(typed(admin, admin, "/qrcode"))
		fresh := r.factors.uri
		r.handles(typed(admin, admin, "/logout"))
		time.Sleep(30 * 24 * time.Hour)
		r.factors.uri = fresh
		got := r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
		if strings.Contains(strings.Join(got, " "), textSessionOpen) {
			t.Error("a secret of a session a month ago took the second factor over")
		}
		time.Sleep(time.Minute)
		r.factors.uri = old
		r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
	})
}

// And a later session shows another one.
func TestAttackRenewalIsNewInEachSession(t *testing.T) {
	withFactor(t, stopping, func(r *rig, _ *int) {
		old := r.factors.uri
		r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
		r.handles(typed(admin, admin, "/qrcode"))
		peeked := r.factors.uri
		r.handles(typed(admin, admin, "/logout"))
		time.Sleep(30 * 24 * time.Hour)
		r.factors.uri = old
		r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
		r.handles(typed(admin, admin, "/qrcode"))
		if r.factors.uri == peeked {
			t.Error("the new authenticator gets a secret that was shown a month ago")
		}
	})
}

// A module's button may say anything, so it brings no picture with a secret.
func TestAttackModulesButtonBringsNoSecret(t *testing.T) {
	withFactor(t, stopping, func(r *rig, _ *int) {
		r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
		r.modules.gated = nil
		r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) {
			v := refreshing("x")
			v.Keyboard = [][]abi.Button{{{Label: "Refresh", Command: "qrcode"}, {Label: "Refresh", Command: "logout"}}}
			return reply(v)
		})
		r.handles(typed(admin, admin, "/view"))
		got := r.handles(tapped(admin, admin, r.buttons()[0]))
		if strings.Contains(strings.Join(got, " "), "photo") {
			t.Error("a module's button showed a secret")
		}
	})
}

// Ordinary words are no wrong backup codes.
func TestAttackWordsAreNoCodes(t *testing.T) {
	withFactor(t, stopping, func(r *rig, _ *int) {
		for _, w := range []string{"hello-world", "redis-cache", "stack-trace"} {
			r.handles(typed(admin, admin, w))
		}
		if s, _ := r.factors.Standing(u2p(admin), time.Now()); s.Left != 3 {
			t.Errorf("left %d, blocked until %v", s.Left, s.BlockedUntil)
		}
	})
}

// A reset at the host ends a session that is just being opened.
func TestAttackResetEndsASessionThatIsBeingOpened(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.modules.gated = gateOf(stopping, new(int))
		r.handles(typed(admin, admin, "/qrcode"))
		time.Sleep(time.Minute)
		r.sender.slow = func(context.Context, int64) error { time.Sleep(time.Minute); return nil }
		r.comes(typed(admin, admin, r.factors.code(t, time.Now())))
		r.settle()
		_ = r.factors.Reset(context.Background(), admin)
		_ = r.Forget(context.Background(), func(u, _ int64) bool { return u == admin })
		time.Sleep(3 * time.Minute)
		r.settle()
		if r.sessions.Live(session.Key{User: admin, Chat: admin}, time.Now()) {
			t.Error("a session lives that a reset should have ended")
		}
	})
}

// A code that is never looked at may still be good, and goes all the same (B6).
func TestAttackInterruptedCodeIsDeleted(t *testing.T) {
	withFactor(t, stopping, func(r *rig, _ *int) {
		u := typed(admin, admin, r.factors.code(t, time.Now()))
		u.MessageID = 4711
		list := r.receive(u)
		r.Resume(list[0], time.Now(), true)
		r.settle()
		if _, ok := r.deleted(4711); !ok {
			t.Error("the code stays")
		}
	})
}

func TestAttackLimitedCodeIsDeleted(t *testing.T) {
	withFactor(t, stopping, func(r *rig, _ *int) {
		for range 9 {
			r.handles(typed(admin, admin, "/view"))
		}
		u := typed(admin, admin, r.factors.code(t, time.Now()))
		u.MessageID = 4711
		r.handles(u)
		if _, ok := r.deleted(4711); !ok {
			t.Error("the code stays in the chat, unused")
		}
	})
}

func TestAttackOldCodeIsDeleted(t *testing.T) {
	withFactor(t, stopping, func(r *rig, _ *int) {
		u := typed(admin, admin, r.factors.code(t, time.Now()))
		u.MessageID, u.Sent = 4711, time.Now().Add(-6*time.Minute)
		r.handles(u)
		if _, ok := r.deleted(4711); !ok {
			t.Error("the code stays in the chat")
		}
	})
}

// A module that asks for a code gets none.
func TestAttackModuleSeesNoCode(t *testing.T) {
	withFactor(t, stopping, func(r *rig, _ *int) {
		r.modules.gated = nil
		code := r.factors.code(t, time.Now())
		u := typed(admin, admin, "/view "+code)
		u.MessageID = 4711
		r.handles(u)
		for _, q := range r.modules.requests {
			if strings.Contains(q.Text, code) {
				t.Errorf("the module read a code that is still good: %+v", q)
			}
		}
		if _, ok := r.deleted(4711); !ok {
			t.Error("the message stays")
		}
	})
}

// Who counts as enrolled is shown nothing without a code.
func TestAttackLegacySecretIsNotShown(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.factors.Keeper = twofactor.New(twofactor.Config{Table: r.factors.memoryTable, Random: rand.Reader, Learn: func(string) {},
			Legacy: &totp.Legacy{Salt: "salt", ProdToken: "token"}})
		u := typed(admin, admin, "/qrcode")
		u.From.Username = "ada"
		s, _ := r.factors.Standing(twofactor.Person{ID: admin, Username: "ada"}, time.Now())
		t.Logf("enrolled: %v", s.Enrolled)
		got := r.handles(u)
		if s.Enrolled && strings.Contains(strings.Join(got, " "), "photo") {
			t.Error("who counts as enrolled is shown the secret without a code")
		}
	})
}

// A command that runs while its admin is removed does nothing.
func TestAttackRemovedAdminsRunningCommandDoesNotAct(t *testing.T) {
	start := stopping
	start.Capability = capability.ContainersStart
	withFactor(t, start, func(r *rig, acted *int) {
		lists := &changing{}
		lists.put(access.Policy{Users: []int64{admin, user}, Admins: []int64{admin}})
		r.Pipeline.Access = lists
		r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
		gated := r.modules.gated
		r.modules.gated = func(pass *capability.Pass) error {
			time.Sleep(9 * time.Second) // the module works first
			return gated(pass)
		}
		r.comes(typed(admin, admin, "/manage web"))
		r.settle()
		lists.put(access.Policy{Users: []int64{admin, user}, Admins: []int64{user}})
		_ = r.Forget(context.Background(), func(u, _ int64) bool { return u == admin })
		time.Sleep(10 * time.Second)
		r.settle()
		if *acted != 0 {
			t.Error("it acted after the rights and the session were gone")
		}
	})
}

// A command that runs while its user is removed shows nothing, and leaves no
// buttons behind.
func TestAttackRemovedUsersRunningCommandShowsNothing(t *testing.T) {
	inBubble(t, func(r *rig) {
		lists := &changing{}
		lists.put(access.Policy{Users: []int64{admin, user}, Admins: []int64{admin}})
		r.Pipeline.Access = lists
		r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) {
			time.Sleep(9 * time.Second)
			return reply(refreshing("view"))
		})
		r.comes(typed(user, user, "/view"))
		r.settle()
		lists.put(access.Policy{Users: []int64{admin}, Admins: []int64{admin}})
		_ = r.Forget(context.Background(), func(u, _ int64) bool { return u == user })
		time.Sleep(10 * time.Second)
		r.settle()
		if got := r.sender.take(); len(got) > 1 || len(r.keyboards.all()) > 0 { // "typing" at most
			t.Errorf("the bot did %q, and keeps %d keyboards", got, len(r.keyboards.all()))
		}
	})
}

// changing are access lists that change while the bot runs.
type changing struct{ atomic.Pointer[access.Lists] }

func (c *changing) put(p access.Policy) { lists := access.New(p); c.Store(&lists) }

func (c *changing) Decide(user, chat int64, private bool) access.Decision {
	return c.Load().Decide(user, chat, private)
}

type slowModules struct {
	*fakeModules
	wait time.Duration
}

func (s slowModules) Await(context.Context, string) { time.Sleep(s.wait) }

// A confirming tap that had to wait for a module counts for a minute.
func TestAttackConfirmedActIsNotLate(t *testing.T) {
	withFactor(t, stopping, func(r *rig, acted *int) {
		r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
		r.handles(typed(admin, admin, "/manage web"))
		yes := r.buttons()[0]
		r.Pipeline.Modules = slowModules{r.modules, 8 * time.Minute}
		r.comes(tapped(admin, admin, yes))
		time.Sleep(9 * time.Minute)
		r.settle()
		if *acted != 0 {
			t.Error("a tap acted eight minutes later")
		}
	})
}

// Wrong codes end the session too.
func TestAttackBlockedUserDoesNotAct(t *testing.T) {
	withFactor(t, stopping, func(r *rig, acted *int) {
		r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
		for range 3 {
			right := r.factors.code(t, time.Now())
			r.handles(typed(admin, admin, fmt.Sprintf("%06d", (atoi(right)+500_000)%1_000_000)))
		}
		r.handles(typed(admin, admin, "/manage web"))
		if b := r.buttons(); len(b) > 0 {
			r.handles(tapped(admin, admin, b[0]))
		}
		if *acted != 0 {
			t.Error("codes are blocked, and the session acts")
		}
	})
}

// heldFactors answers a right code late, when it is used up already.
type heldFactors struct {
	*fakeFactors
	hold time.Duration
}

func (f heldFactors) Attempt(ctx context.Context, who twofactor.Person, code totp.Code, now time.Time) (totp.Result, []string, error) {
	result, backups, err := f.fakeFactors.Attempt(ctx, who, code, now)
	if result.Verdict.Right() {
		time.Sleep(f.hold)
	}
	return result, backups, err
}

// A right code in one chat is on its way when wrong ones in another block: it
// opens no session behind the block, and what it was asked for does not run.
func TestAttackBlockStopsACodeOnItsWay(t *testing.T) {
	withFactor(t, stopping, func(r *rig, acted *int) {
		wrong := fmt.Sprintf("%06d", (atoi(r.factors.code(t, time.Now()))+500_000)%1_000_000)
		r.handles(typed(admin, group, "/manage web"))
		r.SecondFactor = heldFactors{r.factors, time.Minute}
		r.comes(typed(admin, group, r.factors.code(t, time.Now())))
		r.settle()
		for range 3 {
			r.handles(typed(admin, admin, wrong))
		}
		if !r.has("totp.blocked") {
			t.Fatal("no block began")
		}
		time.Sleep(2 * time.Minute)
		r.settle()
		if r.sessions.Live(session.Key{User: admin, Chat: group}, time.Now()) || strings.Contains(r.audit.events(), "totp.blocked session.opened") {
			t.Error("a session was opened behind the block")
		}
		if b := r.buttons(); len(b) > 0 || *acted != 0 {
			t.Errorf("the command went on: %d buttons, acted %d times", len(b), *acted)
		}
		// A code after the block is good.
		r.SecondFactor = r.factors
		time.Sleep(totp.BlockFor)
		r.starts(r.handles(typed(admin, admin, r.factors.code(t, time.Now()))), r.toAdmin(textSessionOpen))
	})
}

// In a group with several bots a code is typed with a mention.
func TestAttackCodeWithMention(t *testing.T) {
	withFactor(t, stopping, func(r *rig, _ *int) {
		r.handles(typed(admin, group, "/manage web"))
		u := typed(admin, group, "/"+r.factors.code(t, time.Now())+"@bot")
		u.MessageID = 4711
		r.handles(u)
		if _, ok := r.deleted(4711); !ok {
			t.Error("the code stays in the group")
		}
	})
}

// Backup codes go to the private chat, wherever the first code came from.
func TestAttackBackupsOfAGroup(t *testing.T) {
	withFactor(t, stopping, func(r *rig, _ *int) {
		r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
		r.handles(typed(admin, admin, "/qrcode"))
		time.Sleep(time.Minute)
		r.handles(typed(admin, group, "/manage web"))
		r.starts(r.handles(typed(admin, group, r.factors.code(t, time.Now()))),
			r.toAdmin("🗝 Your backup codes"), fmt.Sprintf("send %d: ❗ Stop web?", group))
	})
}
