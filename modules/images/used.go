package images

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/place"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// used lists the containers that are made of an image, of those that the user may
// see. Each button opens the page of one.
func used(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	p, id, err := target(req)
	if err != nil {
		return sdk.Reply{}, err
	}
	n, err := part(req)
	if err != nil {
		return sdk.Reply{}, err
	}
	i, err := host.Image(abi.ImageRef{Host: p.Host, ID: id})
	if err != nil {
		return spoilt(req, err, p, "used", id)
	}
	found, n, err := users(host, p, id, n)
	if err != nil {
		return spoilt(req, err, p, "used", id)
	}
	last := place.Pages(found.Total, perPage)
	blocks := []sdk.Block{title(texts.ImagesUsedTitle, i.Image)}
	if found.Total == 0 {
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.ImagesNobody)))
	} else {
		blocks = append(blocks, sdk.Text(sdk.Italic(texts.ImagesUsers(found.Total, n, last))))
	}
	var keyboard [][]sdk.Button
	for _, c := range found.Containers {
		blocks = append(blocks, user(c))
		if typed := p.Typed(c.Name, c.ID); typed != "" {
			keyboard = append(keyboard, sdk.Row(sdk.RunWith(sdk.Label(place.Mark(c)+" "+c.Name), "container", typed)))
		}
	}
	keyboard = append(keyboard, parts(p, "used", id, n, last)...)
	return sdk.Reply{
		Blocks:   append(blocks, sdk.AsOf(req)),
		Keyboard: append(keyboard, below(p, "used", id, "part", strconv.Itoa(n))),
	}, nil
}

// users returns a page of the containers, or the last one, and which it is.
func users(host sdk.Host, p place.Place, id string, n int) (abi.ContainerList, int, error) {
	for {
		found, err := host.Containers(abi.ContainerQuery{Host: p.Host, Image: id, Offset: (n - 1) * perPage, Count: perPage})
		last := place.Pages(found.Total, perPage)
		if err != nil || n <= last {
			found.Containers = found.Containers[:min(len(found.Containers), perPage)]
			return found, n, err
		}
		n = last
	}
}

// user is one container in two short lines.
func user(c abi.Container) sdk.Block {
	return sdk.Text(
		sdk.Plain(place.Mark(c)+" "), sdk.Code(sdk.Line(c.Name, maxName)),
		sdk.Plain("\n"+sdk.Line(c.Status, maxLine)))
}
