// Package runtime shows how containers are tied to their host: limits, mounts,
// networks, environment. That its user needs a session is the host's to see to.
package runtime

import (
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/place"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// The views of one container, by the names of their commands.
const (
	viewRuntime     = "runtime"
	viewVolumes     = "volumes"
	viewNetworks    = "networks"
	viewEnvironment = "environment"
)

var views = []string{viewRuntime, viewVolumes, viewNetworks, viewEnvironment}

// Module returns the commands of this module, and its views.
func Module() sdk.Module {
	m := sdk.Module{Commands: map[string]sdk.Handler{}, Actions: map[string]sdk.Handler{"list": list, "show": show}}
	for _, name := range views {
		m.Commands[name] = typed
	}
	return m
}

var (
	errBroken = sdk.Fail(abi.Invalid, texts.RuntimeBroken)
	errName   = sdk.Fail(abi.Invalid, texts.RuntimeName)
)

// maxRef is the length of what names a container, in bytes: the engine's longest
// name, and more than an id.
const maxRef = 255

// sight is a view of one container, or the list that leads to it. It travels in
// every button.
type sight struct {
	place.Place
	view string // one of views
	ref  string // the container's name or id; "" in the list
	part int    // of a view with several pages, from 1
}

// typed opens a view of the container that was named, NAME or NAME@HOST, or lists
// those to pick from.
func typed(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	name, endpoint := place.Cut(req.Text)
	s := sight{Place: place.Place{Host: endpoint, Page: 1, Outside: true}, view: req.Command, ref: name, part: 1}
	switch {
	case !s.good():
		return sdk.Reply{}, errName
	case name == "":
		return s.list(host, req)
	}
	return s.show(host, req)
}

func sightOf(req sdk.Request) (sight, error) {
	p, ok := place.Of(req)
	part, whole := place.Number(req.Arg("part"))
	s := sight{Place: p, view: req.Arg("view"), ref: req.Arg("ref"), part: part}
	if !ok || !whole || !s.good() {
		return s, errBroken
	}
	return s, nil
}

func (s sight) good() bool {
	known := false
	for _, name := range views {
		known = known || name == s.view
	}
	return known && place.IsHost(s.Host) && len(s.ref) <= maxRef && sdk.Line(s.ref, maxRef) == s.ref && !strings.Contains(s.ref, " ")
}

// button runs an action on s.
func (s sight) button(label, action string) sdk.Button {
	args := []string{"view", s.view}
	if s.ref != "" {
		args = append(args, "ref", s.ref)
	}
	if s.part > 1 {
		args = append(args, "part", strconv.Itoa(s.part))
	}
	return s.Button(label, action, args...)
}

// of is s with another view of the same container.
func (s sight) of(view string) sight {
	s.view, s.part = view, 1
	return s
}

// on is s on another of its pages.
func (s sight) on(part int) sight {
	s.part = part
	return s
}

func show(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	s, err := sightOf(req)
	switch {
	case err != nil:
		return sdk.Reply{}, err
	case s.ref == "":
		return sdk.Reply{}, errBroken
	}
	return s.show(host, req)
}

// show makes the view. Each has the same buttons around what it says.
func (s sight) show(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	make := map[string]func(sdk.Host, sdk.Request) (content, error){
		viewRuntime: s.runtime, viewVolumes: s.volumes, viewNetworks: s.networks, viewEnvironment: s.environment,
	}[s.view]
	c, err := make(host, req)
	if err != nil {
		rows := s.ways(texts.RuntimeTryAgain)
		if sdk.CodeOf(err) == abi.NotFound {
			rows = rows[len(rows)-1:] // of nothing there are no other views
		}
		return place.Away(req, err, rows...)
	}
	s.part = c.part
	rows := s.ways(texts.Refresh)
	paging := place.Paging(c.part, c.parts, func(label string, part int) sdk.Button { return s.on(part).button(label, "show") })
	if len(paging) > 0 {
		rows = append([][]sdk.Button{paging}, rows...)
	}
	return sdk.Reply{Blocks: append(c.blocks, sdk.AsOf(req)), Keyboard: rows}, nil
}

// ways lead to the other views of the container, to this one anew, and back.
func (s sight) ways(again string) [][]sdk.Button {
	var others []sdk.Button
	for _, name := range views {
		if name != s.view {
			label, _ := texts.RuntimeView(name)
			others = append(others, s.of(name).button(label, "show"))
		}
	}
	return [][]sdk.Button{others[:2], others[2:], sdk.Row(s.button(again, "show"), s.Back(texts.Back, "list", "view", s.view))}
}

// content is what a view says, and which of how many pages that is.
type content struct {
	blocks      []sdk.Block
	part, parts int
}

// whole is a view of one page.
func whole(blocks ...sdk.Block) content { return content{blocks: blocks, part: 1, parts: 1} }

// cut is the page of a view that is asked for, or its last one: which of the
// things are on it, from first to end.
func (s sight) cut(total, perPage int) (c content, first, end int) {
	c.parts = place.Pages(total, perPage)
	c.part = min(s.part, c.parts)
	first = (c.part - 1) * perPage
	return c, first, min(first+perPage, total)
}

func (s sight) title(name string) sdk.Block {
	_, heading := texts.RuntimeView(s.view)
	return sdk.HeadingOf(sdk.Plain(heading), sdk.Code(sdk.Line(name, maxName)))
}

func (s sight) container() abi.ContainerRef { return abi.ContainerRef{Host: s.Host, ID: s.ref} }
