package docker

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Sample is what a running container has used since it started, at a moment of
// the engine's clock.
type Sample struct {
	Host, ID string
	At       time.Time
	// CPU is processor time of all its processes.
	CPU time.Duration
	// Memory is in use, without the page cache that the kernel would give back
	// first; Limit is the most that it may use; in bytes.
	Memory, Limit int64
	// CPUs is how many cores there are.
	CPUs int
	// Bytes since it started.
	NetworkIn, NetworkOut, BlockRead, BlockWrite int64
}

// samplesAtOnce is how many containers of an engine are asked about at a time.
// An engine that waits for the tick of its own collector (20.10: up to 1 s)
// answers so many a second, at a cost that does not depend on it.
const samplesAtOnce = 32

var errRound = errors.New("the time for a round of samples is over")

// Samples measures every running container of every engine, one sample each:
// counters, of which the caller makes rates. It returns what it has when the
// context ends. An engine that does not answer costs the others nothing; the
// error says that there was one, beside the samples of the rest.
func (c *Client) Samples(ctx context.Context) ([]Sample, error) {
	found, errs := make([][]Sample, len(c.endpoints)), make([]error, len(c.endpoints))
	var wg sync.WaitGroup
	for i, e := range c.endpoints {
		if c.closed.Load() {
			return nil, errClosed
		}
		wg.Go(func() { found[i], errs[i] = e.samples(ctx, c.timeout) })
	}
	wg.Wait()
	var all []Sample
	for _, some := range found {
		all = append(all, some...)
	}
	return all, errors.Join(errs...)
}

// samples measures the running containers of one engine. After the first
// request that nobody answered it asks no more.
func (e *endpoint) samples(ctx context.Context, timeout time.Duration) ([]Sample, error) {
	ids, err := e.running(ctx, timeout)
	if err != nil {
		return nil, err
	}
	// That the round is over says nothing about the engine, as a deadline would.
	over := ctx
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(over))
	defer cancel(nil)
	defer context.AfterFunc(over, func() { cancel(errRound) })()
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		out   []Sample
		slots = make(chan struct{}, samplesAtOnce)
	)
	// Where the last round ran out of time, this one begins.
	first := int(e.turn.Swap(0)) % max(len(ids), 1)
	for i, id := range slices.Concat(ids[first:], ids[:first]) {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			e.turn.Store(int64(first + i))
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			s, ok, err := e.measure(ctx, timeout, id)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				cancel(err)
			} else if ok {
				out = append(out, s)
			}
		})
	}
	wg.Wait()
	return out, context.Cause(ctx)
}

// running lists the ids of what runs.
func (e *endpoint) running(ctx context.Context, timeout time.Duration) ([]string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errSilent)
	defer cancel()
	var all []container.Summary
	err := e.ask(ctx, "list", func(cli *client.Client) (err error) {
		all, err = cli.ContainerList(ctx, container.ListOptions{})
		return err
	})
	var ids []string
	for _, s := range all {
		if isID(s.ID) && s.State == container.StateRunning {
			ids = append(ids, s.ID)
		}
	}
	return ids, err
}

// measure takes one sample; not ok if there is none: the container has ended.
// Only an engine that does not answer is an error.
func (e *endpoint) measure(ctx context.Context, timeout time.Duration, id string) (Sample, bool, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errSilent)
	defer cancel()
	var got figures
	// As an order, it is not repeated, and that its time is over says nothing
	// about the engine: the list does.
	err := e.order(ctx, "stats", func(ctx context.Context, cli *client.Client) error {
		answer, err := cli.ContainerStatsOneShot(ctx, id)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		return json.NewDecoder(answer.Body).Decode(&got)
	})
	switch {
	case err != nil && (ctx.Err() != nil || gone(err)):
		return Sample{}, false, err
	case err != nil || got.Read.IsZero() || got.CPU.Usage.Total == 0 && got.Memory.Usage == 0:
		return Sample{}, false, nil
	}
	return got.sample(e.name, id), true, nil
}

// figures is the part of an engine's answer that a sample is made of. The whole
// of it takes three times as long to decode.
type figures struct {
	Read time.Time `json:"read"`
	CPU  struct {
		Usage struct {
			Total uint64 `json:"total_usage"`
		} `json:"cpu_usage"`
		Online uint32 `json:"online_cpus"`
	} `json:"cpu_stats"`
	Memory struct {
		Usage uint64 `json:"usage"`
		Limit uint64 `json:"limit"`
		Stats struct {
			InactiveV1 *uint64 `json:"total_inactive_file"`
			InactiveV2 uint64  `json:"inactive_file"`
		} `json:"stats"`
	} `json:"memory_stats"`
	Networks map[string]struct {
		In  uint64 `json:"rx_bytes"`
		Out uint64 `json:"tx_bytes"`
	} `json:"networks"`
	Block struct {
		Bytes []struct {
			Op    string `json:"op"`
			Value uint64 `json:"value"`
		} `json:"io_service_bytes_recursive"`
	} `json:"blkio_stats"`
}

func (f figures) sample(host, id string) Sample {
	cache := f.Memory.Stats.InactiveV2
	if v1 := f.Memory.Stats.InactiveV1; v1 != nil {
		cache = *v1
	}
	var in, out, read, written uint64
	for _, n := range f.Networks {
		in, out = add(in, n.In), add(out, n.Out)
	}
	for _, b := range f.Block.Bytes {
		switch strings.ToLower(b.Op) {
		case "read":
			read = add(read, b.Value)
		case "write":
			written = add(written, b.Value)
		}
	}
	used := f.Memory.Usage
	if cache < used {
		used -= cache
	}
	return Sample{
		Host: host, ID: id, At: f.Read, CPU: time.Duration(bytesOf(f.CPU.Usage.Total)), CPUs: int(min(f.CPU.Online, 8192)),
		Memory: bytesOf(used), Limit: bytesOf(f.Memory.Limit),
		NetworkIn: bytesOf(in), NetworkOut: bytesOf(out), BlockRead: bytesOf(read), BlockWrite: bytesOf(written),
	}
}

// Identify tells which container a reference means, running or not: its full id
// and its name. Errors are those of [Client.Inspect].
func (c *Client) Identify(ctx context.Context, ref abi.ContainerRef, keep Keep) (id, name string, err error) {
	e, ctx, cancel, err := c.begin(ctx, ref.Host)
	if err != nil {
		return "", "", err
	}
	defer cancel()
	got, err := e.resolve(ctx, ref.ID, keep)
	if err != nil {
		return "", "", err
	}
	return got.ID, displayName(bareName(got.Name), got.ID), nil
}
