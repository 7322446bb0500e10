// Package images shows the images of Docker engines.
package images

import (
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/place"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// Module returns the command of this module, and its views.
func Module() sdk.Module {
	return sdk.Module{
		Commands: map[string]sdk.Handler{"images": typed},
		Actions: map[string]sdk.Handler{
			"list": list, "show": show, "settings": settings, "history": history, "used": used,
		},
	}
}

var (
	errBroken = sdk.Fail(abi.Invalid, texts.ImagesBroken)
	errName   = sdk.Fail(abi.Invalid, texts.ImagesName)
)

// typed shows the image that was named, TAG, TAG@HOST or an id in its place, or
// lists all, or with @HOST those of a host.
func typed(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	ref, endpoint := place.Cut(req.Text)
	p := place.Place{Host: endpoint, Page: 1, Outside: true}
	switch {
	case !place.IsHost(endpoint) || sdk.Line(ref, place.MaxTyped) != ref:
		return sdk.Reply{}, errName
	case ref == "":
		return listAt(host, req, p)
	}
	return page(host, req, p, ref)
}

// target reads the place and the id out of an image's button.
func target(req sdk.Request) (place.Place, string, error) {
	p, ok := place.Of(req)
	id := req.Arg("id")
	if !ok || !isID(id) {
		return p, id, errBroken
	}
	return p, id, nil
}

// isID reports whether id is what the list put into its buttons.
func isID(id string) bool {
	digits, ok := strings.CutPrefix(id, "sha256:")
	return ok && len(digits) == 64 && strings.Trim(digits, "0123456789abcdef") == ""
}

// shortID is as long as Docker's own tools show it.
func shortID(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(len(id), 12)]
}

// nameOf is what an image goes by: its first tag; else the repository that it was
// pulled from; else nothing.
func nameOf(i abi.Image) string {
	if len(i.Tags) > 0 {
		return sdk.Line(i.Tags[0], maxName)
	}
	if len(i.Digests) > 0 {
		repository, _, _ := strings.Cut(i.Digests[0], "@")
		return sdk.Line(repository, maxName)
	}
	return ""
}

// gone is no error: between a list and a tap, images come and go.
func gone(req sdk.Request, p place.Place) sdk.Reply {
	p.Outside = false
	return sdk.Reply{
		Blocks:   []sdk.Block{sdk.Text(sdk.Plain(texts.ImagesGone)), sdk.AsOf(req)},
		Keyboard: [][]sdk.Button{sdk.Row(p.Button(texts.ImagesToList, "list"))},
	}
}

// spoilt answers a view of an image that could not be made.
func spoilt(req sdk.Request, err error, p place.Place, action, id string) (sdk.Reply, error) {
	if sdk.CodeOf(err) == abi.NotFound && req.Action != "" {
		return gone(req, p), nil
	}
	row := sdk.Row(p.Back(texts.Back, "list"))
	if isID(id) {
		row = append(sdk.Row(p.Button(texts.ImagesTryAgain, action, "id", id)), row...)
	}
	return place.Away(req, err, row)
}
