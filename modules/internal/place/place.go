// Package place is where in the lists of Docker hosts a user is, and what views
// with such lists have in common: pages, other hosts, a host that is away.
package place

import (
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// Bounds of what a button may carry.
const (
	MaxHost  = 64     // bytes of an endpoint's name
	MaxTyped = 128    // bytes behind a command
	maxPage  = 10_000 // of a list
)

// Place travels in every button, so that a view leads back to where it was
// opened.
type Place struct {
	Host string // name of a Docker endpoint; "": the first
	Page int    // of the list, from 1
	// Outside tells that the view was opened by its name, as other modules do:
	// its way back leads there.
	Outside bool
}

// Of reads the arguments of a button; a command begins at the first page of the
// first endpoint. It is false for what no button of ours carries.
func Of(req sdk.Request) (Place, bool) {
	p := Place{Host: req.Arg("host"), Page: 1, Outside: req.Arg("outside") != ""}
	if !IsHost(p.Host) {
		return Place{}, false
	}
	n, ok := Number(req.Arg("page"))
	if !ok {
		return Place{}, false
	}
	p.Page = n
	return p, true
}

// Number reads the number of a page, from 1, which "" is too.
func Number(text string) (n int, ok bool) {
	if text == "" {
		return 1, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 1 && n <= maxPage
}

// IsHost tells what can be an endpoint's name, "" included.
func IsHost(name string) bool { return len(name) <= MaxHost && sdk.Line(name, MaxHost) == name }

// Button runs an action at p. args are further names and values in turn.
func (p Place) Button(label, action string, args ...string) sdk.Button {
	if p.Host != "" {
		args = append(args, "host", p.Host)
	}
	if p.Page > 1 {
		args = append(args, "page", strconv.Itoa(p.Page))
	}
	if p.Outside {
		args = append(args, "outside", "1")
	}
	return sdk.Do(label, action, args...)
}

// At is p on another page.
func (p Place) At(page int) Place {
	p.Page = page
	return p
}

// Back leads from a page to the list that it was opened from, or to the view of
// another module.
func (p Place) Back(label, list string, args ...string) sdk.Button {
	if !p.Outside {
		return p.Button(label, list, args...)
	}
	p.Outside = false
	return sdk.Back(p.Button(label, list, args...))
}

// Name is the host's name if there are several; else "".
func (p Place) Name(hosts []string) string {
	switch {
	case len(hosts) < 2:
		return ""
	case p.Host == "":
		return sdk.Line(hosts[0], MaxHost)
	default:
		return p.Host
	}
}

// Typed is what opens name by a command of another module: NAME, or NAME@HOST;
// id in its place if name does not surely fit. It is "" if neither does.
func (p Place) Typed(name, id string) string {
	if len(name) > MaxTyped-1-MaxHost || sdk.Line(name, MaxTyped) != name {
		name = id
	}
	if p.Host != "" {
		name += "@" + p.Host
	}
	if len(name) > MaxTyped {
		return ""
	}
	return name
}

// Cut reads NAME@HOST. What stands behind the @ of a digest is no host.
func Cut(text string) (name, host string) {
	at := strings.LastIndexByte(text, '@')
	if at < 0 || strings.HasPrefix(text[at:], "@sha256:") {
		return text, ""
	}
	return text[:at], text[at+1:]
}

// Endpoints returns the names of all endpoints, whether their engines answer or
// not; none if they cannot be had: a view is worth showing without them.
func Endpoints(host sdk.Host) []string {
	known, err := host.DockerHosts()
	if err != nil {
		return nil
	}
	return known.Names
}

// HostRows are buttons that switch to another endpoint; none if there is only
// one.
func (p Place) HostRows(hosts []string, action string, args ...string) [][]sdk.Button {
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
		if name == p.Host || (p.Host == "" && i == 0) {
			label = "✅ " + name
		}
		last := len(rows) - 1
		rows[last] = append(rows[last], Place{Host: name, Page: 1}.Button(sdk.Label(label), action, args...))
	}
	return rows
}

// Containers returns p's page of the list of containers, or the last one if the
// list has become shorter than that, and the place that it is.
func (p Place) Containers(host sdk.Host, perPage int) (abi.ContainerList, Place, error) {
	for {
		found, err := host.Containers(abi.ContainerQuery{Host: p.Host, Offset: (p.Page - 1) * perPage, Count: perPage})
		last := Pages(found.Total, perPage)
		if err != nil || p.Page <= last {
			found.Containers = found.Containers[:min(len(found.Containers), perPage)]
			return found, p, err
		}
		p.Page = last
	}
}

// Pages is how many pages a list has.
func Pages(total, perPage int) int { return max(1, (total+perPage-1)/perPage) }

// Paging has only buttons that lead somewhere; each says where. to makes the
// button that leads to a page.
func Paging(page, last int, to func(label string, page int) sdk.Button) []sdk.Button {
	row := Steps(page, last, to)
	if page > 2 {
		row = append([]sdk.Button{to("⏮ "+of(1, last), 1)}, row...)
	}
	return row
}

func of(page, last int) string { return strconv.Itoa(page) + "/" + strconv.Itoa(last) }

// Steps is Paging with the pages beside it only.
func Steps(page, last int, to func(label string, page int) sdk.Button) (row []sdk.Button) {
	if page > 1 {
		row = append(row, to("◀️ "+of(page-1, last), page-1))
	}
	if page < last {
		row = append(row, to(of(page+1, last)+" ▶️", page+1))
	}
	return row
}

// Away answers a view that could not be made, with the reason and rows of buttons
// that lead on. What the user may not do, or must do first, is the host's to
// tell.
func Away(req sdk.Request, err error, rows ...[]sdk.Button) (sdk.Reply, error) {
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

// Mark is a container's state at a glance. Of running ones it tells those whose
// health check fails.
func Mark(c abi.Container) string {
	switch {
	case c.State == "":
		return "❔"
	case c.State == "running" && c.Health == "unhealthy":
		return "🟠"
	case c.State == "running" && c.Health == "starting":
		return "🟡"
	}
	return StateMark(c.State)
}

// StateMark is a state at a glance; "" is that of a container that is gone.
func StateMark(state string) string {
	switch state {
	case "running":
		return "🟢"
	case "created":
		return "⚪️"
	case "paused":
		return "⏸"
	case "restarting":
		return "🔁"
	case "removing", "":
		return "🗑"
	case "exited":
		return "🔴"
	case "dead":
		return "💀"
	}
	return "❔"
}
