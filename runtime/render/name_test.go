package render

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

func renderOf(module string, r abi.Reply) Rendered {
	return ReplyOf(module, r, noon, time.UTC, func(n int) string { return fmt.Sprint("token", n) })
}

func TestANameLineStandsAboveTheText(t *testing.T) {
	r := abi.Reply{
		Blocks:   []abi.Block{text("heading", plain("🐳 Up")), text("text", plain("all "), abi.Span{Text: "well", Style: "italic"})},
		Keyboard: [][]abi.Button{{{Label: "More", Action: "more"}}},
	}
	out := renderOf("uptime", r)
	if len(out.Texts) != 1 {
		t.Fatalf("%d messages", len(out.Texts))
	}
	if got, want := marked(out.Texts[0]), "[bold|🧩 uptime]\n[bold|🐳 Up]\nall [italic|well]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(out.Buttons) != 1 || len(out.Texts[0].Inline) != 1 {
		t.Errorf("the buttons are %+v", out.Buttons)
	}
	if got := render(r).Texts[0].Text; strings.Contains(got, "🧩") {
		t.Errorf("a built-in module's name stands in %q", got)
	}
}

// Whatever a reply consists of, no message goes out without the line, none is
// longer than Telegram takes, and each that is tall has it at its end too.
func TestEachMessageHasItsNameLine(t *testing.T) {
	file := abi.Block{Kind: abi.BlockFile, File: &abi.File{Name: "list.csv", Data: []byte("a")}}
	untitled := anHour()
	untitled.Title = ""
	for name, test := range map[string]struct {
		blocks   []abi.Block
		messages int
	}{
		"a short one":         {[]abi.Block{text("text", plain("hello"))}, 1},
		"several":             {[]abi.Block{text("text", plain(strings.Repeat("🐳 ", 3500)))}, 3},
		"too long":            {[]abi.Block{text("text", plain(strings.Repeat("long ", 12_000)))}, MaxMessages},
		"code":                {[]abi.Block{{Kind: abi.BlockCode, Code: strings.Repeat("x\n", 3000)}}, 2},
		"many lines":          {[]abi.Block{text("text", plain("up"+strings.Repeat("\n", 60)+"🔐 A code, please"))}, 1},
		"a picture":           {[]abi.Block{picture(anHour())}, 1},
		"a picture, untitled": {[]abi.Block{picture(untitled)}, 1},
		"a long caption":      {[]abi.Block{picture(anHour()), text("text", plain(strings.Repeat("long ", 1000)))}, 1},
		"a file":              {[]abi.Block{file}, 1},
		"a text and files":    {[]abi.Block{text("text", plain("two files")), file, file}, 3},
	} {
		for _, module := range []string{"up", strings.Repeat("m", 32)} {
			out := renderOf(module, abi.Reply{Blocks: test.blocks})
			all := append(out.Texts, out.Files...)
			if len(all) != test.messages {
				t.Errorf("%s: %d messages", name, len(all))
			}
			for _, m := range all {
				limit := chat.MaxText
				if m.Photo != nil || m.Document != nil {
					limit = chat.MaxCaption
				}
				if n := units(m.Text); n > limit {
					t.Errorf("%s: %d units", name, n)
				}
				first, rest, _ := strings.Cut(m.Text, "\n")
				if first != NameLine(module) || len(m.Entities) == 0 || m.Entities[0] != bold(0, first) {
					t.Errorf("%s: it begins with %q, entities %+v", name, first, m.Entities)
				}
				tall := units(rest) > tallUnits || strings.Count(rest, "\n") > tallLines
				if last := rest[strings.LastIndex(rest, "\n")+1:]; tall && last != first {
					t.Errorf("%s: a tall message ends with %q", name, last)
				}
				for _, e := range m.Entities {
					if e.Offset+e.Length > units(m.Text) {
						t.Errorf("%s: an entity beyond the text: %+v", name, e)
					}
				}
			}
		}
	}
}

func TestANameLineIsOneLine(t *testing.T) {
	for _, name := range []string{"up\n🔐 A code", "\u202eup", strings.Repeat("x", 1000), "\x00"} {
		if line := NameLine(name); strings.ContainsAny(line, "\n\x00\u202e") || !strings.HasPrefix(line, "🧩 ") || units(line) > 40 {
			t.Errorf("%q", line)
		}
	}
}
