package server

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

func cpu(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.CPU(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	keyboard := [][]sdk.Button{
		sdk.Row(sdk.Do("📊 Per core", "cpu_cores"), sdk.Do("⏳ Times", "cpu_times")),
		sdk.Row(sdk.Do("🔝 Top 10 processes", "cpu_top")),
		commandView("cpu"),
	}
	return page(req, whose(host), keyboard, cpuBlocks(info)...), nil
}

func cpuBlocks(info abi.CPUInfo) []sdk.Block {
	var fields []sdk.Field
	if info.Model != "" {
		fields = append(fields, sdk.Is("Model", sdk.Plain(sdk.Line(info.Model, 80))))
	}
	fields = append(fields,
		sdk.Is("Logical cores", sdk.Plain(count(info.Logical))),
		sdk.Is("Physical cores", sdk.Plain(count(info.Physical))),
		sdk.Is("Frequency", sdk.Plain(frequency(info.MHz))),
		measured(info),
	)
	return []sdk.Block{
		sdk.Heading("🧮 CPU"),
		sdk.Bars(sdk.Bar{Label: "Total", Percent: share(info.Percent)}),
		sdk.Fields(fields...),
	}
}

// measured says how long the percentages were measured over: a short window
// jumps, a long one hides peaks.
func measured(info abi.CPUInfo) sdk.Field {
	return sdk.Is("Measured over", sdk.Plain(sdk.Decimal(float64(info.WindowMS)/1000, 1)+" s"))
}

func frequency(mhz float64) string {
	switch {
	case mhz <= 0:
		return "unknown"
	case mhz < 1000:
		return sdk.Decimal(mhz, 0) + " MHz"
	default:
		return sdk.Decimal(mhz/1000, 2) + " GHz"
	}
}

// maxCores keeps the bars within one message.
const maxCores = 64

func cpuCores(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.CPU(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	blocks := append([]sdk.Block{sdk.Heading("📊 CPU per core")}, coreBlocks(info.PerCore)...)
	return page(req, whose(host), subView("cpu_cores", "cpu"), append(blocks, sdk.Fields(measured(info)))...), nil
}

func coreBlocks(perCore []float64) []sdk.Block {
	if len(perCore) == 0 {
		return []sdk.Block{sdk.Text(sdk.Plain("This machine does not tell its cores apart."))}
	}
	bars := sdk.Bars(coreBars(perCore)...)
	if len(perCore) <= maxCores {
		return []sdk.Block{bars}
	}
	return []sdk.Block{sdk.Text(sdk.Plain("The " + strconv.Itoa(maxCores) + " busiest of " + sdk.Count(len(perCore), "core"))), bars}
}

// coreBars is in the order of the cores, or, if they are too many for one
// message, the busiest first.
func coreBars(perCore []float64) []sdk.Bar {
	bars := make([]sdk.Bar, len(perCore))
	for i, percent := range perCore {
		bars[i] = sdk.Bar{Label: "core " + strconv.Itoa(i), Percent: share(percent)}
	}
	if len(bars) <= maxCores {
		return bars
	}
	slices.SortStableFunc(bars, func(a, b sdk.Bar) int { return cmp.Compare(b.Percent, a.Percent) })
	return bars[:maxCores]
}

func cpuTimes(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.CPU(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	bar := func(label string, percent float64) sdk.Bar {
		return sdk.Bar{Label: label, Percent: share(percent)}
	}
	times := info.Times
	return page(req, whose(host), subView("cpu_times", "cpu"),
		sdk.Heading("⏳ CPU times"),
		sdk.Bars(
			bar("user", times.User),
			bar("system", times.System),
			bar("nice", times.Nice),
			bar("idle", times.Idle),
			bar("iowait", times.IOWait),
			bar("irq", times.IRQ),
			bar("softirq", times.SoftIRQ),
			bar("steal", times.Steal),
		),
		sdk.Fields(measured(info)),
	), nil
}

func cpuTop(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.Processes(abi.ProcessQuery{By: abi.ByCPU, Count: 10})
	if err != nil {
		return sdk.Reply{}, err
	}
	return page(req, whose(host), subView("cpu_top", "cpu"),
		sdk.Heading("🔝 Top 10 processes by CPU"),
		processLines(info.Top),
		sdk.Text(sdk.Plain("100 % is one core. Of "+processCount(info)+".")),
	), nil
}

func processCount(info abi.ProcessInfo) string {
	noun := " processes, "
	if info.Total == 1 {
		noun = " process, "
	}
	return strconv.Itoa(info.Total) + noun + strconv.Itoa(info.Running) + " running"
}

// processLines gives each process two short lines: a table with names as they
// are would be too wide for a phone.
func processLines(processes []abi.Process) sdk.Block {
	if len(processes) == 0 {
		return sdk.Text(sdk.Plain("No process can be seen."))
	}
	var spans []sdk.Span
	for i, p := range processes {
		lead := strconv.Itoa(i+1) + ". "
		if i > 0 {
			lead = "\n" + lead
		}
		spans = append(spans, sdk.Plain(lead), sdk.Code(sdk.Line(p.Name, 64)), sdk.Plain(" pid "+strconv.Itoa(int(p.PID))+
			"\n    CPU "+sdk.Percent(p.CPUPercent)+", memory "+sdk.Bytes(p.Memory)+" ("+sdk.Percent(p.MemoryPercent)+")"))
	}
	return sdk.Text(spans...)
}
