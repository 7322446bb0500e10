package notice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

type memory struct {
	mu     sync.Mutex
	until  map[string]time.Time
	broken error
	deaf   bool // it never gets to have anything
}

func (m *memory) Get(key []byte) ([]byte, time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return nil, m.until[string(key)], m.broken
}

func (m *memory) PutLater(key, _ []byte, expires time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.deaf {
		return
	}
	if m.until == nil {
		m.until = map[string]time.Time{}
	}
	m.until[string(key)] = expires
}

// room is Notices in a bubble, and what they sent.
type room struct {
	*Notices
	chats []Chat
	mu    sync.Mutex
	sent  []string
	fail  error
}

func inBubble(t *testing.T, table *memory, test func(*room)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &room{}
		r.Notices = New(Config{
			Send: func(_ context.Context, to Chat, text string) error {
				r.mu.Lock()
				defer r.mu.Unlock()
				place := fmt.Sprint(to.ID)
				if to.Topic != 0 {
					place += fmt.Sprint("/", to.Topic)
				}
				r.sent = append(r.sent, place+" "+text)
				return r.fail
			},
			Admins: func() []int64 { return []int64{1, 2} }, Chats: func() []Chat { return r.chats }, Table: table, Now: time.Now, Log: zap.NewNop(),
		})
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { r.Run(ctx) })
		test(r)
		cancel()
		running.Wait()
	})
}

// take returns what was sent since the last time.
func (r *room) take() []string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	sent := r.sent
	r.sent = nil
	return sent
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

// A3: once in 300 s for each stranger.
func TestOneNoticeForEachStranger(t *testing.T) {
	table := &memory{}
	inBubble(t, table, func(r *room) {
		for range 3 {
			r.Tell(AboutStranger, "a", 0, "a knocks")
		}
		expect(t, r.take(), "1 a knocks", "2 a knocks")
		r.Tell(AboutStranger, "b", 0, "b knocks")
		expect(t, r.take(), "1 b knocks", "2 b knocks")
		time.Sleep(300*time.Second - time.Nanosecond)
		r.Tell(AboutStranger, "a", 0, "a knocks")
		expect(t, r.take())
		time.Sleep(time.Nanosecond)
		r.Tell(AboutStranger, "a", 0, "a knocks")
		expect(t, r.take(), "1 a knocks", "2 a knocks")
	})
}

func TestARestartTellsNothingTwice(t *testing.T) {
	table := &memory{}
	inBubble(t, table, func(r *room) {
		r.Tell(AboutStranger, "a", 0, "a knocks")
		expect(t, r.take(), "1 a knocks", "2 a knocks")
	})
	inBubble(t, table, func(r *room) { // the bubble's clock begins anew
		r.Tell(AboutStranger, "a", 0, "a knocks")
		expect(t, r.take())
	})
}

// A flood of one kind hides no other, and is counted.
func TestKindsAreLimitedEachOnItsOwn(t *testing.T) {
	inBubble(t, &memory{}, func(r *room) {
		for i := range 1000 {
			r.Tell(AboutStranger, fmt.Sprint(i), 0, "knocks")
		}
		if n := len(r.take()); n != 2*limits[AboutStranger].most {
			t.Errorf("%d messages about strangers", n)
		}
		r.Tell(AboutBlock, "x", 0, "blocked")
		expect(t, r.take(), "1 blocked", "2 blocked")
		time.Sleep(300 * time.Second)
		r.Tell(AboutStranger, "next", 2, "knocks")
		expect(t, r.take(), "1 knocks\n(990 more notices of this kind were left out before.)")
		time.Sleep(300 * time.Second)
		for i := range limits[AboutStranger].most + 1 {
			r.Tell(AboutStranger, fmt.Sprint("again", i), 2, "knocks")
		}
		r.take()
		time.Sleep(300 * time.Second)
		r.Tell(AboutStranger, "last", 2, "knocks")
		expect(t, r.take(), "1 knocks\n(1 more notice of this kind was left out before.)")
	})
}

// The table may take a moment to have what was told.
func TestTheTableLags(t *testing.T) {
	inBubble(t, &memory{deaf: true}, func(r *room) {
		for range 3 {
			r.Tell(AboutStranger, "a", 0, "a knocks")
		}
		expect(t, r.take(), "1 a knocks", "2 a knocks")
		for i := range 10 * toldAtMost {
			r.Tell(AboutStranger, fmt.Sprint(i), 0, "knocks")
			time.Sleep(30 * time.Second)
		}
		if n := len(r.told); n > toldAtMost {
			t.Errorf("%d are remembered", n)
		}
	})
}

func TestWhoItIsAboutIsNotTold(t *testing.T) {
	inBubble(t, &memory{}, func(r *room) {
		r.Tell(AboutBlock, "x", 1, "blocked")
		expect(t, r.take(), "2 blocked")
	})
}

func TestFaults(t *testing.T) {
	inBubble(t, &memory{broken: errors.New("broken")}, func(r *room) {
		r.fail = errors.New("the admin never wrote to the bot")
		r.Tell(AboutState, "full", 0, "the disk is full")
		expect(t, r.take(), "1 the disk is full", "2 the disk is full")
		r.Tell(AboutConfig, "x", 0, "insecure")
		expect(t, r.take(), "1 insecure", "2 insecure")
	})
}

func TestAKindThatIsNotThereSaysNothing(t *testing.T) {
	inBubble(t, &memory{}, func(r *room) {
		r.Tell("", "x", 0, "nothing")
		expect(t, r.take())
	})
}

func TestTellNeverWaits(t *testing.T) {
	n := New(Config{
		Send:   func(context.Context, Chat, string) error { return nil },
		Chats:  func() []Chat { return make([]Chat, 2*waitingAtMost) },
		Admins: func() []int64 { return make([]int64, 2*waitingAtMost) }, Table: &memory{}, Now: time.Now, Log: zap.NewNop(),
	})
	n.Tell(AboutState, "x", -1, strings.Repeat("x", 100)) // nobody runs: it must return
	if len(n.queue) != waitingAtMost {
		t.Errorf("%d wait", len(n.queue))
	}
}

// TestWhatNotificationChatsAreTold lists every kind: a new one must be put in its
// place here as well.
func TestWhatNotificationChatsAreTold(t *testing.T) {
	inBubble(t, &memory{}, func(r *room) {
		r.chats = []Chat{{ID: -100, Topic: 45}, {ID: -100}, {ID: 7}, {ID: 2}, {ID: -100, Topic: 45}}
		want := map[Kind]bool{
			AboutStranger: false, AboutBlock: false, AboutConfig: false, AboutFile: false,
			AboutState: true, AboutWebhook: true, AboutModule: true,
		}
		for kind := range limits {
			chats, known := want[kind]
			if !known {
				t.Errorf("is %s for notification chats?", kind)
			}
			r.Tell(kind, "x", 0, "text")
			if chats {
				expect(t, r.take(), "1 text", "2 text", "-100/45 text", "-100 text", "7 text")
			} else {
				expect(t, r.take(), "1 text", "2 text")
			}
		}
		r.Tell(AboutModule, "y", 7, "text")
		expect(t, r.take(), "1 text", "2 text", "-100/45 text", "-100 text")
	})
}
