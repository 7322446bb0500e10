// Package server shows the machine: load, processors, memory, sensors,
// processes and uptime.
package server

import (
	"cmp"
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
	"github.com/cofferdam-bot/cofferdam/modules/internal/view"
)

// Module returns the commands of this module, and the views that its buttons
// open.
func Module() sdk.Module {
	return sdk.Module{
		Commands: map[string]sdk.Handler{
			"server":  section,
			"load":    load,
			"cpu":     cpu,
			"memory":  memory,
			"sensors": sensors,
			"process": process,
			"uptime":  uptime,
		},
		Actions: map[string]sdk.Handler{
			"status":         status,
			"cpu_cores":      cpuCores,
			"cpu_times":      cpuTimes,
			"cpu_top":        cpuTop,
			"memory_swap":    memorySwap,
			"sensors":        sensors,
			"process_cpu":    processCPU,
			"process_memory": processMemory,
			"uptime_users":   uptimeUsers,
		},
	}
}

// inPlace is the text behind the command with which other modules' views lead
// back here: the section without its reply keyboard, which would be a message
// of its own.
const inPlace = "view"

// section is status with the section's reply keyboard.
func section(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	reply, err := status(host, req)
	if err != nil || req.Text == inPlace {
		return reply, err
	}
	reply.Menu, reply.Keyboard = "server", nil
	return reply, nil
}

// status is the root of the section. It asks only for what is there at once:
// a measurement of the processors takes time.
func status(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	machine, err := host.Machine(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	blocks := []sdk.Block{
		sdk.Heading(texts.ServerHeading),
		sdk.Fields(
			sdk.Is(texts.ServerName, sdk.Code(machine.Hostname)),
			sdk.Is(texts.ServerSystem, sdk.Plain(cmp.Or(machine.OS, texts.Unknown))),
			sdk.Is(texts.ServerKernel, sdk.Plain(cmp.Or(machine.Kernel, texts.Unknown))),
			sdk.Is(texts.ServerUp, sdk.Plain(sdk.Duration(machine.Uptime))),
			sdk.Is(texts.ServerLoadField, sdk.Plain(loads(machine))),
		),
	}
	return view.Page(req, machine, [][]sdk.Button{sdk.Row(sdk.Do(texts.Refresh, "status"))}, blocks...), nil
}

// subView is the row of a view that was opened from a command's view.
func subView(action, parent string) [][]sdk.Button {
	return [][]sdk.Button{sdk.Row(sdk.Do(texts.Refresh, action), sdk.Run(texts.Back, parent))}
}

// commandView is the row of a command's view: it hangs below the section,
// unless the user came from another module's.
func commandView(command string) []sdk.Button {
	return sdk.Row(sdk.Run(texts.Refresh, command), sdk.Back(sdk.Do(texts.Back, "status")))
}

// chart is the button to the history of a figure.
func chart(of string) sdk.Button { return sdk.RunWith(texts.Chart, "chart", of) }

func count(n int) string {
	if n < 1 {
		return texts.Unknown
	}
	return strconv.Itoa(n)
}
