package telegram

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

func TestRetryAfterHoldsTheChatBack(t *testing.T) {
	w := newWorld(t, SenderOptions{})
	w.Fail(emulator.Fault{Method: "sendMessage", ChatID: ada, RetryAfter: 17})
	start := w.clock.Now()
	if _, err := w.sender.Send(t.Context(), w.home, chat.Message{Text: "x"}); err != nil {
		t.Fatal(err)
	}
	if took := w.clock.Now().Sub(start); took != 17*time.Second {
		t.Errorf("sent after %v", took)
	}
	if n := w.Count("sendMessage"); n != 2 {
		t.Errorf("%d tries", n)
	}
}

func TestRetryAfterIsBounded(t *testing.T) {
	w := newWorld(t, SenderOptions{})
	w.Fail(emulator.Fault{Method: "sendMessage", RetryAfter: 1 << 30})
	if _, err := w.sender.Send(t.Context(), w.home, chat.Message{Text: "x"}); err != nil {
		t.Fatal(err)
	}
	if got := w.clock.naps(); !slices.Equal(got, []time.Duration{maxRetryAfter}) {
		t.Errorf("waited %v", got)
	}
}

func TestThePauseOutlivesTheCallThatMetIt(t *testing.T) {
	w := newWorld(t, SenderOptions{})
	w.Fail(emulator.Fault{Method: "sendMessage", ChatID: ada, RetryAfter: 17})
	ctx, cancel := context.WithCancel(t.Context())
	w.sender.clock.Sleep = func(context.Context, time.Duration) error { cancel(); return ctx.Err() }
	if _, err := w.sender.Send(ctx, w.home, chat.Message{Text: "x"}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	w.sender.clock.Sleep = w.clock.sleep
	if _, err := w.sender.Send(t.Context(), chat.Address{Chat: opsRoom, Group: true}, chat.Message{Text: "x"}); err != nil {
		t.Fatal(err)
	}
	if naps := w.clock.naps(); len(naps) != 0 {
		t.Errorf("another chat waited %v", naps)
	}
	if _, err := w.sender.Send(t.Context(), w.home, chat.Message{Text: "y"}); err != nil {
		t.Fatal(err)
	}
	if got := w.clock.naps(); !slices.Equal(got, []time.Duration{17 * time.Second}) {
		t.Errorf("the next call waited %v", got)
	}
}

func TestFloodsOfTwoChatsPauseAll(t *testing.T) {
	start := time.Unix(1_764_000_000, 0)
	l := newLanes(Flood{}, Clock{Now: func() time.Time { return start }})
	a, b := &lane{chat: 1}, &lane{chat: 2}
	tests := []struct {
		name   string
		first  *lane
		second *lane
		after  time.Duration
		paused bool
	}{
		{"the same chat twice", a, a, 0, false},
		{"two chats at once", a, b, time.Second, true},
		{"two chats, one after the other", a, b, 2 * time.Second, false},
		{"no chat", a, nil, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var f floods
			f.met(l, tt.first, start, 5*time.Second)
			f.met(l, tt.second, start.Add(tt.after), 9*time.Second)
			if got := f.until().Equal(start.Add(tt.after + 9*time.Second)); got != tt.paused {
				t.Errorf("all are paused: %v", got)
			}
		})
	}
}

func TestFloodLimits(t *testing.T) {
	send := func(w *world, to chat.Address, n int) time.Duration {
		start := w.clock.Now()
		for range n {
			if _, err := w.sender.Send(t.Context(), to, chat.Message{Text: "x"}); err != nil {
				t.Fatal(err)
			}
		}
		return w.clock.Now().Sub(start).Round(time.Millisecond)
	}
	usual := Flood{Overall: 30, Chat: 1, Group: 20}
	group := chat.Address{Chat: opsRoom, Group: true}
	tests := []struct {
		name  string
		flood Flood
		to    chat.Address
		n     int
		want  time.Duration
	}{
		{"a burst", usual, chat.Address{Chat: ada}, 10, 0},
		{"a chat", usual, chat.Address{Chat: ada}, 15, 5 * time.Second},
		{"a group", usual, group, 15, 15 * time.Second},
		{"a group by its id", usual, chat.Address{Chat: opsRoom}, 15, 15 * time.Second},
		{"overall", Flood{Overall: 30}, chat.Address{Chat: ada}, 40, time.Second},
		{"no limits", Flood{}, group, 40, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := send(newWorld(t, SenderOptions{Flood: tt.flood}), tt.to, tt.n); got != tt.want {
				t.Errorf("%d messages took %v, want %v", tt.n, got, tt.want)
			}
		})
	}
}

func TestEditsCountAgainstTheLimitAndDeletionsDoNot(t *testing.T) {
	w := newWorld(t, SenderOptions{Flood: Flood{Chat: 1}})
	id, err := w.sender.Send(t.Context(), w.home, chat.Message{Text: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if _, err := w.sender.Edit(t.Context(), w.home, id, chat.Message{Text: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.clock.naps(); len(got) != 1 {
		t.Errorf("after eleven messages: waited %v", got)
	}
	if err := w.sender.Delete(t.Context(), w.home, id); err != nil || len(w.clock.naps()) != 1 {
		t.Errorf("%v, waited %v", err, w.clock.naps())
	}
}
