package runtime

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/place"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
	"github.com/cofferdam-bot/cofferdam/modules/internal/view"
)

const perPage = 10

func list(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	s, err := sightOf(req)
	if err != nil {
		return sdk.Reply{}, err
	}
	return s.list(host, req)
}

// list has a button for each container, which opens the view that was asked for.
func (s sight) list(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	s.Outside, s.ref, s.part = false, "", 1
	hosts := place.Endpoints(host)
	found, err := s.fetch(host)
	if err != nil {
		again := sdk.Row(s.button(texts.RuntimeTryAgain, "list"), leave)
		return place.Away(req, err, append(s.HostRows(hosts, "list", "view", s.view), again)...)
	}
	var buttons []sdk.Button
	for _, c := range found.Containers {
		one := s
		one.ref = c.ID
		buttons = append(buttons, one.button(sdk.Label(place.Mark(c)+" "+c.Name), "show"))
	}
	keyboard := view.InRows(buttons)
	last := place.Pages(found.Total, perPage)
	paging := place.Paging(s.Page, last, func(label string, page int) sdk.Button {
		return s.At(page).Button(label, "list", "view", s.view)
	})
	if len(paging) > 0 {
		keyboard = append(keyboard, paging)
	}
	keyboard = append(keyboard, s.HostRows(hosts, "list", "view", s.view)...)
	lead := texts.RuntimeWhich
	if found.Total == 0 {
		lead = texts.RuntimeNone
	}
	return sdk.Reply{
		Blocks: []sdk.Block{
			sdk.Heading(texts.RuntimeHeading(s.view, found.Total, s.Name(hosts), s.Page, last)), sdk.Text(sdk.Plain(lead)), sdk.AsOf(req),
		},
		Keyboard: append(keyboard, sdk.Row(s.button(texts.Refresh, "list"), leave)),
	}, nil
}

// leave leads to where the user came from, or to the containers.
var leave = sdk.Back(sdk.Run(texts.Back, "containers"))

// fetch returns the page that s is on, or moves it to the last one if the list has
// become shorter than that.
func (s *sight) fetch(host sdk.Host) (abi.ContainerList, error) {
	for {
		found, err := host.Containers(abi.ContainerQuery{Host: s.Host, Offset: (s.Page - 1) * perPage, Count: perPage})
		last := place.Pages(found.Total, perPage)
		if err != nil || s.Page <= last {
			found.Containers = found.Containers[:min(len(found.Containers), perPage)]
			return found, err
		}
		s.Page = last
	}
}
