package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/ratelimit"
)

// hang makes every command wait for the returned function, or for its context.
func (r *rig) hang() (release func()) {
	gate := make(chan struct{})
	r.modules.set(func(ctx context.Context, q abi.Request) (abi.Code, []byte, error) {
		select {
		case <-gate:
			return saying("did " + q.Text)
		case <-ctx.Done():
			return abi.Internal, nil, fault(abi.Timeout)
		}
	})
	return func() { close(gate) }
}

// unlimited takes A8 out of the way.
func (r *rig) unlimited() { r.UserLimit = ratelimit.New[int64](1_000_000, time.Second, 100) }

func view(from, where int64, n int) chat.Update { return typed(from, where, fmt.Sprint("/view ", n)) }

func TestOneChatKeepsItsOrder(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.unlimited()
		r.modules.set(func(_ context.Context, q abi.Request) (abi.Code, []byte, error) {
			time.Sleep(time.Duration(30-len(q.Text)) * time.Millisecond)
			return saying(q.Text)
		})
		var want []string
		for i := range laneBound {
			r.comes(view(user, user, i))
			want = append(want, send(user, fmt.Sprint(i)))
		}
		time.Sleep(time.Minute)
		r.expect(r.sender.take(), want...)
	})
}

func TestASlowChatDelaysNobody(t *testing.T) {
	inBubble(t, func(r *rig) {
		release := r.hang()
		r.comes(view(user, user, 1), view(user, user, 2))
		r.settle()
		r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) { return saying("at once") })
		r.expect(r.handles(typed(friend, friend, "/view")), send(friend, "at once"))
		r.expect(r.handles(typed(user, group, "/view")), send(group, "at once"))
		release()
		r.settle()
		r.expect(r.sender.take(), send(user, "did 1"), send(user, "at once"))
	})
}

func TestAFullLaneIsTold(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.unlimited()
		release := r.hang()
		for i := range 1 + laneBound { // one runs, the others wait
			r.comes(view(user, user, i))
			r.settle()
		}
		over := 0
		comes := func(u chat.Update, want ...string) {
			t.Helper()
			over++
			r.expect(r.handles(u), want...)
		}
		// Who comes now hears of it once in a while, tapping or typing.
		comes(view(user, user, 99), send(user, textLaneFull))
		comes(view(user, user, 99))
		comes(tapped(user, user, "x.0"))
		time.Sleep(laneNoticeSpan)
		comes(tapped(user, user, "x.1"), "alert q2: "+textLaneFull)
		comes(view(user, user, 99))
		if n := r.logs.FilterField(zap.String("reason", "lane_full")).Len(); n != over {
			t.Errorf("%d lines about a full lane, want %d", n, over)
		}
		if left := r.journal.left(); len(left) != 1+laneBound {
			t.Errorf("%d stay in the journal, want %d", len(left), 1+laneBound)
		}
		release()
		r.settle()
		if did := r.sender.take(); len(did) != 1+laneBound {
			t.Errorf("%d answers, want %d", len(did), 1+laneBound)
		}
		if left := r.journal.left(); len(left) > 0 {
			t.Errorf("%v stay in the journal", left)
		}
	})
}

// An old tap cannot be answered any more. A hundred of them must not become a
// hundred messages.
func TestOldTapsOnAFullLaneAreNoFlood(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.unlimited()
		release := r.hang()
		for i := range 1 + laneBound {
			r.comes(view(user, user, i))
			r.settle()
		}
		r.sender.take()
		r.sender.refuse = errors.New("query is too old")
		for range 100 {
			r.comes(tapped(user, user, "x.0"))
		}
		r.settle()
		r.expect(r.sender.take(), "alert q2: "+textLaneFull, send(user, textLaneFull))
		release()
	})
}

func TestNobodyShutsOthersOutOfAGroup(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.unlimited()
		release := r.hang()
		for i := range 1 + 5*laneBound {
			r.comes(tapped(stranger, group, "x.0"), view(stranger, group, i), view(user, group, i))
			r.settle()
		}
		r.sender.take()
		r.comes(view(friend, group, 7))
		release()
		r.settle()
		did := r.sender.take()
		if !slices.Contains(did, send(group, "did 7")) || len(did) > 1+laneUserBound+1 {
			t.Errorf("the bot did %v", did)
		}
	})
}

func TestTooMuchInAllStaysWithTelegram(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.unlimited()
		r.Access = everybody{}
		release := r.hang()
		const chats = totalBound / laneBound
		r.fillUp(chats, laneBound)
		// One more: it is not taken, so Telegram keeps it.
		more := r.receive(view(user, user, 1))
		ctx, giveUp := context.WithTimeout(context.Background(), time.Second)
		defer giveUp()
		if err := r.Deliver(ctx, more); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if left := r.journal.left(); len(left) != chats*(1+laneBound) {
			t.Errorf("%d are in the journal", len(left))
		}
		time.AfterFunc(time.Hour, release)
		began := time.Now()
		if err := r.Deliver(context.Background(), more); err != nil || time.Since(began) != time.Hour {
			t.Errorf("taken after %v, %v", time.Since(began), err)
		}
		r.settle()
		if left := r.journal.left(); len(left) > 0 {
			t.Errorf("%d stay in the journal", len(left))
		}
	})
}

// everybody is an Access that lets everybody in.
type everybody struct{}

func (everybody) Decide(int64, int64, bool) access.Decision {
	return access.Decision{Allowed: true, Role: access.User}
}

func TestARepeatIsHandledOnce(t *testing.T) {
	inBubble(t, func(r *rig) {
		list := r.receive(typed(user, user, "/view"))
		for range 3 {
			if err := r.Deliver(context.Background(), list); err != nil {
				t.Fatal(err)
			}
		}
		r.settle()
		r.expect(r.sender.take(), send(user, "done"))
		if !r.has("update.duplicate") {
			t.Error("the log does not have update.duplicate")
		}
	})
}

func TestWhatIsNotOnDiskIsNotTaken(t *testing.T) {
	inBubble(t, func(r *rig) {
		list := r.receive(typed(user, user, "/view"))
		r.journal.broken = errBroken
		if err := r.Deliver(context.Background(), list); !errors.Is(err, errBroken) {
			t.Errorf("got %v", err)
		}
		r.settle()
		r.expect(r.sender.take())
		r.journal.broken = nil
		if err := r.Deliver(context.Background(), list); err != nil {
			t.Fatal(err)
		}
		r.settle()
		r.expect(r.sender.take(), send(user, "done"))
	})
}

func TestAfterARestart(t *testing.T) {
	for _, rule := range []struct {
		name    string
		update  func(r *rig) chat.Update
		waited  time.Duration
		started bool
		did     []string
		runs    int
	}{
		{"what had not started runs", func(*rig) chat.Update { return typed(user, user, "/view") }, time.Second, false, []string{send(user, "done")}, 1},
		{"what had started is reported", func(*rig) chat.Update { return typed(user, user, "/view") }, time.Second, true, []string{send(user, textInterrupted)}, 0},
		{"also to a stranger who was let in", func(*rig) chat.Update { return typed(stranger, stranger, "/open") }, time.Second, true, []string{send(stranger, textInterrupted)}, 0},
		{"also after hours", func(*rig) chat.Update { return typed(user, user, "/view") }, time.Hour, true, []string{send(user, textInterrupted)}, 0},
		{"what waited too long has expired", func(*rig) chat.Update { return typed(user, user, "/view") }, time.Hour, false, []string{send(user, textExpired)}, 0},
		{"a tap runs", func(r *rig) chat.Update { return tapped(user, user, r.view(user, user)[1]) }, time.Second, false,
			[]string{"notice q2: ", "edit 2/80: tapped view"}, 2},
		{"a tap that had started is reported in the chat", func(r *rig) chat.Update { return tapped(user, user, r.view(user, user)[1]) }, time.Second, true,
			[]string{send(user, textInterrupted), "notice q2: "}, 1},
		// Telegram does not date taps; our own journal does.
		{"a tap that waited too long has expired", func(r *rig) chat.Update { return tapped(user, user, r.view(user, user)[1]) }, time.Hour, false,
			[]string{"alert q2: " + textExpired}, 1},
	} {
		t.Run(rule.name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				list := r.receive(rule.update(r))
				r.journal.seen[list[0].ID] = true
				since := time.Now()
				time.Sleep(rule.waited)
				r.sender.take()
				r.Resume(list[0], since, rule.started)
				r.settle()
				r.expect(r.sender.take(), rule.did...)
				if n := r.modules.runs(); n != rule.runs {
					t.Errorf("%d commands ran, want %d", n, rule.runs)
				}
				if left := r.journal.left(); len(left) > 0 {
					t.Error("the update stays in the journal")
				}
			})
		})
	}
	t.Run("a tap of unknown age has expired", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			list := r.receive(tapped(user, user, r.view(user, user)[1]))
			r.sender.take()
			r.Resume(list[0], time.Time{}, false)
			r.settle()
			r.expect(r.sender.take(), "alert q2: "+textExpired)
		})
	})
}

func TestCloseLetsRunningCommandsEnd(t *testing.T) {
	inBubble(t, func(r *rig) {
		release := r.hang()
		r.comes(view(user, user, 1), view(user, user, 2), view(friend, friend, 3))
		r.settle()
		time.AfterFunc(2*time.Second, release)
		began := time.Now()
		r.Close(context.Background())
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("closing took %v", took)
		}
		did := slices.DeleteFunc(r.sender.take(), func(line string) bool { return strings.HasPrefix(line, "typing") })
		r.expect(sorted(did), send(user, "did 1"), send(friend, "did 3"))
		if left := r.journal.left(); !slices.Equal(left, []int64{2}) {
			t.Errorf("the journal keeps %v, want the one that waited", left)
		}
		// What is delivered now is for the next start.
		r.comes(view(user, user, 4), tapped(user, user, "x.0"))
		r.settle()
		r.expect(r.sender.take())
		if left := r.journal.left(); !slices.Equal(left, []int64{2, 4, 5}) {
			t.Errorf("the journal keeps %v", left)
		}
	})
}

func TestCloseEndsWhatDoesNotEndItself(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.hang()
		r.comes(view(user, user, 1))
		r.settle()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		began := time.Now()
		r.Close(ctx)
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("closing took %v", took)
		}
		// It had started: after the restart it is reported, and nothing is said
		// of it now.
		if left := r.journal.left(); !slices.Equal(left, []int64{1}) || !slices.Equal(r.journal.started, []int64{1}) {
			t.Errorf("the journal keeps %v, started %v", left, r.journal.started)
		}
		if got := r.outcomes(); !slices.Equal(got, []string{"unfinished"}) {
			t.Errorf("outcomes %v", got)
		}
	})
}

func sorted(list []string) []string { slices.Sort(list); return list }
