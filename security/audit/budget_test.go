package audit

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestDenialsAreBounded(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	denial := func(actor, role string) Entry {
		return Entry{Event: "access.denied", Actor: actor, Role: role, Decision: "deny", Reason: "role"}
	}
	var b Budget
	recorded := func(n int, e Entry, at time.Time) (count int, last Entry) {
		for range n {
			if got, ok := b.Admit(e, at); ok {
				count, last = count+1, got
			}
		}
		return count, last
	}
	for _, step := range []struct {
		name string
		e    Entry
		at   time.Duration
		n    int
		want int
		says string
	}{
		{"one user's first thirty", denial("12**34", "user"), 0, 500, 30, ""},
		{"nothing more within the hour", denial("12**34", "user"), time.Hour - 1, 5, 0, ""},
		{"another's are others", denial("56**78", "user"), 0, 1, 1, ""},
		{"after the hour the next one says what is missing", denial("12**34", "user"), time.Hour, 1, 1, "(475 denials before were left out)"},
		{"what was allowed is always recorded", Entry{Event: "docker.action", Actor: "12**34", Decision: "allow"}, 0, 100, 100, ""},
		{"a clock that went back begins anew", denial("12**34", "user"), -time.Hour, 40, 30, ""},
	} {
		got, last := recorded(step.n, step.e, noon.Add(step.at))
		if got != step.want || !strings.Contains(last.Reason, step.says) {
			t.Errorf("%s: %d recorded, the last with %q; want %d and %q", step.name, got, last.Reason, step.want, step.says)
		}
	}
	strangers := 0
	for i := range 20_000 {
		n, _ := recorded(1, denial(fmt.Sprint(i), "stranger"), noon)
		strangers += n
	}
	if strangers != denialsAtMost {
		t.Errorf("%d records of strangers", strangers)
	}
	for i := range 5 * actorsAtMost {
		recorded(1, denial(fmt.Sprint("user", i), "user"), noon)
	}
	if len(b.actors) > actorsAtMost {
		t.Errorf("%d actors are remembered", len(b.actors))
	}
}

// Whose masked ids look alike have a budget each, and no id is recorded whole.
func TestActorsAreToldApartWithoutTheirIds(t *testing.T) {
	var b Budget
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	one := Entry{Event: "access.denied", Actor: "12******90", ActorID: 1234567890, Role: "user", Decision: "deny"}
	other := one
	other.ActorID = 1299999990
	for range denialsAtMost + 1 {
		b.Admit(one, now)
	}
	if _, ok := b.Admit(other, now); !ok {
		t.Error("one user's denials used up another's budget")
	}
	line, _, err := Append(Head{}, now, one)
	if err != nil || strings.Contains(string(line), "1234567890") {
		t.Errorf("recorded as %s, %v", line, err)
	}
}
