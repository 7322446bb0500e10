package pipeline

import (
	"context"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// A module that only reads runs while the journal takes note; its answer waits
// until the note is on disk. Any other waits before it runs.
func TestTheAnswerWaitsForTheJournal(t *testing.T) {
	for _, reads := range []bool{true, false} {
		inBubble(t, func(r *rig) {
			r.modules.reads, r.journal.slow = reads, time.Minute
			began := time.Now()
			var ran, answered time.Duration
			r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) {
				ran = time.Since(began)
				return saying("done")
			})
			r.sender.slow = func(context.Context, int64) error { answered = time.Since(began); return nil }
			r.comes(typed(user, user, "/view"))
			time.Sleep(2 * time.Minute)
			r.settle()
			r.expect(r.sender.take(), send(user, "done"))
			if reads != (ran == 0) || answered != time.Minute {
				t.Errorf("reads %v: it ran after %v and was answered after %v", reads, ran, answered)
			}
			if n := len(r.journal.started); n != 1 {
				t.Errorf("%d are started", n)
			}
			if r.modules.passes[0].Durable == reads {
				t.Errorf("reads %v: what it does counts as recorded: %v", reads, r.modules.passes[0].Durable)
			}
		})
	}
}

// If the note fails for another reason than a full disk, there is no answer of
// the module's, as nobody knows what became of the journal.
func TestNoAnswerWithoutTheJournal(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.modules.reads = true
		r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) {
			r.journal.mu.Lock()
			defer r.journal.mu.Unlock()
			return saying("done")
		})
		r.journal.slow = time.Second
		r.comes(typed(user, user, "/view"))
		r.journal.mu.Lock()
		r.journal.broken = errBroken
		r.journal.mu.Unlock()
		time.Sleep(2 * time.Second)
		r.settle()
		r.expect(r.sender.take(), send(user, textInternal))
	})
}
