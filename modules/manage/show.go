package manage

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/place"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// Bounds of what an engine says, far above what real ones do.
const (
	maxName  = 128
	maxImage = 160
	maxWord  = 20
)

func show(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	p, id, err := target(req)
	if err != nil {
		return sdk.Reply{}, err
	}
	return page(host, req, p, id)
}

// page shows the container that ref names, with what can be done to it, below
// what came before.
func page(host sdk.Host, req sdk.Request, p place.Place, ref string, before ...sdk.Block) (sdk.Reply, error) {
	c, err := host.Container(abi.ContainerRef{Host: p.Host, ID: ref})
	if err != nil {
		row := sdk.Row(back(p), toContainers)
		if req.Action != "" {
			row = append(sdk.Row(p.Button(texts.ManageTryAgain, "show", "id", ref)), row...)
		}
		return place.Away(req, err, row)
	}
	fields := []sdk.Field{
		sdk.Is(texts.ManageState, sdk.Plain(sdk.Line(c.State, maxWord))),
		sdk.Is(texts.ManageImage, sdk.Code(sdk.Line(c.Image, maxImage))),
		sdk.Is(texts.ManageID, sdk.Code(c.ID[:min(len(c.ID), 12)])),
	}
	return view(req, p, c.ID, c.Name, c.State, append(before, sdk.Fields(append(fields, hostField(p)...)...))...), nil
}

// view is a container's page around what body says.
func view(req sdk.Request, p place.Place, id, name, state string, body ...sdk.Block) sdk.Reply {
	blocks := []sdk.Block{sdk.HeadingOf(sdk.Plain(place.StateMark(state)+" "), sdk.Code(sdk.Line(name, maxName)))}
	return sdk.Reply{
		Blocks:   append(append(blocks, body...), sdk.AsOf(req)),
		Keyboard: append(append(fitting(p, id, name, state), last(p, id, state)...), around(p, id)),
	}
}

// last offers another name to what is not on its way out, and the containers.
func last(p place.Place, id, state string) [][]sdk.Button {
	if state == "" || state == "removing" {
		return [][]sdk.Button{sdk.Row(toContainers)}
	}
	return [][]sdk.Button{sdk.Row(p.Button(texts.ManageRename.Label, "rename", "id", id), toContainers)}
}

// hostField names the endpoint, where there may be several.
func hostField(p place.Place) []sdk.Field {
	if p.Host == "" {
		return nil
	}
	return []sdk.Field{sdk.Is(texts.ManageHost, sdk.Code(p.Host))}
}

// around are a page's refresh and its way back.
func around(p place.Place, id string) []sdk.Button {
	return sdk.Row(p.Button(texts.Refresh, "show", "id", id), back(p))
}
