package server

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
	"github.com/cofferdam-bot/cofferdam/modules/internal/view"
)

// sensorsPerPage bounds the temperatures of a page. Fans are few, and stand
// below those of the last one.
const (
	sensorsPerPage = 25
	maxFans        = 32
)

func sensors(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.Sensors(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	p := view.PagesOf(req, len(info.Temperatures), sensorsPerPage)
	blocks := append([]sdk.Block{p.Heading(texts.ServerSensors)}, sensorBlocks(info, p)...)
	keyboard := append(p.Rows("sensors"), sdk.Row(p.Do(texts.Refresh, "sensors"), sdk.Back(sdk.Do(texts.Back, "status"))))
	return view.Page(req, view.Whose(host), keyboard, blocks...), nil
}

func sensorBlocks(info abi.SensorInfo, p view.Pages) (blocks []sdk.Block) {
	if len(info.Temperatures)+len(info.Fans) == 0 {
		return []sdk.Block{sdk.Text(sdk.Plain(texts.ServerNoSensors))}
	}
	var temperatures, fans []sdk.Field
	for _, t := range info.Temperatures[p.From:p.To] {
		temperatures = append(temperatures, sdk.Is(sdk.Line(t.Name, 40), sdk.Plain(warning(t)+texts.ServerDegrees(t.Current, t.High, t.Critical))))
	}
	if len(temperatures) > 0 {
		blocks = append(blocks, sdk.Heading(texts.ServerTemperatures), sdk.Fields(temperatures...))
	}
	if p.Number == p.Last {
		for _, f := range info.Fans[:min(len(info.Fans), maxFans)] {
			fans = append(fans, sdk.Is(sdk.Line(f.Name, 40), sdk.Plain(texts.ServerRPM(f.RPM))))
		}
	}
	if len(fans) > 0 {
		blocks = append(blocks, sdk.Heading(texts.ServerFans), sdk.Fields(fans...))
	}
	return blocks
}

// warning marks what is over one of its limits.
func warning(t abi.Temperature) string {
	switch {
	case t.Critical > 0 && t.Current >= t.Critical:
		return "🔥 "
	case t.High > 0 && t.Current >= t.High:
		return "⚠️ "
	default:
		return ""
	}
}
