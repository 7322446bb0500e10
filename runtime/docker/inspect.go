package docker

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/nat"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// How much of one container is shown.
const (
	maxLabels = 100
	maxPorts  = 100
	maxWords  = 64
	maxText   = 256 // runes of a label's name or value, of a word, of an error
)

// Inspect returns one container's details, if keep admits what the engine says
// it is: [abi.Denied] otherwise, [abi.NotFound] if it is gone, [abi.Invalid]
// if ref is neither a full id nor a name. Secrets are masked.
func (c *Client) Inspect(ctx context.Context, ref abi.ContainerRef, keep Keep) (abi.ContainerDetails, error) {
	e, ctx, cancel, err := c.begin(ctx, ref.Host)
	if err != nil {
		return abi.ContainerDetails{}, err
	}
	defer cancel()
	got, err := e.resolve(ctx, ref.ID, keep)
	if err != nil {
		return abi.ContainerDetails{}, err
	}
	d := details(got)
	if d.Status, err = e.status(ctx, got.ID); err != nil {
		return abi.ContainerDetails{}, err
	}
	d.Status = cmp.Or(d.Status, d.State)
	return d, nil
}

// status returns the engine's own words for a container's state, which only
// its list has; empty if the container vanished meanwhile.
func (e *endpoint) status(ctx context.Context, id string) (words string, err error) {
	err = e.ask(ctx, "status", func(cli *client.Client) error {
		rows, err := cli.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("id", id))})
		for _, r := range rows {
			if r.ID == id {
				words = foreign.Line(r.Status, 128)
			}
		}
		return err
	})
	return words, err
}

func details(got container.InspectResponse) abi.ContainerDetails {
	d := abi.ContainerDetails{
		Container: abi.Container{
			ID:      got.ID,
			Name:    displayName(bareName(got.Name), got.ID),
			Created: timestamp(got.Created),
		},
		ImageID:      foreign.Line(got.Image, 128),
		RestartCount: max(got.RestartCount, 0),
		Command:      command(got.Path, got.Args),
		Ports:        ports(got),
	}
	if got.Config != nil {
		d.Image = foreign.Line(got.Config.Image, 256)
		d.Project = foreign.Line(got.Config.Labels[projectLabel], 128)
		d.Labels = labels(got.Config.Labels)
	}
	if got.State != nil {
		addState(&d, got.State)
	}
	return d
}

func addState(d *abi.ContainerDetails, s *container.State) {
	d.State = foreign.Line(s.Status, 32)
	d.Started, d.Finished = timestamp(s.StartedAt), timestamp(s.FinishedAt)
	d.ExitCode, d.OOMKilled = s.ExitCode, s.OOMKilled
	d.Error = foreign.Line(maskText(head(s.Error)), maxText) // it may quote the command
	if s.Health != nil && s.Health.Status != container.NoHealthcheck {
		d.Health = foreign.Line(s.Health.Status, 32)
	}
}

func command(path string, args []string) []string {
	words := make([]string, 0, maxWords)
	if path != "" {
		words = append(words, head(path))
	}
	for _, a := range args[:min(len(args), maxWords-len(words))] {
		words = append(words, head(a))
	}
	words = maskCommand(words)
	for i, w := range words {
		words[i] = foreign.Line(w, maxText)
	}
	return words
}

func labels(all map[string]string) []abi.Label {
	names := slices.Sorted(maps.Keys(all))
	out := make([]abi.Label, 0, min(len(names), maxLabels))
	for _, name := range names[:min(len(names), maxLabels)] {
		value := maskValue(head(name), head(all[name]))
		out = append(out, abi.Label{Name: foreign.Line(name, maxText), Value: foreign.Line(value, maxText)})
	}
	return out
}

// ports lists what is published now; for a container that does not run, what
// its configuration says.
func ports(got container.InspectResponse) []abi.Port {
	all := nat.PortMap{}
	if got.NetworkSettings != nil {
		maps.Copy(all, got.NetworkSettings.Ports)
	}
	if len(all) == 0 && got.Config != nil {
		for p := range got.Config.ExposedPorts {
			all[p] = nil
		}
	}
	if len(all) == 0 || got.State == nil || !got.State.Running {
		if got.HostConfig != nil {
			maps.Copy(all, got.HostConfig.PortBindings)
		}
	}
	var out []abi.Port
	for _, p := range slices.SortedFunc(maps.Keys(all), byNumber) {
		out = append(out, bindings(p, all[p])...)
		if len(out) >= maxPorts {
			return out[:maxPorts]
		}
	}
	return out
}

func bindings(p nat.Port, hosts []nat.PortBinding) []abi.Port {
	port := foreign.Line(string(p), 32)
	if len(hosts) == 0 {
		return []abi.Port{{Container: port}}
	}
	out := make([]abi.Port, 0, min(len(hosts), maxPorts))
	for _, h := range hosts[:min(len(hosts), maxPorts)] {
		out = append(out, abi.Port{Container: port, HostIP: foreign.Line(h.HostIP, 64), HostPort: foreign.Line(h.HostPort, 16)})
	}
	return out
}

func byNumber(a, b nat.Port) int {
	return cmp.Or(cmp.Compare(number(a), number(b)), cmp.Compare(a, b))
}

func number(p nat.Port) int {
	digits, _, _ := strings.Cut(string(p), "/")
	n, _ := strconv.Atoi(digits)
	return n
}

// timestamp reads the engine's times; "0001-01-01T00:00:00Z", its "never", and
// what is no time are 0.
func timestamp(s string) int64 {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0
	}
	return millis(t)
}

// head bounds the work of masking. It is far longer than what is shown, so a
// secret that it cuts in two is not shown either.
func head(s string) string { return s[:min(len(s), 16*maxText)] }
