package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cofferdam-bot/cofferdam/security/audit"
)

var stopped = audit.Entry{
	Event: "docker.action", Trace: "t-1", Actor: "12******89", Role: "admin", Module: "containers",
	Capability: "docker.containers.stop", Target: "web (0123456789ab) on local", Decision: "allow", Outcome: "done",
}

func openAudit(t *testing.T, dir string) *AuditLog {
	t.Helper()
	l, err := OpenAudit(dir, AuditOptions{Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// keep opens the log, writes n records and closes it.
func keep(t *testing.T, dir string, n int) {
	t.Helper()
	l := openAudit(t, dir)
	for range n {
		if err := l.Record(t.Context(), stopped); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func auditText(t *testing.T, dir string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, AuditFile))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func setFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// good fails unless the log in the directory has so many records and no fault.
func good(t *testing.T, dir string, n uint64) {
	t.Helper()
	report, err := VerifyAudit(filepath.Join(dir, AuditFile))
	if err != nil || report.Records != n || report.Headless {
		t.Errorf("%+v, %v; want %d records", report, err, n)
	}
}

func TestAuditGoesOnAfterARestart(t *testing.T) {
	dir := privateDir(t)
	for n := range uint64(4) {
		keep(t, dir, 2)
		good(t, dir, 2*n+2)
	}
	for _, name := range []string{AuditFile, "audit.head"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if head := openAudit(t, dir).Head(); head.Seq != 8 || head.Hash == "" {
		t.Errorf("head %+v", head)
	}
}

func TestAuditRecordIsOnDiskWhenRecordReturns(t *testing.T) {
	dir := privateDir(t)
	l := openAudit(t, dir)
	var flushed atomic.Int64 // how long the log was at its last flush
	l.disk.flush = func(f *os.File) error {
		if info, err := f.Stat(); err == nil && filepath.Base(f.Name()) == AuditFile {
			flushed.Store(info.Size())
		}
		return flushData(f)
	}
	for n := range uint64(3) {
		if err := l.Record(t.Context(), stopped); err != nil {
			t.Fatal(err)
		}
		if size := int64(len(auditText(t, dir))); flushed.Load() != size {
			t.Errorf("%d of %d bytes are flushed", flushed.Load(), size)
		}
		good(t, dir, n+1)
	}
}

func TestAuditTextsAreCleaned(t *testing.T) {
	dir := privateDir(t)
	l, err := OpenAudit(dir, AuditOptions{Clean: func(s string) string { return strings.ReplaceAll(s, "hunter2", "[hidden]") }})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	before := time.Now().Add(-time.Second)
	if err := l.Record(t.Context(), audit.Entry{Event: "docker.action", Actor: "bot", Target: "hunter2\n{\"seq\":2}"}); err != nil {
		t.Fatal(err)
	}
	text := string(auditText(t, dir))
	if strings.Contains(text, "hunter2") || !strings.Contains(text, "[hidden]") || strings.Count(text, "\n") != 1 {
		t.Errorf("got %s", text)
	}
	if report, err := VerifyAudit(filepath.Join(dir, AuditFile)); err != nil || report.First.Before(before) {
		t.Errorf("without a clock of its own: %+v, %v", report, err)
	}
}

func TestAuditWritersShareAFlush(t *testing.T) {
	dir := privateDir(t)
	l := openAudit(t, dir)
	var flushes atomic.Int64
	busy, release := make(chan struct{}), make(chan struct{})
	l.disk.flush = func(f *os.File) error {
		if filepath.Base(f.Name()) == AuditFile && flushes.Add(1) == 1 {
			close(busy)
			<-release
		}
		return flushData(f)
	}
	var wg sync.WaitGroup
	record := func() {
		if err := l.Record(context.Background(), stopped); err != nil {
			t.Error(err)
		}
	}
	wg.Go(record)
	<-busy
	for range 100 {
		wg.Go(record)
	}
	for len(l.writes) < 100 {
		runtime.Gosched()
	}
	close(release)
	wg.Wait()
	if n := flushes.Load(); n != 2 {
		t.Errorf("101 records took %d flushes, want 2", n)
	}
	good(t, dir, 101)
}

func TestAuditOneBadEntrySpoilsNoOther(t *testing.T) {
	dir := privateDir(t)
	l := openAudit(t, dir)
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			entry := stopped
			if i%10 == 0 {
				entry = audit.Entry{}
			}
			if err := l.Record(context.Background(), entry); (err != nil) != (i%10 == 0) {
				t.Errorf("record %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	good(t, dir, 90)
}

// TestAuditDiskFull has the kernel refuse a write in its middle, by the limit
// for the size of a file.
func TestAuditDiskFull(t *testing.T) {
	if !inChild(t) {
		return
	}
	dir := privateDir(t)
	l := openAudit(t, dir)
	if err := l.Record(t.Context(), stopped); err != nil {
		t.Fatal(err)
	}
	before := auditText(t, dir)
	signal.Ignore(unix.SIGXFSZ)
	defer signal.Reset(unix.SIGXFSZ)
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	full := old
	full.Cur = uint64(len(before)) + 100
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &full); err != nil {
		t.Fatal(err)
	}
	var failed []error
	for range 3 {
		failed = append(failed, l.Record(t.Context(), stopped))
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	for _, err := range failed {
		if !errors.Is(err, unix.EFBIG) || errors.Is(err, ErrAuditBroken) {
			t.Errorf("got %v", err)
		}
	}
	if after := auditText(t, dir); !bytes.Equal(after, before) {
		t.Errorf("left behind: %q", after[len(before):])
	}
	good(t, dir, 1)
	if err := l.Record(t.Context(), stopped); err != nil {
		t.Errorf("with room again: %v", err)
	}
	good(t, dir, 2)
}

func TestAuditFlushFails(t *testing.T) {
	wrong := errors.New("input/output error")
	for _, name := range []string{AuditFile, "audit.head.new"} {
		dir := privateDir(t)
		keep(t, dir, 2)
		before := auditText(t, dir)
		l := openAudit(t, dir)
		fail := true
		l.disk.flush = func(f *os.File) error {
			if fail && filepath.Base(f.Name()) == name {
				return wrong
			}
			return flushData(f)
		}
		for range 2 {
			if err := l.Record(t.Context(), stopped); !errors.Is(err, wrong) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if after := auditText(t, dir); !bytes.Equal(after, before) || l.Head().Seq != 2 {
			t.Errorf("%s: left behind: %q", name, after[len(before):])
		}
		fail = false
		if err := l.Record(t.Context(), stopped); err != nil {
			t.Errorf("%s: later: %v", name, err)
		}
		good(t, dir, 3)
	}
}

// TestAuditIsNotWrittenWhereNobodyLooks: a log that is moved, replaced or
// written to while the bot runs takes no records.
func TestAuditIsNotWrittenWhereNobodyLooks(t *testing.T) {
	for name, touch := range map[string]func(path string) error{
		"moved":   func(path string) error { return os.Rename(path, path+".1") },
		"removed": os.Remove,
		"replaced": func(path string) error {
			return errors.Join(os.Rename(path, path+".1"), os.WriteFile(path, nil, 0o600))
		},
		"cut off":    func(path string) error { return os.Truncate(path, 0) },
		"written to": func(path string) error { return appendTo(path, "hello\n") },
	} {
		dir := privateDir(t)
		l := openAudit(t, dir)
		if err := errors.Join(l.Record(t.Context(), stopped), touch(filepath.Join(dir, AuditFile))); err != nil {
			t.Fatal(err)
		}
		if err := l.Record(t.Context(), stopped); !errors.Is(err, ErrAuditBroken) || l.Head().Seq != 1 {
			t.Errorf("%s: %v, head %+v", name, err, l.Head())
		}
	}
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func TestVerifyAuditWhileABotWrites(t *testing.T) {
	dir := privateDir(t)
	l := openAudit(t, dir)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if err := l.Record(context.Background(), stopped); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var last uint64
	for last < 200 && !t.Failed() {
		report, err := VerifyAudit(filepath.Join(dir, AuditFile))
		if err != nil || report.Records < last {
			t.Errorf("%+v, %v", report, err)
		}
		last = report.Records
	}
	wg.Wait()
	good(t, dir, 200)
}

func TestVerifyAuditWithoutAHead(t *testing.T) {
	dir := privateDir(t)
	keep(t, dir, 2)
	copied := filepath.Join(t.TempDir(), "copy.jsonl")
	setFile(t, copied, auditText(t, dir))
	if report, err := VerifyAudit(copied); err != nil || report.Records != 2 || !report.Headless {
		t.Errorf("%+v, %v", report, err)
	}
	if _, err := VerifyAudit(copied + ".not"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no log: %v", err)
	}
}

func TestAuditInMemory(t *testing.T) {
	l := OpenAuditMemory(AuditOptions{})
	for range 3 {
		if err := l.Record(t.Context(), stopped); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Record(t.Context(), audit.Entry{}); err == nil || l.Head().Seq != 3 {
		t.Errorf("head %+v, %v", l.Head(), err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestClosedAuditRefuses(t *testing.T) {
	dir := privateDir(t)
	l := openAudit(t, dir)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Record(context.Background(), stopped); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// TestAuditRecordObeysItsContext: while the disk hangs and the queue is full,
// who waits for a place may give up.
func TestAuditRecordObeysItsContext(t *testing.T) {
	l := openAudit(t, privateDir(t))
	release := make(chan struct{})
	l.disk.flush = func(f *os.File) error { <-release; return flushData(f) }
	var wg sync.WaitGroup
	for range 2*maxGroup + 1 {
		wg.Go(func() {
			if err := l.Record(context.Background(), stopped); err != nil {
				t.Error(err)
			}
		})
	}
	for len(l.writes) < maxGroup {
		runtime.Gosched()
	}
	ctx, cancel := context.WithCancel(context.Background())
	gaveUp := make(chan error)
	go func() { gaveUp <- l.Record(ctx, stopped) }()
	cancel()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(release)
	wg.Wait()
	if n := l.Head().Seq; n != 2*maxGroup+1 {
		t.Errorf("%d records", n)
	}
}

func BenchmarkAuditRecord(b *testing.B) {
	for _, writers := range []int{1, 100} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			l, err := OpenAudit(filepath.Join(b.TempDir(), "state"), AuditOptions{})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var wg sync.WaitGroup
			for range writers {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if err := l.Record(context.Background(), stopped); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// BenchmarkOpenAudit shows that opening does not read the whole log.
func BenchmarkOpenAudit(b *testing.B) {
	for _, records := range []int{100, 20_000} {
		b.Run(fmt.Sprintf("records=%d", records), func(b *testing.B) {
			dir := filepath.Join(b.TempDir(), "state")
			l, err := OpenAudit(dir, AuditOptions{})
			if err != nil {
				b.Fatal(err)
			}
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					for range records / 100 {
						if err := l.Record(context.Background(), stopped); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			l.Close()
			for b.Loop() {
				l, err := OpenAudit(dir, AuditOptions{})
				if err != nil {
					b.Fatal(err)
				}
				l.Close()
			}
		})
	}
}
