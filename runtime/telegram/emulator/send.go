package emulator

import (
	"encoding/json"
	"slices"
)

// sendMessage: https://core.telegram.org/bots/api#sendmessage
func (s *Server) sendMessage(p *params) (any, error) {
	content, err := formattedText(p)
	if err != nil {
		return nil, err
	}
	return s.deliver(p, &message{content: content})
}

// sendPhoto: https://core.telegram.org/bots/api#sendphoto
func (s *Server) sendPhoto(p *params) (any, error) {
	return s.sendFile(p, func(m *message) (err error) {
		m.photo, err = s.takePhoto(p, p.str("photo"), "photo")
		return err
	})
}

// sendDocument: https://core.telegram.org/bots/api#senddocument
func (s *Server) sendDocument(p *params) (any, error) {
	return s.sendFile(p, func(m *message) (err error) {
		m.document, err = s.takeDocument(p, p.str("document"), "document")
		return err
	})
}

// sendFile sends a message whose file attach takes from the call; everything else is checked before a file is kept.
func (s *Server) sendFile(p *params, attach func(*message) error) (any, error) {
	caption, err := formattedCaption(p.str("caption"), p.str("caption_entities"), p.str("parse_mode"))
	if err != nil {
		return nil, err
	}
	if _, err := s.openChat(p); err != nil {
		return nil, err
	}
	m := &message{content: caption}
	if err := attach(m); err != nil {
		return nil, err
	}
	return s.deliver(p, m)
}

// deliver puts a message of the bot into its chat.
func (s *Server) deliver(p *params, m *message) (any, error) {
	c, err := s.openChat(p)
	if err != nil {
		return nil, err
	}
	keys, err := parseMarkup(p.str("reply_markup"))
	if err != nil {
		return nil, err
	}
	if m.replyTo, err = c.replyTarget(p); err != nil {
		return nil, err
	}
	m.date, m.threadID = s.unix(), int(p.int("message_thread_id"))
	if c.forum && m.threadID != 0 && !c.hasTopic(m.threadID) {
		return nil, badRequest("message thread not found")
	}
	m.inline, m.sticky = keys.inline, keys.sticky()
	if c.kind == kindChannel {
		self := c.wire()
		m.senderChat = &self
	} else {
		m.from = &s.bot
	}
	c.add(m)
	c.applyMarkup(keys)
	return c.wireMessage(m), nil
}

// replyTarget reads reply_parameters: https://core.telegram.org/bots/api#replyparameters
func (c *chat) replyTarget(p *params) (int, error) {
	raw := p.str("reply_parameters")
	if raw == "" || raw == "null" {
		return 0, nil
	}
	var reply struct {
		MessageID *int `json:"message_id"`
		Optional  bool `json:"allow_sending_without_reply"`
	}
	if json.Unmarshal([]byte(raw), &reply) != nil {
		return 0, badRequest("can't parse reply parameters")
	}
	if reply.MessageID == nil {
		return 0, badRequest(`can't find field "message_id"`)
	}
	if c.find(*reply.MessageID) != nil {
		return *reply.MessageID, nil
	}
	if reply.Optional {
		return 0, nil
	}
	return 0, badRequest("message to be replied not found")
}

// chatActions: https://core.telegram.org/bots/api#sendchataction
var chatActions = []string{
	"typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice", "upload_document",
	"choose_sticker", "find_location", "record_video_note", "upload_video_note",
}

func (s *Server) sendChatAction(p *params) (any, error) {
	c, err := s.openChat(p)
	if err != nil {
		return nil, err
	}
	action := p.str("action")
	if !slices.Contains(chatActions, action) {
		return nil, badRequest("wrong parameter action in request")
	}
	c.publish(event{name: "action", data: map[string]string{"action": action}})
	return true, nil
}
