package peers

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

var background = context.Background()

// lane is a contestant and its times.
type lane struct {
	contestant
	peer  peer
	took  []time.Duration
	bytes uint64 // allocated by the host
}

func (l *lane) quantile(q float64) time.Duration {
	return l.took[min(int(q*float64(len(l.took))), len(l.took)-1)]
}

// BenchmarkCall lets all contestants handle the same request, block by block in
// turns, so that a noise hits all alike. -benchtime is for each contestant. The
// count of iterations that the lines below it show means nothing: the times
// were taken before.
func BenchmarkCall(b *testing.B) {
	var lanes []*lane
	for _, c := range available(b) {
		lanes = append(lanes, &lane{contestant: c, peer: opened(b, c)})
	}
	request, want := requestFor("memory"), called(b, native{}, "memory")
	inTurns(b, lanes, func(l *lane) (time.Duration, error) {
		start := time.Now()
		reply, err := l.peer.Call(background, request)
		took := time.Since(start)
		if err == nil && !bytes.Equal(reply, want) {
			err = fmt.Errorf("it replied %s", reply)
		}
		return took, err
	})
	printCalls(lanes)
	for _, l := range lanes {
		b.Run(l.id(), func(b *testing.B) {
			b.ReportMetric(micros(l.quantile(0.50)), "p50-µs")
			b.ReportMetric(micros(l.quantile(0.99)), "p99-µs")
			b.ReportMetric(float64(l.bytes)/float64(len(l.took)), "B/call")
			b.ReportMetric(float64(len(l.took)), "calls")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// inTurns measures all lanes, and sorts what they took.
func inTurns(b *testing.B, lanes []*lane, measure func(*lane) (time.Duration, error)) {
	blocks, length := blocksOf(b)
	for _, l := range lanes { // once for nothing
		l.block(b, length, measure)
		l.took, l.bytes = nil, 0
	}
	for range blocks {
		for _, l := range lanes {
			l.block(b, length, measure)
		}
	}
	for _, l := range lanes {
		slices.Sort(l.took)
	}
}

// blocksPerLane is how often each contestant gets its turn.
const blocksPerLane = 30

// blocksOf divides -benchtime: into blocks of that length, or, if it is a count,
// into blocks of one call.
func blocksOf(b *testing.B) (blocks int, length time.Duration) {
	benchtime := flag.Lookup("test.benchtime").Value.String()
	if count, ok := strings.CutSuffix(benchtime, "x"); ok {
		n, err := strconv.Atoi(count)
		if err != nil {
			b.Fatal(err)
		}
		return n, 0
	}
	d, err := time.ParseDuration(benchtime)
	if err != nil {
		b.Fatal(err)
	}
	return blocksPerLane, d / blocksPerLane
}

// block measures at least once. The garbage of the lane before is collected
// first.
func (l *lane) block(b *testing.B, length time.Duration, measure func(*lane) (time.Duration, error)) {
	runtime.GC()
	before := allocated()
	for began := time.Now(); ; {
		took, err := measure(l)
		if err != nil {
			b.Fatalf("%s: %v", l.id(), err)
		}
		l.took = append(l.took, took)
		if time.Since(began) >= length {
			break
		}
	}
	l.bytes += allocated() - before
}

func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}

// printCalls writes the table for people, each line marked so that tools for
// benchmarks pass over it.
func printCalls(lanes []*lane) {
	limit := lanes[0].quantile(0.50)
	mine := map[string]time.Duration{}
	for _, l := range lanes {
		if l.name == ours {
			mine[l.guest] = l.quantile(0.50)
		}
	}
	t := newTable("guest", "contestant", "instance", "stops a loop", "p50", "p99", "of "+ours, "of native", "allocated", "calls")
	for _, l := range lanes {
		p50 := l.quantile(0.50)
		t.row(l.guest, l.name, l.instance(), l.stops, round(p50), round(l.quantile(0.99)),
			times(p50, mine[l.guest]), times(p50, limit), size(float64(l.bytes)/float64(len(l.took))), len(l.took))
	}
	t.print()
}

func (c contestant) instance() string {
	if c.fresh {
		return "fresh"
	}
	return "kept"
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func times(d, of time.Duration) string {
	ratio := float64(d) / float64(of)
	switch {
	case ratio >= 10:
		return fmt.Sprintf("%.0f×", ratio)
	case ratio >= 0.1:
		return fmt.Sprintf("%.2f×", ratio)
	}
	return fmt.Sprintf("%.4f×", ratio)
}

func round(d time.Duration) string {
	if d < time.Millisecond {
		return fmt.Sprintf("%.3g µs", micros(d))
	}
	return fmt.Sprintf("%.3g ms", micros(d)/1000)
}

func size(bytes float64) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%.1f KiB", bytes/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", bytes/(1<<20))
}

// table is written to stdout in Markdown.
type table struct{ *tabwriter.Writer }

func newTable(head ...any) table {
	t := table{tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)}
	t.row(head...)
	rule := make([]any, len(head))
	for i := range rule {
		rule[i] = "---"
	}
	t.row(rule...)
	return t
}

func (t table) row(cells ...any) {
	for _, cell := range cells {
		fmt.Fprintf(t, "| %v\t", cell)
	}
	fmt.Fprintln(t, "|")
}

func (t table) print() { t.Flush() }
