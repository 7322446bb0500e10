package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"go.etcd.io/bbolt"
)

// The history is a bucket for each ring. Its keys are the second at which a
// block begins, then the block's source: what is written together stands
// together, and so does what is dropped together. A third bucket has the sources
// with the beginning of the newest block that was written of each.
var (
	historyRings = map[string][]byte{
		"fine":   []byte("history.fine"),
		"coarse": []byte("history.coarse"),
	}
	historySources = []byte("history.sources")
)

// Bounds of what one transaction does, so that nobody waits for it for long: with
// blocks of 1.5 KB it is a few milliseconds.
const (
	historyBatch  = 256
	maxHistoryKey = 128
	// MaxHistoryBlock bounds a block in bytes.
	MaxHistoryBlock = 16 << 10
	// historyForgets is how many sources one call forgets at most, and
	// historyDrops how many beginnings of blocks it drops.
	historyForgets = 64
	historyDrops   = 2
)

func historyKey(at int64, source string) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(at)), source...)
}

func historyRing(tx *bbolt.Tx, ring string) (*bbolt.Bucket, error) {
	name, ok := historyRings[ring]
	if !ok {
		return nil, fmt.Errorf("the history has no ring %q", ring)
	}
	return tx.Bucket(name), nil
}

// HistoryBlock returns a source's block that begins at a second, or nil.
func (s *Store) HistoryBlock(ring string, at int64, source string) (block []byte, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		bucket, err := historyRing(tx, ring)
		if err == nil {
			block = bytes.Clone(bucket.Get(historyKey(at, source)))
		}
		return err
	})
	return block, err
}

// PutHistory writes the blocks of several sources that begin at the same second.
// It is lazy: its writes wait for others'.
func (s *Store) PutHistory(ctx context.Context, ring string, at int64, blocks map[string][]byte) error {
	for source, block := range blocks {
		if at < 0 || source == "" || len(source) > maxHistoryKey || len(block) > MaxHistoryBlock {
			return fmt.Errorf("a block of the history at %d, of a source of %d and with %d bytes", at, len(source), len(block))
		}
	}
	for part := range slices.Chunk(slices.Sorted(maps.Keys(blocks)), historyBatch) {
		err := s.await(ctx, write{lazy: true, change: func(tx *bbolt.Tx) error {
			bucket, err := historyRing(tx, ring)
			if err != nil {
				return err
			}
			bucket.FillPercent = 0.9 // what is new comes at the end
			for _, source := range part {
				if err := bucket.Put(historyKey(at, source), blocks[source]); err != nil {
					return err
				}
				if err := seenAt(tx, source, at); err != nil {
					return err
				}
			}
			return nil
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// seenAt notes that there is something of a source as late as this.
func seenAt(tx *bbolt.Tx, source string, at int64) error {
	bucket, now := tx.Bucket(historySources), historyKey(at, "")
	if bytes.Compare(bucket.Get([]byte(source)), now) >= 0 {
		return nil
	}
	return bucket.Put([]byte(source), now)
}

// PruneHistory drops blocks of a ring that begin before oldest, and the oldest
// while there are more than most beginnings: a few at a time, so that a clock that
// is ahead for a minute takes only a little of the past.
func (s *Store) PruneHistory(ctx context.Context, ring string, oldest int64, most int) error {
	var gone []int64
	err := s.db.View(func(tx *bbolt.Tx) error {
		bucket, err := historyRing(tx, ring)
		if err != nil {
			return err
		}
		all := beginnings(bucket)
		n, _ := slices.BinarySearch(all, oldest)
		gone = all[:min(max(n, len(all)-most), len(all), historyDrops)]
		return nil
	})
	if err != nil || len(gone) == 0 {
		return err // the usual case costs no write
	}
	return s.await(ctx, write{lazy: true, change: func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(historyRings[ring])
		for _, at := range gone {
			if err := dropHistoryAt(bucket, at); err != nil {
				return err
			}
		}
		return nil
	}})
}

// beginnings are the seconds at which blocks begin. It hops from one to the next.
func beginnings(bucket *bbolt.Bucket) (all []int64) {
	cursor := bucket.Cursor()
	for key, _ := cursor.First(); len(key) >= 8; {
		at := int64(binary.BigEndian.Uint64(key))
		if at < 0 {
			return all // nobody writes such a key
		}
		all = append(all, at)
		key, _ = cursor.Seek(historyKey(at+1, ""))
	}
	return all
}

func dropHistoryAt(bucket *bbolt.Bucket, at int64) error {
	var keys [][]byte
	cursor, prefix := bucket.Cursor(), historyKey(at, "")
	for key, _ := cursor.Seek(prefix); bytes.HasPrefix(key, prefix); key, _ = cursor.Next() {
		keys = append(keys, bytes.Clone(key))
	}
	for _, key := range keys {
		if err := bucket.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// ForgetHistory drops the sources of which nothing was written for longest, with
// all their blocks, as long as there are more than most.
func (s *Store) ForgetHistory(ctx context.Context, most int) error {
	if s.historyCount() <= most {
		return nil
	}
	return s.await(ctx, write{lazy: true, change: func(tx *bbolt.Tx) error {
		sources := tx.Bucket(historySources)
		type seen struct{ source, at []byte }
		var all []seen
		err := sources.ForEach(func(source, at []byte) error {
			all = append(all, seen{bytes.Clone(source), bytes.Clone(at)})
			return nil
		})
		if err != nil || len(all) <= most {
			return err
		}
		slices.SortFunc(all, func(a, b seen) int { return cmp.Or(bytes.Compare(a.at, b.at), bytes.Compare(a.source, b.source)) })
		for _, oldest := range all[:min(len(all)-most, historyForgets)] {
			if err := forgetSource(tx, oldest.source); err != nil {
				return err
			}
		}
		return nil
	}})
}

func (s *Store) historyCount() (n int) {
	_ = s.db.View(func(tx *bbolt.Tx) error { // an error is that of a closed store, which the write meets too
		return tx.Bucket(historySources).ForEach(func(_, _ []byte) error { n++; return nil })
	})
	return n
}

func forgetSource(tx *bbolt.Tx, source []byte) error {
	for _, name := range historyRings {
		bucket := tx.Bucket(name)
		for _, at := range beginnings(bucket) {
			if err := bucket.Delete(historyKey(at, string(source))); err != nil {
				return err
			}
		}
	}
	return tx.Bucket(historySources).Delete(source)
}
