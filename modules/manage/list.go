package manage

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/place"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
	layout "github.com/cofferdam-bot/cofferdam/modules/internal/view"
)

const perPage = 10

func list(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	p, err := placeOf(req)
	if err != nil {
		return sdk.Reply{}, err
	}
	hosts := place.Endpoints(host)
	found, p, err := p.Containers(host, perPage)
	if err != nil {
		again := sdk.Row(p.Button(texts.ManageTryAgain, "list"), toContainers)
		return place.Away(req, err, append(p.HostRows(hosts, "list"), again)...)
	}
	var buttons []sdk.Button
	for _, c := range found.Containers {
		buttons = append(buttons, p.Button(sdk.Label(place.StateMark(c.State)+" "+c.Name), "show", "id", c.ID))
	}
	keyboard := layout.InRows(buttons)
	last := place.Pages(found.Total, perPage)
	if row := place.Steps(p.Page, last, func(label string, page int) sdk.Button { return p.At(page).Button(label, "list") }); len(row) > 0 {
		keyboard = append(keyboard, row)
	}
	keyboard = append(keyboard, p.HostRows(hosts, "list")...)
	return sdk.Reply{
		Blocks:   []sdk.Block{sdk.Heading(texts.ManageHeading(found.Total, p.Name(hosts), p.Page, last)), sdk.Text(sdk.Plain(lead(found))), sdk.AsOf(req)},
		Keyboard: append(keyboard, sdk.Row(p.Button(texts.Refresh, "list"), toContainers)),
	}, nil
}

func lead(found abi.ContainerList) string {
	if found.Total == 0 {
		return texts.ManageNothing
	}
	return texts.ManageRunning(found.Running)
}
