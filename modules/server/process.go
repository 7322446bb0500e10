package server

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
	"github.com/cofferdam-bot/cofferdam/modules/internal/view"
)

func process(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.Processes(abi.ProcessQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	number := func(name string, n int) sdk.Field { return sdk.Is(name, sdk.Plain(strconv.Itoa(n))) }
	keyboard := [][]sdk.Button{
		sdk.Row(sdk.Do(texts.ServerToTopCPU, "process_cpu"), sdk.Do(texts.ServerToTopMemory, "process_memory")),
		commandView("process"),
	}
	return view.Page(req, view.Whose(host), keyboard,
		sdk.Heading(texts.ServerProcess),
		sdk.Fields(
			number(texts.ServerTotal, info.Total),
			number(texts.ServerRunning, info.Running),
			number(texts.ServerSleeping, info.Sleeping),
			number(texts.ServerIdle, info.Idle),
			number(texts.ServerStopped, info.Stopped),
			number(texts.ServerZombie, info.Zombie),
		),
	), nil
}

func processCPU(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	return top(host, req, abi.ByCPU, "process_cpu", "process")
}

func processMemory(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	return top(host, req, abi.ByMemory, "process_memory", "process")
}

// top lists the ten that use most of something, as a view below parent.
func top(host sdk.Host, req sdk.Request, by, action, parent string) (sdk.Reply, error) {
	info, err := host.Processes(abi.ProcessQuery{By: by, Count: 10})
	if err != nil {
		return sdk.Reply{}, err
	}
	heading := texts.ServerTopCPU
	if by == abi.ByMemory {
		heading = texts.ServerTopMemory
	}
	return view.Page(req, view.Whose(host), subView(action, parent),
		sdk.Heading(heading),
		processLines(info.Top),
		sdk.Text(sdk.Plain(texts.ServerOneCore+" "+texts.ServerProcessCount(info.Total, info.Running))),
	), nil
}

// processLines gives each process two short lines: a table with names as they
// are would be too wide for a phone.
func processLines(processes []abi.Process) sdk.Block {
	if len(processes) == 0 {
		return sdk.Text(sdk.Plain(texts.ServerNoProcesses))
	}
	var spans []sdk.Span
	for i, p := range processes {
		lead := strconv.Itoa(i+1) + ". "
		if i > 0 {
			lead = "\n" + lead
		}
		spans = append(spans, sdk.Plain(lead), sdk.Code(sdk.Line(p.Name, 64)), sdk.Plain(texts.ServerPID(p.PID, sdk.Line(p.User, 32))+
			"\n    "+texts.ServerProcessUse(p.CPUPercent, p.Memory, p.MemoryPercent)))
	}
	return sdk.Text(spans...)
}
