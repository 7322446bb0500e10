package vault

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func open(t *testing.T, dir string) *Vault {
	t.Helper()
	v, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func keep(t *testing.T, v *Vault, content string) string {
	t.Helper()
	digest, err := v.Put([]byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func TestKeeps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "modules")
	for name, v := range map[string]*Vault{"on disk": open(t, dir), "in memory": OpenMemory()} {
		t.Run(name, func(t *testing.T) {
			a, b := keep(t, v, "module a"), keep(t, v, "module b")
			keep(t, v, "module a")
			if got, err := v.Get(a); err != nil || string(got) != "module a" || v.Len() != 2 {
				t.Fatalf("got %q, %v, of %d", got, err, v.Len())
			}
			if err := v.Keep(func(digest string) bool { return digest == b }); err != nil {
				t.Fatal(err)
			}
			if _, err := v.Get(a); !errors.Is(err, ErrNone) {
				t.Errorf("what is not kept: %v", err)
			}
			if _, err := v.Get(b); err != nil {
				t.Errorf("what is kept: %v", err)
			}
			for _, digest := range []string{"", "../" + b, strings.ToUpper(b), b[:10]} {
				if _, err := v.Get(digest); !errors.Is(err, ErrNone) {
					t.Errorf("%q: %v", digest, err)
				}
			}
		})
	}
	for path, want := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, mustOne(t, dir)): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func mustOne(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	return entries[0].Name()
}

func TestOutlivesARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "modules")
	digest := keep(t, open(t, dir), "module")
	half := filepath.Join(dir, digest+".wasm.new-123")
	if err := os.WriteFile(half, []byte("mod"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, digest), 0o700); err != nil { // compiled code lies there
		t.Fatal(err)
	}
	v := open(t, dir)
	if got, err := v.Get(digest); err != nil || string(got) != "module" || v.Len() != 1 {
		t.Errorf("got %q, %v, of %d", got, err, v.Len())
	}
	if _, err := os.Stat(half); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what a crash left: %v", err)
	}
	if err := v.Keep(func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	if left := mustOne(t, dir); left != digest {
		t.Errorf("left is %s", left)
	}
}

// TestChangedCopies changes a copy behind the vault's back: it is never returned, and a
// good one takes its place.
func TestChangedCopies(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "modules")
	v := open(t, dir)
	digest := keep(t, v, "module")
	path := filepath.Join(dir, digest+".wasm")
	for name, change := range map[string]func() error{
		"other bytes": func() error { return os.WriteFile(path, []byte("modulE"), 0o600) },
		"cut":         func() error { return os.Truncate(path, 3) },
		"too large":   func() error { return os.Truncate(path, MaxFile+1) },
		"a link": func() error {
			good := filepath.Join(t.TempDir(), "good")
			return errors.Join(os.WriteFile(good, []byte("module"), 0o600), os.Remove(path), os.Symlink(good, path))
		},
		"gone": func() error { return os.Remove(path) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := change(); err != nil {
				t.Fatal(err)
			}
			if got, err := v.Get(digest); err == nil {
				t.Fatalf("got %q", got)
			}
			if keep(t, v, "module") != digest {
				t.Error("another digest")
			}
			if got, err := v.Get(digest); err != nil || string(got) != "module" {
				t.Errorf("after it was put again: %q, %v", got, err)
			}
		})
	}
}

func TestIsBounded(t *testing.T) {
	v := OpenMemory()
	if _, err := v.Put(make([]byte, MaxFile+1)); !errors.Is(err, ErrFull) {
		t.Errorf("a large file: %v", err)
	}
	v.most = 10
	keep(t, v, "123456")
	if _, err := v.Put([]byte("abcdef")); !errors.Is(err, ErrFull) {
		t.Errorf("too many bytes: %v", err)
	}
	keep(t, v, "123456") // is there already
	v.most = MaxMemory
	for i := range MaxFiles - 1 {
		keep(t, v, string(bytes.Repeat([]byte{'x'}, i)))
	}
	if _, err := v.Put([]byte("one more")); !errors.Is(err, ErrFull) {
		t.Errorf("too many files: %v", err)
	}
}

func TestOpenRefusesAFolderOfOthers(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "chmod 700 "+dir) {
		t.Errorf("got %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(link); err == nil {
		t.Error("a symbolic link was followed")
	}
}
