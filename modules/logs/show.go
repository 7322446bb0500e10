package logs

import (
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/place"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// What a page holds at most. A message has 4,096 units, of which the lines leave
// some to what stands around them.
const (
	perPage  = 25
	maxUnits = 3_000
	maxLine  = 400 // runes
	maxName  = 128
)

func show(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	v, err := viewOf(req)
	if err != nil {
		return sdk.Reply{}, err
	}
	return v.show(host, req)
}

// show is the page of v. One that would reach the end of the log is the newest
// page: whole, and with what has come since.
func (v view) show(host sdk.Host, req sdk.Request, notes ...sdk.Block) (sdk.Reply, error) {
	page, whole, err := v.read(host, req)
	if err == nil && v.after != "" && whole {
		v = v.at("", "")
		page, _, err = v.read(host, req)
	}
	if err != nil {
		return v.away(req, err)
	}
	return v.reply(req, page, notes...), nil
}

// read asks for as many lines as fit: what a page leaves out, the pages beside it
// must begin with. whole tells that there are no more on that side.
func (v view) read(host sdk.Host, req sdk.Request) (page abi.LogPage, whole bool, err error) {
	for count := perPage; ; {
		page, err := host.Logs(v.query(req, count))
		if err != nil {
			return page, false, err
		}
		page.Lines = page.Lines[:min(len(page.Lines), count)]
		fit := fitting(page.Lines, v.after == "")
		if fit == len(page.Lines) {
			return page, fit < count && !page.Partial, nil
		}
		count = fit // at least one: lines are cut
	}
}

// fitting is how many lines fit into a message, counted from the last one or
// from the first.
func fitting(lines []abi.LogLine, fromEnd bool) int {
	room := maxUnits
	for n := range lines {
		line := lines[n]
		if fromEnd {
			line = lines[len(lines)-1-n]
		}
		if room -= units(shown(line, true)) + 1; room < 0 {
			return n
		}
	}
	return len(lines)
}

// units is a text's length as Telegram counts it.
func units(text string) (n int) {
	for _, r := range text {
		if n++; r > 0xffff {
			n++
		}
	}
	return n
}

// shown is a line as it stands in a page.
func shown(l abi.LogLine, marked bool) string {
	text := l.Text
	if runes := []rune(text); len(runes) > maxLine {
		text, l.Cut = string(runes[:maxLine]), true
	}
	text = sdk.Line(text, len(text))
	if l.Cut {
		text += "…"
	}
	if marked && l.Stream == abi.StreamErr {
		text = "▸ " + text
	}
	return text
}

// reply is the view around a page.
func (v view) reply(req sdk.Request, page abi.LogPage, notes ...sdk.Block) sdk.Reply {
	blocks := append([]sdk.Block{v.heading(page.Name)}, v.body(page, -1)...)
	return sdk.Reply{
		Blocks:   append(append(blocks, notes...), sdk.AsOf(req)),
		Keyboard: v.keyboard(req, page),
	}
}

func (v view) heading(name string) sdk.Block {
	spans := []sdk.Span{sdk.Plain(texts.LogsTitle), sdk.Code(sdk.Line(name, maxName))}
	if v.Host != "" {
		spans = append(spans, sdk.Plain("@"), sdk.Code(v.Host))
	}
	return sdk.HeadingOf(spans...)
}

// body is the lines, after a line that says which. fresh lines at the end are
// set off; -1: none are.
func (v view) body(page abi.LogPage, fresh int) []sdk.Block {
	_, words := texts.LogsRange(v.span)
	lines := page.Lines
	if len(lines) == 0 {
		blocks := []sdk.Block{sdk.Text(sdk.Plain(texts.LogsNothing(words, v.stream, v.text, v.before != "")))}
		return append(blocks, v.hints(page)...)
	}
	marked := isMixed(lines)
	var code strings.Builder
	for i, l := range lines {
		if i > 0 {
			code.WriteByte('\n')
		}
		if fresh > 0 && i == len(lines)-fresh {
			code.WriteString(texts.LogsNew + "\n")
		}
		code.WriteString(shown(l, marked))
	}
	blocks := []sdk.Block{sdk.Listing(code.String(), ""), sdk.Text(v.scope(words, lines, marked)...)}
	return append(blocks, v.hints(page)...)
}

// isMixed tells lines of both streams, where it matters which is whose.
func isMixed(lines []abi.LogLine) bool {
	for _, l := range lines {
		if l.Stream != lines[0].Stream {
			return true
		}
	}
	return false
}

// scope says what the lines are.
func (v view) scope(words string, lines []abi.LogLine, marked bool) []sdk.Span {
	spans := []sdk.Span{sdk.Plain(sdk.Count(len(lines), "line"))}
	add := func(text string) { spans = append(spans, sdk.Plain(", "+text)) }
	if words != "" {
		add(words)
	}
	if v.stream != "" {
		add(v.stream + " only")
	}
	if v.text != "" {
		add(texts.LogsWith(v.text))
	}
	if marked {
		add(texts.LogsMark)
	}
	if first, last := lines[0].Time, lines[len(lines)-1].Time; first > 0 && last > 0 {
		spans = append(spans, sdk.Plain("\nFrom "), sdk.Time(first), sdk.Plain("\nto "), sdk.Time(last))
	}
	return spans
}

func (v view) hints(page abi.LogPage) (blocks []sdk.Block) {
	if page.Partial {
		blocks = append(blocks, sdk.Text(sdk.Italic(texts.LogsPartial)))
	}
	if target := v.target(page.Name); v.text == "" && isLine(target, maxName) {
		blocks = append(blocks, sdk.Text(sdk.Italic(texts.LogsSearch), sdk.Code("/logs "+target+" error")))
	}
	return blocks
}

// target is what one types to come here.
func (v view) target(name string) string {
	if v.Host != "" {
		return name + "@" + v.Host
	}
	return name
}

func (v view) keyboard(req sdk.Request, page abi.LogPage) [][]sdk.Button {
	rows := v.paging(page)
	rows = append(rows, v.rangeRow(), v.streamRow())
	if v.text != "" {
		without := v.at("", "")
		without.text = ""
		rows = append(rows, sdk.Row(without.button(sdk.Label(texts.LogsDrop(v.text)), "show")))
	}
	tools := sdk.Row(v.at("", "").button(texts.LogsFollow, "follow"))
	if req.Chat.Private && len(page.Lines) > 0 {
		tools = append(tools, v.at("", "").button(texts.AsFile, "file"))
	}
	return append(rows, tools, sdk.Row(v.button(texts.Refresh, "show"), back(v.Place)))
}

// paging has only buttons that lead somewhere.
func (v view) paging(page abi.LogPage) [][]sdk.Button {
	var row []sdk.Button
	if page.Older != "" {
		row = append(row, v.at(page.Older, "").button(texts.LogsOlder, "show"))
	}
	if v.before != "" || v.after != "" {
		row = append(row, v.at("", page.Newer).button(texts.LogsNewer, "show"), v.at("", "").button(texts.LogsNewest, "show"))
	}
	if len(row) == 0 {
		return nil
	}
	return [][]sdk.Button{row}
}

func (v view) rangeRow() (row []sdk.Button) {
	for _, r := range ranges {
		label, _ := texts.LogsRange(r.name)
		other := v.at("", "")
		other.span = r.name
		row = append(row, other.button(chosen(label, r.name == v.span), "show"))
	}
	return row
}

func (v view) streamRow() (row []sdk.Button) {
	for _, stream := range [...]string{"", abi.StreamOut, abi.StreamErr} {
		label := stream
		if stream == "" {
			label = texts.LogsBoth
		}
		other := v.at("", "")
		other.stream = stream
		row = append(row, other.button(chosen(label, stream == v.stream), "show"))
	}
	return row
}

func chosen(label string, is bool) string {
	if is {
		return "✅ " + label
	}
	return label
}

// away says why there is no page.
func (v view) away(req sdk.Request, err error) (sdk.Reply, error) {
	return place.Away(req, err, sdk.Row(v.button(texts.LogsAgain, "show"), back(v.Place)), sdk.Row(toContainers))
}
