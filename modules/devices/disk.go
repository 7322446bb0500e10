package devices

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
	"github.com/cofferdam-bot/cofferdam/modules/internal/view"
)

// What a page shows, to stay within one message with the longest names.
const (
	mountsPerPage  = 8
	devicesPerPage = 8
	maxHanging     = 10
)

func disk(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.Disk(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	p := view.PagesOf(req, len(info.Mounts), mountsPerPage)
	// What hangs is first, on every page: somebody should look.
	blocks := append([]sdk.Block{p.Heading(texts.DevicesDisk)}, hanging(info.Hanging)...)
	if len(info.Mounts) == 0 {
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.DevicesNoMounts)))
	}
	for _, m := range info.Mounts[p.From:p.To] {
		blocks = append(blocks, mount(m)...)
	}
	keyboard := append(p.Rows("disk"),
		sdk.Row(sdk.Do(texts.DevicesToDiskIO, "disk_io"), chart("disk")),
		sdk.Row(p.Do(texts.Refresh, "disk"), toServer))
	return view.Page(req, view.Whose(host), keyboard, blocks...), nil
}

func hanging(paths []string) []sdk.Block {
	if len(paths) == 0 {
		return nil
	}
	var spans []sdk.Span
	for i, path := range paths[:min(len(paths), maxHanging)] {
		lead := "⚠️ "
		if i > 0 {
			lead = "\n⚠️ "
		}
		spans = append(spans, sdk.Plain(lead), sdk.Code(sdk.Line(path, 80)), sdk.Plain(texts.DevicesNotAnswering))
	}
	if n := len(paths) - maxHanging; n > 0 {
		spans = append(spans, sdk.Plain("\n"+texts.DevicesMoreHanging(n)))
	}
	return []sdk.Block{sdk.Text(spans...)}
}

func mount(m abi.Mount) []sdk.Block {
	return []sdk.Block{
		sdk.Text(
			sdk.Code(sdk.Line(m.Path, 80)), sdk.Plain(", "+sdk.Line(m.Type, 20)+texts.DevicesOn), sdk.Code(sdk.Line(m.Device, 60)),
			sdk.Plain(texts.DevicesUse(m.Used, m.Total, m.Free)),
		),
		sdk.Bars(sdk.Bar{Label: texts.DevicesInUse, Percent: view.Share(m.Percent)}),
	}
}

func diskIO(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.DiskIO(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	p := view.PagesOf(req, len(info.Devices), devicesPerPage)
	blocks := []sdk.Block{p.Heading(texts.DevicesDiskIO)}
	if len(info.Devices) == 0 {
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.DevicesNoDevices)))
	}
	if p.Last > 1 {
		sum := info.Total()
		blocks = append(blocks, sdk.Text(sdk.Bold(texts.DevicesAll), sdk.Plain("\n"+texts.DevicesDiskNow(sum.ReadRate, sum.WriteRate))))
	}
	for _, d := range info.Devices[p.From:p.To] {
		blocks = append(blocks, device(d)...)
	}
	blocks = append(blocks, measured(info.WindowMS))
	keyboard := append(p.Rows("disk_io"),
		sdk.Row(chart("disk_io")),
		sdk.Row(p.Do(texts.Refresh, "disk_io"), sdk.Run(texts.Back, "disk")))
	return view.Page(req, view.Whose(host), keyboard, blocks...), nil
}

func device(d abi.DiskIO) []sdk.Block {
	kind := ""
	if d.Virtual {
		kind = texts.DevicesMadeOfOthers
	}
	return []sdk.Block{
		sdk.Text(sdk.Code(sdk.Line(d.Name, 64)), sdk.Plain(kind+"\n"+texts.DevicesDiskNow(d.ReadRate, d.WriteRate)+
			"\n"+texts.DevicesDiskSinceStart(d.ReadBytes, d.Reads, d.WriteBytes, d.Writes))),
		sdk.Bars(sdk.Bar{Label: texts.DevicesBusy, Percent: view.Share(d.Busy)}),
	}
}

// measured says how long rates were measured over.
func measured(ms int64) sdk.Block {
	return sdk.Fields(sdk.Is(texts.DevicesMeasured, sdk.Plain(texts.DevicesWindow(ms))))
}
