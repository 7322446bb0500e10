package engine

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// DefaultCacheSize holds the code of three hundred Go modules of 3 MB.
const DefaultCacheSize = 4 << 30

// keepNew is how long code stays for sure that was made or used last: somebody
// may be reading it, in this process or another, and wazero would compile a file
// in here whose code went away under it.
const keepNew = time.Minute

// evict removes code that was used the longest ago until no more than so many
// bytes are left. A module whose code went is compiled again when it is needed.
func (f folders) evict(most int64) {
	type folder struct {
		path string
		used time.Time
		size int64
	}
	var all []folder
	var total int64
	entries, _ := os.ReadDir(f.own) // if it cannot be read there is nothing to do
	for _, e := range entries {
		if !isCodeFolder(e) || strings.Contains(e.Name(), newMark) {
			continue
		}
		if info, err := e.Info(); err == nil {
			path := filepath.Join(f.own, e.Name())
			size := sizeOf(path)
			total += size
			all = append(all, folder{path, info.ModTime(), size})
		}
	}
	slices.SortFunc(all, func(a, b folder) int { return a.used.Compare(b.used) })
	for _, a := range all {
		if total <= most || time.Since(a.used) < keepNew {
			return
		}
		total -= a.size
		// At once, so that nobody finds half of it.
		gone := a.path + newMark + "old"
		os.RemoveAll(gone) // left by a crash
		if os.Rename(a.path, gone) == nil {
			os.RemoveAll(gone)
		}
	}
}

// sizeOf is what a folder's files hold, in bytes.
func sizeOf(dir string) (total int64) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}
