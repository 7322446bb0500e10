// Package logs shows what containers write. That its user needs a session is the
// host's to see to.
package logs

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
		Commands: map[string]sdk.Handler{"logs": typed},
		Actions: map[string]sdk.Handler{
			"list": list, "show": show, "file": file, "follow": follow, "stop": stop,
		},
	}
}

// typed shows the log of the container that was named, NAME or NAME@HOST, with
// the text to look for behind it; or lists containers.
func typed(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	target, text, _ := strings.Cut(req.Text, " ")
	name, endpoint, _ := strings.Cut(target, "@")
	if name == "" && endpoint == "" {
		return list(host, req)
	}
	v := view{Place: place.Place{Host: endpoint, Page: 1}, ref: name, text: strings.TrimSpace(text)}
	switch {
	case len([]rune(v.text)) > maxFilter:
		return sdk.Reply{}, errLong
	case v.check() != nil:
		return sdk.Reply{}, errName
	}
	return v.show(host, req)
}

// Bounds of what a button may carry.
const (
	maxRef    = 255
	maxFilter = 100 // characters
	maxCursor = 64
)

var (
	errBroken  = sdk.Fail(abi.Invalid, texts.LogsBroken)
	errName    = sdk.Fail(abi.Invalid, texts.LogsName)
	errLong    = sdk.Fail(abi.Invalid, texts.LogsLong)
	errPrivate = sdk.Fail(abi.Denied, texts.LogsPrivate)
)

func placeOf(req sdk.Request) (place.Place, error) {
	p, ok := place.Of(req)
	if !ok {
		return place.Place{}, errBroken
	}
	return p, nil
}

func isLine(text string, limit int) bool {
	return len(text) <= limit && sdk.Line(text, limit) == text
}

// back leads to where the user came from, or to the list.
func back(p place.Place) sdk.Button { return sdk.Back(p.Button(texts.Back, "list")) }

// view is a part of one container's log. It travels in every button.
type view struct {
	place.Place
	ref    string // the container's name, or its id
	span   string // a range of time, one of ranges
	stream string // "": both
	text   string // to look for
	// Of these at most one is set: the page is older or newer than there.
	before, after string
}

// ranges are the ranges of time, in milliseconds; 0: all.
var ranges = []struct {
	name string
	ms   int64
}{{"15m", 15 * 60_000}, {"1h", 3_600_000}, {"24h", 86_400_000}, {"", 0}}

// viewOf reads the arguments of a button.
func viewOf(req sdk.Request) (view, error) {
	p, err := placeOf(req)
	v := view{
		Place: p, ref: req.Arg("ref"), span: req.Arg("span"), stream: req.Arg("stream"), text: req.Arg("text"),
		before: req.Arg("before"), after: req.Arg("after"),
	}
	if err == nil {
		err = v.check()
	}
	return v, err
}

func (v view) check() error {
	good := v.ref != "" && isLine(v.ref, maxRef) && place.IsHost(v.Host) && isLine(v.text, 4*maxFilter) &&
		isLine(v.before, maxCursor) && isLine(v.after, maxCursor) && (v.before == "" || v.after == "") &&
		(v.stream == "" || v.stream == abi.StreamOut || v.stream == abi.StreamErr)
	known := false
	for _, r := range ranges {
		known = known || r.name == v.span
	}
	if !good || !known {
		return errBroken
	}
	return nil
}

// button runs an action on v, with further arguments.
func (v view) button(label, action string, args ...string) sdk.Button {
	for _, arg := range [...][2]string{
		{"ref", v.ref}, {"span", v.span}, {"stream", v.stream}, {"text", v.text}, {"before", v.before}, {"after", v.after},
	} {
		if arg[1] != "" {
			args = append(args, arg[0], arg[1])
		}
	}
	return v.Place.Button(label, action, args...)
}

// at is v beside a cursor; with two empty ones, its end.
func (v view) at(before, after string) view {
	v.before, v.after = before, after
	return v
}

// query asks for lines of v.
func (v view) query(req sdk.Request, count int) abi.LogQuery {
	q := abi.LogQuery{
		Host: v.Host, ID: v.ref, Count: count, Before: v.before, After: v.after,
		Stream: v.stream, Contains: v.text,
	}
	for _, r := range ranges {
		if r.name == v.span && r.ms > 0 {
			q.Since = max(req.Time-r.ms, 1)
		}
	}
	return q
}
