package compiler

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// crimes are what a compiler could be made to do by a hostile file, by the
// "file" that makes this test's child do it. What they return, the child says.
var crimes = map[string]func() error{
	"spin": func() error {
		for n := 1; n != 0; n |= 1 {
		}
		return nil
	},
	"hoard": func() error {
		var kept [][]byte
		for {
			kept = append(kept, bytes.Repeat([]byte{1}, 64<<20))
			runtime.KeepAlive(kept)
		}
	},
	"panic":   func() error { panic("no such register") },
	"wait":    func() error { time.Sleep(time.Hour); return nil },
	"chatter": func() error { return errors.New(strings.Repeat("x", 1<<20)) },
	"write": func() error {
		file, err := os.Create("code")
		if err != nil {
			return err
		}
		for {
			if _, err := file.Write(make([]byte, 1<<20)); err != nil {
				return err
			}
		}
	},
	"read a file":      func() error { _, err := os.ReadFile("/etc/passwd"); return succeeded(err) },
	"list a folder":    func() error { _, err := os.ReadDir("/"); return succeeded(err) },
	"leave the folder": func() error { return succeeded(os.WriteFile("../left", nil, 0o600)) },
	"open a socket":    func() error { _, err := net.Listen("tcp", "127.0.0.1:0"); return succeeded(err) },
	"call the engine":  func() error { _, err := net.Dial("unix", "/var/run/docker.sock"); return succeeded(err) },
	"resolve a name":   func() error { _, err := net.LookupHost("localhost.localdomain"); return succeeded(err) },
	"run a program":    func() error { return succeeded(syscall.Exec("/bin/true", []string{"true"}, nil)) },
	"raise a limit":    raise,
	"reach outside":    outside,
	"end its thread":   endThread,
	"end the parent":   func() error { return succeeded(syscall.Kill(os.Getppid(), syscall.SIGCONT)) },
}

// succeeded turns things around: what should have failed is the error.
func succeeded(err error) error {
	if err != nil {
		return fmt.Errorf("denied: %w", err)
	}
	return errors.New("it was possible")
}

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == argument {
		err := child(os.Args[2:], os.Stdin, func(wasm []byte) error {
			if crime, ok := crimes[string(wasm)]; ok {
				return crime()
			}
			return compileBytes(wasm)
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(exitRefused)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// tight are limits that a test can wait for.
var tight = Limits{CPU: time.Second, Memory: 2 << 30, File: 8 << 20, Time: 20 * time.Second}

func TestAChildIsConfined(t *testing.T) {
	for file := range crimes {
		switch file {
		case "spin", "hoard", "panic", "wait", "chatter", "write":
			continue
		}
		t.Run(file, func(t *testing.T) {
			err := Compile(t.Context(), t.TempDir(), []byte(file), tight)
			var refused *Refused
			if !errors.As(err, &refused) || !strings.HasPrefix(refused.Reason, "denied: ") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAChildHasLimits(t *testing.T) {
	idle := tight // of whom nothing is asked but memory
	idle.CPU = 30 * time.Second
	hasty := tight
	hasty.Time = 100 * time.Millisecond
	for _, test := range []struct {
		file   string
		limits Limits
		want   string
	}{
		{"spin", tight, "compiling it takes more than 1s of processor time"},
		{"hoard", idle, "compiling it takes more than 2048 MiB of memory"},
		{"wait", hasty, "compiling it takes longer than 100ms"},
		{"panic", tight, "the compiler broke: panic: no such register"},
		{"write", tight, "file too large"},
	} {
		t.Run(test.file, func(t *testing.T) {
			if test.file == "hoard" && !limitsAddressSpace {
				t.Log("the race detector permits no limit of address space; this child ends by its time")
				test.limits.CPU, test.limits.Time, test.want = time.Second, 5*time.Second, "takes"
			}
			err := Compile(t.Context(), t.TempDir(), []byte(test.file), test.limits)
			var refused *Refused
			if !errors.As(err, &refused) || !strings.Contains(refused.Reason, test.want) || strings.Contains(refused.Reason, "\n") {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestWhatAChildSaysIsBounded(t *testing.T) {
	err := Compile(t.Context(), t.TempDir(), []byte("chatter"), tight)
	if err == nil || len(err.Error()) > maxSaid {
		t.Errorf("%d bytes", len(fmt.Sprint(err)))
	}
}

func TestCompile(t *testing.T) {
	dir := t.TempDir()
	if err := Compile(t.Context(), dir, []byte(probe), Usual); err != nil {
		t.Fatal(err)
	}
	p, err := Read(dir)
	if err != nil || len(p.Wasm) == 0 || len(p.Globals) != 3 {
		t.Errorf("prepared %+v, %v", p, err)
	}
	entries, err := filepath.Glob(filepath.Join(dir, "wazero-*", "*"))
	if err != nil || len(entries) != 1 {
		t.Errorf("code %v, %v", entries, err)
	}
}

func TestCompileEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := Compile(ctx, t.TempDir(), []byte("wait"), Usual); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestFingerprint(t *testing.T) {
	dir := t.TempDir()
	first, err := Fingerprint(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Fingerprint(t.Context(), t.TempDir())
	if err != nil || first != second || first == "" {
		t.Errorf("%q, then %q, %v", first, second, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
