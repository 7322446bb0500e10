package render

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func render(r abi.Reply) Rendered {
	return Reply(r, noon, time.UTC, func(n int) string { return fmt.Sprint("token", n) })
}

func text(kind string, spans ...abi.Span) abi.Block { return abi.Block{Kind: kind, Spans: spans} }

func plain(s string) abi.Span { return abi.Span{Text: s} }

// marked writes a message with its entities in brackets: "[bold|…]".
func marked(m chat.Message) string {
	wide := utf16.Encode([]rune(m.Text))
	var out []uint16
	put := func(s string) { out = append(out, utf16.Encode([]rune(s))...) }
	for i := 0; i <= len(wide); i++ {
		for j := len(m.Entities) - 1; j >= 0; j-- {
			if e := m.Entities[j]; e.Offset+e.Length == i {
				put("]")
			}
		}
		for _, e := range m.Entities {
			if e.Offset == i {
				put("[" + e.Type + "|")
			}
		}
		if i < len(wide) {
			out = append(out, wide[i])
		}
	}
	return string(utf16.Decode(out))
}

func TestBlocksBecomeTextWithEntities(t *testing.T) {
	ms := noon.UnixMilli()
	for _, test := range []struct {
		name   string
		blocks []abi.Block
		want   string
	}{
		{"a heading stands close to its text", []abi.Block{text("heading", plain("CPU")), text("text", plain("calm"))}, "[bold|CPU]\ncalm"},
		{"headings stand apart", []abi.Block{text("heading", plain("Health")), text("heading", plain("What to do"))}, "[bold|Health]\n\n[bold|What to do]"},
		{"paragraphs stand apart", []abi.Block{text("text", plain("a")), text("text", plain("b"))}, "a\n\nb"},
		{"markup is only text", []abi.Block{text("text", plain("<b>_x_</b> &amp; *y*"))}, "<b>_x_</b> &amp; *y*"},
		{"emoji count twice", []abi.Block{text("text", plain("🐳 "), abi.Span{Text: "web", Style: "code"}, plain(" up"))}, "🐳 [code|web] up"},
		{"styles nest in a heading", []abi.Block{text("heading", plain("Container "), abi.Span{Text: "a_b", Style: "code"})}, "[bold|Container [code|a_b]]"},
		{"fields", []abi.Block{{Kind: "fields", Fields: []abi.Field{{Name: "Id", Value: []abi.Span{{Text: "ab", Style: "code"}}}, {Name: "Up", Value: []abi.Span{plain("3 h")}}}}}, "Id: [code|ab]\nUp: 3 h"},
		{"a table lines up", []abi.Block{{Kind: "table", Table: &abi.Table{Header: []string{"name", "cpu"}, Rows: [][]string{{"a", "12"}, {"日本", "3"}}, Right: []int{1}}}}, "[pre|name  cpu\na      12\n日本    3]"},
		{"bars", []abi.Block{{Kind: "bars", Bars: []abi.Bar{{Label: "a", Percent: 50}, {Label: "bb", Percent: 104, Text: "full"}}}}, "[pre|a   █████░░░░░  50 %\nbb  ██████████  full]"},
		{"a bar of nothing known", []abi.Block{{Kind: "bars", Bars: []abi.Bar{{Label: "a", Percent: math.NaN()}}}}, "[pre|a  ░░░░░░░░░░  0 %]"},
		{"times", []abi.Block{text("text", abi.Span{Style: "time", Time: ms}, plain(", "), abi.Span{Style: "ago", Time: ms - 180_000})}, "2026-03-01 12:00:00 UTC, 3 minutes ago"},
		{"quote", []abi.Block{text("quote", plain("q"))}, "[blockquote|q]"},
		{"code", []abi.Block{{Kind: "code", Code: "a: 1\nb: 2\n", Language: "yaml"}}, "[pre|a: 1\nb: 2]"},
		{"blanks at the ends move no entity", []abi.Block{text("text", plain("  "), abi.Span{Text: " x ", Style: "bold"}, plain(" "))}, "[bold|x]"},
		{"marks of direction become visible, letters stay", []abi.Block{text("text", plain("a\u202eb"), plain("\u05d0\u200f\x00\x1b[31m"))}, "a\uFFFDb\u05d0\uFFFD\uFFFD\uFFFD[31m"},
		{"an empty block is no block", []abi.Block{text("text"), text("text", plain("x")), {Kind: "bars"}}, "x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := render(abi.Reply{Blocks: test.blocks})
			if len(out.Texts) != 1 {
				t.Fatalf("%d messages", len(out.Texts))
			}
			if got := marked(out.Texts[0]); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "just now", 0: "just now", time.Second: "1 second ago", 59 * time.Second: "59 seconds ago",
		90 * time.Minute: "1 hour ago", 49 * time.Hour: "2 days ago",
	} {
		if got := ago(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}

func TestLongTextsSplitAtBlockBorders(t *testing.T) {
	paragraph := func(c string) abi.Block { return text("text", plain(strings.Repeat(c, 1500))) }
	out := render(abi.Reply{
		Blocks:   []abi.Block{paragraph("a"), paragraph("b"), paragraph("c"), paragraph("d")},
		Keyboard: [][]abi.Button{{{Label: "x", Action: "x"}}},
	})
	if len(out.Texts) != 2 {
		t.Fatalf("%d messages, want 2", len(out.Texts))
	}
	if want := strings.Repeat("c", 1500) + "\n\n" + strings.Repeat("d", 1500); out.Texts[1].Text != want {
		t.Errorf("second message is %q…", out.Texts[1].Text[:20])
	}
	if out.Texts[0].Inline != nil || len(out.Texts[1].Inline) != 1 {
		t.Error("the buttons are not under the last message")
	}
}

func TestOneLongBlockSplitsAtLinesAndKeepsItsStyle(t *testing.T) {
	line := strings.Repeat("🐳", 49) + "\n"
	out := render(abi.Reply{Blocks: []abi.Block{{Kind: "code", Code: strings.Repeat(line, 80)}}})
	if len(out.Texts) != 2 {
		t.Fatalf("%d messages, want 2", len(out.Texts))
	}
	var whole string
	for _, m := range out.Texts {
		if len(m.Entities) != 1 || m.Entities[0].Type != "pre" || m.Entities[0].Length != len(utf16.Encode([]rune(m.Text))) {
			t.Errorf("entities %+v of a text of %d units", m.Entities, units(m.Text))
		}
		whole += m.Text + "\n"
	}
	if whole != strings.Repeat(line, 80) {
		t.Error("the parts are not the whole")
	}
}

func TestTooLongIsCutAndSaysSo(t *testing.T) {
	out := render(abi.Reply{Blocks: []abi.Block{text("text", plain(strings.Repeat("x", 60_000)))}})
	if len(out.Texts) != MaxMessages || !strings.HasSuffix(out.Texts[MaxMessages-1].Text, cutNotice) {
		t.Errorf("%d messages, the last ends in %q", len(out.Texts), out.Texts[len(out.Texts)-1].Text[4000:])
	}
}

func TestFilesAndButtons(t *testing.T) {
	r := abi.Reply{
		Blocks:   []abi.Block{{Kind: "file", File: &abi.File{Name: "a.csv", Data: []byte("x")}}},
		Keyboard: [][]abi.Button{{{Label: "one", Action: "a"}, {Label: "two\nlines", Command: "c", Style: "danger"}}},
	}
	out := render(r)
	if len(out.Texts) != 0 || len(out.Files) != 1 || len(out.Buttons) != 2 {
		t.Fatalf("%+v", out)
	}
	want := []chat.Button{{Label: "one", Data: "token0"}, {Label: "two lines", Data: "token1", Style: "danger"}}
	if got := out.Files[0].Inline[0]; got[0] != want[0] || got[1] != want[1] {
		t.Errorf("buttons %+v", got)
	}
	r.Blocks = nil
	r.Notice = "x"
	if out := render(r); len(out.Texts) != 1 || len(out.Texts[0].Inline) != 1 {
		t.Errorf("buttons without a text: %+v", out.Texts)
	}
}

func TestParseRefuses(t *testing.T) {
	button := func(b abi.Button) abi.Reply {
		return abi.Reply{Blocks: []abi.Block{text("text", plain("x"))}, Keyboard: [][]abi.Button{{b}}}
	}
	for _, test := range []struct {
		name  string
		reply abi.Reply
		want  string
	}{
		{"nothing", abi.Reply{}, "empty"},
		{"unknown kind", abi.Reply{Blocks: []abi.Block{{Kind: "html"}}}, "unknown kind"},
		{"no kind", abi.Reply{Blocks: []abi.Block{{}}}, "unknown kind"},
		{"unknown style", abi.Reply{Blocks: []abi.Block{text("text", abi.Span{Style: "text_link"})}}, "unknown style"},
		{"unknown style in a field", abi.Reply{Blocks: []abi.Block{{Kind: "fields", Fields: []abi.Field{{Value: []abi.Span{{Style: "x"}}}}}}}, "unknown style"},
		{"65 blocks", abi.Reply{Blocks: make([]abi.Block, 65)}, "blocks"},
		{"table of nothing", abi.Reply{Blocks: []abi.Block{{Kind: "table"}}}, "table"},
		{"file of nothing", abi.Reply{Blocks: []abi.Block{{Kind: "file"}}}, "file"},
		{"file with a path", abi.Reply{Blocks: []abi.Block{{Kind: "file", File: &abi.File{Name: "../x", Data: []byte("x")}}}}, "plain name"},
		{"button that does nothing", button(abi.Button{Label: "x"}), "either"},
		{"button that does both", button(abi.Button{Label: "x", Command: "a", Action: "b"}), "either"},
		{"button without a label", button(abi.Button{Label: " ", Action: "a"}), "label"},
		{"command with arguments", button(abi.Button{Label: "x", Command: "a", Args: map[string]string{"a": "b"}}), "arguments"},
		{"a text without a command", button(abi.Button{Label: "x", Action: "a", Text: "web"}), "goes with a command"},
		{"a text for nothing", button(abi.Button{Label: "x", Text: "web"}), "either"},
		{"a long text", button(abi.Button{Label: "x", Command: "a", Text: strings.Repeat("b", 129)}), "one clean line"},
		{"a text of two lines", button(abi.Button{Label: "x", Command: "a", Text: "web\n/stop"}), "one clean line"},
		{"a text that turns around", button(abi.Button{Label: "x", Command: "a", Text: "a\u202eb"}), "one clean line"},
		{"a text with blanks around it", button(abi.Button{Label: "x", Command: "a", Text: " web"}), "one clean line"},
		{"huge arguments", button(abi.Button{Label: "x", Action: "a", Args: map[string]string{"a": strings.Repeat("b", 2048)}}), "arguments"},
		{"an action that is no name", button(abi.Button{Label: "x", Action: "authorization: x"}), "names"},
		{"an action with a hole", button(abi.Button{Label: "x", Action: "a\u202eb"}), "names"},
		{"a notice of blanks", abi.Reply{Notice: " \n"}, "notice"},
		{"a wide cell", abi.Reply{Blocks: []abi.Block{{Kind: "table", Table: &abi.Table{Rows: [][]string{{strings.Repeat("x", 257)}}}}}}, "cell"},
		{"a long table", abi.Reply{Blocks: []abi.Block{{Kind: "table", Table: &abi.Table{Rows: make([][]string, 501)}}}}, "rows"},
		{"many bars", abi.Reply{Blocks: []abi.Block{{Kind: "bars", Bars: make([]abi.Bar, 501)}}}, "bars"},
		{"a wide bar", abi.Reply{Blocks: []abi.Block{{Kind: "bars", Bars: []abi.Bar{{Label: strings.Repeat("x", 257)}}}}}, "bar"},
		{"many fields", abi.Reply{Blocks: []abi.Block{{Kind: "fields", Fields: make([]abi.Field, 501)}}}, "fields"},
		{"a long field name", abi.Reply{Blocks: []abi.Block{{Kind: "fields", Fields: []abi.Field{{Name: strings.Repeat("x", 257)}}}}}, "name"},
		{"a long language", abi.Reply{Blocks: []abi.Block{{Kind: "code", Code: "x", Language: strings.Repeat("x", 33)}}}, "language"},
		{"unknown button style", button(abi.Button{Label: "x", Action: "a", Style: "blink"}), "style"},
		{"keyboard and menu", abi.Reply{Notice: "x", Menu: "main", Keyboard: [][]abi.Button{{{Label: "x", Action: "a"}}}}, "either"},
		{"long notice", abi.Reply{Notice: strings.Repeat("é", 201)}, "notice"},
		{"again at once", abi.Reply{Notice: "x", Again: &abi.Again{Action: "a"}}, "after 0"},
		{"again in an hour", abi.Reply{Notice: "x", Again: &abi.Again{After: 61, Action: "a"}}, "after 61"},
		{"again before", abi.Reply{Notice: "x", Again: &abi.Again{After: -1, Action: "a"}}, "after -1"},
		{"again what", abi.Reply{Notice: "x", Again: &abi.Again{After: 1}}, "an action"},
		{"again what is no name", abi.Reply{Notice: "x", Again: &abi.Again{After: 1, Action: "a b"}}, "an action"},
		{"again with huge arguments", abi.Reply{Notice: "x", Again: &abi.Again{After: 1, Action: "a", Args: map[string]string{"a": strings.Repeat("b", 2048)}}}, "arguments"},
		{"again under a menu", abi.Reply{Notice: "x", Menu: "main", Again: &abi.Again{After: 1, Action: "a"}}, "a message that stays"},
		{"again what is deleted", abi.Reply{Notice: "x", DeleteAfter: 1, Again: &abi.Again{After: 1, Action: "a"}}, "a message that stays"},
		{"deleted before it was sent", abi.Reply{Notice: "x", DeleteAfter: -1}, "delete_after"},
	} {
		t.Run(test.name, func(t *testing.T) {
			data, err := json.Marshal(test.reply)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Parse(data); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	for _, broken := range []string{"", "{", "null", "[]", `{"blocks":{}}`, strings.Repeat("[", 100_000)} {
		if _, err := Parse([]byte(broken)); err == nil {
			t.Errorf("%.20q was accepted", broken)
		}
	}
}

func TestParseTakesACommandWithText(t *testing.T) {
	for _, typed := range []string{"", "web", "web 1", strings.Repeat("b", 128)} {
		data, err := json.Marshal(abi.Reply{Notice: "x", Keyboard: [][]abi.Button{{{Label: "x", Command: "a", Text: typed}}}})
		if err != nil {
			t.Fatal(err)
		}
		if reply, err := Parse(data); err != nil || reply.Keyboard[0][0].Text != typed {
			t.Errorf("text %q: %+v, %v", typed, reply, err)
		}
	}
}

// FuzzReply holds every message against Telegram's rules, whatever a module
// writes.
func FuzzReply(f *testing.F) {
	f.Add([]byte(`{"blocks":[{"kind":"heading","spans":[{"text":"a 🐳\u202e"}]},{"kind":"table","table":{"rows":[["a","b"],["c"]]}}],"keyboard":[[{"label":"x","action":"a"}]]}`))
	f.Add([]byte(`{"blocks":[{"kind":"fields","fields":[{"name":" ","value":[{"style":"bold","text":"  "}]}]},{"kind":"bars","bars":[{"label":"\u0000","percent":-5}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		reply, err := Parse(data)
		if err != nil {
			return
		}
		out := render(reply)
		if len(out.Texts) > MaxMessages {
			t.Errorf("%d messages", len(out.Texts))
		}
		for _, m := range out.Texts {
			checkMessage(t, m)
		}
	})
}

func checkMessage(t *testing.T, m chat.Message) {
	t.Helper()
	wide := utf16.Encode([]rune(m.Text))
	if len(wide) == 0 || len(wide) > chat.MaxText || !utf8.ValidString(m.Text) || strings.TrimFunc(m.Text, unicode.IsSpace) != m.Text {
		t.Errorf("text of %d units: %.50q", len(wide), m.Text)
	}
	for _, e := range m.Entities {
		if e.Length <= 0 || e.Offset < 0 || e.Offset+e.Length > len(wide) {
			t.Fatalf("entity %+v in a text of %d units", e, len(wide))
		}
		if low := func(i int) bool { return i < len(wide) && wide[i] >= 0xdc00 && wide[i] < 0xe000 }; low(e.Offset) || low(e.Offset+e.Length) {
			t.Errorf("entity %+v cuts a character in two", e)
		}
	}
}
