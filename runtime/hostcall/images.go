package hostcall

import (
	"context"
	"fmt"

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

// imageWatcher asks the grant for an adapter, tag by tag, and counts what was
// admitted: an answer about more images than that does not leave the host.
type imageWatcher struct {
	caller   *Caller
	name     capability.Name
	admitted int
}

func watchImages(c *Caller, name capability.Name) *imageWatcher {
	return &imageWatcher{caller: c, name: name}
}

func (w *imageWatcher) keep(tags []string) bool {
	allowed := w.caller.Grant.AllowsImage(w.name, tags)
	if allowed {
		w.admitted++
	}
	return allowed
}

// admits is for an answer about one image, of which no tag may have been admitted.
func (w *imageWatcher) admits(err error) error {
	if err == nil && w.admitted == 0 {
		return fmt.Errorf("an answer of %s came without a look at the scope", w.name)
	}
	return err
}

func (s Sources) imageList(ctx context.Context, c *Caller, q abi.ImageQuery) (abi.ImageList, error) {
	if s.Images == nil {
		return abi.ImageList{}, errNoImages
	}
	w := watchImages(c, capability.ImagesList)
	list, err := s.Images.Images(ctx, q, w.keep)
	if err == nil && len(list.Images) > w.admitted {
		err = fmt.Errorf("%d images came, of which %d were admitted", len(list.Images), w.admitted)
	}
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
	w := watchImages(c, capability.ImagesInspect)
	details, err := s.Images.Image(ctx, ref, w.keep)
	if err = w.admits(err); err == nil {
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
	w := watchImages(c, capability.ImagesHistory)
	layers, err := s.Images.ImageHistory(ctx, ref, w.keep)
	if err = w.admits(err); err != nil {
		return abi.ImageHistory{}, err
	}
	return layers, nil
}

func (s Sources) imageUpdates(ctx context.Context, c *Caller, q abi.UpdateQuery) (abi.UpdateReport, error) {
	if s.Updates == nil {
		return abi.UpdateReport{}, errNoUpdates
	}
	report, err := s.Updates.Updates(ctx, q, watchImages(c, capability.ImagesUpdates).keep)
	if err == nil && q.ID == "" {
		err = s.dropUses(ctx, c, q.Host, &report)
	}
	if err != nil {
		return abi.UpdateReport{}, err
	}
	return report, nil
}
