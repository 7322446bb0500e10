package containers

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// maxTyped is how much text a button may put behind a command, in bytes.
const maxTyped = 128

// leads has the buttons of a container's page that open what other modules show
// of it: to everybody its chart while it runs, to admins also what needs a
// session. Their commands take NAME, or NAME@HOST: another host may have a
// container of that name.
func leads(req sdk.Request, p place, c abi.ContainerDetails) (rows [][]sdk.Button) {
	if typed := p.typed(c, maxTyped-len(chartOf)); c.State == "running" && typed != "" {
		rows = append(rows, sdk.Row(sdk.RunWith(texts.Chart, "chart", chartOf+typed)))
	}
	typed := p.typed(c, maxTyped)
	if req.Actor.Role != abi.RoleAdmin || typed == "" {
		return rows
	}
	return append(rows,
		sdk.Row(sdk.RunWith(texts.ContainersLogs, "logs", typed), sdk.RunWith(texts.ContainersManage, "manage", typed)),
		sdk.Row(sdk.RunWith(texts.RuntimeLabel, "runtime", typed), sdk.RunWith(texts.VolumesLabel, "volumes", typed)),
		sdk.Row(sdk.RunWith(texts.NetworksLabel, "networks", typed), sdk.RunWith(texts.EnvironmentLabel, "environment", typed)),
	)
}

// chartOf is what stands between the command chart and a container's name.
const chartOf = "container "

// typed is how a command of another module is told the container, in at most so
// many bytes: its name, if that surely fits, else its id; "" if a host's name
// leaves no room for that.
func (p place) typed(c abi.ContainerDetails, limit int) string {
	typed := c.Name
	if len(typed) > limit-1-maxHostName || sdk.Line(typed, maxName) != typed {
		typed = c.ID[:min(len(c.ID), 64)]
	}
	if p.host != "" {
		typed += "@" + p.host
	}
	if len(typed) > limit {
		return ""
	}
	return typed
}
