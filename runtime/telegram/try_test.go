package telegram

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// What Try does to a message that is there, or to none, and what it returns.
func TestTry(t *testing.T) {
	photo := chat.Message{Text: "chart", Photo: &chat.File{Name: "c.png", Data: picture()}}
	for _, tt := range []struct {
		name   string
		first  chat.Message
		second chat.Message
		before func(w *world, id int)
		fault  *emulator.Fault
		want   error
		moved  bool // the view is another message now
	}{
		{name: "text to text", first: chat.Message{Text: "a"}, second: chat.Message{Text: "b"}},
		{name: "nothing changes", first: chat.Message{Text: "a"}, second: chat.Message{Text: "a"}},
		{name: "text to picture", first: chat.Message{Text: "a"}, second: photo},
		{name: "picture to text", first: photo, second: chat.Message{Text: "b"}, moved: true},
		{name: "a message that is gone is not sent anew", first: chat.Message{Text: "a"}, second: chat.Message{Text: "b"}, want: ErrMessageGone,
			before: func(w *world, id int) { _ = w.sender.Delete(context.Background(), w.home, id) }},
		{name: "a flood", first: chat.Message{Text: "a"}, second: chat.Message{Text: "b"}, want: chat.ErrBusy,
			fault: &emulator.Fault{Method: "editMessageText", RetryAfter: 30}},
		{name: "Telegram is away", first: chat.Message{Text: "a"}, second: chat.Message{Text: "b"}, want: chat.ErrBusy,
			fault: &emulator.Fault{Method: "editMessageText", Drop: true}},
		{name: "somebody's turn", first: chat.Message{Text: "a"}, second: chat.Message{Text: "b"}, want: chat.ErrBusy,
			before: func(w *world, _ int) {
				ln, err := w.sender.lanes.enter(context.Background(), w.home)
				if err != nil {
					panic(err)
				}
				time.AfterFunc(time.Minute, func() { w.sender.lanes.leave(ln) })
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, SenderOptions{})
			first, err := w.sender.Try(t.Context(), w.home, 0, tt.first)
			if err != nil || w.ada.Last().ID != first {
				t.Fatalf("sent %d, %v", first, err)
			}
			if tt.before != nil {
				tt.before(w, first)
			}
			if tt.fault != nil {
				w.Fail(*tt.fault)
			}
			sent := w.Count("sendMessage")
			second, err := w.sender.Try(t.Context(), w.home, first, tt.second)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if (second != first) != (tt.moved || tt.want != nil) || tt.want != nil && w.Count("sendMessage") != sent {
				t.Errorf("message %d became %d, %d more were sent", first, second, w.Count("sendMessage")-sent)
			}
			if naps := w.clock.naps(); len(naps) > 0 {
				t.Errorf("it waited %v", naps)
			}
		})
	}
}

// It leaves room: whoever sends in a moment does not wait for what was tried.
func TestTryLeavesRoomForOthers(t *testing.T) {
	w := newWorld(t, SenderOptions{Flood: Flood{Chat: 1, Group: 20, Overall: 30}})
	room := chat.Address{Chat: opsRoom, Group: true}
	id, err := w.sender.Send(t.Context(), room, chat.Message{Text: "0"})
	if err != nil {
		t.Fatal(err)
	}
	tried, shown := 0, 0
	for range 60 { // seconds
		tried++
		if _, err := w.sender.Try(t.Context(), room, id, chat.Message{Text: fmt.Sprint(tried)}); err == nil {
			shown++
		} else if !errors.Is(err, chat.ErrBusy) {
			t.Fatal(err)
		}
		_ = w.clock.sleep(t.Context(), time.Second)
	}
	if shown < 20 || shown > 25 {
		t.Errorf("%d of %d edits in a minute, where a group takes 20 and some", shown, tried)
	}
	before := len(w.clock.naps())
	for i := range spareMessages {
		if _, err := w.sender.Send(t.Context(), room, chat.Message{Text: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if naps := w.clock.naps()[before:]; len(naps) > 0 {
		t.Errorf("others waited %v", naps)
	}
}

func TestTryAfterAFloodKeepsCalm(t *testing.T) {
	w := newWorld(t, SenderOptions{})
	id, err := w.sender.Send(t.Context(), w.home, chat.Message{Text: "a"})
	if err != nil {
		t.Fatal(err)
	}
	w.Fail(emulator.Fault{Method: "editMessageText", RetryAfter: 30})
	for range 10 {
		if _, err := w.sender.Try(t.Context(), w.home, id, chat.Message{Text: "b"}); !errors.Is(err, chat.ErrBusy) {
			t.Errorf("got %v", err)
		}
	}
	if n := w.Count("editMessageText"); n != 1 {
		t.Errorf("%d calls while Telegram wants calm", n)
	}
	_ = w.clock.sleep(t.Context(), 31*time.Second)
	if _, err := w.sender.Try(t.Context(), w.home, id, chat.Message{Text: "b"}); err != nil {
		t.Error(err)
	}
}
