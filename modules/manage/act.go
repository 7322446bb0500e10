package manage

import (
	"slices"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/place"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// act is one thing that can be done to a container with a tap.
type act struct {
	texts.Act
	name   string // of the action
	style  string
	states []string // that it fits
	do     func(sdk.Host, abi.ContainerRef) (abi.ContainerDone, error)
}

// acts are in the order of their buttons. Danger is what can lose a container's
// work.
var acts = []act{
	{texts.ManageStart, abi.ActStart, abi.ButtonSuccess, []string{"exited", "created"}, sdk.Host.StartContainer},
	{texts.ManageUnpause, abi.ActUnpause, abi.ButtonSuccess, []string{"paused"}, sdk.Host.UnpauseContainer},
	{texts.ManageStop, abi.ActStop, abi.ButtonDanger, []string{"running", "restarting"}, sdk.Host.StopContainer},
	{texts.ManageRestart, abi.ActRestart, abi.ButtonDanger, []string{"running"}, sdk.Host.RestartContainer},
	{texts.ManagePause, abi.ActPause, abi.ButtonPlain, []string{"running"}, sdk.Host.PauseContainer},
	{texts.ManageKill, abi.ActKill, abi.ButtonDanger, []string{"running", "paused", "restarting"}, sdk.Host.KillContainer},
	{texts.ManageRemove, abi.ActRemove, abi.ButtonDanger, []string{"exited", "created", "dead"}, sdk.Host.RemoveContainer},
}

// fitting has a button for each act that the state permits, two in a row. The
// name goes along for the line that says what is under way.
func fitting(p place.Place, id, name, state string) (rows [][]sdk.Button) {
	n := 0
	for _, a := range acts {
		if !slices.Contains(a.states, state) {
			continue
		}
		if n%2 == 0 {
			rows = append(rows, nil)
		}
		b := p.Button(a.Label, a.name, "id", id, "name", sdk.Line(name, maxName))
		b.Style = a.style
		rows[n/2] = append(rows[n/2], b)
		n++
	}
	return rows
}

// handle acts, and shows the state that the engine tells afterwards.
func (a act) handle(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	p, id, err := target(req)
	if err != nil {
		return sdk.Reply{}, err
	}
	if name := req.Arg("name"); name != "" {
		host.Progress(a.Under(sdk.Line(name, maxName)))
	}
	done, err := a.do(host, abi.ContainerRef{Host: p.Host, ID: id})
	if err != nil {
		// Not "try again": first look how it is.
		return place.Away(req, err, around(p, id), sdk.Row(toContainers))
	}
	state := done.State
	if state == "" {
		state = texts.ManageGone
	}
	fields := append([]sdk.Field{sdk.Is(texts.ManageState, sdk.Plain(sdk.Line(state, maxWord)))}, hostField(p)...)
	reply := view(req, p, id, done.Name, done.State, sdk.Text(sdk.Plain(ending(a.Act, done))), sdk.Fields(fields...))
	if done.State == "" && !done.Pending {
		// There is no page of it to go back to.
		reply.Keyboard = [][]sdk.Button{sdk.Row(toList(p), toContainers)}
	}
	return reply, nil
}

// ending says in a sentence how it ended.
func ending(a texts.Act, done abi.ContainerDone) string {
	switch {
	case done.Pending:
		return texts.ManageWorking
	case done.Unchanged:
		return a.Already
	}
	return a.Done
}
