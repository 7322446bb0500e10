package emulator

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
)

// Message is a message as a person's app shows it: a copy, which later edits do not change.
type Message struct {
	ID       int
	From     User // zero in channels
	Date     time.Time
	EditDate time.Time // zero if never edited
	Edits    int       // how often it was edited
	Text     string    // or the caption, with a photo or document
	Entities []Entity
	Inline   [][]Button // inline keyboard
	Photo    *File
	Document *File
	ThreadID int // message_thread_id; 0 outside topics
	ReplyTo  int // id of the message it replies to; 0 for none
	Deleted  bool
}

// File is a photo or document.
type File struct {
	ID    string
	Name  string // as it was sent
	MIME  string // found from the bytes
	Bytes []byte // not to be written to; nil once the emulator needed the room
}

// Labels are the texts of the inline buttons, row by row.
func (m Message) Labels() [][]string {
	var out [][]string
	for _, row := range m.Inline {
		labels := make([]string, len(row))
		for i, b := range row {
			labels[i] = b.Text
		}
		out = append(out, labels)
	}
	return out
}

// view copies a message for the Go API. Photo bytes are shared, not copied.
func (s *Server) view(m *message) Message {
	v := Message{
		ID: m.id, Date: time.Unix(m.date, 0), Edits: m.edits, Text: m.content.text,
		Entities: slices.Clone(m.content.entities), Inline: cloneRows(m.inline),
		Photo: s.viewFile(m.photo), Document: s.viewFile(m.document),
		ThreadID: m.threadID, ReplyTo: m.replyTo, Deleted: m.deleted,
	}
	if m.from != nil {
		v.From = *m.from
	}
	if m.editDate != 0 {
		v.EditDate = time.Unix(m.editDate, 0)
	}
	return v
}

func cloneRows(rows [][]Button) [][]Button {
	out := slices.Clone(rows)
	for i := range out {
		out[i] = slices.Clone(out[i])
	}
	return out
}

func (s *Server) viewFile(f *file) *File {
	if f == nil {
		return nil
	}
	return &File{ID: f.id, Name: f.name, MIME: f.mime, Bytes: s.files.data(f)}
}

// Styled renders the text with its entities as plain markup, for golden files: <b> <i> <u> <s> <spoiler> <quote>
// <quote+> (expandable) <code> <pre> <pre=go> <a=https://…> <user=7> <emoji=5>. In the text & and < become &amp; and
// &lt;, so that text can never look like style. Entities that Telegram finds by itself, such as commands, show nothing.
func (m Message) Styled() string {
	var out strings.Builder
	units := utf16.Encode([]rune(m.Text))
	marks := marksOf(m.Entities, len(units))
	var open []mark
	at := 0
	for _, cut := range cuts(marks, len(units)) {
		out.WriteString(escaper.Replace(string(utf16.Decode(units[at:cut]))))
		at = cut
		open = closeAt(&out, open, cut)
		for _, k := range marks {
			if k.start == cut {
				out.WriteString("<" + k.tag + k.value + ">")
				open = append(open, k)
			}
		}
	}
	return out.String()
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;")

// mark is an entity to be shown.
type mark struct {
	start, end int
	tag, value string
}

// marksOf leaves out entities that are not within the text: Send takes any.
func marksOf(entities []Entity, length int) []mark {
	var marks []mark
	for _, e := range entities {
		within := e.Offset >= 0 && e.Length > 0 && e.Length <= length-e.Offset
		if tag, value := tagOf(e); tag != "" && within {
			marks = append(marks, mark{e.Offset, e.end(), tag, value})
		}
	}
	slices.SortStableFunc(marks, func(a, b mark) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end))
	})
	return marks
}

var plainTags = map[string]string{
	"bold": "b", "italic": "i", "underline": "u", "strikethrough": "s", "spoiler": "spoiler",
	"blockquote": "quote", "expandable_blockquote": "quote+", "code": "code",
}

func tagOf(e Entity) (tag, value string) {
	switch e.Type {
	case "pre":
		if e.Language != "" {
			value = "=" + e.Language
		}
		return "pre", value
	case "text_link":
		return "a", "=" + e.URL
	case "text_mention":
		if e.User != nil {
			value = fmt.Sprintf("=%d", e.User.ID)
		}
		return "user", value
	case "custom_emoji":
		return "emoji", "=" + e.CustomEmojiID
	}
	return plainTags[e.Type], ""
}

// cuts are the offsets at which a mark begins or ends, and the end of the text.
func cuts(marks []mark, end int) []int {
	at := []int{end}
	for _, k := range marks {
		at = append(at, k.start, k.end)
	}
	slices.Sort(at)
	return slices.Compact(at)
}

// closeAt closes the marks that end here, and those inside them, which it opens again: marks may cross.
func closeAt(out *strings.Builder, open []mark, at int) []mark {
	first := slices.IndexFunc(open, func(k mark) bool { return k.end == at })
	if first < 0 {
		return open
	}
	for _, k := range slices.Backward(open[first:]) {
		out.WriteString("</" + k.tag + ">")
	}
	kept := slices.Clone(open[:first])
	for _, k := range open[first:] {
		if k.end != at {
			out.WriteString("<" + k.tag + k.value + ">")
			kept = append(kept, k)
		}
	}
	return kept
}
