package telegram

import (
	"bytes"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

// The functions of this file turn a chat.Message into the library's parameters.
// A file is read anew for each try, so they are called for each try.

func textParams(to chat.Address, m chat.Message) *bot.SendMessageParams {
	return &bot.SendMessageParams{
		ChatID:              to.Chat,
		MessageThreadID:     to.Thread,
		Text:                m.Text,
		Entities:            entities(m.Entities),
		LinkPreviewOptions:  noPreview(),
		DisableNotification: m.Silent,
		ReplyMarkup:         markup(m),
	}
}

func documentParams(to chat.Address, m chat.Message) *bot.SendDocumentParams {
	return &bot.SendDocumentParams{
		ChatID:              to.Chat,
		MessageThreadID:     to.Thread,
		Document:            upload(m.Document),
		Caption:             m.Text,
		CaptionEntities:     entities(m.Entities),
		DisableNotification: m.Silent,
		ReplyMarkup:         markup(m),
	}
}

func photoParams(to chat.Address, m chat.Message) *bot.SendPhotoParams {
	return &bot.SendPhotoParams{
		ChatID:              to.Chat,
		MessageThreadID:     to.Thread,
		Photo:               upload(m.Photo),
		Caption:             m.Text,
		CaptionEntities:     entities(m.Entities),
		DisableNotification: m.Silent,
		ReplyMarkup:         markup(m),
	}
}

func editTextParams(to chat.Address, id int, m chat.Message) *bot.EditMessageTextParams {
	return &bot.EditMessageTextParams{
		ChatID:             to.Chat,
		MessageID:          id,
		Text:               m.Text,
		Entities:           entities(m.Entities),
		LinkPreviewOptions: noPreview(),
		ReplyMarkup:        inlineMarkup(m.Inline),
	}
}

func editMediaParams(to chat.Address, id int, m chat.Message) *bot.EditMessageMediaParams {
	const attachment = "attach://content"
	params := &bot.EditMessageMediaParams{ChatID: to.Chat, MessageID: id, ReplyMarkup: inlineMarkup(m.Inline)}
	if m.Document != nil {
		params.Media = &models.InputMediaDocument{
			Media: attachment, MediaAttachment: bytes.NewReader(m.Document.Data),
			Caption: m.Text, CaptionEntities: entities(m.Entities),
		}
		return params
	}
	params.Media = &models.InputMediaPhoto{
		Media: attachment, MediaAttachment: bytes.NewReader(m.Photo.Data),
		Caption: m.Text, CaptionEntities: entities(m.Entities),
	}
	return params
}

func upload(f *chat.File) models.InputFile {
	return &models.InputFileUpload{Filename: f.Name, Data: bytes.NewReader(f.Data)}
}

func noPreview() *models.LinkPreviewOptions {
	return &models.LinkPreviewOptions{IsDisabled: bot.True()}
}

func entities(in []chat.Entity) []models.MessageEntity {
	if len(in) == 0 {
		return nil
	}
	out := make([]models.MessageEntity, len(in))
	for i, e := range in {
		out[i] = models.MessageEntity{Type: models.MessageEntityType(e.Type), Offset: e.Offset, Length: e.Length, Language: e.Language}
	}
	return out
}

// markup is what stands under a new message. Telegram takes only one kind:
// inline buttons win over a keyboard.
func markup(m chat.Message) models.ReplyMarkup {
	switch {
	case len(m.Inline) > 0:
		return inlineMarkup(m.Inline)
	case m.Keyboard == nil:
		return nil
	case len(m.Keyboard.Rows) == 0:
		return models.ReplyKeyboardRemove{RemoveKeyboard: true}
	}
	rows := make([][]models.KeyboardButton, len(m.Keyboard.Rows))
	for i, row := range m.Keyboard.Rows {
		rows[i] = make([]models.KeyboardButton, len(row))
		for j, label := range row {
			rows[i][j] = models.KeyboardButton{Text: label}
		}
	}
	return models.ReplyKeyboardMarkup{
		Keyboard: rows, ResizeKeyboard: true, IsPersistent: true,
		InputFieldPlaceholder: m.Keyboard.Placeholder,
	}
}

// inlineButton is the part of an inline button that is used here. The library's
// models.InlineKeyboardButton writes an empty copy_text into each button.
type inlineButton struct {
	Text         string `json:"text"`
	CallbackData string `json:"callback_data"`
	Style        string `json:"style,omitempty"`
}

type inlineKeyboard struct {
	Rows [][]inlineButton `json:"inline_keyboard"`
}

// inlineMarkup returns nil without buttons; an edit then takes away the old ones.
func inlineMarkup(rows [][]chat.Button) models.ReplyMarkup {
	if len(rows) == 0 {
		return nil
	}
	out := inlineKeyboard{Rows: make([][]inlineButton, len(rows))}
	for i, row := range rows {
		out.Rows[i] = make([]inlineButton, len(row))
		for j, b := range row {
			out.Rows[i][j] = inlineButton{Text: b.Label, CallbackData: b.Data, Style: b.Style}
		}
	}
	return out
}
