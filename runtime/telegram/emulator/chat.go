package emulator

import (
	"cmp"
	"slices"
)

const (
	kindPrivate    = "private"
	kindGroup      = "group"
	kindSupergroup = "supergroup"
	kindChannel    = "channel"
)

// maxHistory is the number of messages kept in a chat; the oldest are forgotten, as if they never were.
const maxHistory = 10_000

// chat is a chat that the bot is in. Server.mu guards it.
type chat struct {
	id       int64
	kind     string
	title    string
	user     User // private chats only
	members  map[int64]bool
	forum    bool
	admin    bool // the bot may delete what others wrote
	botGone  bool // blocked or kicked
	started  bool // private chats: the person wrote to the bot
	lastID   *int // shared by private chats and basic groups
	messages []*message
	keyboard *keyboard
	changed  bell
	streams  map[*stream]bool
}

// message is a message as the world knows it. Slices in it are replaced, never written to, so that a view of it stays
// true after the lock was given back.
type message struct {
	id         int
	from       *User // nil in channels
	senderChat *wireChat
	date       int64
	editDate   int64
	edits      int
	content    formatted // the text, or the caption of a file
	inline     [][]Button
	sticky     bool // was sent with a reply keyboard, its removal, or a forced reply
	photo      *file
	document   *file
	threadID   int
	replyTo    int
	origin     *wireOrigin
	autoPost   bool
	viaBot     *User
	deleted    bool
}

func (m *message) media() bool { return m.photo != nil || m.document != nil }

// add gives a message its id and keeps it.
func (c *chat) add(m *message) {
	*c.lastID++
	m.id = *c.lastID
	c.messages = append(c.messages, m)
	if len(c.messages) >= 2*maxHistory {
		c.messages = slices.Clone(c.messages[len(c.messages)-maxHistory:])
	}
	c.announce(m)
}

// find gives a message that is there and was not deleted; nil otherwise.
func (c *chat) find(id int) *message {
	i, found := slices.BinarySearchFunc(c.messages, id, func(m *message, id int) int { return cmp.Compare(m.id, id) })
	if !found || c.messages[i].deleted {
		return nil
	}
	return c.messages[i]
}

// hasTopic reports whether somebody wrote into a topic: people make them.
func (c *chat) hasTopic(id int) bool {
	return slices.ContainsFunc(c.messages, func(m *message) bool { return m.threadID == id })
}

// announce tells everybody who watches the chat that a message is new or was changed.
func (c *chat) announce(m *message) {
	c.changed.ring()
	if len(c.streams) > 0 {
		c.publish(event{name: "message", data: pageMessageOf(m)})
	}
}

func (c *chat) remove(gone []*message) {
	if len(gone) == 0 {
		return
	}
	ids := make([]int, len(gone))
	for i, m := range gone {
		m.deleted = true
		ids[i] = m.id
	}
	c.changed.ring()
	c.publish(event{name: "delete", data: map[string][]int{"ids": ids}})
}

// applyMarkup does what a message's markup does to the chat's reply keyboard.
func (c *chat) applyMarkup(m markup) {
	if m.reply == nil && !m.remove {
		return
	}
	c.keyboard = m.reply
	c.changed.ring()
	c.publish(event{name: "keyboard", data: map[string]*keyboard{"keyboard": c.keyboard}})
}

func (c *chat) publish(e event) {
	for s := range c.streams {
		c.send(s, e)
	}
}

// send hands an event to one stream. One that does not keep up is cut off; it comes back for a snapshot.
func (c *chat) send(s *stream, e event) {
	select {
	case s.events <- e:
	default:
		delete(c.streams, s)
		close(s.events)
	}
}
