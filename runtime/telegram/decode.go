package telegram

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

// Why an update is Ignored, in chat.Update.Reason.
const (
	ReasonUnsupported = "unsupported" // a kind of update that is not asked for, or unknown
	ReasonMember      = "member"      // my_chat_member: the bot was added, blocked, …
	ReasonAmbiguous   = "ambiguous"   // more than one kind in one update
	ReasonMalformed   = "malformed"   // a field is missing or has the wrong type
	ReasonEdited      = "edited"
	ReasonForward     = "forward"
	ReasonViaBot      = "via_bot"
	ReasonBusiness    = "business"    // on behalf of a business account
	ReasonOffline     = "offline"     // sent by Telegram, not typed: scheduled, away message
	ReasonChannel     = "channel"     // a channel's post
	ReasonSenderChat  = "sender_chat" // an anonymous admin, a linked channel
	ReasonBot         = "bot"
	ReasonInline      = "inline" // an inline query, or a tap under an inline message
	ReasonNoText      = "no_text"
	ReasonTooLong     = "too_long"
	ReasonNoData      = "no_data"  // a game's button
	ReasonBadData     = "bad_data" // callback data over 64 bytes
)

const (
	// maxName bounds names, in runes. Telegram's own limit is 64.
	maxName = 64
	// maxQueryID bounds a callback query's id, in bytes. Telegram's have 20.
	maxQueryID = 64
	// maxID bounds ids of users and chats: "at most 52 significant bits".
	maxID = 1 << 52
	// maxDate is the end of the year 9999.
	maxDate = 253402300799
)

// Ids that stand for nobody in particular.
const (
	telegramItself = 777000     // posts of linked channels
	anonymousAdmin = 1087968824 // @GroupAnonymousBot
	channelAsUser  = 136817688  // @Channel_Bot
)

// errNotUpdate is the error for bytes that are no update at all.
var errNotUpdate = errors.New("not an update: no JSON object with an update_id")

// Decode reads and classifies one update. It is pure, and takes any bytes.
//
// Only what a person typed or tapped becomes Text or Tap; everything else is
// Ignored, with its reason, whatever it contains. That is decided by what is
// there: an update is Ignored if it has any field of a forward, not just the
// ones that are known today. A null counts as absent.
//
// The error is for bytes that are not an update: longer than 1 MiB, not JSON,
// nested beyond encoding/json's limit, or without an update_id.
func Decode(raw []byte) (chat.Update, error) {
	if len(raw) > maxUpdate {
		return chat.Update{}, fmt.Errorf("not an update: %d bytes", len(raw))
	}
	id, ok := updateID(raw)
	if !ok {
		return chat.Update{}, errNotUpdate
	}
	top, ok := object(raw)
	if !ok {
		return chat.Update{}, errNotUpdate
	}
	u := chat.Update{ID: id}
	u.Reason = classify(&u, top)
	if u.Reason != "" {
		u.Kind = chat.Ignored
	}
	return u, nil
}

// fields is a JSON object. A map, since decoding into a struct would take a
// field "TEXT" for "text".
type fields map[string]json.RawMessage

// object decodes an object and drops its nulls.
func object(raw []byte) (fields, bool) {
	var f fields
	if json.Unmarshal(raw, &f) != nil || f == nil {
		return nil, false
	}
	for name, value := range f {
		if string(value) == "null" {
			delete(f, name)
		}
	}
	return f, true
}

// read decodes a field of the wanted type; false if it is absent or of another.
func read[T any](f fields, name string) (value T, ok bool) {
	raw, ok := f[name]
	return value, ok && json.Unmarshal(raw, &value) == nil
}

// child decodes a field that is an object.
func (f fields) child(name string) (fields, bool) {
	raw, ok := f[name]
	if !ok {
		return nil, false
	}
	return object(raw)
}

// has tells whether one of the fields is there, of whatever type.
func (f fields) has(names ...string) bool {
	for _, name := range names {
		if _, ok := f[name]; ok {
			return true
		}
	}
	return false
}

// classify fills the update and returns why it is to be ignored, or "".
func classify(u *chat.Update, top fields) string {
	delete(top, "update_id")
	if len(top) > 1 {
		return ReasonAmbiguous
	}
	for kind := range top {
		return classifyKind(u, kind, top)
	}
	return ReasonUnsupported
}

func classifyKind(u *chat.Update, kind string, top fields) string {
	switch kind {
	case "message", "callback_query":
	case "edited_message", "edited_channel_post", "edited_business_message":
		return ReasonEdited
	case "channel_post":
		return ReasonChannel
	case "business_message":
		return ReasonBusiness
	case "inline_query", "chosen_inline_result":
		return ReasonInline
	case "my_chat_member":
		return ReasonMember
	default:
		return ReasonUnsupported
	}
	f, ok := top.child(kind)
	if !ok {
		return ReasonMalformed
	}
	if kind == "message" {
		return text(u, f)
	}
	return tap(u, f)
}

// text fills in a message.
func text(u *chat.Update, m fields) string {
	if reason := from(u, m); reason != "" {
		return reason
	}
	if reason := place(u, m); reason != "" {
		return reason
	}
	if reason := typed(m); reason != "" {
		return reason
	}
	date, ok := read[int64](m, "date")
	if !ok || date <= 0 || date > maxDate {
		return ReasonMalformed
	}
	u.Sent = time.Unix(date, 0).UTC()
	if !m.has("text") {
		return ReasonNoText
	}
	words, ok := read[string](m, "text")
	switch {
	case !ok:
		return ReasonMalformed
	case words == "":
		return ReasonNoText
	case utf16Length(words) > chat.MaxText:
		return ReasonTooLong
	}
	u.Kind, u.Text = chat.Text, plain(words)
	return ""
}

// typed returns why a message is not one that its sender typed for the bot.
func typed(m fields) string {
	for name := range m {
		// forward_origin, and before 2024 forward_from, forward_date, …
		if strings.HasPrefix(name, "forward") {
			return ReasonForward
		}
	}
	switch {
	case m.has("is_automatic_forward"):
		return ReasonForward
	case m.has("via_bot", "guest_bot_caller_user", "guest_bot_caller_chat"):
		return ReasonViaBot
	case m.has("sender_chat"):
		return ReasonSenderChat
	case m.has("business_connection_id", "sender_business_bot"):
		return ReasonBusiness
	case m.has("edit_date"):
		return ReasonEdited
	case m.has("is_from_offline"):
		return ReasonOffline
	}
	return ""
}

// tap fills in a callback query. Who tapped is in the query; the message under
// which the button was is the bot's own, or an old one of which Telegram tells
// the chat and the id only.
func tap(u *chat.Update, q fields) string {
	if reason := from(u, q); reason != "" {
		return reason
	}
	if !q.has("message") {
		return ReasonInline
	}
	m, ok := q.child("message")
	if !ok {
		return ReasonMalformed
	}
	if reason := place(u, m); reason != "" {
		return reason
	}
	queryID, ok := read[string](q, "id")
	if !ok || queryID == "" || len(queryID) > maxQueryID {
		return ReasonMalformed
	}
	u.QueryID = plain(queryID)
	if !q.has("data") {
		return ReasonNoData
	}
	data, ok := read[string](q, "data")
	data = plain(data)
	if !ok || data == "" || len(data) > chat.MaxCallbackData {
		return ReasonBadData
	}
	u.Kind, u.Data, u.Media = chat.Tap, data, m.has("photo", "document", "animation", "audio", "video")
	return ""
}

// from fills in the sender.
func from(u *chat.Update, f fields) string {
	if !f.has("from") {
		return ReasonSenderChat // a channel's post has no sender
	}
	user, ok := f.child("from")
	if !ok {
		return ReasonMalformed
	}
	id, ok := read[int64](user, "id")
	if !ok || id <= 0 || id > maxID {
		return ReasonMalformed
	}
	u.From.ID = id
	first, _ := read[string](user, "first_name")
	username, _ := read[string](user, "username")
	u.From.FirstName, u.From.Username = clip(first, maxName), clip(username, maxName)
	if id == telegramItself || id == anonymousAdmin || id == channelAsUser {
		return ReasonSenderChat
	}
	// Only an explicit false is a person's.
	if isBot, ok := read[bool](user, "is_bot"); !ok || isBot {
		return ReasonBot
	}
	return ""
}

// place fills in the chat, the topic and the message's id.
func place(u *chat.Update, m fields) string {
	where, ok := m.child("chat")
	if !ok {
		return ReasonMalformed
	}
	id, ok := read[int64](where, "id")
	if !ok || id == 0 || id > maxID || id < -maxID {
		return ReasonMalformed
	}
	kind, _ := read[string](where, "type")
	u.Chat = chat.Chat{ID: id, Private: kind == "private", Thread: thread(m)}
	message, ok := read[int32](m, "message_id")
	if !ok || message <= 0 {
		return ReasonMalformed
	}
	u.MessageID = int(message)
	switch kind {
	case "private":
		// The other person of a private chat is the sender: nobody else may get
		// what is only sent in private.
		if id != u.From.ID {
			return ReasonMalformed
		}
	case "group", "supergroup":
		if id > 0 {
			return ReasonMalformed
		}
	case "channel":
		return ReasonChannel
	default:
		return ReasonUnsupported
	}
	return ""
}

// thread is the forum topic. Telegram sets message_thread_id for replies too,
// to which nothing can be sent by that number; is_topic_message tells them
// apart.
func thread(m fields) int {
	topic, _ := read[bool](m, "is_topic_message")
	id, ok := read[int32](m, "message_thread_id")
	if !topic || !ok || id < 0 {
		return 0
	}
	return int(id)
}

// plain replaces NUL, which some sinks take for an end. Invalid UTF-8 and lone
// surrogates were replaced by encoding/json already.
func plain(s string) string { return strings.ReplaceAll(s, "\x00", "\uFFFD") }

// clip cuts a name to n runes.
func clip(s string, n int) string {
	s = plain(s)
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n])
}

// utf16Length counts as Telegram does.
func utf16Length(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}
