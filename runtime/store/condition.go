package store

import (
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// Condition says how writing goes, for health.
type Condition struct {
	// Writable tells whether the last write reached the disk.
	Writable bool
	// Since is when that last changed; the zero time: it never did.
	Since time.Time
	// LastError is the last failure's; it stays after things went well again.
	LastError error
}

// condition keeps a Condition. Its zero value is writable.
type condition struct {
	mu   sync.Mutex
	ill  bool
	at   time.Time
	last error
}

// note keeps how a write ended.
func (c *condition) note(err error, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.last = err
	}
	if ill := err != nil; ill != c.ill {
		c.ill, c.at = ill, now
	}
}

func (c *condition) current() Condition {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Condition{Writable: !c.ill, Since: c.at, LastError: c.last}
}

// Condition says how writing goes.
func (s *Store) Condition() Condition { return s.writing.current() }

// Condition says how writing records goes.
func (l *AuditLog) Condition() Condition { return l.writing.current() }

// Waiting returns how many updates are in the journal: those that wait, and those
// under way.
func (s *Store) Waiting() (n int, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		n = tx.Bucket(journalBucket).Stats().KeyN
		return nil
	})
	return n, err
}
