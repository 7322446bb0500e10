package peers

import (
	"slices"
	"testing"
	"time"
)

// loaders are the contestants of BenchmarkLoad: with compiled code that has the
// same checks in it.
var loaders = []string{ours, "wazero-kept-deadline", "extism-kept-deadline", "knqyf263-kept", "hashicorp-kept"}

// BenchmarkLoad is the time from a file to a module that can be called, with
// its compiled code in the cache, in turns as BenchmarkCall. For this engine a
// start of one instance to see that it does is part of it.
func BenchmarkLoad(b *testing.B) {
	var lanes []*lane
	for _, c := range available(b) {
		if slices.Contains(loaders, c.name) {
			lanes = append(lanes, &lane{contestant: c})
		}
	}
	inTurns(b, lanes, func(l *lane) (time.Duration, error) {
		start := time.Now()
		p, err := l.open(background, shop)
		took := time.Since(start)
		if err != nil {
			return took, err
		}
		return took, p.Close(background)
	})
	t := newTable("guest", "contestant", "load p50", "p99", "loads")
	for _, l := range lanes {
		t.row(l.guest, l.name, round(l.quantile(0.50)), round(l.quantile(0.99)), len(l.took))
	}
	t.print()
	for _, l := range lanes {
		b.Run(l.id(), func(b *testing.B) {
			b.ReportMetric(micros(l.quantile(0.50))/1000, "p50-ms")
			b.ReportMetric(micros(l.quantile(0.99))/1000, "p99-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}
