// Package containers shows the Docker engine and its containers.
package containers

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// Module returns the commands of this module, and the views that its buttons
// open.
func Module() sdk.Module {
	return sdk.Module{
		Commands: map[string]sdk.Handler{
			"docker":     section,
			"containers": list,
			"container":  typed,
		},
		Actions: map[string]sdk.Handler{
			"engine": engine,
			"list":   list,
			"show":   show,
			"csv":    csv,
		},
	}
}

// place is where in the lists the user is. It travels in every button, so that
// a view leads back to where it was opened.
type place struct {
	host string // name of a Docker endpoint; "": the first
	page int    // of the list, from 1
	// outside tells that the view was opened by its name, as other modules do:
	// its way back leads there.
	outside bool
}

// Bounds of what a button may carry.
const (
	maxHostName = 64
	maxPage     = 10_000
)

var errBroken = sdk.Fail(abi.Invalid, texts.ContainersBroken)

// placeOf reads the arguments of a button; a command begins at the first page
// of the first endpoint.
func placeOf(req sdk.Request) (place, error) {
	p := place{host: req.Arg("host"), page: 1, outside: req.Arg("outside") != ""}
	if len(p.host) > maxHostName || sdk.Line(p.host, maxHostName) != p.host {
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

// button runs an action at p. args are further names and values in turn.
func (p place) button(label, action string, args ...string) sdk.Button {
	if p.host != "" {
		args = append(args, "host", p.host)
	}
	if p.page > 1 {
		args = append(args, "page", strconv.Itoa(p.page))
	}
	if p.outside {
		args = append(args, "outside", "1")
	}
	return sdk.Do(label, action, args...)
}

// back leads from a container's page to where it was opened.
func (p place) back() sdk.Button {
	if !p.outside {
		return p.button("⬅️ Back", "list")
	}
	p.outside = false
	return sdk.Back(p.button("⬅️ Back", "list"))
}

// at is p on another page.
func (p place) at(page int) place { return place{host: p.host, page: page} }

// endpoints returns the names of all endpoints, whether their engines answer or
// not; none if they cannot be had: a view is worth showing without them.
func endpoints(host sdk.Host) []string {
	known, err := host.DockerHosts()
	if err != nil {
		return nil
	}
	return known.Names
}

// hostRows are buttons that switch to another endpoint; none if there is only
// one.
func hostRows(hosts []string, p place, action string) [][]sdk.Button {
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
		rows[last] = append(rows[last], place{host: name, page: 1}.button(sdk.Label(label), action))
	}
	return rows
}

// away answers a view whose engine does not answer, or is not configured any
// more: with the reason, the rows that lead to other engines, and buttons that
// try again or lead back. Any other error is the host's to tell.
func away(req sdk.Request, err error, rows [][]sdk.Button, buttons ...sdk.Button) (sdk.Reply, error) {
	switch sdk.CodeOf(err) {
	case abi.Unavailable, abi.Timeout, abi.NotFound:
	default:
		return sdk.Reply{}, err
	}
	return sdk.Reply{
		Blocks:   []sdk.Block{sdk.Text(sdk.Plain("🔌 " + sdk.MessageOf(err))), sdk.AsOf(req)},
		Keyboard: append(rows, buttons),
	}, nil
}

// again is the first button of [away].
func (p place) again(action string, args ...string) sdk.Button {
	return p.button(texts.ContainersTryAgain, action, args...)
}

// firstEngine leads out of an endpoint that does not answer.
var firstEngine = sdk.Do(texts.Back, "engine")
