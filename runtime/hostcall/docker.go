package hostcall

import (
	"context"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// Keep says whether a container, named as the engine names it, may be seen.
type Keep = func(name string, labels map[string]string) bool

// Docker reads Docker engines. Errors carry an [abi.Error]: unavailable when
// the engine does not answer, not_found, conflict, invalid, and denied for a
// container that keep refuses.
type Docker interface {
	Info(ctx context.Context, host string) (abi.DockerInfo, error)
	List(ctx context.Context, q abi.ContainerQuery, keep Keep) (abi.ContainerList, error)
	Inspect(ctx context.Context, ref abi.ContainerRef, keep Keep) (abi.ContainerDetails, error)
	Stats(ctx context.Context, ref abi.ContainerRef, keep Keep) (abi.ContainerStats, error)
}

var errNoDocker = refuse(abi.Unavailable, "Docker is not configured.")

func (s Sources) dockerInfo(ctx context.Context, _ *Caller, q abi.DockerQuery) (abi.DockerInfo, error) {
	if s.Docker == nil {
		return abi.DockerInfo{}, errNoDocker
	}
	return s.Docker.Info(ctx, q.Host)
}

func (s Sources) containerList(ctx context.Context, c *Caller, q abi.ContainerQuery) (abi.ContainerList, error) {
	if s.Docker == nil {
		return abi.ContainerList{}, errNoDocker
	}
	return s.Docker.List(ctx, q, c.allows(capability.ContainersList))
}

func (s Sources) containerInspect(ctx context.Context, c *Caller, ref abi.ContainerRef) (abi.ContainerDetails, error) {
	if s.Docker == nil {
		return abi.ContainerDetails{}, errNoDocker
	}
	return s.Docker.Inspect(ctx, ref, c.allows(capability.ContainersInspect))
}

func (s Sources) containerStats(ctx context.Context, c *Caller, ref abi.ContainerRef) (abi.ContainerStats, error) {
	if s.Docker == nil {
		return abi.ContainerStats{}, errNoDocker
	}
	return s.Docker.Stats(ctx, ref, c.allows(capability.ContainersStats))
}
