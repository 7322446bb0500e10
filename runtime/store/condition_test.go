package store

import (
	"errors"
	"os"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/audit"
)

func TestTheStoreSaysHowWritingGoes(t *testing.T) {
	s, err := OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if c := s.Condition(); !c.Writable || !c.Since.IsZero() || c.LastError != nil {
		t.Errorf("at first %+v", c)
	}
	real, full := s.transact, true
	s.transact = func(change func(*bbolt.Tx) error) error {
		if full {
			return unix.ENOSPC
		}
		return real(change)
	}
	accept := func(id int64) error {
		_, err := s.Accept(t.Context(), []chat.Received{{ID: id, Data: []byte("{}")}}, time.Now())
		return err
	}
	if err := accept(1); !errors.Is(err, ErrUnwritable) {
		t.Fatal(err)
	}
	ill := s.Condition()
	if ill.Writable || time.Since(ill.Since) > time.Minute || !errors.Is(ill.LastError, unix.ENOSPC) {
		t.Errorf("on a full disk %+v", ill)
	}
	_ = accept(2)
	if again := s.Condition(); !again.Since.Equal(ill.Since) {
		t.Error("the state began anew with a second failure")
	}
	full = false
	for id := range int64(3) {
		if err := accept(10 + id); err != nil {
			t.Fatal(err)
		}
	}
	if c := s.Condition(); !c.Writable || c.Since.Before(ill.Since) || c.LastError == nil {
		t.Errorf("afterwards %+v", c)
	}
	if n, err := s.Waiting(); n != 3 || err != nil {
		t.Errorf("%d updates wait, %v", n, err)
	}
}

func TestTheAuditLogSaysHowWritingGoes(t *testing.T) {
	l, err := OpenAudit(privateDir(t), AuditOptions{Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	broken := true
	l.disk.flush = func(f *os.File) error {
		if broken {
			return unix.EIO
		}
		return flushData(f)
	}
	record := func() error { return l.Record(t.Context(), audit.Entry{Event: "test", Actor: "bot"}) }
	if err := record(); !errors.Is(err, unix.EIO) {
		t.Fatal(err)
	}
	if c := l.Condition(); c.Writable || !c.Since.Equal(noon) || !errors.Is(c.LastError, unix.EIO) {
		t.Errorf("on a broken disk %+v", c)
	}
	broken = false
	if err := record(); err != nil {
		t.Fatal(err)
	}
	if c := l.Condition(); !c.Writable {
		t.Errorf("afterwards %+v", c)
	}
}
