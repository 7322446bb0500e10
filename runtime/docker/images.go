package docker

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// KeepImage decides whether a caller may see an image by what it goes by: tags,
// or digests with their repositories, as the engine gives them. It is asked with
// nothing about an image that has no tag.
type KeepImage = func(references []string) bool

// How much of one image is shown. A reference has a name of at most 255 bytes, a
// tag of 128, or a digest of 71.
const (
	maxTags      = 50
	maxReference = 400 // runes
)

// unknown is how many containers are made of an image when nobody knows.
const unknown = -1

// Images returns those images of an engine that keep admits, tagged ones first,
// then by name, of one name the newest first. Layers that are only steps of a
// build are not among them. The totals are of all that are admitted; Offset and
// Count cut a page out of them, of at most [MaxPage]. Of an image's tags and
// digests those are shown that keep admits. A nil keep admits none.
func (c *Client) Images(ctx context.Context, q abi.ImageQuery, keep KeepImage) (abi.ImageList, error) {
	if q.Offset < 0 || q.Count < 0 {
		return abi.ImageList{}, fail(abi.Invalid, "A page cannot start or end before the list.", nil)
	}
	e, ctx, cancel, err := c.begin(ctx, q.Host)
	if err != nil {
		return abi.ImageList{}, err
	}
	defer cancel()
	var used uses
	var asked sync.WaitGroup
	asked.Go(func() { used = e.uses(ctx) })
	var all []image.Summary
	err = e.ask(ctx, "images", func(cli *client.Client) (err error) {
		all, err = cli.ImageList(ctx, image.ListOptions{})
		return err
	})
	asked.Wait()
	if err != nil {
		return abi.ImageList{}, err
	}
	list := imagePage(narrowImages(all, used, keep), q.Offset, q.Count)
	e.addPlatforms(ctx, list.Images)
	return list, nil
}

// An engine's list tells no platforms, so each image of a page for people is
// asked for by itself, some at a time. A longer list does without.
const (
	maxPlatforms    = 20
	platformsAtOnce = 4
)

func (e *endpoint) addPlatforms(ctx context.Context, images []abi.Image) {
	if len(images) > maxPlatforms {
		return
	}
	var asked sync.WaitGroup
	slots := make(chan struct{}, platformsAtOnce)
	for i := range images {
		slots <- struct{}{}
		asked.Go(func() {
			defer func() { <-slots }()
			images[i].Platform = e.platform(ctx, images[i].ID)
		})
	}
	asked.Wait()
}

// platform is empty for an image that is gone meanwhile.
func (e *endpoint) platform(ctx context.Context, id string) (name string) {
	_ = e.ask(ctx, "platform", func(cli *client.Client) error {
		got, err := cli.ImageInspect(ctx, id)
		if err == nil {
			name = platformOf(got)
		}
		return err
	})
	return name
}

// platformOf is "linux/arm/v7".
func platformOf(got image.InspectResponse) string {
	parts := slices.DeleteFunc([]string{got.Os, got.Architecture, got.Variant}, func(part string) bool { return part == "" })
	return foreign.Line(strings.Join(parts, "/"), 128)
}

// uses counts containers by the full id of the image that they are made of; nil
// if nobody knows.
type uses map[string]int

// uses asks for all containers: an engine of API 1.51 and older counts them
// only for `docker system df`, which takes it seconds. Images are worth showing
// without the count.
func (e *endpoint) uses(ctx context.Context) uses {
	var all []container.Summary
	err := e.ask(ctx, "containers of images", func(cli *client.Client) (err error) {
		all, err = cli.ContainerList(ctx, container.ListOptions{All: true})
		return err
	})
	if err != nil {
		return nil
	}
	used := uses{}
	for i := range all {
		used[all[i].ImageID]++
	}
	return used
}

func (u uses) of(id string) int {
	if u == nil {
		return unknown
	}
	return u[id]
}

// narrowImages keeps what the caller may see, in the order of the list. An image
// without a proper id cannot be addressed, so it is left out.
func narrowImages(all []image.Summary, used uses, keep KeepImage) []abi.Image {
	images := make([]abi.Image, 0, len(all))
	for i := range all {
		s := &all[i]
		names := visible(s.RepoTags, s.RepoDigests, keep)
		if !names.admitted || !isImageID(s.ID) {
			continue
		}
		images = append(images, names.image(s.ID, s.Size, millis(time.Unix(s.Created, 0)), used))
	}
	slices.SortFunc(images, byName)
	return images
}

func byName(a, b abi.Image) int {
	return cmp.Or(
		-cmp.Compare(min(len(a.Tags), 1), min(len(b.Tags), 1)),
		cmp.Compare(first(a.Tags), first(b.Tags)),
		cmp.Compare(first(a.Digests), first(b.Digests)),
		-cmp.Compare(a.Created, b.Created),
		cmp.Compare(a.ID, b.ID))
}

func first(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

func imagePage(images []abi.Image, offset, count int) abi.ImageList {
	list := abi.ImageList{Total: len(images), Images: []abi.Image{}}
	for _, i := range images {
		if i.Dangling {
			list.Dangling++
		}
		list.Size = plus(list.Size, i.Size)
	}
	if count == 0 || count > MaxPage {
		count = MaxPage
	}
	images = images[min(offset, len(images)):]
	list.Images = append(list.Images, images[:min(count, len(images))]...)
	return list
}

// plus adds sizes, of which a hostile engine may name any.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// names are what an image goes by, as far as a caller may see it.
type names struct {
	admitted      bool
	tags, digests []string
	// dangling tells that the engine has no name for it at all, whoever asks.
	dangling bool
}

// visible asks keep about each tag by itself: who may see one repository does
// not see the name of another. Without a tag keep decides about nothing.
func visible(tags, digests []string, keep KeepImage) names {
	if keep == nil {
		return names{}
	}
	tags, digests = named(tags), named(digests)
	n := names{dangling: len(tags)+len(digests) == 0}
	for _, tag := range tags {
		if keep([]string{tag}) {
			n.tags = append(n.tags, foreign.Line(tag, maxReference))
		}
	}
	n.admitted = len(n.tags) > 0 || len(tags) == 0 && keep(nil)
	if !n.admitted {
		return names{}
	}
	for _, digest := range digests {
		if keep([]string{digest}) {
			n.digests = append(n.digests, foreign.Line(digest, maxReference))
		}
	}
	slices.Sort(n.tags)
	slices.Sort(n.digests)
	return n
}

// named leaves out what stands for no name, and what is too much.
func named(references []string) []string {
	var out []string
	for _, r := range references {
		if r != "" && r != "<none>:<none>" && r != "<none>@<none>" && len(out) < maxTags {
			out = append(out, r)
		}
	}
	return out
}

func (n names) image(id string, size, created int64, used uses) abi.Image {
	return abi.Image{
		ID: id, Tags: n.tags, Digests: n.digests, Size: max(size, 0), Created: created,
		Dangling: n.dangling, Containers: used.of(id),
	}
}
