package logs

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
	layout "github.com/cofferdam-bot/cofferdam/modules/internal/view"
)

// perList is how many containers a page of the list has.
const perList = 10

func list(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	p, err := placeOf(req)
	if err != nil {
		return sdk.Reply{}, err
	}
	hosts := endpoints(host)
	found, p, err := fetch(host, p)
	if err != nil {
		again := sdk.Row(p.button(texts.LogsAgain, "list"), toContainers)
		return away(req, err, append(hostRows(hosts, p), again)...)
	}
	var buttons []sdk.Button
	for _, c := range found.Containers {
		buttons = append(buttons, p.button(sdk.Label(mark(c.State)+" "+c.Name), "show", "ref", c.ID))
	}
	keyboard := layout.InRows(buttons)
	last := pages(found.Total)
	if row := paging(p, last); len(row) > 0 {
		keyboard = append(keyboard, row)
	}
	keyboard = append(keyboard, hostRows(hosts, p)...)
	return sdk.Reply{
		Blocks:   []sdk.Block{sdk.Heading(heading(found, hosts, p, last)), sdk.Text(sdk.Plain(lead(found))), sdk.AsOf(req)},
		Keyboard: append(keyboard, sdk.Row(p.button(texts.Refresh, "list"), toContainers)),
	}, nil
}

func heading(found abi.ContainerList, hosts []string, p place, last int) string {
	text := texts.LogsHeading(sdk.Count(found.Total, "container"))
	switch {
	case len(hosts) < 2:
	case p.host == "":
		text += " on " + sdk.Line(hosts[0], maxHostName)
	default:
		text += " on " + p.host
	}
	if last > 1 {
		text += ", page " + strconv.Itoa(p.page) + " of " + strconv.Itoa(last)
	}
	return text
}

func lead(found abi.ContainerList) string {
	if found.Total == 0 {
		return texts.LogsNone
	}
	return texts.LogsRunning(found.Running)
}

// fetch returns p's page, or the last one if the list has become shorter than
// that, and the place that it is.
func fetch(host sdk.Host, p place) (abi.ContainerList, place, error) {
	for {
		found, err := host.Containers(abi.ContainerQuery{Host: p.host, Offset: (p.page - 1) * perList, Count: perList})
		last := pages(found.Total)
		if err != nil || p.page <= last {
			found.Containers = found.Containers[:min(len(found.Containers), perList)]
			return found, p, err
		}
		p.page = last
	}
}

func pages(total int) int { return max(1, (total+perList-1)/perList) }

// paging has only buttons that lead somewhere; each says where.
func paging(p place, last int) []sdk.Button {
	to := func(before string, page int, after string) sdk.Button {
		return place{p.host, page}.button(before+strconv.Itoa(page)+"/"+strconv.Itoa(last)+after, "list")
	}
	var row []sdk.Button
	if p.page > 1 {
		row = append(row, to("◀️ ", p.page-1, ""))
	}
	if p.page < last {
		row = append(row, to("", p.page+1, " ▶️"))
	}
	return row
}

// mark is a container's state at a glance.
func mark(state string) string {
	switch state {
	case "running":
		return "🟢"
	case "created":
		return "⚪️"
	case "paused":
		return "⏸"
	case "restarting":
		return "🔁"
	case "removing", "":
		return "🗑"
	case "exited":
		return "🔴"
	case "dead":
		return "💀"
	default:
		return "❔"
	}
}

// toContainers leads to where the user came from, or to the other module's list.
var toContainers = sdk.Back(sdk.Run(texts.LogsContainers, "containers"))

// hostRows are buttons that switch to another endpoint; none if there is only
// one.
func hostRows(hosts []string, p place) [][]sdk.Button {
	const perRow, most = 3, 30
	if len(hosts) < 2 {
		return nil
	}
	var rows [][]sdk.Button
	for i, name := range hosts[:min(len(hosts), most)] {
		if i%perRow == 0 {
			rows = append(rows, nil)
		}
		label := "🖥 " + name
		if name == p.host || (p.host == "" && i == 0) {
			label = "✅ " + name
		}
		last := len(rows) - 1
		rows[last] = append(rows[last], place{host: name, page: 1}.button(sdk.Label(label), "list"))
	}
	return rows
}

// endpoints returns the names of all endpoints; none if they cannot be had: a
// view is worth showing without them.
func endpoints(host sdk.Host) []string {
	known, err := host.DockerHosts()
	if err != nil {
		return nil
	}
	return known.Names
}
