package store

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

func putHistory(t testing.TB, s *Store, ring string, at int64, sources ...string) {
	t.Helper()
	blocks := map[string][]byte{}
	for _, source := range sources {
		blocks[source] = fmt.Appendf(nil, "%s %s %d", ring, source, at)
	}
	if err := s.PutHistory(context.Background(), ring, at, blocks); err != nil {
		t.Fatal(err)
	}
}

// kept lists what a ring has: "at source".
func kept(t testing.TB, s *Store, ring string) (all []string) {
	t.Helper()
	err := s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(historyRings[ring]).ForEach(func(key, value []byte) error {
			at := int64(keyTime(key).UnixMilli()) // eight bytes, of seconds here
			if want := fmt.Sprintf("%s %s %d", ring, key[8:], at); string(value) != want {
				t.Errorf("block %q: %q", want, value)
			}
			all = append(all, fmt.Sprintf("%d %s", at, key[8:]))
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestHistoryOutlivesARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	putHistory(t, s, "fine", 1800, "m", "web")
	putHistory(t, s, "coarse", 1800, "m")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, test := range []struct {
		ring   string
		at     int64
		source string
		want   string
	}{
		{"fine", 1800, "web", "fine web 1800"}, {"coarse", 1800, "m", "coarse m 1800"},
		{"coarse", 1800, "web", ""}, {"fine", 1801, "m", ""}, {"fine", 1800, "we", ""},
	} {
		if got, err := s.HistoryBlock(test.ring, test.at, test.source); err != nil || string(got) != test.want {
			t.Errorf("%s %d %s: %q, %v; want %q", test.ring, test.at, test.source, got, err, test.want)
		}
	}
}

func TestHistoryRefusesWhatHasNoPlace(t *testing.T) {
	s := openMemory(t)
	block := map[string][]byte{"m": []byte("x")}
	for name, err := range map[string]error{
		"another ring":           s.PutHistory(t.Context(), "medium", 0, block),
		"before 1970":            s.PutHistory(t.Context(), "fine", -1, block),
		"no source":              s.PutHistory(t.Context(), "fine", 0, map[string][]byte{"": nil}),
		"long source":            s.PutHistory(t.Context(), "fine", 0, map[string][]byte{strings.Repeat("s", maxHistoryKey+1): nil}),
		"large block":            s.PutHistory(t.Context(), "fine", 0, map[string][]byte{"m": make([]byte, MaxHistoryBlock+1)}),
		"prune nothing there is": s.PruneHistory(t.Context(), "medium", 0, 1),
	} {
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := s.HistoryBlock("medium", 0, "m"); err == nil {
		t.Error("a ring that there is not is read")
	}
	if got := kept(t, s, "fine"); len(got) > 0 {
		t.Errorf("kept %q", got)
	}
}

// TestHistoryIsPrunedAFewAtATime: a clock that is wrong for a minute takes only a
// little of the past.
func TestHistoryIsPrunedAFewAtATime(t *testing.T) {
	s := openMemory(t)
	for at := int64(0); at < 6; at++ {
		putHistory(t, s, "fine", at*10, "a", "b")
	}
	putHistory(t, s, "coarse", 0, "a")
	prune := func(oldest int64, most int) []string {
		t.Helper()
		if err := s.PruneHistory(t.Context(), "fine", oldest, most); err != nil {
			t.Fatal(err)
		}
		return kept(t, s, "fine")
	}
	if got := prune(0, 6); len(got) != 12 {
		t.Errorf("all within: %q", got)
	}
	if got := prune(1_000_000, 6); !slices.Equal(got, []string{"20 a", "20 b", "30 a", "30 b", "40 a", "40 b", "50 a", "50 b"}) {
		t.Errorf("a clock far ahead for a moment: %q", got)
	}
	if got := prune(25, 6); !slices.Equal(got, []string{"30 a", "30 b", "40 a", "40 b", "50 a", "50 b"}) {
		t.Errorf("what is too old: %q", got)
	}
	if got := prune(-5000, 2); !slices.Equal(got, []string{"40 a", "40 b", "50 a", "50 b"}) {
		t.Errorf("too many, whatever the clock says: %q", got)
	}
	if got := kept(t, s, "coarse"); !slices.Equal(got, []string{"0 a"}) {
		t.Errorf("the other ring: %q", got)
	}
}

func TestTheSourceThatWentFirstIsForgottenFirst(t *testing.T) {
	s := openMemory(t)
	putHistory(t, s, "fine", 10, "old", "new", "m")
	putHistory(t, s, "coarse", 0, "old", "new", "m")
	putHistory(t, s, "fine", 20, "new", "m")
	putHistory(t, s, "fine", 0, "new") // a clock that was set back makes it no older
	for _, most := range []int{3, 2} {
		if err := s.ForgetHistory(t.Context(), most); err != nil {
			t.Fatal(err)
		}
		if got, want := slices.Contains(kept(t, s, "fine"), "10 old"), most == 3; got != want {
			t.Errorf("at most %d: old is kept: %v", most, got)
		}
	}
	if got := kept(t, s, "fine"); !slices.Equal(got, []string{"0 new", "10 m", "10 new", "20 m", "20 new"}) {
		t.Errorf("fine: %q", got)
	}
	if got := kept(t, s, "coarse"); !slices.Equal(got, []string{"0 m", "0 new"}) {
		t.Errorf("coarse: %q", got)
	}
}

func openMemory(t testing.TB) *Store {
	t.Helper()
	s, err := OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
