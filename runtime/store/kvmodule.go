package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// What modules keep is one bucket with a bucket for each module, so that no key
// can lead into another's. In a module's there are two more, and its sum. One has
// the entries: eight bytes of expiry, eight of revision, one with the length of the
// mark, the mark, then the value. The other has the entry's size under expiry and
// key, for each entry that expires. The module's sequence number is the last
// revision: an entry that is deleted and made again has another one.
var (
	kvBucket     = []byte("kv")
	kvEntries    = []byte("entries")
	kvExpiries   = []byte("expiries")
	kvSumKey     = []byte("sum")
	kvTotalKey   = []byte("kv.total") // in meta
	errKVDamaged = errors.New("what a module keeps is damaged")
)

// kvEntryHead is what stands before mark and value.
const kvEntryHead = 17

// kvSum counts: keys and values in bytes, entries, and modules, which is 0 in a
// module's own.
type kvSum struct{ bytes, entries, modules int64 }

func (s kvSum) plus(o kvSum) kvSum {
	return kvSum{s.bytes + o.bytes, s.entries + o.entries, s.modules + o.modules}
}

func (s kvSum) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(s.bytes))
	b = binary.BigEndian.AppendUint64(b, uint64(s.entries))
	return binary.BigEndian.AppendUint64(b, uint64(s.modules))
}

func readKVSum(b []byte) (s kvSum) {
	if len(b) == 24 {
		s = kvSum{int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:])), int64(binary.BigEndian.Uint64(b[16:]))}
	}
	return s
}

func kvTotal(tx *bbolt.Tx) kvSum { return readKVSum(tx.Bucket(metaBucket).Get(kvTotalKey)) }

func (s kvSum) save(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(kvTotalKey, s.encode()) }

// kvModule is a module's data within a transaction. Without any the buckets are
// nil.
type kvModule struct {
	root, entries, expiries *bbolt.Bucket
	// sum is the module's, total that of all.
	sum, total kvSum
}

func lookKV(tx *bbolt.Tx, module string) kvModule {
	m := kvModule{total: kvTotal(tx), root: tx.Bucket(kvBucket).Bucket([]byte(module))}
	if m.root != nil {
		m.entries, m.expiries = m.root.Bucket(kvEntries), m.root.Bucket(kvExpiries)
		m.sum = readKVSum(m.root.Get(kvSumKey))
	}
	return m
}

// inKV changes a module's data, which is made if there is none, without what
// expired, and keeps the sums.
func inKV(tx *bbolt.Tx, module string, now time.Time, do func(kvModule, time.Time) (int64, error)) (revision, used int64, err error) {
	before := lookKV(tx, module)
	if before.root == nil {
		if err := makeKV(tx, module); err != nil {
			return 0, 0, err
		}
	}
	m := lookKV(tx, module)
	if _, err := m.sweep(now, MaxKVEntries); err != nil {
		return 0, 0, err
	}
	if revision, err = do(m, now); err != nil {
		return 0, 0, err
	}
	sum := readKVSum(m.root.Get(kvSumKey))
	grown := kvSum{sum.bytes - before.sum.bytes, sum.entries - before.sum.entries, 0}
	if before.root == nil {
		grown.modules = 1
	}
	return revision, sum.bytes, before.total.plus(grown).save(tx)
}

func makeKV(tx *bbolt.Tx, module string) error {
	root, err := tx.Bucket(kvBucket).CreateBucket([]byte(module))
	if err != nil {
		return err
	}
	for _, name := range [][]byte{kvEntries, kvExpiries} {
		if _, err := root.CreateBucket(name); err != nil {
			return err
		}
	}
	return nil
}

// kvEntry is an entry as it is stored. The value belongs to the transaction.
type kvEntry struct {
	expiry   []byte // eight bytes, all zero: never
	revision int64
	mark     []byte
	value    []byte
}

func readKVEntry(stored []byte) (e kvEntry, ok bool) {
	if len(stored) < kvEntryHead || len(stored) < kvEntryHead+int(stored[16]) {
		return kvEntry{}, false
	}
	rest, n := stored[kvEntryHead:], int(stored[16])
	return kvEntry{stored[:8], int64(binary.BigEndian.Uint64(stored[8:])), rest[:n], rest[n:]}, true
}

func (e kvEntry) expires() bool { return !bytes.Equal(e.expiry, never) }

// gone tells that an entry has expired.
func (e kvEntry) gone(now time.Time) bool { return e.expires() && !keyTime(e.expiry).After(now) }

// get returns an entry that is there and has not expired.
func (m kvModule) get(key string, now time.Time) (kvEntry, bool) {
	if m.entries == nil {
		return kvEntry{}, false
	}
	e, ok := readKVEntry(m.entries.Get([]byte(key)))
	return e, ok && !e.gone(now)
}

// expired sums up what expired and was not dropped yet.
func (m kvModule) expired(now time.Time) (sum kvSum) {
	if m.expiries == nil {
		return sum
	}
	cursor := m.expiries.Cursor()
	for at, size := cursor.First(); at != nil && !keyTime(at).After(now); at, size = cursor.Next() {
		sum = sum.plus(kvSum{bytes: readKVSum(size).bytes, entries: 1})
	}
	return sum
}

// mayPut decides whether an entry may be kept. Over a quota that was narrowed
// since, what makes the sum smaller is still kept.
func (m kvModule) mayPut(key string, value []byte, revision, quota int64, now time.Time) error {
	old, there := m.get(key, now)
	if revision == -1 && there || revision > 0 && (!there || old.revision != revision) {
		return &abi.Error{Code: abi.Conflict, Message: "That entry was changed meanwhile."}
	}
	grown := kvSum{bytes: int64(len(key) + len(value)), entries: 1}
	if there {
		grown = kvSum{bytes: int64(len(value) - len(old.value))}
	}
	expired := m.expired(now)
	used := kvSum{m.sum.bytes - expired.bytes, m.sum.entries - expired.entries, 0}
	switch after := used.plus(grown); {
	case after.bytes > quota && grown.bytes > 0:
		return kvLimit("This module keeps as much as it may: %d of %d bytes.", used.bytes, quota)
	case after.entries > MaxKVEntries:
		return kvLimit("This module keeps as many entries as it may: %d.", MaxKVEntries)
	}
	total := m.total.plus(kvSum{-expired.bytes, -expired.entries, 0}).plus(grown)
	if m.root == nil {
		total.modules++
	}
	if grown.bytes > 0 && (total.bytes > kvBytesAtMost || total.entries > kvEntriesAtMost || total.modules > kvModulesAtMost) {
		return kvLimit("All modules together keep as much as they may.")
	}
	return nil
}

func kvLimit(format string, args ...any) error {
	return &abi.Error{Code: abi.Limit, Message: fmt.Sprintf(format, args...)}
}

// put writes an entry and returns its revision.
func (m kvModule) put(key string, value []byte, mark string, expires time.Time) (revision int64, err error) {
	if err := m.remove([]byte(key)); err != nil {
		return 0, err
	}
	n, err := m.root.NextSequence()
	if err != nil {
		return 0, err
	}
	expiry, size := expiryKey(expires), kvSum{int64(len(key) + len(value)), 1, 0}
	stored := binary.BigEndian.AppendUint64(bytes.Clone(expiry), n)
	stored = append(append(stored, byte(len(mark))), mark...)
	if err := m.entries.Put([]byte(key), append(stored, value...)); err != nil {
		return 0, err
	}
	if !bytes.Equal(expiry, never) {
		if err := m.expiries.Put(append(bytes.Clone(expiry), key...), size.encode()); err != nil {
			return 0, err
		}
	}
	return int64(n), m.count(size)
}

// remove takes an entry out, if it is there.
func (m kvModule) remove(key []byte) error {
	stored := m.entries.Get(key)
	if stored == nil {
		return nil
	}
	e, ok := readKVEntry(stored)
	if !ok {
		return errKVDamaged
	}
	size := int64(len(key) + len(e.value))
	if e.expires() {
		if err := m.expiries.Delete(append(bytes.Clone(e.expiry), key...)); err != nil {
			return err
		}
	}
	if err := m.entries.Delete(key); err != nil {
		return err
	}
	return m.count(kvSum{-size, -1, 0})
}

// count changes the module's own sum.
func (m kvModule) count(change kvSum) error {
	return m.root.Put(kvSumKey, readKVSum(m.root.Get(kvSumKey)).plus(change).encode())
}

// sweep drops entries that expired, at most so many, and returns how many.
func (m kvModule) sweep(now time.Time, most int) (n int, err error) {
	var keys [][]byte
	cursor := m.expiries.Cursor()
	for at, _ := cursor.First(); len(at) > 8 && len(keys) < most && !keyTime(at).After(now); at, _ = cursor.Next() {
		keys = append(keys, bytes.Clone(at[8:]))
	}
	for _, key := range keys {
		if err := m.remove(key); err != nil {
			return 0, err
		}
	}
	return len(keys), nil
}

func (m kvModule) list(q abi.KVListQuery, now time.Time) (keys []string, more bool, mark string) {
	keys = []string{}
	if m.entries == nil {
		return keys, false, ""
	}
	cursor := m.entries.Cursor()
	for key, stored := cursor.Seek([]byte(max(q.Prefix, q.After))); key != nil && strings.HasPrefix(string(key), q.Prefix); key, stored = cursor.Next() {
		e, ok := readKVEntry(stored)
		if !ok || e.gone(now) || string(key) <= q.After {
			continue
		}
		if len(keys) == q.Count {
			return keys, true, mark
		}
		if keys = append(keys, string(key)); mark == "" {
			mark = string(e.mark)
		}
	}
	return keys, false, mark
}

// pruneKV drops what expired of what modules keep, some of it at a time.
func pruneKV(tx *bbolt.Tx, now time.Time) error {
	var names []string
	err := tx.Bucket(kvBucket).ForEachBucket(func(name []byte) error {
		if at, _ := lookKV(tx, string(name)).expiries.Cursor().First(); at != nil && !keyTime(at).After(now) {
			names = append(names, string(name))
		}
		return nil
	})
	if err != nil {
		return err
	}
	left := kvPrunes
	for _, name := range names {
		m := lookKV(tx, name)
		n, err := m.sweep(now, left)
		if err != nil {
			return err
		}
		sum := readKVSum(m.root.Get(kvSumKey))
		if err := m.total.plus(kvSum{sum.bytes - m.sum.bytes, sum.entries - m.sum.entries, 0}).save(tx); err != nil {
			return err
		}
		if left -= n; left <= 0 {
			break
		}
	}
	return nil
}
