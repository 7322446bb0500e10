package server

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// What a view lists at most, to stay within one message.
const (
	maxSensors = 40
	maxMounts  = 20
	maxHanging = 10
)

func quickTemperature(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.Sensors(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	blocks := []sdk.Block{sdk.Heading("🌡 Temperature")}
	if len(info.Temperatures) == 0 {
		blocks = append(blocks, sdk.Text(sdk.Plain("This machine has no temperature sensors that I can read.")))
	} else {
		blocks = append(blocks, sdk.Fields(temperatureFields(info.Temperatures)...))
	}
	blocks = append(blocks, more(maxSensors, len(info.Temperatures), "sensor")...)
	return page(req, whose(host), subView("quick_temperature", "quick"), blocks...), nil
}

func temperatureFields(temperatures []abi.Temperature) []sdk.Field {
	var fields []sdk.Field
	for _, t := range temperatures[:min(len(temperatures), maxSensors)] {
		fields = append(fields, sdk.Is(sdk.Line(t.Name, 40), sdk.Plain(temperature(t))))
	}
	return fields
}

func temperature(t abi.Temperature) string {
	text := sdk.Decimal(t.Current, 1) + " °C"
	if t.High > 0 {
		text += ", high from " + sdk.Decimal(t.High, 0)
	}
	if t.Critical > 0 {
		text += ", critical from " + sdk.Decimal(t.Critical, 0)
	}
	switch {
	case t.Critical > 0 && t.Current >= t.Critical:
		return "🔥 " + text
	case t.High > 0 && t.Current >= t.High:
		return "⚠️ " + text
	default:
		return text
	}
}

func quickDisk(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.Disk(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	blocks := []sdk.Block{sdk.Heading("💾 Disk")}
	if len(info.Mounts) == 0 {
		blocks = append(blocks, sdk.Text(sdk.Plain("No file system can be seen.")))
	}
	for _, m := range info.Mounts[:min(len(info.Mounts), maxMounts)] {
		blocks = append(blocks, mountBlocks(m)...)
	}
	blocks = append(blocks, more(maxMounts, len(info.Mounts), "file system")...)
	blocks = append(blocks, hangingBlocks(info.Hanging)...)
	return page(req, whose(host), subView("quick_disk", "quick"), blocks...), nil
}

func hangingBlocks(paths []string) []sdk.Block {
	var blocks []sdk.Block
	for _, path := range paths[:min(len(paths), maxHanging)] {
		blocks = append(blocks, sdk.Text(sdk.Plain("⚠️ "), sdk.Code(sdk.Line(path, 80)), sdk.Plain(" does not answer.")))
	}
	return append(blocks, more(maxHanging, len(paths), "hanging mount")...)
}

func mountBlocks(m abi.Mount) []sdk.Block {
	return []sdk.Block{
		sdk.Text(
			sdk.Code(sdk.Line(m.Path, 80)), sdk.Plain(", "+sdk.Line(m.Type, 20)+" on "), sdk.Code(sdk.Line(m.Device, 60)),
			sdk.Plain("\n"+sdk.Bytes(m.Used)+" of "+sdk.Bytes(m.Total)+" used, "+sdk.Bytes(m.Free)+" free"),
		),
		sdk.Bars(sdk.Bar{Label: "In use", Percent: share(m.Percent)}),
	}
}
