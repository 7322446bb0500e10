package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// fullDisk fills the file system of a directory, and empties it.
type fullDisk struct{ fill, empty func() }

// smallDisk mounts a file system of 8 MiB.
func smallDisk(t *testing.T) (dir string, disk fullDisk) {
	t.Helper()
	at := t.TempDir()
	err := unix.Mount("tmpfs", at, "tmpfs", 0, "size=8m")
	if errors.Is(err, unix.EPERM) && os.Getuid() != 0 {
		t.Skip("mounting needs root; TestDiskFull/limit has no such need")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(at, 0); err != nil {
			t.Error(err)
		}
	})
	rest := filepath.Join(at, "rest")
	return filepath.Join(at, "state"), fullDisk{
		fill: func() {
			if err := os.WriteFile(rest, make([]byte, 16<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
				t.Errorf("filling the disk: %v", err)
			}
		},
		empty: func() { os.Remove(rest) },
	}
}

// childMark is the environment variable of a process that runs one test.
const childMark = "COFFERDAM_STORE_TEST_CHILD"

// inChild runs the test in a process of its own, and reports whether this is
// that process: a limit for files would hit the files of the test runner too.
func inChild(t *testing.T) bool {
	t.Helper()
	if os.Getenv(childMark) != "" {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), childMark+"=1")
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "no tests to run") {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// limitedFile lets no file of this process grow.
func limitedFile(t *testing.T) (dir string, disk fullDisk) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	set := func(n uint64) {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: n, Max: before.Max}); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() { set(before.Cur) })
	return privateDir(t), fullDisk{fill: func() { set(64 << 10) }, empty: func() { set(before.Cur) }}
}

func TestDiskFull(t *testing.T) {
	for name, disk := range map[string]func(*testing.T) (string, fullDisk){"tmpfs": smallDisk, "limit": limitedFile} {
		t.Run(name, func(t *testing.T) {
			if name == "limit" && !inChild(t) {
				return
			}
			dir, disk := disk(t)
			synctest.Test(t, func(t *testing.T) { testDiskFull(t, dir, disk) })
		})
	}
}

func testDiskFull(t *testing.T, dir string, disk fullDisk) {
	ctx := t.Context()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	notices := s.Table(Notices)
	acknowledged := 0
	disk.fill()
	for err == nil && acknowledged < 10_000 {
		if err = putNow(ctx, notices, fmt.Appendf(nil, "%05d", acknowledged), make([]byte, 1000), time.Time{}); err == nil {
			acknowledged++
		}
	}
	if !errors.Is(err, ErrUnwritable) || s.Writable() {
		t.Fatalf("after %d entries: %v, writable %v", acknowledged, err, s.Writable())
	}
	checked(t, s)
	big := bytes.Repeat([]byte("update "), 1<<16)
	batch := updates(1)
	batch[0].Data = big
	if fresh, err := s.Accept(ctx, batch, noon); !errors.Is(err, ErrUnwritable) || len(fresh) != 0 {
		t.Errorf("an update: %d fresh, %v", len(fresh), err)
	}
	// A keyboard is good meanwhile. Whether a small one finds room in the file
	// is bbolt's matter: this one does not.
	if err := s.PutKeyboard(ctx, "0001", noon.Add(time.Hour), big); err != nil {
		t.Errorf("a keyboard on a full disk: %v", err)
	}
	s.PutKeyboardLater("0002", noon.Add(time.Hour), big)
	notices.PutLater([]byte("owed"), []byte("x"), time.Time{})
	for _, id := range []string{"0001", "0002"} {
		if value, _, err := s.Keyboard(id); !bytes.Equal(value, big) || err != nil {
			t.Errorf("keyboard %s: %d bytes, %v", id, len(value), err)
		}
	}
	synctest.Wait()

	disk.empty()
	time.Sleep(probeEvery + time.Second) // of the bubble's clock
	synctest.Wait()
	if !s.Writable() {
		t.Fatal("there is room, and the writer did not notice")
	}
	if fresh, err := s.Accept(ctx, batch, noon); err != nil || len(fresh) != 1 {
		t.Errorf("the update comes again: %d fresh, %v", len(fresh), err)
	}
	checked(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	for i := range acknowledged {
		if value, _, err := s.Table(Notices).Get(fmt.Appendf(nil, "%05d", i)); len(value) != 1000 {
			t.Fatalf("entry %d of %d was acknowledged and is lost (%v)", i, acknowledged, err)
		}
	}
	if value, _, _ := s.Table(Notices).Get([]byte("owed")); value == nil {
		t.Error("what nobody waited for was not tried again")
	}
	for _, id := range []string{"0001", "0002"} {
		if value, _, err := s.Keyboard(id); !bytes.Equal(value, big) || err != nil {
			t.Errorf("after a restart, keyboard %s: %d bytes, %v", id, len(value), err)
		}
	}
	checked(t, s)
}

// TestAnUpdateInDoubtIsNoRepeat stands in for a disk whose last flush fails: the
// commit is there, and its error too.
func TestAnUpdateInDoubtIsNoRepeat(t *testing.T) {
	s, err := OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	broken := true
	s.transact = func(change func(*bbolt.Tx) error) error {
		if err := s.db.Update(change); err != nil || !broken {
			return err
		}
		return unix.EIO
	}
	for _, step := range []struct {
		broken bool
		want   int
	}{{true, 0}, {true, 0}, {false, 1}, {false, 0}} {
		broken = step.broken
		fresh, err := s.Accept(t.Context(), updates(7, 7), noon)
		if len(fresh) != step.want || errors.Is(err, ErrUnwritable) != step.broken {
			t.Errorf("broken %v: %d fresh, %v", step.broken, len(fresh), err)
		}
	}
}

// refused opens a directory whose file must be refused and left as it is.
func refused(t *testing.T, what, dir, want string) {
	t.Helper()
	path := filepath.Join(dir, fileName)
	before, _ := os.ReadFile(path)
	for name, try := range map[string]func() error{
		"check": func() error { return Check(dir) },
		"open": func() error {
			s, err := Open(dir)
			if err == nil {
				s.Close()
			}
			return err
		},
	} {
		if err := try(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s, %s: %v; want %q", what, name, err, want)
		}
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Errorf("%s: the file was changed", what)
	}
}

// used makes a state with something in it, and returns its bytes and how many
// of them count.
func used(t *testing.T, dir string) (content []byte, counts int) {
	t.Helper()
	s := open(t, dir)
	for i := range int64(300) {
		if _, err := s.Accept(t.Context(), updates(i), noon); err != nil {
			t.Fatal(err)
		}
		s.Table(Strikes).PutLater(fmt.Append(nil, i), make([]byte, 200), noon)
	}
	s.Done(1)
	s.Close()
	err := lookAt(filepath.Join(dir, fileName), &bbolt.Options{ReadOnly: true}, func(tx *bbolt.Tx) error {
		counts = int(tx.Size())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	content, err = os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	return content, counts
}

func put(t *testing.T, dir string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, fileName), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTruncatedFileIsRefused(t *testing.T) {
	dir := privateDir(t)
	content, counts := used(t, dir)
	var cuts []int
	for at := 0; at < counts; at += os.Getpagesize() {
		cuts = append(cuts, at)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		cuts = append(cuts, random.IntN(counts))
	}
	for _, at := range cuts {
		put(t, dir, content[:at])
		refused(t, fmt.Sprintf("cut at %d of %d", at, counts), dir, "usable state file")
	}
	put(t, dir, content[:counts]) // nothing is lost but what bbolt keeps for later
	checked(t, open(t, dir))
}

func TestDamagedFileIsRefused(t *testing.T) {
	dir := privateDir(t)
	content, counts := used(t, dir)
	page := os.Getpagesize()
	random := rand.NewChaCha8([32]byte{1})
	garbled := func(from, to int) []byte {
		damaged := bytes.Clone(content)
		_, _ = random.Read(damaged[from:to])
		return damaged
	}
	put(t, dir, garbled(0, 2*page))
	refused(t, "both meta pages", dir, "usable state file")

	// One of the two is enough for bbolt, which then goes back to the commit
	// before. A power cut cannot garble a page: what counts of it is in one
	// sector. So garbage is refused, and a checksum that does not fit is not.
	for n := range 2 {
		put(t, dir, garbled(n*page, (n+1)*page))
		refused(t, fmt.Sprintf("meta page %d", n), dir, "usable state file")
		put(t, dir, garbled(n*page+40, n*page+80))
		s := open(t, dir)
		checked(t, s)
		s.Close()
	}
	// Garbage in any other page is refused, or the page is a free one.
	refusals := 0
	for n := 2; n < counts/page; n++ {
		damaged := garbled(n*page, (n+1)*page)
		put(t, dir, damaged)
		if Check(dir) != nil {
			refusals++
			refused(t, fmt.Sprintf("page %d", n), dir, "usable state file")
			continue
		}
		s := open(t, dir)
		checked(t, s)
		s.Close()
	}
	if refusals < 10 {
		t.Errorf("only %d damaged pages were found", refusals)
	}
}

func TestWhatIsNoStateFileIsRefused(t *testing.T) {
	empty := privateDir(t)
	if err := os.MkdirAll(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, empty, nil)
	refused(t, "an empty file", empty, "it is empty")

	folder := privateDir(t)
	if err := os.MkdirAll(filepath.Join(folder, fileName), 0o700); err != nil {
		t.Fatal(err)
	}
	refused(t, "a directory", folder, "not a regular file")

	other := privateDir(t)
	if err := os.MkdirAll(other, 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(other, fileName), 0o600, &bbolt.Options{NoFreelistSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err }); err != nil {
		t.Fatal(err)
	}
	db.Close()
	refused(t, "another program's database", other, "another program")

	later := privateDir(t)
	s := open(t, later)
	if err := s.update(t.Context(), func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(formatKey, []byte("99")) }); err != nil {
		t.Fatal(err)
	}
	s.Close()
	refused(t, "a later format", later, "newer version")
}

// TestReadOnlyFileSystem needs a mount to keep root from writing.
func TestReadOnlyFileSystem(t *testing.T) {
	dir, _ := smallDisk(t)
	open(t, dir).Close()
	if err := unix.Mount("", filepath.Dir(dir), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	refused(t, "a read-only directory", dir, "--state-dir")
}

func TestAFirstStartThatWasCutOffIsBegunAgain(t *testing.T) {
	dir := privateDir(t)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, fileName+".new"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	checked(t, open(t, dir))
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("the directory has %v", names)
	}
}

// holder makes this test's program one that holds a state until it is killed.
const holder = "COFFERDAM_TEST_HOLD_STATE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holder); dir != "" {
		hold(dir)
	}
	os.Exit(m.Run())
}

func hold(dir string) {
	s, err := Open(dir)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for i := 0; ; i++ {
		if err := putNow(context.Background(), s.Table(SecondFactors), []byte("step"), fmt.Append(nil, i), time.Time{}); err != nil {
			os.Exit(1)
		}
		fmt.Println(i)
	}
}

// TestAnotherProcess starts a real one, is refused beside it, and finds what it
// acknowledged when it was killed.
func TestAnotherProcess(t *testing.T) {
	dir := privateDir(t)
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), holder+"="+dir)
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	lines, last := bufio.NewScanner(out), 0
	for last < 50 && lines.Scan() {
		if last, err = strconv.Atoi(lines.Text()); err != nil {
			t.Fatal(err)
		}
	}
	beside := make(chan error, 1)
	go func() {
		s, err := Open(dir)
		if err == nil {
			s.Close()
		}
		beside <- errors.Join(err, other.Process.Kill())
	}()
	for lines.Scan() {
		if n, err := strconv.Atoi(lines.Text()); err == nil {
			last = n
		}
	}
	if err := <-beside; !errors.Is(err, ErrInUse) {
		t.Errorf("beside another process: %v", err)
	}
	_ = other.Wait()
	s := open(t, dir)
	value, _, err := s.Table(SecondFactors).Get([]byte("step"))
	if kept, _ := strconv.Atoi(string(value)); err != nil || kept < last {
		t.Errorf("step %d was acknowledged, %q is kept (%v)", last, value, err)
	}
	checked(t, s)
}
