package pipeline

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

// fillUp lets as much wait as there may. Each chat's first command runs, and so
// does not wait.
func (r *rig) fillUp(chats int64, inEach int) {
	for c := range chats {
		r.comes(view(1000+c, 1000+c, 0))
		r.settle()
		for i := range inEach {
			r.comes(view(1000+c, 1000+c, i))
		}
	}
}

func TestAnOfferIsTakenOnceAndARepeatDropped(t *testing.T) {
	inBubble(t, func(r *rig) {
		offered := r.receive(typed(user, user, "/view"))[0]
		for range 3 {
			if err := r.Offer(context.Background(), offered); err != nil {
				t.Fatal(err)
			}
		}
		r.settle()
		r.expect(r.sender.take(), send(user, "done"))
		if !r.has("update.duplicate") {
			t.Error("the log does not tell of a repeat")
		}
	})
}

func TestAnOfferIsDeclinedWhenTooMuchWaits(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.unlimited()
		r.Access = everybody{}
		release := r.hang()
		const chats = totalBound / laneBound
		r.fillUp(chats, laneBound)
		more := r.receive(view(user, user, 1))[0]
		if err := r.Offer(context.Background(), more); !errors.Is(err, chat.ErrBusy) {
			t.Fatalf("got %v", err)
		}
		if left := r.journal.left(); len(left) != chats*(1+laneBound) {
			t.Errorf("%d are in the journal", len(left))
		}
		release()
		r.settle()
		if err := r.Offer(context.Background(), more); err != nil {
			t.Fatalf("after a while: %v", err)
		}
		r.settle()
		if left := r.journal.left(); len(left) > 0 {
			t.Errorf("%d stay in the journal", len(left))
		}
	})
}

// slowly holds a journal's Accept, so that many are on their way at once.
type slowly struct {
	*fakeJournal
	gate chan struct{}
}

func (j slowly) Accept(ctx context.Context, list []chat.Received, now time.Time) ([]chat.Received, error) {
	<-j.gate
	return j.fakeJournal.Accept(ctx, list, now)
}

func TestManyOffersAtOnceKeepTheBound(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.unlimited()
		r.Access = everybody{}
		defer r.hang()()
		const chats, room = totalBound/laneBound - 1, laneBound
		r.fillUp(chats, laneBound)
		gate := make(chan struct{})
		r.Journal = slowly{r.journal, gate}
		var offers sync.WaitGroup
		var mu sync.Mutex
		taken, declined := 0, 0
		for i := range int64(2 * room) {
			offered := r.receive(view(9000+i, 9000+i, 0))[0]
			offers.Go(func() {
				err := r.Offer(context.Background(), offered)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					taken++
				case errors.Is(err, chat.ErrBusy):
					declined++
				default:
					t.Error(err)
				}
			})
		}
		r.settle() // all are on their way, and none is in a lane
		close(gate)
		offers.Wait()
		if taken != room || declined != room {
			t.Errorf("%d were taken and %d declined, and there was room for %d", taken, declined, room)
		}
		// None of the room was lost.
		r.settle()
		if err := r.Offer(context.Background(), r.receive(view(user, user, 1))[0]); err != nil {
			t.Errorf("with room again: %v", err)
		}
	})
}
