package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// smallDisk is a file system of its own with so many bytes, which a test can
// fill.
func smallDisk(t *testing.T, bytes int) (dir string, fill, empty func()) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", bytes)); err != nil {
		unmetHere(t, fmt.Sprintf("no file system can be mounted: %v", err))
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	return dir, func() {
			file, err := os.OpenFile(ballast, os.O_CREATE|os.O_WRONLY, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			block := make([]byte, 4096)
			for {
				if _, err := file.Write(block); errors.Is(err, unix.ENOSPC) {
					return
				} else if err != nil {
					t.Fatal(err)
				}
			}
		}, func() {
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
		}
}

// unmetHere ends a test that lacks what it needs; in CI that is a failure.
func unmetHere(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("COFFERDAM_CI") == "1" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// The disk is full: what reads goes on, what acts is refused, the admins are
// told, and when there is room again everything is as it was.
func TestAFullDisk(t *testing.T) {
	dir, fill, empty := smallDisk(t, 4<<20)
	s, c := newScene(t), &clock{}
	name := dockertest.Unique("web")
	id := s.has(dockertest.Container{Name: name})[0]
	b := startBot(t, append(s.managing(c), quick, func(b *bot) {
		b.o.stateDir = filepath.Join(dir, "state")
		if err := os.Mkdir(b.o.stateDir, 0o700); err != nil {
			t.Fatal(err)
		}
	})...)
	p, reader := b.person(admin, admin), b.person(user, user)
	phone := b.enrols(p, c)
	p.expect(p.says(phone.code()), "That code is right")

	fill()
	for i := range 20 {
		reader.Type("/load")
		reader.hears("Load average", i+1)
	}
	boss := func(text string) { p.await(func([]emulator.Message) bool { return p.said(text) > 0 }) }
	boss("The bot cannot write its state")
	p.Type("/manage " + name)
	view := p.lately("running")
	if _, err := p.TapOn(view.ID, "⏹ Stop"); err != nil {
		t.Fatal(err)
	}
	p.await(func([]emulator.Message) bool {
		return strings.Contains(p.message(view.ID).Text, "could not be recorded")
	})
	c.advance(31 * time.Second)
	typed := p.types(phone.code())
	p.hears("cannot write its state", 2) // the notice, and the answer
	p.await(func([]emulator.Message) bool { return gone(p, typed) })
	if got := s.state(id); got != "running" {
		t.Fatalf("it is %s", got)
	}

	empty()
	c.advance(time.Minute)
	boss("can write its state again")
	c.advance(31 * time.Second)
	p.expect(p.says(phone.code()), "That code is right")
	p.Type("/manage " + name)
	if _, err := p.TapOn(p.lately("running").ID, "⏹ Stop"); err != nil {
		t.Fatal(err)
	}
	p.confirm("Stop", name)
	p.await(func([]emulator.Message) bool { return s.state(id) == "exited" })
	for range 3 {
		reader.says("/uptime")
	}
	b.auditIsGood()
	if left := pendingIn(t, b.o.stateDir); len(left) > 0 {
		t.Errorf("the journal keeps %d updates", len(left))
	}
}
