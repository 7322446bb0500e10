package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/dedup"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func privateDir(t *testing.T) string { return filepath.Join(t.TempDir(), "state") }

func updates(ids ...int64) (list []chat.Received) {
	for _, id := range ids {
		list = append(list, chat.Received{ID: id, Data: fmt.Appendf(nil, "{%d}", id)})
	}
	return list
}

func ids(list []chat.Received) (ids []int64) {
	for _, u := range list {
		ids = append(ids, u.ID)
	}
	return ids
}

func TestJournalSurvivesARestart(t *testing.T) {
	ctx, dir := context.Background(), privateDir(t)
	s := open(t, dir)
	if fresh, err := s.Accept(ctx, updates(1, 2, 3), noon); err != nil || len(fresh) != 3 {
		t.Fatalf("accepted %v, %v", ids(fresh), err)
	}
	if err := s.Started(ctx, 2); err != nil {
		t.Fatal(err)
	}
	s.Done(3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	pending, err := open(t, dir).Pending()
	if err != nil || len(pending) != 2 {
		t.Fatalf("pending %+v, %v", pending, err)
	}
	if p := pending[0]; p.ID != 1 || p.Started || !p.Since.Equal(noon) || string(p.Data) != "{1}" {
		t.Errorf("first: %+v", p)
	}
	if p := pending[1]; p.ID != 2 || !p.Started || string(p.Data) != "{2}" {
		t.Errorf("second: %+v", p)
	}
}

func TestAcceptDropsRepeats(t *testing.T) {
	ctx, dir := context.Background(), privateDir(t)
	s := open(t, dir)
	for _, step := range []struct{ send, want []int64 }{
		{[]int64{5, 6}, []int64{5, 6}},
		{[]int64{5, 6, 7}, []int64{7}},
		{[]int64{8, 8}, []int64{8}},
		{[]int64{8}, nil},
	} {
		if fresh, err := s.Accept(ctx, updates(step.send...), noon); err != nil || !slices.Equal(ids(fresh), step.want) {
			t.Errorf("sent %v: fresh %v, %v; want %v", step.send, ids(fresh), err, step.want)
		}
	}
	s.Done(5)
	s.Close()
	s = open(t, dir)
	if fresh, err := s.Accept(ctx, updates(5, 9), noon); err != nil || !slices.Equal(ids(fresh), []int64{9}) {
		t.Errorf("after a restart: fresh %v, %v", ids(fresh), err)
	}
}

func TestWindowOfSeenUpdatesIsBounded(t *testing.T) {
	ctx := context.Background()
	s, err := OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	many := func(from, n int64) (list []chat.Received) {
		for id := from; id < from+n; id++ {
			list = append(list, chat.Received{ID: id})
		}
		return list
	}
	accept := func(list []chat.Received, at time.Time) int {
		t.Helper()
		n := 0
		for batch := range slices.Chunk(list, 1000) {
			fresh, err := s.Accept(ctx, batch, at)
			if err != nil {
				t.Fatal(err)
			}
			n += len(fresh)
		}
		return n
	}
	accept(many(0, 10_000), noon)
	if err := s.Prune(ctx, noon.Add(dedup.For-time.Second)); err != nil {
		t.Fatal(err)
	}
	if n := accept(many(0, 10_000), noon); n != 0 {
		t.Errorf("%d ids were forgotten before their time", n)
	}
	if err := s.Prune(ctx, noon.Add(dedup.For)); err != nil {
		t.Fatal(err)
	}
	if n := accept(many(10_000-dedup.Least, dedup.Least), noon); n != 0 {
		t.Errorf("%d of the last %d ids were forgotten", n, dedup.Least)
	}
	if n := accept(many(0, 10), noon); n != 10 {
		t.Errorf("of ten old ids %d were forgotten", n)
	}
	accept(many(100_000, 2*dedup.Most), noon)
	if err := s.Prune(ctx, noon); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := s.db.View(func(tx *bbolt.Tx) error { left = tx.Bucket(seenBucket).Stats().KeyN; return nil }); err != nil || left != dedup.Most {
		t.Errorf("%d ids are kept, want %d (%v)", left, dedup.Most, err)
	}
}

func TestKeyboards(t *testing.T) {
	ctx, dir := context.Background(), privateDir(t)
	s := open(t, dir)
	if err := s.PutKeyboard(ctx, "0001x", noon.Add(time.Hour), []byte("value")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, dir)
	if got, expires, err := s.Keyboard("0001x"); err != nil || string(got) != "value" || !expires.Equal(noon.Add(time.Hour)) {
		t.Errorf("got %q, %v, %v", got, expires, err)
	}
	for _, other := range []string{"", "0001", "0001x ", strings.Repeat("x", 100_000)} {
		if got, expires, err := s.Keyboard(other); got != nil || !expires.IsZero() || err != nil {
			t.Errorf("id %.10q finds %q, %v, %v", other, got, expires, err)
		}
	}
	for _, step := range []struct {
		at   time.Duration
		want string
	}{{59 * time.Minute, "value"}, {time.Hour, ""}} {
		if err := s.Prune(ctx, noon.Add(step.at)); err != nil {
			t.Fatal(err)
		}
		if got, _, _ := s.Keyboard("0001x"); string(got) != step.want {
			t.Errorf("after %v: %q, want %q", step.at, got, step.want)
		}
	}
}

func TestKeyboardsAreBounded(t *testing.T) {
	ctx := context.Background()
	s, err := OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var wg sync.WaitGroup
	for i := range keyboardsAtMax + 100 {
		wg.Go(func() {
			if err := s.PutKeyboard(ctx, fmt.Sprintf("%08x", i), noon.Add(time.Hour), nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := s.Prune(ctx, noon); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{fmt.Sprintf("%08x", 99): false, fmt.Sprintf("%08x", 100): true} {
		if _, expires, _ := s.Keyboard(id); expires.IsZero() == want {
			t.Errorf("keyboard %s kept: %v, want %v", id, !want, want)
		}
	}
}

func TestDeletionsComeDueInOrder(t *testing.T) {
	ctx := context.Background()
	s := open(t, privateDir(t))
	for i, after := range []time.Duration{30, 10, 20} {
		if err := s.ScheduleDeletion(ctx, Deletion{Chat: 1, Message: i, At: noon.Add(after * time.Second)}); err != nil {
			t.Fatal(err)
		}
	}
	due, next, err := s.Deletions(noon.Add(20 * time.Second))
	if err != nil || len(due) != 2 || due[0].Message != 1 || due[1].Message != 2 || !next.Equal(noon.Add(30*time.Second)) {
		t.Fatalf("due %+v, next %v, %v", due, next, err)
	}
	s.Deleted(due[0])
	if err := s.Prune(ctx, noon); err != nil {
		t.Fatal(err)
	}
	if due, _, _ = s.Deletions(noon.Add(20 * time.Second)); len(due) != 1 || due[0].Message != 2 {
		t.Errorf("after one was carried out: %+v", due)
	}
}

func TestOneWriterServesManyAndOneFailureSpoilsNoOther(t *testing.T) {
	s := open(t, privateDir(t))
	ctx := context.Background()
	wrong := errors.New("wrong")
	var wg sync.WaitGroup
	for i := range int64(500) {
		wg.Go(func() {
			if i%50 == 0 {
				if err := s.update(ctx, func(*bbolt.Tx) error { return wrong }); !errors.Is(err, wrong) {
					t.Errorf("a failing change: %v", err)
				}
				return
			}
			if _, err := s.Accept(ctx, updates(i), noon); err != nil {
				t.Errorf("update %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if pending, err := s.Pending(); err != nil || len(pending) != 490 {
		t.Errorf("%d are in the journal, want 490 (%v)", len(pending), err)
	}
}

func TestClosedStoreRefuses(t *testing.T) {
	s := open(t, privateDir(t))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Accept(context.Background(), updates(1), noon); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	s.Done(1) // must not block or panic
}

func TestOpenRefuses(t *testing.T) {
	dir := privateDir(t)
	open(t, dir)
	if _, err := Open(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("a second process: %v", err)
	}

	foreign := privateDir(t)
	if err := os.MkdirAll(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	content := []byte(strings.Repeat("not a database ", 1000))
	if err := os.WriteFile(filepath.Join(foreign, fileName), content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(foreign); err == nil || !strings.Contains(err.Error(), "usable state file") {
		t.Errorf("a foreign file: %v", err)
	}
	if left, _ := os.ReadFile(filepath.Join(foreign, fileName)); !bytes.Equal(left, content) {
		t.Error("the foreign file was changed")
	}

	shared := t.TempDir()
	if err := os.Chmod(shared, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(shared); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("a directory open to others: %v", err)
	}
	if _, err := Open("/proc/nowhere/state"); err == nil || !strings.Contains(err.Error(), "--state-dir") {
		t.Errorf("no directory: %v", err)
	}
}

func TestLaterFormatIsRefused(t *testing.T) {
	dir := privateDir(t)
	s := open(t, dir)
	if err := s.update(context.Background(), func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put([]byte("format"), []byte("99")) }); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("got %v", err)
	}
}

func BenchmarkAccept(b *testing.B) {
	for _, writers := range []int{1, 100} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s, err := Open(filepath.Join(b.TempDir(), "state"))
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			b.SetParallelism(writers)
			var mu sync.Mutex
			var id int64
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					mu.Lock()
					id++
					mine := id
					mu.Unlock()
					if _, err := s.Accept(context.Background(), updates(mine), noon); err != nil {
						b.Error(err)
					}
					s.Done(mine)
				}
			})
		})
	}
}

// A message that was deleted is not deleted again, however often that was
// scheduled.
func TestADeletionEndsTheOthersOfItsMessage(t *testing.T) {
	s, now := open(t, privateDir(t)), time.Now()
	for _, d := range []Deletion{
		{Chat: 1, Message: 7, At: now}, {Chat: 1, Message: 7, At: now.Add(time.Minute)},
		{Chat: 1, Message: 77, At: now.Add(time.Minute)}, {Chat: 11, Message: 7, At: now.Add(time.Minute)},
	} {
		if err := s.ScheduleDeletion(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	due, _, err := s.Deletions(now)
	if err != nil || len(due) != 1 {
		t.Fatalf("%d due, %v", len(due), err)
	}
	s.Deleted(due[0])
	if err := s.Prune(t.Context(), now); err != nil { // behind it
		t.Fatal(err)
	}
	left, _, err := s.Deletions(now.Add(time.Hour))
	if err != nil || len(left) != 2 {
		t.Errorf("%+v are left, %v", left, err)
	}
}
