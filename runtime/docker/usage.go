package docker

import (
	"context"
	"sync"

	"github.com/docker/docker/api/types/container"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Usage is what a running container uses, or why that is not known.
type Usage struct {
	Container abi.Container
	Stats     abi.ContainerStats
	// Err is an [*Error]; nil: Stats is there.
	Err error
}

// measuredAtOnce is how many containers of an engine are measured at the same
// time. An old engine answers all of them at its next tick, once a second: with
// 200 containers that is four ticks, and within the deadline.
const measuredAtOnce = 50

// Usages measures the running containers of an engine that keep admits, in the
// order of its list, some at a time. All of it is over by the client's timeout:
// what could not be measured by then says so, one by one. The error is that there
// is no list.
func (c *Client) Usages(ctx context.Context, host string, keep Keep) ([]Usage, error) {
	e, ctx, cancel, err := c.begin(ctx, host)
	if err != nil {
		return nil, err
	}
	defer cancel()
	all, err := c.all(ctx, e)
	if err != nil {
		return nil, err
	}
	var usages []Usage
	for _, r := range narrow(all, "", keep) {
		if r.summary.State == container.StateRunning {
			usages = append(usages, Usage{Container: r.container()})
		}
	}
	var running sync.WaitGroup
	slots := make(chan struct{}, measuredAtOnce)
	for i := range usages {
		u := &usages[i]
		slots <- struct{}{} // a measurement ends with ctx, so this does too
		running.Go(func() {
			defer func() { <-slots }()
			u.Stats, u.Err = c.measure(ctx, e, u.Container.ID, u.Container.Name)
		})
	}
	running.Wait()
	return usages, nil
}
