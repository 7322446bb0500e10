package uptime

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// span is how far a picture and its table look back.
type span struct {
	name    string // on its button
	words   string
	minutes int64
	point   int64 // minutes of a point
	row     int64 // minutes of a row
}

var spans = [...]span{
	{name: "1 h", words: "last hour", minutes: 60, point: 1, row: 10},
	{name: "24 h", words: "last 24 hours", minutes: slots, point: 5, row: 180},
}

var errGone = sdk.Fail(abi.NotFound, "This address is not granted any more. Send /sites for those that are.")

// show is one address: how it is, a picture of its latency, and a table.
func show(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	granted, err := addresses(host)
	if err != nil {
		return away(req, err, sdk.Row(leave(req)))
	}
	var a *address
	for i := range granted {
		if granted[i].id() == req.Arg("id") {
			a = &granted[i]
		}
	}
	if a == nil {
		return away(req, errGone, sdk.Row(leave(req)))
	}
	r, _, err := load(host, *a, req.Time)
	if err != nil {
		return away(req, err, sdk.Row(leave(req)))
	}
	s := &spans[0]
	for i := range spans {
		if spans[i].name == req.Arg("span") {
			s = &spans[i]
		}
	}
	return sdk.Reply{Blocks: details(r, s, req), Keyboard: showKeyboard(*a, s, req)}, nil
}

func showKeyboard(a address, chosen *span, req sdk.Request) [][]sdk.Button {
	var ranges []sdk.Button
	for i := range spans {
		label := spans[i].name
		if &spans[i] == chosen {
			label = "✅ " + label
		}
		ranges = append(ranges, sdk.Do(label, "show", "id", a.id(), "span", spans[i].name, "page", req.Arg("page")))
	}
	return [][]sdk.Button{
		ranges,
		sdk.Row(sdk.Do(refresh, "show", "id", a.id(), "span", chosen.name, "page", req.Arg("page")), leave(req)),
	}
}

func leave(req sdk.Request) sdk.Button { return sdk.Do(back, "list", "page", req.Arg("page")) }

func details(r record, s *span, req sdk.Request) []sdk.Block {
	to := req.Time/minute + 1
	from := to - s.minutes
	blocks := []sdk.Block{
		sdk.HeadingOf(sdk.Plain(mark(r)+" "), sdk.Code(r.url)),
		sdk.Fields(facts(r, req.Time)...),
	}
	if picture, ok := chart(r, s, from, to); ok {
		blocks = append([]sdk.Block{sdk.Picture(picture)}, blocks...)
	}
	if rows := table(r, s, from, to); len(rows) > 0 {
		blocks = append(blocks, sdk.TableOf([]string{"before now", "up", "ms", "most ms"}, rows, 1, 2, 3))
	} else {
		blocks = append(blocks, sdk.Text(sdk.Plain("Nothing was measured in the "+s.words+".")))
	}
	return append(blocks, sdk.AsOf(req))
}

// facts are what is known of an address now.
func facts(r record, now int64) []sdk.Field {
	fields := []sdk.Field{sdk.Is("State", standing(r)...)}
	if r.why != "" {
		fields = append(fields, sdk.Is("Last failure", sdk.Plain(r.why)))
	}
	if r.checked > 0 {
		fields = append(fields, sdk.Is("Checked", sdk.Ago(r.checked)))
	}
	if r.state == up {
		fields = append(fields, sdk.Is("Answered in", sdk.Plain(milliseconds(r.latency))))
	}
	to := now/minute + 1
	for i := range spans {
		if percent, ok := r.over(to-spans[i].minutes, to).availability(); ok {
			fields = append(fields, sdk.Is("Up, "+spans[i].words, sdk.Plain(share(percent))))
		}
	}
	if r.until > 0 {
		fields = append(fields, sdk.Is("Certificate until", sdk.Time(r.until)))
	}
	return fields
}

// chart is a picture of the latency; ok is false if there is none.
func chart(r record, s *span, from, to int64) (c sdk.Chart, ok bool) {
	line := abi.Series{Name: "latency"}
	for m := from; m < to; m += s.point {
		if f := r.over(m, min(m+s.point, to)); f.checks > f.failures {
			line.At = append(line.At, (m-from)*60)
			line.Values = append(line.Values, float64(f.mean))
		}
	}
	c = sdk.Chart{
		Title: sdk.Line(short(r.url), 32) + ", " + s.words + ", ms", From: from * minute, To: to * minute,
		Gap: s.point * 60 * 5 / 2, Series: []abi.Series{line},
	}
	return c, len(line.At) > 0
}

// table has a row for each part of the span in which something was measured, the
// newest first.
func table(r record, s *span, from, to int64) (rows [][]string) {
	for end := to; end > from; end -= s.row {
		f := r.over(max(end-s.row, from), end)
		percent, ok := f.availability()
		if !ok {
			continue
		}
		mean, worst := "–", "–"
		if f.checks > f.failures {
			mean, worst = number(f.mean), number(f.most)
		}
		rows = append(rows, []string{ago(to-end, s), share(percent), mean, worst})
	}
	return rows
}

// ago names a part of a span: "10–20 min", "3–6 h".
func ago(minutes int64, s *span) string {
	if s.row >= 60 {
		return number(minutes/60) + "–" + number((minutes+s.row)/60) + " h"
	}
	return number(minutes) + "–" + number(minutes+s.row) + " min"
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
