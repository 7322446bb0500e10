package emulator

import (
	"fmt"
	"time"
)

// MessageSpec says what is sent into a chat, for what Client.Type cannot do. Only ChatID is needed always.
type MessageSpec struct {
	ChatID   int64
	From     int64 // user id; 0 in channels, and with SenderChat: then Telegram's own stand-in is the sender
	Text     string
	Entities []Entity  // as they are; nil: commands are found as Telegram finds them
	Photo    *File     // Name and Bytes count; Text becomes the caption
	Document *File     // the same
	Date     time.Time // zero: now
	ThreadID int
	ReplyTo  int

	Edits         int     // id of the message that this one replaces: the bot gets an edited_message
	ForwardedFrom *Origin // the message is a forward
	ViaBot        *User   // it was made by this inline bot
	SenderChat    int64   // it is sent in the name of this chat: the group itself (anonymous admin), or a channel
	AutoForward   bool    // the group's linked channel posted it; with SenderChat
}

// Origin says where a forward comes from. One of the fields is set.
type Origin struct {
	UserID     int64  // a known user
	HiddenName string // a user who hides their account
	ChatID     int64  // a known group or channel
	MessageID  int    // the post in a channel
}

// Send puts a message into a chat and gives the bot the update that belongs to it: message, edited_message,
// channel_post or edited_channel_post. Panics if a user, chat, message or picture in the spec does not exist: that is
// a mistake in the test.
func (s *Server) Send(spec MessageSpec) Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.chatOf(spec)
	m := s.build(c, spec)
	kind := "message"
	if c.kind == kindChannel {
		kind = "channel_post"
	}
	if spec.Edits == 0 {
		c.add(m)
	} else {
		kind = "edited_" + kind
		m = s.replace(c, spec.Edits, m)
	}
	s.push(kind, c.wireMessage(m))
	return s.view(m)
}

// chatOf gives the chat of a spec; who writes to the bot in private has started it.
func (s *Server) chatOf(spec MessageSpec) *chat {
	if spec.ChatID > 0 {
		c := s.privateChat(s.mustUser(spec.ChatID))
		c.started = true
		return c
	}
	return s.mustChat(spec.ChatID)
}

func (s *Server) mustChat(id int64) *chat {
	c := s.chats[id]
	if c == nil {
		panic(fmt.Sprintf("emulator: no chat %d: call AddGroup first", id))
	}
	return c
}

func (s *Server) build(c *chat, spec MessageSpec) *message {
	m := &message{
		date: s.unix(), threadID: spec.ThreadID, replyTo: spec.ReplyTo, viaBot: spec.ViaBot, autoPost: spec.AutoForward,
		content: formatted{text: spec.Text, entities: spec.Entities},
	}
	if spec.Entities == nil {
		m.content.entities = commandEntities(spec.Text)
	}
	if !spec.Date.IsZero() {
		m.date = spec.Date.Unix()
	}
	s.setSender(c, m, spec)
	s.attach(m, spec)
	if spec.ForwardedFrom != nil {
		m.origin = s.originOf(*spec.ForwardedFrom, m.date)
	}
	return m
}

// setSender follows the fields "from" and "sender_chat" of https://core.telegram.org/bots/api#message.
func (s *Server) setSender(c *chat, m *message, spec MessageSpec) {
	if spec.SenderChat != 0 {
		w := s.mustChat(spec.SenderChat).wire()
		m.senderChat = &w
	}
	from := spec.From
	switch {
	case c.kind == kindChannel:
		if m.senderChat == nil {
			w := c.wire()
			m.senderChat = &w
		}
		return
	case from != 0 || spec.SenderChat == 0:
	case spec.AutoForward:
		from = ServiceID
	case spec.SenderChat == c.id:
		from = AnonymousAdminID
	default:
		from = ChannelBotID
	}
	u := s.mustUser(from)
	m.from = &u
}

func (s *Server) attach(m *message, spec MessageSpec) {
	var err error
	if spec.Photo != nil {
		m.photo, err = s.newPhoto(upload{name: spec.Photo.Name, data: spec.Photo.Bytes})
	}
	if spec.Document != nil && err == nil {
		m.document, err = s.newDocument(upload{name: spec.Document.Name, data: spec.Document.Bytes})
	}
	if err != nil {
		panic("emulator: send a file: " + err.Error())
	}
}

func (s *Server) originOf(o Origin, date int64) *wireOrigin {
	w := &wireOrigin{Date: date}
	switch {
	case o.UserID != 0:
		u := s.mustUser(o.UserID)
		w.Type, w.SenderUser = "user", &u
	case o.HiddenName != "":
		w.Type, w.SenderUserName = "hidden_user", o.HiddenName
	default:
		c := s.mustChat(o.ChatID)
		chat := c.wire()
		if c.kind == kindChannel {
			w.Type, w.Chat, w.MessageID = "channel", &chat, o.MessageID
		} else {
			w.Type, w.SenderChat = "chat", &chat
		}
	}
	return w
}

// replace makes an edit of a person's own message out of m, and returns it.
func (s *Server) replace(c *chat, id int, m *message) *message {
	old := c.find(id)
	if old == nil {
		panic(fmt.Sprintf("emulator: no message %d to edit in chat %d", id, c.id))
	}
	date, edits := old.date, old.edits
	*old = *m
	old.id, old.date, old.edits, old.editDate = id, date, edits+1, s.unix()
	c.announce(old)
	return old
}
