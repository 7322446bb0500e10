package emulator

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"
)

// library is the real client, on a server with Ada.
func library(t *testing.T, w *world, o ...bot.Option) *bot.Bot {
	t.Helper()
	b, err := bot.New(w.Token(), append([]bot.Option{bot.WithServerURL(w.api.URL)}, o...)...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheLibraryRunsABotOnTheEmulator(t *testing.T) {
	w := newWorld(t)
	w.Drain()
	var handled sync.WaitGroup
	b := library(t, w, bot.WithDefaultHandler(func(ctx context.Context, b *bot.Bot, u *models.Update) {
		handled.Add(1)
		defer handled.Done()
		switch {
		case u.Message != nil:
			_, err := b.SendMessage(ctx, &bot.SendMessageParams{ChatID: u.Message.Chat.ID, Text: "hi " + u.Message.From.FirstName,
				Entities: []models.MessageEntity{{Type: "bold", Offset: 3, Length: 3}},
				ReplyMarkup: &models.InlineKeyboardMarkup{InlineKeyboard: [][]models.InlineKeyboardButton{
					{{Text: "More", CallbackData: "more", Style: "primary"}}}}})
			if err != nil {
				t.Error(err)
			}
		case u.CallbackQuery != nil:
			q := u.CallbackQuery
			if _, err := b.AnswerCallbackQuery(ctx, &bot.AnswerCallbackQueryParams{CallbackQueryID: q.ID, Text: "ok"}); err != nil {
				t.Error(err)
			}
			_, err := b.EditMessageText(ctx, &bot.EditMessageTextParams{ChatID: q.Message.Message.Chat.ID,
				MessageID: q.Message.Message.ID, Text: "more"})
			if err != nil {
				t.Error(err)
			}
		}
	}))
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { b.Start(ctx); close(stopped) }()
	defer func() { cancel(); <-stopped }()
	defer handled.Wait() // she may see an effect before the bot has its answer

	me := w.Client(ada, ada)
	me.Type("/start")
	if err := me.Wait(within(t), func([]Message) bool { return me.Last().Styled() == "hi <b>Ada</b>" }); err != nil {
		t.Fatal(err)
	}
	if got := me.Last().Inline[0][0]; got != (Button{Text: "More", Data: "more", Style: "primary"}) {
		t.Errorf("button %+v", got)
	}
	id, err := me.Tap("More")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := me.Answer(within(t), id); err != nil || got.Text != "ok" {
		t.Errorf("answer %+v, %v", got, err)
	}
	if err := me.Wait(within(t), func([]Message) bool { return me.Last().Text == "more" && me.Last().Inline == nil }); err != nil {
		t.Fatal(err)
	}
}

func TestTheLibrarySendsEditsAndFetchesFiles(t *testing.T) {
	w := newWorld(t)
	b := library(t, w)
	ctx := within(t)
	me := w.Client(ada, ada)
	picture, other := pngOf(t, 40, 20), pngOf(t, 10, 10)

	m, err := b.SendPhoto(ctx, &bot.SendPhotoParams{ChatID: ada, Caption: "cpu",
		Photo: &models.InputFileUpload{Filename: "cpu.png", Data: bytes.NewReader(picture)}})
	if err != nil || m.Photo[0].Width != 40 || m.Caption != "cpu" {
		t.Fatalf("photo %+v, %v", m, err)
	}
	if got := me.Last(); !bytes.Equal(got.Photo.Bytes, picture) || got.Photo.MIME != "image/png" || got.Text != "cpu" {
		t.Errorf("she sees %+v", got)
	}
	f, err := b.GetFile(ctx, &bot.GetFileParams{FileID: m.Photo[0].FileID})
	if err != nil {
		t.Fatal(err)
	}
	if got := download(t, b.FileDownloadLink(f)); !bytes.Equal(got, picture) {
		t.Errorf("downloaded %d bytes, want %d", len(got), len(picture))
	}

	edit := &bot.EditMessageMediaParams{ChatID: ada, MessageID: m.ID, Media: &models.InputMediaPhoto{
		Media: "attach://new.png", Caption: "memory", MediaAttachment: bytes.NewReader(other)}}
	if _, err := b.EditMessageMedia(ctx, edit); err != nil {
		t.Fatal(err)
	}
	if got := me.Last(); !bytes.Equal(got.Photo.Bytes, other) || got.Text != "memory" || got.Edits != 1 {
		t.Errorf("she sees %+v", got)
	}
	if _, err := b.EditMessageCaption(ctx, &bot.EditMessageCaptionParams{ChatID: ada, MessageID: m.ID, Caption: "disk"}); err != nil {
		t.Fatal(err)
	}
	_, err = b.EditMessageText(ctx, &bot.EditMessageTextParams{ChatID: ada, MessageID: m.ID, Text: "x"})
	if !errors.Is(err, bot.ErrorBadRequest) || !strings.Contains(err.Error(), "there is no text in the message to edit") {
		t.Errorf("text of a photo: %v", err)
	}

	d, err := b.SendDocument(ctx, &bot.SendDocumentParams{ChatID: ada,
		Document: &models.InputFileUpload{Filename: "web.log", Data: strings.NewReader("line\n")}})
	if err != nil || d.Document.FileName != "web.log" || d.Document.FileSize != 5 || d.Document.MimeType != "text/plain" {
		t.Fatalf("document %+v, %v", d, err)
	}
	if got := me.Last().Document; string(got.Bytes) != "line\n" || got.Name != "web.log" {
		t.Errorf("she sees %+v", got)
	}
	again := &bot.SendDocumentParams{ChatID: ada, Document: &models.InputFileString{Data: d.Document.FileID}}
	if m, err := b.SendDocument(ctx, again); err != nil || m.Document.FileID != d.Document.FileID {
		t.Errorf("by file id: %+v, %v", m, err)
	}
	if c := w.Calls("sendDocument")[0]; !slices.Equal(c.Files, []string{"document"}) {
		t.Errorf("recorded files %q", c.Files)
	}
}

func download(t *testing.T, url string) []byte {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("download: %d, %v", resp.StatusCode, err)
	}
	return raw
}

func TestTheLibraryUnderstandsRefusals(t *testing.T) {
	w := newWorld(t)
	b := library(t, w)
	send := func(chat int64) error {
		_, err := b.SendMessage(within(t), &bot.SendMessageParams{ChatID: chat, Text: "x"})
		return err
	}
	if err := send(bob); !errors.Is(err, bot.ErrorForbidden) {
		t.Errorf("who has not written: %v", err)
	}
	if err := send(12345); !errors.Is(err, bot.ErrorBadRequest) {
		t.Errorf("nobody: %v", err)
	}
	w.Fail(Fault{Method: "sendMessage", RetryAfter: 9})
	var flood *bot.TooManyRequestsError
	if err := send(ada); !errors.As(err, &flood) || flood.RetryAfter != 9 {
		t.Errorf("flood: %v", err)
	}
	if _, err := bot.New(newToken(), bot.WithServerURL(w.api.URL)); !errors.Is(err, bot.ErrorUnauthorized) {
		t.Errorf("another token: %v", err)
	}
}

func TestFileRules(t *testing.T) {
	w := newWorld(t)
	upload := func(method, field, caption string, data []byte) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		p := &params{values: map[string]string{"chat_id": "7", "caption": caption},
			uploads: map[string]upload{field: {name: "f", data: data}}}
		_, err := methods[strings.ToLower(method)].do(w.Server, p)
		return err
	}
	picture := pngOf(t, 2, 2)
	for _, tc := range []struct {
		name, method, field, caption string
		data                         []byte
		want                         string
	}{
		{"a photo", "sendPhoto", "photo", strings.Repeat("x", 1024), picture, ""},
		{"a long caption", "sendPhoto", "photo", strings.Repeat("x", 1025), picture, "message caption is too long"},
		{"no picture", "sendPhoto", "photo", "", []byte("text"), "IMAGE_PROCESS_FAILED"},
		{"an empty photo", "sendPhoto", "photo", "", nil, "file must be non-empty"},
		{"too thin", "sendPhoto", "photo", "", pngHeader(t, 1, 21), "PHOTO_INVALID_DIMENSIONS"},
		{"too many pixels on its sides", "sendPhoto", "photo", "", pngHeader(t, 9800, 600), "PHOTO_INVALID_DIMENSIONS"},
		{"too large a photo", "sendPhoto", "photo", "", make([]byte, maxPhoto+1), "file is too big"},
		{"no photo", "sendPhoto", "other", "", picture, "there is no photo in the request"},
		{"no document", "sendDocument", "other", "", picture, "there is no document in the request"},
		{"too large a document", "sendDocument", "document", "", make([]byte, maxDocument+1), "file is too big"},
		{"an empty document", "sendDocument", "document", "", nil, "file must be non-empty"},
	} {
		err := upload(tc.method, tc.field, tc.caption, tc.data)
		got := ""
		if err != nil {
			got = strings.TrimPrefix(err.Error(), "400 Bad Request: ")
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	photo := w.Client(ada, ada).Last().Photo.ID
	w.refused("sendDocument", fields{"chat_id": ada, "document": photo}, "Bad Request: can't use the file as document")
	w.refused("sendPhoto", fields{"chat_id": ada, "photo": "nonsense"},
		"Bad Request: wrong file identifier/HTTP URL specified")
	w.refused("getFile", fields{"file_id": "nonsense"}, "Bad Request: invalid file_id")
	w.refused("getFile", nil, "Bad Request: file_id not specified")
}

func TestTheFileStoreForgetsTheOldest(t *testing.T) {
	st := newFileStore()
	big := make([]byte, maxStored/2)
	first := st.put(&file{name: "a"}, big)
	second := st.put(&file{name: "b"}, big)
	third := st.put(&file{name: "../../c.PNG", photo: true}, []byte("x"))
	if st.data(first) != nil || st.byPath[first.path] != nil {
		t.Error("the oldest file is still there")
	}
	if st.data(second) == nil || st.data(third) == nil || st.bytes != len(big)+1 {
		t.Errorf("%d bytes are left", st.bytes)
	}
	if third.path != "photos/file_3.png" {
		t.Errorf("path %q", third.path)
	}
}

func TestCommandMenus(t *testing.T) {
	w := newWorld(t)
	b := library(t, w)
	set := func(name string, scope models.BotCommandScope, language string) {
		t.Helper()
		_, err := b.SetMyCommands(within(t), &bot.SetMyCommandsParams{Scope: scope, LanguageCode: language,
			Commands: []models.BotCommand{{Command: name, Description: "d"}}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	set("strangers", &models.BotCommandScopeDefault{}, "")
	set("private", &models.BotCommandScopeAllPrivateChats{}, "")
	set("hers", &models.BotCommandScopeChat{ChatID: ada}, "")
	set("room", &models.BotCommandScopeChat{ChatID: group}, "")
	set("bobs", &models.BotCommandScopeChatMember{ChatID: group, UserID: bob}, "")
	menu := func(user, chat int64) string { return w.Commands(user, chat)[0].Command }
	for _, tc := range []struct {
		user, chat int64
		want       string
	}{{ada, ada, "hers"}, {bob, bob, "private"}, {ada, group, "room"}, {bob, group, "bobs"}, {ada, super, "strangers"}} {
		if got := menu(tc.user, tc.chat); got != tc.want {
			t.Errorf("user %d in %d sees %q, want %q", tc.user, tc.chat, got, tc.want)
		}
	}
	set("english", &models.BotCommandScopeChat{ChatID: ada}, "en")
	if got := menu(ada, ada); got != "english" {
		t.Errorf("in her language she sees %q", got)
	}
	if _, err := b.DeleteMyCommands(within(t), &bot.DeleteMyCommandsParams{Scope: &models.BotCommandScopeChatMember{ChatID: group, UserID: bob}}); err != nil {
		t.Fatal(err)
	}
	if got := menu(bob, group); got != "room" {
		t.Errorf("after the deletion Bob sees %q", got)
	}
	list, err := b.GetMyCommands(within(t), &bot.GetMyCommandsParams{Scope: &models.BotCommandScopeAllPrivateChats{}})
	if err != nil || len(list) != 1 || list[0].Command != "private" {
		t.Errorf("getMyCommands %v, %v", list, err)
	}
}

func TestCommandRules(t *testing.T) {
	w := newWorld(t)
	one := func(name, description string) []fields {
		return []fields{{"command": name, "description": description}}
	}
	for _, tc := range []struct {
		in   fields
		want string
	}{
		{fields{"commands": one("Start", "d")}, "BOT_COMMAND_INVALID"},
		{fields{"commands": one("", "d")}, "BOT_COMMAND_INVALID"},
		{fields{"commands": one(strings.Repeat("x", 33), "d")}, "BOT_COMMAND_INVALID"},
		{fields{"commands": one("start", "")}, "BOT_COMMAND_DESCRIPTION_INVALID"},
		{fields{"commands": one("start", strings.Repeat("x", 257))}, "BOT_COMMAND_DESCRIPTION_INVALID"},
		{fields{"commands": make([]fields, 101)}, "BOT_COMMANDS_TOO_MUCH"},
		{fields{"commands": "x"}, "can't parse commands list"},
		{fields{"commands": one("start", "d"), "scope": fields{"type": "moon"}},
			"can't parse BotCommandScope: Unsupported type specified"},
		{fields{"commands": one("start", "d"), "scope": "x"}, "can't parse BotCommandScope"},
		{fields{"commands": one("start", "d"), "scope": fields{"type": "chat", "chat_id": bob}}, "chat not found"},
		{fields{"commands": one("start", "d"), "scope": fields{"type": "chat_member", "chat_id": ada, "user_id": ada}},
			"can't use specified scope in private chats"},
		{fields{"commands": one("start", "d"), "scope": fields{"type": "chat_member", "chat_id": super, "user_id": bob}},
			"user not found"},
	} {
		w.refused("setMyCommands", tc.in, "Bad Request: "+tc.want)
	}
	if a := w.call("setMyCommands", fields{"commands": one("/start", "d")}); !a.OK {
		t.Errorf("a leading slash: %s", a.Description)
	}
	if got := w.Commands(ada, ada); len(got) != 1 || got[0].Command != "start" {
		t.Errorf("menu %v", got)
	}
}

// BenchmarkSendMessage is one call over real HTTP on a kept connection.
func BenchmarkSendMessage(b *testing.B) {
	s := New(Options{})
	s.AddUser(User{ID: ada, FirstName: "Ada"})
	s.Client(ada, ada).Type("hi")
	w := benchWorld(b, s)
	for b.Loop() {
		if a, err := w.try(b.Context(), "sendMessage", fields{"chat_id": ada, "text": "x"}); err != nil || !a.OK {
			b.Fatal(a, err)
		}
	}
}

// BenchmarkUpdateToReply is the way of an update: typed, polled, answered.
func BenchmarkUpdateToReply(b *testing.B) {
	s := New(Options{})
	s.AddUser(User{ID: ada, FirstName: "Ada"})
	me := s.Client(ada, ada)
	me.Type("hi")
	s.Drain()
	w := benchWorld(b, s)
	offset := s.updates.next
	for b.Loop() {
		me.Type("/start")
		if a, err := w.try(b.Context(), "getUpdates", fields{"offset": offset, "timeout": 5}); err != nil || !a.OK {
			b.Fatal(a, err)
		}
		offset++
		if a, err := w.try(b.Context(), "sendMessage", fields{"chat_id": ada, "text": "x"}); err != nil || !a.OK {
			b.Fatal(a, err)
		}
	}
}

func benchWorld(b *testing.B, s *Server) *world {
	api := httptest.NewServer(s)
	b.Cleanup(api.Close)
	b.Cleanup(s.Close)
	return &world{Server: s, api: api}
}
