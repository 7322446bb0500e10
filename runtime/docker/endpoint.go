package docker

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/docker/docker/client"
	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// endpoint is one engine, there or not.
type endpoint struct {
	name string
	address
	base  *http.Transport
	log   *zap.Logger
	debug bool

	current atomic.Pointer[session]
	away    atomic.Bool  // the last call found nobody; only to log the change
	turn    atomic.Int64 // the container with which the next round of samples begins
}

// session is a client that has agreed on an API version with the engine. The
// client library keeps that version for ever and must not change it while
// calls run, so an engine that was away, or shows another version, gets a new
// session.
type session struct {
	cli     *client.Client
	version string // the engine's own API version
	stale   atomic.Bool
}

func newEndpoint(name string, a address, log *zap.Logger, debug bool) *endpoint {
	dialer := &net.Dialer{}
	return &endpoint{
		name: name, address: a, debug: debug,
		log: log.With(zap.String("docker_host", name)),
		base: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, a.network, a.target)
			},
			DisableCompression:     true, // a small body must not unpack to a huge one
			MaxIdleConns:           6,
			MaxIdleConnsPerHost:    6,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		},
	}
}

// ask runs one request that only reads. An engine that came back with another
// version is asked a second time in the version that it now speaks.
func (e *endpoint) ask(ctx context.Context, what string, request func(*client.Client) error) error {
	begin := time.Now()
	err := e.try(ctx, request)
	if e.outdated() && err != nil && ctx.Err() == nil {
		err = e.try(ctx, request)
	}
	e.note(err)
	return e.answered(ctx, what, begin, err)
}

// order runs one request that changes something, never a second time: nobody
// knows what became of the first. That it takes its time says nothing about
// the engine.
func (e *endpoint) order(ctx context.Context, what string, request func(context.Context, *client.Client) error) error {
	begin := time.Now()
	err := e.try(ctx, func(cli *client.Client) error { return request(ctx, cli) })
	e.outdated()
	if ctx.Err() == nil {
		e.note(err)
	}
	return e.answered(ctx, what, begin, err)
}

// outdated forgets a session whose engine has shown another version.
func (e *endpoint) outdated() bool {
	s := e.current.Load()
	if s == nil || !s.stale.Load() {
		return false
	}
	e.drop(s)
	return true
}

func (e *endpoint) answered(ctx context.Context, what string, begin time.Time, err error) error {
	if e.debug {
		e.log.Debug("asked the engine", zap.String("event", "docker.request"),
			zap.String("request", what), zap.Duration("took", time.Since(begin)), zap.Error(err))
	}
	if err != nil {
		return e.explain(ctx, what, err)
	}
	return nil
}

func (e *endpoint) try(ctx context.Context, request func(*client.Client) error) error {
	s, err := e.session(ctx)
	if err != nil {
		return err
	}
	if err = request(s.cli); gone(err) {
		e.drop(s)
	}
	return err
}

// session returns the current session, or makes one. Callers that come at the
// same time each make their own and the first one stays: were they to wait for
// each other, an engine that hangs would cost the last of them all deadlines.
func (e *endpoint) session(ctx context.Context) (*session, error) {
	if s := e.current.Load(); s != nil {
		return s, nil
	}
	s, err := e.negotiate(ctx)
	if err != nil {
		return nil, err
	}
	if !e.current.CompareAndSwap(nil, s) {
		if other := e.current.Load(); other != nil {
			return other, nil
		}
	}
	return s, nil
}

var apiVersion = regexp.MustCompile(`^[1-9]\.[0-9]{1,3}$`)

func (e *endpoint) negotiate(ctx context.Context) (*session, error) {
	s := &session{}
	cli, err := client.NewClientWithOpts(
		client.WithHost(e.url),
		client.WithScheme("http"),
		client.WithHTTPClient(&http.Client{Transport: &guard{base: e.base, session: s}, CheckRedirect: client.CheckRedirect}),
		client.WithUserAgent("cofferdam"),
		client.WithAPIVersionNegotiation(),
	)
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", e.url, err)
	}
	// The library would swallow an error here, fall back to API 1.24 and keep
	// that; so the ping is ours, and only a good answer counts.
	pong, err := cli.Ping(ctx)
	if err != nil {
		return nil, err
	}
	if pong.APIVersion != "" && !apiVersion.MatchString(pong.APIVersion) {
		return nil, fmt.Errorf("%w: API version %q", errNonsense, foreign.Line(pong.APIVersion, 32))
	}
	cli.NegotiateAPIVersionPing(pong)
	s.cli, s.version = cli, pong.APIVersion
	return s, nil
}

// drop forgets a session and the pooled connections, which may be as dead.
func (e *endpoint) drop(s *session) {
	e.current.CompareAndSwap(s, nil)
	e.base.CloseIdleConnections()
}

// note logs when an engine goes away and when it is back, and nothing between.
func (e *endpoint) note(err error) {
	switch away := gone(err); {
	case away && !e.away.Swap(true):
		e.log.Warn("the engine does not answer", zap.String("event", "docker.away"), zap.Error(err))
	case err == nil && e.away.Swap(false):
		e.log.Info("the engine answers again", zap.String("event", "docker.back"))
	}
}

func (e *endpoint) ping(ctx context.Context) error {
	return e.ask(ctx, "ping", func(cli *client.Client) error {
		_, err := cli.Ping(ctx)
		return err
	})
}

func (e *endpoint) info(ctx context.Context) (abi.DockerInfo, error) {
	// Agree on a version first, so that the ping is timed alone.
	if err := e.ask(ctx, "negotiate", func(*client.Client) error { return nil }); err != nil {
		return abi.DockerInfo{}, err
	}
	begin := time.Now()
	if err := e.ping(ctx); err != nil {
		return abi.DockerInfo{}, err
	}
	out := abi.DockerInfo{EngineResponseMS: float64(time.Since(begin).Microseconds()) / 1000}
	err := e.ask(ctx, "info", func(cli *client.Client) error {
		in, err := cli.Info(ctx)
		if err != nil {
			return err
		}
		out.Version, out.OS, out.Arch = foreign.Line(in.ServerVersion, 64), foreign.Line(in.OperatingSystem, 128), foreign.Line(in.Architecture, 32)
		out.StorageDriver, out.APIVersion = foreign.Line(in.Driver, 32), cli.ClientVersion()
		out.Containers, out.Running = max(in.Containers, 0), max(in.ContainersRunning, 0)
		out.Paused, out.Stopped, out.Images = max(in.ContainersPaused, 0), max(in.ContainersStopped, 0), max(in.Images, 0)
		out.CPUs, out.MemoryTotal = max(in.NCPU, 0), max(in.MemTotal, 0)
		return nil
	})
	if s := e.current.Load(); s != nil && s.version != "" {
		out.APIVersion = s.version
	}
	return out, err
}
