package devices

import (
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
	"github.com/cofferdam-bot/cofferdam/modules/internal/view"
)

// What a page shows, to stay within one message with the longest addresses.
const (
	interfacesPerPage = 6
	maxAddresses      = 4 // of an interface
)

func network(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.Network(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	keyboard := [][]sdk.Button{
		sdk.Row(sdk.Do(texts.DevicesToInterfaces, "network_interfaces"), sdk.Do(texts.DevicesToConnections, "network_connections")),
		sdk.Row(chart("network")),
		sdk.Row(sdk.Run(texts.Refresh, "network"), toServer),
	}
	return view.Page(req, view.Whose(host), keyboard, append([]sdk.Block{sdk.Heading(texts.DevicesNetwork)}, totals(info)...)...), nil
}

func totals(info abi.NetworkInfo) []sdk.Block {
	if len(info.Interfaces) == 0 {
		return []sdk.Block{sdk.Text(sdk.Plain(texts.DevicesNoInterfaces))}
	}
	sum := info.Total()
	blocks := []sdk.Block{
		sdk.Fields(
			sdk.Is(texts.DevicesNow, sdk.Plain(texts.DevicesNetworkNow(sum.RateIn, sum.RateOut))),
			sdk.Is(texts.DevicesReceived, sdk.Plain(texts.DevicesTraffic(sum.BytesIn, sum.PacketsIn))),
			sdk.Is(texts.DevicesSent, sdk.Plain(texts.DevicesTraffic(sum.BytesOut, sum.PacketsOut))),
			sdk.Is(texts.DevicesErrors, sdk.Plain(texts.DevicesEachWay(sum.ErrorsIn, sum.ErrorsOut))),
			sdk.Is(texts.DevicesDrops, sdk.Plain(texts.DevicesEachWay(sum.DropsIn, sum.DropsOut))),
			sdk.Is(texts.DevicesMeasured, sdk.Plain(texts.DevicesWindow(info.WindowMS))),
		),
	}
	if hasInner(info.Interfaces) {
		blocks = append(blocks, sdk.Text(sdk.Italic(texts.DevicesWithoutInner)))
	}
	return blocks
}

// hasInner tells whether the sum leaves something out that people may look for.
func hasInner(all []abi.Interface) bool {
	real, inner := false, false
	for _, i := range all {
		real = real || !i.Virtual
		inner = inner || i.Virtual && !i.Loopback
	}
	return real && inner
}

func interfaces(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.Network(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	p := view.PagesOf(req, len(info.Interfaces), interfacesPerPage)
	blocks := []sdk.Block{p.Heading(texts.DevicesInterfaces)}
	if len(info.Interfaces) == 0 {
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.DevicesNoInterfaces)))
	}
	for _, i := range info.Interfaces[p.From:p.To] {
		blocks = append(blocks, oneInterface(i))
	}
	blocks = append(blocks, measured(info.WindowMS))
	keyboard := append(p.Rows("network_interfaces"), below(p.Do(texts.Refresh, "network_interfaces")))
	return view.Page(req, view.Whose(host), keyboard, blocks...), nil
}

// below is the last row of a view that was opened from the network's.
func below(refresh sdk.Button) []sdk.Button { return sdk.Row(refresh, sdk.Run(texts.Back, "network")) }

// oneInterface is an interface in a few short lines; what it lost is there only
// if it lost something.
func oneInterface(i abi.Interface) sdk.Block {
	name := sdk.Code(sdk.Line(i.Name, 16))
	spans := []sdk.Span{sdk.Plain("🟢 "), name}
	if !i.Up {
		spans = []sdk.Span{sdk.Plain("⚪️ "), name, sdk.Plain(texts.DevicesDown)}
	}
	for n, address := range i.Addresses[:min(len(i.Addresses), maxAddresses)] {
		lead := "\n"
		if n > 0 {
			lead = ", "
		}
		spans = append(spans, sdk.Plain(lead), sdk.Code(sdk.Line(address, 50)))
	}
	var rest strings.Builder
	if n := len(i.Addresses) - maxAddresses; n > 0 {
		rest.WriteString(texts.DevicesMoreAddresses(n))
	}
	rest.WriteString("\n" + texts.DevicesNetworkNow(i.RateIn, i.RateOut) +
		"\n" + texts.DevicesReceived + ": " + texts.DevicesTraffic(i.BytesIn, i.PacketsIn) +
		"\n" + texts.DevicesSent + ": " + texts.DevicesTraffic(i.BytesOut, i.PacketsOut))
	if errors, drops := i.ErrorsIn+i.ErrorsOut, i.DropsIn+i.DropsOut; errors > 0 || drops > 0 {
		rest.WriteString("\n" + texts.DevicesLost(errors, drops))
	}
	return sdk.Text(append(spans, sdk.Plain(rest.String()))...)
}

func connections(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.Network(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	blocks := []sdk.Block{sdk.Heading(texts.DevicesConnections), states(info.Connections)}
	if info.Uncounted {
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.DevicesUncounted)))
	}
	keyboard := [][]sdk.Button{below(sdk.Do(texts.Refresh, "network_connections"))}
	return view.Page(req, view.Whose(host), keyboard, blocks...), nil
}

// maxStates is above what TCP has.
const maxStates = 20

// states is a table of the kernel's words, which other tools have as well.
func states(counts []abi.ConnectionCount) sdk.Block {
	if len(counts) == 0 {
		return sdk.Text(sdk.Plain(texts.DevicesNoConnections))
	}
	total := uint64(0)
	var rows [][]string
	for _, c := range counts[:min(len(counts), maxStates)] {
		n := uint64(max(c.Count, 0))
		total += n
		rows = append(rows, []string{sdk.Line(c.Protocol, 5), sdk.Line(c.State, 12), texts.DevicesNumber(n)})
	}
	rows = append(rows, []string{"", texts.DevicesTotal, texts.DevicesNumber(total)})
	return sdk.TableOf([]string{"", texts.DevicesState, texts.DevicesCount}, rows, 2)
}
