package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// Deletion is a message that is to be deleted at a time (B6).
type Deletion struct {
	Chat    int64     `json:"chat"`
	Message int       `json:"message"`
	At      time.Time `json:"at"`
	// key is where it stands.
	key []byte
}

// deletionsAtMax bounds the bucket.
const deletionsAtMax = 10_000

// ScheduleDeletion keeps a deletion, also over a restart.
func (s *Store) ScheduleDeletion(ctx context.Context, d Deletion) error {
	value, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return s.update(ctx, func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(deletionsBucket)
		n, err := bucket.NextSequence()
		if err != nil {
			return err
		}
		return bucket.Put(append(timeKey(d.At), idKey(int64(n))...), value)
	})
}

// Deletions returns what is due, and when the next one will be; the zero time
// if there is none.
func (s *Store) Deletions(now time.Time) (due []Deletion, next time.Time, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket(deletionsBucket).Cursor()
		for key, value := cursor.First(); key != nil; key, value = cursor.Next() {
			if at := keyTime(key); at.After(now) {
				next = at
				return nil
			}
			d := Deletion{key: append([]byte(nil), key...)}
			if json.Unmarshal(value, &d) == nil {
				due = append(due, d)
			}
		}
		return nil
	})
	return due, next, err
}

// Deleted forgets a deletion that was carried out, or cannot be, and any other of
// the same message.
func (s *Store) Deleted(d Deletion) {
	// What was to go later anyway has gone now: a question that was answered.
	same := fmt.Appendf(nil, `{"chat":%d,"message":%d,`, d.Chat, d.Message)
	s.later(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(deletionsBucket)
		if err := bucket.Delete(d.key); err != nil {
			return err
		}
		return deleteWhere(bucket, func(_, value []byte) bool { return bytes.HasPrefix(value, same) })
	})
}

func pruneDeletions(tx *bbolt.Tx) error {
	bucket := tx.Bucket(deletionsBucket)
	excess := bucket.Stats().KeyN - deletionsAtMax
	return deleteWhere(bucket, func(_, _ []byte) bool {
		excess--
		return excess >= 0
	})
}

// deleteWhere deletes the entries that a test picks, which sees them in the
// order of their keys. A bucket must not change while it is walked, so the
// walk comes first.
func deleteWhere(bucket *bbolt.Bucket, picks func(key, value []byte) bool) error {
	var keys [][]byte
	err := bucket.ForEach(func(key, value []byte) error {
		if picks(key, value) {
			keys = append(keys, bytes.Clone(key))
		}
		return nil
	})
	for _, key := range keys {
		err = errors.Join(err, bucket.Delete(key))
	}
	return err
}
