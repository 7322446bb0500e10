package notice

import (
	"slices"
	"testing"
	"time"
)

func TestABudgetHoldsForAnyHour(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	var spent []byte
	var granted []time.Time
	for range 10_000 { // one every 7 s, for most of a day
		now = now.Add(7 * time.Second)
		after, left, ok := Spend(spent, 20, now)
		if spent = after; !ok {
			continue
		}
		granted = append(granted, now)
		within := 0
		for _, at := range granted {
			if now.Sub(at) < time.Hour {
				within++
			}
		}
		if within > 20 || left != 20-within {
			t.Fatalf("%d within an hour, and %d are said to be left", within, left)
		}
	}
	if len(granted) < 19*20 {
		t.Errorf("only %d were granted in 19 h", len(granted))
	}
}

func TestBudgetsAtTheirBounds(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, most := range []int{0, -5} {
		if _, _, ok := Spend(nil, most, now); ok {
			t.Errorf("a budget of %d is spent", most)
		}
	}
	var spent []byte
	n := 0
	for ok := true; ok && n < 2*MaxBudget; n++ {
		spent, _, ok = Spend(spent, 1<<30, now)
	}
	if n-1 != MaxBudget || len(spent) != 4*MaxBudget {
		t.Errorf("%d were granted, in %d bytes", n-1, len(spent))
	}
	// One that was narrowed counts what was spent before.
	if after, left, ok := Spend(spent, 5, now.Add(time.Minute)); ok || left != 0 || !slices.Equal(after, spent) {
		t.Errorf("left %d, %v", left, ok)
	}
	// A clock that was a year ahead costs an hour, not a year.
	ahead, _, _ := Spend(nil, 1, now.AddDate(1, 0, 0))
	after, _, ok := Spend(ahead, 1, now)
	if ok {
		t.Error("a clock that was put back gives the budget anew")
	}
	if _, _, ok := Spend(after, 1, now.Add(time.Hour)); !ok {
		t.Error("it does not come back")
	}
}

func FuzzSpend(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5}, 3, int64(1_800_000_000))
	f.Fuzz(func(t *testing.T, spent []byte, most int, at int64) {
		after, left, ok := Spend(spent, most, time.Unix(at%(1<<32), 0))
		if len(after)%4 != 0 || len(after) > len(spent)+4 || left < 0 || ok && len(after) > 4*MaxBudget {
			t.Errorf("%d bytes, %d left, %v", len(after), left, ok)
		}
	})
}
