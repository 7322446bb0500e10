package emulator

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestOnlyTheBotsTokenOpensTheAPI(t *testing.T) {
	w := newWorld(t)
	other := newToken()
	for _, tc := range []struct {
		path string
		want int
	}{
		{"/bot" + w.Token() + "/getMe", 200},
		{"/bot" + w.Token() + "/GETME", 200},
		{"/bot" + w.Token() + "/noSuchMethod", 404},
		{"/bot" + w.Token() + "/", 404},
		{"/bot" + w.Token(), 404},
		{"/bot" + other + "/getMe", 401},
		{"/file/bot" + other + "/photos/file_1.png", 401},
		{"/file/bot" + w.Token() + "/photos/file_1.png", 404},
		{"/botnonsense/getMe", 404},
		{"/bot123:short/getMe", 404},
		{"/", 404},
	} {
		req, err := http.NewRequest(http.MethodGet, w.api.URL+tc.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := do(req)
		if err != nil || a.status != tc.want || a.OK != (tc.want == 200) {
			t.Errorf("%q answers %d ok=%v (%v), want %d", tc.path, a.status, a.OK, err, tc.want)
		}
		if strings.Contains(a.Description, "bot") {
			t.Errorf("%q: the description %q repeats the request", tc.path, a.Description)
		}
	}
}

func TestNewDrawsAWellShapedToken(t *testing.T) {
	a, b := New(Options{}).Token(), New(Options{}).Token()
	if !tokenShape.MatchString(a) || a == b {
		t.Errorf("tokens %q and %q", a, b)
	}
	defer func() {
		if recover() == nil {
			t.Error("a token of the wrong shape was taken")
		}
	}()
	New(Options{Token: "123:short"})
}

func TestTextRules(t *testing.T) {
	w := newWorld(t)
	bold := func(offset, length int) any {
		return []fields{{"type": "bold", "offset": offset, "length": length}}
	}
	for _, tc := range []struct {
		name, text string
		entities   any
		want       string // "" means sent
	}{
		{"one character", "x", nil, ""},
		{"4096 units", strings.Repeat("x", 4096), nil, ""},
		{"2048 emoji are 4096 units", strings.Repeat("🐳", 2048), nil, ""},
		{"trailing spaces do not count", strings.Repeat("x", 4096) + "   ", nil, ""},
		{"empty", "", nil, "Bad Request: message text is empty"},
		{"only white space", " \n\t ", nil, "Bad Request: text must be non-empty"},
		{"4097 units", strings.Repeat("x", 4097), nil, "Bad Request: message is too long"},
		{"2049 emoji", strings.Repeat("🐳", 2049), nil, "Bad Request: message is too long"},
		{"entity over all", "hello", bold(0, 5), ""},
		{"entity over an emoji", "a🐳b", bold(1, 2), ""},
		{"entity of no length", "hello", bold(2, 0), ""},
		{"entity in the middle of a pair", "a🐳b", bold(2, 1),
			"Bad Request: entity begins in a middle of a UTF-16 symbol at UTF-16 offset 2"},
		{"entity that ends in a pair", "a🐳b", bold(0, 2),
			"Bad Request: entity beginning at UTF-16 offset 0 ends in a middle of a UTF-16 symbol at UTF-16 offset 2"},
		{"entity beyond the end", "hello", bold(100, 1),
			"Bad Request: entity begins after the end of the text at UTF-16 offset 100"},
		{"entity longer than the text", "hello", bold(0, 100),
			"Bad Request: entity beginning at UTF-16 offset 0 ends after the end of the text at UTF-16 offset 100"},
		{"negative offset", "hello", bold(-1, 1), "Bad Request: receive an entity with incorrect offset -1"},
		{"negative length", "hello", bold(1, -1), "Bad Request: receive an entity with incorrect length -1"},
		{"offset that overflows", "hello", bold(1<<62, 1<<62),
			"Bad Request: receive an entity with incorrect offset 4611686018427387904"},
		{"unknown type", "hello", []fields{{"type": "loud", "offset": 0, "length": 1}},
			"Bad Request: can't parse MessageEntity: Unsupported type specified"},
		{"link without a host", "hello", []fields{{"type": "text_link", "offset": 0, "length": 1}},
			"Bad Request: entity URL '' is invalid: URL host is empty"},
		{"link that is none", "hello", []fields{{"type": "text_link", "offset": 0, "length": 1, "url": "not-a-url"}},
			"Bad Request: entity URL 'not-a-url' is invalid: Wrong HTTP URL"},
		{"link", "hello", []fields{{"type": "text_link", "offset": 0, "length": 1, "url": "https://example.org"}}, ""},
		{"mention of nobody", "hello", []fields{{"type": "text_mention", "offset": 0, "length": 1}},
			`Bad Request: can't parse MessageEntity: Can't find field "user"`},
		{"emoji without id", "hello", []fields{{"type": "custom_emoji", "offset": 0, "length": 1}},
			`Bad Request: can't parse MessageEntity: Can't find field "custom_emoji_id"`},
		{"emoji with a wrong id", "hello",
			[]fields{{"type": "custom_emoji", "offset": 0, "length": 1, "custom_emoji_id": "x"}},
			`Bad Request: can't parse MessageEntity: Field "custom_emoji_id" must be a valid Number`},
	} {
		in := fields{"chat_id": ada, "text": tc.text, "entities": tc.entities}
		t.Run(tc.name, func(t *testing.T) {
			w.t = t
			if tc.want != "" {
				w.refused("sendMessage", in, tc.want)
				return
			}
			w.sent("sendMessage", in)
		})
	}
	w.t = t
	w.refused("sendMessage", fields{"chat_id": ada, "text": "<b>x</b>", "parse_mode": "HTML"},
		"Bad Request: unsupported parse_mode (the emulator takes entities only)")
}

func TestTextIsTrimmedAndEntitiesFollow(t *testing.T) {
	w := newWorld(t)
	m := w.sent("sendMessage", fields{"chat_id": ada, "text": "\n  CPU: 5 %  \n", "entities": []fields{
		{"type": "code", "offset": 8, "length": 6}, {"type": "bold", "offset": 3, "length": 3},
		{"type": "hashtag", "offset": 3, "length": 1}, {"type": "italic", "offset": 12, "length": 1},
	}})
	if m.Text != "CPU: 5 %" {
		t.Errorf("text %q", m.Text)
	}
	want := []Entity{{Type: "bold", Offset: 0, Length: 3}, {Type: "code", Offset: 5, Length: 3}}
	if !(formatted{entities: m.Entities}).equal(formatted{entities: want}) {
		t.Errorf("entities %+v, want %+v", m.Entities, want)
	}
}

func TestMarkupRules(t *testing.T) {
	w := newWorld(t)
	row := func(n int) []fields {
		out := make([]fields, n)
		for i := range out {
			out[i] = fields{"text": "x", "callback_data": "x"}
		}
		return out
	}
	const unallowed = "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
	for _, tc := range []struct {
		name   string
		markup any
		want   string
	}{
		{"a button", inline(fields{"text": "Refresh", "callback_data": "r"}), ""},
		{"64 bytes of data", inline(fields{"text": "x", "callback_data": strings.Repeat("é", 32)}), ""},
		{"65 bytes of data", inline(fields{"text": "x", "callback_data": strings.Repeat("é", 32) + "x"}),
			"Bad Request: BUTTON_DATA_INVALID"},
		{"no data", inline(fields{"text": "x", "callback_data": ""}), unallowed},
		{"no action", inline(fields{"text": "x"}), unallowed},
		{"no text", inline(fields{"callback_data": "x"}),
			`Bad Request: can't parse inline keyboard button: Can't find field "text"`},
		{"empty text", inline(fields{"text": "", "callback_data": "x"}),
			"Bad Request: inline keyboard button text must be non-empty"},
		{"known style", inline(fields{"text": "x", "callback_data": "x", "style": "danger"}), ""},
		{"unknown style", inline(fields{"text": "x", "callback_data": "x", "style": "loud"}),
			"Bad Request: invalid button style specified"},
		{"link", inline(fields{"text": "x", "url": "https://example.org"}), ""},
		{"link to a host of this machine", inline(fields{"text": "x", "url": "http://localhost/"}),
			"Bad Request: inline keyboard button URL 'http://localhost/' is invalid: Wrong HTTP URL"},
		{"link of another kind", inline(fields{"text": "x", "url": "ftp://example.org"}),
			"Bad Request: inline keyboard button URL 'ftp://example.org' is invalid: Unsupported URL protocol"},
		{"copy", inline(fields{"text": "x", "copy_text": fields{"text": "y"}}), ""},
		{"copy too much", inline(fields{"text": "x", "copy_text": fields{"text": strings.Repeat("y", 257)}}),
			"Bad Request: BUTTON_COPY_TEXT_INVALID"},
		{"an empty copy beside data", inline(fields{"text": "x", "callback_data": "x", "copy_text": fields{"text": ""}}), ""},
		{"100 buttons", fields{"inline_keyboard": []any{row(50), row(50)}}, ""},
		{"101 buttons", fields{"inline_keyboard": []any{row(50), row(51)}}, "Bad Request: reply markup is too long"},
		{"not rows", fields{"inline_keyboard": "bad"}, `Bad Request: field "inline_keyboard" must be of type Array`},
		{"button that is none", fields{"inline_keyboard": []any{[]any{1}}},
			"Bad Request: can't parse inline keyboard button: InlineKeyboardButton must be an Object"},
		{"reply keyboard", fields{"keyboard": []any{[]any{"A", fields{"text": "B", "style": "primary"}}}}, ""},
		{"reply keyboard without a label", fields{"keyboard": []any{[]any{fields{"text": ""}}}},
			"Bad Request: keyboard button text must be non-empty"},
		{"reply keyboard without buttons", fields{"keyboard": []any{}}, "Bad Request: reply keyboard must be non-empty"},
		{"reply keyboard, wrong", fields{"keyboard": "bad"}, `Bad Request: field "keyboard" must be of type Array`},
		{"removal", fields{"remove_keyboard": true}, ""},
		{"removal, wrong", fields{"remove_keyboard": "yes"}, `Bad Request: field "remove_keyboard" must be of type Boolean`},
		{"forced reply", fields{"force_reply": true}, ""},
		{"nothing known", fields{"x": 1}, "Bad Request: object expected as reply markup"},
		{"not an object", []int{1}, "Bad Request: can't parse reply markup JSON object"},
		{"null", nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w.t = t
			in := fields{"chat_id": ada, "text": "x", "reply_markup": tc.markup}
			if tc.want != "" {
				w.refused("sendMessage", in, tc.want)
				return
			}
			w.sent("sendMessage", in)
		})
	}
}

func TestButtonsComeBackAsTheyWereSent(t *testing.T) {
	w := newWorld(t)
	m := w.sent("sendMessage", fields{"chat_id": ada, "text": "x", "message_thread_id": 5, "reply_markup": inline(
		fields{"text": "Stop", "callback_data": "s", "style": "danger"}, fields{"text": "Docs", "url": "https://example.org"},
		fields{"text": "Copy", "copy_text": fields{"text": "id"}})})
	got := string(mustJSON(m.ReplyMarkup))
	want := `{"inline_keyboard":[[{"text":"Stop","callback_data":"s","style":"danger"},` +
		`{"text":"Docs","url":"https://example.org"},{"text":"Copy","copy_text":{"text":"id"}}]]}`
	if got != want || m.ThreadID != 5 {
		t.Errorf("thread %d, markup\n%s, want\n%s", m.ThreadID, got, want)
	}
}

func TestWhoTheBotCanWriteTo(t *testing.T) {
	w := newWorld(t)
	w.AddUser(User{ID: 9, FirstName: "Cy"})
	w.Client(9, 9).Type("/start")
	w.Block(9)
	w.Kick(group, bob)
	for _, tc := range []struct {
		name string
		chat any
		want string
	}{
		{"who has written", ada, ""},
		{"the same as text", "7", ""},
		{"a group", super, ""},
		{"who has not written", bob, "Forbidden: bot can't initiate conversation with a user"},
		{"who blocked the bot", 9, "Forbidden: bot was blocked by the user"},
		{"a group that removed it", group, "Forbidden: bot was kicked from the group chat"},
		{"nobody", 12345, "Bad Request: chat not found"},
		{"no group", -5, "Bad Request: chat not found"},
		{"zero", 0, "Bad Request: chat not found"},
		{"a name", "@somewhere", "Bad Request: chat not found"},
		{"nothing", "", "Bad Request: chat_id is empty"},
	} {
		in := fields{"chat_id": tc.chat, "text": "x", "action": "typing"}
		if tc.want == "" {
			w.sent("sendMessage", in)
			continue
		}
		for _, method := range []string{"sendMessage", "sendChatAction"} {
			w.refused(method, in, tc.want)
		}
	}
	w.Unblock(9)
	w.Invite(group, bob)
	w.sent("sendMessage", fields{"chat_id": 9, "text": "x"})
	w.sent("sendMessage", fields{"chat_id": group, "text": "x"})
}

func TestGetChatAndChatActions(t *testing.T) {
	w := newWorld(t)
	var c wireChat
	if a := w.call("getChat", fields{"chat_id": super}); json.Unmarshal(a.Result, &c) != nil || c.Type != "supergroup" ||
		c.Title != "Big room" || !c.IsForum {
		t.Errorf("getChat: %+v", c)
	}
	w.refused("getChat", fields{"chat_id": bob}, "Forbidden: bot can't initiate conversation with a user")
	w.refused("sendChatAction", fields{"chat_id": ada, "action": "dance"},
		"Bad Request: wrong parameter action in request")
	if a := w.call("sendChatAction", fields{"chat_id": ada, "action": "typing"}); !a.OK {
		t.Errorf("typing: %s", a.Description)
	}
}

func TestEditRules(t *testing.T) {
	w := newWorld(t)
	hers := w.Client(ada, ada).Messages()[0].ID
	button := inline(fields{"text": "x", "callback_data": "x"})
	text := w.sent("sendMessage", fields{"chat_id": ada, "text": "one", "reply_markup": button}).MessageID
	sticky := w.sent("sendMessage", fields{"chat_id": ada, "text": "menu",
		"reply_markup": fields{"keyboard": [][]string{{"A"}}}}).MessageID
	const same = "Bad Request: message is not modified: specified new message content and reply markup are exactly " +
		"the same as a current content and reply markup of the message"

	for _, tc := range []struct {
		name, method string
		in           fields
		want         string
	}{
		{"same text and keyboard", "editMessageText", fields{"message_id": text, "text": "one", "reply_markup": button}, same},
		{"same keyboard", "editMessageReplyMarkup", fields{"message_id": text, "reply_markup": button}, same},
		{"new entities", "editMessageText", fields{"message_id": text, "text": "one", "reply_markup": button,
			"entities": []fields{{"type": "bold", "offset": 0, "length": 1}}}, ""},
		{"a keyboard that is left out goes", "editMessageText", fields{"message_id": text, "text": "one"}, ""},
		{"and is gone", "editMessageReplyMarkup", fields{"message_id": text}, same},
		{"a keyboard comes", "editMessageReplyMarkup", fields{"message_id": text, "reply_markup": button}, ""},
		{"empty", "editMessageText", fields{"message_id": text, "text": ""}, "Bad Request: message text is empty"},
		{"too long", "editMessageText", fields{"message_id": text, "text": strings.Repeat("x", 4097)},
			"Bad Request: message is too long"},
		{"caption of a text", "editMessageCaption", fields{"message_id": text, "caption": "x"},
			"Bad Request: there is no caption in the message to edit"},
		{"reply keyboard", "editMessageText", fields{"message_id": text, "text": "two",
			"reply_markup": fields{"keyboard": [][]string{{"A"}}}}, "Bad Request: inline keyboard expected"},
		{"her message", "editMessageText", fields{"message_id": hers, "text": "x"}, "Bad Request: message can't be edited"},
		{"sent with a reply keyboard", "editMessageText", fields{"message_id": sticky, "text": "x"},
			"Bad Request: message can't be edited"},
		{"not there", "editMessageText", fields{"message_id": 999, "text": "x"}, "Bad Request: message to edit not found"},
		{"in another chat", "editMessageText", fields{"chat_id": group, "message_id": text, "text": "x"},
			"Bad Request: message to edit not found"},
		{"no id", "editMessageText", fields{"text": "x"}, "Bad Request: message identifier is not specified"},
		{"media that is none", "editMessageMedia", fields{"message_id": text, "media": "x"},
			"Bad Request: can't parse input media JSON object"},
		{"media of another kind", "editMessageMedia", fields{"message_id": text, "media": fields{"type": "video"}},
			"Bad Request: type of the media is not supported by the emulator"},
		{"media that was not sent", "editMessageMedia",
			fields{"message_id": text, "media": fields{"type": "photo", "media": "attach://p"}},
			"Bad Request: there is no photo in the request"},
	} {
		if tc.in["chat_id"] == nil {
			tc.in["chat_id"] = ada
		}
		t.Run(tc.name, func(t *testing.T) {
			w.t = t
			if tc.want != "" {
				w.refused(tc.method, tc.in, tc.want)
				return
			}
			w.clock.advance(time.Second)
			if m := w.sent(tc.method, tc.in); m.EditDate != w.clock.now().Unix() {
				t.Errorf("edit_date %d, want %d", m.EditDate, w.clock.now().Unix())
			}
		})
	}
}

func TestDeleteRules(t *testing.T) {
	w := newWorld(t)
	hers := w.Client(ada, ada).Messages()[0].ID
	in := func(chat, id int) fields { return fields{"chat_id": chat, "message_id": id} }
	own := w.sent("sendMessage", fields{"chat_id": ada, "text": "x"}).MessageID
	theirs := w.Client(ada, group).Type("hi").ID
	mine := w.sent("sendMessage", fields{"chat_id": group, "text": "x"}).MessageID
	old := w.sent("sendMessage", fields{"chat_id": group, "text": "x"}).MessageID

	w.refused("deleteMessage", in(ada, 999), "Bad Request: message to delete not found")
	w.refused("deleteMessage", in(group, own), "Bad Request: message to delete not found")
	w.refused("deleteMessage", in(group, theirs), "Bad Request: message can't be deleted for everyone")
	for _, ok := range []fields{in(ada, own), in(ada, hers), in(group, mine)} {
		if a := w.call("deleteMessage", ok); !a.OK {
			t.Errorf("delete %v: %s", ok, a.Description)
		}
	}
	w.refused("deleteMessage", in(ada, own), "Bad Request: message to delete not found")
	w.refused("editMessageText", fields{"chat_id": ada, "message_id": own, "text": "y"},
		"Bad Request: message to edit not found")

	w.clock.advance(48*time.Hour + time.Second)
	w.refused("deleteMessage", in(group, old), "Bad Request: message can't be deleted for everyone")
}

func TestDeleteMessagesSkipsWhatItCannotDelete(t *testing.T) {
	w := newWorld(t)
	theirs := w.Client(ada, group).Type("hi").ID
	mine := w.sent("sendMessage", fields{"chat_id": group, "text": "x"}).MessageID
	if a := w.call("deleteMessages", fields{"chat_id": group, "message_ids": []int{mine, theirs, 999}}); !a.OK {
		t.Fatal(a.Description)
	}
	for _, m := range w.Client(ada, group).Messages() {
		if m.Deleted != (m.ID == mine) {
			t.Errorf("message %d: deleted is %v", m.ID, m.Deleted)
		}
	}
	w.refused("deleteMessages", fields{"chat_id": group}, "Bad Request: message identifiers are not specified")
	w.refused("deleteMessages", fields{"chat_id": group, "message_ids": make([]int, 101)},
		"Bad Request: too many message identifiers specified")
}

func TestReplyRules(t *testing.T) {
	w := newWorld(t)
	hers := w.Client(ada, ada).Messages()[0].ID
	m := w.sent("sendMessage", fields{"chat_id": ada, "text": "x", "reply_parameters": fields{"message_id": hers}})
	if m.ReplyTo == nil || m.ReplyTo.MessageID != hers {
		t.Errorf("reply to %+v", m.ReplyTo)
	}
	w.sent("sendMessage", fields{"chat_id": ada, "text": "x",
		"reply_parameters": fields{"message_id": 999, "allow_sending_without_reply": true}})
	w.refused("sendMessage", fields{"chat_id": ada, "text": "x", "reply_parameters": fields{"message_id": 999}},
		"Bad Request: message to be replied not found")
	w.refused("sendMessage", fields{"chat_id": ada, "text": "x", "reply_parameters": fields{"quote": "y"}},
		`Bad Request: can't find field "message_id"`)
}

func TestCallbackAnswerRules(t *testing.T) {
	const stale = "Bad Request: " + staleAnswer
	w := newWorld(t)
	me := w.Client(ada, ada)
	w.sent("sendMessage", fields{"chat_id": ada, "text": "x",
		"reply_markup": inline(fields{"text": "Go", "callback_data": "g"})})
	tap := func() string {
		id, err := me.Tap("Go")
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	first, second := tap(), tap()
	w.refused("answerCallbackQuery", fields{"callback_query_id": "12"}, stale)
	w.refused("answerCallbackQuery", fields{"callback_query_id": first, "text": strings.Repeat("x", 201)},
		"Bad Request: MESSAGE_TOO_LONG")
	w.clock.advance(15 * time.Second)
	in := fields{"callback_query_id": first, "text": strings.Repeat("x", 200), "show_alert": true}
	if a := w.call("answerCallbackQuery", in); !a.OK {
		t.Fatalf("within 15 s: %s", a.Description)
	}
	w.refused("answerCallbackQuery", in, stale)
	w.clock.advance(time.Second)
	w.refused("answerCallbackQuery", fields{"callback_query_id": second}, stale)

	got, err := me.Answer(within(t), first)
	if err != nil || !got.Alert || len(got.Text) != 200 {
		t.Errorf("answer %+v, %v", got, err)
	}
	if _, err := me.Answer(within(t), "12"); err == nil {
		t.Error("an unknown query has an answer")
	}
}
