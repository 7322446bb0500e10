package containers

import (
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// What a page shows at most, to stay within one message.
const (
	maxPorts   = 12
	maxLabels  = 12
	maxLabel   = 80
	maxCommand = 200
)

func show(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	p, err := placeOf(req)
	if err != nil {
		return sdk.Reply{}, err
	}
	id := req.Arg("id")
	if !isID(id) {
		return sdk.Reply{}, errBroken
	}
	return shown(host, req, p, id)
}

// shown is the page of the container with this id or name.
func shown(host sdk.Host, req sdk.Request, p place, ref string) (sdk.Reply, error) {
	c, err := host.Container(abi.ContainerRef{Host: p.host, ID: ref})
	switch {
	case sdk.CodeOf(err) == abi.NotFound:
		return gone(req, p), nil
	case err != nil && isID(ref):
		return away(req, err, hostRows(endpoints(host), p, "list"), p.again("show", "id", ref), p.back())
	case err != nil:
		return away(req, err, hostRows(endpoints(host), p, "list"), p.back())
	}
	id := c.ID
	blocks := []sdk.Block{
		sdk.HeadingOf(sdk.Plain(mark(c.Container)+" "), sdk.Code(sdk.Line(c.Name, maxName))),
		sdk.Fields(append(identity(c), lifecycle(c)...)...),
	}
	if c.State == "running" {
		blocks = append(blocks, usage(host, abi.ContainerRef{Host: p.host, ID: id})...)
	}
	blocks = append(blocks, ports(c.Ports)...)
	blocks = append(blocks, labels(c.Labels)...)
	return sdk.Reply{
		Blocks:   append(blocks, sdk.AsOf(req)),
		Keyboard: append(leads(req, p, c), sdk.Row(p.button(texts.Refresh, "show", "id", id), p.back())),
	}, nil
}

// isID reports whether id is what the list put into its buttons: 64
// hexadecimal digits.
func isID(id string) bool {
	return len(id) == 64 && strings.Trim(id, "0123456789abcdef") == ""
}

// gone is no error: between a list and a tap, containers come and go.
func gone(req sdk.Request, p place) sdk.Reply {
	return sdk.Reply{
		Blocks:   []sdk.Block{sdk.Text(sdk.Plain(texts.ContainersGone)), sdk.AsOf(req)},
		Keyboard: [][]sdk.Button{sdk.Row(p.button(texts.ContainersBackList, "list"))},
	}
}

func identity(c abi.ContainerDetails) []sdk.Field {
	fields := []sdk.Field{
		sdk.Is(texts.ContainerID, sdk.Code(shortID(c.ID))),
		sdk.Is(texts.ContainerImage, sdk.Code(sdk.Line(c.Image, maxImage))),
	}
	if c.Project != "" {
		fields = append(fields, sdk.Is(texts.ContainerProject, sdk.Code(sdk.Line(c.Project, maxLabel))))
	}
	if len(c.Command) > 0 {
		fields = append(fields, sdk.Is(texts.ContainerCommand, sdk.Code(sdk.Line(strings.Join(c.Command, " "), maxCommand))))
	}
	return fields
}

func lifecycle(c abi.ContainerDetails) []sdk.Field {
	fields := []sdk.Field{sdk.Is(texts.ContainerState, sdk.Plain(sdk.Line(c.State, maxWord)))}
	if c.Health != "" {
		fields = append(fields, sdk.Is(texts.ContainerHealth, sdk.Plain(sdk.Line(c.Health, maxWord))))
	}
	fields = append(fields, moment(texts.ContainerCreated, c.Created))
	if c.Started > 0 {
		fields = append(fields, moment(texts.ContainerStarted, c.Started))
	}
	fields = append(fields, sdk.Is(texts.ContainerRestarts, sdk.Plain(strconv.Itoa(c.RestartCount))))
	if c.State == "exited" || c.State == "dead" {
		fields = append(fields, ending(c)...)
	}
	if c.OOMKilled {
		fields = append(fields, sdk.Is(texts.ContainerOOM, sdk.Plain(texts.ContainerOOMKilled)))
	}
	if c.Error != "" {
		fields = append(fields, sdk.Is(texts.ContainerError, sdk.Plain(sdk.Line(c.Error, maxCommand))))
	}
	return fields
}

// moment is how long ago, to judge it by, and when, to look it up elsewhere.
func moment(name string, ms int64) sdk.Field {
	return sdk.Is(name, sdk.Ago(ms), sdk.Plain(", "), sdk.Time(ms))
}

func ending(c abi.ContainerDetails) []sdk.Field {
	fields := []sdk.Field{sdk.Is(texts.ContainerExit, sdk.Plain(strconv.Itoa(c.ExitCode)))}
	if c.Finished > 0 {
		fields = append(fields, moment(texts.ContainerEnded, c.Finished))
	}
	return fields
}

// usage measures a running container. If that fails, the page says so and
// keeps the rest.
func usage(host sdk.Host, ref abi.ContainerRef) []sdk.Block {
	stats, err := host.ContainerStats(ref)
	if err != nil {
		return []sdk.Block{sdk.Text(sdk.Italic(texts.ContainerNoFigures(sdk.MessageOf(err))))}
	}
	fields := []sdk.Field{
		sdk.Is(texts.ContainerCPU, sdk.Plain(texts.ContainerProcessor(stats.CPUPercent, stats.CPUs))),
		sdk.Is(texts.ContainerMemory, sdk.Plain(memory(stats))),
		sdk.Is(texts.ContainerNetwork, sdk.Plain(texts.ContainerTraffic(bytes(stats.NetworkIn), bytes(stats.NetworkOut)))),
		sdk.Is(texts.ContainerBlockIO, sdk.Plain(texts.ContainerBlocks(bytes(stats.BlockRead), bytes(stats.BlockWrite)))),
		sdk.Is(texts.ContainerProcesses, sdk.Plain(strconv.Itoa(stats.PIDs))),
	}
	if bars := usageBars(stats); len(bars) > 0 {
		return []sdk.Block{sdk.Bars(bars...), sdk.Fields(fields...)}
	}
	return []sdk.Block{sdk.Fields(fields...)}
}

// usageBars are shares of what the container could use: all cores, and its
// limit of memory.
func usageBars(stats abi.ContainerStats) []sdk.Bar {
	var bars []sdk.Bar
	if stats.CPUs > 0 {
		bars = append(bars, sdk.Bar{Label: texts.ContainerCPU, Percent: share(stats.CPUPercent / float64(stats.CPUs))})
	}
	if stats.MemoryLimit > 0 {
		bars = append(bars, sdk.Bar{Label: texts.ContainerMemory, Percent: share(100 * float64(stats.MemoryUsed) / float64(stats.MemoryLimit))})
	}
	return bars
}

func share(percent float64) float64 { return min(max(percent, 0), 100) }

func memory(stats abi.ContainerStats) string {
	if stats.MemoryLimit <= 0 {
		return bytes(stats.MemoryUsed)
	}
	return texts.ContainerOf(bytes(stats.MemoryUsed), bytes(stats.MemoryLimit))
}

func bytes(n int64) string { return sdk.Bytes(uint64(max(n, 0))) }

func ports(all []abi.Port) []sdk.Block {
	lines := make([]string, len(all))
	for i, port := range all {
		lines[i] = published(port)
	}
	return codeLines(texts.ContainerPorts, lines, maxPorts)
}

// published is "0.0.0.0:8080 → 80/tcp", or the port alone if it is only
// exposed.
func published(port abi.Port) string {
	if port.HostPort == "" {
		return port.Container
	}
	ip := port.HostIP
	if strings.Contains(ip, ":") {
		ip = "[" + ip + "]"
	}
	if ip != "" {
		ip += ":"
	}
	return ip + port.HostPort + " → " + port.Container
}

func labels(all []abi.Label) []sdk.Block {
	lines := make([]string, len(all))
	for i, label := range all {
		lines[i] = label.Name + "=" + label.Value
	}
	return codeLines(texts.ContainerLabels, lines, maxLabels)
}

// codeLines is a titled list, cut to most lines; nothing if it is empty.
func codeLines(title string, lines []string, most int) []sdk.Block {
	if len(lines) == 0 {
		return nil
	}
	spans := []sdk.Span{sdk.Bold(title)}
	for _, line := range lines[:min(len(lines), most)] {
		spans = append(spans, sdk.Plain("\n"), sdk.Code(sdk.Line(line, maxLabel)))
	}
	if len(lines) > most {
		spans = append(spans, sdk.Plain("\n"+texts.ContainerMore(len(lines)-most)))
	}
	return []sdk.Block{sdk.Text(spans...)}
}
