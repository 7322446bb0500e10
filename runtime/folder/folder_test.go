package folder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func put(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func nobody(string) bool { return false }

func list(t *testing.T, f *Folder) map[string]Entry {
	t.Helper()
	l, err := f.List(nobody)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]Entry{}
	for _, e := range l.Entries {
		all[e.Name] = e
	}
	return all
}

func TestReadsAFileWithItsSignature(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.wasm", "module")
	f := New(dir)
	file, err := f.Read("a.wasm")
	if err != nil || string(file.Wasm) != "module" || file.Signature != nil {
		t.Fatalf("got %q %q, %v", file.Wasm, file.Signature, err)
	}
	put(t, dir, "a.wasm.minisig", "signature")
	file, err = f.Read("a.wasm")
	if err != nil || string(file.Signature) != "signature" {
		t.Fatalf("got %q, %v", file.Signature, err)
	}
	if stamp := list(t, f)["a.wasm"].Stamp; stamp != file.Stamp {
		t.Errorf("the stamps of list and read are %s and %s", stamp, file.Stamp)
	}
}

// TestWhatIsNoModuleFile puts things into a real folder that a careless reader would
// follow, wait for, or fill its memory with.
func TestWhatIsNoModuleFile(t *testing.T) {
	outside := put(t, t.TempDir(), "secret.wasm", "secret")
	for name, test := range map[string]struct {
		make func(path string) error
		want string
	}{
		"out.wasm":     {func(path string) error { return os.Symlink(outside, path) }, "symbolic link"},
		"in.wasm":      {func(path string) error { return os.Symlink("good.wasm", path) }, "symbolic link"},
		"fifo.wasm":    {func(path string) error { return unix.Mkfifo(path, 0o600) }, "no ordinary file"},
		"big.wasm":     {func(path string) error { return os.WriteFile(path, make([]byte, 9<<20), 0o600) }, "at most 8388608"},
		"open.wasm":    {func(path string) error { return errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o666)) }, "chmod go-w"},
		"blank .wasm":  {func(path string) error { return os.WriteFile(path, nil, 0o600) }, "rename it"},
		"e\u0301.wasm": {func(path string) error { return os.WriteFile(path, nil, 0o600) }, "rename it"},
		"link.wasm.minisig": {func(path string) error {
			return errors.Join(os.Symlink(outside, path), os.WriteFile(strings.TrimSuffix(path, ".minisig"), []byte("x"), 0o600))
		}, "its signature"},
		"long.wasm.minisig": {func(path string) error {
			return errors.Join(os.WriteFile(path, make([]byte, MaxSignature+1), 0o600), os.WriteFile(strings.TrimSuffix(path, ".minisig"), []byte("x"), 0o600))
		}, "its signature"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, "good.wasm", "good")
			if err := test.make(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			module := strings.TrimSuffix(name, SignatureSuffix)
			f := New(dir)
			entry, there := list(t, f)[module]
			if !there {
				t.Fatal("it is not spoken of")
			}
			_, err := f.Read(module)
			if err == nil {
				t.Fatal("it was read")
			}
			if module == name && (entry.Fault == nil || !strings.Contains(entry.Fault.Error(), test.want)) {
				t.Errorf("listed with %v", entry.Fault)
			}
			if goodName.MatchString(module) && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestWhatNobodyTakesForAModule(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"README", "a.wasm.minisig", ".a.wasm", "b.wasm~", "c.wasm.part"} {
		put(t, dir, name, "x")
	}
	if err := os.Mkdir(filepath.Join(dir, "d.wasm"), 0o700); err != nil {
		t.Fatal(err)
	}
	if all := list(t, New(dir)); len(all) != 0 {
		t.Errorf("got %v", all)
	}
}

func TestAFileThatChangesWhileItIsRead(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"written": func(path string) error { return os.WriteFile(path, []byte("other"), 0o600) },
		"grown": func(path string) error {
			file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			_, err = file.WriteString("more")
			return errors.Join(err, file.Close())
		},
		"cut": func(path string) error { return os.Truncate(path, 2) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := put(t, dir, "a.wasm", "bytes")
			f := New(dir)
			f.between = func(string) {
				if err := change(path); err != nil {
					t.Error(err)
				}
			}
			if _, err := f.Read("a.wasm"); !errors.Is(err, ErrChanging) {
				t.Fatalf("got %v", err)
			}
			f.between = func(string) {}
			if _, err := f.Read("a.wasm"); err != nil {
				t.Errorf("when it has settled: %v", err)
			}
		})
	}
}

func TestFolderItself(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "modules")
	f := New(dir)
	if _, err := f.List(nobody); !errors.Is(err, ErrGone) {
		t.Errorf("a folder that is not there: %v", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if all := list(t, f); len(all) != 0 {
		t.Errorf("an empty folder has %v", all)
	}
	put(t, dir, "a.wasm", "x")
	for _, mode := range []os.FileMode{0o777, 0o775, 0o702} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		_, err := f.List(nobody)
		if _, readErr := f.Read("a.wasm"); !errors.Is(err, ErrOpen) || !errors.Is(readErr, ErrOpen) || !strings.Contains(err.Error(), "chmod go-w "+dir) {
			t.Errorf("mode %o: %v, %v", mode, err, readErr)
		}
	}
}

func TestAFolderOfSomebodyElse(t *testing.T) {
	if os.Geteuid() != 0 {
		const reason = "giving a folder away needs root"
		if os.Getenv("COFFERDAM_CI") == "1" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	l, err := New(dir).List(nobody)
	if err != nil || len(l.Warnings) != 1 || !strings.Contains(l.Warnings[0], "belongs to user 12345") {
		t.Errorf("got %v, %v", l.Warnings, err)
	}
}

func TestFiveHundredFiles(t *testing.T) {
	dir := t.TempDir()
	for i := range 500 {
		put(t, dir, fmt.Sprintf("m%03d.wasm", i), "x")
	}
	l, err := New(dir).List(func(name string) bool { return name == "m499.wasm" })
	if err != nil || len(l.Entries) != MaxFiles || l.Beyond != 500-MaxFiles {
		t.Fatalf("%d entries and %d beyond, %v", len(l.Entries), l.Beyond, err)
	}
	if l.Entries[0].Name != "m499.wasm" || l.Entries[1].Name != "m000.wasm" || l.Entries[MaxFiles-1].Name != "m254.wasm" {
		t.Errorf("the order is %s, %s … %s", l.Entries[0].Name, l.Entries[1].Name, l.Entries[MaxFiles-1].Name)
	}
}

func TestNamesThatLeaveTheFolder(t *testing.T) {
	dir := t.TempDir()
	inner := filepath.Join(dir, "inner")
	if err := os.Mkdir(inner, 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "a.wasm", "x")
	for _, name := range []string{"../a.wasm", "/etc/passwd", dir + "/a.wasm", "..", "", "a.wasm\x00.wasm"} {
		if _, err := New(inner).Read(name); err == nil {
			t.Errorf("%q was read", name)
		}
	}
}
