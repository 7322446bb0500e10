package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"go.etcd.io/bbolt"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Keyboard is what stands behind the callback tokens of one message: buttons
// that only this user in this chat may tap, until they expire (F6).
type Keyboard struct {
	Module  string       `json:"module"`
	User    int64        `json:"user"`
	Chat    int64        `json:"chat"`
	Expires time.Time    `json:"expires"`
	Buttons []abi.Button `json:"buttons"`
}

// keyboardsAtMax bounds the bucket; the oldest go first.
const keyboardsAtMax = 20_000

// KeyboardID makes the id of a new keyboard: 128 random bits that nobody can
// guess, behind the time, so that the oldest stand first in the bucket.
func KeyboardID(random io.Reader, now time.Time) (string, error) {
	var bits [16]byte
	if _, err := io.ReadFull(random, bits[:]); err != nil {
		return "", fmt.Errorf("randomness for a keyboard: %w", err)
	}
	return fmt.Sprintf("%08x", uint32(now.Unix())) + base64.RawURLEncoding.EncodeToString(bits[:]), nil
}

// PutKeyboard keeps a keyboard under its id. When it returns without an
// error the tokens are good, also after a restart.
func (s *Store) PutKeyboard(ctx context.Context, id string, k Keyboard) error {
	value, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return s.update(ctx, func(tx *bbolt.Tx) error { return tx.Bucket(keyboardBucket).Put([]byte(id), value) })
}

// Keyboard returns the keyboard with that id. Whether it has expired is for
// the caller to see.
func (s *Store) Keyboard(id string) (k Keyboard, found bool, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		value := tx.Bucket(keyboardBucket).Get([]byte(id))
		if value == nil {
			return nil
		}
		found = true
		return json.Unmarshal(value, &k)
	})
	return k, found && err == nil, err
}

// pruneKeyboards drops what expired, and the oldest over the bound.
func pruneKeyboards(tx *bbolt.Tx, now time.Time) error {
	bucket := tx.Bucket(keyboardBucket)
	excess := bucket.Stats().KeyN - keyboardsAtMax
	return deleteWhere(bucket, func(_, value []byte) bool {
		var k struct {
			Expires time.Time `json:"expires"`
		}
		excess--
		return excess >= 0 || json.Unmarshal(value, &k) != nil || !k.Expires.After(now)
	})
}
