package containers

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

const perPage = 10

// Bounds of what an engine says, far above what real ones do.
const (
	maxName   = 128
	maxImage  = 160
	maxStatus = 80
	maxWord   = 20
)

func list(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	p, err := placeOf(req)
	if err != nil {
		return sdk.Reply{}, err
	}
	p.outside = false
	hosts := endpoints(host)
	found, p, err := fetch(host, p)
	if err != nil {
		return away(req, err, hostRows(hosts, p, "list"), p.again("list"), firstEngine)
	}
	blocks := []sdk.Block{sdk.Heading(texts.ContainersHeading(found.Total, found.Running, onHost(hosts, p), p.page, pages(found.Total)))}
	for _, c := range found.Containers {
		blocks = append(blocks, row(c))
	}
	return sdk.Reply{
		Blocks:   append(blocks, sdk.AsOf(req)),
		Keyboard: listKeyboard(found, hosts, p),
	}, nil
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

// row is one container in three short lines.
func row(c abi.Container) sdk.Block {
	status := sdk.Line(c.Status, maxStatus)
	if c.Health != "" && !strings.Contains(c.Status, c.Health) {
		status += ", " + sdk.Line(c.Health, maxWord)
	}
	spans := []sdk.Span{
		sdk.Plain(mark(c) + " "), sdk.Code(sdk.Line(c.Name, maxName)), sdk.Plain(" "), sdk.Code(shortID(c.ID)),
		sdk.Plain("\n"), sdk.Code(sdk.Line(c.Image, maxImage)),
		sdk.Plain("\n" + status),
	}
	if c.Created > 0 {
		spans = append(spans, sdk.Plain(texts.ContainersCreated), sdk.Ago(c.Created))
	}
	return sdk.Text(spans...)
}

// mark is a container's state at a glance.
func mark(c abi.Container) string {
	switch c.State {
	case "running":
		return healthMark(c.Health)
	case "created":
		return "⚪️"
	case "paused":
		return "⏸"
	case "restarting":
		return "🔁"
	case "removing":
		return "🗑"
	case "exited":
		return "🔴"
	case "dead":
		return "💀"
	default:
		return "❔"
	}
}

// healthMark tells running containers apart: a health check may be failing
// although the process runs.
func healthMark(health string) string {
	switch health {
	case "unhealthy":
		return "🟠"
	case "starting":
		return "🟡"
	default:
		return "🟢"
	}
}

func listKeyboard(found abi.ContainerList, hosts []string, p place) [][]sdk.Button {
	keyboard := containerRows(found.Containers, p)
	if paging := pagingRow(p, pages(found.Total)); len(paging) > 0 {
		keyboard = append(keyboard, paging)
	}
	keyboard = append(keyboard, hostRows(hosts, p, "list")...)
	last := sdk.Row(p.button(texts.Refresh, "list"))
	if found.Total > 0 {
		last = append(last, p.button(texts.AsFile, "csv"))
	}
	return append(keyboard, append(last, p.at(1).button(texts.Back, "engine")))
}

// shortLabel is how many characters fit on half the width of a phone.
const shortLabel = 18

// containerRows has a button for each container, two short ones in a row.
func containerRows(containers []abi.Container, p place) (rows [][]sdk.Button) {
	room := false
	for _, c := range containers {
		label := sdk.Label(mark(c) + " " + c.Name)
		b := p.button(label, "show", "id", c.ID)
		short := utf8.RuneCountInString(label) <= shortLabel
		if short && room {
			rows[len(rows)-1] = append(rows[len(rows)-1], b)
			room = false
			continue
		}
		rows, room = append(rows, sdk.Row(b)), short
	}
	return rows
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

// shortID is as long as Docker's own tools show it.
func shortID(id string) string { return id[:min(len(id), 12)] }
