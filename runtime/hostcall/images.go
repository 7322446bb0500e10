package hostcall

import (
	"context"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// KeepImage says whether an image with these tags may be seen. It is called by
// one goroutine at a time.
type KeepImage = func(tags []string) bool

// Images reads the images of Docker engines. It asks keep about every image that
// it answers with. Errors carry an [abi.Error], as those of [Docker] do.
type Images interface {
	Images(ctx context.Context, q abi.ImageQuery, keep KeepImage) (abi.ImageList, error)
	Image(ctx context.Context, ref abi.ImageRef, keep KeepImage) (abi.ImageDetails, error)
	ImageHistory(ctx context.Context, ref abi.ImageRef, keep KeepImage) (abi.ImageHistory, error)
}

// Updates asks registries for newer images.
type Updates interface {
	Updates(ctx context.Context, q abi.UpdateQuery, keep KeepImage) (abi.UpdateReport, error)
}

var (
	errNoImages  = refuse(abi.Unavailable, "Docker is not configured.")
	errNoUpdates = refuse(abi.Unavailable, "Registries are not asked here.")
)

func keepImages(c *Caller, name capability.Name) KeepImage {
	return func(tags []string) bool { return c.Grant.AllowsImage(name, tags) }
}

func (s Sources) imageList(ctx context.Context, c *Caller, q abi.ImageQuery) (abi.ImageList, error) {
	if s.Images == nil {
		return abi.ImageList{}, errNoImages
	}
	list, err := s.Images.Images(ctx, q, keepImages(c, capability.ImagesList))
	if err != nil {
		return abi.ImageList{}, err
	}
	images := make([]*abi.Image, len(list.Images))
	for i := range list.Images {
		images[i] = &list.Images[i]
	}
	if err := s.recountUses(ctx, c, q.Host, images...); err != nil {
		return abi.ImageList{}, err
	}
	return list, nil
}

func (s Sources) imageInspect(ctx context.Context, c *Caller, ref abi.ImageRef) (abi.ImageDetails, error) {
	if s.Images == nil {
		return abi.ImageDetails{}, errNoImages
	}
	details, err := s.Images.Image(ctx, ref, keepImages(c, capability.ImagesInspect))
	if err == nil {
		err = s.recountUses(ctx, c, ref.Host, &details.Image)
	}
	if err != nil {
		return abi.ImageDetails{}, err
	}
	return details, nil
}

func (s Sources) imageHistory(ctx context.Context, c *Caller, ref abi.ImageRef) (abi.ImageHistory, error) {
	if s.Images == nil {
		return abi.ImageHistory{}, errNoImages
	}
	return s.Images.ImageHistory(ctx, ref, keepImages(c, capability.ImagesHistory))
}

func (s Sources) imageUpdates(ctx context.Context, c *Caller, q abi.UpdateQuery) (abi.UpdateReport, error) {
	if s.Updates == nil {
		return abi.UpdateReport{}, errNoUpdates
	}
	return s.Updates.Updates(ctx, q, keepImages(c, capability.ImagesUpdates))
}
