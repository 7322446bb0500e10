package emulator

// The types in this file are what travels to the bot, with the field names of https://core.telegram.org/bots/api.

type wireChat struct {
	ID        int64  `json:"id"`
	Type      string `json:"type"`
	Title     string `json:"title,omitempty"`
	Username  string `json:"username,omitempty"`
	FirstName string `json:"first_name,omitempty"`
	LastName  string `json:"last_name,omitempty"`
	IsForum   bool   `json:"is_forum,omitempty"`
}

func (c *chat) wire() wireChat {
	return wireChat{
		ID: c.id, Type: c.kind, Title: c.title, IsForum: c.forum,
		Username: c.user.Username, FirstName: c.user.FirstName, LastName: c.user.LastName,
	}
}

type wireMessage struct {
	MessageID       int            `json:"message_id"`
	ThreadID        int            `json:"message_thread_id,omitempty"`
	From            *User          `json:"from,omitempty"`
	SenderChat      *wireChat      `json:"sender_chat,omitempty"`
	Chat            wireChat       `json:"chat"`
	Date            int64          `json:"date"`
	EditDate        int64          `json:"edit_date,omitempty"`
	ForwardOrigin   *wireOrigin    `json:"forward_origin,omitempty"`
	IsTopicMessage  bool           `json:"is_topic_message,omitempty"`
	IsAutoForward   bool           `json:"is_automatic_forward,omitempty"`
	ReplyTo         *wireMessage   `json:"reply_to_message,omitempty"`
	ViaBot          *User          `json:"via_bot,omitempty"`
	Text            string         `json:"text,omitempty"`
	Entities        []Entity       `json:"entities,omitempty"`
	Photo           []wirePhoto    `json:"photo,omitempty"`
	Document        *wireDocument  `json:"document,omitempty"`
	Caption         string         `json:"caption,omitempty"`
	CaptionEntities []Entity       `json:"caption_entities,omitempty"`
	ReplyMarkup     *wireInlineKey `json:"reply_markup,omitempty"`
}

type wireInlineKey struct {
	Rows [][]wireButton `json:"inline_keyboard"`
}

type wirePhoto struct {
	FileID       string `json:"file_id"`
	FileUniqueID string `json:"file_unique_id"`
	Width        int    `json:"width"`
	Height       int    `json:"height"`
	FileSize     int    `json:"file_size"`
}

type wireDocument struct {
	FileID       string `json:"file_id"`
	FileUniqueID string `json:"file_unique_id"`
	FileName     string `json:"file_name,omitempty"`
	MimeType     string `json:"mime_type,omitempty"`
	FileSize     int    `json:"file_size"`
}

// wireOrigin is a MessageOrigin; Type says which of the others are set.
type wireOrigin struct {
	Type           string    `json:"type"`
	Date           int64     `json:"date"`
	SenderUser     *User     `json:"sender_user,omitempty"`
	SenderUserName string    `json:"sender_user_name,omitempty"`
	SenderChat     *wireChat `json:"sender_chat,omitempty"`
	Chat           *wireChat `json:"chat,omitempty"`
	MessageID      int       `json:"message_id,omitempty"`
}

type wireQuery struct {
	ID           string `json:"id"`
	From         User   `json:"from"`
	Message      any    `json:"message"`
	ChatInstance string `json:"chat_instance"`
	Data         string `json:"data"`
}

// wireGone is an InaccessibleMessage: its date is always 0.
type wireGone struct {
	Chat      wireChat `json:"chat"`
	MessageID int      `json:"message_id"`
	Date      int64    `json:"date"`
}

type wireMembership struct {
	Chat wireChat   `json:"chat"`
	From User       `json:"from"`
	Date int64      `json:"date"`
	Old  wireMember `json:"old_chat_member"`
	New  wireMember `json:"new_chat_member"`
}

type wireMember struct {
	Status string `json:"status"`
	User   User   `json:"user"`
	Until  int64  `json:"until_date"`
}

// wireMessage is a message as the bot gets it, with the message it replies to, but not that one's own reply.
func (c *chat) wireMessage(m *message) *wireMessage {
	w := c.wireAlone(m)
	if parent := c.find(m.replyTo); parent != nil {
		w.ReplyTo = c.wireAlone(parent)
	}
	return w
}

func (c *chat) wireAlone(m *message) *wireMessage {
	w := &wireMessage{
		MessageID: m.id, ThreadID: m.threadID, From: m.from, SenderChat: m.senderChat, Chat: c.wire(),
		Date: m.date, EditDate: m.editDate, ForwardOrigin: m.origin, IsAutoForward: m.autoPost,
		IsTopicMessage: c.forum && m.threadID != 0, ViaBot: m.viaBot, ReplyMarkup: wireInline(m.inline),
	}
	if m.media() {
		w.Caption, w.CaptionEntities = m.content.text, m.content.entities
		w.Photo, w.Document = wirePhotos(m.photo), wireDoc(m.document)
	} else {
		w.Text, w.Entities = m.content.text, m.content.entities
	}
	return w
}

func wireInline(rows [][]Button) *wireInlineKey {
	if len(rows) == 0 {
		return nil
	}
	key := &wireInlineKey{Rows: make([][]wireButton, len(rows))}
	for i, row := range rows {
		for _, b := range row {
			w := wireButton{Text: &b.Text, URL: b.URL, CallbackData: b.Data, Style: b.Style}
			if b.CopyText != "" {
				w.CopyText = &wireCopyText{Text: b.CopyText}
			}
			key.Rows[i] = append(key.Rows[i], w)
		}
	}
	return key
}

func wirePhotos(f *file) []wirePhoto {
	if f == nil {
		return nil
	}
	return []wirePhoto{{FileID: f.id, FileUniqueID: f.unique(), Width: f.width, Height: f.height, FileSize: f.size}}
}

func wireDoc(f *file) *wireDocument {
	if f == nil {
		return nil
	}
	return &wireDocument{FileID: f.id, FileUniqueID: f.unique(), FileName: f.name, MimeType: f.mime, FileSize: f.size}
}
