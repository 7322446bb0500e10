package distribution

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"go.uber.org/zap"
)

// job is a look at one repository: its tags are listed once for all targets.
type job struct {
	registry *registry
	repo     name.Repository
	entries  []*entry
}

// want queues the targets that are to be looked up.
func (c *Client) want(targets []target, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return
	}
	now := c.cfg.Now()
	for _, t := range targets {
		if t.problem != "" {
			continue
		}
		e := c.entries[t.key()]
		if e == nil {
			e = &entry{}
			c.entries[t.key()] = e
		}
		e.used = now
		if e.pending {
			continue
		}
		e.target = t
		if e.finding.due(now, fresh) {
			c.enqueue(e)
		}
	}
	c.forget(now)
	c.start()
}

// due reports whether a target is to be looked up.
func (f finding) due(now time.Time, fresh bool) bool {
	age := now.Sub(f.tried)
	switch {
	case f.tried.IsZero():
		return true
	case f.problem.until.After(now):
		return false
	case fresh:
		return age >= freshAfter
	case f.problem != (problem{}):
		return age >= failedFor
	}
	return age >= keepFor
}

// forget drops what nobody asked for in a long time.
func (c *Client) forget(now time.Time) {
	for key, e := range c.entries {
		if !e.pending && now.Sub(e.used) > forgotten {
			delete(c.entries, key)
		}
	}
}

func (c *Client) enqueue(e *entry) {
	e.pending = true
	repo := e.tag.Context()
	if i := slices.IndexFunc(c.queue, func(j *job) bool { return j.repo == repo }); i >= 0 {
		c.queue[i].entries = append(c.queue[i].entries, e)
		return
	}
	c.queue = append(c.queue, &job{registry: c.registry(repo.RegistryStr()), repo: repo, entries: []*entry{e}})
}

func (c *Client) registry(host string) *registry {
	r := c.registries[host]
	if r == nil {
		r = &registry{host: host, gate: newGate(host, c.cfg.Roots), now: c.cfg.Now, times: c.times}
		c.registries[host] = r
	}
	return r
}

// start begins as many jobs as may run, those that wait longest first.
func (c *Client) start() {
	for c.running < overall && c.ctx.Err() == nil {
		i := slices.IndexFunc(c.queue, func(j *job) bool { return j.registry.running < perRegistry })
		if i < 0 {
			return
		}
		j := c.queue[i]
		c.queue = slices.Delete(c.queue, i, i+1)
		c.running++
		j.registry.running++
		c.works.Go(func() { c.run(j) })
	}
}

// run does a job, and begins the next.
func (c *Client) run(j *job) {
	c.look(j)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
	j.registry.running--
	c.start()
}

func (c *Client) look(j *job) {
	login := c.logins().of(j.repo.RegistryStr())
	for _, secret := range login.secrets() {
		c.cfg.Secret(secret)
	}
	k, err := newLook(j.repo, j.registry, login, c.platform)
	if err != nil {
		c.note(j, login, err)
		now := c.cfg.Now()
		for _, e := range j.entries {
			c.settle(e, finding{checked: now, tried: now, problem: explain(err, login, repoGone)})
		}
		return
	}
	var tags []string
	if slices.ContainsFunc(j.entries, (*entry).versioned) {
		tags, err = k.tags(c.ctx)
		c.note(j, login, err)
	}
	for _, e := range j.entries {
		tagsErr := err
		if !e.versioned() {
			tagsErr = nil
		}
		// Only its job writes an entry's finding, so it is read without the lock.
		f, failed := k.find(c.ctx, e.target, e.finding, tags, tagsErr, c.cfg.Now())
		c.note(j, login, failed)
		c.settle(e, f)
	}
}

// versioned reports whether there can be newer tags.
func (e *entry) versioned() bool { return isVersion(e.tag.TagStr()) }

// note logs what went wrong; of a pause its begin only.
func (c *Client) note(j *job, l login, err error) {
	var paused *errPaused
	if err == nil || errors.Is(err, context.Canceled) || errors.As(err, &paused) {
		return
	}
	c.cfg.Log.Warn("a registry does not tell about newer images", zap.String("event", "updates.failed"),
		zap.String("registry", j.registry.host), zap.String("repository", j.repo.RepositoryStr()), zap.String("error", cause(err, l)))
}

func (c *Client) settle(e *entry, f finding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.finding, e.pending = f, false
	close(c.changed)
	c.changed = make(chan struct{})
}
