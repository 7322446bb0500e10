package images

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/place"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
	"github.com/cofferdam-bot/cofferdam/modules/internal/view"
)

const perPage = 10

// What an engine says is cut to this, far above what real ones do.
const (
	maxName   = 80 // characters of the name in a list, or over a page
	maxTag    = 60 // of those beside it
	maxWord   = 30
	maxListed = 2 // tags beside the name
)

func list(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	p, ok := place.Of(req)
	if !ok {
		return sdk.Reply{}, errBroken
	}
	return listAt(host, req, p)
}

func listAt(host sdk.Host, req sdk.Request, p place.Place) (sdk.Reply, error) {
	p.Outside = false
	hosts := place.Endpoints(host)
	found, p, err := fetch(host, p)
	if err != nil {
		again := sdk.Row(p.Button(texts.ImagesTryAgain, "list"), leave)
		return place.Away(req, err, append(p.HostRows(hosts, "list"), again)...)
	}
	heading := texts.ImagesHeading(found.Total, found.Dangling, bytes(found.Size), p.Name(hosts), p.Page, place.Pages(found.Total, perPage))
	blocks := []sdk.Block{sdk.Heading(heading)}
	for _, i := range found.Images {
		blocks = append(blocks, row(i))
	}
	if found.Total > 1 {
		blocks = append(blocks, sdk.Text(sdk.Italic(texts.ImagesShared)))
	}
	return sdk.Reply{Blocks: append(blocks, sdk.AsOf(req)), Keyboard: listKeyboard(found, hosts, p)}, nil
}

// leave leads to where the user came from, or to the section.
var leave = sdk.Back(sdk.Run(texts.Back, "docker"))

// fetch returns p's page, or the last one if the list has become shorter than
// that, and the place that it is.
func fetch(host sdk.Host, p place.Place) (abi.ImageList, place.Place, error) {
	for {
		found, err := host.Images(abi.ImageQuery{Host: p.Host, Offset: (p.Page - 1) * perPage, Count: perPage})
		last := place.Pages(found.Total, perPage)
		if err != nil || p.Page <= last {
			found.Images = found.Images[:min(len(found.Images), perPage)]
			return found, p, err
		}
		p.Page = last
	}
}

// row is one image in three short lines.
func row(i abi.Image) sdk.Block {
	name := nameOf(i)
	spans := []sdk.Span{sdk.Plain(mark(i) + " ")}
	if name != "" {
		spans = append(spans, sdk.Code(name), sdk.Plain(" "))
	}
	spans = append(spans, sdk.Code(shortID(i.ID)))
	if len(i.Tags) > 1 {
		spans = append(spans, sdk.Plain("\n"))
		spans = append(spans, others(i.Tags[1:])...)
	}
	facts := "\n" + bytes(i.Size)
	if i.Platform != "" {
		facts += ", " + sdk.Line(i.Platform, maxWord)
	}
	spans = append(spans, sdk.Plain(facts+", "+use(i)))
	if i.Created > 0 {
		spans = append(spans, sdk.Plain(texts.ImagesMade), sdk.Ago(i.Created))
	}
	return sdk.Text(spans...)
}

// others are the tags behind the first.
func others(tags []string) (spans []sdk.Span) {
	for n, tag := range tags[:min(len(tags), maxListed)] {
		if n > 0 {
			spans = append(spans, sdk.Plain(" "))
		}
		spans = append(spans, sdk.Code(sdk.Line(tag, maxTag)))
	}
	if more := len(tags) - maxListed; more > 0 {
		spans = append(spans, sdk.Plain(" "+texts.More(more)))
	}
	return spans
}

// use says whether an image is needed.
func use(i abi.Image) string {
	text := texts.ImagesInUse(i.Containers)
	switch {
	case i.Dangling:
		text = texts.ImagesDangling + ", " + text
	case len(i.Tags) == 0:
		text = texts.ImagesNoTag + ", " + text
	}
	return text
}

// mark tells what is used from what only takes room.
func mark(i abi.Image) string {
	switch {
	case i.Containers > 0:
		return "🟢"
	case i.Dangling:
		return "🗑"
	case i.Containers < 0:
		return "❔"
	}
	return "⚪️"
}

func listKeyboard(found abi.ImageList, hosts []string, p place.Place) [][]sdk.Button {
	keyboard := imageRows(found.Images, p)
	paging := place.Paging(p.Page, place.Pages(found.Total, perPage), func(label string, page int) sdk.Button {
		return p.At(page).Button(label, "list")
	})
	if len(paging) > 0 {
		keyboard = append(keyboard, paging)
	}
	keyboard = append(keyboard, p.HostRows(hosts, "list")...)
	if found.Total > found.Dangling {
		keyboard = append(keyboard, sdk.Row(sdk.RunWith(texts.ImagesUpdates, "updates", p.Typed("", ""))))
	}
	return append(keyboard, sdk.Row(p.Button(texts.Refresh, "list"), leave))
}

// imageRows has a button for each image, two short ones in a row.
func imageRows(images []abi.Image, p place.Place) [][]sdk.Button {
	var buttons []sdk.Button
	for _, i := range images {
		name := nameOf(i)
		if name == "" {
			name = shortID(i.ID)
		}
		buttons = append(buttons, p.Button(sdk.Label(mark(i)+" "+name), "show", "id", i.ID))
	}
	return view.InRows(buttons)
}

func bytes(n int64) string { return sdk.Bytes(uint64(max(n, 0))) }

func number(n int) sdk.Span { return sdk.Plain(strconv.Itoa(n)) }
