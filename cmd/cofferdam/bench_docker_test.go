package main

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
)

// What of the time to a view is the engine's own is measured in the same run, since
// it is most of it, and another on every machine.

// containersOver is by how much the first page of 200 containers may come later
// than the engine's own list, in the middle (p50).
const containersOver = 150 * time.Millisecond

// BenchmarkContainers is the time from /containers to the reply, with the engine's
// own list by a bare client in turn with it: engine-ms, and over-ms beyond that.
// Nothing is kept from one list to the next.
func BenchmarkContainers(b *testing.B) {
	for _, n := range []int{6, 200} {
		b.Run(fmt.Sprintf("%d", n), func(b *testing.B) {
			s := benchScene(b, n, dockertest.Created)
			bare := dockertest.Client(b)
			bot := startBot(b, s.only, silent, onDisk, manyUsers(takingTurns))
			bot.person(user, user).says("/containers") // loads the module
			var took, engine, over []time.Duration
			for b.Loop() {
				who := int64(firstOfMany + len(took)/chatLength%takingTurns)
				p := bot.person(who, who)
				began := time.Now()
				if _, err := bare.ContainerList(b.Context(), container.ListOptions{All: true}); err != nil {
					b.Fatal(err)
				}
				listed := time.Since(began)
				began = time.Now()
				p.says("/containers")
				took, engine = append(took, time.Since(began)), append(engine, listed)
				over = append(over, took[len(took)-1]-listed)
			}
			reportQuantiles(b, took)
			reportMiddle(b, engine, "engine-ms")
			if middle := reportMiddle(b, over, "over-ms"); middle > containersOver {
				b.Errorf("%v over the engine's own, more than %v", middle, containersOver)
			}
		})
	}
}

// BenchmarkContainerPage is the time from a tap to a running container's page, with
// its figures, and what of that the bot waited for the engine. An old engine gives
// figures once a second only.
func BenchmarkContainerPage(b *testing.B) {
	for _, state := range []struct {
		name string
		made dockertest.State
	}{{"running", dockertest.Running}, {"created", dockertest.Created}} {
		b.Run(state.name, func(b *testing.B) {
			s := benchScene(b, 1, state.made)
			clock := &engineClock{}
			bot := startBot(b, s.only, onDisk, func(bot *bot) {
				bot.o.log, bot.cfg.Docker.DebugDockerClient = zap.New(clock), true
			}, manyUsers(takingTurns))
			var took, engine, over []time.Duration
			for b.Loop() {
				who := int64(firstOfMany + len(took)/chatLength%takingTurns)
				p := bot.person(who, who)
				if len(took)%chatLength == 0 {
					list := p.says("/containers")
					p.taps(list.Labels()[0][0])
				}
				clock.reset()
				began := time.Now()
				p.taps("🔄 Refresh")
				took, engine = append(took, time.Since(began)), append(engine, clock.total())
				over = append(over, took[len(took)-1]-engine[len(engine)-1])
			}
			reportQuantiles(b, took)
			reportMiddle(b, engine, "engine-ms")
			reportMiddle(b, over, "over-ms")
		})
	}
}

// benchScene is a scene of n containers of one state.
func benchScene(b *testing.B, n int, state dockertest.State) scene {
	b.Helper()
	s := newScene(b)
	s.has(slices.Repeat([]dockertest.Container{{State: state}}, n)...)
	return s
}

// reportMiddle reports a median, and returns it.
func reportMiddle(b *testing.B, all []time.Duration, unit string) time.Duration {
	middle := median(inMilliseconds(all))
	b.ReportMetric(middle, unit)
	return time.Duration(middle * float64(time.Millisecond))
}

func inMilliseconds(all []time.Duration) []float64 {
	out := make([]float64, len(all))
	for i, d := range all {
		out[i] = float64(d.Microseconds()) / 1000
	}
	return out
}

// engineClock is a log that adds up what the bot waited for the engine.
type engineClock struct {
	mu     sync.Mutex
	waited time.Duration
}

func (*engineClock) Enabled(zapcore.Level) bool          { return true }
func (c *engineClock) With([]zapcore.Field) zapcore.Core { return c }
func (*engineClock) Sync() error                         { return nil }
func (c *engineClock) reset()                            { c.mu.Lock(); c.waited = 0; c.mu.Unlock() }
func (c *engineClock) total() time.Duration              { c.mu.Lock(); defer c.mu.Unlock(); return c.waited }
func (c *engineClock) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return checked.AddCore(e, c)
}

func (c *engineClock) Write(e zapcore.Entry, fields []zapcore.Field) error {
	if e.Message != "asked the engine" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range fields {
		if f.Key == "took" {
			c.waited += time.Duration(f.Integer)
		}
	}
	return nil
}

// chartWithin is how long a chart may take in the middle (p50).
const chartWithin = 150 * time.Millisecond

// BenchmarkChart is the time from /chart cpu to the picture of the last hour, out of
// a full day of history.
func BenchmarkChart(b *testing.B) {
	bot := startBot(b, silent, onDisk, manyUsers(takingTurns))
	measured(b, bot.app)
	bot.person(user, user).says("/chart cpu") // loads the module
	var took []time.Duration
	for b.Loop() {
		who := int64(firstOfMany + len(took)/chatLength%takingTurns)
		p := bot.person(who, who)
		began := time.Now()
		m := p.says("/chart cpu")
		took = append(took, time.Since(began))
		if m.Photo == nil {
			b.Fatalf("there is no picture:\n%s", m.Styled())
		}
	}
	reportQuantiles(b, took)
	if middle := took[len(took)/2]; middle > chartWithin {
		b.Errorf("%v, more than %v", middle, chartWithin)
	}
}
