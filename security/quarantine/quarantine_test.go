package quarantine

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// tell writes a decision as the rule speaks of it: "clean", "off 1m0s", with a
// "now " before it when it is a change.
func tell(d Decision, now time.Time) string {
	text := string(d.Reason)
	if !d.Allowed {
		text = fmt.Sprint("off ", d.Until.Sub(now))
	}
	if d.Turned {
		text = "now " + text
	}
	return text
}

// step is what happens at a time after noon.
type step struct {
	at   time.Duration
	what string // "fault" or "ask", any number of times
	want string // what the last one is told
}

const (
	s = time.Second
	m = time.Minute
	h = time.Hour
)

// off is how five faults within ten minutes begin most of the tales below.
func off(then ...step) []step {
	return append([]step{{0, "fault fault fault fault", "suspect"}, {1 * s, "fault", "now off 1m0s"}}, then...)
}

func TestTheRule(t *testing.T) {
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"a module without faults", []step{{0, "ask", "clean"}, {24 * h, "ask", "clean"}}},
		{"four faults are not enough", []step{{0, "fault fault fault fault", "suspect"}, {9 * m, "ask", "suspect"}, {10 * m, "ask", "clean"}}},
		{"five within ten minutes are", []step{{0, "fault", "suspect"}, {3 * m, "fault fault fault", "suspect"}, {10*m - s, "fault", "now off 1m0s"}}},
		{"five in a longer time are not", []step{{0, "fault", "suspect"}, {3 * m, "fault fault fault", "suspect"}, {10 * m, "fault", "suspect"}}},
		{"for ever four in ten minutes", []step{
			{0, "fault fault fault fault", "suspect"}, {10 * m, "fault fault fault fault", "suspect"}, {20 * m, "fault fault fault fault", "suspect"},
		}},
		{"it comes back after a minute", off(step{60 * s, "ask", "off 1s"}, step{61 * s, "ask", "now probation"}, step{62 * s, "ask", "probation"})},
		{"and is clean ten minutes later", off(step{61 * s, "ask", "now probation"}, step{11 * m, "ask", "probation"}, step{11*m + s, "ask", "clean"})},
		{"faults under way lengthen nothing", off(step{2 * s, "fault fault fault", "off 59s"}, step{61 * s, "ask", "now probation"})},
		{"on probation one fault is enough, for twice as long", off(step{61 * s, "ask fault", "now off 2m0s"}, step{3 * m, "ask", "off 1s"}, step{181 * s, "ask", "now probation"})},
		{"without a question in between too", off(step{62 * s, "fault", "now off 2m0s"})},
		{"after probation it takes five again, and the pause has grown", off(
			step{12 * m, "ask", "now clean"}, step{12 * m, "fault fault fault fault", "suspect"}, step{12 * m, "fault", "now off 2m0s"})},
		{"pauses grow to an hour", off(
			step{1 * h, "fault fault fault fault fault", "now off 2m0s"}, step{1*h + 2*m, "fault", "now off 4m0s"}, step{1*h + 6*m, "fault", "now off 8m0s"},
			step{2 * h, "fault fault fault fault fault", "now off 16m0s"}, step{2*h + 16*m, "fault", "now off 32m0s"},
			step{2*h + 48*m, "fault", "now off 1h0m0s"}, step{3*h + 48*m, "fault", "now off 1h0m0s"}, step{4*h + 48*m, "fault", "now off 1h0m0s"})},
		{"a day without a fault forgets everything", off(step{1*s + 24*h, "fault fault fault fault", "suspect"}, step{2*s + 24*h, "fault", "now off 1m0s"})},
		{"a fault within the day does not", off(
			step{20 * h, "fault", "suspect"}, step{40 * h, "fault fault fault fault", "suspect"}, step{40 * h, "fault", "now off 2m0s"})},

		{"a clock that jumps ahead frees it once", off(step{1 * h, "ask", "now clean"}, step{1 * h, "fault fault fault fault fault", "now off 2m0s"})},
		{"a clock that jumps back holds it no longer than its pause", off(
			step{-1 * h, "ask", "off 1m0s"}, step{-1*h + 59*s, "ask", "off 1s"}, step{-1*h + 60*s, "ask", "now probation"})},
		{"nor does its probation last longer", off(
			step{61 * s, "ask", "now probation"}, step{-1 * h, "ask", "probation"}, step{-1*h + 10*m, "ask", "clean"})},
		{"nor does a fault count longer", []step{{0, "fault fault fault fault", "suspect"}, {-1 * h, "ask", "suspect"}, {-1*h + 10*m, "fault", "suspect"}}},
		{"nor less", []step{{0, "fault fault fault fault", "suspect"}, {-1 * h, "fault", "now off 1m0s"}}},
		{"there and back again", off(
			step{1 * h, "ask", "now clean"}, step{2 * s, "fault", "now off 2m0s"}, step{1 * h, "fault", "suspect"}, step{3 * s, "ask", "probation"})},
		{"nor does it take longer than a day to forget", off(step{-1 * h, "ask", "off 1m0s"}, step{23 * h, "fault fault fault fault fault", "now off 1m0s"})},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r Record
			for _, step := range test.steps {
				now, got := noon.Add(step.at), ""
				for what := range strings.FieldsSeq(step.what) {
					if what == "fault" {
						got = tell(r.Fault(now), now)
					} else {
						got = tell(r.Decide(now), now)
					}
				}
				if got != step.want {
					t.Fatalf("after %v, %s: %q, want %q", step.at, step.what, got, step.want)
				}
			}
		})
	}
}

func TestZeroValues(t *testing.T) {
	if (Decision{}).Allowed {
		t.Error("the zero Decision allows")
	}
	if d := new(Record).Decide(time.Time{}); !d.Allowed {
		t.Error("a clean record does not")
	}
}

// FuzzRecord lets faults, questions and jumps of the clock follow each other in
// any order.
func FuzzRecord(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 1, 60, 0, 1})
	f.Add([]byte{0, 0, 0, 0, 0, 3, 1, 2, 1, 200, 1})
	f.Fuzz(func(t *testing.T, moves []byte) {
		var r Record
		now, faults := noon, 0
		for _, move := range moves {
			var d Decision
			switch move {
			case 0:
				before := r.Decide(now)
				d = r.Fault(now)
				if faults++; faults < Faults && !d.Allowed {
					t.Fatalf("off after %d faults", faults)
				}
				if before.Reason == Probation && d.Allowed {
					t.Fatal("a fault on probation did not switch it off")
				}
			case 1:
				d = r.Decide(now)
			case 2:
				now = now.Add(time.Hour)
				d = r.Decide(now)
			case 3:
				now = now.Add(-time.Hour)
				d = r.Decide(now)
			default:
				now = now.Add(time.Duration(move) * time.Second)
				d = r.Decide(now)
			}
			left := d.Until.Sub(now)
			if d.Reason == "" || d.Allowed != d.Until.IsZero() || !d.Allowed && (left <= 0 || left > LongestPause) {
				t.Fatalf("after move %d: %+v", move, d)
			}
			if len(r.faults) >= Faults {
				t.Fatalf("%d faults are kept", len(r.faults))
			}
			before := fmt.Sprint(r)
			if d := r.Look(now.Add(LongestPause)); !d.Allowed {
				t.Fatalf("still off after the longest pause: %+v", d)
			}
			if d := r.Look(now.Add(Memory)); d.Reason != Clean {
				t.Fatalf("not forgotten after a day: %+v", d)
			}
			if r.Look(now.Add(-time.Hour)); fmt.Sprint(r) != before {
				t.Fatalf("looking changed %v into %v", before, r)
			}
		}
	})
}
