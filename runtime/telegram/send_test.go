package telegram

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

const ada, opsRoom, forum = 7, -100123, -1_000_000_000_500

// world is the emulator with a person, who wrote to the bot, and two groups.
type world struct {
	*emulator.Server
	sender *Sender
	clock  *fakeClock
	ada    *emulator.Client
	home   chat.Address
}

func newWorld(t testing.TB, o SenderOptions) *world {
	t.Helper()
	srv := emulator.New(emulator.Options{})
	api := httptest.NewServer(srv)
	t.Cleanup(api.Close)
	t.Cleanup(srv.Close)
	srv.AddUser(emulator.User{ID: ada, FirstName: "Ada"})
	srv.AddGroup(emulator.Group{ID: opsRoom, Title: "Ops room", Members: []int64{ada}})
	srv.AddGroup(emulator.Group{ID: forum, Title: "Big room", Members: []int64{ada}, Forum: true})
	w := &world{Server: srv, clock: newFakeClock(), ada: srv.Client(ada, ada), home: chat.Address{Chat: ada}}
	w.ada.Type("/start")
	srv.Send(emulator.MessageSpec{ChatID: forum, From: ada, ThreadID: 3, Text: "a topic"})
	if o.Clock.Now == nil {
		o.Clock = w.clock.clock()
	}
	w.sender = NewSender(newTestClient(t, api.URL, srv.Token()), o)
	return w
}

// call is the last recorded call of a method.
func (w *world) call(t *testing.T, method string) emulator.Call {
	t.Helper()
	calls := w.Calls(method)
	if len(calls) == 0 {
		t.Fatalf("no %s", method)
	}
	return calls[len(calls)-1]
}

func picture() []byte {
	var out bytes.Buffer
	_ = png.Encode(&out, image.NewGray(image.Rect(0, 0, 2, 2)))
	return out.Bytes()
}

func TestSendWhatIsOnTheWire(t *testing.T) {
	tests := []struct {
		name    string
		to      chat.Address
		message chat.Message
		method  string
		want    map[string]string
	}{
		{"text", chat.Address{Chat: ada}, chat.Message{Text: "a <b> *c* & \"d\"\r\n😀 "}, "sendMessage", map[string]string{
			"chat_id": "7", "text": "a <b> *c* & \"d\"\r\n😀 ", "link_preview_options": `{"is_disabled":true}`,
			"parse_mode": "", "reply_markup": "", "entities": "", "disable_notification": "", "message_thread_id": "",
		}},
		{"entities", chat.Address{Chat: ada}, chat.Message{Text: "bold code", Entities: []chat.Entity{{Type: "bold", Length: 4}, {Type: "pre", Offset: 5, Length: 4, Language: "go"}}}, "sendMessage", map[string]string{
			"entities": `[{"type":"bold","offset":0,"length":4},{"type":"pre","offset":5,"length":4,"language":"go"}]`, "parse_mode": "",
		}},
		{"a topic, silently", chat.Address{Chat: forum, Thread: 3, Group: true}, chat.Message{Text: "x", Silent: true}, "sendMessage", map[string]string{
			"message_thread_id": "3", "disable_notification": "true",
		}},
		{"inline buttons", chat.Address{Chat: ada}, chat.Message{Text: "x", Inline: [][]chat.Button{{{Label: "Stop", Data: "t:1", Style: "danger"}}, {{Label: "Back", Data: "t:2"}}}}, "sendMessage", map[string]string{
			"reply_markup": `{"inline_keyboard":[[{"text":"Stop","callback_data":"t:1","style":"danger"}],[{"text":"Back","callback_data":"t:2"}]]}`,
		}},
		{"a keyboard", chat.Address{Chat: ada}, chat.Message{Text: "x", Keyboard: &chat.Keyboard{Rows: [][]string{{"a", "b"}}, Placeholder: "go on"}}, "sendMessage", map[string]string{
			"reply_markup": `{"keyboard":[[{"text":"a"},{"text":"b"}]],"is_persistent":true,"resize_keyboard":true,"input_field_placeholder":"go on"}`,
		}},
		{"no keyboard any more", chat.Address{Chat: ada}, chat.Message{Text: "x", Keyboard: &chat.Keyboard{}}, "sendMessage", map[string]string{
			"reply_markup": `{"remove_keyboard":true}`,
		}},
		{"a document", chat.Address{Chat: ada}, chat.Message{Text: "log", Entities: []chat.Entity{{Type: "bold", Length: 3}}, Document: &chat.File{Name: "a\"b\r\n.txt", Data: []byte("hello")}}, "sendDocument", map[string]string{
			"caption": "log", "caption_entities": `[{"type":"bold","offset":0,"length":3}]`, "parse_mode": "",
		}},
		{"a photo", chat.Address{Chat: ada}, chat.Message{Text: "chart", Photo: &chat.File{Name: "c.png", Data: picture()}}, "sendPhoto", map[string]string{
			"caption": "chart", "parse_mode": "",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, SenderOptions{})
			id, err := w.sender.Send(t.Context(), tt.to, tt.message)
			if err != nil || id == 0 {
				t.Fatalf("%d, %v", id, err)
			}
			got := w.call(t, tt.method).Params
			for name, want := range tt.want {
				if got[name] != want {
					t.Errorf("%s is %q, want %q", name, got[name], want)
				}
			}
		})
	}
}

func TestSendFilesWhole(t *testing.T) {
	w := newWorld(t, SenderOptions{})
	data := bytes.Repeat([]byte("0123456789"), 30_000)
	// The first try is lost on the way: the file must be read anew.
	w.Fail(emulator.Fault{Method: "sendDocument", Drop: true})
	if _, err := w.sender.Send(t.Context(), w.home, chat.Message{Document: &chat.File{Name: "log.txt", Data: data}}); err != nil {
		t.Fatal(err)
	}
	if got := w.ada.Last().Document; got == nil || got.Name != "log.txt" || !bytes.Equal(got.Bytes, data) {
		t.Errorf("got %+v", got)
	}
}

func TestEdit(t *testing.T) {
	text := func(s string) chat.Message { return chat.Message{Text: s} }
	photo := chat.Message{Text: "chart", Photo: &chat.File{Name: "c.png", Data: picture()}}
	document := chat.Message{Document: &chat.File{Name: "l.txt", Data: []byte("x")}}
	tests := []struct {
		name          string
		first, second chat.Message
		delete        bool // the message is gone before the edit
		fresh         bool // a new message is to be expected
	}{
		{"text to text", text("a"), text("b"), false, false},
		{"nothing changes", text("a"), text("a"), false, false},
		{"the message is gone", text("a"), text("b"), true, true},
		{"text to picture", text("a"), photo, false, false},
		{"picture to text", photo, text("b"), false, true},
		{"picture to picture", photo, chat.Message{Text: "other", Photo: photo.Photo}, false, false},
		{"picture to document", photo, document, false, false},
		{"a picture that is gone", photo, photo, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, SenderOptions{})
			first, err := w.sender.Send(t.Context(), w.home, tt.first)
			if err != nil {
				t.Fatal(err)
			}
			if tt.delete {
				if err := w.sender.Delete(t.Context(), w.home, first); err != nil {
					t.Fatal(err)
				}
			}
			second, err := w.sender.Edit(t.Context(), w.home, first, tt.second)
			if err != nil {
				t.Fatal(err)
			}
			if (second != first) != tt.fresh {
				t.Errorf("message %d became %d", first, second)
			}
			last := w.ada.Last()
			if last.ID != second || last.Text != tt.second.Text {
				t.Errorf("the chat ends with %+v", last)
			}
			for _, m := range w.ada.Messages() {
				if m.ID == first && tt.fresh && !m.Deleted {
					t.Error("the old message is still there")
				}
			}
		})
	}
}

func TestEditOfTextIntoPicture(t *testing.T) {
	// Old servers refuse it, new ones take it: both ways lead to one picture.
	w := newWorld(t, SenderOptions{})
	first, err := w.sender.Send(t.Context(), w.home, chat.Message{Text: "a"})
	if err != nil {
		t.Fatal(err)
	}
	w.Fail(emulator.Fault{Method: "editMessageMedia", Status: 400, Description: "Bad Request: there is no media in the message to edit"})
	second, err := w.sender.Edit(t.Context(), w.home, first, chat.Message{Photo: &chat.File{Name: "c.png", Data: picture()}})
	if err != nil || second == first || w.ada.Last().Photo == nil || w.Count("deleteMessage") != 1 {
		t.Errorf("%d, %v, %+v", second, err, w.ada.Last())
	}
}

// Where it is known that a picture stands, Telegram is not asked in vain.
func TestEditOverAPicture(t *testing.T) {
	w := newWorld(t, SenderOptions{})
	photo := chat.Message{Text: "chart", Photo: &chat.File{Name: "c.png", Data: picture()}, OverMedia: true}
	first, err := w.sender.Send(t.Context(), w.home, photo)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := w.sender.Edit(t.Context(), w.home, first, photo); err != nil || second != first {
		t.Errorf("a picture over a picture: %d became %d, %v", first, second, err)
	}
	second, err := w.sender.Edit(t.Context(), w.home, first, chat.Message{Text: "back", OverMedia: true})
	if err != nil || second == first || w.ada.Last().Text != "back" {
		t.Errorf("%d, %v, %+v", second, err, w.ada.Last())
	}
	if edits, deleted := w.Count("editMessageText"), w.Count("deleteMessage"); edits != 0 || deleted != 1 {
		t.Errorf("%d edits of text, %d deletions", edits, deleted)
	}
}

func TestDeleteTwice(t *testing.T) {
	w := newWorld(t, SenderOptions{})
	id, err := w.sender.Send(t.Context(), w.home, chat.Message{Text: "a"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.sender.Delete(t.Context(), w.home, id); err != nil {
			t.Error(err)
		}
	}
}

func TestAnswer(t *testing.T) {
	w := newWorld(t, SenderOptions{})
	if _, err := w.sender.Send(t.Context(), w.home, chat.Message{Text: "x", Inline: [][]chat.Button{{{Label: "Go", Data: "t:1"}}}}); err != nil {
		t.Fatal(err)
	}
	query, err := w.ada.Tap("Go")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.sender.Answer(t.Context(), query, "done", true); err != nil {
		t.Fatal(err)
	}
	if got, err := w.ada.Answer(t.Context(), query); err != nil || got.Text != "done" || !got.Alert {
		t.Errorf("%+v, %v", got, err)
	}
	if err := w.sender.Answer(t.Context(), "12345", "", false); !errors.Is(err, ErrQueryTooOld) {
		t.Errorf("a query that never was: %v", err)
	}
}

func TestAnswerOvertakesTheChat(t *testing.T) {
	w := newWorld(t, SenderOptions{})
	query := w.ada.TapData(w.ada.Last().ID, "t:1")
	ln, err := w.sender.lanes.enter(t.Context(), w.home) // somebody sends to the chat
	if err != nil {
		t.Fatal(err)
	}
	defer w.sender.lanes.leave(ln)
	if err := w.sender.Answer(t.Context(), query, "", false); err != nil {
		t.Error(err)
	}
	w.sender.Typing(t.Context(), w.home)
	if w.Count("sendChatAction") != 1 {
		t.Error("no typing")
	}
}

func TestTypingIsLeftOutWhileTelegramWantsCalm(t *testing.T) {
	w := newWorld(t, SenderOptions{})
	ln, err := w.sender.lanes.enter(t.Context(), w.home)
	if err != nil {
		t.Fatal(err)
	}
	w.sender.lanes.pause(ln, w.clock.Now().Add(time.Minute))
	w.sender.lanes.leave(ln)
	w.sender.Typing(t.Context(), w.home)
	if w.Count("sendChatAction") != 0 {
		t.Error("typing in a paused chat")
	}
	w.sender.Typing(t.Context(), chat.Address{Chat: opsRoom, Group: true})
	if got := w.call(t, "sendChatAction").Params; got["action"] != "typing" || got["chat_id"] != fmt.Sprint(opsRoom) {
		t.Errorf("sent %v", got)
	}
}

func TestRefusalsAreNotRepeated(t *testing.T) {
	tests := []struct {
		code        int
		description string
		want        error
	}{
		{400, "Bad Request: chat not found", ErrChatNotFound},
		{400, "Bad Request: message is too long", ErrTooLong},
		{403, "Forbidden: bot was blocked by the user", ErrForbidden},
		{401, "Unauthorized", ErrUnauthorized},
		{404, "Not Found", ErrNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.description, func(t *testing.T) {
			w := newWorld(t, SenderOptions{})
			w.Fail(emulator.Fault{Method: "sendMessage", Status: tt.code, Description: tt.description})
			_, err := w.sender.Send(t.Context(), w.home, chat.Message{Text: "x"})
			if !errors.Is(err, tt.want) || w.Count("sendMessage") != 1 {
				t.Errorf("%v after %d tries", err, w.Count("sendMessage"))
			}
			if got := w.sender.State().Unauthorized; got != (tt.want == ErrUnauthorized) {
				t.Errorf("unauthorized: %v", got)
			}
		})
	}
}

func TestAResultThatCannotBeReadIsNotRepeated(t *testing.T) {
	w := newWorld(t, SenderOptions{})
	w.Fail(emulator.Fault{Method: "sendMessage", Body: []byte(`{"ok":true,"result":{"message_id":"eleven"}}`), After: true})
	_, err := w.sender.Send(t.Context(), w.home, chat.Message{Text: "x"})
	if !errors.Is(err, ErrUnreadable) || w.Count("sendMessage") != 1 {
		t.Errorf("%v after %d tries", err, w.Count("sendMessage"))
	}
}

func TestSenderRepeatsWhatMayWork(t *testing.T) {
	faults := map[string]emulator.Fault{
		"dropped":            {Drop: true},
		"500":                {Status: 500},
		"garbage":            {Body: []byte("<html>")},
		"garbage with 502":   {Status: 502, Body: []byte("<html>")},
		"dropped afterwards": {Drop: true, After: true},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			log, seen := logs()
			w := newWorld(t, SenderOptions{Log: log})
			fault.Method, fault.Times = "sendMessage", 4
			w.Fail(fault)
			if _, err := w.sender.Send(t.Context(), w.home, chat.Message{Text: "at least once"}); err != nil {
				t.Fatal(err)
			}
			want := []time.Duration{minBackoff, 2 * minBackoff, 4 * minBackoff, 8 * minBackoff}
			if got := w.clock.naps(); !slices.Equal(got, want) {
				t.Errorf("waited %v, want %v", got, want)
			}
			if got := w.ada.Last().Text; got != "at least once" {
				t.Errorf("the chat ends with %q", got)
			}
			if got := events(seen); !slices.Equal(got, []string{"warn telegram.unavailable", "info telegram.recovered"}) {
				t.Errorf("log:\n%s", lines(seen))
			}
			if st := w.sender.State(); !st.Connected || st.LastError == "" {
				t.Errorf("state %+v", st)
			}
		})
	}
}

func TestSenderGivesUpWithItsContext(t *testing.T) {
	ctx, clock := patience(t)
	w := newWorld(t, SenderOptions{Clock: clock})
	w.Fail(emulator.Fault{Method: "sendMessage", Status: 500, Times: -1})
	_, err := w.sender.Send(ctx, w.home, chat.Message{Text: "x"})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "500") {
		t.Errorf("%v", err)
	}
	if _, err := w.sender.Send(ctx, w.home, chat.Message{Text: "x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

func TestOrderInEachOf250Chats(t *testing.T) {
	noLeak(t)
	const chats, perChat = 250, 5
	var mu sync.Mutex
	got := map[string][]string{}
	fails := 0
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to, text := r.FormValue("chat_id"), r.FormValue("text")
		mu.Lock()
		defer mu.Unlock()
		if fails++; fails%7 == 0 {
			w.WriteHeader(502)
			return
		}
		got[to] = append(got[to], text)
		_, _ = io.WriteString(w, `{"ok":true,"result":{"message_id":1,"date":1,"chat":{"id":1,"type":"private"}}}`)
	}))
	defer api.Close()
	s := NewSender(newTestClient(t, api.URL, newToken()), SenderOptions{Clock: newFakeClock().clock()})
	var all sync.WaitGroup
	for c := range chats {
		to := chat.Address{Chat: int64(c + 1)}
		first, err := s.lanes.enter(t.Context(), to) // all others get in line behind
		if err != nil {
			t.Fatal(err)
		}
		for i := range perChat {
			all.Go(func() {
				if _, err := s.Send(t.Context(), to, chat.Message{Text: fmt.Sprint(i)}); err != nil {
					t.Error(err)
				}
			})
			waitForLine(s.lanes, first, i+1)
		}
		s.lanes.leave(first)
	}
	all.Wait()
	for c, texts := range got {
		if strings.Join(texts, " ") != "0 1 2 3 4" {
			t.Errorf("chat %s got %v", c, texts)
		}
	}
	if len(got) != chats || len(s.lanes.byChat) != 0 {
		t.Errorf("%d chats were served, %d lanes are left", len(got), len(s.lanes.byChat))
	}
}

// waitForLine returns when n callers wait for the lane.
func waitForLine(l *lanes, ln *lane, n int) {
	for {
		l.mu.Lock()
		waiting := len(ln.queue)
		l.mu.Unlock()
		if waiting >= n {
			return
		}
		time.Sleep(50 * time.Microsecond)
	}
}

func TestASlowChatDelaysNoOther(t *testing.T) {
	w := newWorld(t, SenderOptions{})
	ln, err := w.sender.lanes.enter(t.Context(), w.home)
	if err != nil {
		t.Fatal(err)
	}
	defer w.sender.lanes.leave(ln)
	if _, err := w.sender.Send(t.Context(), chat.Address{Chat: opsRoom, Group: true}, chat.Message{Text: "x"}); err != nil {
		t.Error(err)
	}
}

func TestClose(t *testing.T) {
	noLeak(t)
	t.Run("waits for calls under way", func(t *testing.T) {
		w := newWorld(t, SenderOptions{})
		ln, _ := w.sender.lanes.enter(t.Context(), w.home)
		sent := make(chan error, 1)
		go func() {
			_, err := w.sender.Send(context.Background(), w.home, chat.Message{Text: "last words"})
			sent <- err
		}()
		waitForLine(w.sender.lanes, ln, 1)
		closed := make(chan error, 1)
		go func() { closed <- w.sender.Close(context.Background()) }()
		for !isShut(w.sender) {
			time.Sleep(50 * time.Microsecond)
		}
		if _, err := w.sender.Send(t.Context(), w.home, chat.Message{Text: "too late"}); !errors.Is(err, ErrClosed) {
			t.Errorf("a call after Close: %v", err)
		}
		w.sender.lanes.leave(ln)
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if err := <-sent; err != nil || w.ada.Last().Text != "last words" {
			t.Errorf("%v, %+v", err, w.ada.Last())
		}
	})
	t.Run("ends them with its context", func(t *testing.T) {
		w := newWorld(t, SenderOptions{Clock: Clock{Now: time.Now}})
		w.Fail(emulator.Fault{Method: "sendMessage", Delay: time.Minute})
		sent := make(chan error, 1)
		go func() {
			_, err := w.sender.Send(context.Background(), w.home, chat.Message{Text: "x"})
			sent <- err
		}()
		if err := w.WaitCalls(t.Context(), "sendMessage", 1); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		if err := w.sender.Close(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		if err := <-sent; !errors.Is(err, context.Canceled) {
			t.Errorf("the call returned %v", err)
		}
		if took := time.Since(start); took > 100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

func isShut(s *Sender) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shut
}
