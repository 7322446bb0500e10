package dedup

import (
	"math"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// run is n updates in a row, all accepted at one time.
type run struct {
	first int64
	n     int
	at    time.Duration // since noon
}

func seen(runs ...run) (list []Seen) {
	for _, r := range runs {
		for i := range r.n {
			list = append(list, Seen{ID: r.first + int64(i), At: noon.Add(r.at)})
		}
	}
	return list
}

func TestForgetReadsLikeTheRule(t *testing.T) {
	const hour, ms = time.Hour, time.Millisecond
	for _, test := range []struct {
		name string
		seen []Seen
		now  time.Duration // since noon
		want int
	}{
		{"nothing was seen", nil, 0, 0},
		{"8,192 stay however old", seen(run{1, Least, 0}), 10_000 * hour, 0},
		{"one more leaves after 24 h", seen(run{1, Least + 1, 0}), For, 1},
		{"and not before", seen(run{1, Least + 1, 0}), For - ms, 0},
		{"the latest 8,192 stay", seen(run{1, 5000, 0}, run{5001, 5000, hour}), 100 * hour, 10_000 - Least},
		{"only the old ones leave", seen(run{1, 100, 0}, run{101, Least, 2 * hour}), For + hour, 100},
		{"65,536 stay within 24 h", seen(run{1, Most, 0}), 0, 0},
		{"one more makes the oldest leave", seen(run{1, Most + 1, 0}), 0, 1},

		{"the clock jumps an hour ahead", seen(run{1, 10, 0}, run{11, Least, hour}), hour, 0},
		{"the clock jumps an hour back", seen(run{1, 10, hour}, run{11, Least, 0}), 0, 0},
		{"what it jumped over is kept an hour longer", seen(run{1, 10, hour}, run{11, Least, 0}), For, 0},
		{"and then leaves", seen(run{1, 10, hour}, run{11, Least, 0}), For + hour, 10},
		{"a clock that was a year ahead does not undo the bound", seen(run{1, Most + 7, 365 * 24 * hour}), 0, 7},
		{"a clock that began in 1970 does not empty the window", seen(run{1, Least, -56 * 365 * 24 * hour}), 0, 0},

		{"past 2^31", seen(run{math.MaxInt32 - 4, 10, 0}, run{math.MaxInt32 + 6, Least, 0}), For, 10},
		{"ids that began again lower are the newer ones", seen(run{math.MaxInt32 - 9, 10, 0}, run{5, Least, hour}), For, 10},
		{"and are not the first to leave", seen(run{900_000, Least, 0}, run{5, 10, hour}), 100 * hour, 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := Forget(test.seen, noon.Add(test.now))
			if len(got) != test.want {
				t.Fatalf("%d are forgotten, want %d", len(got), test.want)
			}
			for i, s := range got {
				if s != test.seen[i] {
					t.Fatalf("the %dth to leave is %+v, want the oldest, %+v", i, s, test.seen[i])
				}
			}
		})
	}
}
