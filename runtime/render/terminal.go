package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Terminal writes a reply that [Parse] has checked as text for a terminal of so many
// columns: blocks with a blank line between, buttons as [Label]. It ends with a
// newline, and holds no control sequences.
func Terminal(r abi.Reply, now time.Time, zone *time.Location, columns int) string {
	w := writer{now: now, zone: zone}
	var out strings.Builder
	heading := true
	for _, b := range r.Blocks {
		text := w.lines(b, columns)
		if text == "" {
			continue
		}
		if !heading { // what it is over
			out.WriteString("\n")
		}
		heading = b.Kind == abi.BlockHeading
		out.WriteString(text)
	}
	if r.Notice != "" {
		out.WriteString(wrap("(over the chat: "+line(r.Notice)+")", columns, ""))
	}
	if len(r.Keyboard) > 0 {
		out.WriteString("\n")
	}
	for _, row := range r.Keyboard {
		labels := make([]string, len(row))
		for i, b := range row {
			labels[i] = "[" + line(b.Label) + "]"
		}
		out.WriteString(wrap(strings.Join(labels, " "), columns, ""))
	}
	if r.Menu != "" {
		out.WriteString("(the menu " + line(r.Menu) + ")\n")
	}
	return out.String()
}

// lines is a block's text, each line with its newline.
func (w writer) lines(b abi.Block, columns int) string {
	switch b.Kind {
	case abi.BlockFile:
		return fmt.Sprintf("(a file: %s, %d bytes)\n", line(b.File.Name), len(b.File.Data))
	case abi.BlockChart:
		points := 0
		for _, s := range b.Chart.Series {
			points += len(s.At)
		}
		return wrap(fmt.Sprintf("(a picture: %s, %d points)", line(b.Chart.Title), points), columns, "")
	}
	text := w.block(b).text
	switch {
	case text == "":
		return ""
	case b.Kind == abi.BlockQuote:
		return wrap(text, columns, "│ ")
	case b.Kind == abi.BlockTable, b.Kind == abi.BlockBars, b.Kind == abi.BlockCode:
		return clipped(text, columns)
	}
	return wrap(text, columns, "")
}

// clipped cuts lines that are too long: columns must not be broken.
func clipped(text string, columns int) string {
	var out strings.Builder
	for part := range strings.SplitSeq(text, "\n") {
		out.WriteString(runewidth.Truncate(strings.ReplaceAll(part, "\t", "    "), columns, "…") + "\n")
	}
	return out.String()
}

// wrap breaks lines at blanks, and words that are longer than a line. before stands
// at the beginning of each.
func wrap(text string, columns int, before string) string {
	var out strings.Builder
	room := max(columns-runewidth.StringWidth(before), 1)
	for paragraph := range strings.SplitSeq(strings.ReplaceAll(text, "\t", "    "), "\n") {
		for {
			head, rest := breakAt(paragraph, room)
			out.WriteString(strings.TrimRight(before+head, " ") + "\n")
			if rest == "" {
				break
			}
			paragraph = rest
		}
	}
	return out.String()
}

// breakAt returns what fits into a line, and the rest.
func breakAt(text string, room int) (head, rest string) {
	if runewidth.StringWidth(text) <= room {
		return text, ""
	}
	fits := runewidth.Truncate(text, room, "")
	if fits == "" { // a rune that is wider than the line
		return text, ""
	}
	if at := strings.LastIndexByte(fits, ' '); at > 0 && text[len(fits)] != ' ' {
		fits = fits[:at]
	}
	return fits, strings.TrimLeft(text[len(fits):], " ")
}
