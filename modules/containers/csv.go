package containers

import (
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// A reply holds at most 64 KiB, and a file in it grows by a third in base64.
const (
	maxFile = 45_000
	maxRows = 1_000 // more could not fit
)

// csv sends the whole list as a file.
func csv(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	p, err := placeOf(req)
	if err != nil {
		return sdk.Reply{}, err
	}
	found, total, err := all(host, p)
	if err != nil {
		return away(req, err, hostRows(endpoints(host), p, "list"), p.again("csv"), p.button(texts.Back, "list"))
	}
	data, rows := table(found)
	return sdk.Reply{
		Blocks: []sdk.Block{
			sdk.Text(sdk.Plain(texts.ContainersFile(rows, total, p.host))),
			sdk.AsOf(req),
			sdk.Document("containers.csv", data),
		},
		// The list was edited to this: without a button it would be lost.
		Keyboard: [][]sdk.Button{sdk.Row(p.button(texts.Back, "list"))},
	}, nil
}

// all reads the list page by page, since the host limits one answer, until
// there is nothing more or nothing more could fit into the file.
func all(host sdk.Host, p place) (found []abi.Container, total int, err error) {
	for {
		list, err := host.Containers(abi.ContainerQuery{Host: p.host, Offset: len(found)})
		if err != nil {
			return nil, 0, err
		}
		found = append(found, list.Containers...)
		if len(list.Containers) == 0 || len(found) >= min(list.Total, maxRows) {
			return found, max(list.Total, len(found)), nil
		}
	}
}

// table writes RFC 4180 lines, as many as fit, and returns their number
// without the header's.
func table(containers []abi.Container) (data []byte, rows int) {
	data = append(data, line("id", "name", "image", "state", "health", "status", "created", "project")...)
	for _, c := range containers {
		created := ""
		if c.Created > 0 {
			created = sdk.UTC(c.Created)
		}
		next := line(shortID(c.ID), c.Name, c.Image, c.State, c.Health, c.Status, created, c.Project)
		if len(data)+len(next) > maxFile {
			return data, rows
		}
		data = append(data, next...)
		rows++
	}
	return data, rows
}

func line(cells ...string) string {
	for i, text := range cells {
		cells[i] = cell(text)
	}
	return strings.Join(cells, ",") + "\r\n"
}

// cell quotes a text, and keeps spreadsheets from running it as a formula:
// https://owasp.org/www-community/attacks/CSV_Injection
func cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) {
		text = "'" + text
	}
	return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
}
