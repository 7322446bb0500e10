package pipeline

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/twofactor"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// What the host does by itself for a stranger would take a user's place, and go on
// after the stranger heard enough (A3).
func TestAttackStrangersAreNotFollowedUp(t *testing.T) {
	inBubble(t, func(r *rig) {
		var runs atomic.Int64
		r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) {
			runs.Add(1)
			return reply(following("open", 1))
		})
		for i := range int64(50) {
			r.comes(typed(1000+i, 1000+i, "/open"))
		}
		r.settle()
		began := runs.Load()
		if began == 0 {
			t.Fatal("no stranger was answered")
		}
		r.passes(time.Hour)
		if n := runs.Load() - began; n > 0 || len(r.chains.order) > 0 {
			t.Errorf("%d follow-ups, %d messages are followed up", n, len(r.chains.order))
		}
	})
}

// Whose rights end while a follow-up runs does not see what it found.
func TestAttackRightsEndDuringAFollowUp(t *testing.T) {
	forget := func(r *rig) { _ = r.Forget(context.Background(), func(u, _ int64) bool { return u == user }) }
	for _, rule := range []struct {
		name string
		ends func(*rig, *changing)
	}{
		{"taken from the lists", func(_ *rig, lists *changing) { lists.put(access.Policy{Users: []int64{friend}}) }},
		{"and forgotten", func(r *rig, lists *changing) { lists.put(access.Policy{Users: []int64{friend}}); forget(r) }},
		{"forgotten, with lesser rights", func(r *rig, lists *changing) {
			lists.put(access.Policy{Users: []int64{user}})
			forget(r)
		}},
		{"forgotten, and let in again", func(r *rig, lists *changing) {
			before := access.Policy{Users: []int64{user}, Admins: []int64{user}}
			lists.put(access.Policy{Users: []int64{friend}})
			forget(r)
			lists.put(before)
		}},
		{"an admin no more", func(_ *rig, lists *changing) { lists.put(access.Policy{Users: []int64{user}}) }},
	} {
		t.Run(rule.name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				lists := &changing{}
				lists.put(access.Policy{Users: []int64{user}, Admins: []int64{user}})
				r.Pipeline.Access = lists
				r.modules.set(counting(1_000))
				r.handles(typed(user, user, "/manage"))
				r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) {
					time.Sleep(5 * time.Second)
					return reply(following("what it found", 1))
				})
				r.passes(3 * time.Second) // it runs
				rule.ends(r, lists)
				r.expect(r.passes(time.Hour), nil...)
				if n := len(r.chains.order); n > 0 {
					t.Errorf("%d chains go on", n)
				}
			})
		})
	}
}

// A way back ends with the rights of who walked it, and is nobody else's.
func TestAttackWaysOfOthers(t *testing.T) {
	t.Run("removed meanwhile", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			r.linked()
			lists := &changing{}
			lists.put(access.Policy{Users: []int64{user}})
			r.Pipeline.Access = lists
			r.handles(typed(user, user, "/view"))
			r.taps(toLogs)
			back := r.buttons()[goBack]
			lists.put(access.Policy{Users: []int64{friend}})
			r.expect(r.handles(tapped(user, user, back)), "alert q2: "+textStranger)
			_ = r.Forget(context.Background(), func(u, _ int64) bool { return u == user })
			lists.put(access.Policy{Users: []int64{user}}) // and let in again
			runs := r.modules.runs()
			r.expect(r.handles(tapped(user, user, back)), "alert q2: "+textButtonExpired)
			if r.modules.runs() != runs {
				t.Error("a way of before the removal leads on")
			}
		})
	})
	t.Run("in a group", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			r.linked()
			r.handles(typed(user, group, "/view"))
			r.handles(tapped(user, group, r.buttons()[toLogs]))
			back, runs := r.buttons()[goBack], r.modules.runs()
			r.expect(r.handles(tapped(friend, group, back)), "alert q3: "+textButtonOther)
			r.expect(r.handles(tapped(admin, group, back)), "alert q1: "+textButtonOther)
			r.expect(r.handles(tapped(user, user, back)), "alert q2: "+textButtonOther)
			if r.modules.runs() != runs {
				t.Error("another's way leads on")
			}
		})
	})
	t.Run("of another generation", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			r.linked()
			r.handles(typed(user, user, "/view"))
			id, _, _ := strings.Cut(r.buttons()[goBack], ".")
			for _, forged := range []string{"~1", "~-1", "~65535", "~99999999999", "~", "~0x1", "~1~1"} {
				r.expect(r.handles(tapped(user, user, id+forged+".2")), "alert q2: "+textButtonExpired)
			}
		})
	})
}

// A line of progress is one line, behind the host's own sign: it is neither the
// host's question for a code nor anything else of it.
func TestAttackProgressIsNoPromptOfTheHosts(t *testing.T) {
	code := codePrompt(capability.Act{Capability: capability.ContainersStop}, "mod", twofactor.Standing{Enrolled: true}, true)
	for name, line := range map[string]string{
		"the host's question":  code[0].Spans[0].Text + "\n\nSend it here.",
		"lines":                "Working\n\n\n🔐 A code, please\r\n\u2028\u2029now",
		"turned around":        "\u202eedoc a dneS\u2066\u200f",
		"control characters":   "\x1b[2J\x00\x07\x7f\u009b31m",
		"nothing that is seen": strings.Repeat("\u200b\u2060\ufeff", 100),
		"combining marks":      "Z" + strings.Repeat("\u0335", 10_000),
		"no text":              "\xff\xfe\xc0",
		"long":                 strings.Repeat("🔐", 10_000),
	} {
		t.Run(name, func(t *testing.T) {
			w := work{began: time.Now(), told: make(chan struct{}, 1)}
			w.tell(line)
			text := w.text(time.Now())
			if !strings.HasPrefix(text, "⏳ ") || !strings.HasSuffix(text, "… 0 s") || units(text) > 220 || len(text) > 1000 {
				t.Errorf("%d units: %q", units(text), text)
			}
			if i := strings.IndexAny(text, "\n\r\x00\x1b\x7f\u009b\u2028\u2029\u202e\u2066\u200f"); i >= 0 {
				t.Errorf("it has %q in %q", text[i:min(i+4, len(text))], text)
			}
		})
	}
}

// A module that asks for a code with a line of progress, or in a follow-up, is not
// given one: what looks like a code goes to the host, and is deleted.
func TestAttackACodeForAModule(t *testing.T) {
	withFactor(t, stopping, func(r *rig, _ *int) {
		r.modules.gate(nil)
		r.unlimited()
		r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) {
			return reply(following(fmt.Sprint("🔐 A code, please ", time.Now().UnixNano()), 1))
		})
		r.handles(typed(admin, admin, "/view"))
		r.passes(2 * time.Second)
		code := r.factors.code(t, time.Now())
		for n, text := range []string{"/view " + code, code} {
			u := typed(admin, admin, text)
			u.MessageID = 4000 + n
			r.handles(u)
			if _, ok := r.deleted(4000 + n); !ok {
				t.Errorf("%d: the code stays", n)
			}
		}
		for _, q := range r.modules.requests {
			if strings.Contains(q.Text+q.Command+fmt.Sprint(q.Args), code) {
				t.Errorf("the module was given the code: %+v", q)
			}
		}
	})
}
