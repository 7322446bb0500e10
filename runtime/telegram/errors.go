package telegram

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// What an [Error] can be, to be asked with errors.Is. The kinds of a 400 that
// have a name of their own are ErrBadRequest too.
var (
	// ErrUnauthorized: the token is wrong or was revoked. Nothing will ever work.
	ErrUnauthorized = errors.New("the bot token is refused")
	// ErrConflict: another poller runs with this token, or a webhook is set.
	ErrConflict = errors.New("another getUpdates runs or a webhook is set")
	// ErrWebhookSet is the conflict that [Client.DeleteWebhook] ends.
	ErrWebhookSet = fmt.Errorf("%w: a webhook is set", ErrConflict)
	// ErrTooManyRequests: over a flood limit; Error.RetryAfter says how long.
	ErrTooManyRequests = errors.New("over a flood limit")
	// ErrForbidden: the user blocked the bot, or it may not write there.
	ErrForbidden = errors.New("not allowed")
	// ErrNotFound: there is no such method at this address.
	ErrNotFound = errors.New("no such method")
	// ErrUnavailable: Telegram, or the way to it, does not work right now: no
	// connection, a time-out, a 5xx, an answer that is not Telegram's. Whether
	// the call took effect is not known.
	ErrUnavailable = errors.New("telegram is unavailable")
	// ErrUnreadable: Telegram took the call, but what it made of it could not be
	// read. To repeat it would do it twice.
	ErrUnreadable = errors.New("the result cannot be read")
	// ErrClosed: the Sender was closed.
	ErrClosed = errors.New("the sender is closed")

	// ErrBadRequest: Telegram will never take this call.
	ErrBadRequest = errors.New("bad request")
	// ErrNotModified: an edit that changes nothing.
	ErrNotModified = fmt.Errorf("%w: nothing to change", ErrBadRequest)
	// ErrMessageGone: the message to edit or delete is not there any more, or
	// can no longer be edited.
	ErrMessageGone = fmt.Errorf("%w: the message is gone", ErrBadRequest)
	// ErrOtherContent: a text edit of a picture, or the other way round.
	ErrOtherContent = fmt.Errorf("%w: the message has another kind of content", ErrBadRequest)
	// ErrQueryTooOld: a tap was answered too late.
	ErrQueryTooOld = fmt.Errorf("%w: the tap is too old to be answered", ErrBadRequest)
	// ErrTooLong: text, caption or file over Telegram's limit.
	ErrTooLong = fmt.Errorf("%w: too long", ErrBadRequest)
	// ErrChatNotFound: there is no such chat, or the bot never met it.
	ErrChatNotFound = fmt.Errorf("%w: no such chat", ErrBadRequest)
	// ErrMigrated: the group became a supergroup; Error.MigratedTo is its id.
	ErrMigrated = fmt.Errorf("%w: the group has a new id", ErrBadRequest)
)

// Error is a call that did not work.
type Error struct {
	// Method is the Bot API's name, such as "sendMessage".
	Method string
	// Kind is one of this package's errors, or context.Canceled or
	// context.DeadlineExceeded when the caller's context ended first.
	Kind error
	// Code is Telegram's error code or the HTTP status, or 0 without an answer.
	Code int
	// Text says what happened. It is free of secrets and control characters, at
	// most 300 bytes long, and partly Telegram's.
	Text string
	// RetryAfter is how long Telegram asks to wait, with ErrTooManyRequests. It
	// is as Telegram gave it, so bound it before you wait.
	RetryAfter time.Duration
	// MigratedTo is the new chat id, with ErrMigrated.
	MigratedTo int64
}

func (e *Error) Error() string {
	text := "telegram: " + e.Method + ": " + e.Kind.Error()
	if e.Code != 0 {
		text += fmt.Sprintf(" (%d)", e.Code)
	}
	if e.Text != "" {
		text += ": " + e.Text
	}
	return text
}

// Unwrap makes errors.Is(err, ErrForbidden) and the like work. Nothing below is
// kept: the errors of net/http may quote addresses, and an address of the Bot
// API holds the token.
func (e *Error) Unwrap() error { return e.Kind }

// kindOf classifies a refusal by its code and description. The codes are
// documented at https://core.telegram.org/bots/api#making-requests, the
// descriptions are not, but have been stable for years.
func kindOf(method string, code int, description string) error {
	switch {
	case code == http.StatusUnauthorized:
		return ErrUnauthorized
	case code == http.StatusNotFound && strings.EqualFold(method, "getMe"):
		// The token's shape was checked, so it is not the address that is wrong.
		return ErrUnauthorized
	case code == http.StatusNotFound:
		return ErrNotFound
	case code == http.StatusForbidden:
		return ErrForbidden
	case code == http.StatusTooManyRequests:
		return ErrTooManyRequests
	case code == http.StatusRequestEntityTooLarge:
		return ErrTooLong
	case code == http.StatusConflict && strings.Contains(strings.ToLower(description), "webhook"):
		return ErrWebhookSet
	case code == http.StatusConflict:
		return ErrConflict
	case code == http.StatusBadRequest:
		return badRequestKind(strings.ToLower(description))
	}
	return ErrUnavailable
}

// badRequestKinds maps a part of a description, in lower case, to its kind.
var badRequestKinds = []struct {
	part string
	kind error
}{
	{"message is not modified", ErrNotModified},
	{"message to edit not found", ErrMessageGone},
	{"message to delete not found", ErrMessageGone},
	{"message can't be edited", ErrMessageGone},
	{"message_id_invalid", ErrMessageGone},
	{"there is no text in the message", ErrOtherContent},
	{"there is no media in the message", ErrOtherContent},
	{"there is no caption in the message", ErrOtherContent},
	{"query is too old", ErrQueryTooOld},
	{"query id is invalid", ErrQueryTooOld},
	{"query_id_invalid", ErrQueryTooOld},
	{"is too long", ErrTooLong},
	{"message_too_long", ErrTooLong},
	{"caption_too_long", ErrTooLong},
	{"file is too big", ErrTooLong},
	{"chat not found", ErrChatNotFound},
	{"upgraded to a supergroup", ErrMigrated},
}

func badRequestKind(description string) error {
	for _, k := range badRequestKinds {
		if strings.Contains(description, k.part) {
			return k.kind
		}
	}
	return ErrBadRequest
}

// retryAfter is how long the error asks to wait, or 0.
func retryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}
