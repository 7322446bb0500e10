// Package folder reads the folder of drop-in modules (F2). Whoever can write into it
// is not trusted: nothing in it is followed, waited for or read twice, and what is read
// of a file is what was there at one moment.
package folder

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of what is looked at.
const (
	// MaxFile is that of a module's file, in bytes, as the scanner has it.
	MaxFile = 8 << 20
	// MaxSignature is that of the file beside it: minisign's have some 300 bytes.
	MaxSignature = 4 << 10
	// MaxFiles is how many modules are considered.
	MaxFiles = 256
)

// maxEntries bounds how much of a folder is looked at, whatever it holds.
const maxEntries = 10_000

// Names of files.
const (
	Suffix          = ".wasm"
	SignatureSuffix = ".minisig" // behind the whole name: x.wasm.minisig
)

var goodName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,122}\.wasm$`)

// Folder is a folder of modules, which need not be there.
type Folder struct {
	dir string
	// between is called between the looks before and after the bytes are read; for
	// tests.
	between func(name string)
}

// New returns the folder at a path. A path that is itself a symlink is followed: it is
// the config's.
func New(dir string) *Folder { return &Folder{dir: dir, between: func(string) {}} }

// Dir is the folder's path.
func (f *Folder) Dir() string { return f.dir }

// Entry is a module's file as it stands in the folder, before it is read.
type Entry struct {
	Name string
	// Size is in bytes.
	Size int64
	// Stamp differs as soon as the file or its signature was touched.
	Stamp string
	// Fresh tells that it was touched a moment ago: another change might not be seen by
	// its stamp, for clocks of file systems are coarse.
	Fresh bool
	// Fault says why it must not be read, with what to do; nil: it may be.
	Fault error
}

// Listing is what stands in the folder.
type Listing struct {
	// Entries are at most MaxFiles: those that are known, then the others, by name.
	Entries []Entry
	// Beyond is how many more modules there are. They are not considered.
	Beyond int
	// Warnings say what about the folder weakens security, and does not forbid to use it.
	Warnings []string
}

// Errors of a folder.
var (
	// ErrGone is returned if the folder is not there, or cannot be entered.
	ErrGone = errors.New("the folder of modules is not there")
	// ErrOpen is returned for a folder in which anybody could put a module.
	ErrOpen = errors.New("others can put modules there")
	// ErrChanging is returned for a file that changed while it was read.
	ErrChanging = errors.New("it changes while it is read")
)

// List looks at what there is. Files that are no modules by their names are not
// spoken of, nor are folders. If there are too many, those that are known come first:
// whoever fills the folder pushes none of them out.
func (f *Folder) List(known func(name string) bool) (Listing, error) {
	dir, warnings, err := f.open()
	if err != nil {
		return Listing{}, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(maxEntries)
	if err != nil && !errors.Is(err, io.EOF) {
		return Listing{}, fmt.Errorf("%w: %w", ErrGone, err)
	}
	list := Listing{Warnings: warnings}
	if len(names) == maxEntries {
		list.Warnings = append(list.Warnings, fmt.Sprintf("modules.dir: %s has %d files or more, of which not all are looked at", f.dir, maxEntries))
	}
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, ".") || !strings.HasSuffix(name, Suffix) })
	slices.SortFunc(names, func(a, b string) int {
		if ka, kb := known(a), known(b); ka != kb {
			return map[bool]int{true: -1, false: 1}[ka]
		}
		return strings.Compare(a, b)
	})
	now := time.Now()
	for _, name := range names {
		if len(list.Entries) == MaxFiles {
			list.Beyond++
		} else if e, there := look(dir, name, now); there {
			list.Entries = append(list.Entries, e)
		}
	}
	return list, nil
}

// open opens the folder itself, if it is one that may be used.
func (f *Folder) open() (dir *os.File, warnings []string, err error) {
	fd, err := unix.Open(f.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: open %s: %w", ErrGone, f.dir, err)
	}
	dir = os.NewFile(uintptr(fd), f.dir)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%w: %w", ErrGone, err), dir.Close())
	}
	if st.Mode&0o022 != 0 {
		return nil, nil, errors.Join(fmt.Errorf("%w: %s has mode %04o; run chmod go-w %s", ErrOpen, f.dir, st.Mode&0o7777, f.dir), dir.Close())
	}
	if st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		warnings = append(warnings, fmt.Sprintf("modules.dir: %s belongs to user %d, who can put modules there; run chown root %s", f.dir, st.Uid, f.dir))
	}
	return dir, warnings, nil
}

// look says how a module's file stands in the folder, without opening it. there is
// false for what is not a file at all, and nobody takes for one.
func look(dir *os.File, name string, now time.Time) (e Entry, there bool) {
	e.Name = name
	st, err := stat(dir, name)
	if errors.Is(err, unix.ENOENT) || err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return e, false
	}
	if err != nil {
		e.Fault = fmt.Errorf("it cannot be looked at: %w", err)
		return e, true
	}
	e.Size, e.Stamp, e.Fresh = st.Size, stampOf(st), isFresh(st, now)
	e.Fault = usable(st, MaxFile)
	if !goodName.MatchString(name) {
		e.Fault = errors.New("its name has other characters than A-Z, a-z, 0-9, ., _ and -, or too many; rename it")
	}
	if signature, err := stat(dir, name+SignatureSuffix); err == nil {
		e.Stamp += " " + stampOf(signature)
		e.Fresh = e.Fresh || isFresh(signature, now)
	}
	return e, true
}

// usable says why a file must not be read.
func usable(st unix.Stat_t, most int64) error {
	switch kind := st.Mode & unix.S_IFMT; {
	case kind == unix.S_IFLNK:
		return errors.New("it is a symbolic link; put the file itself there")
	case kind != unix.S_IFREG:
		return errors.New("it is no ordinary file")
	case st.Mode&0o022 != 0:
		return fmt.Errorf("others can write to it: mode %04o; run chmod go-w on it", st.Mode&0o7777)
	case st.Size > most:
		return fmt.Errorf("it has %d bytes, at most %d", st.Size, most)
	}
	return nil
}

func stat(dir *os.File, name string) (st unix.Stat_t, err error) {
	err = unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, err
}

// stampOf is made of what no writer can leave as it was: the kernel sets the time of
// the change of an inode.
func stampOf(st unix.Stat_t) string {
	return fmt.Sprintf("%d:%d:%o:%d:%d.%d:%d.%d", st.Dev, st.Ino, st.Mode, st.Size, st.Mtim.Sec, st.Mtim.Nsec, st.Ctim.Sec, st.Ctim.Nsec)
}

// coarse is more than the steps in which file systems count time: two seconds on FAT.
const coarse = 3 * time.Second

func isFresh(st unix.Stat_t, now time.Time) bool {
	return now.Sub(time.Unix(st.Ctim.Unix())).Abs() < coarse
}
