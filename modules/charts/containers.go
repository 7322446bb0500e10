package charts

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
	layout "github.com/cofferdam-bot/cofferdam/modules/internal/view"
)

// Bounds of the list.
const (
	perPage = 10
	maxPage = 10_000
)

// containers lists those of which there can be a chart, running ones first.
func containers(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	endpoint, page := req.Arg("host"), 1
	if text := req.Arg("page"); text != "" {
		n, err := pageOf(text)
		if err != nil {
			return sdk.Reply{}, err
		}
		page = n
	}
	if !isLine(endpoint, maxHostName) {
		return sdk.Reply{}, errBroken
	}
	rows := hostRows(host, endpoint)
	back := sdk.Do(texts.Back, "list")
	found, err := host.Containers(abi.ContainerQuery{Host: endpoint, Offset: (page - 1) * perPage, Count: perPage})
	if last := pages(found.Total); err == nil && page > last { // the list has become shorter
		page = last
		found, err = host.Containers(abi.ContainerQuery{Host: endpoint, Offset: (page - 1) * perPage, Count: perPage})
	}
	if err != nil {
		return away(req, err, append(rows, sdk.Row(at(texts.ChartTryAgain, endpoint, page), back))...)
	}
	var buttons []sdk.Button
	for _, c := range found.Containers {
		v := view{kind: containerKinds[0].name, span: &spans[0], ref: c.ID, host: endpoint, page: page}
		buttons = append(buttons, v.button(sdk.Label(c.Name), "container"))
	}
	keyboard := layout.InRows(buttons)
	if paging := pagingRow(endpoint, page, pages(found.Total)); len(paging) > 0 {
		keyboard = append(keyboard, paging)
	}
	return sdk.Reply{
		Blocks:   []sdk.Block{sdk.Heading(title(found.Total, page)), sdk.AsOf(req)},
		Keyboard: append(append(keyboard, rows...), sdk.Row(at(texts.Refresh, endpoint, page), back)),
	}, nil
}

// pageOf reads the number of a page of the list.
func pageOf(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPage {
		return 0, errBroken
	}
	return n, nil
}

func title(total, page int) string {
	if total == 0 {
		return texts.ChartNoneThere
	}
	text := texts.ChartPickOne
	if last := pages(total); last > 1 {
		text += texts.ChartPage(strconv.Itoa(page), strconv.Itoa(last))
	}
	return text
}

func pages(total int) int { return max(1, (total+perPage-1)/perPage) }

// at leads to a page of the list.
func at(label, endpoint string, page int) sdk.Button {
	var args []string
	if endpoint != "" {
		args = append(args, "host", endpoint)
	}
	if page > 1 {
		args = append(args, "page", strconv.Itoa(page))
	}
	return sdk.Do(label, "containers", args...)
}

func pagingRow(endpoint string, page, last int) (row []sdk.Button) {
	of := func(n int) string { return strconv.Itoa(n) + "/" + strconv.Itoa(last) }
	if page > 1 {
		row = append(row, at("◀️ "+of(page-1), endpoint, page-1))
	}
	if page < last {
		row = append(row, at(of(page+1)+" ▶️", endpoint, page+1))
	}
	return row
}

// hostRows are buttons that switch to another endpoint; none if there is only
// one, or if their names cannot be had.
func hostRows(host sdk.Host, present string) (rows [][]sdk.Button) {
	const perRow, most = 3, 30
	known, err := host.DockerHosts()
	if err != nil || len(known.Names) < 2 {
		return nil
	}
	for i, name := range known.Names[:min(len(known.Names), most)] {
		if i%perRow == 0 {
			rows = append(rows, nil)
		}
		label := "🖥 " + name
		if name == present || present == "" && i == 0 {
			label = "✅ " + name
		}
		last := len(rows) - 1
		rows[last] = append(rows[last], at(sdk.Label(label), name, 1))
	}
	return rows
}
