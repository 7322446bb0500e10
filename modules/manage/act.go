package manage

import (
	"slices"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// act is one thing that can be done to a container.
type act struct {
	name   string // of the action
	label  string
	style  string
	states []string // that it fits
	do     func(sdk.Host, abi.ContainerRef) (abi.ContainerDone, error)
	// done and already say how it ended, in one sentence each.
	done, already string
}

// acts are in the order of their buttons. Danger is what can lose a container's
// work.
var acts = []act{
	{
		name: abi.ActStart, label: "▶️ Start", style: abi.ButtonSuccess, states: []string{"exited", "created"},
		do: sdk.Host.StartContainer, done: "It was started.", already: "It was running already.",
	},
	{
		name: abi.ActUnpause, label: "▶️ Unpause", style: abi.ButtonSuccess, states: []string{"paused"},
		do: sdk.Host.UnpauseContainer, done: "It goes on.", already: "It was not paused.",
	},
	{
		name: abi.ActStop, label: "⏹ Stop", style: abi.ButtonDanger, states: []string{"running", "restarting"},
		do: sdk.Host.StopContainer, done: "It was stopped.", already: "It did not run.",
	},
	{
		name: abi.ActRestart, label: "🔁 Restart", style: abi.ButtonDanger, states: []string{"running"},
		do: sdk.Host.RestartContainer, done: "It was restarted.", already: "Nothing had to be done.",
	},
	{
		name: abi.ActPause, label: "⏸ Pause", states: []string{"running"},
		do: sdk.Host.PauseContainer, done: "It was paused.", already: "It was paused already.",
	},
	{
		name: abi.ActKill, label: "💥 Kill", style: abi.ButtonDanger, states: []string{"running", "paused", "restarting"},
		do: sdk.Host.KillContainer, done: "It was killed.", already: "It did not run.",
	},
	{
		name: abi.ActRemove, label: "🗑 Remove", style: abi.ButtonDanger, states: []string{"exited", "created", "dead"},
		do: sdk.Host.RemoveContainer, done: "It was removed. Its volumes are still there.", already: "It was gone already.",
	},
}

// fitting has a button for each act that the state permits, two in a row.
func fitting(p place, id, state string) (rows [][]sdk.Button) {
	n := 0
	for _, a := range acts {
		if !slices.Contains(a.states, state) {
			continue
		}
		if n%2 == 0 {
			rows = append(rows, nil)
		}
		b := p.button(a.label, a.name, "id", id)
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
	done, err := a.do(host, abi.ContainerRef{Host: p.host, ID: id})
	if err != nil {
		// Not "try again": first look how it is.
		return away(req, err, ways(p, id))
	}
	sentence := a.done
	switch {
	case done.Pending:
		sentence = "⏳ Docker still works on it: refresh to see how it ends."
	case done.Unchanged:
		sentence = a.already
	}
	state := done.State
	if state == "" {
		state = "gone"
	}
	fields := append([]sdk.Field{sdk.Is("State", sdk.Plain(sdk.Line(state, maxWord)))}, hostField(p)...)
	reply := view(req, p, id, done.Name, done.State, sdk.Text(sdk.Plain(sentence)), sdk.Fields(fields...))
	if done.State == "" && !done.Pending {
		reply.Keyboard = [][]sdk.Button{sdk.Row(p.back(), toContainers)}
	}
	return reply, nil
}
