package docker

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

var errTest = errors.New("the engine says no")

// TestAskedOnceAtATime: in a bubble, where a second is over when nobody does
// anything.
func TestAskedOnceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShared[int](time.Second)
		asked := 0
		slow := func(context.Context) (int, error) {
			asked++
			n := asked
			time.Sleep(300 * time.Millisecond)
			return n, nil
		}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if got, err := s.get(t.Context(), "a", slow); got != 1 || err != nil {
					t.Errorf("got %d, %v", got, err)
				}
			})
		}
		all.Wait()
		if got, _ := s.get(t.Context(), "b", slow); got != 2 {
			t.Errorf("another key got %d", got)
		}
		time.Sleep(300 * time.Millisecond) // the first answer's question is 900 ms old
		if got, _ := s.get(t.Context(), "a", slow); got != 1 {
			t.Errorf("after 900 ms, got %d", got)
		}
		time.Sleep(100 * time.Millisecond)
		if got, _ := s.get(t.Context(), "a", slow); got != 3 {
			t.Errorf("after a second, got %d", got)
		}
		s.outdate("a")
		if got, _ := s.get(t.Context(), "a", slow); got != 4 {
			t.Errorf("after a change, got %d", got)
		}
		time.Sleep(2 * time.Second)
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.flights) != 0 {
			t.Errorf("%d answers are held for nobody", len(s.flights))
		}
	})
}

func TestWhatIsSharedOfAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShared[int](time.Second)
		var asked atomic.Int32
		failing := func(context.Context) (int, error) {
			asked.Add(1)
			time.Sleep(100 * time.Millisecond)
			return 0, errTest
		}
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				if _, err := s.get(t.Context(), "a", failing); !errors.Is(err, errTest) {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
		if asked.Load() != 1 {
			t.Errorf("asked %d times", asked.Load())
		}
		if got, err := s.get(t.Context(), "a", func(context.Context) (int, error) { return 7, nil }); got != 7 || err != nil {
			t.Errorf("right after a failure: %d, %v", got, err)
		}
	})
}

// TestWhoGivesUpTakesNobodyAlong: a caller whose command ended says nothing about
// the engine, one who waits leaves when its own time is over, and one who panics
// leaves nobody waiting.
func TestWhoGivesUpTakesNobodyAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShared[int](time.Hour)
		until := func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, context.Cause(ctx) }
		first, giveUp := context.WithCancel(t.Context())
		short, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errSilent)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := s.get(first, "a", until); !errors.Is(err, context.Canceled) {
				t.Errorf("who gave up got %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if got, err := s.get(t.Context(), "a", func(context.Context) (int, error) { time.Sleep(time.Hour); return 8, nil }); got != 8 || err != nil {
				t.Errorf("who waited got %d, %v", got, err)
			}
		})
		synctest.Wait()
		giveUp()
		synctest.Wait()
		if _, err := s.get(short, "a", until); !errors.Is(err, errSilent) {
			t.Errorf("who has less time got %v", err)
		}
		all.Wait()
		s.outdate("a")
		func() {
			defer func() { _ = recover() }()
			_, _ = s.get(t.Context(), "a", func(context.Context) (int, error) { panic("a fault") })
		}()
		if got, err := s.get(t.Context(), "a", func(context.Context) (int, error) { return 9, nil }); got != 9 || err != nil {
			t.Errorf("after a panic: %d, %v", got, err)
		}
	})
}

// TestAnAnswerFromBeforeAChangeIsNotKept: the list that was on its way while a
// container stopped is for those who waited for it only.
func TestAnAnswerFromBeforeAChangeIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShared[string](time.Hour)
		go func() {
			_, _ = s.get(t.Context(), "a", func(context.Context) (string, error) { time.Sleep(time.Second); return "before", nil })
		}()
		synctest.Wait()
		s.outdate("a")
		if got, _ := s.get(t.Context(), "a", func(context.Context) (string, error) { return "after", nil }); got != "after" {
			t.Errorf("got %q", got)
		}
		time.Sleep(time.Minute)
		if got, _ := s.get(t.Context(), "a", func(context.Context) (string, error) { return "later", nil }); got != "after" {
			t.Errorf("a minute later got %q", got)
		}
	})
}

// TestTheListOfOneIsNotTheListOfAnother: what is shared is the engine's word, and
// each caller's scope is held against it.
func TestTheListOfOneIsNotTheListOfAnother(t *testing.T) {
	f := newFake(map[string]http.HandlerFunc{"/containers/json": body(`[
		{"Id":"` + idA + `","Names":["/web"],"Image":"nginx","ImageID":"` + imageOne + `","State":"running","Status":"Up 1 second","Created":1},
		{"Id":"` + idB + `","Names":["/db"],"Image":"postgres","ImageID":"sha256:2","State":"exited","Status":"Exited (0)","Created":1}]`)})
	c := newClientWith(t, Config{Hosts: []string{f.serve(t)}, Fresh: time.Hour})
	list := func(q abi.ContainerQuery, keep Keep) (names []string, total int) {
		t.Helper()
		got, err := c.List(t.Context(), q, keep)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range got.Containers {
			names = append(names, row.Name)
		}
		return names, got.Total
	}
	only := func(wanted string) Keep { return func(name string, _ map[string]string) bool { return name == wanted } }
	for range 3 {
		if names, total := list(abi.ContainerQuery{}, anything); len(names) != 2 || total != 2 {
			t.Errorf("all: %q of %d", names, total)
		}
		if names, total := list(abi.ContainerQuery{}, only("db")); len(names) != 1 || names[0] != "db" || total != 1 {
			t.Errorf("one: %q of %d", names, total)
		}
		if names, total := list(abi.ContainerQuery{}, nil); len(names) != 0 || total != 0 {
			t.Errorf("nobody: %q of %d", names, total)
		}
		if names, total := list(abi.ContainerQuery{Image: imageOne}, anything); len(names) != 1 || names[0] != "web" || total != 1 {
			t.Errorf("of one image: %q of %d", names, total)
		}
		if names, _ := list(abi.ContainerQuery{Image: imageOne}, only("db")); len(names) != 0 {
			t.Errorf("of an image, out of scope: %q", names)
		}
	}
	if n := f.requests.Load(); n != 2 { // the ping that agrees on a version, and the list
		t.Errorf("the engine was asked %d times", n)
	}
}
