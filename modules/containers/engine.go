package containers

import (
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// section is engine with the section's reply keyboard, which is there even
// while the engine is away. A message carries one keyboard, so the buttons
// under it go: the reply keyboard leads to the same places. It does not lead
// from an engine that is away to another one, so there the buttons stay.
func section(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	reply, stuck, err := root(host, req)
	if err != nil {
		return sdk.Reply{}, err
	}
	if !stuck {
		reply.Menu, reply.Keyboard = "docker", nil
	}
	return reply, nil
}

// engine is the root of the section.
func engine(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	reply, _, err := root(host, req)
	return reply, err
}

// root is stuck if its engine is away and only its buttons lead to another.
func root(host sdk.Host, req sdk.Request) (reply sdk.Reply, stuck bool, err error) {
	p, err := placeOf(req)
	if err != nil {
		return sdk.Reply{}, false, err
	}
	hosts := endpoints(host)
	rows := hostRows(hosts, p, "engine")
	info, err := host.Docker(abi.DockerQuery{Host: p.host})
	if err != nil {
		buttons := sdk.Row(p.again("engine"))
		if p.host != "" {
			buttons = append(buttons, firstEngine)
		}
		reply, err = away(req, err, rows, buttons...)
		return reply, len(rows) > 0, err
	}
	return sdk.Reply{
		Blocks: []sdk.Block{
			sdk.Heading(texts.DockerHeading + texts.ContainersOnHost(onHost(hosts, p))),
			sdk.Fields(counts(info)...),
			sdk.Fields(engineFields(info)...),
			sdk.AsOf(req),
		},
		Keyboard: append(rows,
			sdk.Row(toImages(p), p.button(texts.DockerContainers, "list")),
			sdk.Row(p.button(texts.Refresh, "engine")),
		),
	}, false, nil
}

func counts(info abi.DockerInfo) []sdk.Field {
	number := func(name string, n int) sdk.Field { return sdk.Is(name, sdk.Plain(strconv.Itoa(n))) }
	return []sdk.Field{
		number(texts.DockerTotal, info.Containers),
		number(texts.DockerRunning, info.Running),
		number(texts.DockerPaused, info.Paused),
		number(texts.DockerStopped, info.Stopped),
		number(texts.DockerImages, info.Images),
	}
}

func engineFields(info abi.DockerInfo) []sdk.Field {
	return []sdk.Field{
		sdk.Is(texts.DockerEngine, sdk.Code(info.Version)),
		sdk.Is(texts.DockerAPI, sdk.Code(info.APIVersion)),
		sdk.Is(texts.DockerSystem, sdk.Plain(sdk.Line(info.OS, 80)+", "+sdk.Line(info.Arch, 20))),
		sdk.Is(texts.DockerStorage, sdk.Plain(sdk.Line(info.StorageDriver, 40))),
		sdk.Is(texts.DockerEndpoints, sdk.Plain(sdk.Line(strings.Join(info.Hosts, ", "), 200))),
		sdk.Is(texts.DockerAnswered, sdk.Plain(sdk.Decimal(info.EngineResponseMS, 1)+" ms")),
	}
}

// onHost is the endpoint's name, if there are several.
func onHost(hosts []string, p place) string {
	switch {
	case len(hosts) < 2:
		return ""
	case p.host == "":
		return sdk.Line(hosts[0], maxHostName)
	default:
		return p.host
	}
}
