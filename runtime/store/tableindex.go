package store

import (
	"bytes"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// A table is two buckets. One has the entries: eight bytes of expiry, then the
// value. Its sequence number is how many there are, since counting them would
// mean to walk through all. The other has an empty value under expiry and key
// for each entry that expires, so that what expires first stands first.

func (t *Table) entries() []byte  { return []byte("table." + t.name) }
func (t *Table) expiries() []byte { return []byte("table." + t.name + ".expiry") }

func (t *Table) get(tx *bbolt.Tx, key []byte) (value []byte, expires time.Time) {
	return readEntry(tx.Bucket(t.entries()).Get(key))
}

func (t *Table) put(tx *bbolt.Tx, key, value []byte, expires time.Time) error {
	if err := t.remove(tx, key); err != nil {
		return err
	}
	for t.count(tx) >= t.most {
		first, _ := tx.Bucket(t.expiries()).Cursor().First()
		if first == nil {
			return fmt.Errorf("%w: %s has %d entries, and none expires", ErrTableFull, t.name, t.most)
		}
		if err := t.remove(tx, bytes.Clone(first[8:])); err != nil {
			return err
		}
	}
	return t.add(tx, key, value, expiryKey(expires))
}

func (t *Table) add(tx *bbolt.Tx, key, value, expiry []byte) error {
	entries := tx.Bucket(t.entries())
	if err := entries.SetSequence(entries.Sequence() + 1); err != nil {
		return err
	}
	if !bytes.Equal(expiry, never) {
		if err := tx.Bucket(t.expiries()).Put(append(bytes.Clone(expiry), key...), nil); err != nil {
			return err
		}
	}
	return entries.Put(key, append(bytes.Clone(expiry), value...))
}

// remove takes an entry out of both buckets, if it is there.
func (t *Table) remove(tx *bbolt.Tx, key []byte) error {
	entries := tx.Bucket(t.entries())
	stored := entries.Get(key)
	if len(stored) < 8 {
		return nil
	}
	if err := tx.Bucket(t.expiries()).Delete(append(bytes.Clone(stored[:8]), key...)); err != nil {
		return err
	}
	if err := entries.SetSequence(entries.Sequence() - 1); err != nil {
		return err
	}
	return entries.Delete(key)
}

func (t *Table) count(tx *bbolt.Tx) int { return int(tx.Bucket(t.entries()).Sequence()) }

// prune drops what expired, and over the bound (another version may have had a
// higher one) what expires first.
func (t *Table) prune(tx *bbolt.Tx, now time.Time) error {
	excess := t.count(tx) - t.most
	var gone [][]byte
	cursor := tx.Bucket(t.expiries()).Cursor()
	for key, _ := cursor.First(); key != nil; key, _ = cursor.Next() {
		if len(gone) >= excess && now.Sub(keyTime(key)) < clockSlack {
			break
		}
		gone = append(gone, bytes.Clone(key[8:]))
	}
	for _, key := range gone {
		if err := t.remove(tx, key); err != nil {
			return err
		}
	}
	return nil
}

// never is the expiry of what does not expire.
var never = make([]byte, 8)

// expiryKey is the time in milliseconds, and never for the zero time. Times
// before 1970 would sort last: they count as 1970.
func expiryKey(expires time.Time) []byte {
	if expires.IsZero() {
		return never
	}
	return timeKey(time.UnixMilli(max(1, expires.UnixMilli())))
}

// readEntry takes an entry apart, into memory of its own.
func readEntry(stored []byte) (value []byte, expires time.Time) {
	if len(stored) < 8 {
		return nil, time.Time{}
	}
	if !bytes.Equal(stored[:8], never) {
		expires = keyTime(stored)
	}
	return append([]byte{}, stored[8:]...), expires
}
