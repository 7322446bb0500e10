package folder

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// watching runs Watch and returns what it calls.
func watching(t *testing.T, f *Folder, p Pace, again time.Duration) <-chan struct{} {
	t.Helper()
	calls := make(chan struct{}, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.Watch(ctx, p, func(context.Context) time.Duration { calls <- struct{}{}; return again }, func(err error) { t.Error(err) })
	}()
	t.Cleanup(func() { cancel(); <-done })
	called(t, calls) // at once
	return calls
}

func called(t *testing.T, calls <-chan struct{}) {
	t.Helper()
	select {
	case <-calls:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was noticed")
	}
}

// never polls within a test.
var never = Pace{Quiet: 10 * time.Millisecond, Poll: time.Hour}

func TestWatchNoticesFiles(t *testing.T) {
	dir := t.TempDir()
	calls := watching(t, New(dir), never, 0)
	path := put(t, dir, "a.wasm", "x")
	called(t, calls)
	if err := os.Rename(path, filepath.Join(dir, "b.wasm")); err != nil {
		t.Fatal(err)
	}
	called(t, calls)
	if err := os.Remove(filepath.Join(dir, "b.wasm")); err != nil {
		t.Fatal(err)
	}
	called(t, calls)
}

// TestWatchIsNotKeptBusy writes all the time: the folder is looked at all the same, and
// not for each write.
func TestWatchIsNotKeptBusy(t *testing.T) {
	dir := t.TempDir()
	calls := watching(t, New(dir), Pace{Quiet: time.Hour, Longest: 50 * time.Millisecond, Poll: time.Hour}, 0)
	stop := time.After(400 * time.Millisecond)
	for writing := true; writing; {
		select {
		case <-stop:
			writing = false
		default:
			put(t, dir, "a.wasm", "x")
		}
	}
	called(t, calls)
	if n := len(calls); n > 20 {
		t.Errorf("called %d times", n)
	}
}

func TestWatchFollowsAFolderThatIsReplaced(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "modules")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	calls := watching(t, New(dir), never, 0)
	if err := os.Rename(dir, filepath.Join(parent, "old")); err != nil {
		t.Fatal(err)
	}
	called(t, calls)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Run("which polling finds", func(t *testing.T) {
		calls := watching(t, New(dir), Pace{Quiet: 10 * time.Millisecond, Poll: 20 * time.Millisecond}, 0)
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		called(t, calls)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		called(t, calls)
		called(t, calls)
	})
}

func TestWatchCallsAgainWhenAsked(t *testing.T) {
	calls := watching(t, New(t.TempDir()), never, time.Millisecond)
	called(t, calls)
	called(t, calls)
}
