package history

import (
	"context"
	"encoding/hex"
	"slices"
	"time"

	"go.uber.org/zap"
)

// track is one source while it is measured.
type track struct {
	fine, coarse *block // that are filled; nil: none yet
	// Of a container: its last sample, when that was by our clock, its limit of
	// memory and how many cores its machine has.
	last  Sample
	seen  time.Time
	limit int64
	cpus  int
}

// machineSource is the machine's name in the store. Containers' are longer.
const machineSource = "m"

// containerSource is a container's name in the store: 32 bytes instead of the 64
// digits of its id, and its host. "" for what is no id.
func containerSource(host, id string) string {
	raw, err := hex.DecodeString(id)
	if err != nil || len(raw) != 32 || host == "" || len(host) > 64 {
		return ""
	}
	return "c" + string(raw) + host
}

// record puts values into the slot of a moment, and what they mean for it into
// that of its five minutes. A clock that was set back overwrites. The lock is
// held.
func (h *History) record(source string, fine ring, at int64, values []float64) {
	if at < 0 || !slices.ContainsFunc(values, func(v float64) bool { return codeOf(v) != gap }) {
		return
	}
	t := h.tracks[source]
	if t == nil {
		t = &track{}
		h.tracks[source] = t
	}
	t.fine = h.filling(t.fine, source, fine, at, len(values))
	t.fine.set(at, values)
	t.coarse = h.filling(t.coarse, source, coarse, at, len(values))
	t.coarse.set(at, t.fine.mean(at-at%coarse.step, coarse.step))
}

// filling returns the block that a moment belongs to, as far as it is filled:
// the one at hand, one that waits for the disk, one from there, or a new one. It
// is marked as one to be written.
func (h *History) filling(now *block, source string, r ring, at int64, columns int) *block {
	start := r.blockAt(at)
	key := blockKey{r.name, start, source}
	if now == nil || now.start != start {
		if now = h.pending[key]; now == nil {
			now = h.stored(key, r, columns)
		}
		if now == nil {
			now = newBlock(r, at, columns)
		}
	}
	h.pending[key] = now
	return now
}

// stored reads a block from the store; nil if there is none that can be read.
func (h *History) stored(key blockKey, r ring, columns int) *block {
	data, err := h.cfg.Store.HistoryBlock(key.ring, key.at, key.source)
	var b *block
	if err == nil && data != nil {
		b, err = decodeBlock(r, key.at, columns, data)
	}
	if err != nil {
		h.cfg.Log.Warn("a part of the history cannot be read", zap.String("event", "history.corrupt"), zap.Time("from", time.Unix(key.at, 0)), zap.Error(err))
	}
	return b
}

// maxPending bounds what waits for a disk that takes nothing: two hours of all
// containers. What is oldest goes.
const maxPending = 8 * MaxContainers

// flush writes what is not on disk, and lets the store drop what is too old.
func (h *History) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	for _, batch := range h.batches() {
		if err := h.cfg.Store.PutHistory(ctx, batch.ring, batch.at, batch.data); err != nil {
			h.unwritten(err)
			return
		}
		h.written(batch)
	}
	if err := h.prune(ctx); err != nil {
		h.unwritten(err)
	}
}

// prune drops what is older than its ring keeps, and the containers beyond the
// bound. What a clock that was ahead left in the future is no more than as much
// again, and its time comes.
func (h *History) prune(ctx context.Context) error {
	now := h.cfg.Now().Unix()
	for _, r := range []ring{fineContainer, coarse} {
		if err := h.cfg.Store.PruneHistory(ctx, r.name, r.blockAt(now)-r.keep, 2*int(r.keep/r.span)); err != nil {
			return err
		}
	}
	return h.cfg.Store.ForgetHistory(ctx, MaxContainers+1) // and the machine
}

// batch are the blocks of one ring that begin at the same time.
type batch struct {
	ring    string
	at      int64
	data    map[string][]byte
	changes map[string]int
}

// batches are what is not on disk, the oldest first.
func (h *History) batches() []batch {
	h.mu.Lock()
	defer h.mu.Unlock()
	found := map[blockKey]batch{}
	var keys []blockKey
	for key, b := range h.pending {
		group := blockKey{ring: key.ring, at: key.at}
		if _, ok := found[group]; !ok {
			found[group] = batch{key.ring, key.at, map[string][]byte{}, map[string]int{}}
			keys = append(keys, group)
		}
		found[group].data[key.source] = b.encode()
		found[group].changes[key.source] = b.changes
	}
	slices.SortFunc(keys, func(a, b blockKey) int { return int(a.at - b.at) })
	out := make([]batch, len(keys))
	for i, key := range keys {
		out[i] = found[key]
	}
	return out
}

// written forgets what waited and did not change meanwhile.
func (h *History) written(done batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for source, changes := range done.changes {
		key := blockKey{done.ring, done.at, source}
		if b := h.pending[key]; b != nil && b.changes == changes {
			delete(h.pending, key)
		}
	}
}

// unwritten tells of a disk that takes nothing, and bounds what waits for it.
func (h *History) unwritten(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	lost := 0
	if excess := len(h.pending) - maxPending; excess > 0 {
		keys := make([]blockKey, 0, len(h.pending))
		for key := range h.pending {
			keys = append(keys, key)
		}
		slices.SortFunc(keys, func(a, b blockKey) int { return int(a.at - b.at) })
		for _, key := range keys[:excess] {
			delete(h.pending, key)
			lost++
		}
	}
	h.cfg.Log.Warn("the history cannot be written", zap.String("event", "history.unwritten"), zap.Int("lost", lost), zap.Error(err))
}
