// Package docker asks Docker engines for what operators may see of them, and
// answers in the types of guest/abi.
//
// An engine is foreign: it may be away, hang, be replaced by another version,
// or send nonsense. So each call has a deadline, each answer is bounded and
// cleaned before it leaves the package, and nothing is kept that would outlive
// an outage: the call after an engine came back works.
//
// Every error is an [*Error].
package docker

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/docker/docker/api/types/container"
	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// DefaultTimeout is by when a call has answered, whatever the engine does.
const DefaultTimeout = 5 * time.Second

// Config says which engines there are.
type Config struct {
	// Hosts are the engines' URLs, unix:///path or tcp://host:port. The first
	// is named [abi.LocalHost].
	Hosts []string
	// Timeout is by when a call has answered; 0: [DefaultTimeout].
	Timeout time.Duration
	// Debug logs each request to an engine at level DEBUG.
	Debug bool
	// SampleInterval is the least time between the two samples of Stats; 0:
	// 250 ms.
	SampleInterval time.Duration
	// Fresh is for how long a list or statistics may be given again, to anybody; 0:
	// [DefaultFresh], less: never.
	Fresh time.Duration
	// Self is the full id of the container that the bot runs in, which nothing
	// is done to (E6); empty: what the kernel says of this process.
	Self string
}

// Client asks one or more engines. Its methods may be called concurrently.
type Client struct {
	timeout   time.Duration
	interval  time.Duration
	endpoints []*endpoint
	names     []string
	samples   samples
	listed    *shared[[]container.Summary] // by endpoint
	measured  *shared[abi.ContainerStats]  // by endpoint and id
	self      self
	works     works
	closed    atomic.Bool
}

// New returns a client for cfg.Hosts. No engine needs to be there yet. An
// error names the position of a wrong URL and what is wanted.
func New(cfg Config, log *zap.Logger) (*Client, error) {
	if log == nil {
		log = zap.NewNop()
	}
	addresses, err := parseHosts(cfg.Hosts)
	if err != nil {
		return nil, err
	}
	c := &Client{
		timeout:  orDefault(cfg.Timeout, DefaultTimeout),
		interval: orDefault(cfg.SampleInterval, 250*time.Millisecond),
		names:    hostNames(addresses),
		self:     self{id: cfg.Self},
	}
	fresh := cfg.Fresh
	if fresh == 0 {
		fresh = DefaultFresh
	}
	c.listed, c.measured = newShared[[]container.Summary](fresh), newShared[abi.ContainerStats](fresh)
	if cfg.Self == "" {
		c.self = findSelf()
	}
	for i, a := range addresses {
		c.endpoints = append(c.endpoints, newEndpoint(c.names[i], a, log, cfg.Debug))
	}
	return c, nil
}

// Hosts returns the names of the engines, in the order of the configuration.
func (c *Client) Hosts() []string { return append([]string(nil), c.names...) }

// Close lets go of all connections. Calls that begin later are refused with
// [abi.Unavailable]. What the engine was told to do has a few seconds to end.
func (c *Client) Close() error {
	c.closed.Store(true)
	c.works.close(closing)
	for _, e := range c.endpoints {
		e.base.CloseIdleConnections()
	}
	return nil
}

// Ping asks whether the engine named host answers; an empty name is
// [abi.LocalHost].
func (c *Client) Ping(ctx context.Context, host string) error {
	e, ctx, cancel, err := c.begin(ctx, host)
	if err != nil {
		return err
	}
	defer cancel()
	return e.ping(ctx)
}

// Info returns the state of the engine named host. EngineResponseMS is the
// time of a ping: how fast the engine answers when it has nothing to look up.
func (c *Client) Info(ctx context.Context, host string) (abi.DockerInfo, error) {
	e, ctx, cancel, err := c.begin(ctx, host)
	if err != nil {
		return abi.DockerInfo{}, err
	}
	defer cancel()
	info, err := e.info(ctx)
	info.Hosts = c.Hosts()
	if err != nil {
		return abi.DockerInfo{}, err
	}
	return info, nil
}

// begin finds the engine and gives the operation its deadline. The engine gets
// four fifths of it: the rest is for the sentence's way to the chat, which is
// promised within the same five seconds.
func (c *Client) begin(ctx context.Context, host string) (*endpoint, context.Context, context.CancelFunc, error) {
	e, err := c.endpoint(host)
	if err != nil {
		return nil, nil, nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout-c.timeout/5, errSilent)
	return e, ctx, cancel, nil
}

func (c *Client) endpoint(host string) (*endpoint, error) {
	if c.closed.Load() {
		return nil, fail(abi.Unavailable, "The bot is stopping.", errClosed)
	}
	if host == "" {
		host = abi.LocalHost
	}
	for _, e := range c.endpoints {
		if e.name == host {
			return e, nil
		}
	}
	return nil, fail(abi.NotFound, fmt.Sprintf("There is no Docker host named %q.", foreign.Line(host, 64)), nil)
}

func orDefault(d, fallback time.Duration) time.Duration {
	if d <= 0 {
		return fallback
	}
	return d
}
