package server

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
	"github.com/cofferdam-bot/cofferdam/modules/internal/view"
)

func load(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	machine, err := host.Machine(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	blocks := append([]sdk.Block{sdk.Heading(texts.ServerLoad)}, loadBlocks(machine)...)
	blocks = append(blocks, waited(host)...)
	keyboard := [][]sdk.Button{sdk.Row(chart("load")), commandView("load")}
	return view.Page(req, machine, keyboard, blocks...), nil
}

func loadBlocks(machine abi.HostInfo) []sdk.Block {
	if machine.CPUs < 1 {
		return []sdk.Block{sdk.Fields(
			sdk.Is(texts.ServerAllMinutes, sdk.Plain(loads(machine))),
			sdk.Is(texts.ServerCoresField, sdk.Plain(texts.Unknown)),
		)}
	}
	perCore := func(load float64) float64 { return load / float64(machine.CPUs) }
	bar := func(label string, load float64) sdk.Bar {
		return sdk.Bar{Label: label, Percent: view.Share(100 * perCore(load)), Text: sdk.Decimal(load, 2)}
	}
	window := func(load float64) sdk.Span {
		return sdk.Plain(sdk.Decimal(perCore(load), 2) + ", " + pressure(perCore(load)))
	}
	return []sdk.Block{
		sdk.Bars(bar(texts.ServerOneMinute, machine.Load1), bar(texts.ServerFiveMinutes, machine.Load5), bar(texts.ServerFifteenMinutes, machine.Load15)),
		sdk.Heading(texts.ServerPerCore + texts.ServerCoreCount(machine.CPUs)),
		sdk.Fields(
			sdk.Is(texts.ServerOneMinute, window(machine.Load1)),
			sdk.Is(texts.ServerFiveMinutes, window(machine.Load5)),
			sdk.Is(texts.ServerFifteenMinutes, window(machine.Load15)),
		),
	}
}

// waited says what the load waited for, where the kernel knows: a high load of
// processes that wait for a disk needs no processors.
func waited(host sdk.Host) []sdk.Block {
	info, err := host.Pressure(abi.MetricsQuery{})
	if err != nil || !info.Known {
		return nil
	}
	line := func(name string, p abi.Pressure) sdk.Field { return sdk.Is(name, sdk.Plain(sdk.Percent(p.Some60))) }
	return []sdk.Block{
		sdk.Heading(texts.ServerWaited),
		sdk.Fields(line(texts.ServerWaitedCPU, info.CPU), line(texts.ServerWaitedMemory, info.Memory), line(texts.ServerWaitedIO, info.IO)),
	}
}

// pressure is a plain word for the length of the run queue per core: above 1
// something waits; from 0.7 there is little room left for a peak, which is the
// usual rule of thumb.
func pressure(perCore float64) string {
	switch {
	case perCore > 1:
		return texts.ServerOverloaded
	case perCore >= 0.7:
		return texts.ServerBusy
	default:
		return texts.ServerCalm
	}
}

// loads writes the three averages, and a word for the last minute.
func loads(machine abi.HostInfo) string {
	text := sdk.Decimal(machine.Load1, 2) + " " + sdk.Decimal(machine.Load5, 2) + " " + sdk.Decimal(machine.Load15, 2)
	if machine.CPUs > 0 {
		text += ", " + pressure(machine.Load1/float64(machine.CPUs))
	}
	return text
}
