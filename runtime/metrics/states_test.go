package metrics

import (
	"context"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

func TestProcessesAreCountedByState(t *testing.T) {
	m := newMachine(t, map[string]string{
		"proc/1/stat":          procStat(1, "init", 'S', 1, 1, 1),
		"proc/2/stat":          procStat(2, "a) R (b\x1b", 'D', 1, 1, 1),
		"proc/3/stat":          procStat(3, "r", 'R', 1, 1, 1),
		"proc/4/stat":          procStat(4, strings.Repeat(")", 64), 'I', 1, 1, 1),
		"proc/5/stat":          procStat(5, "t", 'T', 1, 1, 1),
		"proc/6/stat":          procStat(6, "t", 't', 1, 1, 1),
		"proc/7/stat":          procStat(7, "", 'Z', 1, 1, 1),
		"proc/8/stat":          procStat(8, "new", 'P', 1, 1, 1), // a state of another kernel
		"proc/2147483647/stat": procStat(2147483647, "last", 'S', 1, 1, 1),
		"proc/9/stat":          "garbage",
		"proc/10/stat":         "10 (cut)",
		"proc/11/stat":         "",
		"proc/12/other":        "it has ended",
		"proc/self/stat":       procStat(3, "r", 'R', 1, 1, 1),
		"proc/99999999999":     "no folder",
	})
	got, err := m.reader(nil).Processes(context.Background(), abi.ProcessQuery{})
	want := abi.ProcessInfo{Total: 9, Running: 1, Sleeping: 3, Idle: 1, Stopped: 2, Zombie: 1}
	if err != nil || got.Top != nil || got.Total != want.Total || got.Running != want.Running || got.Sleeping != want.Sleeping ||
		got.Idle != want.Idle || got.Stopped != want.Stopped || got.Zombie != want.Zombie {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// Both ways to count must say the same of one file.
func FuzzParseState(f *testing.F) {
	f.Add(procStat(1, "init", 'S', 1, 1, 1))
	f.Add(procStat(2, ") R 1 1 (", 'R', 1, 1, -5))
	f.Add("1 (x)")
	f.Add("1 (x) ")
	f.Fuzz(func(t *testing.T, text string) {
		state, ok := parseState([]byte(text))
		if p, read := parseProcess(text); read && strings.HasPrefix(text[strings.LastIndexByte(text, ')'):], ") "+string(p.state)) && (!ok || state != p.state) {
			t.Errorf("%q: %q, %v, and %q", text, state, ok, p.state)
		}
	})
}

func BenchmarkCountProcesses(b *testing.B) {
	run(b, func(r *Reader, ctx context.Context) error {
		_, err := r.Processes(ctx, abi.ProcessQuery{})
		return err
	})
}
