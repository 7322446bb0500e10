package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// ErrClosed is returned for a write after [Store.Close].
var ErrClosed = errors.New("the store is closed")

// ErrUnwritable is returned for a write that the disk did not take: it is full
// (ENOSPC), a quota or a limit is reached (EDQUOT, EFBIG), it is read-only
// (EROFS) or broken (EIO). What was written before is not touched by it. The
// change was not made, with one exception that no program can rule out: if the
// very last flush of a commit failed, the change may turn out to be there.
var ErrUnwritable = errors.New("the state cannot be written")

// write is a change that waits for its transaction.
type write struct {
	change func(*bbolt.Tx) error
	// done is told how it ended, by the writer; it must not block. nil: nobody
	// wants to know.
	done func(error)
	// keep is set if the change is to be tried again when the disk did not take
	// it. It may then run more than once.
	keep bool
	// lazy is set if nobody waits for it.
	lazy bool
}

const (
	// maxGroup bounds how many writes share a transaction.
	maxGroup = 512
	// maxOwed bounds what is kept for a disk that takes nothing: twice what the
	// pipeline has under way at most.
	maxOwed = 8_192
	// probeEvery is how often a disk that took nothing is tried again.
	probeEvery = 3 * time.Second
)

// Writable tells whether the last write reached the disk. While it is false the
// writer tries again every three seconds, also if nobody writes.
func (s *Store) Writable() bool { return !s.unwritable.Load() }

// update performs a change and returns when it is on disk.
func (s *Store) update(ctx context.Context, change func(*bbolt.Tx) error) error {
	return s.await(ctx, write{change: change})
}

// await sends a write and returns how it ended.
func (s *Store) await(ctx context.Context, w write) error {
	result, done := make(chan error, 1), w.done
	w.done = func(err error) {
		if done != nil {
			done(err)
		}
		result <- err
	}
	if err := s.send(ctx, w); err != nil {
		return err
	}
	select {
	case err := <-result:
		return err
	case <-s.closed:
		// The writer may have served it before it ended.
		select {
		case err := <-result:
			return err
		default:
			return ErrClosed
		}
	}
}

// later performs a change soon, with the next group, and again if the disk does
// not take it. It is lost if the process dies first.
func (s *Store) later(change func(*bbolt.Tx) error) {
	// An error here means that the store is closed: what is lost is what a
	// crash at this moment would lose.
	_ = s.send(context.Background(), write{change: change, keep: true, lazy: true})
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

// patience is how long a write that nobody waits for stays before it is flushed
// on its own. What follows within that time shares its flush: often it is the
// next command of whoever was just answered, which would otherwise wait for it.
const patience = 2 * time.Millisecond

// writer is the one goroutine that writes. While a group is on its way to the
// disk the next one gathers: whoever waits for a write waits for no timer.
func (s *Store) writer() {
	defer close(s.closed)
	for {
		select {
		case w := <-s.writes:
			s.commit(s.gather(w))
		case <-s.probe():
			s.commit(nil)
		case <-s.closing:
			s.drain()
			return
		}
	}
}

// probe returns when to try a disk that took nothing; never if it is well.
func (s *Store) probe() <-chan time.Time {
	if !s.behind {
		return nil
	}
	return time.After(probeEvery)
}

func (s *Store) drain() {
	for {
		select {
		case w := <-s.writes:
			s.commit(s.gather(w))
		default:
			if s.behind {
				s.commit(nil)
			}
			return
		}
	}
}

func (s *Store) gather(first write) []write {
	group := []write{first}
	if first.lazy {
		group = s.wait(group)
	}
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

// wait adds to a group for which nobody waits, until somebody does.
func (s *Store) wait(group []write) []write {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for len(group) < maxGroup {
		select {
		case w := <-s.writes:
			if group = append(group, w); !w.lazy {
				return group
			}
		case <-timer.C:
			return group
		case <-s.closing:
			return group
		}
	}
	return group
}

// commit writes a group in one transaction, behind what is owed. If one change
// of it fails, each is tried alone, so that none suffers for another. If the
// disk does not take it, trying again at once would help nobody.
func (s *Store) commit(group []write) {
	if s.behind {
		group = append(append(s.owed, s.unsaved()...), group...)
		s.owed, s.behind = nil, false
	}
	err := s.try(group)
	s.behind = errors.Is(err, ErrUnwritable)
	alone := err != nil && !errors.Is(err, ErrUnwritable) && len(group) > 1
	for _, w := range group {
		if alone {
			err = s.try([]write{w})
		}
		s.settle(w, err)
	}
}

// try makes one transaction of a group.
func (s *Store) try(group []write) error {
	var refused error
	err := s.transact(func(tx *bbolt.Tx) error {
		for _, w := range group {
			if refused = w.run(tx); refused != nil {
				return refused
			}
		}
		return nil
	})
	if refused != nil {
		return refused
	}
	// bbolt hides the errno of some of its steps, so that an error of the commit
	// is told from one of a change by where it arose.
	s.unwritable.Store(err != nil)
	s.writing.note(err, time.Now())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnwritable, err)
	}
	return nil
}

// run makes an error of a panic: a faulty change costs its own caller.
func (w write) run(tx *bbolt.Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("a change of the state panicked: %v", p)
		}
	}()
	return w.change(tx)
}

func (s *Store) settle(w write, err error) {
	if errors.Is(err, ErrUnwritable) {
		s.behind = true
		if w.keep && len(s.owed) < maxOwed {
			s.owed = append(s.owed, write{change: w.change, keep: true})
		}
	}
	if w.done != nil {
		w.done(err)
	}
}
