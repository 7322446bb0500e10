package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// checked fails the test if bbolt finds anything wrong, or a table's count or
// index is not that of its entries.
func checked(t *testing.T, s *Store) {
	t.Helper()
	err := s.db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Errorf("the file is damaged: %v", err)
		}
		for _, table := range tables {
			entries, expiring := 0, 0
			err := tx.Bucket(table.entries()).ForEach(func(key, stored []byte) error {
				entries++
				if _, expires := readEntry(stored); !expires.IsZero() {
					expiring++
					if k, _ := tx.Bucket(table.expiries()).Cursor().Seek(append(expiryKey(expires), key...)); !slices.Equal(k, append(expiryKey(expires), key...)) {
						t.Errorf("table %s: %q is not in the index", table.name, key)
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			if n := tx.Bucket(table.expiries()).Stats().KeyN; n != expiring || table.count(tx) != entries {
				t.Errorf("table %s: %d entries, counted as %d; %d expire, %d in the index", table.name, entries, table.count(tx), expiring, n)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// putNow sets a value, and returns when it is on disk.
func putNow(ctx context.Context, table *Table, key, value []byte, expires time.Time) error {
	return table.Change(ctx, key, func([]byte, time.Time) ([]byte, time.Time, error) { return value, expires, nil })
}

// removeNow forgets a key, and returns when that is on disk.
func removeNow(ctx context.Context, table *Table, key []byte) error {
	return putNow(ctx, table, key, nil, time.Time{})
}

func TestTableSurvivesARestart(t *testing.T) {
	ctx, dir := t.Context(), privateDir(t)
	s := open(t, dir)
	factors := s.Table(SecondFactors)
	if err := putNow(ctx, factors, []byte("a"), []byte("secret"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := putNow(ctx, s.Table(Bans), []byte("a"), []byte{}, noon); err != nil {
		t.Fatal(err)
	}
	factors.PutLater([]byte("b"), []byte("later"), noon)
	factors.PutLater([]byte("c"), []byte("gone"), noon)
	factors.DeleteLater([]byte("c"))
	s.Close()
	s = open(t, dir)
	var got []string
	if err := s.Table(SecondFactors).Each(func(key, value []byte, expires time.Time) error {
		got = append(got, fmt.Sprintf("%s=%s %v", key, value, expires.Equal(noon)))
		return putNow(ctx, s.Table(Notices), key, value, expires) // may write
	}); err != nil || !slices.Equal(got, []string{"a=secret false", "b=later true"}) {
		t.Errorf("got %q, %v", got, err)
	}
	if value, expires, err := s.Table(Bans).Get([]byte("a")); value == nil || len(value) != 0 || !expires.Equal(noon) || err != nil {
		t.Errorf("an empty value: %v, %v, %v", value, expires, err)
	}
	if err := removeNow(ctx, s.Table(Bans), []byte("a")); err != nil {
		t.Fatal(err)
	}
	if value, expires, err := s.Table(Bans).Get([]byte("a")); value != nil || !expires.IsZero() || err != nil {
		t.Errorf("deleted: %v, %v, %v", value, expires, err)
	}
	checked(t, s)
}

// TestOneStepIsAcceptedOnce is the compare-and-set of rule B2: of many who try
// the same step at one instant, one wins, and no older step follows a newer.
func TestOneStepIsAcceptedOnce(t *testing.T) {
	s := open(t, privateDir(t))
	errOld := errors.New("not greater")
	accept := func(step uint64) error {
		return s.Table(SecondFactors).Change(t.Context(), []byte("user"), func(old []byte, _ time.Time) ([]byte, time.Time, error) {
			if len(old) == 8 && binary.BigEndian.Uint64(old) >= step {
				return nil, time.Time{}, errOld
			}
			return binary.BigEndian.AppendUint64(nil, step), time.Time{}, nil
		})
	}
	for step := range uint64(50) {
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				switch err := accept(step); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, errOld):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("step %d was accepted %d times", step, won.Load())
		}
	}
	if err := accept(48); !errors.Is(err, errOld) {
		t.Errorf("an older step after a newer: %v", err)
	}
	if value, _, _ := s.Table(SecondFactors).Get([]byte("user")); binary.BigEndian.Uint64(value) != 49 {
		t.Errorf("a refused change left %d", binary.BigEndian.Uint64(value))
	}
	if err := s.Table(SecondFactors).Change(t.Context(), []byte("user"), func([]byte, time.Time) ([]byte, time.Time, error) { panic("a fault") }); err == nil {
		t.Error("a panic is no error")
	}
	if err := s.Table(SecondFactors).Change(t.Context(), []byte("user"), func([]byte, time.Time) ([]byte, time.Time, error) { return nil, time.Time{}, nil }); err != nil {
		t.Error(err)
	}
	if value, _, _ := s.Table(SecondFactors).Get([]byte("user")); value != nil {
		t.Errorf("nil did not delete: %v", value)
	}
	checked(t, s)
}

// fill puts n entries of which the ith expires i seconds after noon.
func fill(t testing.TB, table *Table, n int) {
	t.Helper()
	for i := range n {
		table.PutLater(fmt.Appendf(nil, "%06d", n-i), []byte("strikes"), noon.Add(time.Duration(i)*time.Second))
	}
	if err := removeNow(context.Background(), table, []byte("none")); err != nil { // behind all of them
		t.Fatal(err)
	}
}

func TestTablesAreBounded(t *testing.T) {
	s, err := OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	strikes := s.Table(Strikes)
	fill(t, strikes, strikes.most+100)
	n, earliest := 0, noon.Add(time.Hour)
	if err := strikes.Each(func(_, _ []byte, expires time.Time) error {
		n++
		if expires.Before(earliest) {
			earliest = expires
		}
		return nil
	}); err != nil || n != strikes.most || !earliest.Equal(noon.Add(100*time.Second)) {
		t.Errorf("%d are kept, the first expires at %v (%v)", n, earliest, err)
	}
	factors := s.Table(SecondFactors)
	for i := range factors.most {
		factors.PutLater(fmt.Append(nil, i), []byte("x"), time.Time{})
	}
	if err := putNow(t.Context(), factors, []byte("one more"), []byte{}, time.Time{}); !errors.Is(err, ErrTableFull) {
		t.Errorf("a full table of what never expires: %v", err)
	}
	if err := putNow(t.Context(), factors, []byte("7"), []byte("new"), time.Time{}); err != nil {
		t.Errorf("a key that is there: %v", err)
	}
	for _, test := range []struct{ key, value int }{{0, 1}, {MaxTableKey + 1, 1}, {1, MaxTableValue + 1}} {
		if err := putNow(t.Context(), strikes, make([]byte, test.key), make([]byte, test.value), noon); err == nil {
			t.Errorf("a key of %d and a value of %d bytes were kept", test.key, test.value)
		}
	}
	checked(t, s)
}

func TestPruneDropsWhatExpiredAndNothingElse(t *testing.T) {
	s, err := OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	strikes := s.Table(Strikes)
	for key, expires := range map[string]time.Time{"runs": noon.Add(10 * time.Minute), "never": {}, "1960": noon.AddDate(-66, 0, 0)} {
		if err := putNow(t.Context(), strikes, []byte(key), []byte(key), expires); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		at   time.Duration
		want bool
	}{
		{0, true},
		{time.Hour, true}, // the clock jumps ahead,
		{0, true},         // and back: the block runs still
		{10*time.Minute + clockSlack - time.Second, true},
		{-time.Hour, true},
		{10*time.Minute + clockSlack, false},
	} {
		if err := s.Prune(t.Context(), noon.Add(step.at)); err != nil {
			t.Fatal(err)
		}
		if value, _, _ := strikes.Get([]byte("runs")); (value != nil) != step.want {
			t.Errorf("after %v: kept %v, want %v", step.at, value != nil, step.want)
		}
	}
	if value, _, _ := strikes.Get([]byte("never")); value == nil {
		t.Error("what never expires was dropped")
	}
	if value, _, _ := strikes.Get([]byte("1960")); value != nil {
		t.Error("what expired in 1960 is still there")
	}
	checked(t, s)
}

func BenchmarkChange(b *testing.B) {
	for _, writers := range []int{1, 100} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s, err := Open(filepath.Join(b.TempDir(), "state"))
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			table := s.Table(SecondFactors)
			b.SetParallelism(writers)
			var next atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				key := fmt.Append(nil, next.Add(1))
				for pb.Next() {
					if err := table.Change(context.Background(), key, func(old []byte, _ time.Time) ([]byte, time.Time, error) {
						return append([]byte{}, "a step"...), time.Time{}, nil
					}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func BenchmarkAcceptBeside10000Strikes(b *testing.B) {
	s, err := Open(filepath.Join(b.TempDir(), "state"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	fill(b, s.Table(Strikes), 10_000)
	id := int64(0)
	for b.Loop() {
		id++
		if _, err := s.Accept(context.Background(), updates(id), noon); err != nil {
			b.Fatal(err)
		}
		s.Done(id)
	}
}
