package config

import (
	"math"
	"strconv"
	"strings"
)

// Chat is a chat, or a topic of a group that has topics. In the file it is a number, or a text: "-100123456/45".
type Chat struct {
	// ID is positive for a private chat, negative for a group.
	ID int64
	// Topic is the number of a forum topic, as links to it have it; 0: none.
	Topic int
}

// readChat checks a chat and returns its text, since koanf copies its values.
func readChat(text string) (any, error) {
	chat, topic, inTopic := strings.Cut(text, "/")
	id, err := readInt(chat)
	if err != nil || !inTopic {
		return text, err
	}
	n, err := readInt(topic)
	switch {
	case err != nil:
		return nil, err
	case id.(int64) >= 0:
		return nil, complaint{"only groups have topics, and their ids are negative", "write the chat's id alone"}
	case n.(int64) == generalTopic:
		return nil, complaint{"topic 1 is General, which has no number of its own in Telegram", "write the group's id alone"}
	case n.(int64) < 1 || n.(int64) > math.MaxInt32:
		return nil, complaint{"a topic's number is positive", "it is the last number but one in a link to a message of the topic"}
	}
	return text, nil
}

// generalTopic cannot be named in a message (Bot API, message_thread_id).
const generalTopic = 1

// UnmarshalText reads what readChat has checked.
func (c *Chat) UnmarshalText(text []byte) error {
	chat, topic, inTopic := strings.Cut(string(text), "/")
	id, err := strconv.ParseInt(chat, 10, 64)
	if err != nil {
		return errMismatch
	}
	read := Chat{ID: id}
	if inTopic {
		if read.Topic, err = strconv.Atoi(topic); err != nil {
			return errMismatch
		}
	}
	*c = read
	return nil
}

// String is the chat as the file has it.
func (c Chat) String() string {
	text := strconv.FormatInt(c.ID, 10)
	if c.Topic != 0 {
		text += "/" + strconv.Itoa(c.Topic)
	}
	return text
}

// IDs are the chats without their topics.
func (c ChatID) IDs() []int64 {
	var ids []int64
	for _, chat := range c.GlobalChatID {
		ids = append(ids, chat.ID)
	}
	return ids
}
