// Package history keeps what the machine and its containers used: every ten
// seconds (containers: every thirty) for a day, means of five minutes for a
// month. It is what charts are drawn from.
//
// Everything is in a store, in blocks of a series of sources: half an hour, or
// six hours of the means. Only the blocks that are being filled are in memory;
// they are written once a minute, so a crash costs the last minute. Where
// nothing was measured there is a gap, never a guess.
package history

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Machine measures the machine.
type Machine interface {
	Host(context.Context) (abi.HostInfo, error)
	CPU(context.Context) (abi.CPUInfo, error)
	Memory(context.Context) (abi.MemoryInfo, error)
	Disk(context.Context) (abi.DiskInfo, error)
	DiskIO(context.Context) (abi.DiskIOInfo, error)
	// Traffic is the counters of the interfaces; neither addresses nor connections.
	Traffic(context.Context) (abi.NetworkInfo, error)
}

// Keep says whether a container, named as the engine names it, may be seen.
type Keep = func(name string, labels map[string]string) bool

// Containers measures every running container, and knows them by name.
type Containers interface {
	// Samples returns what it has when the context ends, also beside an error.
	Samples(context.Context) ([]Sample, error)
	// Identify asks the engine which container a reference means, and keep about
	// it. Errors carry an [abi.Error].
	Identify(ctx context.Context, ref abi.ContainerRef, keep Keep) (id, name string, err error)
}

// Sample is what a container has used since it started; At is by its engine's
// clock. Sizes are in bytes.
type Sample struct {
	Host, ID                                     string
	At                                           time.Time
	CPU                                          time.Duration
	Memory, Limit                                int64 // now, and the most that it may have
	CPUs                                         int   // cores of its machine
	NetworkIn, NetworkOut, BlockRead, BlockWrite int64
}

// Store keeps blocks by ring, by the second at which they begin, and by source.
type Store interface {
	// HistoryBlock returns nil if there is none.
	HistoryBlock(ring string, at int64, source string) ([]byte, error)
	// PutHistory writes blocks by their sources.
	PutHistory(ctx context.Context, ring string, at int64, blocks map[string][]byte) error
	// PruneHistory drops blocks of a ring that begin before oldest, and the oldest
	// while they begin at more than most moments, a few at a time.
	PruneHistory(ctx context.Context, ring string, oldest int64, most int) error
	// ForgetHistory drops the sources that were written least recently, as long as
	// there are more than most.
	ForgetHistory(ctx context.Context, most int) error
}

// MaxContainers is how many containers have a history, those that are gone
// included: the one that went first is forgotten first. One has at most 160 KB:
// 48 blocks of half an hour with 60 slots, and 121 of six hours with 72, for six
// series of two bytes, and 100 bytes around each.
const MaxContainers = 1_000

// Config of a [History].
type Config struct {
	Machine    Machine    // nil: is not measured
	Containers Containers // nil: are not measured
	Store      Store
	Now        func() time.Time // nil: [time.Now]
	Log        *zap.Logger      // nil: none
}

// History samples and answers. Its methods may be called concurrently.
type History struct {
	cfg Config

	mu     sync.Mutex
	tracks map[string]*track
	// pending are the blocks that are not on disk as they are.
	pending map[blockKey]*block
	cores   int // of the machine
	// sampled is when the machine was measured last, and failure why it could not
	// be, the last time that nothing of it could.
	sampled time.Time
	failure error

	// measuring is held while the machine is measured; these are its counters.
	measuring     sync.Mutex
	disk, network meter
}

// blockKey is where a block stands in the store.
type blockKey struct {
	ring   string
	at     int64
	source string
}

// New returns a History that has not begun to sample.
func New(cfg Config) *History {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	return &History{cfg: cfg, tracks: map[string]*track{}, pending: map[blockKey]*block{}}
}

// How often things are done.
const (
	machineEvery    = 10 * time.Second
	containersEvery = 30 * time.Second
	flushEvery      = time.Minute
	// flushTimeout is how long a store may take, also at the end.
	flushTimeout = 10 * time.Second
)

// Run samples until the context ends, and then writes what is not yet written.
func (h *History) Run(ctx context.Context) {
	var workers sync.WaitGroup
	workers.Go(func() { h.each(ctx, machineEvery, h.SampleMachine) })
	workers.Go(func() { h.each(ctx, containersEvery, h.SampleContainers) })
	workers.Go(func() { h.each(ctx, flushEvery, h.flush) })
	workers.Wait()
	h.flush(context.WithoutCancel(ctx))
}

// each does something at every multiple of a period by the clock, so that each
// slot gets its sample whatever the timer's delay. A round may take nearly as
// long as the period.
func (h *History) each(ctx context.Context, period time.Duration, do func(context.Context)) {
	for {
		now := h.cfg.Now()
		timer := time.NewTimer(now.Truncate(period).Add(period).Sub(now))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		round, cancel := context.WithTimeout(ctx, period-period/10)
		do(round)
		cancel()
	}
}
