package quick

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// What a page lists at most, to stay within one message.
const (
	maxSensors = 40
	maxMounts  = 20
	maxHanging = 10
)

func overview(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	machine, err := host.Machine(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	blocks := []sdk.Block{
		sdk.Heading(texts.QuickOverview),
		sdk.Fields(
			sdk.Is(texts.QuickName, sdk.Code(machine.Hostname)),
			sdk.Is(texts.QuickSystem, sdk.Plain(orUnknown(machine.OS))),
			sdk.Is(texts.QuickKernel, sdk.Plain(orUnknown(machine.Kernel))),
			sdk.Is(texts.QuickUptime, sdk.Plain(sdk.Duration(machine.Uptime))),
			sdk.Is(texts.QuickBooted, sdk.Time(machine.BootTime), sdk.Plain(", "), sdk.Ago(machine.BootTime)),
			sdk.Is(texts.QuickCores, sdk.Plain(count(machine.CPUs))),
		),
		sdk.Heading(texts.QuickProcesses),
		sdk.Fields(processStates(host)...),
	}
	return page(req, machine, below("quick_overview"), blocks...), nil
}

func processStates(host sdk.Host) []sdk.Field {
	info, err := host.Processes(abi.ProcessQuery{})
	if err != nil {
		return []sdk.Field{missing(texts.QuickAll, err)}
	}
	number := func(name string, n int) sdk.Field { return sdk.Is(name, sdk.Plain(strconv.Itoa(n))) }
	return []sdk.Field{
		number(texts.QuickAll, info.Total),
		number(texts.QuickRunning, info.Running),
		number(texts.QuickSleeping, info.Sleeping),
		number(texts.QuickIdle, info.Idle),
		number(texts.QuickStopped, info.Stopped),
		number(texts.QuickZombie, info.Zombie),
	}
}

func memory(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.Memory(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	size := func(name string, bytes uint64) sdk.Field { return sdk.Is(name, sdk.Plain(sdk.Bytes(bytes))) }
	blocks := append([]sdk.Block{
		sdk.Heading(texts.QuickMemory),
		sdk.Bars(sdk.Bar{Label: texts.QuickInUse, Percent: share(info.Percent)}),
		sdk.Fields(
			size(texts.QuickTotal, info.Total),
			size(texts.QuickUsed, info.Used),
			size(texts.QuickFree, info.Free),
			size(texts.QuickAvailable, info.Available),
			size(texts.QuickActive, info.Active),
			size(texts.QuickInactive, info.Inactive),
			size(texts.QuickCached, info.Cached),
			size(texts.QuickShared, info.Shared),
		),
	}, busiest(host, abi.ByMemory)...)
	return page(req, whose(host), below("quick_memory"), blocks...), nil
}

func cpu(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.CPU(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	var fields []sdk.Field
	if info.Model != "" {
		fields = append(fields, sdk.Is(texts.QuickModel, sdk.Plain(sdk.Line(info.Model, 80))))
	}
	fields = append(fields,
		sdk.Is(texts.QuickLogicalCores, sdk.Plain(count(info.Logical))),
		sdk.Is(texts.QuickPhysicalCores, sdk.Plain(count(info.Physical))),
		sdk.Is(texts.QuickFrequency, sdk.Plain(texts.QuickHertz(info.MHz))),
		sdk.Is(texts.QuickMeasuredOver, sdk.Plain(texts.QuickSeconds(info.WindowMS))),
	)
	blocks := append([]sdk.Block{
		sdk.Heading(texts.QuickCPU),
		sdk.Bars(sdk.Bar{Label: texts.QuickTotal, Percent: share(info.Percent)}),
		sdk.Fields(fields...),
	}, busiest(host, abi.ByCPU)...)
	return page(req, whose(host), below("quick_cpu"), blocks...), nil
}

// busiest lists the five processes that use most of something.
func busiest(host sdk.Host, by string) []sdk.Block {
	heading := sdk.Heading(texts.QuickBusiest)
	info, err := host.Processes(abi.ProcessQuery{By: by, Count: 5})
	if err != nil {
		return []sdk.Block{heading, sdk.Text(sdk.Italic(sdk.MessageOf(err)))}
	}
	return []sdk.Block{heading, processLines(info.Top)}
}

// processLines gives each process two short lines: a table with names as they
// are would be too wide for a phone.
func processLines(processes []abi.Process) sdk.Block {
	if len(processes) == 0 {
		return sdk.Text(sdk.Plain(texts.QuickNoProcess))
	}
	var spans []sdk.Span
	for i, p := range processes {
		lead := strconv.Itoa(i+1) + ". "
		if i > 0 {
			lead = "\n" + lead
		}
		spans = append(spans, sdk.Plain(lead), sdk.Code(sdk.Line(p.Name, 64)),
			sdk.Plain(texts.QuickProcessUse(p.PID, p.CPUPercent, p.Memory, p.MemoryPercent)))
	}
	return sdk.Text(spans...)
}

func temperature(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.Sensors(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	blocks := []sdk.Block{sdk.Heading(texts.QuickTemperature)}
	if len(info.Temperatures) == 0 {
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.QuickNoSensors)))
	} else {
		blocks = append(blocks, sdk.Fields(temperatureFields(info.Temperatures)...))
	}
	blocks = append(blocks, more(maxSensors, len(info.Temperatures), texts.QuickSensorNoun)...)
	return page(req, whose(host), below("quick_temperature"), blocks...), nil
}

func temperatureFields(temperatures []abi.Temperature) []sdk.Field {
	var fields []sdk.Field
	for _, t := range temperatures[:min(len(temperatures), maxSensors)] {
		fields = append(fields, sdk.Is(sdk.Line(t.Name, 40), sdk.Plain(texts.QuickDegrees(t.Current, t.High, t.Critical))))
	}
	return fields
}

func disk(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.Disk(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	blocks := []sdk.Block{sdk.Heading(texts.QuickDisk)}
	if len(info.Mounts) == 0 {
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.QuickNoDisks)))
	}
	for _, m := range info.Mounts[:min(len(info.Mounts), maxMounts)] {
		blocks = append(blocks, mountBlocks(m)...)
	}
	blocks = append(blocks, more(maxMounts, len(info.Mounts), texts.QuickMountNoun)...)
	blocks = append(blocks, hangingBlocks(info.Hanging)...)
	return page(req, whose(host), below("quick_disk"), blocks...), nil
}

func hangingBlocks(paths []string) []sdk.Block {
	var blocks []sdk.Block
	for _, path := range paths[:min(len(paths), maxHanging)] {
		blocks = append(blocks, sdk.Text(sdk.Plain("⚠️ "), sdk.Code(sdk.Line(path, 80)), sdk.Plain(texts.QuickDoesNotAnswer)))
	}
	return append(blocks, more(maxHanging, len(paths), texts.QuickHangNoun)...)
}

func mountBlocks(m abi.Mount) []sdk.Block {
	return []sdk.Block{
		sdk.Text(
			sdk.Code(sdk.Line(m.Path, 80)), sdk.Plain(texts.QuickMount(m.Type)), sdk.Code(sdk.Line(m.Device, 60)),
			sdk.Plain(texts.QuickSizes(m.Used, m.Total, m.Free)),
		),
		sdk.Bars(sdk.Bar{Label: texts.QuickInUse, Percent: share(m.Percent)}),
	}
}

// whose describes the machine for a [page] that shows nothing else of it. A
// page whose figures are there is worth showing without this answer.
func whose(host sdk.Host) abi.HostInfo {
	machine, err := host.Machine(abi.MetricsQuery{})
	if err != nil {
		return abi.HostInfo{}
	}
	return machine
}

func orUnknown(text string) string {
	if text == "" {
		return texts.QuickUnknown
	}
	return text
}

func count(n int) string {
	if n < 1 {
		return texts.QuickUnknown
	}
	return strconv.Itoa(n)
}

// more says how many entries a page leaves out to stay within one message;
// nothing if it shows all.
func more(shown, total int, noun string) []sdk.Block {
	if total <= shown {
		return nil
	}
	return []sdk.Block{sdk.Text(sdk.Plain(texts.QuickMore(total-shown, noun)))}
}
