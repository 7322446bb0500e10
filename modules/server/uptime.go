package server

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

func uptime(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	machine, err := host.Machine(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	keyboard := [][]sdk.Button{
		sdk.Row(sdk.Do("👥 Logged-in users", "uptime_users")),
		commandView("uptime"),
	}
	return page(req, machine, keyboard,
		sdk.Heading("⏱ Uptime"),
		sdk.Fields(sdk.Is("Up for", sdk.Plain(sdk.Duration(machine.Uptime))), booted(machine)),
	), nil
}

func booted(machine abi.HostInfo) sdk.Field {
	return sdk.Is("Booted", sdk.Time(machine.BootTime), sdk.Plain(", "), sdk.Ago(machine.BootTime))
}

// maxUsers keeps the view within one message.
const maxUsers = 25

func uptimeUsers(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.Users(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	blocks := []sdk.Block{sdk.Heading("👥 Logged-in users")}
	if len(info.Users) == 0 {
		blocks = append(blocks, sdk.Text(sdk.Plain("Nobody is logged in.")))
	}
	for _, user := range info.Users[:min(len(info.Users), maxUsers)] {
		blocks = append(blocks, sdk.Text(login(user)...))
	}
	blocks = append(blocks, more(maxUsers, len(info.Users), "login")...)
	return page(req, whose(host), subView("uptime_users", "uptime"), blocks...), nil
}

func login(user abi.LoggedIn) []sdk.Span {
	spans := []sdk.Span{sdk.Code(sdk.Line(user.User, 40))}
	if user.Terminal != "" {
		spans = append(spans, sdk.Plain(" on "), sdk.Code(sdk.Line(user.Terminal, 40)))
	}
	if user.From != "" {
		spans = append(spans, sdk.Plain(" from "), sdk.Code(sdk.Line(user.From, 64)))
	}
	return append(spans, sdk.Plain("\nsince "), sdk.Time(user.Since))
}
