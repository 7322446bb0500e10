package emulator

import (
	"encoding/json"
	"time"
)

// editMessageText: https://core.telegram.org/bots/api#editmessagetext
func (s *Server) editMessageText(p *params) (any, error) {
	content, err := formattedText(p)
	if err != nil {
		return nil, err
	}
	return s.edit(p, func(m *message) error {
		if m.media() {
			return badRequest("there is no text in the message to edit")
		}
		m.content = content
		return nil
	})
}

// editMessageCaption: https://core.telegram.org/bots/api#editmessagecaption
func (s *Server) editMessageCaption(p *params) (any, error) {
	caption, err := formattedCaption(p.str("caption"), p.str("caption_entities"), p.str("parse_mode"))
	if err != nil {
		return nil, err
	}
	return s.edit(p, func(m *message) error {
		if !m.media() {
			return badRequest("there is no caption in the message to edit")
		}
		m.content = caption
		return nil
	})
}

// editMessageReplyMarkup: https://core.telegram.org/bots/api#editmessagereplymarkup
func (s *Server) editMessageReplyMarkup(p *params) (any, error) {
	return s.edit(p, func(*message) error { return nil })
}

// inputMedia: https://core.telegram.org/bots/api#inputmedia, of which photo and document are known here.
type inputMedia struct {
	Type      string          `json:"type"`
	Media     string          `json:"media"`
	Caption   string          `json:"caption"`
	Entities  json.RawMessage `json:"caption_entities"`
	ParseMode string          `json:"parse_mode"`
}

// editMessageMedia: https://core.telegram.org/bots/api#editmessagemedia. A text message may become a photo or document.
func (s *Server) editMessageMedia(p *params) (any, error) {
	var media inputMedia
	if json.Unmarshal([]byte(p.str("media")), &media) != nil {
		return nil, badRequest("can't parse input media JSON object")
	}
	caption, err := formattedCaption(media.Caption, string(media.Entities), media.ParseMode)
	if err != nil {
		return nil, err
	}
	return s.edit(p, func(m *message) (err error) {
		m.content, m.photo, m.document = caption, nil, nil
		switch media.Type {
		case "photo":
			m.photo, err = s.takePhoto(p, media.Media, "media")
		case "document":
			m.document, err = s.takeDocument(p, media.Media, "media")
		default:
			err = badRequest("type of the media is not supported by the emulator")
		}
		return err
	})
}

// edit changes a message of the bot. As at Telegram, a keyboard that is not given again goes away, and an edit that
// changes nothing is refused.
func (s *Server) edit(p *params, change func(*message) error) (any, error) {
	c, m, err := s.editable(p)
	if err != nil {
		return nil, err
	}
	keys, err := parseEditMarkup(p)
	if err != nil {
		return nil, err
	}
	after := *m
	after.inline = keys.inline
	if err := change(&after); err != nil {
		return nil, err
	}
	if sameContent(m, &after) {
		return nil, badRequest("message is not modified: specified new message content and reply markup are exactly " +
			"the same as a current content and reply markup of the message")
	}
	after.edits++
	after.editDate = s.unix()
	*m = after
	c.announce(m)
	return c.wireMessage(m), nil
}

func sameContent(a, b *message) bool {
	return a.content.equal(b.content) && a.photo == b.photo && a.document == b.document && equalInline(a.inline, b.inline)
}

// editable finds the message that a call wants to edit. Only the bot's own can be, and none that was sent with a reply
// keyboard: https://core.telegram.org/bots/api#updating-messages.
func (s *Server) editable(p *params) (*chat, *message, error) {
	c, err := s.openChat(p)
	if err != nil {
		return nil, nil, err
	}
	if p.int("message_id") <= 0 {
		return nil, nil, badRequest("message identifier is not specified")
	}
	m := c.find(int(p.int("message_id")))
	if m == nil {
		return nil, nil, badRequest("message to edit not found")
	}
	if !s.own(c, m) || m.sticky {
		return nil, nil, badRequest("message can't be edited")
	}
	return c, m, nil
}

// own reports whether the bot wrote m. What a channel shows without a sender was posted by the bot, or by SenderChat.
func (s *Server) own(c *chat, m *message) bool {
	if c.kind == kindChannel {
		return m.from == nil && !m.autoPost
	}
	return m.from != nil && m.from.ID == s.bot.ID
}

// deletable is how long after its date a message can be deleted: https://core.telegram.org/bots/api#deletemessage
const deletable = 48 * time.Hour

// maxDeleted is the number of ids that deleteMessages takes.
const maxDeleted = 100

// deleteMessage: https://core.telegram.org/bots/api#deletemessage
func (s *Server) deleteMessage(p *params) (any, error) {
	c, err := s.openChat(p)
	if err != nil {
		return nil, err
	}
	m := c.find(int(p.int("message_id")))
	if m == nil {
		return nil, badRequest("message to delete not found")
	}
	if !s.mayDelete(c, m) {
		return nil, badRequest("message can't be deleted for everyone")
	}
	c.remove([]*message{m})
	return true, nil
}

// deleteMessages: https://core.telegram.org/bots/api#deletemessages. What is not there, or cannot be deleted, is skipped.
func (s *Server) deleteMessages(p *params) (any, error) {
	c, err := s.openChat(p)
	if err != nil {
		return nil, err
	}
	var ids []int
	if json.Unmarshal([]byte(p.str("message_ids")), &ids) != nil || len(ids) == 0 {
		return nil, badRequest("message identifiers are not specified")
	}
	if len(ids) > maxDeleted {
		return nil, badRequest("too many message identifiers specified")
	}
	var gone []*message
	for _, id := range ids {
		if m := c.find(id); m != nil && s.mayDelete(c, m) {
			gone = append(gone, m)
		}
	}
	c.remove(gone)
	return true, nil
}

func (s *Server) mayDelete(c *chat, m *message) bool {
	if s.now().Sub(time.Unix(m.date, 0)) > deletable {
		return false
	}
	return c.kind == kindPrivate || c.admin || s.own(c, m)
}
