package store

import (
	"bytes"
	"context"
	"time"

	"go.etcd.io/bbolt"
)

// keyboardsAtMax bounds the bucket; the ones with the lowest ids go first.
const keyboardsAtMax = 10_000

// PutKeyboard keeps what stands behind a message's callback tokens, until it
// expires. Ids begin with the time, so that the oldest stand first. When it
// returns without an error the tokens are good, also after a restart.
func (s *Store) PutKeyboard(ctx context.Context, id string, expires time.Time, value []byte) error {
	return s.update(ctx, func(tx *bbolt.Tx) error {
		return tx.Bucket(keyboardBucket).Put([]byte(id), append(timeKey(expires), value...))
	})
}

// Keyboard returns what was kept under an id, and until when it is good.
func (s *Store) Keyboard(id string) (value []byte, expires time.Time, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		if entry := tx.Bucket(keyboardBucket).Get([]byte(id)); len(entry) >= 8 {
			value, expires = bytes.Clone(entry[8:]), keyTime(entry)
		}
		return nil
	})
	return value, expires, err
}

// pruneKeyboards drops what expired, and the oldest over the bound.
func pruneKeyboards(tx *bbolt.Tx, now time.Time) error {
	bucket := tx.Bucket(keyboardBucket)
	excess := bucket.Stats().KeyN - keyboardsAtMax
	return deleteWhere(bucket, func(_, entry []byte) bool {
		excess--
		return excess >= 0 || !keyTime(entry).After(now)
	})
}
