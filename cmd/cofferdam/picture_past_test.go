package main

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/history"
)

// remembers gives a demo measurements of the last day, which a chart needs.
func remembers(t testing.TB) func(*demo) {
	return func(d *demo) {
		before := d.o.ready
		d.o.ready = func(a *app) {
			before(a)
			measured(t, a)
		}
	}
}

// measured puts a day of an invented machine into the store, as the bot's own
// sampler does.
func measured(t testing.TB, a *app) {
	t.Helper()
	now := time.Now()
	m := &inventedMachine{now: now.Add(-24 * time.Hour)}
	h := history.New(history.Config{Machine: m, Store: a.store, Now: func() time.Time { return m.now }})
	for ; m.now.Before(now); m.now = m.now.Add(10 * time.Second) {
		if ago := now.Sub(m.now); ago < 100*time.Minute && ago > 85*time.Minute {
			continue // the bot did not run
		}
		m.ago = now.Sub(m.now)
		h.SampleMachine(t.Context())
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	h.Run(over) // writes what is in memory
}

// inventedMachine has waves, and was busy four hours ago.
type inventedMachine struct {
	now time.Time
	ago time.Duration
}

func (m *inventedMachine) busy() float64 {
	at := m.now.Sub(m.now.Truncate(24 * time.Hour)).Seconds()
	busy := 28 + 12*math.Sin(at/2600) + 6*math.Sin(at/410) + 4*math.Sin(at/37)*math.Sin(at/91)
	if m.ago > 230*time.Minute && m.ago < 260*time.Minute {
		busy = 94 + 2*math.Sin(at/60)
	}
	return busy
}

func (m *inventedMachine) CPU(context.Context) (abi.CPUInfo, error) {
	return abi.CPUInfo{Percent: m.busy(), Logical: 4}, nil
}

func (m *inventedMachine) Host(context.Context) (abi.HostInfo, error) {
	return abi.HostInfo{Load1: m.busy() / 25}, nil
}

func (m *inventedMachine) Memory(context.Context) (abi.MemoryInfo, error) {
	return abi.MemoryInfo{Percent: 40 + m.busy()/4}, nil
}

func (m *inventedMachine) Disk(context.Context) (abi.DiskInfo, error) {
	return abi.DiskInfo{Mounts: []abi.Mount{{Path: "/", Percent: 61}}}, nil
}

func (m *inventedMachine) DiskIO(context.Context) (abi.DiskIOInfo, error) {
	return abi.DiskIOInfo{}, nil
}

func (m *inventedMachine) Traffic(context.Context) (abi.NetworkInfo, error) {
	return abi.NetworkInfo{}, nil
}
