package server

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// quick is one page about everything. What cannot be had says so in its own
// line; the rest stays.
func quick(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	machine, err := host.Machine(abi.MetricsQuery{})
	cpu, cpuBars := cpuLine(host)
	memory, memoryBars := memoryLine(host)
	fields := append(machineFields(machine, err), cpu, memory, processField(host))
	fields = append(fields, dockerFields(host)...)
	blocks := []sdk.Block{sdk.Heading("⚡ Quick view"), sdk.Fields(fields...)}
	if bars := append(cpuBars, memoryBars...); len(bars) > 0 {
		blocks = append(blocks, sdk.Bars(bars...))
	}
	keyboard := [][]sdk.Button{
		sdk.Row(sdk.Do("🗂 Overview", "quick_overview"), sdk.Do("🧠 Memory", "quick_memory")),
		sdk.Row(sdk.Do("🌡 Temperature", "quick_temperature"), sdk.Do("🧮 CPU", "quick_cpu"), sdk.Do("💾 Disk", "quick_disk")),
		sdk.Row(sdk.Run("🔄 Refresh", "quick")),
	}
	return page(req, machine, keyboard, blocks...), nil
}

// missing is the line of a figure that cannot be had.
func missing(name string, err error) sdk.Field {
	return sdk.Is(name, sdk.Italic(sdk.MessageOf(err)))
}

func machineFields(machine abi.HostInfo, err error) []sdk.Field {
	if err != nil {
		return []sdk.Field{missing("Uptime", err), missing("Load", err)}
	}
	return []sdk.Field{
		sdk.Is("Uptime", sdk.Plain(sdk.Duration(machine.Uptime))),
		sdk.Is("Load", sdk.Plain(loads(machine))),
	}
}

func cpuLine(host sdk.Host) (sdk.Field, []sdk.Bar) {
	info, err := host.CPU(abi.MetricsQuery{})
	if err != nil {
		return missing("CPU", err), nil
	}
	text := sdk.Percent(info.Percent)
	if info.Logical > 0 {
		text += " of " + sdk.Count(info.Logical, "core")
	}
	return sdk.Is("CPU", sdk.Plain(text)), []sdk.Bar{{Label: "CPU", Percent: share(info.Percent)}}
}

func memoryLine(host sdk.Host) (sdk.Field, []sdk.Bar) {
	info, err := host.Memory(abi.MetricsQuery{})
	if err != nil {
		return missing("Memory", err), nil
	}
	text := sdk.Percent(info.Percent) + " of " + sdk.Bytes(info.Total)
	return sdk.Is("Memory", sdk.Plain(text)), []sdk.Bar{{Label: "Memory", Percent: share(info.Percent)}}
}

func processField(host sdk.Host) sdk.Field {
	info, err := host.Processes(abi.ProcessQuery{})
	if err != nil {
		return missing("Processes", err)
	}
	return sdk.Is("Processes", sdk.Plain(strconv.Itoa(info.Total)+", "+strconv.Itoa(info.Running)+" running"))
}

func dockerFields(host sdk.Host) []sdk.Field {
	info, err := host.Docker(abi.DockerQuery{})
	if err != nil {
		return []sdk.Field{missing("Docker", err)}
	}
	return []sdk.Field{
		sdk.Is("Containers", sdk.Plain(strconv.Itoa(info.Containers)+", "+strconv.Itoa(info.Running)+" running")),
		sdk.Is("Images", sdk.Plain(strconv.Itoa(info.Images))),
	}
}

func quickOverview(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	machine, err := host.Machine(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	blocks := []sdk.Block{
		sdk.Heading("🗂 Overview"),
		sdk.Fields(append(identity(machine), booted(machine), sdk.Is("Cores", sdk.Plain(count(machine.CPUs))))...),
		sdk.Text(sdk.Bold("Processes")),
		sdk.Fields(processStates(host)...),
	}
	return page(req, machine, subView("quick_overview", "quick"), blocks...), nil
}

func processStates(host sdk.Host) []sdk.Field {
	info, err := host.Processes(abi.ProcessQuery{})
	if err != nil {
		return []sdk.Field{missing("All", err)}
	}
	number := func(name string, n int) sdk.Field { return sdk.Is(name, sdk.Plain(strconv.Itoa(n))) }
	return []sdk.Field{
		number("All", info.Total),
		number("Running", info.Running),
		number("Sleeping", info.Sleeping),
		number("Idle", info.Idle),
		number("Stopped", info.Stopped),
		number("Zombie", info.Zombie),
	}
}

func quickMemory(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.Memory(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	blocks := append(memoryBlocks(info), busiest(host, abi.ByMemory)...)
	return page(req, whose(host), subView("quick_memory", "quick"), blocks...), nil
}

func quickCPU(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.CPU(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	blocks := append(cpuBlocks(info), busiest(host, abi.ByCPU)...)
	return page(req, whose(host), subView("quick_cpu", "quick"), blocks...), nil
}

// busiest lists the five processes that use most of something.
func busiest(host sdk.Host, by string) []sdk.Block {
	heading := sdk.Text(sdk.Bold("Busiest processes"))
	info, err := host.Processes(abi.ProcessQuery{By: by, Count: 5})
	if err != nil {
		return []sdk.Block{heading, sdk.Text(sdk.Italic(sdk.MessageOf(err)))}
	}
	return []sdk.Block{heading, processLines(info.Top)}
}
