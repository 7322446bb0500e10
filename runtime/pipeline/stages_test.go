package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

func send(to int64, text string) string { return fmt.Sprintf("send %d: %s", to, text) }

func TestWhoHearsWhat(t *testing.T) {
	old := func(u chat.Update) chat.Update { u.Sent = u.Sent.Add(-maxAge - time.Second); return u }
	for _, rule := range []struct {
		name    string
		update  func() chat.Update
		did     []string
		ran     bool
		outcome string
	}{
		{"a user's command runs", func() chat.Update { return typed(user, user, "/view") }, []string{send(user, "done")}, true, "answered"},
		{"also in a listed group", func() chat.Update { return typed(user, group, "/view") }, []string{send(group, "done")}, true, "answered"},
		{"an admin's command runs for admins", func() chat.Update { return typed(admin, admin, "/manage") }, []string{send(admin, "done")}, true, "answered"},
		{"and not for users", func() chat.Update { return typed(user, user, "/manage") }, []string{send(user, textNotForYou)}, false, "refused"},
		{"a command for nobody runs for nobody", func() chat.Update { return typed(admin, admin, "/nobody") }, []string{send(admin, textNotForYou)}, false, "refused"},
		{"an unknown command is answered in private", func() chat.Update { return typed(user, user, "/what") }, []string{send(user, textUnknown)}, false, "unknown"},
		{"a sentence too", func() chat.Update { return typed(user, user, "good morning") }, []string{send(user, textUnknown)}, false, "unknown"},
		{"people talk to each other in groups", func() chat.Update { return typed(user, group, "good morning") }, nil, false, "ignored"},
		{"and to other bots", func() chat.Update { return typed(user, group, "/what") }, nil, false, "ignored"},
		{"what is meant for us is answered there", func() chat.Update { return typed(user, group, "/what@us") }, []string{send(group, textUnknown)}, false, "unknown"},
		{"what is too old is not done", func() chat.Update { return old(typed(user, user, "/view")) }, []string{send(user, textExpired)}, false, "expired"},
		{"a stranger's is not even told so", func() chat.Update { return old(typed(stranger, stranger, "/open")) }, nil, false, "expired"},
		{"the limit is still fresh", func() chat.Update { u := typed(user, user, "/view"); u.Sent = u.Sent.Add(-maxAge); return u }, []string{send(user, "done")}, true, "answered"},
		{"a stranger is refused", func() chat.Update { return typed(stranger, stranger, "/view") }, []string{send(stranger, textStranger)}, false, "refused"},
		{"in silence in a group", func() chat.Update { return typed(stranger, group, "/view") }, nil, false, "refused"},
		{"also what is open to anybody", func() chat.Update { return typed(stranger, group, "/open") }, nil, false, "refused"},
		{"which runs in private", func() chat.Update { return typed(stranger, stranger, "/open") }, []string{send(stranger, "done")}, true, "answered"},
		{"a stranger who talks to others in a group is nobody's business", func() chat.Update { return typed(stranger, group, "good morning") }, nil, false, "ignored"},
		{"a user in a foreign group is nobody", func() chat.Update { return typed(user, -11, "/view") }, nil, false, "refused"},
		{"a private chat with somebody else is none", func() chat.Update { return typed(user, admin, "/view") }, []string{send(admin, textStranger)}, false, "refused"},
	} {
		t.Run(rule.name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.expect(r.handles(rule.update()), rule.did...)
				if ran := r.modules.runs() > 0; ran != rule.ran {
					t.Errorf("ran: %v, want %v", ran, rule.ran)
				}
				if got := r.outcomes(); len(got) != 1 || got[0] != rule.outcome {
					t.Errorf("outcome %v, want %s", got, rule.outcome)
				}
				if left := r.journal.left(); len(left) > 0 {
					t.Error("the update stays in the journal")
				}
			})
		})
	}
}

func TestIgnoredUpdatesDoNothing(t *testing.T) {
	inBubble(t, func(r *rig) {
		u := typed(admin, admin, "/view")
		u.Kind, u.Reason = chat.Ignored, "edited"
		r.expect(r.handles(u))
		u.Kind = chat.Tap + 1 // one that was not there when this was written
		r.expect(r.handles(u))
		for _, data := range []string{"", "{", `"panic"`, "[]"} {
			r.lastID++
			if err := r.Deliver(context.Background(), []chat.Received{{ID: r.lastID, Data: []byte(data)}}); err != nil {
				t.Fatal(err)
			}
		}
		r.settle()
		r.expect(r.sender.take())
		if left := r.journal.left(); len(left) > 0 || r.modules.runs() > 0 {
			t.Errorf("%v stay in the journal, %d ran", left, r.modules.runs())
		}
		if n := r.logs.FilterField(zap.String("event", "update.invalid")).Len(); n != 4 {
			t.Errorf("%d updates are logged as invalid, want 4", n)
		}
		r.expect(r.handles(typed(user, user, "/view")), send(user, "done"))
	})
}

func TestSlowDownIsSaidOnce(t *testing.T) {
	inBubble(t, func(r *rig) {
		for range 8 {
			r.expect(r.handles(typed(user, user, "/view")), send(user, "done"))
		}
		r.expect(r.handles(typed(user, user, "/view")), send(user, textSlowDown))
		for range 5 {
			r.expect(r.handles(typed(user, user, "/view")))
		}
		r.expect(r.handles(typed(friend, friend, "/view")), send(friend, "done"))
		time.Sleep(10 * time.Second)
		r.expect(r.handles(typed(user, user, "/view")), send(user, "done"))
	})
}

// fault is an engine's error with its code.
type fault abi.Code

func (f fault) Error() string       { return "fault" }
func (f fault) FaultCode() abi.Code { return abi.Code(f) }

func TestWhatWentWrongIsSaid(t *testing.T) {
	internal := faultText(nil, "mod")
	for _, rule := range []struct {
		name  string
		code  abi.Code
		reply string
		err   error
		says  string
	}{
		{"a timeout", 0, "", fault(abi.Timeout), faultText(fault(abi.Timeout), "mod")},
		{"a limit", 0, "", fmt.Errorf("run: %w", fault(abi.Limit)), faultText(fault(abi.Limit), "mod")},
		{"not loaded", 0, "", fault(abi.Unavailable), faultText(fault(abi.Unavailable), "mod")},
		{"a trap", 0, "", fault(abi.Internal), internal},
		{"anything else", 0, "", errBroken, internal},
		{"a refusal in the module's words", abi.NotFound, `{"blocks":[{"kind":"text","spans":[{"text":"no such thing"}]}]}`, nil, "no such thing"},
		{"a refusal without words", abi.NotFound, "", nil, codeText(abi.NotFound)},
		{"no reply", abi.OK, "", nil, textBadReply},
		{"no JSON", abi.OK, "{", nil, textBadReply},
		{"an empty reply", abi.OK, "{}", nil, textBadReply},
		{"an unknown block", abi.OK, `{"blocks":[{"kind":"html"}]}`, nil, textBadReply},
	} {
		t.Run(rule.name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) {
					return rule.code, []byte(rule.reply), rule.err
				})
				r.expect(r.handles(typed(user, user, "/view")), send(user, rule.says))
				if len(r.deletions) != 1 || r.deletions[0] != (deletion{user, 1001, noteLifetime}) {
					t.Errorf("deletions %v: want the note after %v", r.deletions, noteLifetime)
				}
				if left := r.journal.left(); len(left) > 0 {
					t.Error("the update stays in the journal")
				}
			})
		})
	}
}

// off is the fault of a module that is switched off until then.
type off time.Time

func (off) Error() string         { return "off" }
func (off) FaultCode() abi.Code   { return abi.Unavailable }
func (o off) OffUntil() time.Time { return time.Time(o) }

func TestAModuleThatIsSwitchedOff(t *testing.T) {
	for _, test := range []struct {
		left time.Duration
		says string
	}{
		{time.Second, "in 1 minute, at 00:00:01"},
		{time.Minute, "in 1 minute, at 00:01:00"},
		{time.Minute + time.Second, "in 2 minutes, at 00:01:01"},
		{time.Hour, "in 60 minutes, at 01:00:00"},
		{-time.Second, "in 1 minute, at 23:59:59"}, // it is over by now
	} {
		inBubble(t, func(r *rig) { // where it is midnight
			r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) {
				return abi.Internal, nil, fmt.Errorf("invoke: %w", off(time.Now().Add(test.left)))
			})
			want := "⛔ The module mod is switched off after repeated faults. It comes back " + test.says + ". Everything else works."
			r.expect(r.handles(typed(user, user, "/view")), send(user, want))
			if len(want) > 200 {
				t.Errorf("a dialog after a tap cannot show all of %q", want)
			}
		})
	}
}

func TestWhatIsCounted(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(r *rig)
		want string
	}{
		{"an answer", func(r *rig) { r.handles(typed(user, user, "/view")) }, "update answered 1, command mod 0s"},
		{"a long one", func(r *rig) {
			r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) {
				time.Sleep(2 * time.Second)
				return saying("done")
			})
			r.handles(typed(user, user, "/view"))
			time.Sleep(2 * time.Second)
			r.settle()
		}, "update answered 1, command mod 2s"},
		{"no command", func(r *rig) { r.handles(typed(user, user, "/nonsense")) }, "update unknown 1"},
		{"a stranger", func(r *rig) { r.handles(typed(stranger, stranger, "/view")) }, "denied not_listed, update refused 1"},
		{"not an admin", func(r *rig) { r.handles(typed(user, user, "/manage")) }, "denied role, update refused 1"},
		{"what cannot be read", func(r *rig) {
			r.lastID++
			r.Deliver(context.Background(), []chat.Received{{ID: r.lastID, Data: []byte("}")}})
		}, "update invalid 1"},
		{"what nobody typed", func(r *rig) {
			r.handles(chat.Update{From: chat.User{ID: user}, Chat: chat.Chat{ID: user, Private: true}})
		}, "update ignored 1"},
		{"a repeat", func(r *rig) {
			list := r.receive(typed(user, user, "/view"))
			r.Deliver(context.Background(), list)
			r.settle()
			r.Deliver(context.Background(), list)
		}, "update answered 1, command mod 0s, update duplicate 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				test.run(r)
				r.settle()
				if got := strings.Join(r.counts.said, ", "); got != test.want {
					t.Errorf("counted %q, want %q", got, test.want)
				}
			})
		})
	}
}

func TestHostTextsDiffer(t *testing.T) {
	seen := map[string]abi.Code{}
	for _, code := range []abi.Code{abi.Timeout, abi.Limit, abi.Unavailable, abi.Internal} {
		text := faultText(fault(code), "mod")
		if other, twice := seen[text]; twice || !strings.Contains(text, "mod") {
			t.Errorf("code %v: %q, as %v", code, text, other)
		}
		seen[text] = code
	}
	for _, code := range []abi.Code{abi.Denied, abi.NotFound, abi.Conflict, abi.Unavailable, abi.Timeout, abi.Limit} {
		if codeText(code) == textInternal {
			t.Errorf("code %v has no text of its own", code)
		}
	}
}

func TestTheHostsOwnFaults(t *testing.T) {
	t.Run("a journal that cannot be written: nothing runs", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			list := r.receive(typed(user, user, "/view"))
			r.journal.seen[list[0].ID] = true
			r.journal.broken = errBroken
			r.Resume(list[0], time.Now(), false)
			r.settle()
			r.expect(r.sender.take(), send(user, textInternal))
			if r.modules.runs() != 0 {
				t.Error("the command ran")
			}
		})
	})
	t.Run("keyboards that cannot be kept: no buttons go out", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			r.keyboards.broken = errBroken
			r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) { return reply(refreshing("view")) })
			r.expect(r.handles(typed(user, user, "/view")), send(user, textInternal))
			r.expect(r.handles(tapped(user, user, "x.0")), "alert q2: "+textInternal)
		})
	})
	t.Run("no randomness: no tokens", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			r.Random = dry{}
			r.expect(r.handles(typed(user, user, "/view")), send(user, textInternal))
		})
	})
	t.Run("a panic costs its own update only", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) { panic("a fault of ours") })
			r.expect(r.handles(typed(user, user, "/view")), send(user, textInternal))
			r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) { return saying("done") })
			r.expect(r.handles(typed(user, user, "/view")), send(user, "done"))
			if left := r.journal.left(); len(left) > 0 || !r.has("update.panicked") {
				t.Errorf("%v stay in the journal", left)
			}
		})
	})
	t.Run("an answer that Telegram refuses is done, and logged", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			r.sender.slow = func(context.Context, int64) error { return errors.New("blocked by the user") }
			r.expect(r.handles(typed(user, user, "/view")))
			r.expect(r.handles(typed(user, user, "/what")))
			if left := r.journal.left(); len(left) > 0 || !r.has("telegram.send") {
				t.Errorf("%v stay in the journal", left)
			}
		})
	})
}

func TestRepliesOfManyParts(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) {
			return reply(abi.Reply{
				Blocks: []abi.Block{
					{Kind: abi.BlockText, Spans: []abi.Span{{Text: "ids"}}},
					{Kind: abi.BlockFile, File: &abi.File{Name: "list.csv", Data: []byte("a,b")}},
				},
				Menu: "main", Notice: "look", DeleteAfter: 30,
			})
		})
		r.expect(r.handles(typed(user, user, "/view")), send(user, "look"), send(user, "ids"), send(user, "file list.csv"))
		want := []deletion{{user, 1001, 30 * time.Second}, {user, 1002, 30 * time.Second}, {user, 1003, 30 * time.Second}}
		if fmt.Sprint(r.deletions) != fmt.Sprint(want) {
			t.Errorf("deletions %v, want %v", r.deletions, want)
		}
	})
}

func TestAMenuFitsItsReader(t *testing.T) {
	for id, role := range map[int64]string{admin: "admin", user: "user"} {
		inBubble(t, func(r *rig) {
			r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) {
				return reply(abi.Reply{Blocks: []abi.Block{{Kind: abi.BlockText, Spans: []abi.Span{{Text: "hello"}}}}, Menu: "main"})
			})
			r.handles(typed(id, id, "/view"))
			if k := r.sender.last.Keyboard; k == nil || k.Rows[0][0] != "main of "+role {
				t.Errorf("keyboard %v", k)
			}
		})
	}
}

func TestAModuleLearnsWhoAsked(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.handles(typed(admin, group, "/view all of it"))
		q := r.modules.requests[0]
		want := abi.Request{
			Version: abi.Version, Command: "view", Text: "all of it", Time: time.Now().UnixMilli(),
			Actor: abi.Actor{ID: admin, Role: "admin", Name: "Ada"}, Chat: abi.Chat{ID: group},
		}
		if fmt.Sprint(q) != fmt.Sprint(want) {
			t.Errorf("request %+v, want %+v", q, want)
		}
	})
}

func TestLongWorkIsShown(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) {
			time.Sleep(2 * time.Second)
			return saying("done")
		})
		r.comes(typed(user, user, "/view"))
		time.Sleep(progressAfter)
		r.settle()
		r.expect(r.sender.take(), fmt.Sprintf("typing %d", user))
		time.Sleep(2 * time.Second)
		r.settle()
		r.expect(r.sender.take(), send(user, "done"))
	})
}

func TestEveryLineAboutAnUpdateCanBeFollowed(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.handles(typed(user, user, "/view"))
		r.handles(typed(stranger, stranger, "/view"))
		r.handles(tapped(user, user, "forged"))
		traces := map[any]bool{}
		for _, line := range r.logs.All() {
			trace, _ := line.ContextMap()["trace_id"].(string)
			if len(trace) != 16 {
				t.Errorf("%s: trace id %q", line.Message, trace)
			}
			traces[trace] = true
		}
		if len(traces) != 3 {
			t.Errorf("%d traces of 3 updates", len(traces))
		}
	})
}
