// Package server shows the machine: load, processors, memory and uptime.
package server

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// Module returns the commands of this module, and the views that its buttons
// open.
func Module() sdk.Module {
	return sdk.Module{
		Commands: map[string]sdk.Handler{
			"server": section,
			"load":   load,
			"cpu":    cpu,
			"memory": memory,
			"uptime": uptime,
		},
		Actions: map[string]sdk.Handler{
			"status":       status,
			"cpu_cores":    cpuCores,
			"cpu_times":    cpuTimes,
			"cpu_top":      cpuTop,
			"memory_swap":  memorySwap,
			"uptime_users": uptimeUsers,
		},
	}
}

// section is status with the section's reply keyboard.
func section(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	reply, err := status(host, req)
	if err != nil {
		return sdk.Reply{}, err
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
		sdk.Heading("🖥 Server"),
		sdk.Fields(append(identity(machine), sdk.Is("Load", sdk.Plain(loads(machine))))...),
	}
	return page(req, machine, [][]sdk.Button{sdk.Row(sdk.Do("🔄 Refresh", "status"))}, blocks...), nil
}

func identity(machine abi.HostInfo) []sdk.Field {
	return []sdk.Field{
		sdk.Is("Name", sdk.Code(machine.Hostname)),
		sdk.Is("System", sdk.Plain(orUnknown(machine.OS))),
		sdk.Is("Kernel", sdk.Plain(orUnknown(machine.Kernel))),
		sdk.Is("Uptime", sdk.Plain(sdk.Duration(machine.Uptime))),
	}
}

// page is a view of a machine's figures: its blocks, whose figures they are if
// not the whole machine's, when it was made, and its buttons.
func page(req sdk.Request, machine abi.HostInfo, keyboard [][]sdk.Button, blocks ...sdk.Block) sdk.Reply {
	if machine.InGuest {
		blocks = append(blocks, sdk.Quote(sdk.Plain(inGuest)))
	}
	return sdk.Reply{Blocks: append(blocks, sdk.AsOf(req)), Keyboard: keyboard}
}

const inGuest = "These are the figures of the container that I run in, not of the whole machine."

// whose describes the machine for a [page] that shows nothing else of it. A
// page whose figures are there is worth showing without this answer.
func whose(host sdk.Host) abi.HostInfo {
	machine, err := host.Machine(abi.MetricsQuery{})
	if err != nil {
		return abi.HostInfo{}
	}
	return machine
}

// subView is the row of a view that was opened from a command's view.
func subView(action, parent string) [][]sdk.Button {
	return [][]sdk.Button{sdk.Row(sdk.Do("🔄 Refresh", action), sdk.Run("⬅️ Back", parent))}
}

// commandView is the row of a command's view that hangs below the section.
func commandView(command string) []sdk.Button {
	return sdk.Row(sdk.Run("🔄 Refresh", command), sdk.Do("⬅️ Back", "status"))
}

// share keeps a bar within its bounds: shares are computed from counters that
// are not read at the same instant.
func share(percent float64) float64 { return min(max(percent, 0), 100) }

func orUnknown(text string) string {
	if text == "" {
		return "unknown"
	}
	return text
}

func count(n int) string {
	if n < 1 {
		return "unknown"
	}
	return strconv.Itoa(n)
}

// more says how many entries a view leaves out to stay within one message;
// nothing if it shows all.
func more(shown, total int, noun string) []sdk.Block {
	if total <= shown {
		return nil
	}
	return []sdk.Block{sdk.Text(sdk.Plain("and " + sdk.Count(total-shown, "more "+noun)))}
}
