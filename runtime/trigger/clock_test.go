package trigger

import (
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

func newTestClock(t *testing.T, s abi.Schedule, least time.Duration, jitter uint64, now time.Time) *clock {
	t.Helper()
	c, err := newClock(s, least, jitter, now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// runsOf asks a clock every second for a while, and returns when it was due.
func runsOf(c *clock, from time.Time, span time.Duration) (runs []time.Time, verdicts map[verdict]int) {
	verdicts = map[verdict]int{}
	for at := time.Duration(0); at < span; at += time.Second {
		v := c.ask(from.Add(at))
		if verdicts[v]++; v == due {
			runs = append(runs, from.Add(at))
		}
	}
	return runs, verdicts
}

func closest(runs []time.Time) time.Duration {
	least := time.Duration(1<<63 - 1)
	for i := 1; i < len(runs); i++ {
		least = min(least, runs[i].Sub(runs[i-1]))
	}
	return least
}

func TestAnIntervalRunsAtTheGrantedPace(t *testing.T) {
	for _, test := range []struct {
		every       string
		least, pace time.Duration
	}{
		{"10s", 10 * time.Second, 10 * time.Second},
		{"10s", 5 * time.Minute, 5 * time.Minute}, // faster than granted
		{"1h", 10 * time.Second, time.Hour},
	} {
		c := newTestClock(t, abi.Schedule{Every: test.every}, test.least, 12345678901, noon)
		runs, _ := runsOf(c, noon, 6*time.Hour)
		if want := int(6 * time.Hour / test.pace); len(runs) < want-1 || len(runs) > want+1 || closest(runs) < test.pace {
			t.Errorf("%s within %s: %d runs, the closest %s apart", test.every, test.least, len(runs), closest(runs))
		}
		if first := runs[0].Sub(noon); first > min(firstWithin, test.pace) {
			t.Errorf("%s: the first run comes after %s", test.every, first)
		}
	}
}

func TestCronSkipsWhatComesTooSoon(t *testing.T) {
	c := newTestClock(t, abi.Schedule{Cron: "* * * * *"}, 5*time.Minute, 3e9, noon)
	runs, verdicts := runsOf(c, noon, time.Hour)
	if len(runs) != 12 || closest(runs) < 5*time.Minute || verdicts[tooSoon] != 47 {
		t.Errorf("%d runs, the closest %s apart, %d left out", len(runs), closest(runs), verdicts[tooSoon])
	}
	if got := runs[0].Sub(noon); got != 63*time.Second {
		t.Errorf("the first run comes after %s, with a jitter of 3 s", got)
	}
}

func TestCronInTheZoneOfTheBot(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	// 02:30 is there twice in the night of 25 October 2026, and not at all in that of
	// 29 March.
	for _, test := range []struct {
		from time.Time
		runs int
	}{
		{time.Date(2026, 10, 24, 12, 0, 0, 0, berlin), 1},
		{time.Date(2026, 3, 28, 12, 0, 0, 0, berlin), 0},
		{time.Date(2026, 6, 1, 12, 0, 0, 0, berlin), 1},
	} {
		c := newTestClock(t, abi.Schedule{Cron: "30 2 * * *"}, 2*time.Hour, 0, test.from)
		if runs, _ := runsOf(c, test.from, 20*time.Hour); len(runs) != test.runs {
			t.Errorf("from %v: ran at %v", test.from, runs)
		}
	}
}

// TestClockJumps: a clock that is put forward or back makes nothing up, and nothing
// waits for a time that is long away.
func TestClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{-365 * 24 * time.Hour, -24 * time.Hour, -time.Hour, -90 * time.Second, 90 * time.Second, time.Hour, 24 * time.Hour, 365 * 24 * time.Hour} {
		for _, s := range []abi.Schedule{{Every: "1m"}, {Cron: "* * * * *"}} {
			c := newTestClock(t, s, time.Minute, 0, noon)
			runsOf(c, noon, 10*time.Minute)
			after := noon.Add(10*time.Minute + jump)
			runs, verdicts := runsOf(c, after, 10*time.Minute)
			if len(runs) > 11 || closest(runs) < time.Minute-2*time.Second {
				t.Errorf("%+v, a jump by %s: %d runs, the closest %s apart", s, jump, len(runs), closest(runs))
			}
			// The hour that comes twice is left out if the pace wants it.
			if least := 8; len(runs) < least && jump != -90*time.Second {
				t.Errorf("%+v, a jump by %s: %d runs, %v", s, jump, len(runs), verdicts)
			}
		}
	}
}

func TestWhatWasMissedIsNotMadeUp(t *testing.T) {
	c := newTestClock(t, abi.Schedule{Cron: "0 * * * *"}, 10*time.Second, 0, noon.Add(time.Minute))
	if v := c.ask(noon.Add(90 * time.Minute)); v != missed {
		t.Errorf("half an hour late: %v", v)
	}
	if runs, _ := runsOf(c, noon.Add(91*time.Minute), time.Hour); len(runs) != 1 {
		t.Errorf("ran at %v", runs)
	}
	c = newTestClock(t, abi.Schedule{Every: "1m"}, time.Minute, 0, noon)
	if runs, _ := runsOf(c, noon.Add(24*time.Hour), 61*time.Second); len(runs) != 2 {
		t.Errorf("after a day: ran at %v", runs)
	}
}

func TestAnotherVersionKeepsThePace(t *testing.T) {
	old := newTestClock(t, abi.Schedule{Every: "5m"}, time.Minute, 0, noon)
	runsOf(old, noon, time.Second)
	c := newTestClock(t, abi.Schedule{Every: "5m"}, time.Minute, 0, noon.Add(time.Second))
	c.follows(old)
	if runs, _ := runsOf(c, noon.Add(time.Second), 6*time.Minute); len(runs) != 1 || runs[0].Sub(noon) != 5*time.Minute {
		t.Errorf("ran at %v", runs)
	}
}
