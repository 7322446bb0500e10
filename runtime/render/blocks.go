package render

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/mattn/go-runewidth"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// writer turns blocks into pieces.
type writer struct {
	now  time.Time
	zone *time.Location
}

// block returns a block's piece; an empty one for a block with nothing in it.
func (w writer) block(b abi.Block) piece {
	var p piece
	switch b.Kind {
	case abi.BlockHeading:
		p.heading = true
		p.styled("bold", func() { w.spans(&p, b.Spans) })
	case abi.BlockText:
		w.spans(&p, b.Spans)
	case abi.BlockQuote:
		p.styled("blockquote", func() { w.spans(&p, b.Spans) })
	case abi.BlockFields:
		for i, f := range b.Fields {
			if i > 0 {
				p.write("\n")
			}
			p.write(line(f.Name) + ": ")
			w.spans(&p, f.Value)
		}
	case abi.BlockTable:
		p.pre(table(*b.Table), "")
	case abi.BlockBars:
		p.pre(bars(b.Bars), "")
	case abi.BlockCode:
		p.pre(foreign.Text(b.Code), line(b.Language))
	}
	return p.trimmed()
}

func (w writer) spans(p *piece, spans []abi.Span) {
	for _, s := range spans {
		switch s.Style {
		case abi.StyleTime:
			p.write(time.UnixMilli(s.Time).In(w.zone).Format("2006-01-02 15:04:05 MST"))
		case abi.StyleAgo:
			p.write(ago(w.now.Sub(time.UnixMilli(s.Time))))
		case abi.StylePlain:
			p.write(foreign.Text(s.Text))
		default:
			p.styled(s.Style, func() { p.write(foreign.Text(s.Text)) })
		}
	}
}

// ago writes how long something is past, in its largest unit.
func ago(d time.Duration) string {
	for _, u := range []struct {
		name string
		size time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}} {
		if n := int(d / u.size); n > 0 {
			if n > 1 {
				u.name += "s"
			}
			return strconv.Itoa(n) + " " + u.name + " ago"
		}
	}
	return "just now"
}

// table sets cells in columns, two blanks apart.
func table(t abi.Table) string {
	rows := t.Rows
	if len(t.Header) > 0 {
		rows = append([][]string{t.Header}, rows...)
	}
	var widths []int
	clean := make([][]string, len(rows))
	for i, row := range rows {
		for c, cell := range row {
			cell = line(cell)
			clean[i] = append(clean[i], cell)
			if c == len(widths) {
				widths = append(widths, 0)
			}
			widths[c] = max(widths[c], runewidth.StringWidth(cell))
		}
	}
	right := map[int]bool{}
	for _, c := range t.Right {
		right[c] = true
	}
	var out strings.Builder
	for _, row := range clean {
		var text strings.Builder
		for c, cell := range row {
			pad := strings.Repeat(" ", widths[c]-runewidth.StringWidth(cell))
			if right[c] {
				cell = pad + cell
			} else {
				cell += pad
			}
			text.WriteString(cell + "  ")
		}
		out.WriteString(strings.TrimRight(text.String(), " ") + "\n")
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// barWidth keeps label, bar and number on one line of a phone.
const barWidth = 10

func bars(list []abi.Bar) string {
	rows := make([][]string, 0, len(list))
	for _, b := range list {
		percent := min(max(b.Percent, 0), 100)
		if percent != percent { // not a number
			percent = 0
		}
		full := int(percent/100*barWidth + 0.5)
		text := b.Text
		if text == "" {
			text = strconv.FormatFloat(percent, 'f', 0, 64) + " %"
		}
		rows = append(rows, []string{b.Label, strings.Repeat("█", full) + strings.Repeat("░", barWidth-full), text})
	}
	return table(abi.Table{Rows: rows, Right: []int{2}})
}

// line cleans a text that must stay on one line. The size of the reply bounds
// its length.
func line(s string) string { return foreign.Line(s, len(s)) }

// units returns a text's length as Telegram counts it: UTF-16 code units.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// piece is text with its entities, and its length in UTF-16 code units.
type piece struct {
	text     string
	length   int
	entities []chat.Entity
	heading  bool
}

func (p *piece) write(s string) {
	p.text += s
	p.length += units(s)
}

// styled gives what f writes an entity.
func (p *piece) styled(kind string, f func()) {
	at, index := p.length, len(p.entities)
	f()
	if p.length > at {
		// Outer entities stand before those inside them.
		p.entities = append(p.entities[:index], append([]chat.Entity{{Type: kind, Offset: at, Length: p.length - at}}, p.entities[index:]...)...)
	}
}

func (p *piece) pre(text, language string) {
	p.styled("pre", func() { p.write(text) })
	if len(p.entities) > 0 {
		p.entities[0].Language = language
	}
}
