package telegram

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

func TestLanesAreForgotten(t *testing.T) {
	clock := newFakeClock()
	l := newLanes(Flood{Chat: 1, Group: 20}, clock.clock())
	visit := func(id int64) *lane {
		ln, err := l.enter(t.Context(), chat.Address{Chat: id})
		if err != nil {
			t.Fatal(err)
		}
		l.leave(ln)
		return ln
	}
	most := 0
	for id := int64(1); id <= 100_000; id++ {
		visit(id)
		_ = clock.sleep(t.Context(), 33*time.Millisecond) // 30 a second
		most = max(most, len(l.byChat))
	}
	// A group's limits remember half a minute: 10 messages at 20 a minute.
	if most > 30*31 {
		t.Errorf("%d lanes at once for 100,000 chats", most)
	}
	_ = clock.sleep(t.Context(), time.Minute)
	visit(1)
	if len(l.byChat) != 1 || l.idle.Len() != 1 {
		t.Errorf("%d lanes after a rest", len(l.byChat))
	}
}

func TestALaneIsKeptWhileItIsPaused(t *testing.T) {
	for name, flood := range map[string]Flood{"limits": {Chat: 1}, "no limits": {}} {
		t.Run(name, func(t *testing.T) {
			clock := newFakeClock()
			l := newLanes(flood, clock.clock())
			ln, _ := l.enter(t.Context(), chat.Address{Chat: 1})
			l.pause(ln, clock.Now().Add(5*time.Minute))
			l.leave(ln)
			later := func(d time.Duration) {
				_ = clock.sleep(t.Context(), d)
				other, _ := l.enter(t.Context(), chat.Address{Chat: 2})
				l.leave(other)
			}
			for range 4 {
				later(time.Minute)
				if !l.chatPaused(1) {
					t.Fatalf("the pause is forgotten at %v", clock.Now())
				}
			}
			later(2 * time.Minute)
			later(time.Minute)
			if l.byChat[1] != nil {
				t.Error("it is kept for ever")
			}
		})
	}
}

func TestALaneKeepsItsLimitsWhileTheyMatter(t *testing.T) {
	clock := newFakeClock()
	l := newLanes(Flood{Chat: 1}, clock.clock())
	first, _ := l.enter(t.Context(), chat.Address{Chat: 1})
	l.leave(first)
	_ = clock.sleep(t.Context(), 9*time.Second)
	second, _ := l.enter(t.Context(), chat.Address{Chat: 1})
	l.leave(second)
	if first != second {
		t.Error("a chat got a fresh allowance before the old one was full again")
	}
}

func TestWhoLeavesTheLineHoldsNobodyUp(t *testing.T) {
	l := newLanes(Flood{}, Clock{}.orReal())
	to := chat.Address{Chat: 1}
	ln, err := l.enter(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := l.enter(ctx, to); !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up got %v", err)
		}
	})
	waitForLine(l, ln, 1)
	all.Go(func() {
		if _, err := l.enter(t.Context(), to); err != nil {
			t.Errorf("who stayed got %v", err)
			return
		}
		l.leave(ln)
	})
	waitForLine(l, ln, 2)
	cancel()
	l.leave(ln)
	all.Wait()
	if len(l.byChat) != 0 {
		t.Error("the lane is left")
	}
}

// Many callers give up at the very moment at which their turn comes.
func TestTurnsAreNotLost(t *testing.T) {
	l := newLanes(Flood{}, Clock{}.orReal())
	to := chat.Address{Chat: 1}
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*10*time.Microsecond)
			defer cancel()
			ln, err := l.enter(ctx, to)
			if err == nil {
				l.leave(ln)
			}
		})
	}
	all.Wait()
	if len(l.byChat) != 0 {
		t.Error("the lane is left busy")
	}
}
