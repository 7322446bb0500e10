package emulator

import (
	"cmp"
	"encoding/json"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Lengths in UTF-16 code units, after entities were parsed: https://core.telegram.org/bots/api#sendmessage and
// #sendphoto. What goes beyond maxEntities loses its style without an error, as at Telegram.
const (
	maxText     = 4096
	maxCaption  = 1024
	maxEntities = 100
)

// Entity is a styled part of a text. Offset and Length are in UTF-16 code units, which JavaScript's strings use too.
type Entity struct {
	Type          string `json:"type"`
	Offset        int    `json:"offset"`
	Length        int    `json:"length"`
	URL           string `json:"url,omitempty"`
	Language      string `json:"language,omitempty"`
	CustomEmojiID string `json:"custom_emoji_id,omitempty"`
	User          *User  `json:"user,omitempty"`
}

func (e Entity) end() int { return e.Offset + e.Length }

// entityTypes are those of https://core.telegram.org/bots/api#messageentity. The value says whether a sender may style
// with it; the others are found by Telegram itself and are ignored when they are sent.
var entityTypes = map[string]bool{
	"mention": false, "hashtag": false, "cashtag": false, "bot_command": false, "url": false, "email": false,
	"phone_number": false, "bold": true, "italic": true, "underline": true, "strikethrough": true, "spoiler": true,
	"blockquote": true, "expandable_blockquote": true, "code": true, "pre": true, "text_link": true,
	"text_mention": true, "custom_emoji": true,
}

// utf16Len is the length of a text as Telegram counts it.
func utf16Len(text string) int {
	n := 0
	for _, r := range text {
		n += utf16.RuneLen(r)
	}
	return n
}

// formatted is a text that passed all checks.
type formatted struct {
	text     string
	entities []Entity
}

func (f formatted) equal(o formatted) bool {
	return f.text == o.text && slices.EqualFunc(f.entities, o.entities, func(a, b Entity) bool {
		au, bu := a.User, b.User
		a.User, b.User = nil, nil
		return a == b && (au == nil) == (bu == nil) && (au == nil || au.ID == bu.ID)
	})
}

// formattedText reads the text and entities of a message.
func formattedText(p *params) (formatted, error) {
	if p.str("text") == "" {
		return formatted{}, badRequest("message text is empty")
	}
	f, err := formatText(p.str("text"), p.str("entities"), p.str("parse_mode"))
	switch {
	case err != nil:
		return formatted{}, err
	case f.text == "":
		return formatted{}, badRequest("text must be non-empty")
	case utf16Len(f.text) > maxText:
		return formatted{}, badRequest("message is too long")
	}
	return f, nil
}

// formattedCaption checks a caption, which may be empty.
func formattedCaption(caption, entities, parseMode string) (formatted, error) {
	f, err := formatText(caption, entities, parseMode)
	if err != nil {
		return formatted{}, err
	}
	if utf16Len(f.text) > maxCaption {
		return formatted{}, badRequest("message caption is too long")
	}
	return f, nil
}

func formatText(text, rawEntities, parseMode string) (formatted, error) {
	if parseMode != "" {
		return formatted{}, badRequest("unsupported parse_mode (the emulator takes entities only)")
	}
	entities, err := parseEntities(rawEntities)
	if err != nil {
		return formatted{}, err
	}
	units := utf16.Encode([]rune(text))
	for _, e := range entities {
		if err := checkEntity(units, e); err != nil {
			return formatted{}, err
		}
	}
	return trim(units, styling(entities)), nil
}

func parseEntities(raw string) ([]Entity, error) {
	if raw == "" || raw == "null" {
		return nil, nil
	}
	var entities []Entity
	if err := json.Unmarshal([]byte(raw), &entities); err != nil {
		return nil, badRequest("can't parse entities: %s", err.Error())
	}
	return entities, nil
}

// checkEntity gives the refusals that Telegram gives, in its order: shape, then place.
func checkEntity(units []uint16, e Entity) error {
	if _, known := entityTypes[e.Type]; !known {
		return badRequest("can't parse MessageEntity: Unsupported type specified")
	}
	if err := checkEntityFields(e); err != nil {
		return err
	}
	switch {
	case e.Offset < 0 || e.Offset > 1_000_000:
		return badRequest("receive an entity with incorrect offset %d", e.Offset)
	case e.Length < 0 || e.Length > 1_000_000:
		return badRequest("receive an entity with incorrect length %d", e.Length)
	case e.Offset > len(units):
		return badRequest("entity begins after the end of the text at UTF-16 offset %d", e.Offset)
	case e.end() > len(units):
		return badRequest("entity beginning at UTF-16 offset %d ends after the end of the text at UTF-16 offset %d",
			e.Offset, e.end())
	case splitsPair(units, e.Offset):
		return badRequest("entity begins in a middle of a UTF-16 symbol at UTF-16 offset %d", e.Offset)
	case splitsPair(units, e.end()):
		return badRequest("entity beginning at UTF-16 offset %d ends in a middle of a UTF-16 symbol at UTF-16 offset %d",
			e.Offset, e.end())
	}
	return nil
}

func checkEntityFields(e Entity) error {
	switch e.Type {
	case "text_link":
		return checkURL("entity URL", e.URL)
	case "text_mention":
		if e.User == nil {
			return badRequest(`can't parse MessageEntity: Can't find field "user"`)
		}
	case "custom_emoji":
		if e.CustomEmojiID == "" {
			return badRequest(`can't parse MessageEntity: Can't find field "custom_emoji_id"`)
		}
		if _, err := strconv.ParseInt(e.CustomEmojiID, 10, 64); err != nil {
			return badRequest(`can't parse MessageEntity: Field "custom_emoji_id" must be a valid Number`)
		}
	}
	return nil
}

// splitsPair reports whether a cut at offset would part the two halves of a surrogate pair.
func splitsPair(units []uint16, offset int) bool {
	return offset > 0 && offset < len(units) &&
		utf16.IsSurrogate(rune(units[offset])) && units[offset] >= 0xDC00 && units[offset-1] < 0xDC00 &&
		utf16.IsSurrogate(rune(units[offset-1]))
}

// styling keeps the entities that style something, in reading order, the outer before the inner.
func styling(entities []Entity) []Entity {
	kept := slices.DeleteFunc(slices.Clone(entities), func(e Entity) bool {
		return e.Length == 0 || !entityTypes[e.Type]
	})
	slices.SortStableFunc(kept, func(a, b Entity) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(b.Length, a.Length))
	})
	return kept[:min(len(kept), maxEntities)]
}

// trim drops the white space that Telegram does not keep: all of it at the end, and at the start up to the first
// entity. Entities are moved and cut with it.
func trim(units []uint16, entities []Entity) formatted {
	end := len(units)
	for end > 0 && blank(units[end-1]) {
		end--
	}
	limit := end
	if len(entities) > 0 {
		limit = min(limit, entities[0].Offset)
	}
	start := 0
	for start < limit && blank(units[start]) {
		start++
	}
	kept := make([]Entity, 0, len(entities))
	for _, e := range entities {
		e.Length = min(e.end(), end) - e.Offset
		e.Offset -= start
		if e.Length > 0 {
			kept = append(kept, e)
		}
	}
	return formatted{text: string(utf16.Decode(units[start:end])), entities: kept}
}

func blank(unit uint16) bool { return unit == ' ' || unit == '\n' || unit == '\t' || unit == '\r' }

// checkURL refuses what Telegram refuses in links; what names the place in its description.
func checkURL(what, raw string) error {
	reason := badURL(raw)
	if reason == "" {
		return nil
	}
	return badRequest("%s '%s' is invalid: %s", what, raw, reason)
}

func badURL(raw string) string {
	if raw == "" {
		return "URL host is empty"
	}
	if !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "Wrong HTTP URL"
	}
	switch strings.ToLower(u.Scheme) {
	case "tg", "ton":
		return ""
	case "http", "https":
	default:
		return "Unsupported URL protocol"
	}
	host := u.Hostname()
	if host == "" {
		return "URL host is empty"
	}
	if !strings.Contains(host, ".") && net.ParseIP(host) == nil {
		return "Wrong HTTP URL"
	}
	return ""
}
