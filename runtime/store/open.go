package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

// fileName is the state file in the state directory.
const fileName = "state.db"

// ErrInUse is returned by [Open] when another process has the state open.
var ErrInUse = errors.New("another cofferdam uses this state directory")

// Open opens or makes the state in a directory, which it makes with mode 0700
// if it is not there (E2). A file that is not a state file, or not a whole one,
// is refused and left as it is.
func Open(dir string) (*Store, error) {
	if err := makePrivate(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, fileName)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, err
		}
	}
	if err := inspect(path, time.Second); err != nil {
		return nil, err
	}
	db, err := load(path, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		return nil, explain(path, err)
	}
	if err := prepare(db); err != nil {
		return nil, errors.Join(explain(path, err), db.Close())
	}
	return start(db), nil
}

// create makes an empty state, whole or not at all: under another name first.
// So an empty or half a file is never the remains of a first start, and is
// refused. The directory is locked meanwhile.
func create(path string) (err error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	defer dir.Close()
	switch err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return fmt.Errorf("%s: %w", dir.Name(), ErrInUse)
	case err != nil:
		return fmt.Errorf("lock the state directory %s: %w", dir.Name(), err)
	}
	if _, err := os.Lstat(path); err == nil {
		return nil // made by another, a moment ago
	}
	begun := path + ".new"
	if err := os.Remove(begun); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remains of a first start: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(explain(path, err), os.Remove(begun))
		}
	}()
	db, err := bbolt.Open(begun, 0o600, nil)
	if err != nil {
		return err
	}
	if err := errors.Join(prepare(db), db.Close()); err != nil {
		return err
	}
	if err := os.Rename(begun, path); err != nil {
		return err
	}
	return dir.Sync()
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
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return inspect(path, 100*time.Millisecond)
}

// explain says what to do about a file that cannot be opened.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("%s: %w", filepath.Dir(path), ErrInUse)
	case errors.Is(err, ErrUnwritable), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("%s cannot be written (make room on its disk, choose another place with --state-dir, or use --ephemeral): %w", path, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS):
		return fmt.Errorf("%s cannot be opened for writing (chown and chmod 600 it, choose another place with --state-dir, or use --ephemeral): %w", path, err)
	case errors.Is(err, errLater):
		return fmt.Errorf("%s: %w", path, err)
	}
	return fmt.Errorf("%s is not a usable state file (move it away to start afresh, or restore a backup): %w", path, err)
}
