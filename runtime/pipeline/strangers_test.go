package pipeline

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/access"
)

// A3, as an operator reads it.
func TestTheThirdRefusalBlocks(t *testing.T) {
	inBubble(t, func(r *rig) {
		for range 2 {
			r.expect(r.handles(typed(stranger, stranger, "/view")), send(stranger, textStranger))
		}
		r.expect(r.handles(typed(stranger, stranger, "/view")))
		if !r.has("access.blocked") || r.audit.events() != "access.blocked" {
			t.Error("the block is in no log")
		}
		accepted := len(r.journal.seen)
		for range 5 {
			r.expect(r.handles(typed(stranger, stranger, "/open")))
			r.expect(r.handles(tapped(stranger, stranger, "x")))
		}
		if len(r.journal.seen) != accepted || r.modules.runs() > 0 {
			t.Error("what a blocked stranger sends is kept, or runs")
		}
		r.expect(r.handles(typed(user, user, "/view")), send(user, "done"))
		time.Sleep(access.BlockFor)
		r.Sweep()
		if !r.has("access.unblocked") || len(r.strangers.kept) != 1 {
			t.Error("the end of the block is not seen, or it is forgotten though the clock may go back")
		}
		time.Sleep(access.BlockFor)
		r.Sweep()
		if len(r.strangers.kept) > 0 {
			t.Error("an old block is never forgotten")
		}
		r.expect(r.handles(typed(stranger, stranger, "/open")), send(stranger, "done"))
		r.expect(r.handles(typed(stranger, stranger, "/view")), send(stranger, textStranger))
	})
}

func TestABlockOutlivesARestart(t *testing.T) {
	inBubble(t, func(r *rig) {
		for range 3 {
			r.handles(typed(stranger, stranger, "/view"))
		}
		again := newRig(t)
		for id, record := range r.strangers.kept {
			again.RestoreStranger(id, record)
		}
		again.expect(again.handles(typed(stranger, stranger, "/view")))
		if again.lastID != 1 || len(again.journal.seen) != 0 {
			t.Error("it was taken")
		}
		again.Close(context.Background())
	})
}

func TestWhatIsOpenToAnybodyIsOpenThreeTimesAnHour(t *testing.T) {
	inBubble(t, func(r *rig) {
		for range strangerCommands {
			r.expect(r.handles(typed(stranger, stranger, "/open")), send(stranger, "done"))
		}
		r.expect(r.handles(typed(stranger, stranger, "/open")), send(stranger, textStranger))
		time.Sleep(strangerSpan)
		r.expect(r.handles(typed(stranger, stranger, "/open")), send(stranger, "done"))
	})
}

// Who is on the list is never shut out of where it counts.
func TestAUserWhoKnocksInAForeignGroupStaysAUser(t *testing.T) {
	inBubble(t, func(r *rig) {
		for range 5 {
			r.handles(typed(user, -11, "/view"))
		}
		r.expect(r.handles(typed(user, user, "/view")), send(user, "done"))
	})
}

func TestAdminsAreToldOfStrangersWithoutTheirIds(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.handles(typed(1234567890, 1234567890, "/view"))
		r.handles(typed(stranger, group, "good morning"))
		if got := strings.Join(r.notices.told, ", "); got != "stranger 1234567890" {
			t.Errorf("told %q", got)
		}
		if text := strangerText(1234567890, true, true); strings.Contains(text, "1234567890") {
			t.Errorf("it has the id: %s", text)
		}
	})
}

// 20,000 ids in a minute: what is remembered stays bounded, and users are served.
func TestManyStrangers(t *testing.T) {
	inBubble(t, func(r *rig) {
		for i := range 20_000 {
			id := int64(1_000_000 + i)
			r.comes(typed(id, id, "/view"))
			if i%1000 == 0 {
				r.settle()
				r.expect(r.handles(typed(user, user, "/view")), send(user, "done"))
				time.Sleep(3 * time.Second)
			}
		}
		r.settle()
		if n, kept := r.strikes.Len(), len(r.strangers.kept); n > access.StrangersAtMost || kept > access.StrangersAtMost {
			t.Errorf("%d remembered, %d kept, want at most %d", n, kept, access.StrangersAtMost)
		}
	})
}

func TestReadingGoesOnWithAFullDisk(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.journal.fill(true)
		r.expect(r.handles(typed(user, user, "/view")), send(user, "done"))
		if r.modules.passes[0].Durable {
			t.Error("something may act though it cannot be recorded")
		}
		// The same update comes again, since the process may not have died.
		again := r.receive(typed(user, user, "/view"))
		for range 2 {
			if err := r.Deliver(context.Background(), again); err != nil {
				t.Fatal(err)
			}
		}
		r.settle()
		if n := r.modules.runs(); n != 2 {
			t.Errorf("%d commands ran, want 2", n)
		}
		// What is ignored must not hold up what comes behind it.
		edited := typed(user, user, "/view")
		edited.Kind, edited.Reason = chat.Ignored, "edited"
		other := tapped(user, user, "x")
		other.Kind, other.Reason = chat.Ignored, "unsupported"
		r.comes(edited, other)
		r.journal.fill(false)
		r.handles(typed(user, user, "/view"))
		if last := r.modules.passes[len(r.modules.passes)-1]; !last.Durable {
			t.Error("nothing may act though there is room again")
		}
	})
}

// Many ids at once must not take Telegram's 30 messages a second from users.
func TestStrangersTogetherHearABoundedNumberOfAnswers(t *testing.T) {
	inBubble(t, func(r *rig) {
		answers := func(text string, first int64) (n int) {
			for i := range int64(100) {
				n += len(r.handles(typed(first+i, first+i, text)))
			}
			return n
		}
		if n := answers("/view", 1_000_000) + answers("/open", 2_000_000); n != strangerAnswers {
			t.Errorf("%d answers, want %d", n, strangerAnswers)
		}
		time.Sleep(strangerAnswerSpan)
		r.expect(r.handles(typed(3_000_000, 3_000_000, "/open")), send(3_000_000, "done"))
	})
}

// What no journal has does not act, though the disk took a write meanwhile, and
// is not handled again when it comes again.
func TestWhatWasNotRecordedDoesNotAct(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.journal.fill(true)
		update := r.receive(typed(admin, admin, "/view"))
		r.Pipeline.Modules = recovering{r.modules, r.journal}
		if err := r.Deliver(context.Background(), update); err != nil {
			t.Fatal(err)
		}
		if n := len(r.modules.passes); n != 1 || r.modules.passes[0].Durable {
			t.Errorf("%d passes, the first %+v", n, r.modules.passes)
		}
		if err := r.Deliver(context.Background(), update); err != nil {
			t.Fatal(err)
		}
		r.settle()
		if n := r.modules.runs(); n != 1 {
			t.Errorf("it ran %d times", n)
		}
		if left := r.journal.left(); len(left) > 0 {
			t.Errorf("the journal keeps %v", left)
		}
	})
}

// recovering gives the disk room while a command waits for its module.
type recovering struct {
	*fakeModules
	journal *fakeJournal
}

func (m recovering) Await(context.Context, string) { m.journal.fill(false) }

func TestStrangersWhoseMaskedIdsLookAlikeAreTwo(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.handles(typed(1234567890, 1234567890, "/view"))
		r.handles(typed(1299999990, 1299999990, "/view"))
		if len(r.notices.told) != 2 || r.notices.told[0] == r.notices.told[1] {
			t.Errorf("told %q", r.notices.told)
		}
	})
}
