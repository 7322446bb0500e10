package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// errLater is a file that a later version wrote.
var errLater = errors.New("use a newer version of cofferdam, or move the file away to start afresh")

// inspect looks at a state file without writing to it, and says why it is not a
// whole one of ours.
//
// bbolt maps the file into memory and trusts it: a page number that points
// behind the end is a SIGBUS, garbage in a page a panic. So the first look takes
// nothing but the meta pages, which carry a checksum, and compares the file's
// size with theirs; the second one reads everything, ready for a fault.
func inspect(path string, wait time.Duration) error {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return fmt.Errorf("state file: %w", err)
	case !info.Mode().IsRegular():
		return explain(path, fmt.Errorf("it is not a regular file, but %s", info.Mode().Type()))
	case info.Size() == 0:
		return explain(path, errors.New("it is empty"))
	}
	for _, look := range []struct {
		freelist bool
		at       func(*bbolt.Tx) error
	}{{false, checkSize}, {true, checkContent}} {
		err := lookAt(path, &bbolt.Options{Timeout: wait, ReadOnly: true, PreLoadFreelist: look.freelist}, look.at)
		if err != nil {
			return explain(path, err)
		}
	}
	return nil
}

func lookAt(path string, options *bbolt.Options, look func(*bbolt.Tx) error) error {
	db, err := load(path, options)
	if err != nil {
		return err
	}
	err = guard(func() error { return db.View(look) })
	return errors.Join(err, db.Close())
}

// load is bbolt.Open that returns an error where that would panic or fault.
func load(path string, options *bbolt.Options) (db *bbolt.DB, err error) {
	var file *os.File
	options.OpenFile = func(name string, flag int, mode fs.FileMode) (f *os.File, err error) {
		// The file was there: if it went since, an empty one must not take its
		// place.
		file, err = os.OpenFile(name, flag&^os.O_CREATE, mode)
		return file, err
	}
	returned := false
	err = guard(func() (err error) {
		db, err = bbolt.Open(path, 0o600, options)
		returned = true
		return err
	})
	if !returned && file != nil {
		// bbolt left it behind, with a mapping that would keep its lock.
		_ = errors.Join(unix.Flock(int(file.Fd()), unix.LOCK_UN), file.Close())
	}
	return db, err
}

// guard makes an error of a panic, and of a memory fault in this goroutine.
func guard(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it is damaged: %v", p)
		}
	}()
	return do()
}

// checkSize finds a file that was cut.
func checkSize(tx *bbolt.Tx) error {
	info, err := os.Stat(tx.DB().Path())
	if err != nil {
		return err
	}
	if info.Size() < tx.Size() {
		return fmt.Errorf("it is cut off: %d bytes of at least %d", info.Size(), tx.Size())
	}
	return nil
}

func checkContent(tx *bbolt.Tx) error {
	if err := walk(tx); err != nil {
		return err
	}
	// Pages that are in use and listed as free, or in use twice. It runs in a
	// goroutine of its own, out of reach of our guard: hence the walk before.
	var found error
	for err := range tx.Check() {
		if found == nil {
			found = err
		}
	}
	if found != nil {
		return fmt.Errorf("it is damaged: %w", found)
	}
	return checkFormat(tx)
}

// sink keeps the compiler from leaving out a read whose value nobody needs.
var sink atomic.Uint32

// walk touches both ends of every key and value.
func walk(tx *bbolt.Tx) error {
	return tx.ForEach(func(_ []byte, bucket *bbolt.Bucket) error { return walkIn(bucket, 0) })
}

// deepest is how many buckets lie in each other: those of what modules keep.
const deepest = 2

func walkIn(bucket *bbolt.Bucket, depth int) error {
	if depth > deepest {
		return errors.New("it is damaged: buckets lie in each other without an end")
	}
	return bucket.ForEach(func(key, value []byte) error {
		for _, b := range [][]byte{key, value} {
			if len(b) > 0 {
				sink.Store(uint32(b[0]) + uint32(b[len(b)-1]))
			}
		}
		if inner := bucket.Bucket(key); value == nil && inner != nil {
			return walkIn(inner, depth+1)
		}
		return nil
	})
}

// checkFormat finds a database that another program made, or a later version.
func checkFormat(tx *bbolt.Tx) error {
	meta := tx.Bucket(metaBucket)
	if meta == nil || meta.Get(formatKey) == nil {
		return errors.New("it is a database of another program")
	}
	if found := meta.Get(formatKey); string(found) != format {
		return fmt.Errorf("the state has format %q, this version of cofferdam writes %q: %w", found, format, errLater)
	}
	return nil
}
