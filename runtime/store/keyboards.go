package store

import (
	"bytes"
	"context"
	"errors"
	"time"

	"go.etcd.io/bbolt"
)

// keyboardsAtMax bounds the bucket; the ones with the lowest ids go first.
const keyboardsAtMax = 10_000

// PutKeyboard keeps what stands behind a message's callback tokens, until it
// expires. Ids begin with the time, so that the oldest stand first. When it
// returns without an error the tokens are good, also after a restart.
//
// While the disk takes nothing, they are good until a restart: the keyboard is
// kept in memory and written when the disk takes it, so that reading goes on.
// An error means that neither has it.
func (s *Store) PutKeyboard(ctx context.Context, id string, expires time.Time, value []byte) error {
	k, w := s.keyboard(id, expires, value)
	err := s.await(ctx, w)
	switch {
	case errors.Is(err, ErrUnwritable) && s.keyboards.has(k):
		return nil
	case err != nil:
		s.keyboards.remove(k)
	}
	return err
}

// PutKeyboardLater is PutKeyboard that does not wait for the disk. The tokens
// are good at once; they die with the process if that ends first.
func (s *Store) PutKeyboardLater(id string, expires time.Time, value []byte) {
	k, w := s.keyboard(id, expires, value)
	w.lazy = true
	if err := s.send(context.Background(), w); err != nil {
		s.keyboards.remove(k)
	}
}

// Keyboard returns what was kept under an id, and until when it is good; also
// what is still on its way to the disk.
func (s *Store) Keyboard(id string) (value []byte, expires time.Time, err error) {
	// It leaves the overlay after it came into the bucket: in this order it is
	// found in one of them.
	if k := s.keyboards.get(id); k != nil {
		return bytes.Clone(k.value), k.expires, nil
	}
	err = s.db.View(func(tx *bbolt.Tx) error {
		if entry := tx.Bucket(keyboardBucket).Get([]byte(id)); len(entry) >= 8 {
			value, expires = bytes.Clone(entry[8:]), keyTime(entry)
		}
		return nil
	})
	return value, expires, err
}

// DropKeyboards deletes the keyboards whose value a test picks, also those that
// are on their way to the disk, and returns how many. The test must be pure. If
// the disk does not take it, it is tried again until it does, or the process
// ends; meanwhile those on disk are still good.
func (s *Store) DropKeyboards(ctx context.Context, picks func(value []byte) bool) (n int, err error) {
	dropped := s.keyboards.drop(picks)
	onDisk := map[string]bool{}
	err = s.await(ctx, write{keep: true, change: func(tx *bbolt.Tx) error {
		clear(onDisk)
		return deleteWhere(tx.Bucket(keyboardBucket), func(id, entry []byte) bool {
			pick := len(entry) >= 8 && picks(bytes.Clone(entry[8:]))
			if pick {
				onDisk[string(id)] = true
			}
			return pick
		})
	}})
	if err != nil {
		return len(dropped), err
	}
	for _, id := range dropped {
		onDisk[id] = true
	}
	return len(onDisk), nil
}

// keyboard puts a keyboard into the overlay and returns the write that takes it
// to the disk.
func (s *Store) keyboard(id string, expires time.Time, value []byte) (*keyboard, write) {
	k := &keyboard{id: id, expires: expires, value: bytes.Clone(value)}
	s.keyboards.put(k)
	return k, s.keyboards.write(k)
}

// unsaved returns a write for each keyboard that the disk did not take.
func (s *Store) unsaved() (writes []write) {
	for _, k := range s.keyboards.unsaved() {
		writes = append(writes, s.keyboards.write(k))
	}
	return writes
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
