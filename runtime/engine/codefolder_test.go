package engine

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// returning is a guest with a return code of its own, so that it can be seen
// whose code runs.
func returning(code int) []byte { return guest{handle: i32(code)}.assemble() }

// entryOf returns the file in which wazero keeps a module's code.
func entryOf(t *testing.T, cacheDir string, wasm []byte) (folder codeFolder, entry string) {
	t.Helper()
	folder, err := openCodeFolder(cacheDir, wasm)
	if err != nil {
		t.Fatal(err)
	}
	if folder.work != folder.final {
		t.Fatalf("%s is not sealed", folder.final)
	}
	if len(folder.found) != 1 {
		t.Fatalf("entries %v, want one", folder.found)
	}
	return folder, folder.found[0]
}

func mustReturn(t *testing.T, e *Engine, wasm []byte, want int) {
	t.Helper()
	answer, fault := invoke(t, loadWith(t, e, wasm, patient()), "")
	if fault != nil || int(answer.Code) != want {
		t.Errorf("returned %d, %v; want %d", answer.Code, fault, want)
	}
}

// Proof that the second Load takes the code from the folder: with another
// module's code in it, and a seal over that, the other module's code runs.
// It is also why nobody else may write there.
func TestLoadTakesCodeFromTheFolder(t *testing.T) {
	dir := t.TempDir()
	e := newEngine(t, dir, operations(nil))
	mustReturn(t, e, returning(1), 1)
	mustReturn(t, e, returning(2), 2)
	folder, entry := entryOf(t, dir, returning(1))
	_, other := entryOf(t, dir, returning(2))
	code, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, entry, code)
	seal, err := digestOf(folder.final)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, filepath.Join(folder.final, sealFile), []byte(seal))
	mustReturn(t, newEngine(t, dir, operations(nil)), returning(1), 2)
}

func overwrite(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Another wazero, or another processor, puts its code beside what is there, and
// both stay good.
func TestFolderTakesASecondEntry(t *testing.T) {
	dir := t.TempDir()
	e := newEngine(t, dir, operations(nil))
	mustReturn(t, e, returning(1), 1)
	folder, entry := entryOf(t, dir, returning(1))
	other := filepath.Join(filepath.Dir(entry), strings.Repeat("0", 64))
	if err := os.Rename(entry, other); err != nil {
		t.Fatal(err)
	}
	seal, err := digestOf(folder.final)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, filepath.Join(folder.final, sealFile), []byte(seal))
	mustReturn(t, e, returning(1), 1)
	if entries := entriesIn(folder.final); len(entries) != 2 || !sealed(folder.final) {
		t.Errorf("entries %v, sealed: %v", entries, sealed(folder.final))
	}
}

// Whatever happened to a folder, the module is compiled anew and its code is
// sealed again.
func TestLoadRepairsADamagedFolder(t *testing.T) {
	dir := t.TempDir()
	e := newEngine(t, dir, operations(nil))
	mustReturn(t, e, returning(1), 1)
	folder, entry := entryOf(t, dir, returning(1))
	whole, err := os.ReadFile(entry)
	if err != nil {
		t.Fatal(err)
	}
	damages := map[string]func(){
		"entry is empty":         func() { overwrite(t, entry, nil) },
		"entry is cut":           func() { overwrite(t, entry, whole[:len(whole)/2]) },
		"entry is longer":        func() { overwrite(t, entry, append(bytes.Clone(whole), 0)) },
		"entry is gone":          func() { os.Remove(entry) },
		"entry is a folder":      func() { os.Remove(entry); os.Mkdir(entry, 0o700) },
		"entry is a link":        func() { os.Remove(entry); os.Symlink("/dev/zero", entry) },
		"another file":           func() { overwrite(t, filepath.Join(folder.final, "note"), []byte("hello")) },
		"seal is gone":           func() { os.Remove(filepath.Join(folder.final, sealFile)) },
		"seal is empty":          func() { overwrite(t, filepath.Join(folder.final, sealFile), nil) },
		"seal is of other bytes": func() { overwrite(t, filepath.Join(folder.final, sealFile), bytes.Repeat([]byte("0"), 64)) },
		"folder is a file":       func() { os.RemoveAll(folder.final); overwrite(t, folder.final, []byte("hello")) },
	}
	for at := 0; at < len(whole); at += 1 + at/16 { // above all the counts and offsets at the beginning
		damages[fmt.Sprintf("byte %d is another", at)] = func() {
			spoilt := bytes.Clone(whole)
			spoilt[at] ^= 0xff
			overwrite(t, entry, spoilt)
		}
	}
	for name, damage := range damages {
		damage()
		mustReturn(t, e, returning(1), 1)
		if !sealed(folder.final) {
			t.Fatalf("%s: the folder was not sealed again", name)
		}
		if again, err := os.ReadFile(entry); err != nil || len(again) != len(whole) {
			t.Fatalf("%s: the entry has %d bytes, %v; want %d", name, len(again), err, len(whole))
		}
	}
}

func TestFolderIsClosedToOthers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	mustReturn(t, newEngine(t, dir, operations(nil)), returning(1), 1)
	files := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if entry.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %04o, want %04o", path, got, want)
		}
		return nil
	})
	if err != nil || files != 2 {
		t.Errorf("%d files, %v; want an entry and a seal", files, err)
	}
}

func TestNewRefusesAFolderThatOthersWrite(t *testing.T) {
	for _, mode := range []fs.FileMode{0o777, 0o770, 0o702} {
		dir := t.TempDir()
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := New(dir, nil); err == nil || !strings.Contains(err.Error(), "chmod 0700 "+dir) {
			t.Errorf("mode %04o: error %v", mode, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	overwrite(t, file, nil)
	if _, err := New(file, nil); err == nil {
		t.Error("a file was accepted as a folder")
	}
}

func TestNewRemovesWhatACrashLeft(t *testing.T) {
	dir := t.TempDir()
	old, young := filepath.Join(dir, strings.Repeat("aa", 32)+newMark+"1"), filepath.Join(dir, strings.Repeat("bb", 32)+newMark+"2")
	// Sealed code lasts a month after its last use; what is not ours lasts.
	kept, unused, foreign := filepath.Join(dir, strings.Repeat("cc", 32)), filepath.Join(dir, strings.Repeat("dd", 32)), filepath.Join(dir, "photos")
	for _, path := range []string{old, young, kept, unused, foreign} {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-2 * time.Hour)
	for _, path := range []string{old, kept} {
		if err := os.Chtimes(path, long, long); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{unused, foreign} {
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-31*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	newEngine(t, dir, nil)
	for path, want := range map[string]bool{old: false, young: true, kept: true, unused: false, foreign: true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", filepath.Base(path), err == nil, want)
		}
	}
}

func TestLoadWithoutAUsableFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	e := newEngine(t, dir, operations(nil))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	mustReturn(t, e, returning(1), 1)
	if _, err := os.Stat(dir); err == nil {
		t.Error("a folder that somebody removed was made again")
	}
	overwrite(t, dir, []byte("in the way"))
	mustReturn(t, e, returning(1), 1)
}

func TestEqualFilesAreLoadedSideBySide(t *testing.T) {
	dir := t.TempDir()
	e := newEngine(t, dir, operations(nil))
	for range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			mustReturn(t, e, returning(1), 1)
		})
	}
	t.Cleanup(func() {
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("%v, %v; want one folder", entries, err)
		}
	})
}
