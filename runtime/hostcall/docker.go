package hostcall

import (
	"context"
	"fmt"
	"strings"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// Keep says whether a container, named as the engine names it without the
// leading slash, may be seen. It is called by one goroutine at a time.
type Keep = func(name string, labels map[string]string) bool

// Docker reads Docker engines. It asks keep about every container that it
// answers with; a container without a name goes by the beginning of its id.
// Errors carry an [abi.Error]: unavailable when the engine does not answer,
// not_found, conflict, invalid, and denied for a container that keep refuses.
type Docker interface {
	// Hosts returns the names of the endpoints, without asking an engine.
	Hosts() []string
	Info(ctx context.Context, host string) (abi.DockerInfo, error)
	List(ctx context.Context, q abi.ContainerQuery, keep Keep) (abi.ContainerList, error)
	Inspect(ctx context.Context, ref abi.ContainerRef, keep Keep) (abi.ContainerDetails, error)
	Stats(ctx context.Context, ref abi.ContainerRef, keep Keep) (abi.ContainerStats, error)
	// Find says which container a reference means, with its full id, its name
	// and its state. One that must not be touched, the bot's own, is refused
	// with conflict (E6).
	Find(ctx context.Context, ref abi.ContainerRef, keep Keep) (abi.Container, error)
	// Act does one of the Act words of guest/abi to the container with this full
	// id. That it is so already is no error. If the context ends first the
	// engine goes on, and the answer says that it is pending.
	Act(ctx context.Context, host, id, act string) (abi.ContainerDone, error)
	// Rename gives the container with this full id another name, which it checks.
	Rename(ctx context.Context, host, id, to string) (abi.ContainerDone, error)
	// Logs, Runtime and Env read what is shown within a session only. Each asks
	// keep once about its container.
	Logs(ctx context.Context, q abi.LogQuery, keep Keep) (abi.LogPage, error)
	Runtime(ctx context.Context, ref abi.ContainerRef, keep Keep) (abi.ContainerRuntime, error)
	Env(ctx context.Context, ref abi.ContainerRef, keep Keep) (abi.ContainerEnv, error)
}

var errNoDocker = refuse(abi.Unavailable, "Docker is not configured.")

func (s Sources) dockerInfo(ctx context.Context, c *Caller, q abi.DockerQuery) (abi.DockerInfo, error) {
	if s.Docker == nil {
		return abi.DockerInfo{}, errNoDocker
	}
	info, err := s.Docker.Info(ctx, q.Host)
	if err == nil {
		err = s.recount(ctx, c, q.Host, &info)
	}
	if err != nil {
		return abi.DockerInfo{}, err
	}
	return info, nil
}

func (s Sources) dockerHosts(context.Context, *Caller, abi.DockerQuery) (abi.DockerHosts, error) {
	if s.Docker == nil {
		return abi.DockerHosts{}, errNoDocker
	}
	return abi.DockerHosts{Names: s.Docker.Hosts()}, nil
}

func (s Sources) containerList(ctx context.Context, c *Caller, q abi.ContainerQuery) (abi.ContainerList, error) {
	if s.Docker == nil {
		return abi.ContainerList{}, errNoDocker
	}
	w := watch(c, capability.ContainersList)
	list, err := s.Docker.List(ctx, q, w.keep)
	w.report(c.Log)
	if err != nil {
		return abi.ContainerList{}, err
	}
	for _, container := range list.Containers {
		if err := w.admits(container); err != nil {
			return abi.ContainerList{}, err
		}
	}
	return list, nil
}

func (s Sources) containerInspect(ctx context.Context, c *Caller, ref abi.ContainerRef) (abi.ContainerDetails, error) {
	if s.Docker == nil {
		return abi.ContainerDetails{}, errNoDocker
	}
	w := watch(c, capability.ContainersInspect)
	details, err := s.Docker.Inspect(ctx, ref, w.keep)
	if err == nil {
		err = w.admits(details.Container)
	}
	if err != nil {
		return abi.ContainerDetails{}, err
	}
	return details, nil
}

func (s Sources) containerStats(ctx context.Context, c *Caller, ref abi.ContainerRef) (abi.ContainerStats, error) {
	return looking(s, c, capability.ContainersStats, func(keep Keep) (abi.ContainerStats, error) { return s.Docker.Stats(ctx, ref, keep) })
}

func (s Sources) containerLogs(ctx context.Context, c *Caller, q abi.LogQuery) (abi.LogPage, error) {
	return looking(s, c, capability.ContainersLogs, func(keep Keep) (abi.LogPage, error) { return s.Docker.Logs(ctx, q, keep) })
}

func (s Sources) containerRuntime(ctx context.Context, c *Caller, ref abi.ContainerRef) (abi.ContainerRuntime, error) {
	r, err := looking(s, c, capability.ContainersRuntime, func(keep Keep) (abi.ContainerRuntime, error) { return s.Docker.Runtime(ctx, ref, keep) })
	withoutOthers(c, &r)
	return r, err
}

func (s Sources) containerEnv(ctx context.Context, c *Caller, ref abi.ContainerRef) (abi.ContainerEnv, error) {
	return looking(s, c, capability.ContainersEnv, func(keep Keep) (abi.ContainerEnv, error) { return s.Docker.Env(ctx, ref, keep) })
}

// looking reads something about one container. Nothing leaves the host unless
// the last container that the adapter asked about may be seen.
func looking[R any](s Sources, c *Caller, name capability.Name, read func(Keep) (R, error)) (R, error) {
	var none R
	if s.Docker == nil {
		return none, errNoDocker
	}
	w := watch(c, name)
	result, err := read(w.keep)
	if err == nil && !w.last {
		err = fmt.Errorf("an answer of %s came without a look at the scope", name)
	}
	if err != nil {
		return none, err
	}
	return result, nil
}

// watcher asks the grant and the user's reach for an adapter, and remembers the
// verdicts: an answer about a container that was not admitted does not leave the
// host, whatever the adapter, or the engine behind it, made of the question.
type watcher struct {
	caller *Caller
	name   capability.Name
	// reach is how far the user reached when the call began: where the module
	// and the user both may, the answer is yes.
	reach    capability.Reach
	admitted map[string]bool
	last     bool
	// labels are those of the container that was asked about last.
	labels map[string]string
	// unclean is the first name that was refused because it would change on
	// its way to a reader; uncleans counts them.
	unclean  string
	uncleans int
}

// maxName is the length up to which an adapter shows a name whole, in runes.
const maxName = 255

func watch(c *Caller, name capability.Name) *watcher {
	return &watcher{caller: c, name: name, reach: c.Pass.Reaches(), admitted: map[string]bool{}}
}

// keep refuses a name that does not leave the host as it is: what is shown could
// not be held against the verdict any more. Docker gives no container such a
// name, so its engine is not to be trusted; the other containers stay.
func (w *watcher) keep(name string, labels map[string]string) bool {
	if foreign.Line(name, maxName) != name {
		if w.uncleans++; w.uncleans == 1 {
			w.unclean = name
		}
		w.last = false
		return false
	}
	w.labels = labels
	target := capability.Target{Name: name, Labels: labels}
	w.last = w.reach.Contains(target) && w.caller.Grant.Allows(w.name, target)
	if w.last {
		w.admitted[name] = true
	}
	return w.last
}

// report logs what was left out of a list, in one line.
func (w *watcher) report(log *zap.Logger) {
	if w.uncleans == 0 {
		return
	}
	log.Warn("containers are left out: the engine gave them names that no container has",
		zap.String("event", "docker.bad_name"), zap.Int("containers", w.uncleans),
		zap.String("first", foreign.Line(w.unclean, maxName)))
}

func (w *watcher) admits(c abi.Container) error {
	if w.admitted[c.Name] || w.admitted[""] && strings.HasPrefix(c.ID, c.Name) {
		return nil
	}
	return fmt.Errorf("container %q came without a look at the scope", c.Name)
}
