package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-telegram/bot/models"
)

func TestCommandsAreMarkedAsTelegramMarksThem(t *testing.T) {
	for _, tc := range []struct {
		text string
		want []string
	}{
		{"/start", []string{"/start"}},
		{"/start@some_bot now", []string{"/start@some_bot"}},
		{"/start@x", []string{"/start"}}, // too short for a username: the command ends before @
		{"🐳 /docker", []string{"/docker"}},
		{"see /a and /b.", []string{"/a", "/b"}},
		{"(/a)", []string{"/a"}},
		{"и/или", nil},
		{"a/b", nil},
		{"//a", nil},
		{"/a/b", nil},
		{"/a>", nil},
		{"</a", nil},
		{"/", nil},
		{"/ä", nil},
		{"/aä", nil},
		{"/" + strings.Repeat("x", 64), []string{"/" + strings.Repeat("x", 64)}},
		{"/" + strings.Repeat("x", 65), nil},
		{"123456", nil},
		{"/123456", []string{"/123456"}},
	} {
		var got []string
		units := []rune(tc.text)
		for _, e := range commandEntities(tc.text) {
			shift := len(units) - utf16Len(tc.text) // one emoji at the front at most
			got = append(got, string(units[e.Offset+shift:e.end()+shift]))
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%q: %q, want %q", tc.text, got, tc.want)
		}
	}
}

func TestTapFindsTheNewestButton(t *testing.T) {
	w := newWorld(t)
	me := w.Client(ada, ada)
	send := func(data string) int {
		return w.sent("sendMessage", fields{"chat_id": ada, "text": "x", "reply_markup": inline(
			fields{"text": "Go", "callback_data": data}, fields{"text": "Docs", "url": "https://example.org"})}).MessageID
	}
	old, mid, gone := send("old"), send("mid"), send("gone")
	w.call("deleteMessage", fields{"chat_id": ada, "message_id": gone})
	w.Drain()

	if _, err := me.Tap("Go"); err != nil {
		t.Fatal(err)
	}
	if _, err := me.TapOn(old, "Go"); err != nil {
		t.Fatal(err)
	}
	me.TapData(gone, "forged")
	for _, bad := range []struct {
		id    int
		label string
	}{{gone, "Go"}, {old, "go"}, {old, "Docs"}} {
		if _, err := me.TapOn(bad.id, bad.label); err == nil {
			t.Errorf("tapped %q on %d", bad.label, bad.id)
		}
	}
	if _, err := me.Tap("Stop"); err == nil {
		t.Error("tapped a button that no message has")
	}

	var got []string
	for _, raw := range w.Drain() {
		var u models.Update
		if err := json.Unmarshal(raw, &u); err != nil {
			t.Fatal(err)
		}
		q := u.CallbackQuery
		switch q.Message.Type {
		case models.MaybeInaccessibleMessageTypeMessage:
			got = append(got, q.Data)
			if want := map[string]int{"mid": mid, "old": old}[q.Data]; q.Message.Message.ID != want || q.From.ID != ada {
				t.Errorf("%s on message %d by %d", q.Data, q.Message.Message.ID, q.From.ID)
			}
		default:
			got = append(got, "inaccessible "+q.Data)
		}
	}
	if want := []string{"mid", "old", "inaccessible forged"}; !slices.Equal(got, want) {
		t.Errorf("queries %q, want %q", got, want)
	}
}

func TestReplyKeyboard(t *testing.T) {
	w := newWorld(t)
	me := w.Client(ada, ada)
	if me.Keyboard() != nil {
		t.Error("a keyboard before there is one")
	}
	w.sent("sendMessage", fields{"chat_id": ada, "text": "x", "reply_markup": fields{
		"keyboard": []any{[]any{"Server", "Docker"}, []any{}, []any{"Back"}}}})
	if got := me.Keyboard(); len(got) != 2 || !slices.Equal(got[0], []string{"Server", "Docker"}) {
		t.Errorf("keyboard %q", got)
	}
	if m, err := me.Press("Docker"); err != nil || m.Text != "Docker" {
		t.Errorf("press: %+v, %v", m, err)
	}
	if _, err := me.Press("docker"); err == nil {
		t.Error("pressed a button that is not there")
	}
	w.sent("sendMessage", fields{"chat_id": ada, "text": "x", "reply_markup": fields{"remove_keyboard": true}})
	if _, err := me.Press("Docker"); err == nil || me.Keyboard() != nil {
		t.Errorf("the keyboard is still %q", me.Keyboard())
	}
}

func TestWaitIsWokenByEveryKindOfChange(t *testing.T) {
	w := newWorld(t)
	me := w.Client(ada, ada)
	id := w.sent("sendMessage", fields{"chat_id": ada, "text": "one"}).MessageID
	for _, tc := range []struct {
		name   string
		change func()
		done   func(Message) bool
	}{
		{"edit", func() { w.call("editMessageText", fields{"chat_id": ada, "message_id": id, "text": "two"}) },
			func(m Message) bool { return m.Text == "two" && m.Edits == 1 && !m.EditDate.IsZero() }},
		{"deletion", func() { w.call("deleteMessage", fields{"chat_id": ada, "message_id": id}) },
			func(m Message) bool { return m.Deleted }},
		{"message", func() { w.call("sendMessage", fields{"chat_id": ada, "text": "three"}) },
			func(Message) bool { return me.Last().Text == "three" }},
	} {
		waited := make(chan error, 1)
		looked := make(chan struct{}, 16)
		go func() {
			waited <- me.Wait(within(t), func(all []Message) bool {
				i := slices.IndexFunc(all, func(m Message) bool { return m.ID == id })
				looked <- struct{}{}
				return tc.done(all[i])
			})
		}()
		<-looked
		tc.change()
		if err := <-waited; err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
	}

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err := me.Wait(ctx, func([]Message) bool { return false })
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `"three"`) {
		t.Errorf("in vain: %v", err)
	}
}

func TestMessagesAreCopies(t *testing.T) {
	w := newWorld(t)
	m := w.sent("sendMessage", fields{"chat_id": ada, "text": "x",
		"entities":     []fields{{"type": "bold", "offset": 0, "length": 1}},
		"reply_markup": inline(fields{"text": "Go", "callback_data": "g"})})
	me := w.Client(ada, ada)
	got := me.Last()
	got.Entities[0].Type, got.Inline[0][0].Text = "changed", "changed"
	if now := me.Last(); now.ID != m.MessageID || now.Entities[0].Type != "bold" || now.Inline[0][0].Text != "Go" {
		t.Errorf("the world changed: %+v", now)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	w := newWorld(t)
	c := w.chats[ada]
	for range 2*maxHistory + 5 {
		c.add(&message{content: formatted{text: "x"}})
	}
	if n := len(c.messages); n > 2*maxHistory || n < maxHistory {
		t.Errorf("%d messages kept", n)
	}
	if newest := c.messages[len(c.messages)-1]; c.find(newest.id) != newest {
		t.Error("the newest message is not found")
	}
	w.refused("editMessageText", fields{"chat_id": ada, "message_id": 1, "text": "x"}, "Bad Request: message to edit not found")
}

// TestEveryKindOfMessageIsDecodedByTheLibrary sends what must never run a command, and reads it as the bot would.
func TestEveryKindOfMessageIsDecodedByTheLibrary(t *testing.T) {
	w := newWorld(t)
	w.AddGroup(Group{ID: -1_000_000_000_700, Title: "News", Channel: true})
	hers := w.Client(ada, ada).Type("/old").ID
	at := w.clock.now().Add(-time.Hour)
	w.Drain()
	for _, tc := range []struct {
		name string
		spec MessageSpec
		ok   func(models.Update) bool
	}{
		{"plain", MessageSpec{ChatID: ada, From: ada, Text: "/start", Date: at}, func(u models.Update) bool {
			return u.Message.From.ID == ada && u.Message.Entities[0].Type == "bot_command" && u.Message.Date == int(at.Unix())
		}},
		{"edited", MessageSpec{ChatID: ada, From: ada, Text: "/new", Edits: hers}, func(u models.Update) bool {
			return u.EditedMessage.ID == hers && u.EditedMessage.EditDate != 0 && u.EditedMessage.Text == "/new"
		}},
		{"forward", MessageSpec{ChatID: ada, From: ada, Text: "/x", ForwardedFrom: &Origin{UserID: bob}},
			func(u models.Update) bool { return u.Message.ForwardOrigin.MessageOriginUser.SenderUser.ID == bob }},
		{"forward of a hidden user", MessageSpec{ChatID: ada, From: ada, Text: "/x", ForwardedFrom: &Origin{HiddenName: "?"}},
			func(u models.Update) bool {
				return u.Message.ForwardOrigin.MessageOriginHiddenUser.SenderUserName == "?"
			}},
		{"forward of a post", MessageSpec{ChatID: ada, From: ada, Text: "/x",
			ForwardedFrom: &Origin{ChatID: -1_000_000_000_700, MessageID: 4}},
			func(u models.Update) bool { return u.Message.ForwardOrigin.MessageOriginChannel.MessageID == 4 }},
		{"forward of a group", MessageSpec{ChatID: ada, From: ada, Text: "/x", ForwardedFrom: &Origin{ChatID: group}},
			func(u models.Update) bool { return u.Message.ForwardOrigin.MessageOriginChat.SenderChat.ID == group }},
		{"via a bot", MessageSpec{ChatID: ada, From: ada, Text: "/x", ViaBot: &User{ID: 55, IsBot: true}},
			func(u models.Update) bool { return u.Message.ViaBot.ID == 55 }},
		{"anonymous admin", MessageSpec{ChatID: group, SenderChat: group, Text: "/x"}, func(u models.Update) bool {
			return u.Message.From.ID == AnonymousAdminID && u.Message.SenderChat.ID == group
		}},
		{"as a channel", MessageSpec{ChatID: group, SenderChat: -1_000_000_000_700, Text: "/x"}, func(u models.Update) bool {
			return u.Message.From.ID == ChannelBotID && u.Message.SenderChat.Type == "channel"
		}},
		{"linked channel", MessageSpec{ChatID: group, SenderChat: -1_000_000_000_700, AutoForward: true, Text: "/x"},
			func(u models.Update) bool { return u.Message.From.ID == ServiceID && u.Message.IsAutomaticForward }},
		{"channel post", MessageSpec{ChatID: -1_000_000_000_700, Text: "/x"}, func(u models.Update) bool {
			return u.ChannelPost.From == nil && u.ChannelPost.SenderChat.Title == "News"
		}},
		{"topic", MessageSpec{ChatID: super, From: ada, Text: "/x", ThreadID: 3}, func(u models.Update) bool {
			return u.Message.MessageThreadID == 3 && u.Message.IsTopicMessage
		}},
		{"photo", MessageSpec{ChatID: ada, From: ada, Text: "/x", Photo: &File{Name: "p.png", Bytes: pngOf(t, 3, 4)}},
			func(u models.Update) bool {
				return u.Message.Photo[0].Height == 4 && u.Message.Caption == "/x" && u.Message.Text == "" &&
					u.Message.CaptionEntities[0].Length == 2
			}},
		{"wrong entities", MessageSpec{ChatID: ada, From: ada, Text: "x", Entities: []Entity{{Type: "bold", Offset: -5, Length: 99}}},
			func(u models.Update) bool { return u.Message.Entities[0].Offset == -5 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			view := w.Send(tc.spec)
			view.Styled() // must not panic, whatever the entities are
			raw := w.Drain()
			var u models.Update
			if len(raw) != 1 || json.Unmarshal(raw[0], &u) != nil || !tc.ok(u) {
				t.Errorf("update %s", raw)
			}
		})
	}
}

func TestMistakesInATestPanic(t *testing.T) {
	w := newWorld(t)
	for name, mistake := range map[string]func(){
		"unknown user":      func() { w.Client(99, 99) },
		"no member":         func() { w.Client(bob, super) },
		"unknown group":     func() { w.Send(MessageSpec{ChatID: -9, From: ada, Text: "x"}) },
		"unknown edit":      func() { w.Send(MessageSpec{ChatID: ada, From: ada, Text: "x", Edits: 999}) },
		"broken photo":      func() { w.Send(MessageSpec{ChatID: ada, From: ada, Photo: &File{Bytes: []byte("x")}}) },
		"user id":           func() { w.AddUser(User{ID: -1}) },
		"group id":          func() { w.AddGroup(Group{ID: 1}) },
		"kick from nowhere": func() { w.Kick(-9, ada) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			mistake()
		}()
		w.call("getMe", nil) // the world is not left locked
	}
}

func TestStyled(t *testing.T) {
	at := func(kind string, offset, length int) Entity {
		return Entity{Type: kind, Offset: offset, Length: length}
	}
	for _, tc := range []struct {
		text     string
		entities []Entity
		want     string
	}{
		{"plain", nil, "plain"},
		{"a < b & c", nil, "a &lt; b &amp; c"},
		{"<b>x</b>", []Entity{at("code", 0, 8)}, "<code>&lt;b>x&lt;/b></code>"},
		{"🐳 up", []Entity{at("bold", 3, 2)}, "🐳 <b>up</b>"},
		{"nested", []Entity{at("italic", 2, 2), at("bold", 0, 6)}, "<b>ne<i>st</i>ed</b>"},
		{"same", []Entity{at("bold", 0, 4), at("italic", 0, 4)}, "<b><i>same</i></b>"},
		{"cross", []Entity{at("bold", 0, 3), at("italic", 1, 4)}, "<b>c<i>ro</i></b><i>ss</i>"},
		{"two", []Entity{at("bold", 0, 1), at("bold", 1, 2)}, "<b>t</b><b>wo</b>"},
		{"/start", []Entity{at("bot_command", 0, 6)}, "/start"},
		{"q", []Entity{at("expandable_blockquote", 0, 1)}, "<quote+>q</quote+>"},
		{"go", []Entity{{Type: "pre", Length: 2, Language: "go"}}, "<pre=go>go</pre>"},
		{"link", []Entity{{Type: "text_link", Length: 4, URL: "https://e.org"}}, "<a=https://e.org>link</a>"},
		{"ada", []Entity{{Type: "text_mention", Length: 3, User: &User{ID: 7}}}, "<user=7>ada</user>"},
	} {
		if got := (Message{Text: tc.text, Entities: tc.entities}).Styled(); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.text, got, tc.want)
		}
	}
}
