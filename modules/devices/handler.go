// Package devices shows what the machine stores and sends: file systems, disks
// and network.
package devices

import (
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// Module returns the commands of this module, and the views that its buttons
// open.
func Module() sdk.Module {
	return sdk.Module{
		Commands: map[string]sdk.Handler{
			"disk":    disk,
			"network": network,
		},
		Actions: map[string]sdk.Handler{
			"disk":                disk,
			"disk_io":             diskIO,
			"network_interfaces":  interfaces,
			"network_connections": connections,
		},
	}
}

// toServer leads to where the user came from, or else to the section that these
// views hang below, in place of this message.
var toServer = sdk.Back(sdk.RunWith(texts.Back, "server", "view"))

// chart is the button to the history of a figure.
func chart(of string) sdk.Button { return sdk.RunWith(texts.Chart, "chart", of) }
