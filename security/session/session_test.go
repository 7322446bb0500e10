package session

import (
	"slices"
	"testing"
	"time"
)

var (
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ada   = Key{User: 1, Chat: 1}
	group = Key{User: 1, Chat: -10} // ada in a group
	bob   = Key{User: 2, Chat: -10} // bob in the same group
)

func anybody(Key) bool { return true }

func TestFigures(t *testing.T) {
	if Lifetime != 10*time.Minute || ConfirmLifetime != time.Minute || PromptLifetime != 5*time.Minute {
		t.Error("a figure is not that of B1, B8 or A7")
	}
}

func TestZeroTableHasNoSession(t *testing.T) {
	var table Table[string]
	if table.Live(Key{}, time.Time{}) || table.Live(ada, noon) || !table.Until(ada, noon).IsZero() || table.Waiting(ada, noon) {
		t.Error("the zero Table knows somebody")
	}
	if _, ok := table.Take(ada, noon); ok || table.Close(anybody) != nil || table.Sweep(noon) != nil {
		t.Error("the zero Table holds something")
	}
	if got := table.State(ada, false, noon); got != Unauthenticated {
		t.Errorf("state %v", got)
	}
}

// TestSessionReadsLikeTheRule: ten minutes, absolute (B1).
func TestSessionReadsLikeTheRule(t *testing.T) {
	for _, test := range []struct {
		after time.Duration
		want  bool
	}{
		{0, true}, {time.Nanosecond, true}, {5 * time.Minute, true}, {10*time.Minute - 1, true},
		{10 * time.Minute, false}, {10*time.Minute + 1, false}, {24 * time.Hour, false},
		// A clock that went back: how long it ran cannot be known.
		{-time.Nanosecond, false}, {-time.Hour, false},
	} {
		var table Table[string]
		table.Open(ada, noon)
		now := noon.Add(test.after)
		if got := table.Live(ada, now); got != test.want {
			t.Errorf("after %v: %v, want %v", test.after, got, test.want)
		}
		want := time.Time{}
		if test.want {
			want = noon.Add(Lifetime)
		}
		if got := table.Until(ada, now); got != want {
			t.Errorf("after %v: until %v, want %v", test.after, got, want)
		}
	}
}

func TestUseDoesNotProlongASession(t *testing.T) {
	var table Table[string]
	table.Open(ada, noon)
	for minute := range 10 {
		now := noon.Add(time.Duration(minute) * time.Minute)
		table.Live(ada, now)
		table.Wait(ada, "stop", now)
		table.Take(ada, now)
		table.Sweep(now)
	}
	if table.Live(ada, noon.Add(Lifetime)) {
		t.Error("a session that was used lives longer")
	}
	table.Open(ada, noon.Add(9*time.Minute))
	if got := table.Until(ada, noon.Add(9*time.Minute)); got != noon.Add(19*time.Minute) {
		t.Errorf("after a new code it runs until %v", got)
	}
}

func TestSessionIsBoundToUserAndChat(t *testing.T) {
	var table Table[string]
	table.Open(ada, noon)
	table.Wait(ada, "stop", noon)
	for _, other := range []Key{group, bob, {User: 2, Chat: 1}, {User: 1}, {Chat: 1}, {}} {
		if table.Live(other, noon) || table.Waiting(other, noon) {
			t.Errorf("%+v has the session, or the command, of %+v", other, ada)
		}
		if _, ok := table.Take(other, noon); ok {
			t.Errorf("%+v took the command of %+v", other, ada)
		}
	}
	if got, ok := table.Take(ada, noon); !ok || got != "stop" {
		t.Errorf("what waited is gone: %q, %v", got, ok)
	}
}

// TestStates: the four of B1. A block counts before all else.
func TestStates(t *testing.T) {
	for _, test := range []struct {
		name                   string
		open, waiting, blocked bool
		after                  time.Duration
		want                   State
	}{
		{"nothing", false, false, false, 0, Unauthenticated},
		{"a command waits", false, true, false, 0, Processing},
		{"a session", true, false, false, 0, Authenticated},
		{"a session, and a command that waits", true, true, false, 0, Authenticated},
		{"blocked", false, false, true, 0, Blocked},
		{"blocked with a session", true, true, true, 0, Blocked},
		{"the command waited too long", false, true, false, PromptLifetime, Unauthenticated},
		{"the session ended", true, false, false, Lifetime, Unauthenticated},
	} {
		t.Run(test.name, func(t *testing.T) {
			var table Table[string]
			if test.open {
				table.Open(ada, noon)
			}
			if test.waiting {
				table.Wait(ada, "stop", noon)
			}
			if got := table.State(ada, test.blocked, noon.Add(test.after)); got != test.want {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
	for state, name := range map[State]string{Unauthenticated: "unauthenticated", Processing: "processing", Authenticated: "authenticated", Blocked: "blocked", 9: "unauthenticated", -1: "unauthenticated"} {
		if state.String() != name {
			t.Errorf("%d is %q", int(state), state)
		}
	}
}

func TestCommandThatWaits(t *testing.T) {
	var table Table[string]
	if before, replaced := table.Wait(ada, "stop web", noon); replaced || before != "" {
		t.Errorf("it replaced %q", before)
	}
	if before, replaced := table.Wait(ada, "stop db", noon.Add(time.Minute)); !replaced || before != "stop web" {
		t.Errorf("it replaced %q, %v", before, replaced)
	}
	table.Wait(group, "kill", noon)
	// The later command has its own five minutes.
	if !table.Waiting(ada, noon.Add(PromptLifetime)) {
		t.Error("the command that came later waits as long as the earlier")
	}
	if got, ok := table.Take(ada, noon.Add(2*time.Minute)); !ok || got != "stop db" {
		t.Errorf("took %q, %v", got, ok)
	}
	if got, ok := table.Take(ada, noon.Add(2*time.Minute)); ok || got != "" {
		t.Errorf("took %q twice", got)
	}
	if !table.Waiting(group, noon) {
		t.Error("the command in another chat is gone")
	}
}

func TestCommandWaitsFiveMinutes(t *testing.T) {
	for after, want := range map[time.Duration]bool{0: true, PromptLifetime - 1: true, PromptLifetime: false, time.Hour: false, -1: false, -time.Hour: false} {
		var table Table[string]
		table.Wait(ada, "stop", noon)
		if got := table.Waiting(ada, noon.Add(after)); got != want {
			t.Errorf("after %v: waits %v", after, got)
		}
		got, ok := table.Take(ada, noon.Add(after))
		if ok != want || ok != (got == "stop") {
			t.Errorf("after %v: took %q, %v", after, got, ok)
		}
		if _, ok := table.Take(ada, noon); ok {
			t.Errorf("after %v: what was too late comes back with the clock", after)
		}
	}
}

func TestClose(t *testing.T) {
	var table Table[string]
	for _, k := range []Key{ada, group, bob} {
		table.Open(k, noon)
		table.Wait(k, "stop", noon)
	}
	closed := table.Close(func(k Key) bool { return k.User == 1 })
	slices.SortFunc(closed, func(a, b Key) int { return int(b.Chat - a.Chat) })
	if !slices.Equal(closed, []Key{ada, group}) {
		t.Errorf("closed %v", closed)
	}
	for _, k := range closed {
		if table.Live(k, noon) || table.Waiting(k, noon) {
			t.Errorf("something of %v is left", k)
		}
	}
	if !table.Live(bob, noon) || !table.Waiting(bob, noon) {
		t.Error("somebody else's session was closed")
	}
	if again := table.Close(func(k Key) bool { return k.User == 1 }); again != nil {
		t.Errorf("closed %v twice", again)
	}
}

// TestSweepRemovesNothingThatRuns (B1).
func TestSweepRemovesNothingThatRuns(t *testing.T) {
	var table Table[string]
	table.Open(ada, noon)
	table.Wait(ada, "stop", noon)
	table.Open(bob, noon.Add(time.Minute))
	table.Wait(bob, "kill", noon.Add(time.Minute))
	for _, step := range []struct {
		after   time.Duration
		expired []Key
		waiting int // how many commands are kept
	}{
		{time.Minute, nil, 2}, {PromptLifetime - 1, nil, 2}, {PromptLifetime, nil, 1}, {PromptLifetime + time.Minute, nil, 0},
		{Lifetime - 1, nil, 0}, {Lifetime, []Key{ada}, 0}, {Lifetime, nil, 0}, {Lifetime + time.Minute, []Key{bob}, 0}, {Lifetime + time.Hour, nil, 0},
	} {
		now := noon.Add(step.after)
		live := table.Live(bob, now)
		if got := table.Sweep(now); !slices.Equal(got, step.expired) {
			t.Errorf("at %v it removed %v, want %v", step.after, got, step.expired)
		}
		if table.Live(bob, now) != live {
			t.Errorf("at %v it ended a session that ran", step.after)
		}
		if len(table.waiting) != step.waiting {
			t.Errorf("at %v %d commands wait, want %d", step.after, len(table.waiting), step.waiting)
		}
	}
	if len(table.opened) != 0 {
		t.Errorf("%d sessions are kept", len(table.opened))
	}
}

// TestTablesAreBounded: at the bound the oldest makes room, and who comes again
// takes nobody's place.
func TestTablesAreBounded(t *testing.T) {
	var table Table[int]
	for n := range 3 * atMost {
		k, now := Key{User: int64(n)}, noon.Add(time.Duration(n)*time.Millisecond)
		table.Open(k, now)
		table.Wait(k, n, now)
	}
	if len(table.opened) != atMost || len(table.waiting) != atMost {
		t.Errorf("%d sessions, %d commands", len(table.opened), len(table.waiting))
	}
	now, last, oldest := noon.Add(4*time.Second), Key{User: 3*atMost - 1}, Key{User: 2 * atMost}
	if !table.Live(last, now) || !table.Waiting(last, now) || !table.Live(oldest, now) || table.Live(Key{User: 2*atMost - 1}, now) {
		t.Error("it was not the oldest that made room")
	}
	table.Open(last, now)
	table.Wait(last, 0, now)
	if !table.Live(oldest, now) || !table.Waiting(oldest, now) {
		t.Error("who opened a session anew ended somebody else's")
	}
}
