package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// working is a command that takes so long, and then answers so.
func working(d time.Duration, code abi.Code, answer abi.Reply, err error) func(context.Context, abi.Request) (abi.Code, []byte, error) {
	return func(ctx context.Context, _ abi.Request) (abi.Code, []byte, error) {
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return abi.Internal, nil, fault(abi.Timeout)
		}
		if err != nil {
			return abi.Internal, nil, err
		}
		_, data, err := reply(answer)
		return code, data, err
	}
}

func words(text string) abi.Reply {
	return abi.Reply{Blocks: []abi.Block{{Kind: abi.BlockText, Spans: []abi.Span{{Text: text}}}}}
}

// says lets each command say what it does, before it does it.
func (r *rig) says(line string) {
	r.modules.gated = func(pass *capability.Pass) error { pass.Progress(line); return nil }
}

// firstLabel is on the first button of the last message.
func (r *rig) firstLabel() string {
	if rows := r.sender.inline(); len(rows) > 0 {
		return rows[0][0].Label
	}
	return ""
}

// backLabel is on the first button that was put under any message.
func (r *rig) backLabel() string {
	for _, v := range r.keyboards.all() {
		if k, err := readKeyboard(v.value); err == nil && len(k.Buttons) == 1 {
			return k.Buttons[0].Label
		}
	}
	return ""
}

func TestLongWorkIsShownWhereTheReplyWillBe(t *testing.T) {
	for _, rule := range []struct {
		name  string
		tap   bool
		says  string
		takes time.Duration
		did   []string
	}{
		{"a tap that is quick", true, "Restarting web", 900 * time.Millisecond,
			[]string{"notice q2: ", edited(user, "done")}},
		{"a tap of a second and a half", true, "", 1500 * time.Millisecond,
			[]string{"notice q2: ", edited(user, "done")}},
		{"a tap whose module says what it does", true, "Restarting web", 8 * time.Second,
			[]string{"notice q2: ", edited(user, "⏳ Restarting web… 1 s"), edited(user, "⏳ Restarting web… 4 s"), edited(user, "⏳ Restarting web… 7 s"), edited(user, "done")}},
		{"a tap whose module says nothing", true, "", 8 * time.Second,
			[]string{"notice q2: ", edited(user, "⏳ Working… 3 s"), edited(user, "⏳ Working… 6 s"), edited(user, "done")}},
		{"a typed command whose module says what it does", false, "Asking 12 registries", 5 * time.Second,
			[]string{"typing 2", send(user, "⏳ Asking 12 registries… 1 s"), "edit 2/1002: ⏳ Asking 12 registries… 4 s", "edit 2/1002: done"}},
		{"a typed command whose module says nothing", false, "", 4 * time.Second,
			[]string{"typing 2", send(user, "⏳ Working… 3 s"), "edit 2/1002: done"}},
	} {
		t.Run(rule.name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				token := r.view(user, user)[0]
				if rule.says != "" {
					r.says(rule.says)
				}
				r.modules.set(working(rule.takes, abi.OK, words("done"), nil))
				r.sender.take()
				if rule.tap {
					r.comes(tapped(user, user, token))
				} else {
					r.comes(typed(user, user, "/view"))
				}
				time.Sleep(progressAfter)
				r.settle()
				if rule.tap && r.sender.answers["q2"] != 1 && rule.takes > progressAfter {
					t.Error("the tap was not answered within a second")
				}
				r.expect(sortedHead(r.passes(time.Hour)), rule.did...)
				if n := r.sender.answers["q2"]; rule.tap && n != 1 {
					t.Errorf("the tap was answered %d times", n)
				}
				r.noneWorks()
			})
		})
	}
}

// sortedHead puts first what happens beside what is sent: "typing", and the answer
// to the tap.
func sortedHead(did []string) []string {
	for i, line := range did {
		if strings.HasPrefix(line, "typing") || strings.HasPrefix(line, "notice") {
			copy(did[1:], did[:i])
			did[0] = line
		}
	}
	return did
}

// noneWorks fails if it is kept that a message says ⏳.
func (r *rig) noneWorks() {
	r.t.Helper()
	for id, v := range r.keyboards.all() {
		if strings.HasPrefix(id, workMark) && v.expires.After(time.Now()) {
			r.t.Errorf("%s is kept: %s", id, v.value)
		}
	}
}

// Whatever becomes of it, nothing goes on saying ⏳, and the view that stood there
// is a tap away.
func TestAfterLongWorkNothingSaysThatItGoesOn(t *testing.T) {
	const taken = 5 * time.Second
	asking := func(v capability.Verdict) error { return &capability.Asked{Verdict: v, Act: stopping} }
	for _, rule := range []struct {
		name   string
		who    int64
		invoke func(context.Context, abi.Request) (abi.Code, []byte, error)
		says   string
	}{
		{"a fault", user, working(taken, 0, abi.Reply{}, fault(abi.Timeout)), faultText(fault(abi.Timeout), "mod")},
		{"a refusal", user, working(taken, abi.Conflict, words("it does not run"), nil), "it does not run"},
		{"a refusal without words", user, func(ctx context.Context, q abi.Request) (abi.Code, []byte, error) {
			time.Sleep(taken)
			return abi.Conflict, nil, nil
		}, codeText(abi.Conflict)},
		{"what cannot be shown", user, working(taken, abi.OK, abi.Reply{}, nil), textBadReply},
		{"nothing but a notice", user, working(taken, abi.OK, abi.Reply{Notice: "restarted"}, nil), textWorkDone},
		{"a menu", user, working(taken, abi.OK, abi.Reply{Blocks: words("menu").Blocks, Menu: "main"}, nil), textWorkDone},
		{"a file", user, working(taken, abi.OK, abi.Reply{Blocks: []abi.Block{{Kind: abi.BlockFile, File: &abi.File{Name: "a.csv", Data: []byte("a")}}}}, nil), textWorkDone},
		{"a panic of ours", user, func(context.Context, abi.Request) (abi.Code, []byte, error) { time.Sleep(taken); panic("ours") }, textInternal},
		{"a question", admin, working(taken, 0, abi.Reply{}, asking(capability.AskConfirm)), textWorkAsks},
	} {
		t.Run(rule.name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				token := r.view(rule.who, rule.who)[0]
				r.modules.set(rule.invoke)
				r.sender.take()
				r.comes(tapped(rule.who, rule.who, token))
				did := r.passes(time.Hour)
				if did[1] != edited(rule.who, "⏳ Working… 3 s") {
					t.Errorf("the bot did %q", did)
				}
				found := false
				for _, line := range did[2:] {
					found = found || line == edited(rule.who, rule.says)
				}
				if !found {
					t.Fatalf("nothing says %q: %q", rule.says, did)
				}
				if label := r.firstLabel(); label != "⬅️ Back to view" {
					t.Fatalf("the way back is %q", label)
				}
				r.noneWorks()
				r.modules.set(func(_ context.Context, q abi.Request) (abi.Code, []byte, error) {
					return reply(refreshing("again " + q.Command))
				})
				r.expect(r.handles(tapped(rule.who, rule.who, r.buttons()[0])), fmt.Sprintf("notice q%d: ", rule.who), edited(rule.who, "again view"))
			})
		})
	}
	t.Run("a typed command's note goes by itself", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			r.modules.set(working(taken, abi.OK, abi.Reply{}, fault(abi.Internal)))
			r.comes(typed(user, user, "/view"))
			r.expect(sortedHead(r.passes(time.Minute)), "typing 2", send(user, "⏳ Working… 3 s"), "edit 2/1001: "+faultText(nil, "mod"))
			if in, ok := r.deleted(1001); !ok || in != noteLifetime {
				t.Error("the note stays")
			}
		})
	})
	t.Run("a typed command that asks", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			r.modules.set(working(taken, abi.OK, abi.Reply{}, asking(capability.AskConfirm)))
			r.comes(typed(admin, admin, "/manage"))
			r.passes(time.Minute)
			if in, ok := r.deleted(1001); !ok || in > 0 {
				t.Error("⏳ stays beside the question")
			}
		})
	})
}

func TestAStopLeavesNothingThatGoesOn(t *testing.T) {
	inBubble(t, func(r *rig) {
		token := r.view(user, user)[0]
		r.modules.set(working(time.Hour, abi.OK, words("done"), nil))
		r.sender.take()
		r.comes(tapped(user, user, token))
		time.Sleep(4 * time.Second)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		r.Close(ctx)
		did := r.sender.take()
		if last := did[len(did)-1]; last != edited(user, textWorkStopped) || r.firstLabel() != "⬅️ Back to view" {
			t.Errorf("the bot did %q", did)
		}
	})
}

// A process that is killed leaves ⏳ behind; the next one, which has nothing but
// the store, knows where, and how to get back to what stood there.
func TestAKillLeavesNothingThatGoesOn(t *testing.T) {
	for _, rule := range []struct {
		name string
		u    func(token string) chat.Update
		did  []string
		back string
	}{
		{"a tap", func(token string) chat.Update { return tapped(user, user, token) },
			[]string{edited(user, textWorkKilled), send(user, textInterrupted), "notice q2: "}, "⬅️ Back to view"},
		{"a typed command", func(string) chat.Update { return typed(user, user, "/view") },
			[]string{"edit 2/1002: " + textWorkKilled, send(user, textInterrupted)}, ""},
	} {
		t.Run(rule.name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				u := rule.u(r.view(user, user)[0])
				r.modules.set(working(10*time.Second, abi.OK, words("done"), nil))
				r.comes(u)
				time.Sleep(4 * time.Second)
				r.settle()
				next := newRig(t)
				next.keyboards.values = r.keyboards.all()
				next.lastID = r.lastID - 1
				next.Resume(next.receive(u)[0], time.Now(), true)
				next.settle()
				next.noneWorks()
				if label := next.backLabel(); label != rule.back {
					t.Errorf("the way back is %q", label)
				}
				next.expect(next.sender.take(), rule.did...)
				next.Close(context.Background())
				r.passes(time.Minute)
			})
		})
	}
}

func TestProgressWaitsForNothing(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.sender.hold(chat.ErrBusy)
		r.modules.set(working(5*time.Second, abi.OK, words("done"), nil))
		r.comes(typed(user, user, "/view"))
		r.expect(r.passes(time.Minute), "typing 2", send(user, "done"))
		r.sender.hold(errors.New("gone"))
		r.sender.tries = 0
		r.modules.set(working(time.Minute, abi.OK, words("done"), nil))
		r.comes(typed(user, user, "/view"))
		r.expect(r.passes(time.Hour), "typing 2", send(user, "done"))
		if r.sender.tries != 1 {
			t.Errorf("what Telegram refused was tried %d times", r.sender.tries)
		}
	})
}

func TestALineOfProgressIsBounded(t *testing.T) {
	w := work{began: time.Now(), told: make(chan struct{}, 1)}
	for range 1000 {
		w.tell(strings.Repeat("x", 5000)) // which returns at once
	}
	w.tell("")
	if text := w.text(time.Now()); units(text) > 220 || !strings.HasSuffix(text, "… 0 s") {
		t.Errorf("%d units: %q", units(text), text)
	}
}

// A tap that waits behind others is answered all the same.
func TestATapInTheQueueIsAnswered(t *testing.T) {
	inBubble(t, func(r *rig) {
		token := r.view(user, group)[0]
		r.modules.set(working(8*time.Second, abi.OK, words("slow"), nil))
		r.comes(typed(friend, group, "/view"), tapped(user, group, token))
		time.Sleep(answerAfter)
		r.settle()
		if n := r.sender.answers["q2"]; n != 1 {
			t.Errorf("answered %d times within a second", n)
		}
		r.passes(time.Minute)
		if n := r.sender.answers["q2"]; n != 1 {
			t.Errorf("answered %d times", n)
		}
	})
}
