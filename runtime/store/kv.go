package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Bounds of what modules keep. How many bytes one module may keep is granted to
// it; these hold whatever is granted.
const (
	// MaxKVKey and MaxKVValue are in bytes.
	MaxKVKey   = 128
	MaxKVValue = 32 << 10
	// maxKVMark is in bytes, too: one has its length.
	maxKVMark = 255
	// MaxKVEntries is how many entries a module may have.
	MaxKVEntries = 4_096
	// MaxKVPage is how many keys a list has at most.
	MaxKVPage = 256
	// kvBytesAtMost, kvEntriesAtMost and kvModulesAtMost bound the data of all
	// modules, those that were revoked among them.
	kvBytesAtMost   = 256 << 20
	kvEntriesAtMost = 262_144
	kvModulesAtMost = 1_024
	// kvWritesAtOnce is how many changes of modules are with the writer at the same
	// time: they add at most 256 KiB to the transaction that an update waits for.
	kvWritesAtOnce = 8
	// kvPrunes is how many expired entries one Prune drops.
	kvPrunes = 2_048
)

// KV is what modules keep, each for itself (F5): what one keeps is out of reach of
// all others, whatever its name and its keys are made of. It outlives the module:
// one of the same name that comes later finds it. It is safe for concurrent use.
//
// Errors carry an [abi.Error]: invalid for a key or a value out of bounds, limit
// over the quota or another bound, conflict where a compare-and-set fails, and
// unavailable where the disk does not take the change, or the store is closed.
type KV struct {
	store *Store
	now   func() time.Time
	turns chan struct{}
	// modules has a turn for each module that writes: of the changes with the
	// writer, at most half are one module's. mu is its lock.
	mu      sync.Mutex
	modules map[string]*kvTurn
}

// kvTurn lets some changes of one module through at the same time.
type kvTurn struct {
	room  chan struct{}
	users int
}

// KV returns what modules keep. now is the clock by which entries expire.
func (s *Store) KV(now func() time.Time) *KV {
	return &KV{store: s, now: now, turns: make(chan struct{}, kvWritesAtOnce), modules: map[string]*kvTurn{}}
}

// Get returns an entry of a module, and what it was marked with. That there is none
// is no error.
func (k *KV) Get(_ context.Context, module string, q abi.KVQuery) (value abi.KVValue, mark string, err error) {
	if err := kvFits(module, q.Key, 0); err != nil {
		return abi.KVValue{}, "", err
	}
	err = k.store.db.View(func(tx *bbolt.Tx) error {
		if e, ok := lookKV(tx, module).get(q.Key, k.now()); ok {
			value = abi.KVValue{Found: true, Value: bytes.Clone(e.value), Revision: e.revision}
			mark = string(e.mark)
		}
		return nil
	})
	return value, mark, kvError(err)
}

// Put keeps an entry with a mark of at most 255 bytes, which costs nothing of the
// quota. When it returns without an error, the entry is on disk.
func (k *KV) Put(ctx context.Context, module string, quota int64, q abi.KVPut, mark string) (done abi.KVDone, err error) {
	if err := kvFits(module, q.Key, len(q.Value)); err != nil {
		return abi.KVDone{}, err
	}
	if len(mark) > maxKVMark {
		return abi.KVDone{}, fmt.Errorf("a mark of %d bytes", len(mark))
	}
	expires := time.Time{}
	if q.Seconds != 0 {
		expires = k.now().Add(time.Duration(q.Seconds) * time.Second)
	}
	value := bytes.Clone(q.Value)
	return k.change(ctx, module, quota, func(m kvModule, now time.Time) error {
		return m.mayPut(q.Key, value, q.If, quota, now)
	}, func(m kvModule, now time.Time) (int64, error) {
		return m.put(q.Key, value, mark, expires)
	})
}

// Delete forgets an entry, if it is there.
func (k *KV) Delete(ctx context.Context, module string, quota int64, q abi.KVQuery) (abi.KVDone, error) {
	if err := kvFits(module, q.Key, 0); err != nil {
		return abi.KVDone{}, err
	}
	return k.change(ctx, module, quota, func(m kvModule, now time.Time) error {
		if _, ok := m.get(q.Key, now); !ok {
			return errKVNothing
		}
		return nil
	}, func(m kvModule, _ time.Time) (int64, error) {
		return 0, m.remove([]byte(q.Key))
	})
}

// List returns keys in the order of their bytes, and a mark if one of them has any.
func (k *KV) List(_ context.Context, module string, quota int64, q abi.KVListQuery) (page abi.KVKeys, mark string, err error) {
	page = abi.KVKeys{Keys: []string{}, Quota: quota}
	if err := kvFits(module, "x", 0); err != nil {
		return page, "", err
	}
	if q.Count <= 0 || q.Count > MaxKVPage {
		q.Count = MaxKVPage
	}
	err = k.store.db.View(func(tx *bbolt.Tx) error {
		now, m := k.now(), lookKV(tx, module)
		page.Used = m.sum.bytes - m.expired(now).bytes
		page.Keys, page.More, mark = m.list(q, now)
		return nil
	})
	return page, mark, kvError(err)
}

// DropKV forgets all that a module keeps.
func (k *KV) DropKV(ctx context.Context, module string) error {
	return kvError(k.store.update(ctx, func(tx *bbolt.Tx) error {
		m := lookKV(tx, module)
		if m.root == nil {
			return nil
		}
		if err := tx.Bucket(kvBucket).DeleteBucket([]byte(module)); err != nil {
			return err
		}
		total := kvTotal(tx)
		return total.plus(kvSum{-m.sum.bytes, -m.sum.entries, -1}).save(tx)
	}))
}

// errKVNothing tells a change that there is nothing to be done.
var errKVNothing = errors.New("nothing to be done")

// change makes a change of a module's data in two steps: may decides, and writes
// nothing; do writes. What is refused costs no transaction. An error from within
// one would cost all others that share it their flush, so there is none.
func (k *KV) change(ctx context.Context, module string, quota int64, may func(kvModule, time.Time) error, do func(kvModule, time.Time) (int64, error)) (done abi.KVDone, err error) {
	leave, err := k.enter(ctx, module)
	if err != nil {
		return abi.KVDone{}, kvError(err)
	}
	defer leave()
	var refused error
	decide := func(tx *bbolt.Tx) bool {
		m, now := lookKV(tx, module), k.now()
		done = abi.KVDone{Used: m.sum.bytes - m.expired(now).bytes, Quota: quota}
		refused = may(m, now)
		return refused == nil
	}
	if err := k.store.db.View(func(tx *bbolt.Tx) error { decide(tx); return nil }); err != nil {
		return abi.KVDone{}, kvError(err)
	}
	if refused == nil {
		// Lazy: who writes next, as an update that comes in, waits for no timer and
		// shares the flush.
		err = k.store.await(ctx, write{lazy: true, change: func(tx *bbolt.Tx) error {
			if !decide(tx) {
				return nil
			}
			revision, used, err := inKV(tx, module, k.now(), do)
			done.Revision, done.Used = revision, used
			return err
		}})
	}
	switch {
	case err != nil:
		return abi.KVDone{}, kvError(err)
	case refused != nil && !errors.Is(refused, errKVNothing):
		return abi.KVDone{}, refused
	}
	return done, nil
}

// enter waits until a change of a module may go to the writer.
func (k *KV) enter(ctx context.Context, module string) (leave func(), err error) {
	k.mu.Lock()
	turn := k.modules[module]
	if turn == nil {
		turn = &kvTurn{room: make(chan struct{}, kvWritesAtOnce/2)}
		k.modules[module] = turn
	}
	turn.users++
	k.mu.Unlock()
	gone := func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if turn.users--; turn.users == 0 {
			delete(k.modules, module)
		}
	}
	for i, room := range []chan struct{}{turn.room, k.turns} {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			if i > 0 {
				<-turn.room
			}
			gone()
			return nil, ctx.Err()
		}
	}
	return func() { <-k.turns; <-turn.room; gone() }, nil
}

// kvFits checks what the layout depends on.
func kvFits(module, key string, value int) error {
	switch {
	case module == "" || len(module) > MaxTableKey:
		return fmt.Errorf("a module's name of %d bytes", len(module))
	case key == "" || len(key) > MaxKVKey:
		return &abi.Error{Code: abi.Invalid, Message: fmt.Sprintf("A key has 1 to %d bytes.", MaxKVKey)}
	case value > MaxKVValue:
		return &abi.Error{Code: abi.Invalid, Message: fmt.Sprintf("A value has at most %d KiB.", MaxKVValue>>10)}
	}
	return nil
}

// kvError says what a failure of the store is for a module.
func kvError(err error) error {
	if errors.Is(err, ErrUnwritable) || errors.Is(err, ErrClosed) || errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return errors.Join(&abi.Error{Code: abi.Unavailable, Message: "The bot cannot write its state now, so nothing was kept."}, err)
	}
	return err
}
