// Package manage lets admins act on containers. What an act needs of its user
// besides, the host asks for by itself.
package manage

import (
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/place"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// Module returns the command of this module, its views, and its acts.
func Module() sdk.Module {
	m := sdk.Module{
		Commands: map[string]sdk.Handler{"manage": manage, "rename": rename},
		Actions:  map[string]sdk.Handler{"list": list, "show": show, "rename": renaming},
	}
	for _, a := range acts {
		m.Actions[a.name] = a.handle
	}
	return m
}

// manage shows the container that was named, NAME or NAME@HOST, or lists all.
func manage(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	name, endpoint, _ := strings.Cut(req.Text, "@")
	if name == "" && endpoint == "" {
		return list(host, req)
	}
	if !place.IsHost(endpoint) {
		return sdk.Reply{}, errName
	}
	return page(host, req, place.Place{Host: endpoint, Page: 1}, name)
}

var (
	errBroken = sdk.Fail(abi.Invalid, texts.ManageBroken)
	errName   = sdk.Fail(abi.Invalid, texts.ManageName)
	errRename = sdk.Fail(abi.Invalid, texts.RenameUsage)
)

// placeOf reads the arguments of a button; a command begins at the first page
// of the first endpoint.
func placeOf(req sdk.Request) (place.Place, error) {
	p, ok := place.Of(req)
	if !ok {
		return place.Place{}, errBroken
	}
	return p, nil
}

// target reads the place and the id out of a container's button.
func target(req sdk.Request) (place.Place, string, error) {
	p, err := placeOf(req)
	id := req.Arg("id")
	if err == nil && (len(id) != 64 || strings.Trim(id, "0123456789abcdef") != "") {
		err = errBroken
	}
	return p, id, err
}

// toList leads to this module's list.
func toList(p place.Place) sdk.Button { return p.Button(texts.Back, "list") }

// back leads to where the user came from, such as the container's page of the
// other module; else to this module's list.
func back(p place.Place) sdk.Button { return sdk.Back(toList(p)) }

// toContainers leads to the other module's list.
var toContainers = sdk.Run(texts.ManageContainers, "containers")
