// Package distribution asks OCI registries whether there are newer images than
// those that are here.
//
// A registry is foreign, and so is whatever it leads to: each answer is bounded in
// length and time, nothing that it writes is shown, and it cannot lead to
// addresses inside. It is asked in the background, seldom, and not at all while
// it wants to be left alone. Credentials come from Docker's config file; helper
// programs that the file names are not run.
package distribution

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// How often registries are asked.
const (
	keepFor   = time.Hour       // what was found
	failedFor = 5 * time.Minute // that nothing was
	// freshAfter is how old a look must be for a new one that a user asks for.
	freshAfter = time.Minute
	forgotten  = 24 * time.Hour // without being asked for

	perRegistry = 2 // looks at a time
	overall     = 4
	maxWait     = 5 * time.Second
	maxImages   = 5_000
)

// Images tells which images an engine has. A nil keep admits none.
type Images interface {
	Images(ctx context.Context, q abi.ImageQuery, keep func(tags []string) bool) (abi.ImageList, error)
	// Image tells what an image is made for.
	Image(ctx context.Context, ref abi.ImageRef, keep func(tags []string) bool) (abi.ImageDetails, error)
}

// Config says what a [Client] works with.
type Config struct {
	Images Images
	// DockerConfig is the folder with the config.json that has the credentials;
	// empty: nobody is logged in.
	DockerConfig string
	// Secret is told each credential before it is used, so that the log can hide
	// it; nil: nobody is.
	Secret func(string)
	// Roots are the certificates that are trusted; nil: the system's.
	Roots *x509.CertPool
	// Now is the clock by which findings age; nil: the real one.
	Now func() time.Time
	Log *zap.Logger
}

// Client asks registries. Its methods may be called concurrently.
type Client struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	works  sync.WaitGroup
	times  times

	mu         sync.Mutex
	entries    map[string]*entry
	registries map[string]*registry
	queue      []*job
	running    int
	changed    chan struct{} // closed at each change, and made anew
}

// entry is a target with what is known of it.
type entry struct {
	target
	finding finding
	pending bool
	used    time.Time
}

// New returns a client. It asks nobody before it is asked.
func New(cfg Config) *Client {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	if cfg.Secret == nil {
		cfg.Secret = func(string) {}
	}
	c := &Client{cfg: cfg, entries: map[string]*entry{}, registries: map[string]*registry{}, changed: make(chan struct{}), times: defaultTimes}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Close ends all looks, and waits for them.
func (c *Client) Close() error {
	c.mu.Lock()
	c.cancel()
	c.queue = nil
	c.mu.Unlock()
	c.works.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.registries {
		r.gate.transport.CloseIdleConnections()
	}
	return nil
}

// Updates returns what is known of the images that keep admits, and looks up in
// the background what is not known or too old. Errors carry an [abi.Error].
func (c *Client) Updates(ctx context.Context, q abi.UpdateQuery, keep func(tags []string) bool) (abi.UpdateReport, error) {
	if q.WaitMS < 0 {
		return abi.UpdateReport{}, &abi.Error{Code: abi.Invalid, Message: "It is not possible to wait for less than no time."}
	}
	targets, err := c.targets(ctx, q, keep)
	if err != nil {
		return abi.UpdateReport{}, err
	}
	c.want(targets, q.Fresh)
	timeout := time.NewTimer(min(time.Duration(q.WaitMS)*time.Millisecond, maxWait))
	defer timeout.Stop()
	for {
		report, changed := c.report(targets)
		if report.Pending == 0 || q.WaitMS == 0 {
			return report, nil
		}
		select {
		case <-changed:
		case <-timeout.C:
			return report, nil
		case <-ctx.Done():
			return report, nil
		}
	}
}

// targets are the tags that a query is about.
func (c *Client) targets(ctx context.Context, q abi.UpdateQuery, keep func(tags []string) bool) ([]target, error) {
	var images []abi.Image
	for {
		page, err := c.cfg.Images.Images(ctx, abi.ImageQuery{Host: q.Host, Offset: len(images)}, keep)
		if err != nil {
			return nil, err
		}
		images = append(images, page.Images...)
		if len(page.Images) == 0 || len(images) >= min(page.Total, maxImages) {
			break
		}
	}
	narrow(images, keep)
	if q.ID == "" {
		return targetsOf(q.Host, images, false), nil
	}
	images = only(images, q.ID)
	if len(images) == 0 {
		return nil, &abi.Error{Code: abi.NotFound, Message: "There is no such image."}
	}
	return targetsOf(q.Host, images, true), nil
}

// report is what is known now, and a channel that is closed when that changes.
func (c *Client) report(targets []target) (abi.UpdateReport, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.cfg.Now()
	report := abi.UpdateReport{Images: make([]abi.ImageUpdate, 0, len(targets))}
	for _, t := range targets {
		update := abi.ImageUpdate{ID: t.id, Reference: t.reference, Problem: t.problem}
		if e := c.entries[t.key()]; t.problem == "" && e != nil {
			update = e.update(t, now)
			if e.pending {
				report.Pending++
			}
		}
		report.Images = append(report.Images, update)
	}
	return report, c.changed
}

func (e *entry) update(t target, now time.Time) abi.ImageUpdate {
	u := abi.ImageUpdate{
		ID: t.id, Reference: t.reference,
		NewerTag: e.finding.newer.Tag, Major: e.finding.newer.Major, NewerWithin: e.finding.newer.Within,
		NewerDigest: e.finding.verdict.newer, Problem: e.finding.problem.text(now),
	}
	if !e.finding.checked.IsZero() {
		u.Checked = e.finding.checked.UnixMilli()
	}
	return u
}

// platform asks the engine what an image is made for.
func (c *Client) platform(ctx context.Context, t target) (v1.Platform, error) {
	details, err := c.cfg.Images.Image(ctx, abi.ImageRef{Host: t.host, ID: t.id}, func([]string) bool { return true })
	if err != nil {
		return v1.Platform{}, fmt.Errorf("%w: %w", errEngine, err)
	}
	return v1.Platform{OS: details.OS, Architecture: details.Architecture, Variant: details.Variant}, nil
}

var errEngine = errors.New("the engine does not tell what an image is made for")

// logins reads the credentials anew for each look: a login on the host counts at
// once.
func (c *Client) logins() logins {
	l, err := readLogins(c.cfg.DockerConfig)
	if err != nil {
		c.cfg.Log.Warn("credentials for registries cannot be read", zap.String("event", "updates.config"), zap.String("error", foreign.Line(err.Error(), maxCause)))
	}
	return l
}
