package store

import (
	"errors"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// overlayAtMax bounds the overlay: 1,000 keyboards of at most 16 KiB.
const overlayAtMax = 1_000

// overlay has the keyboards that are on their way to the disk, and those that
// it did not take. The zero value is empty.
type overlay struct {
	mu sync.Mutex
	at map[string]*keyboard
	// order has every keyboard of at, the oldest first, and some that went.
	order []*keyboard
}

// keyboard is the content of one. All but failed and dropped is fixed.
type keyboard struct {
	id      string
	expires time.Time
	value   []byte
	// failed is set if the disk did not take it, dropped if it must not get
	// there any more. The overlay's lock is theirs.
	failed, dropped bool
}

func (o *overlay) put(k *keyboard) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.at == nil {
		o.at = map[string]*keyboard{}
	}
	o.at[k.id] = k
	o.order = append(o.order, k)
	for len(o.at) > overlayAtMax || len(o.order) > 2*overlayAtMax {
		if oldest := o.order[0]; o.at[oldest.id] == oldest {
			delete(o.at, oldest.id)
		}
		o.order = o.order[1:]
	}
}

func (o *overlay) get(id string) *keyboard {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.at[id]
}

// has tells whether a keyboard is still there, or a newer one in its place.
func (o *overlay) has(k *keyboard) bool { return o.get(k.id) != nil }

func (o *overlay) remove(k *keyboard) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.removeLocked(k)
}

func (o *overlay) removeLocked(k *keyboard) {
	if o.at[k.id] != k {
		return // a newer one has its place
	}
	delete(o.at, k.id)
	for len(o.order) > 0 && o.at[o.order[0].id] != o.order[0] {
		o.order = o.order[1:]
	}
}

// write takes a keyboard to the disk, and out of the overlay.
func (o *overlay) write(k *keyboard) write {
	return write{
		change: func(tx *bbolt.Tx) error {
			if o.isDropped(k) {
				return nil
			}
			return tx.Bucket(keyboardBucket).Put([]byte(k.id), append(timeKey(k.expires), k.value...))
		},
		done: func(err error) { o.settle(k, err) },
	}
}

func (o *overlay) settle(k *keyboard, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if errors.Is(err, ErrUnwritable) {
		k.failed = true
	} else {
		o.removeLocked(k)
	}
}

func (o *overlay) isDropped(k *keyboard) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return k.dropped
}

// unsaved returns what the disk did not take, the oldest first.
func (o *overlay) unsaved() (list []*keyboard) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, k := range o.order {
		if o.at[k.id] == k && k.failed {
			list = append(list, k)
		}
	}
	return list
}

// drop takes out what a test picks, and returns the ids. The test runs outside
// of the lock.
func (o *overlay) drop(picks func(value []byte) bool) (ids []string) {
	o.mu.Lock()
	all := append([]*keyboard(nil), o.order...)
	o.mu.Unlock()
	for _, k := range all {
		if !picks(k.value) {
			continue
		}
		o.mu.Lock()
		k.dropped = true
		if o.at[k.id] == k {
			ids = append(ids, k.id)
			o.removeLocked(k)
		}
		o.mu.Unlock()
	}
	return ids
}
