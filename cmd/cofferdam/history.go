package main

import (
	"context"

	"github.com/cofferdam-bot/cofferdam/runtime/docker"
	"github.com/cofferdam-bot/cofferdam/runtime/history"
)

// sampled lets the history measure the containers of a client.
type sampled struct{ *docker.Client }

var _ history.Containers = sampled{}

// Samples has the client's, one by one.
func (s sampled) Samples(ctx context.Context) ([]history.Sample, error) {
	all, err := s.Client.Samples(ctx)
	out := make([]history.Sample, len(all))
	for i, one := range all {
		out[i] = history.Sample(one)
	}
	return out, err
}
