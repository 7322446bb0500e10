package server

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
	"github.com/cofferdam-bot/cofferdam/modules/internal/view"
)

func cpu(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.CPU(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	var fields []sdk.Field
	if info.Model != "" {
		fields = append(fields, sdk.Is(texts.ServerModel, sdk.Plain(sdk.Line(info.Model, 80))))
	}
	fields = append(fields,
		sdk.Is(texts.ServerLogical, sdk.Plain(count(info.Logical))),
		sdk.Is(texts.ServerPhysical, sdk.Plain(count(info.Physical))),
		sdk.Is(texts.ServerFrequency, sdk.Plain(texts.ServerMHz(info.MHz))),
		measured(info),
	)
	keyboard := [][]sdk.Button{
		sdk.Row(sdk.Do(texts.ServerToCores, "cpu_cores"), sdk.Do(texts.ServerToTimes, "cpu_times")),
		sdk.Row(sdk.Do(texts.ServerToTop, "cpu_top"), chart("cpu")),
		commandView("cpu"),
	}
	return view.Page(req, view.Whose(host), keyboard,
		sdk.Heading(texts.ServerCPU),
		sdk.Bars(bar(texts.ServerTotal, info.Percent)),
		sdk.Fields(fields...),
	), nil
}

func bar(label string, percent float64) sdk.Bar {
	return sdk.Bar{Label: label, Percent: view.Share(percent)}
}

// measured says how long the percentages were measured over: a short window
// jumps, a long one hides peaks.
func measured(info abi.CPUInfo) sdk.Field {
	return sdk.Is(texts.ServerMeasured, sdk.Plain(texts.ServerWindow(info.WindowMS)))
}

// coresPerPage is what a phone shows without much scrolling.
const coresPerPage = 32

func cpuCores(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.CPU(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	p := view.PagesOf(req, len(info.PerCore), coresPerPage)
	blocks := append([]sdk.Block{p.Heading(texts.ServerCores)}, coreBlocks(info.PerCore, p)...)
	keyboard := append(p.Rows("cpu_cores"), sdk.Row(p.Do(texts.Refresh, "cpu_cores"), sdk.Run(texts.Back, "cpu")))
	return view.Page(req, view.Whose(host), keyboard, append(blocks, sdk.Fields(measured(info)))...), nil
}

func coreBlocks(perCore []float64, p view.Pages) []sdk.Block {
	if len(perCore) == 0 {
		return []sdk.Block{sdk.Text(sdk.Plain(texts.ServerNoCores))}
	}
	var blocks []sdk.Block
	if p.Last > 1 {
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.ServerBusiestCores(len(perCore))+busiestCores(perCore))))
	}
	var bars []sdk.Bar
	for n := p.From; n < p.To; n++ {
		bars = append(bars, bar(texts.ServerCore(n), perCore[n]))
	}
	return append(blocks, sdk.Bars(bars...))
}

// busiestCores names those that somebody looks for on a page or another.
func busiestCores(perCore []float64) string {
	const most = 5
	order := make([]int, len(perCore))
	for n := range order {
		order[n] = n
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(perCore[b], perCore[a]) })
	var found []string
	for _, n := range order[:min(len(order), most)] {
		found = append(found, texts.ServerCoreAt(n, view.Share(perCore[n])))
	}
	return strings.Join(found, ", ")
}

func cpuTimes(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.CPU(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	times := info.Times
	return view.Page(req, view.Whose(host), subView("cpu_times", "cpu"),
		sdk.Heading(texts.ServerTimes),
		sdk.Bars( // the kernel's names, which its manual pages and other tools have
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
	return top(host, req, abi.ByCPU, "cpu_top", "cpu")
}
