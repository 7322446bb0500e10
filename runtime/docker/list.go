package docker

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// MaxPage is how many containers one answer lists at most.
const MaxPage = 1000

// List returns those containers of an engine that keep admits, running ones
// first, then by name. The totals count them all; Offset and Count cut a page
// out of them, of at most [MaxPage]. A nil keep admits none. The engine is asked
// once for all that is listed within [Config.Fresh]. An Image narrows the list to
// containers made of the image with that full id.
func (c *Client) List(ctx context.Context, q abi.ContainerQuery, keep Keep) (abi.ContainerList, error) {
	if q.Offset < 0 || q.Count < 0 {
		return abi.ContainerList{}, fail(abi.Invalid, "A page cannot start or end before the list.", nil)
	}
	if q.Image != "" && !isImageID(q.Image) {
		return abi.ContainerList{}, fail(abi.Invalid, "That is not an image's full id.", nil)
	}
	e, ctx, cancel, err := c.begin(ctx, q.Host)
	if err != nil {
		return abi.ContainerList{}, err
	}
	defer cancel()
	all, err := c.all(ctx, e)
	if err != nil {
		return abi.ContainerList{}, err
	}
	return page(narrow(all, q.Image, keep), q.Offset, q.Count), nil
}

// all is every container of an engine. Callers share it, and change nothing.
func (c *Client) all(ctx context.Context, e *endpoint) ([]container.Summary, error) {
	all, err := c.listed.get(ctx, e.name, func(ctx context.Context) (all []container.Summary, err error) {
		err = e.ask(ctx, "list", func(cli *client.Client) (err error) {
			all, err = cli.ContainerList(ctx, container.ListOptions{All: true})
			return err
		})
		return all, err
	})
	if err != nil && codeOf(err) == abi.Internal { // the caller's own end, while another was asking
		err = e.explain(ctx, "list", err)
	}
	return all, err
}

// row is a container that the caller may see, under the name it goes by.
type row struct {
	name    string
	summary *container.Summary
}

// narrow keeps what the caller may see, in the order of the list, of one image if
// that is given. A container without a proper id cannot be addressed, so it is
// left out.
func narrow(all []container.Summary, image string, keep Keep) []row {
	rows := make([]row, 0, len(all))
	for i := range all {
		s := &all[i]
		if image != "" && s.ImageID != image {
			continue
		}
		r := row{name: primaryName(s.Names), summary: s}
		if isID(s.ID) && allows(keep, r.name, s.Labels) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(
			cmp.Compare(rank(a.summary), rank(b.summary)),
			cmp.Compare(a.name, b.name),
			cmp.Compare(a.summary.ID, b.summary.ID))
	})
	return rows
}

func rank(s *container.Summary) int {
	if s.State == container.StateRunning {
		return 0
	}
	return 1
}

func page(rows []row, offset, count int) abi.ContainerList {
	list := abi.ContainerList{Total: len(rows), Containers: []abi.Container{}}
	for _, r := range rows {
		if r.summary.State == container.StateRunning {
			list.Running++
		}
	}
	rows = rows[min(offset, len(rows)):]
	if count == 0 || count > MaxPage {
		count = MaxPage
	}
	for _, r := range rows[:min(count, len(rows))] {
		list.Containers = append(list.Containers, r.container())
	}
	return list
}

func (r row) container() abi.Container {
	s := r.summary
	return abi.Container{
		ID:      s.ID,
		Name:    displayName(r.name, s.ID),
		Image:   foreign.Line(s.Image, 256),
		State:   foreign.Line(s.State, 32),
		Status:  foreign.Line(s.Status, 128),
		Health:  healthIn(s.Status),
		Created: millis(time.Unix(s.Created, 0)),
		Project: foreign.Line(s.Labels[projectLabel], 128),
	}
}

// primaryName is a container's own name. The engine also lists its names as a
// link of other containers, which have a second slash: "/web/db".
func primaryName(names []string) string {
	for _, n := range names {
		if n = bareName(n); n != "" && !strings.Contains(n, "/") {
			return n
		}
	}
	return ""
}

// displayName falls back to the short id that the engine's own tools show.
func displayName(name, id string) string {
	if name == "" {
		return id[:12]
	}
	return foreign.Line(name, maxName)
}

// healthIn reads the health out of the engine's own words, the only place
// where a list of API 1.51 and older has it: "Up 3 minutes (healthy)".
func healthIn(status string) string {
	switch {
	case strings.HasSuffix(status, "(healthy)"):
		return container.Healthy
	case strings.HasSuffix(status, "(unhealthy)"):
		return container.Unhealthy
	case strings.HasSuffix(status, "(health: starting)"):
		return container.Starting
	}
	return ""
}

// millis counts from 1970; what lies before, the engine's "never" included, is 0.
func millis(t time.Time) int64 {
	if t.Year() > 9999 {
		return 0
	}
	return max(t.UnixMilli(), 0)
}
