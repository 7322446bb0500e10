package charts

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// points is how many a line has at most: more than a phone can show apart.
const points = 200

// show draws a chart of the machine.
func show(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	v, err := viewOf(req)
	k := kindOf(machineKinds, v.kind)
	if err != nil || k == nil {
		return sdk.Reply{}, errBroken
	}
	return drawMachine(host, req, k, v)
}

func drawMachine(host sdk.Host, req sdk.Request, k *kind, v view) (sdk.Reply, error) {
	history, err := host.History(abi.HistoryQuery{Series: k.series(), Seconds: v.span.seconds, Points: points})
	if err != nil {
		return away(req, err, sdk.Row(v.button(texts.ChartTryAgain, "show"), sdk.Do(texts.Back, "list")))
	}
	heading := sdk.Heading("📈 " + texts.ChartLast(k.title, v.span.words))
	return sdk.Reply{
		Blocks: blocks(req, k, v, history, heading, k.title),
		Keyboard: [][]sdk.Button{
			spanRow(v, "show"), lastRow(v, "show"),
			sdk.Row(sdk.Do(texts.AllCharts, "list"), sdk.Back(sdk.Do(texts.Back, "list"))),
		},
	}, nil
}

// container draws a chart of a container.
func container(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	v, err := viewOf(req)
	k := kindOf(containerKinds, v.kind)
	if err != nil || k == nil || v.ref == "" {
		return sdk.Reply{}, errBroken
	}
	return drawContainer(host, req, k, v)
}

func drawContainer(host sdk.Host, req sdk.Request, k *kind, v view) (sdk.Reply, error) {
	history, err := host.ContainerHistory(abi.ContainerHistoryQuery{Host: v.host, ID: v.ref, Series: k.series(), Seconds: v.span.seconds, Points: points})
	if err != nil {
		return away(req, err, sdk.Row(v.button(texts.ChartTryAgain, "container"), v.back()))
	}
	name := sdk.Line(history.Name, maxName)
	heading := sdk.HeadingOf(sdk.Plain("📈 "), sdk.Code(name), sdk.Plain(" "+texts.ChartLast(k.title, v.span.words)))
	var kinds []sdk.Button
	for i := range containerKinds {
		other := v
		other.kind = containerKinds[i].name
		kinds = append(kinds, other.button(chosen(containerKinds[i].label, other.kind == v.kind), "container"))
	}
	return sdk.Reply{
		Blocks: blocks(req, k, v, history, heading, sdk.Line(name, shortName)+": "+k.title),
		Keyboard: [][]sdk.Button{
			kinds, spanRow(v, "container"), lastRow(v, "container"),
			sdk.Row(sdk.Do(texts.AllCharts, "list"), v.back()),
		},
	}, nil
}

// Lengths of a container's name, in characters.
const (
	maxName   = 128
	shortName = 28 // beside a title on the picture
)

// spanRow are the ranges, the present one marked.
func spanRow(v view, action string) []sdk.Button {
	var row []sdk.Button
	for i := range spans {
		other := v
		other.span = &spans[i]
		row = append(row, other.button(chosen(spans[i].name, other.span == v.span), action))
	}
	return row
}

func lastRow(v view, action string) []sdk.Button {
	other, label := v, texts.ChartDark
	if other.dark = !v.dark; v.dark {
		label = texts.ChartLight
	}
	return sdk.Row(other.button(label, action), v.button(texts.Refresh, action))
}

func chosen(label string, is bool) string {
	if is {
		return "✅ " + label
	}
	return label
}

// blocks are the picture and what it says in words: not everybody sees it. Where
// nothing was measured a sentence says so.
func blocks(req sdk.Request, k *kind, v view, h abi.History, heading sdk.Block, title string) []sdk.Block {
	picture := abi.Chart{
		Title: texts.ChartLast(title, v.span.words), Unit: k.unit, From: h.From, To: h.To, Gap: h.Step * 5 / 2, Max: k.max, Dark: v.dark,
	}
	var fields []sdk.Field
	measured := 0
	for i, l := range k.lines {
		if i >= len(h.Series) || len(h.Series[i].Values) == 0 {
			continue // a machine without swap
		}
		s := h.Series[i]
		s.Name = l.name
		picture.Series = append(picture.Series, s)
		fields = append(fields, sdk.Is(l.name, sdk.Plain(words(k, s, h))))
		measured = max(measured, len(s.Values))
	}
	if measured == 0 {
		return []sdk.Block{heading, sdk.Text(sdk.Plain(texts.ChartNothing(v.span.words) + " " + texts.ChartYoung)), sdk.AsOf(req)}
	}
	if k.limits != nil {
		picture.Lines = k.limits(h)
	}
	return []sdk.Block{sdk.Picture(picture), heading, sdk.Fields(fields...), sdk.Text(sdk.Plain(grain(v, h, measured))), sdk.AsOf(req)}
}

// words are a line's figures. The last one is "now" if it is of now.
func words(k *kind, s abi.Series, h abi.History) string {
	least, most, sum := s.Values[0], s.Values[0], 0.0
	for _, value := range s.Values {
		least, most, sum = min(least, value), max(most, value), sum+value
	}
	last := len(s.Values) - 1
	when := texts.ChartRightNow
	if (h.To-h.From)/1000-s.At[last] > 2*h.Step+60 {
		when = texts.ChartAtLast
	}
	write := func(value float64) string { return written(k.unit, value) }
	return texts.ChartValues(when, write(s.Values[last]), write(sum/float64(len(s.Values))), write(least), write(most))
}

func written(unit string, value float64) string {
	switch unit {
	case abi.UnitPercent:
		return sdk.Percent(value)
	case abi.UnitBytes:
		return sdk.Bytes(uint64(value))
	case abi.UnitRate:
		return sdk.Bytes(uint64(value)) + "/s"
	}
	return sdk.Decimal(value, 2)
}

// grain says how fine the chart is, and whether some of it is missing.
func grain(v view, h abi.History, measured int) string {
	text := texts.ChartGrain(sdk.Duration(h.Step))
	if have := int64(measured) * h.Step; have < v.span.seconds*9/10 {
		text += " " + texts.ChartPart(sdk.Duration(have), v.span.words)
	}
	return text
}

// away answers a view that could not be made, with the reason and buttons that
// lead on. Any other error is the host's to tell.
func away(req sdk.Request, err error, rows ...[]sdk.Button) (sdk.Reply, error) {
	mark := "🔌 "
	switch sdk.CodeOf(err) {
	case abi.Unavailable, abi.Timeout, abi.Limit:
	case abi.NotFound, abi.Conflict:
		mark = "✋ "
	default:
		return sdk.Reply{}, err
	}
	return sdk.Reply{
		Blocks:   []sdk.Block{sdk.Text(sdk.Plain(mark + sdk.MessageOf(err))), sdk.AsOf(req)},
		Keyboard: rows,
	}, nil
}
