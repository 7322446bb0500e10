package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	"go.etcd.io/bbolt"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

// Bounds of the window of update ids that are known to have been handled (A6).
const (
	seenFor   = 24 * time.Hour
	seenAtMax = 65_536
	// seenAtLeast are kept however old they are.
	seenAtLeast = 8_192
)

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
// before. When it returns without an error they are on disk, and Telegram may
// be told so.
func (s *Store) Accept(ctx context.Context, updates []chat.Received, now time.Time) (fresh []chat.Received, err error) {
	err = s.update(ctx, func(tx *bbolt.Tx) error {
		fresh = fresh[:0] // the change may run twice
		journal, seen := tx.Bucket(journalBucket), tx.Bucket(seenBucket)
		for _, u := range updates {
			key := idKey(u.ID)
			if seen.Get(key) != nil {
				continue
			}
			if err := seen.Put(key, timeKey(now)); err != nil {
				return err
			}
			if err := journal.Put(key, append([]byte{stateReceived}, u.Data...)); err != nil {
				return err
			}
			fresh = append(fresh, u)
		}
		return nil
	})
	return fresh, err
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
	seen := tx.Bucket(seenBucket)
	spare := seen.Stats().KeyN - seenAtLeast
	excess := seen.Stats().KeyN - seenAtMax
	return deleteWhere(seen, func(_, value []byte) bool {
		spare, excess = spare-1, excess-1
		return spare >= 0 && (excess >= 0 || now.Sub(keyTime(value)) >= seenFor)
	})
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
