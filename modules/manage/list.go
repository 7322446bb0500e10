package manage

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
	layout "github.com/cofferdam-bot/cofferdam/modules/internal/view"
)

const perPage = 10

func list(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	p, err := placeOf(req)
	if err != nil {
		return sdk.Reply{}, err
	}
	hosts := endpoints(host)
	found, p, err := fetch(host, p)
	if err != nil {
		again := sdk.Row(p.button(texts.ManageTryAgain, "list"), toContainers)
		return away(req, err, append(hostRows(hosts, p), again)...)
	}
	var buttons []sdk.Button
	for _, c := range found.Containers {
		buttons = append(buttons, p.button(sdk.Label(mark(c.State)+" "+c.Name), "show", "id", c.ID))
	}
	keyboard := layout.InRows(buttons)
	last := pages(found.Total)
	if row := paging(p, last); len(row) > 0 {
		keyboard = append(keyboard, row)
	}
	keyboard = append(keyboard, hostRows(hosts, p)...)
	return sdk.Reply{
		Blocks:   []sdk.Block{sdk.Heading(texts.ManageHeading(found.Total, onHost(hosts, p), p.page, last)), sdk.Text(sdk.Plain(lead(found))), sdk.AsOf(req)},
		Keyboard: append(keyboard, sdk.Row(p.button(texts.Refresh, "list"), toContainers)),
	}, nil
}

// onHost is the endpoint's name, if there are several.
func onHost(hosts []string, p place) string {
	switch {
	case len(hosts) < 2:
		return ""
	case p.host == "":
		return sdk.Line(hosts[0], maxHostName)
	}
	return p.host
}

func lead(found abi.ContainerList) string {
	if found.Total == 0 {
		return texts.ManageNothing
	}
	return texts.ManageRunning(found.Running)
}

// fetch returns p's page, or the last one if the list has become shorter than
// that, and the place that it is.
func fetch(host sdk.Host, p place) (abi.ContainerList, place, error) {
	for {
		found, err := host.Containers(abi.ContainerQuery{Host: p.host, Offset: (p.page - 1) * perPage, Count: perPage})
		last := pages(found.Total)
		if err != nil || p.page <= last {
			found.Containers = found.Containers[:min(len(found.Containers), perPage)]
			return found, p, err
		}
		p.page = last
	}
}

func pages(total int) int { return max(1, (total+perPage-1)/perPage) }

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
