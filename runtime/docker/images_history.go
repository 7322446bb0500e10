package docker

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// How much of an image's history is shown. An image has at most 127 layers, and
// steps that made none besides.
const (
	maxSteps     = 300
	maxCreatedBy = 512 // runes of a step's command
)

// ImageHistory returns how an image was built, the newest step first, with the
// errors of [Client.Image]. Secrets are masked.
func (c *Client) ImageHistory(ctx context.Context, ref abi.ImageRef, keep KeepImage) (abi.ImageHistory, error) {
	e, ctx, cancel, err := c.begin(ctx, ref.Host)
	if err != nil {
		return abi.ImageHistory{}, err
	}
	defer cancel()
	got, _, err := e.image(ctx, ref.ID, keep)
	if err != nil {
		return abi.ImageHistory{}, err
	}
	var steps []image.HistoryResponseItem
	err = e.ask(ctx, "history", func(cli *client.Client) (err error) {
		steps, err = cli.ImageHistory(ctx, got.ID)
		return err
	})
	if err != nil {
		return abi.ImageHistory{}, err
	}
	history := abi.ImageHistory{Layers: []abi.ImageLayer{}}
	for _, s := range steps[:min(len(steps), maxSteps)] {
		history.Layers = append(history.Layers, abi.ImageLayer{
			CreatedBy: foreign.Line(maskStep(head(s.CreatedBy)), maxCreatedBy),
			Created:   millis(time.Unix(s.Created, 0)),
			Size:      max(s.Size, 0),
			Tags:      visible(s.Tags, nil, keep).tags,
		})
	}
	return history, nil
}

// instruction is a step that sets names to values, which are written without the
// quotes that they had: `ENV PASSWORD=two words NAME=value`.
var (
	instruction = regexp.MustCompile(`^(?:/bin/sh -c #\(nop\)\s+)?(?:ENV|ARG|LABEL)\s`)
	assignment  = regexp.MustCompile(`\s[\w.\-/]+=`)
)

// maskStep masks the secrets of a build's step. A value of an instruction ends
// where the next name begins.
func maskStep(step string) string {
	prefix := instruction.FindString(step)
	if prefix == "" {
		return maskText(step)
	}
	rest := " " + step[len(prefix):]
	starts := assignment.FindAllStringIndex(rest, -1)
	if len(starts) == 0 {
		return maskText(step)
	}
	var out strings.Builder
	out.WriteString(strings.TrimRight(prefix, " \t\n"))
	out.WriteString(rest[:starts[0][0]])
	for i, at := range starts {
		end := len(rest)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		name := rest[at[0]:at[1]]
		out.WriteString(name)
		out.WriteString(maskValue(name, rest[at[1]:end]))
	}
	return out.String()
}
