package containers

import (
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

var errName = sdk.Fail(abi.Invalid, "Send /containers for the list, or /container with the name of one.")

// typed opens the page of a container by its name, NAME or NAME@HOST, for other
// modules: their views have buttons for containers.
func typed(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	name, endpoint, _ := strings.Cut(req.Text, "@")
	if name == "" || len(name) > maxTyped || len(endpoint) > maxHostName || sdk.Line(req.Text, 2*maxTyped) != req.Text {
		return sdk.Reply{}, errName
	}
	return shown(host, req, place{host: endpoint, page: 1, outside: true}, name)
}

// toImages leads to the images of the same host, which another module shows.
func toImages(p place) sdk.Button {
	const label, command = "🖼 Images", "images"
	if p.host == "" {
		return sdk.Run(label, command)
	}
	return sdk.RunWith(label, command, "@"+p.host)
}
