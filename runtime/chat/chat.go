// Package chat holds the words that the host's parts share: what came in (an
// [Update] with its [User] and [Chat]) and what goes out (a [Message] to an
// [Address]). It knows neither Telegram's wire format nor modules.
package chat

import (
	"errors"
	"time"
)

// ErrBusy is returned instead of taking an update over when too much waits
// already: it must come again later. It is returned too for a message that goes
// out at once or not at all.
var ErrBusy = errors.New("too much waits already")

// Kind says what an update is, and so whether it may run anything (A4).
type Kind int

// The kinds. Only Text and Tap can ever run a command.
const (
	// Ignored is everything that must not run a command; Update.Reason says
	// what it was. It is the zero value, so that what nobody classified is
	// never acted upon.
	Ignored Kind = iota
	// Text is a message that a person typed to the bot.
	Text
	// Tap is a press of an inline button.
	Tap
)

// Update is one thing that happened in Telegram, decoded and classified.
// Every string in it is foreign.
type Update struct {
	// ID is Telegram's update_id.
	ID   int64
	Kind Kind
	// Reason says why an update is Ignored: "edited", "forward", "via_bot",
	// "channel", "sender_chat", "bot", "unsupported", …
	Reason string
	// Sent is when the message was sent, or the zero time for a tap, which
	// Telegram does not date.
	Sent time.Time
	From User
	Chat Chat
	// MessageID is the message that was sent, or the one whose button was
	// tapped.
	MessageID int
	Text      string
	// Media tells that the tapped message is a picture or a file.
	Media bool
	// QueryID and Data belong to a Tap.
	QueryID string
	Data    string
}

// User is a person. The names are what that person chose.
type User struct {
	ID        int64
	FirstName string
	Username  string
}

// Chat is where an update came from.
type Chat struct {
	ID      int64
	Private bool
	// Thread is the forum topic, or 0.
	Thread int
}

// Address says where a message goes.
type Address struct {
	Chat int64
	// Thread is the forum topic, or 0.
	Thread int
	// Group is set for groups and supergroups, whose flood limit is lower.
	Group bool
}

// Address returns the place to answer to.
func (c Chat) Address() Address { return Address{Chat: c.ID, Thread: c.Thread, Group: !c.Private} }

// Limits of the Bot API, in UTF-16 code units after entities are parsed.
const (
	MaxText    = 4096
	MaxCaption = 1024
	MaxAnswer  = 200
	// MaxCallbackData is in bytes.
	MaxCallbackData = 64
)

// Message is one Telegram message, complete and ready to be sent.
type Message struct {
	// Text is at most MaxText long, or MaxCaption with a Document or Photo.
	Text     string
	Entities []Entity
	// Inline is the rows of buttons under the message.
	Inline [][]Button
	// Keyboard replaces the reply keyboard; nil leaves it as it is.
	Keyboard *Keyboard
	Document *File
	Photo    *File
	// Silent sends without a sound.
	Silent bool
	// OverMedia tells that an edit puts this in the place of a picture or a file.
	// Telegram makes no text of one: a text is sent anew, and the old message
	// deleted.
	OverMedia bool
}

// Entity styles a part of a text. Offset and Length are in UTF-16 code units.
type Entity struct {
	// Type is "bold", "italic", "code", "pre" or "blockquote".
	Type     string
	Offset   int
	Length   int
	Language string // of a "pre"
}

// Button is an inline button; Data is an opaque token.
type Button struct {
	Label string
	Data  string
	// Style is "", "danger", "success" or "primary".
	Style string
}

// Keyboard is a reply keyboard: a tap types the label.
type Keyboard struct {
	Rows        [][]string
	Placeholder string
}

// File is a document's or photo's content.
type File struct {
	Name string
	Data []byte
}

// Received is an update as it came over the wire: what the journal keeps. Data
// is not yet checked in any way.
type Received struct {
	ID   int64
	Data []byte
}

// Route says which module handles an update, and how.
type Route struct {
	Module string
	// Command or Action is set. Args go with an Action, Text with a Command.
	Command string
	Action  string
	Args    map[string]string
	Text    string
	// Who may run it: "anybody", "user" or "admin". Empty: nobody.
	Who string
}
