package docker

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/nat"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// maxVolumes is how many of an image's volumes are shown.
const maxVolumes = 50

// Image returns one image's details, if keep admits one of its tags: [abi.Denied]
// otherwise, [abi.NotFound] if it is gone, [abi.Invalid] if ref is neither a full
// id nor a tag. Secrets are masked. What an engine leaves out is empty.
func (c *Client) Image(ctx context.Context, ref abi.ImageRef, keep KeepImage) (abi.ImageDetails, error) {
	e, ctx, cancel, err := c.begin(ctx, ref.Host)
	if err != nil {
		return abi.ImageDetails{}, err
	}
	defer cancel()
	got, seen, err := e.image(ctx, ref.ID, keep)
	if err != nil {
		return abi.ImageDetails{}, err
	}
	d := abi.ImageDetails{
		Image:        seen.image(got.ID, got.Size, timestamp(got.Created), e.uses(ctx)),
		OS:           foreign.Line(got.Os, 64),
		Architecture: foreign.Line(got.Architecture, 64),
		Variant:      foreign.Line(got.Variant, 64),
		Author:       foreign.Line(maskText(head(got.Author)), maxText),
		Comment:      foreign.Line(maskText(head(got.Comment)), maxText),
		Layers:       len(got.RootFS.Layers),
	}
	d.Platform = platformOf(got)
	configure(&d, got)
	return d, nil
}

// configure adds what containers made of the image begin with.
func configure(d *abi.ImageDetails, got image.InspectResponse) {
	cfg := got.Config
	if cfg == nil {
		return
	}
	d.User, d.WorkingDir, d.StopSignal = foreign.Line(cfg.User, 128), foreign.Line(cfg.WorkingDir, maxText), foreign.Line(cfg.StopSignal, 32)
	// A word of the one may announce a secret in the other.
	words := maskedWords(slices.Concat(cfg.Entrypoint, cfg.Cmd))
	at := min(len(cfg.Entrypoint), len(words))
	d.Entrypoint, d.Command = words[:at], words[at:]
	d.Ports = portNames(cfg.ExposedPorts)
	for _, path := range slices.Sorted(maps.Keys(cfg.Volumes)) {
		if len(d.Volumes) < maxVolumes {
			d.Volumes = append(d.Volumes, foreign.Line(path, maxText))
		}
	}
	d.Env, _ = variables(cfg.Env)
	d.Labels = labels(cfg.Labels)
	if cfg.Healthcheck != nil {
		d.HealthCheck = healthCheck(cfg.Healthcheck.Test)
	}
}

func portNames(exposed map[string]struct{}) []string {
	var out []string
	for port := range exposed {
		out = append(out, port)
	}
	slices.SortFunc(out, func(a, b string) int { return byNumber(nat.Port(a), nat.Port(b)) })
	out = out[:min(len(out), maxPorts)]
	for i, port := range out {
		out[i] = foreign.Line(port, 32)
	}
	return out
}

// healthCheck is the command of a health check, without the word that says how it
// is run.
func healthCheck(test []string) string {
	if len(test) == 0 || test[0] == "NONE" {
		return ""
	}
	return foreign.Line(strings.Join(maskedWords(test[1:]), " "), maxText)
}

// image finds the image and asks keep with what the engine says it goes by.
//
// As with containers, who may not see a tag learns nothing about it, and an id
// cannot be guessed.
func (e *endpoint) image(ctx context.Context, ref string, keep KeepImage) (image.InspectResponse, names, error) {
	var got image.InspectResponse
	ask, err := checkImageRef(ref)
	switch {
	case err != nil:
		return got, names{}, err
	case !isImageID(ref) && (keep == nil || !keep([]string{ref})):
		return got, names{}, errOutsideImages
	}
	err = e.ask(ctx, "inspect image", func(cli *client.Client) (err error) {
		got, err = cli.ImageInspect(ctx, ask)
		if err == nil && !isImageID(got.ID) {
			err = errNonsense
		}
		return err
	})
	if codeOf(err) == abi.NotFound || err == nil && !denotesImage(ask, got) {
		return image.InspectResponse{}, names{}, fail(abi.NotFound, "There is no such image (any more).", err)
	}
	if err != nil {
		return image.InspectResponse{}, names{}, err
	}
	seen := visible(got.RepoTags, got.RepoDigests, keep)
	if !seen.admitted {
		return image.InspectResponse{}, names{}, errOutsideImages
	}
	return got, seen, nil
}

var (
	errOutsideImages = fail(abi.Denied, "This module may not see that image.", nil)
	errBadImageRef   = fail(abi.Invalid, "That is neither an image's full id nor a tag.", nil)
)

// isImageID tells a full id: "sha256:" and 64 lower-case hexadecimal digits.
func isImageID(s string) bool {
	digits, ok := strings.CutPrefix(s, "sha256:")
	return ok && isID(digits)
}

// checkImageRef admits a full id or a tag and nothing else, before the engine is
// asked: the reference becomes a part of a URL's path. It returns what to ask for;
// a name without a tag means "latest".
func checkImageRef(ref string) (string, error) {
	if isImageID(ref) {
		return ref, nil
	}
	if len(ref) > maxReference {
		return "", errBadImageRef
	}
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", errBadImageRef
	}
	if _, digested := named.(reference.Digested); digested {
		return "", errBadImageRef
	}
	return reference.FamiliarString(reference.TagNameOnly(named)), nil
}

// denotesImage tells whether the engine found what was asked for. It also
// resolves the beginning of an id, which a caller must not be able to use.
func denotesImage(asked string, got image.InspectResponse) bool {
	if isImageID(asked) {
		return got.ID == asked
	}
	return slices.ContainsFunc(got.RepoTags, func(tag string) bool {
		normal, err := checkImageRef(tag)
		return err == nil && normal == asked
	})
}

// maskedWords are the words of a command as they may be shown.
func maskedWords(all []string) []string {
	words := make([]string, 0, min(len(all), maxWords))
	for _, w := range all[:min(len(all), maxWords)] {
		words = append(words, head(w))
	}
	words = maskCommand(words)
	for i, w := range words {
		words[i] = foreign.Line(w, maxText)
	}
	return words
}

// variables reads an environment, sorted by name, its secrets masked, and how
// many more there are.
func variables(env []string) (shown []abi.Label, omitted int) {
	all := make([]abi.Label, 0, len(env))
	for _, setting := range env {
		name, value, _ := strings.Cut(setting, "=")
		all = append(all, abi.Label{Name: name, Value: value})
	}
	slices.SortStableFunc(all, func(a, b abi.Label) int { return cmp.Compare(a.Name, b.Name) })
	shown = all[:min(len(all), maxVariables)]
	for i, v := range shown {
		shown[i] = abi.Label{Name: foreign.Line(v.Name, maxText), Value: foreign.Line(maskValue(head(v.Name), head(v.Value)), maxValue)}
	}
	return shown, len(all) - len(shown)
}
