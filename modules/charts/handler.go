// Package charts shows what the machine and its containers used, as pictures.
// The host keeps the history and draws; this says what, and says it in words.
package charts

import (
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// Module returns the command of this module, and the views that its buttons
// open.
func Module() sdk.Module {
	return sdk.Module{
		Commands: map[string]sdk.Handler{"chart": chart},
		Actions: map[string]sdk.Handler{
			"list":       list,
			"show":       show,
			"container":  container,
			"containers": containers,
		},
	}
}

// chart shows what was named: a kind of chart, or "container NAME" or
// "container NAME@HOST"; without a word, what there is.
func chart(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	word, rest, _ := strings.Cut(req.Text, " ")
	switch k := kindOf(machineKinds, word); {
	case word == "":
		return list(host, req)
	case word == "container":
		return named(host, req, strings.TrimSpace(rest))
	case k == nil || rest != "":
		return menu(sdk.Text(sdk.Plain(texts.ChartUnknown))), nil
	default:
		return drawMachine(host, req, k, view{kind: k.name, span: &spans[0]})
	}
}

// named shows a container that was typed.
func named(host sdk.Host, req sdk.Request, typed string) (sdk.Reply, error) {
	ref, endpoint, _ := strings.Cut(typed, "@")
	v := view{kind: containerKinds[0].name, span: &spans[0], ref: ref, host: endpoint}
	if ref == "" || !isLine(ref, maxRef) || !isLine(endpoint, maxHostName) {
		return sdk.Reply{}, sdk.Fail(abi.Invalid, texts.ChartOfNobody)
	}
	return drawContainer(host, req, &containerKinds[0], v)
}

// list is what there is.
func list(sdk.Host, sdk.Request) (sdk.Reply, error) {
	return menu(sdk.Text(sdk.Plain(texts.ChartsWhat))), nil
}

func menu(words sdk.Block) sdk.Reply {
	const perRow = 2
	var rows [][]sdk.Button
	for i := range machineKinds {
		if i%perRow == 0 {
			rows = append(rows, nil)
		}
		k := &machineKinds[i]
		last := len(rows) - 1
		rows[last] = append(rows[last], view{kind: k.name, span: &spans[0]}.button(k.label, "show"))
	}
	return sdk.Reply{
		Blocks: []sdk.Block{sdk.Heading(texts.Charts), words},
		Keyboard: append(rows,
			sdk.Row(sdk.Do(texts.ChartContainers, "containers")),
			sdk.Row(sdk.Back(sdk.Run(texts.Back, "server")))),
	}
}

// view is what is looked at. It travels in every button.
type view struct {
	kind string
	span *span
	dark bool
	// Of a container: its name or id, and the endpoint; "": the first.
	ref, host string
	// page is that of the list it was picked from; 0: it was opened from elsewhere.
	page int
}

// Bounds of what a button may carry.
const (
	maxRef      = 255
	maxHostName = 64
)

var errBroken = sdk.Fail(abi.Invalid, texts.ChartBroken)

// viewOf reads the arguments of a button.
func viewOf(req sdk.Request) (view, error) {
	v := view{kind: req.Arg("kind"), span: spanOf(req.Arg("span")), dark: req.Arg("dark") != "", ref: req.Arg("ref"), host: req.Arg("host")}
	if v.span == nil || !isLine(v.ref, maxRef) || !isLine(v.host, maxHostName) {
		return view{}, errBroken
	}
	if text := req.Arg("page"); text != "" {
		n, err := pageOf(text)
		v.page = n
		return v, err
	}
	return v, nil
}

func isLine(text string, limit int) bool { return len(text) <= limit && sdk.Line(text, limit) == text }

// button runs an action at v.
func (v view) button(label, action string) sdk.Button {
	args := []string{"kind", v.kind, "span", v.span.name}
	if v.dark {
		args = append(args, "dark", "1")
	}
	if v.ref != "" {
		args = append(args, "ref", v.ref)
	}
	if v.host != "" {
		args = append(args, "host", v.host)
	}
	if v.page > 0 {
		args = append(args, "page", strconv.Itoa(v.page))
	}
	return sdk.Do(label, action, args...)
}

// back leads to the list that a container was picked from, or to where its chart
// was opened.
func (v view) back() sdk.Button {
	if v.page > 0 {
		return at(texts.Back, v.host, v.page)
	}
	return sdk.Back(sdk.Run(texts.Back, "containers"))
}

// span is how far a chart looks back.
type span struct {
	name    string // on its button
	words   string
	seconds int64
}

var spans = [...]span{
	{"1 h", "hour", 3_600}, {"6 h", "6 hours", 6 * 3_600}, {"24 h", "24 hours", 24 * 3_600}, {"7 d", "7 days", 7 * 24 * 3_600},
}

func spanOf(name string) *span {
	for i := range spans {
		if spans[i].name == name {
			return &spans[i]
		}
	}
	return nil
}
