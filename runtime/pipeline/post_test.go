package pipeline

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/session"
)

// privately is the address of a private chat.
func privately(user int64) chat.Address { return chat.Address{Chat: user} }

var inGroup = chat.Address{Chat: group, Group: true}

func TestAPostedButtonWorksForItsUserOnly(t *testing.T) {
	inBubble(t, func(r *rig) {
		if err := r.Post(context.Background(), privately(admin), admin, "mod", refreshing("news")); err != nil {
			t.Fatal(err)
		}
		r.expect(r.sender.take(), "send 1: news")
		show := r.sender.inline()[0][0].Data
		r.modules.set(func(_ context.Context, q abi.Request) (abi.Code, []byte, error) {
			return saying("tapped " + q.Action + q.Args["id"])
		})
		r.expect(r.handles(tapped(user, user, show)), "alert q2: "+textButtonOther)
		r.expect(r.handles(tapped(admin, admin, show)), "notice q1: ", "edit 1/80: tapped showx")
		if r.modules.runs() != 1 {
			t.Errorf("%d runs", r.modules.runs())
		}
	})
}

// A tap may come before Telegram has told which message it is on: it edits the view
// all the same.
func TestATapThatIsQuickerThanThePost(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.sender.slow = func(context.Context, int64) error {
			r.sender.slow = nil
			for id := range r.keyboards.all() {
				r.comes(tapped(admin, admin, token(id, 0)))
			}
			time.Sleep(time.Second)
			return nil
		}
		if err := r.Post(context.Background(), privately(admin), admin, "mod", refreshing("news")); err != nil {
			t.Fatal(err)
		}
		r.settle()
		got := r.sender.take()
		if len(got) == 0 || got[len(got)-1] != "edit 1/80: done" || len(r.posting) > 0 {
			t.Errorf("the bot did %q, and is posting %d", got, len(r.posting))
		}
	})
}

func TestAPostToNobodyHasNoButtons(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.modules.dropIn = "mod"
		if err := r.Post(context.Background(), inGroup, 0, "mod", refreshing("news")); err != nil {
			t.Fatal(err)
		}
		r.expect(r.sender.take(), "send -10: 🧩 mod\nnews")
		if len(r.sender.inline()) > 0 || len(r.keyboards.all()) > 0 {
			t.Error("there are buttons")
		}
	})
}

func TestAPostReachesAdminsOnly(t *testing.T) {
	inBubble(t, func(r *rig) {
		for _, test := range []struct {
			name string
			to   chat.Address
			user int64
		}{
			{"a user", privately(user), user},
			{"a stranger", privately(stranger), stranger},
			{"a user's chat, for nobody", privately(user), 0},
			{"an admin's message in another's chat", privately(user), admin},
			{"an admin in a group that is not listed", chat.Address{Chat: -99, Group: true}, admin},
			{"a user in the group", inGroup, user},
		} {
			if err := r.Post(context.Background(), test.to, test.user, "mod", refreshing("news")); !errors.Is(err, ErrNoAdmin) {
				t.Errorf("%s: %v", test.name, err)
			}
		}
		r.expect(r.sender.take())
		if len(r.keyboards.all()) > 0 {
			t.Error("buttons are kept for whom nothing was sent to")
		}
	})
}

// demoted lets nobody in from now on.
func (r *rig) demoted() {
	r.Access = access.New(access.Policy{Users: []int64{admin}})
}

func TestRightsThatEndWhileAPostIsSentTakeItsButtons(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.sender.slow = func(context.Context, int64) error { r.demoted(); return nil }
		if err := r.Post(context.Background(), privately(admin), admin, "mod", refreshing("news")); err != nil {
			t.Fatal(err)
		}
		if len(r.keyboards.all()) > 0 {
			t.Error("the buttons outlive the rights")
		}
		if err := r.Post(context.Background(), privately(admin), admin, "mod", refreshing("more")); !errors.Is(err, ErrNoAdmin) {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestAPostIsChecked(t *testing.T) {
	inBubble(t, func(r *rig) {
		for name, bad := range map[string]abi.Reply{
			"empty":            {},
			"no file in it":    {Blocks: []abi.Block{{Kind: abi.BlockFile}}},
			"an unknown block": {Blocks: []abi.Block{{Kind: "html"}}},
		} {
			if err := r.Post(context.Background(), privately(admin), admin, "mod", bad); err == nil {
				t.Errorf("%s: posted", name)
			}
		}
		r.expect(r.sender.take())
	})
}

func TestAPostHasNoMenuAndIsNotFollowedUp(t *testing.T) {
	inBubble(t, func(r *rig) {
		news := refreshing("news")
		news.Keyboard, news.Menu, news.DeleteAfter = nil, "main", 60
		if err := r.Post(context.Background(), privately(admin), admin, "mod", news); err != nil {
			t.Fatal(err)
		}
		news = refreshing("more")
		news.Again = &abi.Again{After: 1, Action: "tick"}
		if err := r.Post(context.Background(), privately(admin), admin, "mod", news); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if r.modules.runs() != 0 || r.sender.last.Keyboard != nil {
			t.Errorf("%d runs, keyboard %v", r.modules.runs(), r.sender.last.Keyboard)
		}
		if len(r.deletions) != 1 || r.deletions[0].in != time.Minute {
			t.Errorf("deletions %+v", r.deletions)
		}
	})
}

func TestClosingEndsPosts(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.sender.slow = func(ctx context.Context, _ int64) error { <-ctx.Done(); return ctx.Err() }
		posted := make(chan error)
		go func() { posted <- r.Post(context.Background(), privately(admin), admin, "mod", refreshing("news")) }()
		r.settle()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		closed := make(chan struct{})
		go func() { r.Close(ctx); close(closed) }()
		if err := <-posted; !errors.Is(err, context.Canceled) {
			t.Errorf("posted: %v", err)
		}
		<-closed
		if err := r.Post(context.Background(), privately(admin), admin, "mod", refreshing("news")); !errors.Is(err, ErrStopping) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestShowRunsAsTheAdminWithoutASession(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.guard.Lock()
		r.sessions.Open(session.Key{User: admin, Chat: admin}, time.Now())
		r.guard.Unlock()
		r.modules.set(func(_ context.Context, q abi.Request) (abi.Code, []byte, error) {
			return reply(refreshing(q.Command + " " + q.Text + " as " + q.Actor.Role))
		})
		r.sender.take()
		if err := r.Show(context.Background(), privately(admin), admin, "manage", "pending x"); err != nil {
			t.Fatal(err)
		}
		r.expect(r.sender.take(), "send 1: manage pending x as admin")
		if pass := r.modules.passes[len(r.modules.passes)-1]; pass.Session || !pass.Borrowed || !pass.Admin || pass.Confirmed != nil {
			t.Errorf("it ran with %+v", pass)
		}
		r.modules.gate(func(*capability.Pass) error { return &capability.Asked{Verdict: capability.AskSession} })
		if err := r.Show(context.Background(), privately(admin), admin, "manage", ""); err == nil {
			t.Error("it asked nobody")
		}
		for _, command := range []string{"qrcode", "removed"} {
			if err := r.Show(context.Background(), privately(admin), admin, command, ""); err == nil {
				t.Errorf("%s was shown", command)
			}
		}
		if err := r.Show(context.Background(), privately(user), user, "manage", ""); !errors.Is(err, ErrNoAdmin) {
			t.Errorf("to a user: %v", err)
		}
		r.expect(r.sender.take())
	})
}

func TestAPanicCostsOnePost(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) { panic("a fault") })
		if err := r.Show(context.Background(), privately(admin), admin, "manage", ""); err == nil || !strings.Contains(err.Error(), "a fault") {
			t.Errorf("got %v", err)
		}
	})
}
