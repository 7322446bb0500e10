package peers

import (
	"slices"
	"testing"
	"time"
)

// BenchmarkLoad is the time from a file to a module that can be called, with
// its compiled code in the cache: for this engine, a start of one instance to
// see that it does.
func BenchmarkLoad(b *testing.B) {
	for _, c := range available(b) {
		if !slices.Contains([]string{ours, "wazero-kept-deadline", "extism-kept-deadline", "knqyf263-kept", "hashicorp-kept"}, c.name) {
			continue
		}
		b.Run(c.id(), func(b *testing.B) {
			l := lane{contestant: c}
			l.load(b) // fills the cache
			l.took = nil
			for b.Loop() {
				l.load(b)
			}
			slices.Sort(l.took)
			b.ReportMetric(micros(l.quantile(0.50))/1000, "p50-ms")
			b.ReportMetric(micros(l.quantile(0.99))/1000, "p99-ms")
			b.ReportMetric(0, "ns/op") // is closing, too
		})
	}
}

func (l *lane) load(b *testing.B) {
	start := time.Now()
	p, err := l.open(background, shop)
	l.took = append(l.took, time.Since(start))
	if err != nil {
		b.Fatal(err)
	}
	if err := p.Close(background); err != nil {
		b.Fatal(err)
	}
}
