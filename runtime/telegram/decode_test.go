package telegram

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

// message is a message that may run a command, with fields changed, added, or
// taken away (by "").
func message(changes ...string) string { return wrap("message", objectOf(messageFields, changes)) }

func query(changes ...string) string { return wrap("callback_query", objectOf(queryFields, changes)) }

func wrap(kind, body string) string { return `{"update_id":9,"` + kind + `":` + body + `}` }

var messageFields = []string{
	"message_id", `11`,
	"date", `1764000000`,
	"from", `{"id":7,"is_bot":false,"first_name":"Ada","username":"ada"}`,
	"chat", `{"id":7,"type":"private","first_name":"Ada"}`,
	"text", `"/start"`,
}

var queryFields = []string{
	"id", `"4382bfdwdsb323b2d9"`,
	"from", `{"id":7,"is_bot":false,"first_name":"Ada"}`,
	"message", `{"message_id":12,"date":1764000000,"from":{"id":99,"is_bot":true},"chat":{"id":7,"type":"private"},"text":"x"}`,
	"chat_instance", `"1"`,
	"data", `"t:abc"`,
}

func objectOf(fields, changes []string) string {
	all := append(slices.Clone(fields), changes...)
	values, order := map[string]string{}, []string{}
	for i := 0; i < len(all); i += 2 {
		if _, ok := values[all[i]]; !ok {
			order = append(order, all[i])
		}
		values[all[i]] = all[i+1]
	}
	var out []string
	for _, name := range order {
		if values[name] != "" {
			out = append(out, fmt.Sprintf("%q:%s", name, values[name]))
		}
	}
	return "{" + strings.Join(out, ",") + "}"
}

func TestDecodeText(t *testing.T) {
	got, err := Decode([]byte(message("message_thread_id", "3", "is_topic_message", "true", "chat", `{"id":-100123,"type":"supergroup"}`)))
	want := chat.Update{
		ID: 9, Kind: chat.Text, Sent: time.Unix(1764000000, 0).UTC(),
		From: chat.User{ID: 7, FirstName: "Ada", Username: "ada"},
		Chat: chat.Chat{ID: -100123, Thread: 3}, MessageID: 11, Text: "/start",
	}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestDecodeTap(t *testing.T) {
	got, err := Decode([]byte(query()))
	want := chat.Update{
		ID: 9, Kind: chat.Tap, From: chat.User{ID: 7, FirstName: "Ada"},
		Chat: chat.Chat{ID: 7, Private: true}, MessageID: 12, QueryID: "4382bfdwdsb323b2d9", Data: "t:abc",
	}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = Decode([]byte(query("message", `{"message_id":12,"date":0,"chat":{"id":-5,"type":"group"}}`)))
	if err != nil || got.Kind != chat.Tap || got.Chat != (chat.Chat{ID: -5}) {
		t.Errorf("under an inaccessible message: %+v, %v", got, err)
	}
}

func TestDecodeTapUnderMedia(t *testing.T) {
	const under = `{"message_id":12,"date":1764000000,"from":{"id":99,"is_bot":true},"chat":{"id":7,"type":"private"},%s}`
	for content, want := range map[string]bool{
		`"text":"x"`: false, `"photo":null`: false, `"photo":[]`: true, `"caption":"x","photo":[{}]`: true, `"document":{}`: true,
	} {
		got, err := Decode([]byte(query("message", fmt.Sprintf(under, content))))
		if err != nil || got.Kind != chat.Tap || got.Media != want {
			t.Errorf("%s: %+v, %v", content, got, err)
		}
	}
}

func TestDecodeMayRun(t *testing.T) {
	tests := map[string]string{
		"a group":                   message("chat", `{"id":-5,"type":"group"}`),
		"a reply":                   message("reply_to_message", `{"message_id":1,"forward_origin":{},"via_bot":{},"sender_chat":{}}`),
		"a reply with a thread id":  message("message_thread_id", "3"),
		"with entities":             message("entities", `[{"type":"bot_command","offset":-5,"length":99999999}]`),
		"with malformed entities":   message("entities", `7`),
		"null for a forward":        message("forward_origin", "null", "via_bot", "null", "sender_chat", "null", "edit_date", "null"),
		"null for another kind":     `{"update_id":9,"edited_message":null,"message":` + objectOf(messageFields, nil) + `}`,
		"4,096 units":               message("text", `"`+strings.Repeat("x", 4094)+`😀"`),
		"without a username":        message("from", `{"id":7,"is_bot":false,"first_name":"Ada"}`),
		"with names of wrong types": message("from", `{"id":7,"is_bot":false,"first_name":7,"username":[]}`),
		"64 bytes of data":          query("data", `"`+strings.Repeat("x", 64)+`"`),
	}
	for name, raw := range tests {
		t.Run(name, func(t *testing.T) {
			u, err := Decode([]byte(raw))
			if err != nil || u.Kind == chat.Ignored || u.Reason != "" {
				t.Errorf("%+v, %v", u, err)
			}
			if u.Chat.Thread != 0 {
				t.Errorf("thread %d", u.Chat.Thread)
			}
		})
	}
}

func TestDecodeMustNotRun(t *testing.T) {
	m := objectOf(messageFields, nil)
	tests := []struct{ name, raw, reason string }{
		{"an edited message", wrap("edited_message", m), ReasonEdited},
		{"a message with an edit date", message("edit_date", "1764000001"), ReasonEdited},
		{"a channel post", wrap("channel_post", m), ReasonChannel},
		{"an edited channel post", wrap("edited_channel_post", m), ReasonEdited},
		{"a message in a channel", message("chat", `{"id":-5,"type":"channel"}`), ReasonChannel},
		{"a business message", wrap("business_message", m), ReasonBusiness},
		{"on behalf of a business", message("business_connection_id", `"x"`), ReasonBusiness},
		{"by a business bot", message("sender_business_bot", `{"id":5}`), ReasonBusiness},
		{"an inline query", wrap("inline_query", `{"id":"1","from":{"id":7},"query":"/stop"}`), ReasonInline},
		{"a chosen inline result", wrap("chosen_inline_result", `{}`), ReasonInline},
		{"my_chat_member", wrap("my_chat_member", `{}`), ReasonMember},
		{"chat_member", wrap("chat_member", `{}`), ReasonUnsupported},
		{"a kind of tomorrow", wrap("telepathy", m), ReasonUnsupported},
		{"a kind in capitals", wrap("MESSAGE", m), ReasonUnsupported},
		{"no kind", `{"update_id":9}`, ReasonUnsupported},
		{"two kinds", `{"update_id":9,"message":` + m + `,"edited_message":` + m + `}`, ReasonAmbiguous},
		{"a forward", message("forward_origin", `{"type":"user"}`), ReasonForward},
		{"a forward, empty", message("forward_origin", `{}`), ReasonForward},
		{"a forward, false", message("forward_origin", `false`), ReasonForward},
		{"an old forward: from", message("forward_from", `{"id":7}`), ReasonForward},
		{"an old forward: chat", message("forward_from_chat", `{"id":7}`), ReasonForward},
		{"an old forward: message", message("forward_from_message_id", `7`), ReasonForward},
		{"an old forward: signature", message("forward_signature", `"x"`), ReasonForward},
		{"an old forward: name", message("forward_sender_name", `"x"`), ReasonForward},
		{"an old forward: date", message("forward_date", `7`), ReasonForward},
		{"a forward of tomorrow", message("forwarded_by", `7`), ReasonForward},
		{"an automatic forward", message("is_automatic_forward", `true`), ReasonForward},
		{"via a bot", message("via_bot", `{"id":5,"is_bot":true}`), ReasonViaBot},
		{"from offline", message("is_from_offline", `true`), ReasonOffline},
		{"sender_chat", message("sender_chat", `{"id":-5}`), ReasonSenderChat},
		{"sender_chat of a wrong type", message("sender_chat", `0`), ReasonSenderChat},
		{"an anonymous admin", message("from", `{"id":1087968824,"is_bot":false}`), ReasonSenderChat},
		{"a linked channel", message("from", `{"id":777000,"is_bot":false}`), ReasonSenderChat},
		{"a channel as a user", message("from", `{"id":136817688,"is_bot":false}`), ReasonSenderChat},
		{"no sender", message("from", ""), ReasonSenderChat},
		{"a bot", message("from", `{"id":8,"is_bot":true}`, "chat", `{"id":8,"type":"private"}`), ReasonBot},
		{"perhaps a bot", message("from", `{"id":7}`), ReasonBot},
		{"is_bot of a wrong type", message("from", `{"id":7,"is_bot":"false"}`), ReasonBot},
		{"is_Bot", message("from", `{"id":7,"is_bot":true,"is_Bot":false}`), ReasonBot},
		{"a sender of a wrong type", message("from", `7`), ReasonMalformed},
		{"a sender without an id", message("from", `{"is_bot":false}`), ReasonMalformed},
		{"a negative sender", message("from", `{"id":-7,"is_bot":false}`), ReasonMalformed},
		{"a sender beyond 52 bits", message("from", `{"id":4503599627370497,"is_bot":false}`), ReasonMalformed},
		{"an id in quotes", message("from", `{"id":"7","is_bot":false}`), ReasonMalformed},
		{"no chat", message("chat", ""), ReasonMalformed},
		{"a chat without an id", message("chat", `{"type":"private"}`), ReasonMalformed},
		{"a private chat with another", message("chat", `{"id":8,"type":"private"}`), ReasonMalformed},
		{"a group with a person's id", message("chat", `{"id":8,"type":"group"}`), ReasonMalformed},
		{"a chat of no type", message("chat", `{"id":7}`), ReasonUnsupported},
		{"a chat of another type", message("chat", `{"id":7,"type":"sauna"}`), ReasonUnsupported},
		{"no message id", message("message_id", ""), ReasonMalformed},
		{"a huge message id", message("message_id", "4294967307"), ReasonMalformed},
		{"no date", message("date", ""), ReasonMalformed},
		{"a date before all", message("date", "-5"), ReasonMalformed},
		{"a date after all", message("date", "9223372036854775807"), ReasonMalformed},
		{"only a caption", message("text", "", "caption", `"/stop"`, "photo", "[]"), ReasonNoText},
		{"an empty text", message("text", `""`), ReasonNoText},
		{"TEXT", message("text", "", "TEXT", `"/stop"`), ReasonNoText},
		{"a text of a wrong type", message("text", `["/stop"]`), ReasonMalformed},
		{"4,097 units", message("text", `"`+strings.Repeat("x", 4095)+`😀"`), ReasonTooLong},
		{"a message of a wrong type", wrap("message", `[]`), ReasonMalformed},
		{"a tap under an inline message", query("message", "", "inline_message_id", `"x"`), ReasonInline},
		{"a tap under nothing", query("message", "null"), ReasonInline},
		{"a tap in a channel", query("message", `{"message_id":12,"chat":{"id":-5,"type":"channel"}}`), ReasonChannel},
		{"a tap in another's private chat", query("message", `{"message_id":12,"chat":{"id":8,"type":"private"}}`), ReasonMalformed},
		{"a tap by a bot", query("from", `{"id":7,"is_bot":true}`), ReasonBot},
		{"a tap without an id", query("id", ""), ReasonMalformed},
		{"a tap with a long id", query("id", `"`+strings.Repeat("1", 65)+`"`), ReasonMalformed},
		{"a game's button", query("data", "", "game_short_name", `"x"`), ReasonNoData},
		{"65 bytes of data", query("data", `"`+strings.Repeat("x", 65)+`"`), ReasonBadData},
		{"65 bytes in 22 characters", query("data", `"`+strings.Repeat("€", 22)+`"`), ReasonBadData},
		{"no bytes of data", query("data", `""`), ReasonBadData},
		{"data of a wrong type", query("data", `7`), ReasonBadData},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u, err := Decode([]byte(tt.raw))
			if err != nil || u.Kind != chat.Ignored || u.Reason != tt.reason || u.ID != 9 {
				t.Errorf("%+v, %v, want it ignored as %q", u, err, tt.reason)
			}
			if u.Text != "" || u.Data != "" {
				t.Errorf("an ignored update carries %q%q", u.Text, u.Data)
			}
		})
	}
}

func TestDecodeRefusesWhatIsNoUpdate(t *testing.T) {
	tests := map[string]string{
		"nothing":         "",
		"a word":          "poison",
		"a list":          `[{"update_id":9}]`,
		"no id":           `{"message":{}}`,
		"an id in quotes": `{"update_id":"9"}`,
		"cut":             `{"update_id":9,"message":{`,
		"two documents":   `{"update_id":9}{"update_id":10}`,
		"too deep":        wrap("message", strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)),
		"too long":        message("text", `"`+strings.Repeat("x", maxUpdate)+`"`),
	}
	for name, raw := range tests {
		t.Run(name, func(t *testing.T) {
			if u, err := Decode([]byte(raw)); err == nil || u != (chat.Update{}) {
				t.Errorf("%+v, %v", u, err)
			}
		})
	}
}

func TestDecodeCleansStrings(t *testing.T) {
	u, err := Decode([]byte(message(
		"text", "\"a\\u0000b\\ud800c\xffd\"",
		"from", `{"id":7,"is_bot":false,"first_name":"`+strings.Repeat("ä", 65)+`","username":"\u0000"}`)))
	if err != nil {
		t.Fatal(err)
	}
	if u.Text != "a\uFFFDb\uFFFDc\uFFFDd" || u.From.FirstName != strings.Repeat("ä", 64) || u.From.Username != "\uFFFD" {
		t.Errorf("%q %q %q", u.Text, u.From.FirstName, u.From.Username)
	}
}

func FuzzDecode(f *testing.F) {
	for _, raw := range []string{message(), query(), message("forward_origin", "{}"), message("text", `"\u0000😀"`), "{", `{"update_id":1,"message":{"chat":null}}`} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		u, err := Decode(raw)
		if err != nil {
			if u != (chat.Update{}) {
				t.Errorf("an error and %+v", u)
			}
			return
		}
		for _, s := range []string{u.Text, u.Data, u.QueryID, u.From.FirstName, u.From.Username} {
			if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
				t.Errorf("%q", s)
			}
		}
		if (u.Kind == chat.Ignored) == (u.Reason == "") {
			t.Errorf("kind %d with reason %q", u.Kind, u.Reason)
		}
		if u.Kind == chat.Ignored {
			return
		}
		if u.ID <= 0 || u.From.ID <= 0 || u.Chat.ID == 0 || u.MessageID <= 0 || u.Chat.Thread < 0 || utf16Length(u.Text) > chat.MaxText || len(u.Data) > chat.MaxCallbackData {
			t.Errorf("%+v", u)
		}
		if (u.Kind == chat.Text) != (u.Text != "") || (u.Kind == chat.Tap) != (u.Data != "" && u.QueryID != "") {
			t.Errorf("%+v", u)
		}
		if u.Chat.Private != (u.Chat.ID == u.From.ID) {
			t.Errorf("private chat %d of %d", u.Chat.ID, u.From.ID)
		}
		neverWithAForward(t, raw)
	})
}

// neverWithAForward adds a forward's field to a message that was accepted.
func neverWithAForward(t *testing.T, raw []byte) {
	t.Helper()
	top, _ := object(raw)
	m, ok := top.child("message")
	if !ok {
		return
	}
	m["forward_date"] = json.RawMessage("1")
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if u, err := Decode([]byte(wrap("message", string(body)))); err == nil && u.Kind != chat.Ignored {
		t.Errorf("a forward runs: %s", body)
	}
}

func BenchmarkDecode(b *testing.B) {
	raw := []byte(message())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(raw); err != nil {
			b.Fatal(err)
		}
	}
}
