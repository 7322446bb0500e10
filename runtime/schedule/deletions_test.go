package schedule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
)

// telegram notes which messages were deleted, and when.
type telegram struct {
	mu      sync.Mutex
	began   time.Time
	deleted []string
	refuse  func(ctx context.Context, chat int64) error
}

func (g *telegram) delete(ctx context.Context, to chat.Address, id int) error {
	if g.refuse != nil {
		if err := g.refuse(ctx, to.Chat); err != nil {
			return err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deleted = append(g.deleted, fmt.Sprintf("%d/%d after %v", to.Chat, id, time.Since(g.began)))
	slices.Sort(g.deleted)
	return nil
}

// inBubble runs a test with the time of a synctest bubble.
func inBubble(t *testing.T, test func(t *testing.T, g *telegram, s *store.Store)) {
	synctest.Test(t, func(t *testing.T) {
		s, err := store.OpenMemory()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		test(t, &telegram{began: time.Now()}, s)
	})
}

// running runs Deletions until the returned function is called.
func running(s *store.Store, g *telegram) (*Deletions, func()) {
	d := NewDeletions(s, g.delete, time.Now, zap.NewNop())
	ctx, cancel := context.WithCancel(context.Background())
	var worker sync.WaitGroup
	worker.Go(func() { d.Run(ctx) })
	return d, func() { cancel(); worker.Wait() }
}

func add(t *testing.T, d *Deletions, to int64, id int, after time.Duration) {
	t.Helper()
	if err := d.Add(context.Background(), chat.Address{Chat: to}, id, time.Now().Add(after)); err != nil {
		t.Fatal(err)
	}
}

func (g *telegram) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Equal(g.deleted, want) {
		t.Errorf("deleted %q, want %q", g.deleted, want)
	}
}

func TestMessagesGoWhenTheirTimeHasCome(t *testing.T) {
	inBubble(t, func(t *testing.T, g *telegram, s *store.Store) {
		d, stop := running(s, g)
		defer stop()
		synctest.Wait()
		add(t, d, 1, 10, 30*time.Second)
		add(t, d, 1, 11, 15*time.Second) // wakes what already waits
		time.Sleep(15 * time.Second)
		g.expect(t, "1/11 after 15s")
		time.Sleep(time.Hour)
		g.expect(t, "1/10 after 30s", "1/11 after 15s")
	})
}

func TestDeletionsSurviveARestart(t *testing.T) {
	inBubble(t, func(t *testing.T, g *telegram, s *store.Store) {
		d, stop := running(s, g)
		add(t, d, 1, 10, 30*time.Second)
		add(t, d, 1, 11, time.Hour)
		stop()
		time.Sleep(time.Minute)
		g.expect(t)
		_, stop = running(s, g)
		defer stop()
		g.expect(t, "1/10 after 1m0s")
		time.Sleep(time.Hour)
		g.expect(t, "1/10 after 1m0s", "1/11 after 1h0m0s")
	})
}

func TestWhatTelegramRefusesIsForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, g *telegram, s *store.Store) {
		tries := 0
		g.refuse = func(context.Context, int64) error { tries++; return errors.New("message can't be deleted") }
		d, stop := running(s, g)
		defer stop()
		add(t, d, 1, 10, time.Second)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if due, _, err := s.Deletions(time.Now()); err != nil || len(due) != 0 || tries != 1 {
			t.Errorf("%v is due after %d tries, %v", due, tries, err)
		}
	})
}

func TestAChatThatIsHeldBackDelaysNoOther(t *testing.T) {
	inBubble(t, func(t *testing.T, g *telegram, s *store.Store) {
		held := time.Now().Add(time.Minute)
		g.refuse = func(ctx context.Context, chat int64) error {
			if chat != 1 {
				return nil
			}
			select {
			case <-time.After(time.Until(held)):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		d, stop := running(s, g)
		defer stop()
		add(t, d, 1, 10, time.Second)
		add(t, d, 1, 11, time.Second)
		add(t, d, 2, 20, time.Second)
		time.Sleep(time.Second)
		g.expect(t, "2/20 after 1s")
		time.Sleep(time.Hour)
		g.expect(t, "1/10 after 1m1s", "1/11 after 1m1s", "2/20 after 1s")
	})
}

func TestStoppingKeepsWhatIsUnderWay(t *testing.T) {
	inBubble(t, func(t *testing.T, g *telegram, s *store.Store) {
		g.refuse = func(ctx context.Context, _ int64) error { <-ctx.Done(); return ctx.Err() }
		d, stop := running(s, g)
		add(t, d, 1, 10, time.Second)
		time.Sleep(2 * time.Second)
		stop()
		if due, _, err := s.Deletions(time.Now()); err != nil || len(due) != 1 {
			t.Errorf("due %v, %v: want the one that was interrupted", due, err)
		}
	})
}
