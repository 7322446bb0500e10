package metrics

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// machine is a tree of files for a Reader, and its clock.
type machine struct {
	root string
	t    testing.TB
	at   atomic.Int64 // milliseconds
}

func newMachine(t testing.TB, files map[string]string) *machine {
	m := &machine{root: t.TempDir(), t: t}
	m.at.Store(1_900_000_000_000)
	for name, text := range files {
		m.write(name, text)
	}
	return m
}

func (m *machine) write(name, text string) {
	m.t.Helper()
	path := filepath.Join(m.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) now() time.Time { return time.UnixMilli(m.at.Load()) }

// reader returns a reader whose waiting moves the clock, after calling tick.
func (m *machine) reader(tick func()) *Reader {
	r := New(Config{
		Root: m.root, Proc: filepath.Join(m.root, "proc"), Sys: filepath.Join(m.root, "sys"),
		DiskTimeout: 50 * time.Millisecond,
	}, m.now)
	pass := func(ctx context.Context, d time.Duration) error {
		m.at.Add(d.Milliseconds())
		if tick != nil {
			tick()
		}
		return ctx.Err()
	}
	r.cpu.wait, r.procs.wait, r.disks.wait, r.net.wait = pass, pass, pass, pass
	return r
}

func testdata(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func wantCode(t testing.TB, err error, want abi.Code) {
	t.Helper()
	var answer *abi.Error
	if !errors.As(err, &answer) || answer.Code != want {
		t.Fatalf("error %v, want %v", err, want)
	}
}

func near(got, want float64) bool { return got > want-1e-6 && got < want+1e-6 }

func replaceRoot(table, root string) string { return strings.ReplaceAll(table, "ROOT", root) }
