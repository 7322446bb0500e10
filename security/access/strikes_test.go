package access

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const eve = 7

// refused is one refused update and what comes of it.
type refused struct {
	at     time.Duration // since noon
	answer bool
	blocks bool
}

func tell(t *testing.T, s *Strikes, story ...refused) {
	t.Helper()
	for i, line := range story {
		now := noon.Add(line.at)
		got := s.Refuse(eve, now)
		if got.Answer != line.answer || got.Blocks != line.blocks {
			t.Fatalf("line %d, at %v: %+v, want %+v", i, line.at, got, line)
		}
		if blocked := s.Blocked(eve, now); blocked == line.answer {
			t.Errorf("line %d: blocked %v", i, blocked)
		}
		if len(got.Record.Strikes) > 2 || got.Evicted != 0 {
			t.Errorf("line %d: to be kept is %+v", i, got)
		}
	}
}

// TestStrikesReadLikeTheRule (A3).
func TestStrikesReadLikeTheRule(t *testing.T) {
	const second, hour = time.Second, time.Hour
	for name, story := range map[string][]refused{
		"the third blocks, and a blocked id hears nothing": {
			{0, true, false}, {second, true, false}, {2 * second, false, true}, {3 * second, false, false}, {hour, false, false},
		},
		"for 3,600 s, from the third on": {
			{0, true, false}, {0, true, false}, {second, false, true},
			{hour + second - 1, false, false}, {hour + second, true, false}, {hour + second, true, false}, {hour + second, false, true},
		},
		"a blocked id that goes on is not blocked for longer": {
			{0, true, false}, {0, true, false}, {0, false, true}, {hour / 2, false, false}, {hour - 1, false, false}, {hour, true, false},
		},
		"two strikes decay after 3,600 s": {
			{0, true, false}, {0, true, false}, {hour, true, false}, {hour, true, false}, {hour, false, true},
		},
		"just before they count": {
			{0, true, false}, {0, true, false}, {hour - 1, false, true},
		},
		"each decays on its own": {
			{0, true, false}, {hour / 2, true, false}, {hour, true, false}, {hour + hour/2 - 1, false, true},
		},
		"one in a while is never blocked": {
			{0, true, false}, {31 * 60 * second, true, false}, {62 * 60 * second, true, false}, {93 * 60 * second, true, false}, {124 * 60 * second, true, false},
		},
		"a clock that jumps ahead and back frees nobody": {
			{0, true, false}, {0, true, false}, {0, false, true}, {hour, true, false}, {second, false, false},
		},
		"nor when it was used meanwhile, and for no longer than an hour": {
			{0, true, false}, {0, true, false}, {second, false, true}, {hour + second, true, false}, {hour + second, true, false},
			{2 * second, false, false}, {hour, false, false}, {3 * hour, true, false},
		},
		"what is over for an hour is over": {
			{0, true, false}, {0, true, false}, {0, false, true}, {2 * hour, true, false}, {second, true, false},
		},
		"a clock that goes back an hour forgives no strike": {
			{0, true, false}, {0, true, false}, {-hour, false, true},
		},
		"nor does it end a block, or make it longer than an hour": {
			{0, true, false}, {0, true, false}, {0, false, true}, {-hour, false, false}, {-second, false, false}, {0, true, false},
		},
		"nor one of half an hour": {
			{0, true, false}, {0, true, false}, {0, false, true}, {-hour / 2, false, false}, {hour/2 - 1, false, false}, {hour / 2, true, false},
		},
	} {
		t.Run(name, func(t *testing.T) { tell(t, &Strikes{}, story...) })
	}
}

func TestStrikesOfOthers(t *testing.T) {
	var s Strikes
	for range 5 {
		s.Refuse(eve, noon)
	}
	if s.Blocked(8, noon) || s.Blocked(-eve, noon) || !s.Refuse(8, noon).Answer {
		t.Error("somebody is punished for what another did")
	}
	if (&Strikes{}).Blocked(0, time.Time{}) {
		t.Error("the zero value blocks")
	}
}

// TestManyStrangers: 20,000 ids in a minute leave 10,000, the latest (A3).
func TestManyStrangers(t *testing.T) {
	var s Strikes
	const many = 20_000
	for id := int64(1); id <= many; id++ {
		now := noon.Add(time.Duration(id) * time.Minute / many)
		got := s.Refuse(id, now)
		if want := max(id-StrangersAtMost, 0); !got.Answer || got.Evicted != want {
			t.Fatalf("id %d: %+v, want %d to make room", id, got, want)
		}
	}
	if s.Len() != StrangersAtMost || s.order.Len() != StrangersAtMost {
		t.Errorf("%d ids, %d in order", s.Len(), s.order.Len())
	}
	now := noon.Add(time.Minute)
	// The oldest that is left comes again, so that it is the next one's turn.
	s.Refuse(StrangersAtMost+1, now)
	if got := s.Refuse(many+1, now).Evicted; got != StrangersAtMost+2 {
		t.Errorf("%d made room", got)
	}
	if !s.Refuse(StrangersAtMost+1, now).Blocks {
		t.Error("who came again was forgotten")
	}
	// 10,000 and more blocked ones are as many.
	for id := int64(1); id <= many; id++ {
		for range 3 {
			s.Refuse(id, now)
		}
	}
	if s.Len() != StrangersAtMost || !s.Blocked(many, now) || s.Blocked(1, now) {
		t.Errorf("%d ids", s.Len())
	}
	if unblocked, forgotten := s.Expire(now.Add(BlockFor)); len(unblocked) != StrangersAtMost || forgotten != nil {
		t.Errorf("%d unblocked, %d forgotten", len(unblocked), len(forgotten))
	}
	if unblocked, forgotten := s.Expire(now.Add(BlockFor + clockSlack)); unblocked != nil || len(forgotten) != StrangersAtMost || s.Len() != 0 {
		t.Errorf("%d unblocked, %d forgotten, %d left", len(unblocked), len(forgotten), s.Len())
	}
}

// TestRestore: a restart changes nothing, in whatever order records come.
func TestRestore(t *testing.T) {
	var before Strikes
	records := map[int64]Record{}
	for id := range int64(100) {
		for range 1 + id%3 {
			records[id] = before.Refuse(id, noon.Add(time.Duration((id*37)%100)*time.Second)).Record
		}
	}
	var after Strikes
	for id, r := range records { // in no order
		after.Restore(id, r)
	}
	after.sort()
	now := noon.Add(2 * time.Minute)
	var last time.Time
	for e := after.order.Front(); e != nil; e = e.Next() {
		x := e.Value.(*stranger)
		if x.last().Before(last) {
			t.Fatalf("%d stands behind one that was quiet for less long", x.id)
		}
		last = x.last()
	}
	for id := range int64(100) {
		if got, want := after.Blocked(id, now), id%3 == 2; got != want {
			t.Errorf("%d: blocked %v, want %v", id, got, want)
		}
		a, b := before.Refuse(id, now), after.Refuse(id, now)
		if fmt.Sprint(a) != fmt.Sprint(b) {
			t.Errorf("%d: %+v after the restart, %+v without", id, b, a)
		}
	}
}

func TestRestoreIsBounded(t *testing.T) {
	var s Strikes
	for id := int64(1); id <= StrangersAtMost+50; id++ {
		s.Restore(id, Record{BlockedAt: noon.Add(-time.Duration(id) * time.Millisecond)})
	}
	if s.Len() != StrangersAtMost || s.order.Len() != StrangersAtMost {
		t.Errorf("%d ids, %d in order", s.Len(), s.order.Len())
	}
	s.Restore(1, Record{})
	if s.Len() != StrangersAtMost || s.Blocked(1, noon) {
		t.Error("restored twice, it is there twice")
	}
}

// TestRestoredStrangersMakeRoomInOrder: not in the order of the store.
func TestRestoredStrangersMakeRoomInOrder(t *testing.T) {
	var s Strikes
	for id := int64(1); id <= StrangersAtMost; id++ {
		s.Restore(id, Record{Strikes: []time.Time{noon.Add(-time.Duration(id) * time.Millisecond)}})
	}
	for n := range int64(3) {
		if got, want := s.Refuse(-1-n, noon).Evicted, StrangersAtMost-n; got != want {
			t.Errorf("%d made room, want %d", got, want)
		}
	}
}

// TestRestoreOfWhatIsNotTrue: a block from a clock that was years ahead ends an
// hour after it is seen, and an old one has ended.
func TestRestoreOfWhatIsNotTrue(t *testing.T) {
	var s Strikes
	s.Restore(eve, Record{BlockedAt: noon.AddDate(30, 0, 0)})
	s.Restore(8, Record{BlockedAt: noon.Add(-BlockFor)})
	s.Restore(9, Record{})
	if !s.Blocked(eve, noon) || s.Blocked(8, noon) || s.Blocked(9, noon) {
		t.Error("who is blocked is mixed up")
	}
	if unblocked, forgotten := s.Expire(noon); !slices.Equal(unblocked, []int64{8}) || !slices.Equal(forgotten, []int64{9}) {
		t.Errorf("unblocked %v, forgotten %v", unblocked, forgotten)
	}
	if unblocked, forgotten := s.Expire(noon.Add(BlockFor)); !slices.Equal(unblocked, []int64{eve}) || !slices.Equal(forgotten, []int64{8}) {
		t.Errorf("unblocked %v, forgotten %v", unblocked, forgotten)
	}
}

// TestExpireWithAClockThatJumps: the clock of a machine goes ahead by an hour and
// back, with a block from before a restart. It lasts its 3,600 s all the same (A3).
func TestExpireWithAClockThatJumps(t *testing.T) {
	type look struct {
		at        time.Duration // since the block began
		blocked   bool
		unblocked bool // is reported
		forgotten bool
	}
	const minute, hour = time.Minute, time.Hour
	for name, looks := range map[string][]look{
		"no jump":                   {{minute, true, false, false}, {hour - 1, true, false, false}, {hour, false, true, false}, {2*hour - 1, false, false, false}, {2 * hour, false, false, true}},
		"ahead and back":            {{0, true, false, false}, {hour, false, true, false}, {minute, true, false, false}, {hour - 1, true, false, false}, {hour, false, false, false}},
		"ahead and back in a while": {{30 * minute, true, false, false}, {90 * minute, false, true, false}, {31 * minute, true, false, false}, {hour, false, false, false}},
		"again and again":           {{hour + minute, false, true, false}, {2 * minute, true, false, false}, {hour + 3*minute, false, false, false}, {4 * minute, true, false, false}},
		"back and ahead":            {{-hour, true, false, false}, {0, false, true, false}, {hour, false, false, true}},
	} {
		t.Run(name, func(t *testing.T) {
			var s Strikes
			s.Restore(eve, Record{BlockedAt: noon})
			for _, l := range looks {
				now := noon.Add(l.at)
				unblocked, forgotten := s.Expire(now)
				got := look{l.at, s.Blocked(eve, now), len(unblocked) > 0, len(forgotten) > 0}
				if got != l {
					t.Errorf("at %v: %+v, want %+v", l.at, got, l)
				}
			}
		})
	}
}

func TestExpireForgetsNothingThatCounts(t *testing.T) {
	var s Strikes
	s.Refuse(1, noon)                  // one strike
	s.Refuse(2, noon)                  // two, half an hour apart
	s.Refuse(2, noon.Add(time.Hour/2)) //
	for range 3 {
		s.Refuse(3, noon.Add(time.Minute)) // a block
	}
	for _, step := range []struct {
		after     time.Duration
		unblocked []int64
		left      int
	}{
		{time.Hour/2 + time.Minute, nil, 3}, {time.Hour + time.Minute - 1, nil, 3}, {time.Hour + time.Minute, []int64{3}, 3},
		{2*time.Hour - 1, nil, 3}, {2 * time.Hour, nil, 2}, {2*time.Hour + time.Minute - 1, nil, 2},
		{2*time.Hour + time.Minute, nil, 1}, {2*time.Hour + time.Hour/2, nil, 0},
	} {
		if got, _ := s.Expire(noon.Add(step.after)); !slices.Equal(got, step.unblocked) || s.Len() != step.left || s.order.Len() != step.left {
			t.Errorf("after %v: unblocked %v, %d left, want %+v", step.after, got, s.Len(), step)
		}
	}
}

// TestEndOfABlockIsToldOnce: by Expire, or by the refusal that came before it.
func TestEndOfABlockIsToldOnce(t *testing.T) {
	blocked := func() *Strikes {
		s := &Strikes{}
		tell(t, s, refused{0, true, false}, refused{0, true, false}, refused{0, false, true})
		return s
	}
	s := blocked()
	if s.Refuse(eve, noon.Add(BlockFor-1)).Unblocked {
		t.Error("told while it runs")
	}
	if !s.Refuse(eve, noon.Add(BlockFor)).Unblocked {
		t.Error("the refusal after it does not say so")
	}
	if again, _ := s.Expire(noon.Add(3 * BlockFor)); again != nil || s.Refuse(eve, noon.Add(BlockFor)).Unblocked {
		t.Error("told twice")
	}
	s = blocked()
	if got, _ := s.Expire(noon.Add(BlockFor)); !slices.Equal(got, []int64{eve}) || s.Refuse(eve, noon.Add(BlockFor)).Unblocked {
		t.Errorf("Expire told %v", got)
	}
}

func TestForgive(t *testing.T) {
	var s Strikes
	s.Forgive(eve)
	tell(t, &s, refused{0, true, false}, refused{0, true, false}, refused{0, false, true})
	s.Refuse(8, noon)
	s.Forgive(eve)
	left := s.Len()
	if unblocked, forgotten := s.Expire(noon.Add(2 * BlockFor)); left != 1 || s.Len() != 0 || unblocked != nil || !slices.Equal(forgotten, []int64{8}) {
		t.Error("something of a forgiven id is left")
	}
	tell(t, &s, refused{0, true, false}, refused{0, true, false}, refused{0, false, true})
}

// TestRecordsThatWereHandedOutStay: who keeps them may still write them.
func TestRecordsThatWereHandedOutStay(t *testing.T) {
	var s Strikes
	first := s.Refuse(eve, noon).Record
	second := s.Refuse(eve, noon.Add(time.Second)).Record
	s.Refuse(eve, noon.Add(-time.Hour))
	if !slices.Equal(first.Strikes, []time.Time{noon}) || !slices.Equal(second.Strikes, []time.Time{noon, noon.Add(time.Second)}) {
		t.Errorf("they became %v and %v", first.Strikes, second.Strikes)
	}
}

func TestRecordExpires(t *testing.T) {
	for name, test := range map[string]struct {
		record Record
		want   time.Time
	}{
		"nothing":                        {Record{}, time.Time{}},
		"one strike":                     {Record{Strikes: []time.Time{noon}}, noon.Add(time.Hour)},
		"two strikes":                    {Record{Strikes: []time.Time{noon, noon.Add(time.Minute)}}, noon.Add(time.Hour + time.Minute)},
		"a block":                        {Record{BlockedAt: noon}, noon.Add(3600 * time.Second)},
		"a block, and a strike after it": {Record{BlockedAt: noon, Strikes: []time.Time{noon.Add(time.Hour)}}, noon.Add(2 * time.Hour)},
	} {
		if got := test.record.Expires(); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// BenchmarkRestore: 10,000 records in the worst order, and the first refusal.
func BenchmarkRestore(b *testing.B) {
	for b.Loop() {
		var s Strikes
		for id := range int64(StrangersAtMost) {
			s.Restore(id, Record{BlockedAt: noon.Add(-time.Duration(id) * time.Millisecond)})
		}
		s.Refuse(-1, noon)
	}
}
