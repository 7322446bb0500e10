package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/dedup"
)

// pruneEvery is after how many accepted updates [Store.Accept] prunes the window
// of seen ids itself, so that a flood between two calls of [Store.Prune] does
// not grow it.
const pruneEvery = 4_096

// The journal is bounded by who fills it: the pipeline has at most 4,096
// updates under way and takes no more until some are done (totalBound in
// runtime/pipeline). An update is at most what Telegram sends.

// The first byte of a journal entry's value says how far the update got; the
// rest is the update as it was received.
const (
	stateReceived byte = 'r'
	stateStarted  byte = 's'
)

// Pending is an update that was not done when the bot stopped.
type Pending struct {
	chat.Received
	// Since is when the update was accepted; the zero time if that is not known
	// any more.
	Since time.Time
	// Started is set if a command may have run: it must not run again.
	Started bool
}

// Accept puts updates into the journal and returns those that were not seen
// before (A6). When it returns without an error they are on disk, and Telegram
// may be told so. After an error they may come again.
func (s *Store) Accept(ctx context.Context, updates []chat.Received, now time.Time) (fresh []chat.Received, err error) {
	defer s.doubt.alone()()
	err = s.update(ctx, func(tx *bbolt.Tx) error {
		fresh = fresh[:0] // the change may run twice
		prune := false
		for _, u := range updates {
			n, err := s.accept(tx, u, now, fresh)
			if err != nil {
				return err
			}
			if n > 0 {
				fresh = append(fresh, u)
				prune = prune || n%pruneEvery == 0
			}
		}
		if prune {
			return pruneSeen(tx, now)
		}
		return nil
	})
	s.doubt.note(updates, err)
	if err != nil {
		return nil, err
	}
	return fresh, nil
}

// accept takes one update, after those that are fresh. n is how many were
// accepted ever; 0 if it is a repeat.
func (s *Store) accept(tx *bbolt.Tx, u chat.Received, now time.Time, fresh []chat.Received) (n uint64, err error) {
	key, seen := idKey(u.ID), tx.Bucket(seenBucket)
	twice := func(f chat.Received) bool { return f.ID == u.ID }
	if seen.Get(key) != nil && (!s.doubt.about(u.ID) || slices.ContainsFunc(fresh, twice)) {
		return 0, nil
	}
	if n, err = seen.NextSequence(); err != nil {
		return 0, err
	}
	if err := seen.Put(key, append(timeKey(now), idKey(int64(n))...)); err != nil {
		return 0, err
	}
	return n, tx.Bucket(journalBucket).Put(key, append([]byte{stateReceived}, u.Data...))
}

// Started records that an update's command begins to run. When it returns
// without an error, the command will not be run again after a crash.
func (s *Store) Started(ctx context.Context, id int64) error {
	return s.update(ctx, func(tx *bbolt.Tx) error {
		journal := tx.Bucket(journalBucket)
		value := bytes.Clone(journal.Get(idKey(id)))
		if len(value) == 0 {
			return nil
		}
		value[0] = stateStarted
		return journal.Put(idKey(id), value)
	})
}

// Done forgets an update that was answered. It does not wait for the disk:
// after a crash in between, the update counts as interrupted.
func (s *Store) Done(id int64) {
	s.later(func(tx *bbolt.Tx) error { return tx.Bucket(journalBucket).Delete(idKey(id)) })
}

// Pending returns what was not done, in the order of update ids.
func (s *Store) Pending() ([]Pending, error) {
	var pending []Pending
	err := s.db.View(func(tx *bbolt.Tx) error {
		seen := tx.Bucket(seenBucket)
		return tx.Bucket(journalBucket).ForEach(func(key, value []byte) error {
			if len(key) == 8 && len(value) > 0 {
				pending = append(pending, Pending{
					Received: chat.Received{ID: int64(binary.BigEndian.Uint64(key)), Data: bytes.Clone(value[1:])},
					Since:    keyTime(seen.Get(key)),
					Started:  value[0] != stateReceived,
				})
			}
			return nil
		})
	})
	return pending, err
}

// pruneSeen drops ids that left the window.
func pruneSeen(tx *bbolt.Tx, now time.Time) error {
	bucket := tx.Bucket(seenBucket)
	if bucket.Stats().KeyN <= dedup.Least {
		return nil
	}
	type accepted struct {
		dedup.Seen
		n uint64
	}
	var all []accepted
	err := bucket.ForEach(func(key, value []byte) error {
		a := accepted{Seen: dedup.Seen{ID: int64(binary.BigEndian.Uint64(key)), At: keyTime(value)}}
		if len(value) >= 16 { // earlier versions kept no number
			a.n = binary.BigEndian.Uint64(value[8:])
		}
		all = append(all, a)
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b accepted) int {
		if c := cmp.Compare(a.n, b.n); c != 0 {
			return c
		}
		return a.At.Compare(b.At)
	})
	seen := make([]dedup.Seen, len(all))
	for i, a := range all {
		seen[i] = a.Seen
	}
	for _, gone := range dedup.Forget(seen, now) {
		err = errors.Join(err, bucket.Delete(idKey(gone.ID)))
	}
	return err
}

func idKey(id int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

func timeKey(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(t.UnixMilli()))
}

// keyTime is the inverse of timeKey for its first eight bytes; the zero time
// for anything shorter.
func keyTime(b []byte) time.Time {
	if len(b) < 8 {
		return time.Time{}
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b)))
}
