// Package outline shows an Outline VPN server, its keys and their traffic. It
// reads the server's management API and changes nothing there.
package outline

import (
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/place"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
	"github.com/cofferdam-bot/cofferdam/modules/internal/view"
)

// Module returns the command of this module, and its views.
func Module() sdk.Module {
	return sdk.Module{
		Commands: map[string]sdk.Handler{"outline": server},
		Actions:  map[string]sdk.Handler{"server": server, "keys": keys, "traffic": amounts},
	}
}

// Entries of a page.
const (
	keysPerPage = 8
	barsPerPage = 20
)

// server shows the server. Without its keys or their traffic it is still worth
// showing.
func server(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	about, _, err := ask(host, "/server")
	if err != nil {
		return place.Away(req, err, sdk.Row(sdk.Do(texts.OutlineTryAgain, "server")))
	}
	heading := sdk.Heading(texts.OutlineServer)
	if name := line(about.Get("name"), maxName); name != "" {
		heading = sdk.HeadingOf(sdk.Plain("🛡 "), sdk.Code(name))
	}
	return sdk.Reply{
		Blocks: []sdk.Block{heading, sdk.Fields(append(settings(host, about), counts(host)...)...), sdk.AsOf(req)},
		Keyboard: [][]sdk.Button{
			sdk.Row(sdk.Do(texts.OutlineToKeys, "keys"), sdk.Do(texts.OutlineToTraffic, "traffic")),
			sdk.Row(sdk.Do(texts.Refresh, "server")),
		},
	}, nil
}

// settings are what a server says of itself; what it does not say is left out.
func settings(host sdk.Host, about sdk.JSON) (fields []sdk.Field) {
	if version := line(about.Get("version"), maxWord); version != "" {
		fields = append(fields, sdk.Is(texts.OutlineVersion, sdk.Plain(version)))
	}
	if name := line(about.Get("hostnameForAccessKeys"), maxName); name != "" {
		fields = append(fields, sdk.Is(texts.OutlineHost, sdk.Code(name)))
	}
	if n := port(about.Get("portForNewAccessKeys")); n > 0 {
		fields = append(fields, sdk.Is(texts.OutlinePort, sdk.Plain(decimal(n))))
	}
	if ms, ok := about.Get("createdTimestampMs").Int(); ok && ms > 0 && ms <= latestDay {
		fields = append(fields, sdk.Is(texts.OutlineCreated, sdk.Time(ms)))
	}
	if n, ok := size(about.Get("accessKeyDataLimit", "bytes")); ok {
		fields = append(fields, sdk.Is(texts.OutlineLimit, sdk.Plain(sdk.Bytes(n))))
	}
	return append(fields, sdk.Is(texts.OutlineShares, sdk.Plain(shares(about))))
}

// shares says whether the server reports its use to Outline's makers.
func shares(about sdk.JSON) string {
	switch enabled, ok := about.Get("metricsEnabled").Bool(); {
	case !ok:
		return texts.OutlineUnknown
	case enabled:
		return texts.OutlineYes
	}
	return texts.OutlineNo
}

// counts are how many keys there are, and what they had together. What cannot be
// had says so.
func counts(host sdk.Host) []sdk.Field {
	number, used := texts.OutlineUnknown, texts.OutlineUnknown
	if keys, cut, err := keysOf(host); err == nil {
		number = texts.OutlineCount(len(keys), cut)
	}
	if _, total, err := traffic(host); err == nil {
		used = sdk.Bytes(total)
	}
	return []sdk.Field{sdk.Is(texts.OutlineKeys, sdk.Plain(number)), sdk.Is(texts.OutlineTraffic, sdk.Plain(used))}
}

// keys lists the keys with what they used, a page at a time.
func keys(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	list, cut, err := keysOf(host)
	if err != nil {
		return place.Away(req, err, sdk.Row(sdk.Do(texts.OutlineTryAgain, "keys"), back))
	}
	if len(list) == 0 {
		return sdk.Reply{
			Blocks:   []sdk.Block{sdk.Text(sdk.Plain(texts.OutlineNoKeys)), sdk.AsOf(req)},
			Keyboard: [][]sdk.Button{sdk.Row(sdk.Do(texts.Refresh, "keys"), back)},
		}, nil
	}
	by, _, lost := traffic(host)
	pages := view.PagesOf(req, len(list), keysPerPage)
	blocks := []sdk.Block{pages.Heading(texts.OutlineKeysHeading(len(list), cut))}
	if cut {
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.OutlineCut(len(list)))))
	}
	var most uint64
	for i := range list {
		list[i].used = by[list[i].id]
		most = max(most, list[i].used)
	}
	var bars []sdk.Bar
	for _, k := range list[pages.From:pages.To] {
		blocks = append(blocks, row(k, lost == nil))
		bars = append(bars, bar(k, most))
	}
	if lost != nil {
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.OutlineNoFigure+sdk.MessageOf(lost))))
	} else {
		blocks = append(blocks, sdk.Bars(bars...))
	}
	return sdk.Reply{
		Blocks: append(blocks, sdk.Text(sdk.Italic(texts.OutlineManaged)), sdk.AsOf(req)),
		Keyboard: append(pages.Rows("keys"),
			sdk.Row(pages.Do(texts.Refresh, "keys"), sdk.Do(texts.OutlineToTraffic, "traffic")), sdk.Row(back)),
	}, nil
}

var back = sdk.Do(texts.Back, "server")

// row is a key in two short lines; measured: what it used is known.
func row(k key, measured bool) sdk.Block {
	name := sdk.Code(k.name)
	if k.name == "" {
		name = sdk.Italic(texts.OutlineNoName)
	}
	spans := []sdk.Span{name}
	if k.id != "" {
		spans = append(spans, sdk.Plain(" "), sdk.Code(k.id))
	}
	var facts []string
	if k.port > 0 {
		facts = append(facts, texts.OutlineKeyPort(decimal(k.port)))
	}
	if k.method != "" {
		facts = append(facts, k.method)
	}
	if k.limit > 0 {
		share := ""
		if measured {
			share = sdk.Percent(100 * float64(k.used) / float64(k.limit))
		}
		facts = append(facts, texts.OutlineKeyLimit(sdk.Bytes(k.limit), share))
	}
	if len(facts) > 0 {
		spans = append(spans, sdk.Plain("\n"+strings.Join(facts, ", ")))
	}
	return sdk.Text(spans...)
}

// bar is a key's traffic, as a share of whole.
func bar(k key, whole uint64) sdk.Bar {
	b := sdk.Bar{Label: sdk.Line(k.label(), maxLabel), Text: sdk.Bytes(k.used)}
	if whole > 0 {
		b.Percent = view.Share(100 * float64(k.used) / float64(whole))
	}
	return b
}

// amounts shows who had how much of the traffic, the most first.
func amounts(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	by, total, err := traffic(host)
	if err != nil {
		return place.Away(req, err, sdk.Row(sdk.Do(texts.OutlineTryAgain, "traffic"), back))
	}
	// Without the whole list nobody knows which keys are gone, or idle.
	list, cut, lost := keysOf(host)
	whole := !cut && lost == nil
	idle := 0
	for _, k := range list {
		if whole && by[k.id] == 0 {
			idle++
		}
	}
	list = busiest(withTraffic(list, by, whole))
	pages := view.PagesOf(req, len(list), barsPerPage)
	blocks := []sdk.Block{pages.Heading(texts.OutlineTrafficHeading(sdk.Bytes(total)))}
	var bars []sdk.Bar
	for _, k := range list[pages.From:pages.To] {
		bars = append(bars, bar(k, total))
	}
	if len(bars) == 0 {
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.OutlineNobody)))
	} else {
		blocks = append(blocks, sdk.Bars(bars...))
	}
	if idle > 0 && len(bars) > 0 {
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.OutlineIdle(idle))))
	}
	return sdk.Reply{
		Blocks: append(blocks, sdk.AsOf(req)),
		Keyboard: append(pages.Rows("traffic"),
			sdk.Row(pages.Do(texts.Refresh, "traffic"), sdk.Do(texts.OutlineToKeys, "keys")), sdk.Row(back)),
	}, nil
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
