package charts

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// kind is a chart that there is.
type kind struct {
	name  string // typed, and in buttons
	label string // on its button
	title string
	unit  string
	max   float64 // the end of the scale; 0: what the values need
	lines []line
	// limits are the thresholds of a history; nil: none.
	limits func(abi.History) []abi.ChartLine
}

// line is one of a chart's series.
type line struct{ series, name string }

// What there is of the machine, in the order of the list.
var machineKinds = []kind{
	{name: "cpu", label: "🧮 " + texts.ChartCPU, title: texts.ChartCPU, unit: abi.UnitPercent, max: 100,
		lines: []line{{abi.SeriesCPU, texts.ChartCPU}}},
	{name: "load", label: "📈 " + texts.ChartLoad, title: texts.ChartLoad, unit: abi.UnitNumber,
		lines: []line{{abi.SeriesLoad1, texts.ChartLoad1}}, limits: func(h abi.History) []abi.ChartLine { return cores(h, 1) }},
	{name: "memory", label: "🧠 " + texts.ChartMemory, title: texts.ChartMemory, unit: abi.UnitPercent, max: 100,
		lines: []line{{abi.SeriesMemory, texts.ChartMemory}, {abi.SeriesSwap, texts.ChartSwap}}},
	{name: "disk", label: "💾 " + texts.ChartDisk, title: texts.ChartDisk, unit: abi.UnitPercent, max: 100,
		lines: []line{{abi.SeriesDisk, texts.ChartFullest}}, limits: nearlyFull},
	{name: "disk_io", label: "📀 " + texts.ChartDiskIO, title: texts.ChartDiskIO, unit: abi.UnitRate,
		lines: []line{{abi.SeriesDiskRead, texts.ChartRead}, {abi.SeriesDiskWrite, texts.ChartWritten}}},
	{name: "network", label: "🌐 " + texts.ChartNetwork, title: texts.ChartNetwork, unit: abi.UnitRate,
		lines: []line{{abi.SeriesNetworkIn, texts.ChartIn}, {abi.SeriesNetworkOut, texts.ChartOut}}},
}

// What there is of a container.
var containerKinds = []kind{
	{name: "cpu", label: texts.ChartCPU, title: texts.ChartCPU, unit: abi.UnitPercent,
		lines: []line{{abi.SeriesContainerCPU, texts.ChartCPU}}, limits: func(h abi.History) []abi.ChartLine { return cores(h, 100) }},
	{name: "memory", label: texts.ChartMemory, title: texts.ChartMemory, unit: abi.UnitBytes,
		lines: []line{{abi.SeriesContainerMemory, texts.ChartMemory}}, limits: memoryLimit},
	{name: "network", label: texts.ChartNetwork, title: texts.ChartNetwork, unit: abi.UnitRate,
		lines: []line{{abi.SeriesContainerIn, texts.ChartIn}, {abi.SeriesContainerOut, texts.ChartOut}}},
	{name: "disk_io", label: texts.ChartDiskIO, title: texts.ChartDiskIO, unit: abi.UnitRate,
		lines: []line{{abi.SeriesContainerRead, texts.ChartRead}, {abi.SeriesContainerWrite, texts.ChartWritten}}},
}

func kindOf(kinds []kind, name string) *kind {
	for i := range kinds {
		if kinds[i].name == name {
			return &kinds[i]
		}
	}
	return nil
}

func (k *kind) series() []string {
	names := make([]string, len(k.lines))
	for i, l := range k.lines {
		names[i] = l.series
	}
	return names
}

// cores is where all of them are busy, each counting for as much.
func cores(h abi.History, each float64) []abi.ChartLine {
	if h.CPUs < 1 {
		return nil
	}
	return []abi.ChartLine{{Label: sdk.Count(h.CPUs, "core"), Value: each * float64(h.CPUs)}}
}

func nearlyFull(abi.History) []abi.ChartLine {
	return []abi.ChartLine{{Label: texts.ChartNearly, Value: 90}}
}

func memoryLimit(h abi.History) []abi.ChartLine {
	if h.MemoryLimit < 1 {
		return nil
	}
	return []abi.ChartLine{{Label: texts.ChartLimit(sdk.Bytes(uint64(h.MemoryLimit))), Value: float64(h.MemoryLimit)}}
}
