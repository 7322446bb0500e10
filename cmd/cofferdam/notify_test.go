package main

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

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/runtime/notice"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// postbox is where a notifier's messages end.
type postbox struct {
	mu    sync.Mutex
	posts []posted
	takes time.Duration // for each message of a module named slow
	err   error
}

type posted struct {
	to     chat.Address
	user   int64
	module string
	reply  abi.Reply
	at     time.Time
}

func (p *postbox) post(ctx context.Context, to chat.Address, user int64, module string, reply abi.Reply) error {
	if module == "slow" {
		select {
		case <-time.After(p.takes):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.posts = append(p.posts, posted{to, user, module, reply, time.Now()})
	return p.err
}

func (p *postbox) of(module string) (list []posted) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.posts {
		if one.module == module {
			list = append(list, one)
		}
	}
	return list
}

func newNotifier(t *testing.T, p *postbox, s *store.Store) *notifier {
	t.Helper()
	n := &notifier{
		post: p.post, admins: func() []int64 { return []int64{11, 12} }, reach: func(int64) capability.Reach { return capability.Everywhere() }, chats: func() []notice.Chat { return []notice.Chat{{ID: -100, Topic: 7}, {ID: 13}} },
		table: s.Table(store.Notices), now: time.Now, log: zap.NewNop(), outbox: notice.NewOutbox(), spent: map[string][]byte{},
	}
	t.Cleanup(n.outbox.Close)
	return n
}

func memoryStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// aNotice has a button.
func aNotice(to string) abi.Notice {
	return abi.Notice{
		To: to, Blocks: []abi.Block{{Kind: abi.BlockText, Spans: []abi.Span{{Text: "down"}}}},
		Keyboard: [][]abi.Button{{{Label: "Look", Action: "look"}}},
	}
}

func mustTell(t *testing.T, n *notifier, module, to string, perHour int) abi.NoticeQueued {
	t.Helper()
	queued, err := n.Notify(t.Context(), module, hostcall.NoticeTerms{PerHour: perHour}, aNotice(to))
	if err != nil {
		t.Fatalf("%s tells %s: %v", module, to, err)
	}
	return queued
}

func refusedWith(t *testing.T, err error, code abi.Code) {
	t.Helper()
	if told, ok := errors.AsType[*abi.Error](err); !ok || told.Code != code {
		t.Errorf("got %v, want %v", err, code)
	}
}

func TestNoticesOfModulesGoWhereTheyAreFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &postbox{}
		n := newNotifier(t, p, memoryStore(t))
		if left := mustTell(t, n, "uptime", abi.NotifyAdmins, 5).Left; left != 4 {
			t.Errorf("%d are left", left)
		}
		mustTell(t, n, "uptime", abi.NotifyChats, 5)
		synctest.Wait()
		want := []struct {
			to      chat.Address
			user    int64
			buttons int
		}{
			{chat.Address{Chat: 11}, 11, 1}, {chat.Address{Chat: 12}, 12, 1},
			{chat.Address{Chat: -100, Thread: 7, Group: true}, 0, 0}, {chat.Address{Chat: 13}, 0, 0},
		}
		if len(p.posts) != len(want) {
			t.Fatalf("posted %+v", p.posts)
		}
		for i, w := range want {
			if got := p.posts[i]; got.to != w.to || got.user != w.user || len(got.reply.Keyboard) != w.buttons || len(got.reply.Blocks) != 1 || got.module != "uptime" {
				t.Errorf("posted %+v, want %+v", got, w)
			}
		}
		for name, q := range map[string]abi.Notice{
			"nothing":         {To: abi.NotifyAdmins},
			"too much":        {To: abi.NotifyAdmins, Blocks: slices.Repeat(aNotice("").Blocks, 1000)},
			"a broken block":  {To: abi.NotifyAdmins, Blocks: []abi.Block{{Kind: "html"}}},
			"a broken button": {To: abi.NotifyAdmins, Blocks: aNotice("").Blocks, Keyboard: [][]abi.Button{{{Label: "x"}}}},
		} {
			if _, err := n.Notify(t.Context(), "uptime", hostcall.NoticeTerms{PerHour: 5}, q); err == nil {
				t.Errorf("%s is taken", name)
			} else {
				refusedWith(t, err, abi.Invalid)
			}
		}
	})
}

// TestAFloodOfNoticesEndsAtItsBudget: 10,000 of one module, in each place, while
// another's come through at once.
func TestAFloodOfNoticesEndsAtItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &postbox{takes: 20 * time.Second} // as long as a chat's flood limit may take
		n := newNotifier(t, p, memoryStore(t))
		taken := map[string]int{}
		flood := func() {
			for _, place := range []string{abi.NotifyAdmins, abi.NotifyChats} {
				for range 10_000 {
					if _, err := n.Notify(t.Context(), "slow", hostcall.NoticeTerms{PerHour: 10}, aNotice(place)); err == nil {
						taken[place]++
					} else {
						refusedWith(t, err, abi.Limit)
					}
				}
			}
		}
		flood()
		began := time.Now()
		mustTell(t, n, "calm", abi.NotifyAdmins, 10)
		synctest.Wait()
		if got := p.of("calm"); len(got) != 2 || got[0].at.Sub(began) > time.Second {
			t.Errorf("another's came as %+v", got)
		}
		if taken[abi.NotifyAdmins] != 10 || taken[abi.NotifyChats] != 10 {
			t.Errorf("taken %v of 10 for each place", taken)
		}
		time.Sleep(59 * time.Minute)
		flood()
		if taken[abi.NotifyAdmins] != 10 {
			t.Errorf("within the hour %v were taken", taken)
		}
		time.Sleep(time.Minute)
		flood()
		if taken[abi.NotifyAdmins] != 20 || taken[abi.NotifyChats] != 20 {
			t.Errorf("after the hour %v", taken)
		}
	})
}

func TestTheBudgetOfNoticesSurvivesARestart(t *testing.T) {
	dir := t.TempDir() + "/state"
	for round := range 2 {
		s, err := store.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		n := newNotifier(t, &postbox{}, s)
		for i := range 3 {
			_, err := n.Notify(t.Context(), "uptime", hostcall.NoticeTerms{PerHour: 3}, aNotice(abi.NotifyAdmins))
			if (err == nil) != (round == 0) {
				t.Errorf("round %d, notice %d: %v", round, i, err)
			}
		}
		n.outbox.Close()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWhatWaitsIsBounded: a module with a wide budget whose chat takes nothing.
func TestWhatWaitsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &postbox{takes: time.Hour}
		n := newNotifier(t, p, memoryStore(t))
		taken := 0
		for range 1000 {
			if _, err := n.Notify(t.Context(), "slow", hostcall.NoticeTerms{PerHour: 1000}, aNotice(abi.NotifyAdmins)); err == nil {
				taken++
			} else {
				refusedWith(t, err, abi.Limit)
			}
		}
		if taken > 40 {
			t.Errorf("%d wait", taken)
		}
		if spent := len(n.spent[budgetKey("slow", abi.NotifyAdmins)]) / 4; spent != taken {
			t.Errorf("%d were taken, and %d of the budget are spent", taken, spent)
		}
	})
}

func TestOneWhoCannotBeReachedHidesNothingFromTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &postbox{err: errors.New("the user blocked the bot")}
		n := newNotifier(t, p, memoryStore(t))
		mustTell(t, n, "uptime", abi.NotifyAdmins, 5)
		synctest.Wait()
		if len(p.posts) != 2 {
			t.Errorf("posted to %s", fmt.Sprint(p.posts))
		}
	})
}

// Whom the operator keeps from some containers is told nothing that may be about them,
// neither as an admin nor in the notification chats.
func TestNoticesOfContainersReachWhoSeesThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &postbox{}
		n := newNotifier(t, p, memoryStore(t))
		n.reach = func(user int64) capability.Reach {
			if user == 11 {
				return capability.Everywhere()
			}
			return capability.Reach{}
		}
		for _, terms := range []hostcall.NoticeTerms{{PerHour: 5}, {PerHour: 5, Containers: true}} {
			for _, to := range []string{abi.NotifyAdmins, abi.NotifyChats} {
				if _, err := n.Notify(t.Context(), "watch", terms, aNotice(to)); err != nil {
					t.Fatal(err)
				}
			}
		}
		synctest.Wait()
		var got []int64
		for _, one := range p.of("watch") {
			got = append(got, one.to.Chat)
		}
		if want := []int64{11, 12, -100, 13, 11, -100}; !slices.Equal(got, want) {
			t.Errorf("told %v, want %v", got, want)
		}
	})
}

// TestALongNoticeIsSeveral: what is granted, and what admins read, is how often a phone
// rings. A notice of ten messages costs as much as ten notices.
func TestALongNoticeIsSeveral(t *testing.T) {
	n := newNotifier(t, &postbox{}, memoryStore(t))
	long := aNotice(abi.NotifyAdmins)
	long.Blocks[0].Spans[0].Text = strings.Repeat("long ", 12_000)
	for i := range 5 {
		long.Blocks = append(long.Blocks, abi.Block{Kind: abi.BlockFile, File: &abi.File{Name: fmt.Sprintf("%d.txt", i), Data: []byte("x")}})
	}
	for _, left := range []int{2, 2} { // it does not fit a second time, and costs nothing then
		queued, err := n.Notify(t.Context(), "loud", hostcall.NoticeTerms{PerHour: 12}, long)
		if queued.Left != left && err == nil {
			t.Errorf("%d are left", queued.Left)
		}
	}
	if _, err := n.Notify(t.Context(), "loud", hostcall.NoticeTerms{PerHour: 12}, long); err == nil {
		t.Error("20 messages of 12")
	} else {
		refusedWith(t, err, abi.Limit)
	}
	for left := range 2 {
		if got := mustTell(t, n, "loud", abi.NotifyAdmins, 12).Left; got != 1-left {
			t.Errorf("%d are left", got)
		}
	}
	_, err := n.Notify(t.Context(), "loud", hostcall.NoticeTerms{PerHour: 12}, aNotice(abi.NotifyAdmins))
	refusedWith(t, err, abi.Limit)
}
