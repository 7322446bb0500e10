// Package quick is the quick view: one page about the machine and Docker, and a
// page for each part of it.
package quick

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// Module returns the command of this module, and the pages that its buttons open.
func Module() sdk.Module {
	return sdk.Module{
		Commands: map[string]sdk.Handler{"quick": quick},
		Actions: map[string]sdk.Handler{
			"quick_overview":    overview,
			"quick_memory":      memory,
			"quick_temperature": temperature,
			"quick_cpu":         cpu,
			"quick_disk":        disk,
		},
	}
}

// quick is one page about everything. What cannot be had says so in its own
// line; the rest stays.
func quick(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	machine, err := host.Machine(abi.MetricsQuery{})
	busy, cpuBars := cpuLine(host)
	full, memoryBars := memoryLine(host)
	fields := append(uptimeAndLoad(machine, err), busy, full, processField(host))
	fields = append(fields, dockerFields(host)...)
	blocks := []sdk.Block{sdk.Heading(texts.QuickTitle), sdk.Fields(fields...)}
	if bars := append(cpuBars, memoryBars...); len(bars) > 0 {
		blocks = append(blocks, sdk.Bars(bars...))
	}
	keyboard := [][]sdk.Button{
		sdk.Row(sdk.Do(texts.QuickOverview, "quick_overview"), sdk.Do(texts.QuickMemory, "quick_memory")),
		sdk.Row(sdk.Do(texts.QuickTemperature, "quick_temperature"), sdk.Do(texts.QuickCPU, "quick_cpu")),
		sdk.Row(sdk.Do(texts.QuickDisk, "quick_disk"), sdk.Run(texts.Refresh, "quick")),
	}
	return page(req, machine, keyboard, blocks...), nil
}

// page is a view of a machine's figures: its blocks, whose figures they are if
// not the whole machine's, when it was made, and its buttons.
func page(req sdk.Request, machine abi.HostInfo, keyboard [][]sdk.Button, blocks ...sdk.Block) sdk.Reply {
	if machine.InGuest {
		blocks = append(blocks, sdk.Quote(sdk.Plain(texts.InGuest)))
	}
	return sdk.Reply{Blocks: append(blocks, sdk.AsOf(req)), Keyboard: keyboard}
}

// below is the row of a page that was opened from the quick view.
func below(action string) [][]sdk.Button {
	return [][]sdk.Button{sdk.Row(sdk.Do(texts.Refresh, action), sdk.Run(texts.Back, "quick"))}
}

// missing is the line of a figure that cannot be had.
func missing(name string, err error) sdk.Field {
	return sdk.Is(name, sdk.Italic(sdk.MessageOf(err)))
}

func uptimeAndLoad(machine abi.HostInfo, err error) []sdk.Field {
	if err != nil {
		return []sdk.Field{missing(texts.QuickUptime, err), missing(texts.QuickLoad, err)}
	}
	return []sdk.Field{
		sdk.Is(texts.QuickUptime, sdk.Plain(sdk.Duration(machine.Uptime))),
		sdk.Is(texts.QuickLoad, sdk.Plain(texts.QuickLoads(machine.Load1, machine.Load5, machine.Load15, machine.CPUs))),
	}
}

func cpuLine(host sdk.Host) (sdk.Field, []sdk.Bar) {
	info, err := host.CPU(abi.MetricsQuery{})
	if err != nil {
		return missing(texts.QuickCPULine, err), nil
	}
	return sdk.Is(texts.QuickCPULine, sdk.Plain(texts.QuickShareOf(info.Percent, info.Logical))),
		[]sdk.Bar{{Label: texts.QuickCPULine, Percent: share(info.Percent)}}
}

func memoryLine(host sdk.Host) (sdk.Field, []sdk.Bar) {
	info, err := host.Memory(abi.MetricsQuery{})
	if err != nil {
		return missing(texts.QuickMemoryLine, err), nil
	}
	return sdk.Is(texts.QuickMemoryLine, sdk.Plain(texts.QuickShareOfSize(info.Percent, info.Total))),
		[]sdk.Bar{{Label: texts.QuickMemoryLine, Percent: share(info.Percent)}}
}

// share keeps a bar within its bounds: shares are computed from counters that
// are not read at the same instant.
func share(percent float64) float64 { return min(max(percent, 0), 100) }

func processField(host sdk.Host) sdk.Field {
	info, err := host.Processes(abi.ProcessQuery{})
	if err != nil {
		return missing(texts.QuickProcesses, err)
	}
	return sdk.Is(texts.QuickProcesses, sdk.Plain(texts.QuickRunningOf(info.Total, info.Running)))
}

func dockerFields(host sdk.Host) []sdk.Field {
	info, err := host.Docker(abi.DockerQuery{})
	if err != nil {
		return []sdk.Field{missing(texts.QuickDocker, err)}
	}
	return []sdk.Field{
		sdk.Is(texts.QuickContainers, sdk.Plain(texts.QuickRunningOf(info.Containers, info.Running))),
		sdk.Is(texts.QuickImages, sdk.Plain(strconv.Itoa(info.Images))),
	}
}
