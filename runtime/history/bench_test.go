package history

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/metrics"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
)

// BenchmarkMinute is what the history does in a minute beside asking the engine:
// six samples of this machine, two of 50 containers, and the writing of it all to
// a disk. core-% is its share of a core.
func BenchmarkMinute(b *testing.B) {
	s, err := store.Open(filepath.Join(b.TempDir(), "state"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	now, c := time.Now(), &containers{}
	clock := func() time.Time { return now }
	h := New(Config{Machine: metrics.New(metrics.Config{}, clock), Containers: c, Store: s, Now: clock})
	h.SampleMachine(b.Context()) // waits for its first window
	spent, minutes := ownCPU(b), 0
	for b.Loop() {
		for range 2 {
			c.samples = c.samples[:0]
			for i := range 50 {
				c.samples = append(c.samples, sampleOf(i, now, float64(minutes*(i+1))))
			}
			h.SampleContainers(b.Context())
			for range 3 {
				now = now.Add(machineEvery)
				h.SampleMachine(b.Context())
			}
		}
		h.flush(b.Context())
		minutes++
	}
	b.ReportMetric(100*(ownCPU(b)-spent).Seconds()/float64(minutes)/60, "core-%")
}

func ownCPU(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkQuery asks for two series of a full day, and of a week of means.
func BenchmarkQuery(b *testing.B) {
	r := newRig(b)
	r.now = r.now.Add(-7 * 24 * time.Hour)
	for range 7 {
		for range 24 {
			for range 60 {
				r.SampleMachine(b.Context())
				r.now = r.now.Add(time.Minute)
			}
		}
		r.flush(b.Context())
	}
	for _, hours := range []int64{1, 24, 168} {
		b.Run(fmt.Sprintf("%dh", hours), func(b *testing.B) {
			for b.Loop() {
				q := abi.HistoryQuery{Series: []string{abi.SeriesCPU, abi.SeriesMemory}, Seconds: hours * 3600, Points: 200}
				if got, err := r.Machine(b.Context(), q); err != nil || len(got.Series[0].At) == 0 {
					b.Fatalf("%+v, %v", got, err)
				}
			}
		})
	}
}
