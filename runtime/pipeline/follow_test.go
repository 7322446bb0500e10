package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// counting is a view that goes on every two seconds, and says how often it did
// for that user, up to a number.
func counting(upTo int) func(context.Context, abi.Request) (abi.Code, []byte, error) {
	var mu sync.Mutex
	runs := map[int64]int{}
	return func(_ context.Context, q abi.Request) (abi.Code, []byte, error) {
		if q.Action == "stop" {
			return reply(following("stopped", 0))
		}
		mu.Lock()
		runs[q.Actor.ID]++
		n := runs[q.Actor.ID]
		mu.Unlock()
		after := 2
		if n >= upTo {
			after = 0
		}
		return reply(following(fmt.Sprint("line ", n), after))
	}
}

// following is a view with a button, which goes on after so many seconds.
func following(text string, after int) abi.Reply {
	r := abi.Reply{
		Blocks:   []abi.Block{{Kind: abi.BlockText, Spans: []abi.Span{{Text: text}}}},
		Keyboard: [][]abi.Button{{{Label: "Stop", Action: "stop"}}},
	}
	if after > 0 {
		r.Again = &abi.Again{After: after, Action: "more", Args: map[string]string{"from": text}}
	}
	return r
}

func edited(who int64, text string) string { return fmt.Sprintf("edit %d/80: %s", who, text) }

// passes lets time go by, and returns what the bot did meanwhile.
func (r *rig) passes(d time.Duration) []string {
	r.t.Helper()
	time.Sleep(d)
	r.settle()
	return r.sender.take()
}

func TestAMessageIsFollowedUpUntilItIsDone(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.modules.set(counting(3))
		r.expect(r.handles(typed(user, user, "/view")), send(user, "line 1"))
		r.expect(r.passes(2*time.Second-1), nil...)
		r.expect(r.passes(1), edited(user, "line 2"))
		r.expect(r.passes(time.Hour), edited(user, "line 3"))
		q := r.modules.requests[1]
		if q.Action != "more" || q.Args["from"] != "line 1" || q.Actor.ID != user || q.Command != "" {
			t.Errorf("the module was asked %+v", q)
		}
		if n := len(r.keyboards.all()); n != 1 {
			t.Errorf("%d entries stand behind one message's buttons", n)
		}
		if left := r.journal.left(); len(left) > 0 || len(r.modules.requests) != 3 {
			t.Errorf("%v in the journal, %d requests", left, len(r.modules.requests))
		}
	})
}

func TestFollowingEndsAfterTwoMinutesInAll(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.modules.set(counting(1_000_000))
		r.handles(typed(user, user, "/view"))
		did := r.passes(time.Hour)
		if n := len(did); n != 60 || did[59] != edited(user, "line 60\n\n"+textFollowOver) {
			t.Errorf("%d edits, the last %q", n, did[n-1])
		}
	})
}

// A tap ends it, whatever runs just then, and nothing comes over the newer view.
func TestATapEndsFollowing(t *testing.T) {
	for _, running := range []bool{false, true} {
		inBubble(t, func(r *rig) {
			r.modules.set(counting(1_000))
			r.handles(typed(user, user, "/view"))
			stop := r.buttons()[0]
			ended := false
			if running {
				r.modules.set(func(ctx context.Context, q abi.Request) (abi.Code, []byte, error) {
					if q.Action == "stop" {
						return reply(following("stopped", 0))
					}
					select {
					case <-ctx.Done():
						ended = true
						return abi.Internal, nil, fault(abi.Timeout)
					case <-time.After(9 * time.Second):
					}
					return reply(following("late", 1))
				})
				time.Sleep(3 * time.Second)
			}
			r.expect(r.handles(tapped(user, user, stop)), "notice q2: ", edited(user, "stopped"))
			r.expect(r.passes(time.Hour), nil...)
			if ended != running {
				t.Errorf("running: %v; it gave way: %v", running, ended)
			}
		})
	}
}

// Somebody's own command does not wait for what the host does by itself, which is
// tried again then.
func TestCommandsComeBeforeFollowUps(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.modules.set(counting(1_000))
		r.handles(typed(user, group, "/view"))
		r.modules.set(func(ctx context.Context, q abi.Request) (abi.Code, []byte, error) {
			if q.Command != "" {
				return saying("at once")
			}
			select {
			case <-ctx.Done():
				return abi.Internal, nil, fault(abi.Timeout)
			case <-time.After(5 * time.Second):
				return reply(following("slow", 0))
			}
		})
		r.passes(3 * time.Second)
		began := time.Now()
		r.expect(r.handles(typed(friend, group, "/view")), send(group, "at once"))
		if took := time.Since(began); took > 0 {
			t.Errorf("a command waited %v for a follow-up", took)
		}
		r.expect(r.passes(time.Minute), fmt.Sprintf("edit %d/80: slow", group))
	})
}

func TestFollowUpsObeyTheLimits(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.modules.set(counting(5))
		r.handles(typed(user, user, "/view"))
		r.sender.hold(chat.ErrBusy)
		r.expect(r.passes(7*time.Second), nil...) // lines 2 to 4
		r.expect(r.passes(time.Hour), edited(user, "line 5"))
		if r.sender.tries != 4 {
			t.Errorf("%d edits were tried", r.sender.tries)
		}
	})
}

func TestWhatDidNotChangeIsNotEdited(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) { return reply(following("quiet", 1)) })
		r.handles(typed(user, user, "/view"))
		r.expect(r.passes(time.Minute), nil...)
	})
}

func TestHowFollowingEnds(t *testing.T) {
	failing := func(code abi.Code, data string, err error) func(*rig) {
		return func(r *rig) {
			r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) { return code, []byte(data), err })
		}
	}
	asking := func(verdict capability.Verdict) func(*rig) {
		return failing(0, "", &capability.Asked{Verdict: verdict, Act: stopping})
	}
	for _, rule := range []struct {
		name string
		then func(*rig)
		says string
	}{
		{"a fault", failing(0, "", fault(abi.Internal)), faultText(nil, "mod")},
		{"a timeout", failing(0, "", fault(abi.Timeout)), faultText(fault(abi.Timeout), "mod")},
		{"no reply", failing(abi.OK, "", nil), textBadReply},
		{"a broken reply", failing(abi.OK, "{", nil), textBadReply},
		{"what cannot be shown", failing(abi.OK, `{"blocks":[{"kind":"html"}]}`, nil), textBadReply},
		{"a refusal", failing(abi.NotFound, `{"blocks":[{"kind":"text","spans":[{"text":"it is gone"}]}]}`, nil), "it is gone"},
		{"a refusal without words", failing(abi.NotFound, "", nil), codeText(abi.NotFound)},
		{"a panic of ours", func(r *rig) {
			r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) { panic("a fault of ours") })
		}, ""},
		{"a session that is over", asking(capability.AskSession), textFollowSession},
		{"what would change something", asking(capability.AskConfirm), textFollowActs},
		{"a message that is gone", func(r *rig) { r.sender.hold(errors.New("gone")) }, ""},
		{"a bot that stops", func(r *rig) { r.Close(context.Background()) }, textFollowStopped},
		{"rights that were taken away", func(r *rig) { r.Access.(*changing).put(access.Policy{Users: []int64{admin}}) }, ""},
		{"forgotten", func(r *rig) { _ = r.Forget(context.Background(), func(u, _ int64) bool { return u == user }) }, ""},
	} {
		t.Run(rule.name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				lists := &changing{}
				lists.put(access.Policy{Users: []int64{user}})
				r.Pipeline.Access = lists
				r.modules.set(counting(1_000))
				r.handles(typed(user, user, "/view"))
				r.expect(r.passes(3*time.Second), edited(user, "line 2"))
				rule.then(r)
				var want []string
				if rule.says != "" {
					want = []string{edited(user, "line 2\n\n"+rule.says)}
				}
				r.expect(r.passes(time.Hour), want...)
				if n := len(r.chains.order); n > 0 {
					t.Errorf("%d chains go on", n)
				}
			})
		})
	}
}

// The gate itself lets a follow-up change nothing, even in a session and with a
// capability that needs no confirming tap.
func TestAFollowUpNeverActs(t *testing.T) {
	start := stopping
	start.Capability = capability.ContainersStart
	withFactor(t, start, func(r *rig, acted *int) {
		r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
		gated := r.modules.gated
		r.modules.gate(nil)
		r.modules.set(counting(1_000))
		r.handles(typed(admin, admin, "/view"))
		r.modules.gate(gated)
		r.expect(r.passes(time.Minute), edited(admin, "line 1\n\n"+textFollowActs))
		if *acted != 0 {
			t.Errorf("it acted %d times", *acted)
		}
	})
}

// What the user sees is what a tap does, also if the buttons change under the
// finger. All generations share one entry of the store.
func TestButtonsThatChangeUnderTheFinger(t *testing.T) {
	inBubble(t, func(r *rig) {
		n := 0
		r.modules.set(func(_ context.Context, q abi.Request) (abi.Code, []byte, error) {
			if strings.HasPrefix(q.Action, "do") {
				return saying(q.Action)
			}
			n++
			v := following(fmt.Sprint("line ", n), 2)
			v.Keyboard = [][]abi.Button{{{Label: "Do", Action: fmt.Sprint("do", n)}}}
			return reply(v)
		})
		r.handles(typed(user, user, "/view"))
		first := r.buttons()[0]
		r.passes(2 * time.Second)
		second := r.buttons()[0]
		r.passes(2 * time.Second)
		if third := r.buttons()[0]; first == second || second == third || len(third) > chat.MaxCallbackData {
			t.Errorf("tokens %q, %q and %q", first, second, third)
		}
		r.expect(r.handles(tapped(user, user, first)), "alert q2: "+textButtonExpired)
		r.expect(r.handles(tapped(user, user, second)), "notice q2: ", edited(user, "do2"))
		if len(r.keyboards.all()) != 1 {
			t.Errorf("%d entries in the store", len(r.keyboards.all()))
		}
	})
}

// A module that wants to go on in a thousand messages, each second, with all the
// arguments there may be, gets a few, for two minutes each.
func TestAHostileModuleFollowsLittle(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.unlimited()
		r.sender.apart = true
		var n atomic.Int64
		r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) {
			v := following(fmt.Sprint("line ", n.Add(1)), 1)
			v.Again.Args = map[string]string{"x": strings.Repeat("x", 2000)}
			v.Keyboard[0][0].Args = map[string]string{"x": strings.Repeat("y", 2000)}
			return reply(v)
		})
		for range 1000 {
			r.comes(typed(user, user, "/view"))
			time.Sleep(100 * time.Millisecond)
			r.settle()
			if n := len(r.chains.order); n > chainsOfUser+laneBound {
				t.Fatalf("%d messages are followed up", n)
			}
		}
		r.sender.take()
		began := n.Load()
		r.passes(time.Minute)
		if n := len(r.chains.order); n != chainsOfUser {
			t.Errorf("%d messages of one user are followed up", n)
		}
		if n := n.Load() - began; n > chainsOfUser*61 {
			t.Errorf("%d follow-ups in a minute", n)
		}
		r.modules.set(counting(3))
		r.handles(typed(friend, friend, "/view"))
		if did := r.passes(10 * time.Second); !strings.Contains(strings.Join(did, "\n"), "line 3") {
			t.Errorf("a friend's message is not followed up: %q", did)
		}
		r.passes(time.Hour)
		if n := len(r.chains.order); n != 0 {
			t.Errorf("%d go on after an hour", n)
		}
	})
}

func TestChainsAreBoundedInAll(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.Access = everybody{}
		r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) { return reply(following("x", 60)) })
		for i := range int64(3 * chainsAtMost) {
			r.comes(typed(1000+i, 1000+i, "/view"))
		}
		r.settle()
		if n := len(r.chains.order); n != chainsAtMost {
			t.Errorf("%d messages are followed up, at most %d", n, chainsAtMost)
		}
	})
}

func TestANoteFitsBelowWhatIsThere(t *testing.T) {
	long := chat.Message{Text: strings.Repeat("🐳", 2048), Entities: []chat.Entity{{Type: "bold", Length: 4096}, {Type: "code", Offset: 4090, Length: 6}}}
	for _, m := range []chat.Message{{}, {Text: "x"}, long, {Text: strings.Repeat("x", 1024), Photo: &chat.File{Name: "a.png"}}} {
		got := withNote(m, textFollowOver)
		limit := chat.MaxText
		if m.Photo != nil {
			limit = chat.MaxCaption
		}
		if n := units(got.Text); n > limit || !strings.HasSuffix(got.Text, textFollowOver) {
			t.Errorf("%d units that end in %q", n, got.Text[max(len(got.Text)-60, 0):])
		}
		for _, e := range got.Entities {
			if e.Offset+e.Length > units(got.Text) || e.Length <= 0 {
				t.Errorf("an entity %+v", e)
			}
		}
	}
}
