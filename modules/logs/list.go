package logs

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/place"
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
	hosts := place.Endpoints(host)
	found, p, err := p.Containers(host, perList)
	if err != nil {
		again := sdk.Row(p.Button(texts.LogsAgain, "list"), toContainers)
		return place.Away(req, err, append(p.HostRows(hosts, "list"), again)...)
	}
	var buttons []sdk.Button
	for _, c := range found.Containers {
		buttons = append(buttons, p.Button(sdk.Label(place.StateMark(c.State)+" "+c.Name), "show", "ref", c.ID))
	}
	keyboard := layout.InRows(buttons)
	last := place.Pages(found.Total, perList)
	if row := place.Steps(p.Page, last, func(label string, page int) sdk.Button { return p.At(page).Button(label, "list") }); len(row) > 0 {
		keyboard = append(keyboard, row)
	}
	keyboard = append(keyboard, p.HostRows(hosts, "list")...)
	return sdk.Reply{
		Blocks:   []sdk.Block{sdk.Heading(heading(found, hosts, p, last)), sdk.Text(sdk.Plain(lead(found))), sdk.AsOf(req)},
		Keyboard: append(keyboard, sdk.Row(p.Button(texts.Refresh, "list"), toContainers)),
	}, nil
}

func heading(found abi.ContainerList, hosts []string, p place.Place, last int) string {
	text := texts.LogsHeading(sdk.Count(found.Total, "container"))
	if name := p.Name(hosts); name != "" {
		text += " on " + name
	}
	if last > 1 {
		text += ", page " + strconv.Itoa(p.Page) + " of " + strconv.Itoa(last)
	}
	return text
}

func lead(found abi.ContainerList) string {
	if found.Total == 0 {
		return texts.LogsNone
	}
	return texts.LogsRunning(found.Running)
}

// toContainers leads to where the user came from, or to the other module's list.
var toContainers = sdk.Back(sdk.Run(texts.LogsContainers, "containers"))
