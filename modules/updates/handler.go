// Package updates shows which images have newer versions at their registries.
package updates

import (
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// Module returns the command of this module, and its views.
func Module() sdk.Module {
	return sdk.Module{
		Commands: map[string]sdk.Handler{"updates": updates},
		Actions: map[string]sdk.Handler{
			"list": list,
			"show": show,
		},
	}
}

// updates shows the image that was named, REF or REF@HOST, or lists all, or with
// @HOST those of a host.
func updates(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	ref, endpoint := cutHost(strings.TrimSpace(req.Text))
	if !isRef(ref) || !isHost(endpoint) {
		return sdk.Reply{}, errName
	}
	p := place{host: endpoint, page: 1}
	if ref == "" {
		return listAt(host, req, p)
	}
	return page(host, req, p, ref, "")
}

// cutHost cuts the host off; what stands behind the @ of a digest is none.
func cutHost(text string) (ref, host string) {
	i := strings.LastIndexByte(text, '@')
	if i < 0 || strings.HasPrefix(text[i:], "@sha256:") {
		return text, ""
	}
	return text[:i], text[i+1:]
}

// place is where in the list the user is. It travels in every button.
type place struct {
	host string // name of a Docker endpoint; "": the first
	page int    // of the list, from 1
}

// Bounds of what a button may carry.
const (
	maxHostName = 64
	maxRef      = 512
	maxPage     = 10_000
)

var (
	errBroken = sdk.Fail(abi.Invalid, texts.UpdatesBroken)
	errName   = sdk.Fail(abi.Invalid, texts.UpdatesUsage)
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

func isRef(ref string) bool { return len(ref) <= maxRef && sdk.Line(ref, maxRef) == ref }

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

// at is p on another page.
func (p place) at(page int) place { return place{host: p.host, page: page} }

// Values of the argument "look": how a view is made.
const (
	lookAgain = "again" // ask the registries anew
	lookOn    = "on"    // the host runs it, while registries are asked
)

// howLong a view waits for registries, in milliseconds. One that is made again by
// itself shows what there is.
func howLong(req sdk.Request) int {
	if req.Arg("look") == lookOn {
		return 0
	}
	return 1500
}

// ask looks for updates; ref is one image, or empty.
func ask(host sdk.Host, req sdk.Request, p place, ref string) (abi.UpdateReport, error) {
	wait := howLong(req)
	if wait > 0 {
		host.Progress(texts.UpdatesAsking)
	}
	return host.ImageUpdates(abi.UpdateQuery{Host: p.host, ID: ref, Fresh: req.Arg("look") == lookAgain, WaitMS: wait})
}

// following lets the host make a view again while registries are asked.
func following(report abi.UpdateReport, b sdk.Button) *sdk.Again {
	if report.Pending <= 0 {
		return nil
	}
	if b.Args == nil {
		b.Args = map[string]string{}
	}
	b.Args["look"] = lookOn
	return &sdk.Again{After: 2, Action: b.Action, Args: b.Args}
}

// leave leads to where the user came from, or else to the host's images.
func (p place) leave() sdk.Button {
	b := sdk.Run(texts.Back, "images")
	if p.host != "" {
		b.Text = "@" + p.host
	}
	return sdk.Back(b)
}

// endpoints returns the names of all endpoints; none if they cannot be had.
func endpoints(host sdk.Host) []string {
	known, err := host.DockerHosts()
	if err != nil {
		return nil
	}
	return known.Names
}

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

// onHost names the endpoint, if there are several.
func onHost(hosts []string, p place) string {
	switch {
	case len(hosts) < 2:
		return ""
	case p.host == "":
		return texts.UpdatesOn(sdk.Line(hosts[0], maxHostName))
	}
	return texts.UpdatesOn(p.host)
}

// away answers a view whose engine does not answer: with the reason, the rows
// that lead to other engines, and buttons that try again or lead back. Any other
// error is the host's to tell.
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
