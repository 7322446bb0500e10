package emulator

import (
	"context"
	"fmt"
	"slices"
)

// Client acts as one person's app in one chat. Several clients of the same person and chat share everything.
type Client struct {
	s      *Server
	chat   *chat
	userID int64
}

// Client gives the app of a user in a chat: the user's own id for the private chat with the bot, or the id of a group
// of which the user is a member. Panics if there is no such user, group or member: that is a mistake in the test.
func (s *Server) Client(userID, chatID int64) *Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.mustUser(userID)
	if chatID == userID {
		return &Client{s: s, chat: s.privateChat(u), userID: userID}
	}
	c := s.chats[chatID]
	if c == nil || !c.members[userID] {
		panic(fmt.Sprintf("emulator: user %d is no member of chat %d", userID, chatID))
	}
	return &Client{s: s, chat: c, userID: userID}
}

// Type writes a text into the chat; the bot gets a message update, commands marked as Telegram marks them. The first
// one in a private chat also starts the bot there. The text is not checked: an app would split a long one.
func (c *Client) Type(text string) Message {
	return c.s.Send(MessageSpec{ChatID: c.chat.id, From: c.userID, Text: text})
}

// TypeIn writes a text into a topic of a forum, which is made by that.
func (c *Client) TypeIn(topic int, text string) Message {
	return c.s.Send(MessageSpec{ChatID: c.chat.id, From: c.userID, ThreadID: topic, Text: text})
}

// Press sends the text of a button of the chat's reply keyboard.
func (c *Client) Press(label string) (Message, error) {
	rows := c.Keyboard()
	if slices.ContainsFunc(rows, func(row []string) bool { return slices.Contains(row, label) }) {
		return c.Type(label), nil
	}
	return Message{}, fmt.Errorf("press %q: the reply keyboard of chat %d has %q", label, c.chat.id, rows)
}

// Keyboard is the reply keyboard of the chat, row by row; nil if there is none.
func (c *Client) Keyboard() [][]string {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.chat.keyboard == nil {
		return nil
	}
	return slices.Clone(c.chat.keyboard.Rows)
}

// Tap taps the inline button with exactly this label on the newest message that has one, and returns the id of the
// callback query for Answer.
func (c *Client) Tap(label string) (queryID string, err error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	for _, m := range slices.Backward(c.chat.messages) {
		if b, found := findButton(m.inline, labelled(label)); found && !m.deleted {
			return c.tapButton(m, b)
		}
	}
	return "", fmt.Errorf("tap %q: no message in chat %d has such a button", label, c.chat.id)
}

// TapOn is Tap for one message.
func (c *Client) TapOn(messageID int, label string) (queryID string, err error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	m := c.chat.find(messageID)
	if m == nil {
		return "", fmt.Errorf("tap %q: no message %d in chat %d", label, messageID, c.chat.id)
	}
	b, found := findButton(m.inline, labelled(label))
	if !found {
		return "", fmt.Errorf("tap %q: message %d has the buttons %q", label, messageID, c.s.view(m).Labels())
	}
	return c.tapButton(m, b)
}

// TapData sends a callback query with any data for any message id, as a forged client can. For a message that is not
// there the bot gets an inaccessible message.
func (c *Client) TapData(messageID int, data string) (queryID string) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return c.s.tap(c.chat, c.s.mustUser(c.userID), messageID, data)
}

func (c *Client) tapButton(m *message, b Button) (string, error) {
	if b.Data == "" {
		return "", fmt.Errorf("tap %q: the button opens a link or copies a text, it does not call the bot", b.Text)
	}
	return c.s.tap(c.chat, c.s.mustUser(c.userID), m.id, b.Data), nil
}

func labelled(label string) func(Button) bool {
	return func(b Button) bool { return b.Text == label }
}

// Answer waits for the bot's answer to a tap.
func (c *Client) Answer(ctx context.Context, queryID string) (CallbackAnswer, error) {
	return c.s.waitAnswer(ctx, queryID)
}

// Messages are all messages of the chat that are kept, the oldest first; deleted ones are marked.
func (c *Client) Messages() []Message {
	all, _ := c.look()
	return all
}

// Last is the newest message of the bot in the chat that was not deleted; the zero Message if there is none.
func (c *Client) Last() Message {
	for _, m := range slices.Backward(c.Messages()) {
		if m.From.ID == c.s.bot.ID && !m.Deleted {
			return m
		}
	}
	return Message{}
}

// Wait returns once done is true of the chat's messages. It looks again at every change in the chat (new, edited and
// deleted messages, keyboards, callback answers), and does not poll. The error says what was there at the end.
func (c *Client) Wait(ctx context.Context, done func([]Message) bool) error {
	for {
		all, changed := c.look()
		if done(all) {
			return nil
		}
		if err := c.s.hear(ctx, changed); err != nil {
			return fmt.Errorf("wait in chat %d: %w; %d messages, the bot's last is %q",
				c.chat.id, err, len(all), c.Last().Styled())
		}
	}
}

// look gives the messages and a channel that closes at the next change.
func (c *Client) look() ([]Message, <-chan struct{}) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	all := make([]Message, len(c.chat.messages))
	for i, m := range c.chat.messages {
		all[i] = c.s.view(m)
	}
	return all, c.chat.changed.wait()
}
