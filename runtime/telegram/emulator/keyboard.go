package emulator

import (
	"encoding/json"
	"slices"
)

// maxButtons is the number of buttons an inline keyboard can hold; maxData the bytes of callback_data, which
// https://core.telegram.org/bots/api#inlinekeyboardbutton gives.
const (
	maxButtons  = 100
	maxData     = 64
	maxCopyText = 256
)

// Button is an inline button: with Data it sends a callback query, with URL it opens a page, with CopyText it fills the
// clipboard. Style is "", "danger", "success" or "primary".
type Button struct {
	Text     string
	Data     string
	URL      string
	CopyText string
	Style    string
}

// keyboard is a reply keyboard, in the shape that the chat page takes.
type keyboard struct {
	Rows        [][]string `json:"rows"`
	Placeholder string     `json:"placeholder"`
	Resize      bool       `json:"resize"`
}

// markup is a parsed reply_markup.
type markup struct {
	inline  [][]Button
	reply   *keyboard
	remove  bool
	force   bool
	present bool
}

// sticky markups belong to the chat rather than to the message; a message that carried one cannot be edited.
func (m markup) sticky() bool { return m.reply != nil || m.remove || m.force }

// wireMarkup is a reply_markup as it comes in. Raw rows tell a missing field from a wrong one.
type wireMarkup struct {
	Inline      *json.RawMessage `json:"inline_keyboard"`
	Keyboard    *json.RawMessage `json:"keyboard"`
	Remove      *json.RawMessage `json:"remove_keyboard"`
	Force       *json.RawMessage `json:"force_reply"`
	Placeholder string           `json:"input_field_placeholder"`
	Resize      bool             `json:"resize_keyboard"`
}

func parseMarkup(raw string) (markup, error) {
	if raw == "" || raw == "null" {
		return markup{}, nil
	}
	var w wireMarkup
	if err := json.Unmarshal([]byte(raw), &w); err != nil {
		return markup{}, badRequest("can't parse reply markup JSON object")
	}
	switch {
	case w.Inline != nil:
		rows, err := parseInline(*w.Inline)
		return markup{inline: rows, present: true}, err
	case w.Keyboard != nil:
		return w.parseReply()
	case w.Remove != nil:
		return w.parseFlag(*w.Remove, "remove_keyboard", markup{remove: true, present: true})
	case w.Force != nil:
		return w.parseFlag(*w.Force, "force_reply", markup{force: true, present: true})
	}
	return markup{}, badRequest("object expected as reply markup")
}

// parseEditMarkup is parseMarkup for edits, which take inline keyboards only.
func parseEditMarkup(p *params) (markup, error) {
	m, err := parseMarkup(p.str("reply_markup"))
	if err == nil && m.sticky() {
		err = badRequest("inline keyboard expected")
	}
	return m, err
}

func (w wireMarkup) parseFlag(raw json.RawMessage, name string, yes markup) (markup, error) {
	var on bool
	if json.Unmarshal(raw, &on) != nil {
		return markup{}, badRequest(`field "%s" must be of type Boolean`, name)
	}
	if !on {
		return markup{}, nil
	}
	return yes, nil
}

func (w wireMarkup) parseReply() (markup, error) {
	var rows [][]json.RawMessage
	if json.Unmarshal(*w.Keyboard, &rows) != nil {
		return markup{}, badRequest(`field "keyboard" must be of type Array`)
	}
	k := &keyboard{Rows: [][]string{}, Placeholder: w.Placeholder, Resize: w.Resize}
	if n := utf16Len(w.Placeholder); n > 64 {
		return markup{}, badRequest("REPLY_MARKUP_PLACEHOLDER_INVALID")
	}
	for _, row := range rows {
		labels, err := replyRow(row)
		if err != nil {
			return markup{}, err
		}
		if len(labels) > 0 {
			k.Rows = append(k.Rows, labels)
		}
	}
	if len(k.Rows) == 0 {
		return markup{}, badRequest("reply keyboard must be non-empty")
	}
	return markup{reply: k, present: true}, nil
}

// replyRow takes buttons written as objects or, as Telegram does, as plain strings.
func replyRow(row []json.RawMessage) ([]string, error) {
	var labels []string
	for _, raw := range row {
		var button struct {
			Text  string `json:"text"`
			Style string `json:"style"`
		}
		if json.Unmarshal(raw, &button.Text) != nil && json.Unmarshal(raw, &button) != nil {
			return nil, badRequest("can't parse keyboard button: KeyboardButton must be a String or an Object")
		}
		if button.Text == "" {
			return nil, badRequest("keyboard button text must be non-empty")
		}
		if err := checkStyle(button.Style); err != nil {
			return nil, err
		}
		labels = append(labels, button.Text)
	}
	return labels, nil
}

// wireButton is an inline button on the wire, both ways.
type wireButton struct {
	Text         *string       `json:"text"`
	URL          string        `json:"url,omitempty"`
	CallbackData string        `json:"callback_data,omitempty"`
	CopyText     *wireCopyText `json:"copy_text,omitempty"`
	Style        string        `json:"style,omitempty"`
}

type wireCopyText struct {
	Text string `json:"text"`
}

func parseInline(raw json.RawMessage) ([][]Button, error) {
	var rows [][]json.RawMessage
	if json.Unmarshal(raw, &rows) != nil {
		return nil, badRequest(`field "inline_keyboard" must be of type Array`)
	}
	var out [][]Button
	total := 0
	for _, row := range rows {
		buttons := make([]Button, 0, len(row))
		for _, item := range row {
			b, err := parseButton(item)
			if err != nil {
				return nil, err
			}
			buttons = append(buttons, b)
		}
		if total += len(buttons); total > maxButtons {
			return nil, badRequest("reply markup is too long")
		}
		if len(buttons) > 0 {
			out = append(out, buttons)
		}
	}
	return out, nil
}

func parseButton(raw json.RawMessage) (Button, error) {
	var w wireButton
	if json.Unmarshal(raw, &w) != nil {
		return Button{}, badRequest("can't parse inline keyboard button: InlineKeyboardButton must be an Object")
	}
	if w.Text == nil {
		return Button{}, badRequest(`can't parse inline keyboard button: Can't find field "text"`)
	}
	b := Button{Text: *w.Text, Style: w.Style}
	if b.Text == "" {
		return Button{}, badRequest("inline keyboard button text must be non-empty")
	}
	if err := checkStyle(b.Style); err != nil {
		return Button{}, err
	}
	return w.withAction(b)
}

// withAction takes the first action that is there, in Telegram's order. An empty copy_text beside another action is
// ignored: go-telegram/bot v1.19 sends one with every button.
func (w wireButton) withAction(b Button) (Button, error) {
	switch {
	case w.URL != "":
		b.URL = w.URL
		return b, checkURL("inline keyboard button URL", w.URL)
	case w.CallbackData != "":
		if len(w.CallbackData) > maxData {
			return Button{}, badRequest("BUTTON_DATA_INVALID")
		}
		b.Data = w.CallbackData
		return b, nil
	case w.CopyText != nil && w.CopyText.Text != "":
		if utf16Len(w.CopyText.Text) > maxCopyText {
			return Button{}, badRequest("BUTTON_COPY_TEXT_INVALID")
		}
		b.CopyText = w.CopyText.Text
		return b, nil
	}
	return Button{}, badRequest("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
}

// checkStyle knows the button styles of Bot API 9.4.
func checkStyle(style string) error {
	switch style {
	case "", "danger", "success", "primary":
		return nil
	}
	return badRequest("invalid button style specified")
}

func equalInline(a, b [][]Button) bool { return slices.EqualFunc(a, b, slices.Equal[[]Button]) }

// findButton gives the first inline button that matches.
func findButton(rows [][]Button, match func(Button) bool) (Button, bool) {
	for _, row := range rows {
		if i := slices.IndexFunc(row, match); i >= 0 {
			return row[i], true
		}
	}
	return Button{}, false
}
