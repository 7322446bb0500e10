package health

import (
	"context"
	"errors"
	"strconv"
	"sync"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Engines are the configured Docker engines.
type Engines interface {
	// Hosts are the names of the endpoints.
	Hosts() []string
	// Info asks one. An error that says more to admins is an [*abi.Error].
	Info(ctx context.Context, host string) (abi.DockerInfo, error)
}

// Docker looks at every endpoint, side by side.
func Docker(engines Engines) Part {
	return func(ctx context.Context) []Finding {
		hosts := engines.Hosts()
		found := make([]Finding, len(hosts))
		var asked sync.WaitGroup
		for i, host := range hosts {
			asked.Go(func() {
				info, err := engines.Info(ctx, host)
				found[i] = engine(host, len(hosts), info, err)
			})
		}
		asked.Wait()
		return found
	}
}

const startDocker = "Look whether Docker runs there, and whether docker.host and the rights to its socket are as they should be. Everything that needs no Docker goes on."

// engine says how one of several endpoints does.
func engine(host string, of int, info abi.DockerInfo, err error) Finding {
	f := Finding{Name: "Docker", State: abi.HealthOK, Endpoint: host}
	if of > 1 {
		f.Name = "Docker on " + host
	}
	if err == nil {
		f.Detail = "Engine " + orUnknown(info.Version) + " answers in " + strconv.FormatFloat(info.EngineResponseMS, 'f', 1, 64) + " ms."
		return f
	}
	f.State, f.Detail, f.Advice = abi.HealthFail, "The engine does not answer.", startDocker
	var told *abi.Error
	if errors.As(err, &told) {
		f.Reason = stop(told.Message)
	}
	return f
}

func orUnknown(text string) string {
	if text == "" {
		return "of an unknown version"
	}
	return text
}
