// Package dockertest gives tests and benchmarks a real Docker engine with
// containers of their own: no registry is asked, the only image is built from
// the program in the folder probe.
//
// Every container carries [Label] and goes when its test ends; what a crashed
// run left behind goes when the next one begins. The image stays: it is small,
// named after its content, and shared by packages that test side by side.
package dockertest

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
)

// Label marks containers of tests. Its value names the process that made them.
const Label = "io.cofferdam.dockertest"

// State is what a container is brought to.
type State int

// The states that [Run] can make.
const (
	Running State = iota
	Paused
	Exited  // by itself: its Args must end, as "exit 3" does
	Created // never started, which is quick
)

// Container describes a container to make. The zero value is one that runs and
// sleeps.
type Container struct {
	Name   string // unique on the engine (see [Unique]); empty: the engine's choice
	Labels map[string]string
	// Image is what it is made of, an image of [Build]; empty: the test image.
	Image string
	// Args are the program's: those of probe/main.go; empty: sleep.
	Args  []string
	State State
	// Adjust may change everything else before the container is made.
	Adjust func(*container.Config, *container.HostConfig)
}

// Engine returns the URL of an engine that answers: DOCKER_HOST, or the usual
// socket. Without one the test is skipped, or fails if COFFERDAM_CI is 1.
func Engine(tb testing.TB) string {
	tb.Helper()
	host := engineURL()
	cli := dial(tb, host)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if _, err := cli.Ping(ctx); err != nil {
		unmet(tb, fmt.Sprintf("no Docker engine answers on %s: %v", host, err))
	}
	sweep.Do(func() { removeLeftovers(tb, cli) })
	return host
}

var sweep sync.Once

// unmet ends a test that lacks what it needs.
func unmet(tb testing.TB, reason string) {
	tb.Helper()
	if os.Getenv("COFFERDAM_CI") == "1" {
		tb.Fatal(reason)
	}
	tb.Skip(reason)
}

func engineURL() string {
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		return host
	}
	return client.DefaultDockerHost
}

// Client returns the bare client of the engine, to be compared with or to do
// what no adapter does. It is closed when the test ends.
func Client(tb testing.TB) *client.Client {
	tb.Helper()
	return dial(tb, Engine(tb))
}

func dial(tb testing.TB, host string) *client.Client {
	tb.Helper()
	cli, err := client.NewClientWithOpts(client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		tb.Fatalf("make a client for %s: %v", host, err)
	}
	tb.Cleanup(func() { _ = cli.Close() })
	return cli
}

var serial atomic.Int64

// Unique returns a container's name that no other test uses.
func Unique(base string) string {
	return fmt.Sprintf("%s-%d-%d", base, os.Getpid(), serial.Add(1))
}

// Run makes a container, brings it to its state and returns its id. It is
// removed when the test ends.
func Run(tb testing.TB, c Container) string {
	tb.Helper()
	return RunMany(tb, 1, func(int) Container { return c })[0]
}

// RunMany makes n containers, some at a time, and returns their ids in order.
func RunMany(tb testing.TB, n int, describe func(i int) Container) []string {
	tb.Helper()
	image := Image(tb)
	cli := dial(tb, engineURL())
	ids, errs := make([]string, n), make([]error, n)
	tb.Cleanup(func() { removeAll(tb, cli, ids) })
	parallel(n, func(i int) { ids[i], errs[i] = run(context.Background(), cli, image, describe(i)) })
	for _, err := range errs {
		if err != nil {
			tb.Fatal(err)
		}
	}
	return ids
}

// parallel runs f(0) to f(n-1), eight at a time, and waits for them.
func parallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(i)
		})
	}
	wg.Wait()
}

// run returns the id even with an error, if there is something to remove.
func run(ctx context.Context, cli *client.Client, image string, c Container) (string, error) {
	labels := map[string]string{Label: owner(os.Getpid())}
	for k, v := range c.Labels {
		labels[k] = v
	}
	cfg := &container.Config{Image: cmp.Or(c.Image, image), Cmd: c.Args, Labels: labels}
	host := &container.HostConfig{NetworkMode: "none"}
	if c.Adjust != nil {
		c.Adjust(cfg, host)
	}
	made, err := cli.ContainerCreate(ctx, cfg, host, nil, nil, c.Name)
	if err != nil {
		return "", fmt.Errorf("create container %q: %w", c.Name, err)
	}
	if err := bring(ctx, cli, made.ID, c.State); err != nil {
		return made.ID, fmt.Errorf("bring container %q to its state: %w", c.Name, err)
	}
	return made.ID, nil
}

func bring(ctx context.Context, cli *client.Client, id string, state State) error {
	if state == Created {
		return nil
	}
	if err := cli.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return err
	}
	switch state {
	case Paused:
		return cli.ContainerPause(ctx, id)
	case Exited:
		return waitExit(ctx, cli, id)
	}
	return nil
}

func waitExit(ctx context.Context, cli *client.Client, id string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	ended, failed := cli.ContainerWait(ctx, id, container.WaitConditionNotRunning)
	select {
	case <-ended:
		return nil
	case err := <-failed:
		return err
	}
}

func removeAll(tb testing.TB, cli *client.Client, ids []string) {
	parallel(len(ids), func(i int) {
		if ids[i] == "" {
			return
		}
		err := cli.ContainerRemove(context.Background(), ids[i], container.RemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil && !absent(err) {
			tb.Errorf("remove container %.12s: %v", ids[i], err)
		}
	})
}

// absent tells an error that says the container is gone or on its way.
func absent(err error) bool {
	return strings.Contains(err.Error(), "No such container") || strings.Contains(err.Error(), "already in progress")
}

// removeLeftovers removes containers of test processes that are no more.
func removeLeftovers(tb testing.TB, cli *client.Client) {
	tb.Helper()
	all, err := cli.ContainerList(context.Background(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", Label))})
	if err != nil {
		tb.Fatalf("list containers of earlier runs: %v", err)
	}
	var ids []string
	for _, c := range all {
		if !alive(c.Labels[Label]) {
			ids = append(ids, c.ID)
		}
	}
	removeAll(tb, cli, ids)
}

// owner names a process so that a later one with the same id is another:
// "pid/start time".
func owner(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return fmt.Sprintf("%d/", pid)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	const start = 19 // field 22 of proc_pid_stat(5), the third being the first here
	if len(fields) <= start {
		return fmt.Sprintf("%d/", pid)
	}
	return fmt.Sprintf("%d/%s", pid, fields[start])
}

func alive(label string) bool {
	var pid int
	if _, err := fmt.Sscanf(label, "%d/", &pid); err != nil {
		return false
	}
	return owner(pid) == label && !strings.HasSuffix(label, "/")
}
