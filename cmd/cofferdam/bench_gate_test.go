package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/pipeline"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/ratelimit"
)

// The pipeline up to the sandbox: decoding, journal on disk, window of seen ids,
// access, limit, route, gate. Nothing is sent, and the module ends at once.

// gateBench is a whole app whose modules and sender are hollow.
type gateBench struct {
	b    *testing.B
	app  *app
	p    *pipeline.Pipeline
	ran  atomic.Int64
	next int64
}

// hollow stands behind the gate: it knows the commands of the real registry,
// and runs nothing.
type hollow struct {
	pipeline.Modules
	ran *atomic.Int64
}

var errHollow = errors.New("hollow")

func (h hollow) Invoke(context.Context, string, abi.Actor, *capability.Pass, *zap.Logger, []byte) (abi.Code, []byte, error) {
	h.ran.Add(1)
	return abi.Internal, nil, errHollow
}

// mute takes messages and sends none.
type mute struct{}

func (mute) Send(context.Context, chat.Address, chat.Message) (int, error)      { return 1, nil }
func (mute) Edit(context.Context, chat.Address, int, chat.Message) (int, error) { return 1, nil }
func (mute) Answer(context.Context, string, string, bool) error                 { return nil }
func (mute) Typing(context.Context, chat.Address)                               {}
func (mute) Try(context.Context, chat.Address, int, chat.Message) (int, error)  { return 1, nil }

const gateUsers = 250

func newGateBench(b *testing.B) *gateBench {
	b.Helper()
	g := &gateBench{b: b, next: 1}
	bot := newBot(b, onDisk, quick, silent, func(bot *bot) {
		for i := range gateUsers {
			bot.cfg.AccessControl.AllowedUserIDs = append(bot.cfg.AccessControl.AllowedUserIDs, int64(10_000+i))
		}
	})
	a, err := newApp(b.Context(), bot.cfg, bot.o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = a.close(context.Background()) })
	c := a.pipeline.Config
	c.Modules, c.Sender, c.UserLimit = hollow{a.registry, &g.ran}, mute{}, ratelimit.New[int64](1<<30, time.Second, usersAtMost)
	c.Delete = func(context.Context, chat.Address, int, time.Time) error { return nil }
	g.app, g.p = a, pipeline.New(c)
	b.Cleanup(func() { g.p.Close(context.Background()) })
	return g
}

// updates makes n of them, of this user each.
func (g *gateBench) updates(n int, user func(i int) int64) []chat.Received {
	list := make([]chat.Received, n)
	for i := range list {
		id := user(i)
		list[i] = chat.Received{ID: g.next, Data: fmt.Appendf(nil,
			`{"update_id":%d,"message":{"message_id":7,"date":%d,"from":{"id":%d,"is_bot":false,"first_name":"A"},"chat":{"id":%d,"type":"private"},"text":"/load"}}`,
			g.next, time.Now().Unix(), id, id)}
		g.next++
	}
	return list
}

// batch is what Telegram hands over in one answer.
const batch = 100

func (g *gateBench) deliver(list []chat.Received) {
	for len(list) > 0 {
		n := min(len(list), batch)
		if err := g.p.Deliver(g.b.Context(), list[:n]); err != nil {
			g.b.Fatal(err)
		}
		list = list[n:]
	}
}

func (g *gateBench) await(ran int64) {
	for g.ran.Load() < ran {
		time.Sleep(100 * time.Microsecond)
	}
}

func (g *gateBench) block(strangers int) {
	for i := range strangers {
		g.p.RestoreStranger(int64(1_000_000+i), access.Record{BlockedAt: time.Now()})
	}
}

// BenchmarkGate: how many updates of users pass in a second.
func BenchmarkGate(b *testing.B) {
	user := func(i int) int64 { return int64(10_000 + i%gateUsers) }
	b.Run("alone", func(b *testing.B) {
		g := newGateBench(b)
		list := g.updates(b.N, user)
		b.ResetTimer()
		g.deliver(list)
		g.await(int64(b.N))
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
	})
	// Each update of a user comes with one of a blocked stranger.
	b.Run("10000 blocked strangers", func(b *testing.B) {
		g := newGateBench(b)
		g.block(10_000)
		list := g.updates(2*b.N, func(i int) int64 {
			if i%2 == 0 {
				return user(i / 2)
			}
			return int64(1_000_000 + i/2%10_000)
		})
		b.ResetTimer()
		g.deliver(list)
		g.await(int64(b.N))
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
	})
}

// BenchmarkStranger: what an update of somebody who is on no list costs.
func BenchmarkStranger(b *testing.B) {
	b.Run("refused", func(b *testing.B) {
		g := newGateBench(b)
		list := g.updates(b.N, func(i int) int64 { return int64(2_000_000 + i) })
		b.ResetTimer()
		g.deliver(list)
		for left, err := g.app.store.Pending(); len(left) > 0; left, err = g.app.store.Pending() {
			if err != nil {
				b.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
	})
	b.Run("blocked", func(b *testing.B) {
		g := newGateBench(b)
		g.block(10_000)
		list := g.updates(b.N, func(i int) int64 { return int64(1_000_000 + i%10_000) })
		b.ResetTimer()
		g.deliver(list)
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
	})
}
