package server

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
	"github.com/cofferdam-bot/cofferdam/modules/internal/view"
)

func uptime(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	machine, err := host.Machine(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	keyboard := [][]sdk.Button{
		sdk.Row(sdk.Do(texts.ServerToUsers, "uptime_users")),
		commandView("uptime"),
	}
	return view.Page(req, machine, keyboard,
		sdk.Heading(texts.ServerUptime),
		sdk.Fields(
			sdk.Is(texts.ServerUp, sdk.Plain(sdk.Duration(machine.Uptime))),
			sdk.Is(texts.ServerBooted, sdk.Time(machine.BootTime), sdk.Plain(", "), sdk.Ago(machine.BootTime)),
		),
	), nil
}

// usersPerPage keeps the view within one message, with the longest names.
const usersPerPage = 10

func uptimeUsers(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.Users(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	p := view.PagesOf(req, len(info.Users), usersPerPage)
	blocks := []sdk.Block{p.Heading(texts.ServerLoggedInUsers)}
	if len(info.Users) == 0 {
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.ServerNobody)))
	}
	for _, user := range info.Users[p.From:p.To] {
		blocks = append(blocks, sdk.Text(login(user)...))
	}
	keyboard := append(p.Rows("uptime_users"), sdk.Row(p.Do(texts.Refresh, "uptime_users"), sdk.Run(texts.Back, "uptime")))
	return view.Page(req, view.Whose(host), keyboard, blocks...), nil
}

func login(user abi.LoggedIn) []sdk.Span {
	spans := []sdk.Span{sdk.Code(sdk.Line(user.User, 40))}
	if user.Terminal != "" {
		spans = append(spans, sdk.Plain(texts.ServerOnTerminal), sdk.Code(sdk.Line(user.Terminal, 40)))
	}
	if user.From != "" {
		spans = append(spans, sdk.Plain(texts.ServerFrom), sdk.Code(sdk.Line(user.From, 64)))
	}
	return append(spans, sdk.Plain(texts.ServerSince), sdk.Time(user.Since))
}
