package images

import (
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/place"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

const maxStep = 150 // characters of a step's command

// part reads which page of a view below an image's page is asked for.
func part(req sdk.Request) (int, error) {
	n, ok := place.Number(req.Arg("part"))
	if !ok {
		return 0, errBroken
	}
	return n, nil
}

// parts has the buttons that lead to the other pages of such a view.
func parts(p place.Place, action, id string, n, last int) [][]sdk.Button {
	row := place.Paging(n, last, func(label string, n int) sdk.Button {
		return p.Button(label, action, "id", id, "part", strconv.Itoa(n))
	})
	if len(row) == 0 {
		return nil
	}
	return [][]sdk.Button{row}
}

// history shows how an image was built, the newest step first.
func history(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	p, id, err := target(req)
	if err != nil {
		return sdk.Reply{}, err
	}
	n, err := part(req)
	if err != nil {
		return sdk.Reply{}, err
	}
	ref := abi.ImageRef{Host: p.Host, ID: id}
	i, err := host.Image(ref)
	if err != nil {
		return spoilt(req, err, p, "history", id)
	}
	got, err := host.ImageHistory(ref)
	if err != nil {
		return spoilt(req, err, p, "history", id)
	}
	last := place.Pages(len(got.Layers), perPage)
	n = min(n, last)
	blocks := []sdk.Block{title(texts.ImagesHistoryOf, i.Image)}
	if len(got.Layers) == 0 {
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.ImagesNoSteps)))
	} else {
		blocks = append(blocks, sdk.Text(sdk.Italic(texts.ImagesStep(len(got.Layers), n, last))))
	}
	first := (n - 1) * perPage
	for _, layer := range got.Layers[first:min(first+perPage, len(got.Layers))] {
		blocks = append(blocks, step(layer))
	}
	return sdk.Reply{
		Blocks:   append(blocks, sdk.AsOf(req)),
		Keyboard: append(parts(p, "history", id, n, last), below(p, "history", id, "part", strconv.Itoa(n))),
	}, nil
}

// step is one step of a build in two lines.
func step(l abi.ImageLayer) sdk.Block {
	did := instruction(l.CreatedBy)
	if did == "" {
		did = texts.ImagesNoText
	}
	size := texts.ImagesEmptyStep
	if l.Size > 0 {
		size = bytes(l.Size)
	}
	spans := []sdk.Span{sdk.Code(sdk.Line(did, maxStep)), sdk.Plain("\n" + size)}
	if l.Created > 0 {
		spans = append(spans, sdk.Plain(", "), sdk.Ago(l.Created))
	}
	if len(l.Tags) > 0 {
		spans = append(spans, sdk.Plain("\n"), sdk.Code(nameOf(abi.Image{Tags: l.Tags})))
	}
	return sdk.Text(spans...)
}

// instruction is a step as its Dockerfile has it: engines put a shell before it.
func instruction(createdBy string) string {
	text := strings.TrimSpace(createdBy)
	if rest, ok := strings.CutPrefix(text, "/bin/sh -c #(nop)"); ok {
		return strings.TrimSpace(rest)
	}
	if rest, ok := strings.CutPrefix(text, "/bin/sh -c "); ok {
		return "RUN " + strings.TrimSpace(rest)
	}
	return strings.TrimSuffix(text, " # buildkit")
}
