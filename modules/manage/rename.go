package manage

import (
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/place"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// rename is NAME[@HOST] NEW. What a name may be, and which are taken, the host
// knows.
func rename(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	words := strings.Fields(req.Text)
	if len(words) != 2 {
		return sdk.Reply{}, errRename
	}
	name, endpoint, _ := strings.Cut(words[0], "@")
	if name == "" || !place.IsHost(endpoint) {
		return sdk.Reply{}, errRename
	}
	p := place.Place{Host: endpoint, Page: 1}
	host.Progress(texts.ManageRename.Under(sdk.Line(name, maxName)))
	done, err := host.RenameContainer(abi.ContainerRename{Host: p.Host, ID: name, To: words[1]})
	if err != nil {
		return place.Away(req, err, sdk.Row(toPage(p, words[0]), toContainers))
	}
	return page(host, req, p, done.Name, sdk.Text(sdk.Plain(ending(texts.ManageRename, done))))
}

// toPage leads to the page of a container that somebody typed, or to the list if
// no button can carry that.
func toPage(p place.Place, typed string) sdk.Button {
	if len(typed) > maxCarried || sdk.Line(typed, maxCarried) != typed {
		return toList(p)
	}
	return sdk.RunWith(texts.Back, "manage", typed)
}

// renaming says what to type: a button cannot ask for a text.
func renaming(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	p, id, err := target(req)
	if err != nil {
		return sdk.Reply{}, err
	}
	c, err := host.Container(abi.ContainerRef{Host: p.Host, ID: id})
	if err != nil {
		return place.Away(req, err, around(p, id), sdk.Row(toContainers))
	}
	typed := "/rename " + c.Name
	if p.Host != "" {
		typed += "@" + p.Host
	}
	return sdk.Reply{
		Blocks: []sdk.Block{
			sdk.HeadingOf(sdk.Plain(texts.RenameHeading), sdk.Code(sdk.Line(c.Name, maxName))),
			sdk.Text(sdk.Plain(texts.RenameHow)),
			sdk.Text(sdk.Code(sdk.Line(typed, maxTyped) + " NEW-NAME")),
			sdk.Text(sdk.Plain(texts.RenameRule)),
			sdk.AsOf(req),
		},
		Keyboard: [][]sdk.Button{sdk.Row(p.Button(texts.Refresh, "rename", "id", id), p.Button(texts.Back, "show", "id", id))},
	}, nil
}

const (
	// maxTyped bounds what is shown to be typed: a name, a host and the command.
	maxTyped = maxName + place.MaxHost + 16
	// maxCarried is how much text a button may put behind a command, in bytes.
	maxCarried = 128
)
