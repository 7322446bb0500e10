package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cofferdam-bot/cofferdam/security/audit"
)

func TestAuditTornLastLineIsCutOffAndRecorded(t *testing.T) {
	torn := []byte(`{"seq":4,"time":"2026-03-01T12`)
	for name, test := range map[string]struct{ behind, want []byte }{
		"a part of a record": {behind: torn, want: []byte("30 bytes")},
		"zeros":              {behind: make([]byte, 5000), want: []byte("5000 bytes")},
	} {
		dir := privateDir(t)
		keep(t, dir, 3)
		whole := auditText(t, dir)
		setFile(t, filepath.Join(dir, AuditFile), append(bytes.Clone(whole), test.behind...))
		l := openAudit(t, dir)
		rest, same := bytes.CutPrefix(auditText(t, dir), whole)
		if !same || !bytes.Contains(rest, []byte(`"event":"audit.torn","actor":"bot"`)) || !bytes.Contains(rest, test.want) {
			t.Errorf("%s: %s", name, rest)
		}
		if err := l.Record(t.Context(), stopped); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		good(t, dir, 5)
	}
}

// TestAuditRecordsBehindTheHead is a crash between a record and its head.
func TestAuditRecordsBehindTheHead(t *testing.T) {
	for _, known := range []int{0, 1, 3} {
		dir := privateDir(t)
		keep(t, dir, known)
		head, err := os.ReadFile(filepath.Join(dir, "audit.head"))
		if err != nil {
			t.Fatal(err)
		}
		keep(t, dir, 2)
		setFile(t, filepath.Join(dir, "audit.head"), head)
		good(t, dir, uint64(known)+2)
		if l := openAudit(t, dir); l.Head().Seq != uint64(known)+2 {
			t.Errorf("with %d known: %+v", known, l.Head())
		}
	}
}

func TestAuditHasOneWriter(t *testing.T) {
	dir := privateDir(t)
	openAudit(t, dir)
	if _, err := OpenAudit(dir, AuditOptions{}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second one: %v", err)
	}
}

// TestOpenAuditRefuses holds that a log that was touched is neither written to
// nor silently continued.
func TestOpenAuditRefuses(t *testing.T) {
	lines := func(text []byte) [][]byte { return bytes.SplitAfter(text, []byte("\n"))[:5] }
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for name, change := range map[string]func(text []byte) []byte{
		"the last record cut off":  func(text []byte) []byte { return join(lines(text)[:4]...) },
		"cut in the last record":   func(text []byte) []byte { return text[:len(text)-20] },
		"the last newline cut off": func(text []byte) []byte { return text[:len(text)-1] },
		"all cut off":              func([]byte) []byte { return nil },
		"the last record changed": func(text []byte) []byte {
			return append(text[:len(text)-200], bytes.Replace(text[len(text)-200:], []byte("done"), []byte("DONE"), 1)...)
		},
		"the first two swapped":       nil,
		"the last two swapped":        func(text []byte) []byte { l := lines(text); return join(l[0], l[1], l[2], l[4], l[3]) },
		"one removed":                 func(text []byte) []byte { l := lines(text); return join(l[0], l[1], l[3], l[4]) },
		"an old record at the end":    func(text []byte) []byte { return join(text, lines(text)[1]) },
		"foreign text at the end":     func(text []byte) []byte { return join(text, []byte("{}\n")) },
		"foreign text without an end": func(text []byte) []byte { return join(text, []byte("hello")) },
		"another file":                func(text []byte) []byte { return bytes.Repeat([]byte{1, 2, 3, '\n'}, 1000) },
		"a long line":                 func(text []byte) []byte { return bytes.Repeat([]byte("a"), len(text)+3*audit.MaxLine) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := privateDir(t)
			keep(t, dir, 5)
			path := filepath.Join(dir, AuditFile)
			if change == nil {
				// What happened long ago is for VerifyAudit: opening reads the end only.
				l := lines(auditText(t, dir))
				setFile(t, path, join(l[1], l[0], l[2], l[3], l[4]))
				openAudit(t, dir)
				if _, err := VerifyAudit(path); err == nil {
					t.Error("it is taken for good")
				}
				return
			}
			setFile(t, path, change(auditText(t, dir)))
			before := auditText(t, dir)
			auditRefused(t, dir)
			if after := auditText(t, dir); !bytes.Equal(after, before) {
				t.Errorf("the log was changed: %q", after)
			}
			if _, err := VerifyAudit(path); err == nil {
				t.Error("VerifyAudit takes it for good")
			}
		})
	}
}

// refused fails unless opening is, with what to do. What it says fits on a line.
func auditRefused(t *testing.T, dir string) {
	t.Helper()
	_, err := OpenAudit(dir, AuditOptions{})
	if !errors.Is(err, ErrAuditBroken) {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{"cofferdam audit verify", "move " + dir, "audit.head"} {
		if !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
}

func TestOpenAuditMissesFiles(t *testing.T) {
	for _, gone := range []string{AuditFile, "audit.head"} {
		dir := privateDir(t)
		keep(t, dir, 2)
		if err := os.Remove(filepath.Join(dir, gone)); err != nil {
			t.Fatal(err)
		}
		auditRefused(t, dir)
		if _, err := os.Stat(filepath.Join(dir, gone)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there again: %v", gone, err)
		}
	}
	for _, text := range []string{"", "{}x", "[]", "\x00\x00", `{"seq":1,"hash":"","size":1}`, `{"seq":1,"hash":"00","size":-1}`, `{"seq":0,"hash":"","size":9}`} {
		dir := privateDir(t)
		keep(t, dir, 2)
		setFile(t, filepath.Join(dir, "audit.head"), []byte(text))
		auditRefused(t, dir)
		if _, err := VerifyAudit(filepath.Join(dir, AuditFile)); !errors.Is(err, ErrAuditBroken) {
			t.Errorf("head %q: %v", text, err)
		}
	}
	// Both moved away: a new log begins.
	dir := privateDir(t)
	keep(t, dir, 2)
	for _, name := range []string{AuditFile, "audit.head"} {
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(dir, "old-"+name)); err != nil {
			t.Fatal(err)
		}
	}
	keep(t, dir, 1)
	good(t, dir, 1)
	if report, err := VerifyAudit(filepath.Join(dir, "old-"+AuditFile)); err != nil || report.Records != 2 || report.Headless {
		t.Errorf("the old one: %+v, %v", report, err)
	}
}

func TestOpenAuditTakesPlainFilesOnly(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"a pipe":      func(path string) error { return unix.Mkfifo(path, 0o600) },
		"a link":      func(path string) error { return os.Symlink("/dev/null", path) },
	} {
		dir := privateDir(t)
		keep(t, dir, 0)
		path := filepath.Join(dir, AuditFile)
		if err := errors.Join(os.Remove(path), make(path)); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenAudit(dir, AuditOptions{}); err == nil {
			t.Errorf("%s is taken for a log", name)
		}
		if _, err := VerifyAudit(path); err == nil {
			t.Errorf("%s is verified", name)
		}
	}
	if _, err := OpenAudit("/proc/nowhere/state", AuditOptions{}); err == nil || !strings.Contains(err.Error(), "--state-dir") {
		t.Errorf("no directory: %v", err)
	}
}
