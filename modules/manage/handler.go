// Package manage lets admins act on containers. What an act needs of its user
// besides, the host asks for by itself.
package manage

import (
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
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
	if !isHost(endpoint) {
		return sdk.Reply{}, errName
	}
	return page(host, req, place{host: endpoint, page: 1}, name)
}

// place is where in the lists the user is. It travels in every button.
type place struct {
	host string // name of a Docker endpoint; "": the first
	page int    // of the list, from 1
}

// Bounds of what a button may carry.
const (
	maxHostName = 64
	maxPage     = 10_000
)

var (
	errBroken = sdk.Fail(abi.Invalid, texts.ManageBroken)
	errName   = sdk.Fail(abi.Invalid, texts.ManageName)
	errRename = sdk.Fail(abi.Invalid, texts.RenameUsage)
)

// placeOf reads the arguments of a button; a command begins at the first page
// of the first endpoint.
func placeOf(req sdk.Request) (place, error) {
	p := place{host: req.Arg("host"), page: 1}
	if !isHost(p.host) {
		return place{}, errBroken
	}
	if text := req.Arg("page"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			return place{}, errBroken
		}
		p.page = n
	}
	return p, nil
}

func isHost(name string) bool {
	return len(name) <= maxHostName && sdk.Line(name, maxHostName) == name
}

// target reads the place and the id out of a container's button.
func target(req sdk.Request) (place, string, error) {
	p, err := placeOf(req)
	id := req.Arg("id")
	if err == nil && (len(id) != 64 || strings.Trim(id, "0123456789abcdef") != "") {
		err = errBroken
	}
	return p, id, err
}

// button runs an action at p. args are further names and values in turn.
func (p place) button(label, action string, args ...string) sdk.Button {
	if p.host != "" {
		args = append(args, "host", p.host)
	}
	if p.page > 1 {
		args = append(args, "page", strconv.Itoa(p.page))
	}
	return sdk.Do(label, action, args...)
}

// list leads to this module's list.
func (p place) list() sdk.Button { return p.button(texts.Back, "list") }

// back leads to where the user came from, such as the container's page of the
// other module; else to this module's list.
func (p place) back() sdk.Button { return sdk.Back(p.list()) }

// toContainers leads to the other module's list.
var toContainers = sdk.Run(texts.ManageContainers, "containers")

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

// away answers a view that could not be made, with the reason and buttons that
// lead on. What the user may not do, or must do first, is the host's to tell.
func away(req sdk.Request, err error, rows ...[]sdk.Button) (sdk.Reply, error) {
	mark := "🔌 "
	switch sdk.CodeOf(err) {
	case abi.Unavailable, abi.Timeout, abi.Limit:
	case abi.NotFound, abi.Conflict:
		mark = "✋ "
	default:
		return sdk.Reply{}, err
	}
	return sdk.Reply{
		Blocks:   []sdk.Block{sdk.Text(sdk.Plain(mark + sdk.MessageOf(err))), sdk.AsOf(req)},
		Keyboard: rows,
	}, nil
}
