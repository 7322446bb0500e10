package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func handlersForTest() Handlers {
	return Handlers{
		"double": func(_ context.Context, argument []byte) (any, error) {
			var n int
			if err := json.Unmarshal(argument, &n); err != nil {
				return nil, errors.New("that is no number")
			}
			return 2 * n, nil
		},
		"halve": func(context.Context, []byte) (any, error) {
			return nil, fmt.Errorf("halve: %w", &Refusal{Code: "odd", Reason: "that is odd"})
		},
	}
}

func listen(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := Listen(dir, handlersForTest())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

func TestCall(t *testing.T) {
	dir := t.TempDir()
	s := listen(t, dir)
	var result int
	if err := Call(t.Context(), dir, "double", 21, &result); err != nil || result != 42 {
		t.Errorf("got %d, %v", result, err)
	}
	var refusal *Refusal
	if err := Call(t.Context(), dir, "double", "x", &result); !errors.As(err, &refusal) || *refusal != (Refusal{Reason: "that is no number"}) {
		t.Errorf("got %v, want the refusal", err)
	}
	if err := Call(t.Context(), dir, "halve", 3, &result); !errors.As(err, &refusal) || *refusal != (Refusal{Code: "odd", Reason: "that is odd"}) {
		t.Errorf("got %v, want the refusal with its code", err)
	}
	if err := Call(t.Context(), dir, "unknown", 1, &result); err == nil || !strings.Contains(err.Error(), "another version") {
		t.Errorf("got %v", err)
	}
	if err := Call(t.Context(), dir, "double", bytes.Repeat([]byte("x"), maxBody), &result); err == nil {
		t.Error("a request beyond the bound is answered")
	}
	info, err := os.Stat(filepath.Join(dir, socketName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket has mode %v, %v", info.Mode(), err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := Call(t.Context(), dir, "double", 1, &result); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after the end: %v", err)
	}
}

func TestNobodyRuns(t *testing.T) {
	dir := t.TempDir()
	var result int
	for name, prepare := range map[string]func(){
		"an empty directory": func() {},
		// What a killed process leaves.
		"a socket that nobody serves": func() {
			s := listen(t, dir)
			left := filepath.Join(dir, "left")
			if err := os.Rename(filepath.Join(dir, socketName), left); err != nil {
				t.Fatal(err)
			}
			_ = s.Close(t.Context())
			if err := os.Rename(left, filepath.Join(dir, socketName)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			prepare()
			if err := Call(t.Context(), dir, "double", 1, &result); !errors.Is(err, ErrNotRunning) {
				t.Errorf("got %v", err)
			}
		})
	}
	listen(t, dir) // over what is left
	if err := Call(t.Context(), dir, "double", 1, &result); err != nil {
		t.Error(err)
	}
}

// TestReadRefusal: whatever a bot of another version answers is a reason.
func TestReadRefusal(t *testing.T) {
	for answer, want := range map[string]Refusal{
		`{"code":"odd","reason":"that is odd"}` + "\n": {"odd", "that is odd"},
		`{"reason":"that is odd"}`:                     {"", "that is odd"},
		"that is odd\n":                                {"", "that is odd"},
		`{"code":"odd"}`:                               {"", `{"code":"odd"}`},
		"":                                             {},
	} {
		if got := *readRefusal([]byte(answer)); got != want {
			t.Errorf("%q is read as %+v, want %+v", answer, got, want)
		}
	}
}

// TestNoSocketIsLeft when Close has returned: removed later, it could be the one
// of the bot that starts next.
func TestNoSocketIsLeft(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, socketName)
	for round := range 200 {
		s := listen(t, dir)
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("round %d: the socket is there: %v", round, err)
		}
	}
	first := listen(t, dir)
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	listen(t, dir)
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("closed twice, it took another's socket: %v", err)
	}
}

// State directories are deeper than the 107 bytes of a socket's path.
func TestALongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 60))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	listen(t, dir)
	var result int
	if err := Call(t.Context(), dir, "double", 2, &result); err != nil || result != 4 {
		t.Errorf("got %d, %v", result, err)
	}
}
