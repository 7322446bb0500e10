// Package health shows how the bot, the machine and Docker do, and what to do
// about it.
package health

import (
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// Module returns the commands of this module, and the views that its buttons
// open.
func Module() sdk.Module {
	return sdk.Module{
		Commands: map[string]sdk.Handler{"health": health},
		Actions: map[string]sdk.Handler{
			"health_parts": parts,
			"health_score": scoreView,
		},
	}
}

// health is one page: what to do comes first. A source that fails costs its own
// line.
func health(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	f := gather(host)
	wrong := concerns(f)
	blocks := []sdk.Block{sdk.Heading(texts.HealthTitle + verdict(f, wrong))}
	blocks = append(blocks, todo(f, wrong)...)
	blocks = section(blocks, texts.HealthOfBot, botFields(f.bot))
	blocks = section(blocks, texts.HealthOfMachine, machineLines(f))
	blocks = section(blocks, texts.HealthOfDocker, dockerLines(f))
	keyboard := append(doors(wrong, f.commands),
		sdk.Row(sdk.Do(texts.HealthParts, "health_parts"), sdk.Do(texts.HealthScore, "health_score")),
		sdk.Row(sdk.Run(texts.Refresh, "health")),
	)
	if f.machine.value.InGuest {
		blocks = append(blocks, sdk.Quote(sdk.Plain(texts.InGuest)))
	}
	return page(req, keyboard, blocks...), nil
}

// verdict is the score, as far as anything is known.
func verdict(f facts, wrong []concern) string {
	missing := unknown(f)
	if len(missing) == sources {
		return texts.HealthUnknown
	}
	return texts.HealthScoreOf(score(wrong), len(missing) == 0)
}
