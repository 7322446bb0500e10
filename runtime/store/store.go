// Package store keeps the bot's state. One bbolt file has the journal of
// updates, the keyboards behind callback tokens, messages to be deleted, what
// modules keep, and the tables of what must outlive a restart. Everything in it is bounded. It
// has one writer, which puts all changes that wait into one transaction, so
// that a burst does not pay for a disk flush each. The audit log is a file of
// its own beside it.
package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// Store is the open state file. It is safe for concurrent use.
type Store struct {
	db *bbolt.DB
	// transact is db.Update; a test can stand in its way.
	transact func(func(*bbolt.Tx) error) error

	writes chan write
	// closing is closed first, so that no write is sent any more; closed when
	// the writer has ended.
	closing   chan struct{}
	closed    chan struct{}
	closeOnce sync.Once

	unwritable atomic.Bool
	writing    condition
	// owed is what the disk did not take and nobody waits for; behind is set if
	// there is any of it, or a keyboard of that kind. Both are the writer's own.
	owed   []write
	behind bool

	keyboards overlay
	doubt     doubt
}

// The buckets. Their contents are described where they are used; those of
// tables are in tables.
var (
	journalBucket   = []byte("journal")
	seenBucket      = []byte("seen")
	keyboardBucket  = []byte("keyboards")
	deletionsBucket = []byte("deletions")
	metaBucket      = []byte("meta")
)

func buckets() [][]byte {
	all := [][]byte{journalBucket, seenBucket, keyboardBucket, deletionsBucket, metaBucket}
	for _, t := range tables {
		all = append(all, t.entries(), t.expiries())
	}
	for _, ring := range historyRings {
		all = append(all, ring)
	}
	return append(all, historySources, kvBucket)
}

// format is the version of the file's layout, and formatKey where it stands. A
// file of another one is refused: an older program must not write into it.
const format = "1"

var formatKey = []byte("format")

// OpenMemory makes a state that lives in memory and dies with the process.
func OpenMemory() (*Store, error) {
	db, err := bbolt.Open("cofferdam-state", 0o600, &bbolt.Options{
		NoSync: true, NoFreelistSync: true,
		OpenFile: func(name string, _ int, _ fs.FileMode) (*os.File, error) {
			fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
			if err != nil {
				return nil, os.NewSyscallError("memfd_create", err)
			}
			return os.NewFile(uintptr(fd), name), nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("state in memory: %w", err)
	}
	if err := prepare(db); err != nil {
		return nil, errors.Join(fmt.Errorf("state in memory: %w", err), db.Close())
	}
	return start(db), nil
}

// prepare makes the buckets that are not there yet. It writes only then, so
// that a bot whose disk is full can start.
func prepare(db *bbolt.DB) error {
	complete := false
	err := db.View(func(tx *bbolt.Tx) error {
		for _, name := range buckets() {
			if tx.Bucket(name) == nil {
				return nil
			}
		}
		complete = tx.Bucket(metaBucket).Get(formatKey) != nil
		return nil
	})
	if err != nil || complete {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range buckets() {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return tx.Bucket(metaBucket).Put(formatKey, []byte(format))
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnwritable, err)
	}
	return nil
}

func start(db *bbolt.DB) *Store {
	s := &Store{
		db: db, transact: db.Update,
		writes: make(chan write, maxGroup), closing: make(chan struct{}), closed: make(chan struct{}),
	}
	go s.writer()
	return s
}

// Close waits for the writes under way and closes the file.
func (s *Store) Close() error {
	s.closeOnce.Do(func() { close(s.closing) })
	<-s.closed
	return s.db.Close()
}

// Prune drops what expired from every table, and what is over a bound, and
// nothing else: never a block or a counter that runs (B1). Call it about once a
// minute.
func (s *Store) Prune(ctx context.Context, now time.Time) error {
	return s.update(ctx, func(tx *bbolt.Tx) error {
		if err := pruneSeen(tx, now); err != nil {
			return err
		}
		if err := pruneKeyboards(tx, now); err != nil {
			return err
		}
		if err := pruneDeletions(tx); err != nil {
			return err
		}
		if err := pruneKV(tx, now); err != nil {
			return err
		}
		for _, t := range tables {
			if err := t.prune(tx, now); err != nil {
				return err
			}
		}
		return nil
	})
}
