package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// TableName is one of the tables below.
type TableName string

// The durable tables.
const (
	// Strikes are refused updates of strangers, and blocks, by user id (A3).
	Strikes TableName = "strikes"
	// SecondFactors are the enrolled secrets, the last accepted step, wrong codes
	// and blocks, by user id (B2 to B5). They do not expire by themselves.
	SecondFactors TableName = "second_factors"
	// Notices are what admins were told and are not to be told again yet.
	Notices TableName = "notices"
	// Bans are peers whose connections are closed, by address (C4).
	Bans TableName = "bans"
	// Modules are what is known of the modules of the folder, by name: which version
	// runs, and by whose word (F2). They do not expire by themselves.
	Modules TableName = "modules"
	// ModulesTold are the files of the folder about which admins were told, by digest
	// and reason.
	ModulesTold TableName = "modules_told"
)

// tables are all there are, with how many entries each may have. When a table
// is full, the entry that expires first makes room; one that never expires
// makes none.
var tables = []*Table{
	{name: Strikes, most: 10_000}, // A3: bounded, oldest out
	{name: SecondFactors, most: 1_024},
	{name: Notices, most: 10_000}, // one for each stranger of A3
	{name: Bans, most: 10_000},
	{name: Modules, most: 256, value: 256 << 10}, // a manifest, and what was granted of it
	{name: ModulesTold, most: 4_096},
}

// Bounds of an entry in bytes; a table may have one of its own for values. With the
// tables' own bounds they keep the file under 220 MiB, however hard somebody tries; the history comes on top.
const (
	MaxTableKey   = 256
	MaxTableValue = 4_096
)

// clockSlack is how long an expired entry is kept: a clock that jumps ahead by
// an hour and back takes no block away.
const clockSlack = time.Hour

// ErrTableFull is returned for a new key when a table is full of entries that
// never expire.
var ErrTableFull = errors.New("the table is full")

// Table is a durable table of values that expire. Who reads one compares its
// expiry with the clock: entries are dropped a while after it. The zero expiry
// means never. It is safe for concurrent use.
type Table struct {
	store *Store
	name  TableName
	most  int
	value int // bytes; 0: MaxTableValue
}

// Table returns a table. It panics if there is none of that name.
func (s *Store) Table(name TableName) *Table {
	for _, t := range tables {
		if t.name == name {
			return &Table{store: s, name: t.name, most: t.most, value: t.value}
		}
	}
	panic(fmt.Sprintf("store: there is no table %q", name))
}

// PutLater sets a value soon, without waiting: [Table.Get] finds it when it is
// on disk. It is lost if the process dies first. A key or value over its bound
// is not kept.
func (t *Table) PutLater(key, value []byte, expires time.Time) {
	if t.fits(key, value) != nil {
		return
	}
	key, value = bytes.Clone(key), bytes.Clone(value) // the change runs after its caller went on
	t.store.later(func(tx *bbolt.Tx) error { return t.put(tx, key, value, expires) })
}

// Get returns a value and when it expires, or did; nothing if there is none.
func (t *Table) Get(key []byte) (value []byte, expires time.Time, err error) {
	err = t.store.db.View(func(tx *bbolt.Tx) error {
		value, expires = t.get(tx, key)
		return nil
	})
	return value, expires, err
}

// DeleteLater forgets a key soon, without waiting.
func (t *Table) DeleteLater(key []byte) {
	key = bytes.Clone(key)
	t.store.later(func(tx *bbolt.Tx) error { return t.remove(tx, key) })
}

// Each calls a function with every entry, also with expired ones that were not
// dropped yet, in the order of keys, until it returns an error, which Each
// returns. The function sees the table as it was at the call, and may write.
func (t *Table) Each(visit func(key, value []byte, expires time.Time) error) error {
	type entry struct {
		key, value []byte
		expires    time.Time
	}
	var all []entry
	// Nobody may wait for a write inside of a transaction: the writer waits for
	// readers when the file grows.
	err := t.store.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(t.entries()).ForEach(func(key, stored []byte) error {
			value, expires := readEntry(stored)
			all = append(all, entry{bytes.Clone(key), value, expires})
			return nil
		})
	})
	for _, e := range all {
		if err == nil {
			err = visit(e.key, e.value, e.expires)
		}
	}
	return err
}

// Change replaces a value by what a function makes of it, in one transaction:
// nothing comes between the reading and the writing. The function gets nil if
// there is none, and deletes by returning nil; an empty value is kept. It must
// be pure and quick, and may run twice. If it returns an error, everything stays
// as it was, and Change returns that error. When Change returns without an
// error, the change is on disk.
func (t *Table) Change(ctx context.Context, key []byte, f func(old []byte, expires time.Time) (value []byte, newExpires time.Time, err error)) error {
	key = bytes.Clone(key)
	return t.store.update(ctx, func(tx *bbolt.Tx) error {
		value, expires, err := f(t.get(tx, key))
		switch {
		case err != nil:
			return err
		case value == nil:
			return t.remove(tx, key)
		}
		if err := t.fits(key, value); err != nil {
			return err
		}
		return t.put(tx, key, value, expires)
	})
}

func (t *Table) fits(key, value []byte) error {
	most := cmp.Or(t.value, MaxTableValue)
	if len(key) == 0 || len(key) > MaxTableKey || len(value) > most {
		return fmt.Errorf("table %s: a key of %d and a value of %d bytes, at most %d and %d", t.name, len(key), len(value), MaxTableKey, most)
	}
	return nil
}
