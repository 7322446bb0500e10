package updates

import (
	"slices"
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

const perPage = 8

// Bounds of what a list shows.
const (
	maxReference = 160
	maxTag       = 128
	maxSentence  = 200
)

func list(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	p, err := placeOf(req)
	if err != nil {
		return sdk.Reply{}, err
	}
	return listAt(host, req, p)
}

func listAt(host sdk.Host, req sdk.Request, p place) (sdk.Reply, error) {
	hosts := endpoints(host)
	report, err := ask(host, req, p, "")
	if err != nil {
		return away(req, err, hostRows(hosts, p), p.button(texts.UpdatesTry, "list"), p.leave())
	}
	s := sort(report)
	last := max(1, (len(s.rows)+perPage-1)/perPage)
	p.page = min(p.page, last)
	shown := s.rows[(p.page-1)*perPage : min(p.page*perPage, len(s.rows))]

	blocks := []sdk.Block{sdk.Heading(s.heading(report) + onHost(hosts, p) + texts.UpdatesPage(p.page, last))}
	for _, u := range shown {
		blocks = append(blocks, row(u))
	}
	blocks = append(blocks, s.rest(report)...)
	again := p.button("", "list")
	return sdk.Reply{
		Blocks:   append(blocks, sdk.AsOf(req)),
		Keyboard: listKeyboard(shown, hosts, p, last),
		Again:    following(report, again),
	}, nil
}

// Kinds of updates, in the order in which they are listed.
const (
	newer   = iota // there is something
	problem        // a registry was asked in vain
	beside         // no registry can be asked for it
	waiting
	current
)

func kindOf(u abi.ImageUpdate) int {
	switch {
	case u.NewerTag != "" || u.NewerDigest:
		return newer
	case u.Problem != "" && u.Checked > 0:
		return problem
	case u.Problem != "":
		return beside
	case u.Checked == 0:
		return waiting
	}
	return current
}

// sorted is a report as it is listed: rows are what is told one by one.
type sorted struct {
	rows                  []abi.ImageUpdate
	newer, current, total int
}

// sort keeps the report's order, which is by name, within each kind.
func sort(report abi.UpdateReport) sorted {
	s := sorted{total: len(report.Images)}
	for _, u := range report.Images {
		switch kindOf(u) {
		case newer:
			s.newer++
		case waiting:
			continue
		case current:
			s.current++
			continue
		}
		s.rows = append(s.rows, u)
	}
	slices.SortStableFunc(s.rows, func(a, b abi.ImageUpdate) int { return kindOf(a) - kindOf(b) })
	return s
}

func (s sorted) heading(report abi.UpdateReport) string {
	switch {
	case report.Pending > 0:
		return texts.UpdatesProgress(max(s.total-report.Pending, 0), s.total)
	case s.total == 0:
		return texts.UpdatesNone
	case s.newer == 0:
		return texts.UpdatesNothing
	}
	return texts.UpdatesFound(s.newer, s.total)
}

// rest is what is told in numbers.
func (s sorted) rest(report abi.UpdateReport) (blocks []sdk.Block) {
	if s.current > 0 {
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.UpdatesRest(s.current))))
	}
	if report.Pending > 0 {
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.UpdatesLeft(report.Pending))))
	}
	return blocks
}

// row is one image in a few short lines.
func row(u abi.ImageUpdate) sdk.Block {
	spans := []sdk.Span{sdk.Plain(mark(u) + " "), sdk.Code(sdk.Line(u.Reference, maxReference))}
	if u.NewerTag != "" {
		spans = append(spans, sdk.Plain("\n→ "), sdk.Code(sdk.Line(u.NewerTag, maxTag)))
		if u.Major {
			spans = append(spans, sdk.Plain(" "+texts.UpdatesMajor))
		}
	}
	if u.NewerWithin != "" {
		spans = append(spans, sdk.Plain("\n→ "), sdk.Code(sdk.Line(u.NewerWithin, maxTag)))
	}
	switch {
	case u.NewerDigest && u.NewerTag != "":
		spans = append(spans, sdk.Plain("\n🔁 "+texts.UpdatesDigest))
	case u.NewerDigest:
		spans = append(spans, sdk.Plain("\n"+texts.UpdatesDigest))
	}
	if u.Problem != "" {
		spans = append(spans, sdk.Plain("\n"), sdk.Italic(sdk.Line(u.Problem, maxSentence)))
	}
	return sdk.Text(spans...)
}

// mark is what is to be said of an image, at a glance.
func mark(u abi.ImageUpdate) string {
	switch kindOf(u) {
	case newer:
		if u.NewerTag != "" {
			return "🆕"
		}
		return "🔁"
	case problem:
		return "❔"
	case beside:
		return "▫️"
	case waiting:
		return "⏳"
	}
	return "✅"
}

func listKeyboard(shown []abi.ImageUpdate, hosts []string, p place, last int) [][]sdk.Button {
	var keyboard [][]sdk.Button
	for _, u := range shown {
		if kindOf(u) != beside && isRef(u.Reference) {
			keyboard = append(keyboard, sdk.Row(p.button(sdk.Label(mark(u)+" "+u.Reference), "show", "id", u.ID, "ref", u.Reference)))
		}
	}
	if paging := pagingRow(p, last); len(paging) > 0 {
		keyboard = append(keyboard, paging)
	}
	keyboard = append(keyboard, hostRows(hosts, p)...)
	return append(keyboard,
		sdk.Row(p.button(texts.Refresh, "list"), p.button(texts.UpdatesAgain, "list", "look", lookAgain)),
		sdk.Row(p.leave()))
}

// pagingRow has only buttons that lead somewhere; each says where.
func pagingRow(p place, last int) []sdk.Button {
	to := func(before string, page int, after string) sdk.Button {
		return p.at(page).button(before+strconv.Itoa(page)+"/"+strconv.Itoa(last)+after, "list")
	}
	var row []sdk.Button
	if p.page > 2 {
		row = append(row, to("⏮ ", 1, ""))
	}
	if p.page > 1 {
		row = append(row, to("◀️ ", p.page-1, ""))
	}
	if p.page < last {
		row = append(row, to("", p.page+1, " ▶️"))
	}
	return row
}
