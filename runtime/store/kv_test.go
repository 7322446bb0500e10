package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

const someQuota = 1 << 20

func openKV(t testing.TB, now func() time.Time) *KV {
	t.Helper()
	s, err := OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.KV(now)
}

func always(at time.Time) func() time.Time { return func() time.Time { return at } }

func keepEntry(t testing.TB, k *KV, module, key, value string) abi.KVDone {
	t.Helper()
	done, err := k.Put(t.Context(), module, someQuota, abi.KVPut{Key: key, Value: []byte(value)}, "")
	if err != nil {
		t.Fatalf("%s keeps %q: %v", module, key, err)
	}
	return done
}

func entryOf(t testing.TB, k *KV, module, key string) abi.KVValue {
	t.Helper()
	value, _, err := k.Get(t.Context(), module, abi.KVQuery{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func mustFail(t testing.TB, err error, code abi.Code) {
	t.Helper()
	if told, ok := errors.AsType[*abi.Error](err); !ok || told.Code != code {
		t.Errorf("got %v, want %v", err, code)
	}
}

// checkSums counts what is kept, entry by entry, and compares it with the sums.
func checkSums(t testing.TB, k *KV) (all kvSum) {
	t.Helper()
	err := k.store.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(kvBucket).ForEachBucket(func(name []byte) error {
			m, own := lookKV(tx, string(name)), kvSum{}
			err := m.entries.ForEach(func(key, stored []byte) error {
				e, _ := readKVEntry(stored)
				own = own.plus(kvSum{int64(len(key) + len(e.value)), 1, 0})
				return nil
			})
			if own != m.sum {
				t.Errorf("%q has %+v, its sum says %+v", name, own, m.sum)
			}
			all = all.plus(own).plus(kvSum{modules: 1})
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = k.store.db.View(func(tx *bbolt.Tx) error {
		if total := kvTotal(tx); total != all {
			t.Errorf("all modules have %+v, the total says %+v", all, total)
		}
		return nil
	})
	return all
}

func TestWhatAModuleKeepsSurvivesARestart(t *testing.T) {
	dir := privateDir(t)
	s := open(t, dir)
	k := s.KV(always(noon))
	first := keepEntry(t, k, "ships", "a", "one")
	second := keepEntry(t, k, "ships", "a", "two")
	keepEntry(t, k, "ships", "b", "")
	if first.Revision == 0 || second.Revision <= first.Revision || second.Used != 4 || second.Quota != someQuota {
		t.Errorf("first %+v, second %+v", first, second)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	k = open(t, dir).KV(always(noon))
	if v := entryOf(t, k, "ships", "a"); !v.Found || string(v.Value) != "two" || v.Revision != second.Revision {
		t.Errorf("got %+v", v)
	}
	if v := entryOf(t, k, "ships", "b"); !v.Found || len(v.Value) != 0 {
		t.Errorf("an empty value: %+v", v)
	}
	if v := entryOf(t, k, "ships", "c"); v.Found || v.Revision != 0 {
		t.Errorf("what was never kept: %+v", v)
	}
	if done := keepEntry(t, k, "ships", "c", "xyz"); done.Used != 9 {
		t.Errorf("after a restart %d bytes are counted", done.Used)
	}
	checkSums(t, k)
}

// TestNoKeyLeadsToAnotherModule: with names and keys that would meet if they were
// put behind each other (F5).
func TestNoKeyLeadsToAnotherModule(t *testing.T) {
	k := openKV(t, always(noon))
	names := []string{"a", "a\x00", "ab", "a/b", "entries", "expiries", "sum", "kv.total", "\xff", "\x00", strings.Repeat("n", MaxTableKey), "../a", "a\x00entries"}
	keys := []string{"b", "\x00b", "bentries", "entries", "sum", "/b", "\xff", "a", "..", "\x00entries\x00b"}
	for _, name := range names {
		for _, key := range keys {
			if _, err := k.Put(t.Context(), name, someQuota, abi.KVPut{Key: key, Value: []byte(name + "|" + key), Seconds: 60}, ""); err != nil {
				t.Fatalf("%q %q: %v", name, key, err)
			}
		}
	}
	for _, name := range names {
		for _, key := range keys {
			if v := entryOf(t, k, name, key); string(v.Value) != name+"|"+key {
				t.Errorf("%q finds %q under %q", name, v.Value, key)
			}
		}
		list, _, err := k.List(t.Context(), name, someQuota, abi.KVListQuery{})
		want := slices.Sorted(slices.Values(keys))
		if err != nil || !slices.Equal(list.Keys, want) {
			t.Errorf("%q lists %q, %v", name, list.Keys, err)
		}
	}
	if err := k.DropKV(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if entryOf(t, k, "a", "b").Found || !entryOf(t, k, "ab", "b").Found || !entryOf(t, k, "a\x00", "b").Found {
		t.Error("the wrong module's data was dropped")
	}
	if all := checkSums(t, k); all.modules != int64(len(names)-1) {
		t.Errorf("%d modules are counted", all.modules)
	}
}

func TestCompareAndSet(t *testing.T) {
	k := openKV(t, always(noon))
	put := func(revision int64) (int64, error) {
		done, err := k.Put(t.Context(), "ships", someQuota, abi.KVPut{Key: "n", Value: []byte("x"), If: revision}, "")
		return done.Revision, err
	}
	_, err := put(7)
	mustFail(t, err, abi.Conflict)
	first, err := put(-1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = put(-1)
	mustFail(t, err, abi.Conflict)
	second, err := put(first)
	if err != nil {
		t.Fatal(err)
	}
	_, err = put(first)
	mustFail(t, err, abi.Conflict)
	if done, err := k.Delete(t.Context(), "ships", someQuota, abi.KVQuery{Key: "n"}); err != nil || done.Used != 0 || done.Revision != 0 {
		t.Errorf("deleted: %+v, %v", done, err)
	}
	_, err = put(second) // what is made again is another entry
	mustFail(t, err, abi.Conflict)
	if third, err := put(-1); err != nil || third <= second {
		t.Errorf("made again with revision %d after %d, %v", third, second, err)
	}

	// Of many who count at the same time, each counts once.
	keepEntry(t, k, "ships", "count", "0")
	var counting sync.WaitGroup
	for range 8 {
		counting.Go(func() {
			for done := 0; done < 10; {
				v := entryOf(t, k, "ships", "count")
				n, _ := strconv.Atoi(string(v.Value))
				_, err := k.Put(t.Context(), "ships", someQuota, abi.KVPut{Key: "count", Value: []byte(strconv.Itoa(n + 1)), If: v.Revision}, "")
				if err == nil {
					done++
				} else if told, ok := errors.AsType[*abi.Error](err); !ok || told.Code != abi.Conflict {
					t.Error(err)
					return
				}
			}
		})
	}
	counting.Wait()
	if v := entryOf(t, k, "ships", "count"); string(v.Value) != "80" {
		t.Errorf("counted %s", v.Value)
	}
}

func TestEntriesExpire(t *testing.T) {
	now := noon
	k := openKV(t, func() time.Time { return now })
	put := func(key string, seconds int64) {
		t.Helper()
		if _, err := k.Put(t.Context(), "ships", 100, abi.KVPut{Key: key, Value: make([]byte, 40), Seconds: seconds}, ""); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
	}
	put("a", 10)
	put("b", 0)
	_, err := k.Put(t.Context(), "ships", 100, abi.KVPut{Key: "c", Value: make([]byte, 40)}, "")
	mustFail(t, err, abi.Limit)
	now = noon.Add(10 * time.Second)
	if entryOf(t, k, "ships", "a").Found || !entryOf(t, k, "ships", "b").Found {
		t.Error("the wrong one is there")
	}
	list, _, err := k.List(t.Context(), "ships", 100, abi.KVListQuery{})
	if err != nil || !slices.Equal(list.Keys, []string{"b"}) || list.Used != 41 {
		t.Errorf("listed %+v, %v", list, err)
	}
	put("c", 5) // in the room of what expired
	if all := checkSums(t, k); all.entries != 2 || all.bytes != 82 {
		t.Errorf("kept %+v", all)
	}
	// Whoever is written again without an expiry stays.
	put("c", 0)
	now = noon.Add(time.Hour)
	if err := k.store.Prune(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if !entryOf(t, k, "ships", "c").Found {
		t.Error("an old expiry took a new entry away")
	}
	put("b", 5)
	now = now.Add(5 * time.Second)
	if err := k.store.Prune(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if all := checkSums(t, k); all.entries != 1 || all.bytes != 41 {
		t.Errorf("after Prune: %+v", all)
	}
}

func TestKeysAreListedInPages(t *testing.T) {
	k := openKV(t, always(noon))
	for i := range 300 {
		keepEntry(t, k, "ships", fmt.Sprintf("x%03d", i), "v")
	}
	keepEntry(t, k, "ships", "w", "v")
	keepEntry(t, k, "ships", "y", "v")
	var all []string
	for after := ""; ; {
		page, _, err := k.List(t.Context(), "ships", someQuota, abi.KVListQuery{Prefix: "x", After: after, Count: 1000})
		if err != nil || len(page.Keys) == 0 || len(page.Keys) > MaxKVPage {
			t.Fatalf("a page of %d, %v", len(page.Keys), err)
		}
		all = append(all, page.Keys...)
		if after = page.Keys[len(page.Keys)-1]; !page.More {
			break
		}
	}
	if len(all) != 300 || all[0] != "x000" || all[299] != "x299" || !slices.IsSorted(all) {
		t.Errorf("%d keys from %s to %s", len(all), all[0], all[len(all)-1])
	}
	for q, want := range map[abi.KVListQuery]int{{Prefix: "x", After: "y"}: 0, {Prefix: "x", After: "a", Count: 5}: 5, {After: "x298"}: 2, {Prefix: "z"}: 0} {
		if page, _, err := k.List(t.Context(), "ships", someQuota, q); err != nil || len(page.Keys) != want {
			t.Errorf("%+v: %d keys, %v", q, len(page.Keys), err)
		}
	}
}

// TestNoRaceGetsPastTheQuota (F5): whatever many do at the same time, the sum is
// exact and never over.
func TestNoRaceGetsPastTheQuota(t *testing.T) {
	k := openKV(t, always(noon))
	const most = 5_000
	var racing sync.WaitGroup
	for worker := range 8 {
		racing.Go(func() {
			random := rand.New(rand.NewPCG(7, uint64(worker)))
			for range 60 {
				key := fmt.Sprint("k", random.IntN(6))
				var done abi.KVDone
				var err error
				if random.IntN(4) == 0 {
					done, err = k.Delete(t.Context(), "ships", most, abi.KVQuery{Key: key})
				} else {
					done, err = k.Put(t.Context(), "ships", most, abi.KVPut{Key: key, Value: make([]byte, random.IntN(2_000)), Seconds: random.Int64N(2)}, "")
				}
				if err != nil {
					mustFail(t, err, abi.Limit)
				} else if done.Used > most || done.Used < 0 {
					t.Errorf("%d bytes are kept", done.Used)
				}
			}
		})
	}
	racing.Wait()
	if all := checkSums(t, k); all.bytes > most {
		t.Errorf("kept %+v", all)
	}
	checked(t, k.store)
	if len(k.modules) != 0 {
		t.Errorf("turns of %d modules stay", len(k.modules))
	}
}

func TestANarrowerQuotaTakesNothingAway(t *testing.T) {
	k := openKV(t, always(noon))
	keepEntry(t, k, "ships", "a", strings.Repeat("x", 1000))
	_, err := k.Put(t.Context(), "ships", 100, abi.KVPut{Key: "b", Value: []byte("x")}, "")
	mustFail(t, err, abi.Limit)
	if _, err := k.Put(t.Context(), "ships", 100, abi.KVPut{Key: "a", Value: make([]byte, 500)}, ""); err != nil {
		t.Errorf("what makes it less is refused: %v", err)
	}
	if v := entryOf(t, k, "ships", "a"); len(v.Value) != 500 {
		t.Errorf("it has %d bytes", len(v.Value))
	}
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	k := openKV(t, always(noon))
	for what, q := range map[string]abi.KVPut{
		"no key":           {},
		"a long key":       {Key: strings.Repeat("k", MaxKVKey+1)},
		"a value too long": {Key: "k", Value: make([]byte, MaxKVValue+1)},
	} {
		_, err := k.Put(t.Context(), "ships", capQuota, q, "")
		if told, ok := errors.AsType[*abi.Error](err); !ok || told.Code != abi.Invalid {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := k.Put(t.Context(), "", someQuota, abi.KVPut{Key: "k"}, ""); err == nil {
		t.Error("a module without a name keeps something")
	}
	if _, err := k.Put(t.Context(), "ships", capQuota, abi.KVPut{Key: strings.Repeat("k", MaxKVKey), Value: make([]byte, MaxKVValue)}, ""); err != nil {
		t.Errorf("at the bounds: %v", err)
	}
	full := func(change kvSum) {
		t.Helper()
		if err := k.store.update(t.Context(), func(tx *bbolt.Tx) error { return kvTotal(tx).plus(change).save(tx) }); err != nil {
			t.Fatal(err)
		}
	}
	for _, change := range []kvSum{{bytes: kvBytesAtMost}, {entries: kvEntriesAtMost}, {modules: kvModulesAtMost}} {
		full(change)
		_, err := k.Put(t.Context(), "another", someQuota, abi.KVPut{Key: "a", Value: []byte("x")}, "")
		mustFail(t, err, abi.Limit)
		full(kvSum{-change.bytes, -change.entries, -change.modules})
	}
	checkSums(t, k)
}

// capQuota is what a module can be granted at most.
const capQuota = 16 << 20

func TestAModuleHasSoManyEntries(t *testing.T) {
	k := openKV(t, always(noon))
	err := k.store.update(t.Context(), func(tx *bbolt.Tx) error {
		for i := range MaxKVEntries {
			if _, _, err := inKV(tx, "ships", noon, func(m kvModule, _ time.Time) (int64, error) { return m.put(fmt.Sprint(i), nil, "", time.Time{}) }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.Put(t.Context(), "ships", capQuota, abi.KVPut{Key: "one more"}, "")
	mustFail(t, err, abi.Limit)
	keepEntry(t, k, "ships", "17", "one that is there")
	keepEntry(t, k, "boats", "1", "another module")
	checkSums(t, k)
}

func TestADiskThatIsFullIsTold(t *testing.T) {
	k := openKV(t, always(noon))
	keepEntry(t, k, "ships", "a", "before")
	k.store.transact = func(func(*bbolt.Tx) error) error { return errors.New("no space left on device") }
	_, err := k.Put(t.Context(), "ships", someQuota, abi.KVPut{Key: "a", Value: []byte("after")}, "")
	mustFail(t, err, abi.Unavailable)
	if v := entryOf(t, k, "ships", "a"); string(v.Value) != "before" {
		t.Errorf("it is %q", v.Value)
	}
}

// TestWhatIsRefusedCostsNoFlush: a module whose every change is refused would
// otherwise have the disk flushed for each, and an update wait behind it.
func TestWhatIsRefusedCostsNoFlush(t *testing.T) {
	k := openKV(t, always(noon))
	keepEntry(t, k, "ships", "a", "x")
	flushes, transact := 0, k.store.transact
	k.store.transact = func(f func(*bbolt.Tx) error) error { flushes++; return transact(f) }
	for range 10 {
		_, err := k.Put(t.Context(), "ships", someQuota, abi.KVPut{Key: "a", If: 99}, "")
		mustFail(t, err, abi.Conflict)
		_, err = k.Put(t.Context(), "ships", 3, abi.KVPut{Key: "b", Value: []byte("long")}, "")
		mustFail(t, err, abi.Limit)
		if _, err := k.Delete(t.Context(), "ships", someQuota, abi.KVQuery{Key: "none"}); err != nil {
			t.Error(err)
		}
	}
	if flushes != 0 {
		t.Errorf("%d flushes", flushes)
	}
}

// TestOneThatIsRefusedLateSpoilsNoOther: the change is decided again inside of the
// transaction, and what it decides there is no error of it.
func TestOneThatIsRefusedLateSpoilsNoOther(t *testing.T) {
	k := openKV(t, always(noon))
	release, entered := make(chan struct{}), make(chan struct{})
	var once sync.Once
	transact := k.store.transact
	var mu sync.Mutex
	flushes := 0
	k.store.transact = func(f func(*bbolt.Tx) error) error {
		once.Do(func() { close(entered); <-release })
		mu.Lock()
		flushes++
		mu.Unlock()
		return transact(f)
	}
	go k.store.later(func(*bbolt.Tx) error { return nil })
	<-entered
	var wg sync.WaitGroup
	conflicts := make(chan error, 4)
	for range 4 {
		wg.Go(func() {
			_, err := k.Put(t.Context(), "ships", someQuota, abi.KVPut{Key: "a", If: -1}, "")
			conflicts <- err
		})
	}
	for len(k.store.writes) < 4 {
		time.Sleep(time.Millisecond)
	}
	close(release)
	wg.Wait()
	close(conflicts)
	won := 0
	for err := range conflicts {
		if err == nil {
			won++
		} else {
			mustFail(t, err, abi.Conflict)
		}
	}
	if won != 1 || flushes != 2 {
		t.Errorf("%d of 4 made it, with %d flushes", won, flushes)
	}
}

func TestABotThatStopsKeepsNothing(t *testing.T) {
	s, err := OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	k := s.KV(always(noon))
	s.Close()
	_, err = k.Put(t.Context(), "ships", someQuota, abi.KVPut{Key: "a"}, "")
	mustFail(t, err, abi.Unavailable)
}

func TestAModuleTakesHalfOfTheTurnsAtMost(t *testing.T) {
	k := openKV(t, always(noon))
	var leaves []func()
	for range kvWritesAtOnce / 2 {
		leave, err := k.enter(t.Context(), "greedy")
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leave)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.enter(gone, "greedy"); err == nil {
		t.Error("it has more than half")
	}
	if done := keepEntry(t, k, "other", "a", "x"); done.Used != 2 {
		t.Errorf("got %+v", done)
	}
	for _, leave := range leaves {
		leave()
	}
	if len(k.modules) != 0 || len(k.turns) != 0 {
		t.Errorf("%d modules, %d turns", len(k.modules), len(k.turns))
	}
}

// TestMarksStayWithTheirEntries: until it is written again, over a restart, in a
// page of keys, and without a byte of the quota.
func TestMarksStayWithTheirEntries(t *testing.T) {
	dir := privateDir(t)
	s := open(t, dir)
	k := s.KV(always(noon))
	for key, mark := range map[string]string{"a": "", "b": "docker.containers.logs", "c": strings.Repeat("m", maxKVMark)} {
		if _, err := k.Put(t.Context(), "ships", 6, abi.KVPut{Key: key, Value: []byte("v")}, mark); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := k.Put(t.Context(), "ships", 6, abi.KVPut{Key: "a"}, strings.Repeat("m", maxKVMark+1)); err == nil {
		t.Error("a mark too long is cut")
	}
	s.Close()
	k = open(t, dir).KV(always(noon))
	for key, want := range map[string]string{"a": "", "b": "docker.containers.logs", "c": strings.Repeat("m", maxKVMark), "d": ""} {
		if v, mark, err := k.Get(t.Context(), "ships", abi.KVQuery{Key: key}); err != nil || mark != want || v.Found && string(v.Value) != "v" {
			t.Errorf("%s: %+v, marked %q, %v", key, v, mark, err)
		}
	}
	for prefix, want := range map[string]string{"": "docker.containers.logs", "a": ""} {
		if _, mark, err := k.List(t.Context(), "ships", someQuota, abi.KVListQuery{Prefix: prefix}); err != nil || mark != want {
			t.Errorf("a page from %q is marked %q, %v", prefix, mark, err)
		}
	}
	keepEntry(t, k, "ships", "b", "v")
	if _, mark, _ := k.Get(t.Context(), "ships", abi.KVQuery{Key: "b"}); mark != "" {
		t.Errorf("written again, it is marked %q", mark)
	}
	checkSums(t, k)
}

// FuzzKV holds a store against a map.
func FuzzKV(f *testing.F) {
	f.Add([]byte("\x00\x01a\x01\x01a\x02\x01a"))
	f.Fuzz(func(t *testing.T, script []byte) {
		k := openKV(t, always(noon))
		model := map[string]string{}
		for len(script) >= 3 && len(model) < 20 {
			act, key, value := script[0]%3, string(script[1:2]), string(script[2:3])
			script = script[3:]
			switch act {
			case 0:
				keepEntry(t, k, "m", key, value)
				model[key] = value
			case 1:
				if _, err := k.Delete(t.Context(), "m", someQuota, abi.KVQuery{Key: key}); err != nil {
					t.Fatal(err)
				}
				delete(model, key)
			case 2:
				got := entryOf(t, k, "m", key)
				if want, there := model[key]; got.Found != there || string(got.Value) != want {
					t.Fatalf("%q is %+v, want %q %v", key, got, want, there)
				}
			}
		}
		if all := checkSums(t, k); all.bytes != int64(2*len(model)) {
			t.Fatalf("kept %+v of %d", all, len(model))
		}
	})
}

// BenchmarkKVPut keeps entries of 256 bytes one after the other, on disk.
func BenchmarkKVPut(b *testing.B) {
	s, err := Open(b.TempDir() + "/state")
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	k := s.KV(time.Now)
	value := bytes.Repeat([]byte("x"), 256)
	i := 0
	for b.Loop() {
		i++
		if _, err := k.Put(b.Context(), "ships", someQuota, abi.KVPut{Key: fmt.Sprint(i % 100), Value: value}, ""); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKVGet(b *testing.B) {
	k := openKV(b, time.Now)
	for i := range 100 {
		keepEntry(b, k, "ships", fmt.Sprint(i), strings.Repeat("x", 256))
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		if v := entryOf(b, k, "ships", fmt.Sprint(i%100)); !v.Found {
			b.Fatal("gone")
		}
	}
}

// BenchmarkAcceptBesideKV is what an update waits for while modules write as hard
// as they can: 0, or one with four invocations, or 20 of them, values of 32 KiB.
func BenchmarkAcceptBesideKV(b *testing.B) {
	for _, modules := range []int{0, 1, 20} {
		b.Run(fmt.Sprint(modules), func(b *testing.B) {
			s, err := Open(b.TempDir() + "/state")
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			k := s.KV(time.Now)
			ctx, cancel := context.WithCancel(b.Context())
			var attack sync.WaitGroup
			for n := range modules * 4 {
				attack.Go(func() {
					value := make([]byte, MaxKVValue)
					for i := 0; ctx.Err() == nil; i++ {
						_, _ = k.Put(ctx, fmt.Sprint("m", n/4), someQuota, abi.KVPut{Key: fmt.Sprint(n, i%4), Value: value}, "")
					}
				})
			}
			var took []time.Duration
			id := int64(0)
			for b.Loop() {
				id++
				began := time.Now()
				if _, err := s.Accept(ctx, updates(id), began); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
				s.Done(id)
			}
			cancel()
			attack.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
