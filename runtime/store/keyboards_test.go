package store

import (
	"fmt"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

func TestAKeyboardIsGoodBeforeItIsOnDisk(t *testing.T) {
	s, err := OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	going, begun := make(chan struct{}), make(chan struct{})
	go func() {
		_ = s.update(t.Context(), func(*bbolt.Tx) error { close(begun); <-going; return nil })
	}()
	<-begun // the disk is busy
	s.PutKeyboardLater("0001", noon, []byte("old"))
	s.PutKeyboardLater("0001", noon.Add(time.Hour), []byte("new"))
	if value, expires, err := s.Keyboard("0001"); string(value) != "new" || !expires.Equal(noon.Add(time.Hour)) || err != nil {
		t.Errorf("on its way: %q, %v, %v", value, expires, err)
	}
	close(going)
	if err := s.PutKeyboard(t.Context(), "0002", noon, nil); err != nil {
		t.Fatal(err)
	}
	if value, _, _ := s.Keyboard("0001"); string(value) != "new" || s.keyboards.get("0001") != nil {
		t.Errorf("on disk: %q, and still in memory: %v", value, s.keyboards.get("0001") != nil)
	}
}

func TestTokensOfARemovedUserDie(t *testing.T) {
	dir := privateDir(t)
	s := open(t, dir)
	for i := range 10 {
		if err := s.PutKeyboard(t.Context(), fmt.Sprintf("%04d", i), noon, fmt.Append(nil, i%2)); err != nil {
			t.Fatal(err)
		}
	}
	going, begun := make(chan struct{}), make(chan struct{})
	go func() {
		_ = s.update(t.Context(), func(*bbolt.Tx) error { close(begun); <-going; return nil })
	}()
	<-begun
	s.PutKeyboardLater("0010", noon, []byte("0"))
	s.PutKeyboardLater("0011", noon, []byte("1"))
	time.AfterFunc(time.Millisecond, func() { close(going) })
	if n, err := s.DropKeyboards(t.Context(), func(value []byte) bool { return string(value) == "1" }); err != nil || n != 6 {
		t.Errorf("%d were dropped, %v", n, err)
	}
	s.Close()
	s = open(t, dir)
	for i := range 12 {
		if value, _, err := s.Keyboard(fmt.Sprintf("%04d", i)); (value != nil) != (i%2 == 0) || err != nil {
			t.Errorf("keyboard %d: %q, %v", i, value, err)
		}
	}
}

func TestOverlayIsBounded(t *testing.T) {
	var o overlay
	for i := range 5 * overlayAtMax {
		k := &keyboard{id: fmt.Sprint(i % (2 * overlayAtMax))}
		o.put(k)
		o.settle(k, ErrUnwritable)
	}
	if len(o.at) > overlayAtMax || len(o.order) > 2*overlayAtMax || len(o.unsaved()) != len(o.at) {
		t.Errorf("%d keyboards, %d in order, %d unsaved", len(o.at), len(o.order), len(o.unsaved()))
	}
	if o.get(fmt.Sprint((5*overlayAtMax-1)%(2*overlayAtMax))) == nil {
		t.Error("the latest went before the oldest")
	}
}
