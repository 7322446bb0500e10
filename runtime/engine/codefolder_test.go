package engine

import (
	"bytes"
	"context"
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

// codeOf returns the sealed folder of a file, and wazero's entry in it.
func codeOf(t *testing.T, e *Engine, wasm []byte) (folder, entry string) {
	t.Helper()
	folder, ok := e.find(digest(wasm))
	if !ok {
		t.Fatal("there is no sealed folder")
	}
	entries, err := filepath.Glob(filepath.Join(folder, "wazero-*", "*"))
	if err != nil || len(entries) != 1 {
		t.Fatalf("entries %v, want one", entries)
	}
	return folder, entries[0]
}

func reseal(t *testing.T, folder string) {
	t.Helper()
	if err := seal(folder); err != nil {
		t.Fatal(err)
	}
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
	folder, _ := codeOf(t, e, returning(1))
	other, _ := codeOf(t, e, returning(2))
	for _, dir := range []string{folder, other} {
		if err := os.Remove(filepath.Join(dir, sealFile)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(folder, os.DirFS(other)); err != nil {
		t.Fatal(err)
	}
	reseal(t, folder)
	mustReturn(t, newEngine(t, dir, operations(nil)), returning(1), 2)
}

func overwrite(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Code of another wazero, another meter or another processor has a folder of
// its own: in this one, wazero would not find its entry, and would compile a
// foreign file in this process.
func TestFoldersOfOtherProcessors(t *testing.T) {
	dir := t.TempDir()
	e := newEngine(t, dir, operations(nil))
	mustReturn(t, e, returning(1), 1)
	folder, _ := codeOf(t, e, returning(1))
	e.fingerprint += "x"
	if _, found := e.find(digest(returning(1))); found {
		t.Fatal("code of another fingerprint was found")
	}
	mustReturn(t, e, returning(1), 1)
	if other, _ := codeOf(t, e, returning(1)); other == folder || !sealed(folder) {
		t.Errorf("%s and %s, sealed: %v", other, folder, sealed(folder))
	}
}

// What came with the program is used, and left alone.
func TestShippedCode(t *testing.T) {
	shipped := filepath.Join(t.TempDir(), "shipped")
	mustReturn(t, newEngine(t, shipped, operations(nil)), returning(1), 1)
	before, err := digestOf(shipped)
	if err != nil {
		t.Fatal(err)
	}
	own := t.TempDir()
	open := func() *Engine {
		e, err := New(Config{CacheDir: own, Shipped: shipped, Operations: operations(nil)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Close(context.Background()) })
		return e
	}
	mustReturn(t, open(), returning(1), 1)
	mustReturn(t, open(), returning(2), 2)
	entries, err := os.ReadDir(own)
	if err != nil || len(entries) != 1 {
		t.Errorf("%d folders of its own, %v; want that of what was not shipped", len(entries), err)
	}
	if after, err := digestOf(shipped); err != nil || after != before {
		t.Errorf("what was shipped changed: %v", err)
	}
	if err := os.Chmod(shipped, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, found := open().find(digest(returning(1))); found {
		t.Error("code that anybody can write was found")
	}
}

// Whatever happened to a folder, the module is compiled anew and its code is
// sealed again.
func TestLoadRepairsADamagedFolder(t *testing.T) {
	dir := t.TempDir()
	e := newEngine(t, dir, operations(nil))
	mustReturn(t, e, returning(1), 1)
	folder, entry := codeOf(t, e, returning(1))
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
		"another file":           func() { overwrite(t, filepath.Join(folder, "note"), []byte("hello")) },
		"seal is gone":           func() { os.Remove(filepath.Join(folder, sealFile)) },
		"seal is empty":          func() { overwrite(t, filepath.Join(folder, sealFile), nil) },
		"seal is of other bytes": func() { overwrite(t, filepath.Join(folder, sealFile), bytes.Repeat([]byte("0"), 64)) },
		"folder is a file":       func() { os.RemoveAll(folder); overwrite(t, folder, []byte("hello")) },
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
		if !sealed(folder) {
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
	if err != nil || files != 3 {
		t.Errorf("%d files, %v; want an entry, what it was made of, and a seal", files, err)
	}
}

func TestNewRefusesAFolderThatOthersWrite(t *testing.T) {
	for _, mode := range []fs.FileMode{0o777, 0o770, 0o702} {
		dir := t.TempDir()
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Config{CacheDir: dir}); err == nil || !strings.Contains(err.Error(), "chmod 0700 "+dir) {
			t.Errorf("mode %04o: error %v", mode, err)
		}
	}
	if os.Geteuid() == 0 { // nobody else can give a folder away
		dir := t.TempDir()
		if err := os.Chown(dir, 12345, -1); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Config{CacheDir: dir}); err == nil || !strings.Contains(err.Error(), "chown 0 "+dir) {
			t.Errorf("a folder of another user: error %v", err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	overwrite(t, file, nil)
	if _, err := New(Config{CacheDir: file}); err == nil {
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

// A disk that is full, or a folder that somebody removed, costs a foreign
// module, and the project's own only their speed.
func TestLoadWithoutAUsableFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	e := newEngine(t, dir, operations(nil))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := tryLoad(t, e, returning(1), patient()); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a foreign module: %v", err)
	}
	m, err := e.Load(t.Context(), Source{Name: "own", Wasm: returning(1), Limits: patient(), BuiltIn: true})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if answer, fault := invoke(t, m, ""); fault != nil || answer.Code != 1 {
			t.Errorf("the project's own: %+v, %v", answer, fault)
		}
		m.working.Wait() // until the child has failed
	}
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
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

// The code of a built-in module is looked at when somebody asks for it, not at
// the start: what was damaged until then is made anew.
func TestABuiltInModulesFolderMayBeDamaged(t *testing.T) {
	dir := t.TempDir()
	mustReturn(t, newEngine(t, dir, operations(nil)), returning(1), 1)
	e := newEngine(t, dir, operations(nil))
	folder, entry := codeOf(t, e, returning(1))
	m, err := e.Load(t.Context(), Source{Name: "own", Wasm: returning(1), Limits: patient(), BuiltIn: true})
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, entry, []byte("garbage"))
	if answer, fault := invoke(t, m, ""); fault != nil || answer.Code != 1 {
		t.Errorf("%+v, %v", answer, fault)
	}
	m.working.Wait()
	if !sealed(folder) || m.code.interim {
		t.Errorf("sealed anew: %v; still interpreted: %v", sealed(folder), m.code.interim)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
