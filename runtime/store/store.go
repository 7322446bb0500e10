// Package store keeps the bot's state in one bbolt file: the journal of
// updates, the keyboards behind callback tokens, and messages to be deleted.
// Everything in it is bounded. It has one writer, which puts all changes that
// wait into one transaction, so that a burst does not pay for a disk flush
// each.
package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

// Store is the open state file. It is safe for concurrent use.
type Store struct {
	db     *bbolt.DB
	writes chan write
	// closing is closed first, so that no write is sent any more; closed when
	// the writer has ended.
	closing   chan struct{}
	closed    chan struct{}
	closeOnce sync.Once
}

// fileName is the state file in the state directory.
const fileName = "state.db"

// ErrInUse is returned by [Open] when another process has the state open.
var ErrInUse = errors.New("another cofferdam uses this state directory")

// ErrClosed is returned for a write after [Store.Close].
var ErrClosed = errors.New("the store is closed")

// Open opens or makes the state in a directory, which it makes with mode 0700
// if it is not there (E2). A file that is not a state file is refused and left
// as it is.
func Open(dir string) (*Store, error) {
	if err := makePrivate(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, fileName)
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%s: %w", dir, ErrInUse)
	case err != nil:
		return nil, unusable(path, err)
	}
	return start(db)
}

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
	return start(db)
}

// makePrivate makes a directory that only its owner can enter, or checks that
// it is one.
func makePrivate(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("state directory: %w (choose another with --state-dir, mount a volume there, or use --ephemeral)", err)
	}
	return checkPrivate(dir)
}

// checkPrivate checks that a directory can be written to, and by nobody else.
func checkPrivate(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("state directory %s can be entered by others: chmod 700 %s", dir, dir)
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("state directory %s cannot be written to: %w (choose another with --state-dir, or use --ephemeral)", dir, err)
	}
	return nil
}

// The buckets. Their contents are described where they are used.
var (
	journalBucket   = []byte("journal")
	seenBucket      = []byte("seen")
	keyboardBucket  = []byte("keyboards")
	deletionsBucket = []byte("deletions")
	metaBucket      = []byte("meta")
)

// format is the version of the file's layout. A file of a later one is
// refused: an older program must not write into it.
const format = "1"

func start(db *bbolt.DB) (*Store, error) {
	err := db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{journalBucket, seenBucket, keyboardBucket, deletionsBucket, metaBucket} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		meta := tx.Bucket(metaBucket)
		if found := meta.Get([]byte("format")); found != nil && string(found) != format {
			return fmt.Errorf("the state has format %q, this version of cofferdam writes %q: use a newer one", found, format)
		}
		return meta.Put([]byte("format"), []byte(format))
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare the state: %w", err), db.Close())
	}
	s := &Store{db: db, writes: make(chan write, maxGroup), closing: make(chan struct{}), closed: make(chan struct{})}
	go s.writer()
	return s, nil
}

// Close waits for the writes under way and closes the file.
func (s *Store) Close() error {
	s.closeOnce.Do(func() { close(s.closing) })
	<-s.closed
	return s.db.Close()
}

// write is a change that waits for its transaction.
type write struct {
	change func(*bbolt.Tx) error
	// result takes one error and has room for it; nil: nobody waits.
	result chan error
}

// maxGroup bounds how many writes share a transaction.
const maxGroup = 512

// update performs a change and returns when it is on disk.
func (s *Store) update(ctx context.Context, change func(*bbolt.Tx) error) error {
	w := write{change: change, result: make(chan error, 1)}
	if err := s.send(ctx, w); err != nil {
		return err
	}
	select {
	case err := <-w.result:
		return err
	case <-s.closed:
		// The writer may have served it before it ended.
		select {
		case err := <-w.result:
			return err
		default:
			return ErrClosed
		}
	}
}

// later performs a change soon, with the next group. It is lost if the process
// dies first.
func (s *Store) later(change func(*bbolt.Tx) error) {
	// An error here means that the store is closed: what is lost is what a
	// crash at this moment would lose.
	_ = s.send(context.Background(), write{change: change})
}

func (s *Store) send(ctx context.Context, w write) error {
	select {
	case <-s.closing:
		return ErrClosed
	default:
	}
	select {
	case s.writes <- w:
		return nil
	case <-s.closing:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writer is the one goroutine that writes. While a group is on its way to the
// disk the next one gathers: no timer, no waiting when there is little to do.
func (s *Store) writer() {
	defer close(s.closed)
	for {
		select {
		case w := <-s.writes:
			s.commit(s.gather(w))
		case <-s.closing:
			for {
				select {
				case w := <-s.writes:
					s.commit(s.gather(w))
				default:
					return
				}
			}
		}
	}
}

func (s *Store) gather(first write) []write {
	group := []write{first}
	for len(group) < maxGroup {
		select {
		case w := <-s.writes:
			group = append(group, w)
		default:
			return group
		}
	}
	return group
}

// commit writes a group in one transaction. If one change of it fails, each is
// tried alone, so that none suffers for another.
func (s *Store) commit(group []write) {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		for _, w := range group {
			if err := w.change(tx); err != nil {
				return err
			}
		}
		return nil
	})
	for _, w := range group {
		if err != nil && len(group) > 1 {
			w.answer(s.db.Update(w.change))
		} else {
			w.answer(err)
		}
	}
}

func (w write) answer(err error) {
	if w.result != nil {
		w.result <- err
	}
}

// Check reports what would keep [Open] from opening the state in a directory,
// without making or changing anything. A directory that is not there yet is
// fine if it can be made.
func Check(dir string) error {
	parent := dir
	for {
		info, err := os.Stat(parent)
		if err == nil {
			if !info.IsDir() {
				return fmt.Errorf("state directory: %s is not a directory", parent)
			}
			break
		}
		up := filepath.Dir(parent)
		if !errors.Is(err, fs.ErrNotExist) || up == parent {
			return fmt.Errorf("state directory: %w", err)
		}
		parent = up
	}
	if parent != dir {
		if err := unix.Access(parent, unix.W_OK|unix.X_OK); err != nil {
			return fmt.Errorf("state directory %s cannot be made: %s: %w (choose another with --state-dir)", dir, parent, err)
		}
		return nil
	}
	if err := checkPrivate(dir); err != nil {
		return err
	}
	path := filepath.Join(dir, fileName)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: 100 * time.Millisecond, ReadOnly: true})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("%s: %w", dir, ErrInUse)
	case err != nil:
		return unusable(path, err)
	}
	return db.Close()
}

func unusable(path string, err error) error {
	return fmt.Errorf("%s is not a usable state file (move it away to start afresh, or restore a backup): %w", path, err)
}
