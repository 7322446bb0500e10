// Package view has what the views of a machine's figures have in common: whose
// figures they are, when they were taken, and pages.
package view

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// Page is a view of a machine's figures: its blocks, whose figures they are if
// not the whole machine's, when it was made, and its buttons.
func Page(req sdk.Request, machine abi.HostInfo, keyboard [][]sdk.Button, blocks ...sdk.Block) sdk.Reply {
	if machine.InGuest {
		blocks = append(blocks, sdk.Quote(sdk.Plain(texts.InGuest)))
	}
	return sdk.Reply{Blocks: append(blocks, sdk.AsOf(req)), Keyboard: keyboard}
}

// Whose describes the machine for a [Page] that shows nothing else of it. A
// page whose figures are there is worth showing without this answer.
func Whose(host sdk.Host) abi.HostInfo {
	machine, err := host.Machine(abi.MetricsQuery{})
	if err != nil {
		return abi.HostInfo{}
	}
	return machine
}

// Share keeps a bar within its bounds: shares are computed from counters that
// are not read at the same instant.
func Share(percent float64) float64 { return min(max(percent, 0), 100) }
