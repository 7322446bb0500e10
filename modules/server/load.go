package server

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

func load(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	machine, err := host.Machine(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	keyboard := [][]sdk.Button{commandView("load")}
	return page(req, machine, keyboard, append([]sdk.Block{sdk.Heading("📈 Load average")}, loadBlocks(machine)...)...), nil
}

func loadBlocks(machine abi.HostInfo) []sdk.Block {
	if machine.CPUs < 1 {
		return []sdk.Block{sdk.Fields(
			sdk.Is("1, 5, 15 min", sdk.Plain(loads(machine))),
			sdk.Is("Cores", sdk.Plain("unknown")),
		)}
	}
	perCore := func(load float64) float64 { return load / float64(machine.CPUs) }
	bar := func(label string, load float64) sdk.Bar {
		return sdk.Bar{Label: label, Percent: share(100 * perCore(load)), Text: sdk.Decimal(load, 2)}
	}
	window := func(load float64) sdk.Span {
		return sdk.Plain(sdk.Decimal(perCore(load), 2) + ", " + pressure(perCore(load)))
	}
	return []sdk.Block{
		sdk.Bars(bar("1 min", machine.Load1), bar("5 min", machine.Load5), bar("15 min", machine.Load15)),
		sdk.Text(sdk.Bold("Per core"), sdk.Plain(" ("+sdk.Count(machine.CPUs, "core")+")")),
		sdk.Fields(
			sdk.Is("1 min", window(machine.Load1)),
			sdk.Is("5 min", window(machine.Load5)),
			sdk.Is("15 min", window(machine.Load15)),
		),
	}
}

// pressure is a plain word for the length of the run queue per core: above 1
// something waits; from 0.7 there is little room left for a peak, which is the
// usual rule of thumb.
func pressure(perCore float64) string {
	switch {
	case perCore > 1:
		return "overloaded"
	case perCore >= 0.7:
		return "busy"
	default:
		return "calm"
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
