package hostcall

import (
	"context"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// An engine counts all of its containers. What it counts for a user who reaches
// only some of them is counted anew: a number would tell of the others.

// withinReach is a keep that knows the user's reach only: for counts, which a
// module is granted without a scope.
func withinReach(c *Caller) Keep {
	reach := c.Pass.Reaches()
	return func(name string, labels map[string]string) bool {
		return reach.Contains(capability.Target{Name: name, Labels: labels})
	}
}

// recount counts the containers of an engine as the user may know them. Images
// belong to nobody, so their number stays.
func (s Sources) recount(ctx context.Context, c *Caller, host string, info *abi.DockerInfo) error {
	if c.Pass.Reaches().Unlimited() {
		return nil
	}
	info.Containers, info.Running, info.Paused, info.Stopped = 0, 0, 0, 0
	keep := withinReach(c)
	for {
		page, err := s.Docker.List(ctx, abi.ContainerQuery{Host: host, Offset: info.Containers}, keep)
		if err != nil {
			return err
		}
		for _, container := range page.Containers {
			info.Containers++
			switch container.State {
			case "running":
				info.Running++
			case "paused":
				info.Paused++
			default: // as the engine counts
				info.Stopped++
			}
		}
		if len(page.Containers) == 0 || info.Containers >= page.Total {
			return nil
		}
	}
}

// unknownUses is what [abi.Image] has where nobody knows how many containers are
// made of an image.
const unknownUses = -1

// recountUses counts anew how many containers are made of each image, for a user
// who reaches only some.
func (s Sources) recountUses(ctx context.Context, c *Caller, host string, images ...*abi.Image) error {
	if c.Pass.Reaches().Unlimited() {
		return nil
	}
	keep := withinReach(c)
	for _, image := range images {
		if image.Containers == unknownUses || s.Docker == nil || image.ID == "" {
			image.Containers = unknownUses
			continue
		}
		list, err := s.Docker.List(ctx, abi.ContainerQuery{Host: host, Image: image.ID, Count: 1}, keep)
		if err != nil {
			return err
		}
		image.Containers = list.Total
	}
	return nil
}

// dropUses takes images without a tag out of a report about all images, unless
// the user reaches a container that is made of them: they are in it only because
// there is one.
func (s Sources) dropUses(ctx context.Context, c *Caller, host string, report *abi.UpdateReport) error {
	if c.Pass.Reaches().Unlimited() {
		return nil
	}
	kept := report.Images[:0:0]
	for _, u := range report.Images {
		if u.Reference == u.ID || strings.Contains(u.Reference, "@") { // which no tag has
			image := abi.Image{ID: u.ID}
			if err := s.recountUses(ctx, c, host, &image); err != nil {
				return err
			}
			if image.Containers <= 0 {
				continue
			}
		}
		kept = append(kept, u)
	}
	report.Images = kept
	return nil
}

// anotherContainer stands for one whose namespace a container shares.
const anotherContainer = "container:"

// withoutOthers leaves out which container it is that another one shares its
// network or processes with, for a user who may not reach it.
func withoutOthers(c *Caller, r *abi.ContainerRuntime) {
	if c.Pass.Reaches().Unlimited() {
		return
	}
	for _, mode := range []*string{&r.NetworkMode, &r.PIDMode, &r.IPCMode} {
		if strings.HasPrefix(*mode, anotherContainer) {
			*mode = anotherContainer + "…"
		}
	}
}
