package render

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

func TestTerminal(t *testing.T) {
	span := func(text string) []abi.Span { return []abi.Span{{Text: text}} }
	reply := abi.Reply{
		Blocks: []abi.Block{
			{Kind: abi.BlockHeading, Spans: span("🧠 Memory")},
			{Kind: abi.BlockText, Spans: []abi.Span{{Text: "one two three four five six seven eight\x1b[31m"}}},
			{Kind: abi.BlockQuote, Spans: span("a quote that is longer than the terminal is")},
			{Kind: abi.BlockTable, Table: &abi.Table{Header: []string{"Name", "Size"}, Rows: [][]string{{"a very long name indeed, too long", "7"}}, Right: []int{1}}},
			{Kind: abi.BlockBars, Bars: []abi.Bar{{Label: "In use", Percent: 50}}},
			{Kind: abi.BlockFields, Fields: []abi.Field{{Name: "Seen", Value: []abi.Span{{Style: abi.StyleAgo, Time: 0}}}}},
			{Kind: abi.BlockFile, File: &abi.File{Name: "a.csv", Data: []byte("x")}},
		},
		Keyboard: [][]abi.Button{{{Label: "🔄 Refresh", Action: "a"}, {Label: "Back", Action: "b"}}},
		Notice:   "done",
	}
	const want = `🧠 Memory
one two three four five
six seven eight�[31m

│ a quote that is longer
│ than the terminal is

Name                    …
a very long name indeed,…

In use  █████░░░░░  50 %

Seen: 3 minutes ago

(a file: a.csv, 1 bytes)
(over the chat: done)

[🔄 Refresh] [Back]
`
	if got := Terminal(reply, time.UnixMilli(0).Add(3*time.Minute), time.UTC, 25); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func FuzzTerminal(f *testing.F) {
	f.Add([]byte(`{"blocks":[{"kind":"code","code":"a\tb\u001b[2J\r\n界"},{"kind":"text","spans":[{"text":"界界界 a"}]}],"keyboard":[[{"label":"界","action":"a"}]]}`), 3)
	f.Fuzz(func(t *testing.T, data []byte, columns int) {
		reply, err := Parse(data)
		if err != nil || columns < 4 || columns > 200 {
			return
		}
		if reply.Notice != "" || reply.Menu != "" || strings.Contains(string(data), `"file"`) {
			return
		}
		text := Terminal(reply, time.Now(), time.UTC, columns)
		for l := range strings.Lines(text) {
			l = strings.TrimSuffix(l, "\n")
			if strings.ContainsAny(l, "\x1b\r\x07") {
				t.Errorf("a control sequence: %q", l)
			}
			if runewidth.StringWidth(l) > columns {
				again, _ := json.Marshal(reply)
				t.Errorf("a line of %d columns, of %d: %q (%s)", runewidth.StringWidth(l), columns, l, again)
			}
		}
	})
}
