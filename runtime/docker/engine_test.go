package docker

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
)

// What is tested here runs against a real engine.

// mine admits the containers of one test, by a label.
func mine(t testing.TB) (labels map[string]string, keep Keep) {
	id := dockertest.Unique("test")
	return map[string]string{"test": id}, func(_ string, labels map[string]string) bool { return labels["test"] == id }
}

func realClient(t testing.TB) *Client {
	t.Helper()
	return newClientWith(t, Config{Hosts: []string{dockertest.Engine(t)}, Timeout: 20 * time.Second})
}

func TestListOfARealEngine(t *testing.T) {
	c := realClient(t)
	labels, keep := mine(t)
	base := dockertest.Unique("")[1:]
	for name, state := range map[string]dockertest.State{
		"d-run": dockertest.Running, "b-run": dockertest.Running,
		"a-made": dockertest.Created, "c-paused": dockertest.Paused,
	} {
		dockertest.Run(t, dockertest.Container{Name: name + base, Labels: labels, State: state})
	}
	dockertest.Run(t, dockertest.Container{State: dockertest.Created}) // another's

	whole := []string{"b-run", "d-run", "a-made", "c-paused"}
	for _, tc := range []struct {
		offset, count int
		want          []string
	}{
		{0, 0, whole}, {0, 2, whole[:2]}, {2, 2, whole[2:]}, {3, 10, whole[3:]}, {4, 1, nil}, {99, 0, nil}, {0, MaxPage + 1, whole},
	} {
		list, err := c.List(context.Background(), abi.ContainerQuery{Offset: tc.offset, Count: tc.count}, keep)
		if err != nil {
			t.Fatal(err)
		}
		if list.Total != 4 || list.Running != 2 {
			t.Errorf("total %d, running %d, want 4 and 2 for every page", list.Total, list.Running)
		}
		var got []string
		for _, row := range list.Containers {
			got = append(got, strings.TrimSuffix(row.Name, base))
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("offset %d, count %d: %q, want %q", tc.offset, tc.count, got, tc.want)
		}
	}
	for _, q := range []abi.ContainerQuery{{Offset: -1}, {Count: -1}} {
		_, err := c.List(context.Background(), q, keep)
		wantCode(t, err, abi.Invalid)
	}
	none, err := c.List(context.Background(), abi.ContainerQuery{}, nil)
	if err != nil || none.Total != 0 {
		t.Errorf("without a scope: %d containers, %v; want none", none.Total, err)
	}
}

func TestInspectOfARealEngine(t *testing.T) {
	c := realClient(t)
	labels, keep := mine(t)
	labels["API_TOKEN"], labels["com.docker.compose.project"] = "abc", "shop"
	name := dockertest.Unique("inspect")
	id := dockertest.Run(t, dockertest.Container{
		Name: name, Labels: labels, Args: []string{"exit", "3", "--password", "hunter2"}, State: dockertest.Exited,
		Adjust: func(cfg *container.Config, host *container.HostConfig) {
			cfg.ExposedPorts = nat.PortSet{"443/tcp": {}, "80/tcp": {}}
			host.PortBindings = nat.PortMap{"80/tcp": {{HostIP: "127.0.0.1", HostPort: "8080"}}}
		},
	})
	for _, ref := range []string{id, name} {
		d, err := c.Inspect(context.Background(), abi.ContainerRef{ID: ref}, keep)
		if err != nil {
			t.Fatal(err)
		}
		if d.ID != id || d.Name != name || d.State != "exited" || d.ExitCode != 3 || d.Project != "shop" {
			t.Errorf("details %+v", d)
		}
		if !strings.HasPrefix(d.Status, "Exited (3)") {
			t.Errorf("status %q, want the engine's own words", d.Status)
		}
		// Finished may be a millisecond before Started: the engine notes the
		// start of a program that ends at once after its end.
		if age := time.Since(time.UnixMilli(d.Created)); age < 0 || age > 5*time.Minute || d.Started < d.Created || d.Finished < d.Created {
			t.Errorf("created %d, started %d, finished %d", d.Created, d.Started, d.Finished)
		}
		if want := []string{"/probe", "exit", "3", "--password", masked}; !slices.Equal(d.Command, want) {
			t.Errorf("command %q, want %q", d.Command, want)
		}
		if want := []abi.Port{{Container: "80/tcp", HostIP: "127.0.0.1", HostPort: "8080"}, {Container: "443/tcp"}}; !slices.Equal(d.Ports, want) {
			t.Errorf("ports %+v, want %+v", d.Ports, want)
		}
		if got := d.Labels[0]; got != (abi.Label{Name: "API_TOKEN", Value: masked}) {
			t.Errorf("first label %+v", got)
		}
	}
	for _, prefix := range []string{id[:12], id[:2], id[:63]} {
		_, err := c.Inspect(context.Background(), abi.ContainerRef{ID: prefix}, anything)
		wantCode(t, err, abi.NotFound)
	}
}

func TestAContainerThatVanishes(t *testing.T) {
	c := realClient(t)
	labels, keep := mine(t)
	dockertest.Run(t, dockertest.Container{Labels: labels, State: dockertest.Created})
	list, err := c.List(context.Background(), abi.ContainerQuery{}, keep)
	if err != nil || len(list.Containers) != 1 {
		t.Fatalf("list %+v, %v", list, err)
	}
	ref := abi.ContainerRef{ID: list.Containers[0].ID}
	if err := dockertest.Client(t).ContainerRemove(context.Background(), ref.ID, container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	_, err = c.Inspect(context.Background(), ref, keep)
	wantCode(t, err, abi.NotFound)
	_, err = c.Stats(context.Background(), ref, keep)
	wantCode(t, err, abi.NotFound)
}

func TestStatsOfARealEngine(t *testing.T) {
	c := realClient(t)
	busy := dockertest.Run(t, dockertest.Container{Args: []string{"burn", "1"}})
	idle := dockertest.Run(t, dockertest.Container{})
	made := dockertest.Run(t, dockertest.Container{State: dockertest.Created})
	stats := func(id string) abi.ContainerStats {
		t.Helper()
		begin := time.Now()
		got, err := c.Stats(context.Background(), abi.ContainerRef{ID: id}, anything)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%.12s after %v: %+v", id, time.Since(begin).Round(time.Millisecond), got)
		if got.MemoryUsed <= 0 || got.MemoryLimit < got.MemoryUsed || got.PIDs < 1 || got.CPUs < 1 {
			t.Errorf("stats %+v", got)
		}
		return got
	}
	for range 2 { // with and without a sample from before
		// The bound is low: on a crowded machine the burner gets little.
		if got := stats(busy); got.CPUPercent < 0.5 || got.CPUPercent > float64(got.CPUs)*100 {
			t.Errorf("a burning container uses %v %%", got.CPUPercent)
		}
	}
	if got := stats(idle); got.CPUPercent > 10 {
		t.Errorf("an idle container uses %v %%", got.CPUPercent)
	}
	_, err := c.Stats(context.Background(), abi.ContainerRef{ID: made}, anything)
	wantCode(t, err, abi.Conflict)
}

func TestInfoOfARealEngine(t *testing.T) {
	c := realClient(t)
	dockertest.Run(t, dockertest.Container{})
	got, err := c.Info(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	if got.Version == "" || got.APIVersion == "" || got.CPUs < 1 || got.MemoryTotal <= 0 || got.Running < 1 || got.Containers < got.Running || got.EngineResponseMS <= 0 {
		t.Errorf("info %+v", got)
	}
	if !slices.Equal(got.Hosts, []string{"local"}) {
		t.Errorf("hosts %q", got.Hosts)
	}
}

func TestManyCallersAtOnce(t *testing.T) {
	c := realClient(t)
	labels, keep := mine(t)
	ids := dockertest.RunMany(t, 3, func(int) dockertest.Container {
		return dockertest.Container{Labels: labels, State: dockertest.Created}
	})
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			if _, err := c.Inspect(context.Background(), abi.ContainerRef{ID: ids[i%3]}, keep); err != nil {
				t.Error(err)
			}
			if list, err := c.List(context.Background(), abi.ContainerQuery{}, keep); err != nil || list.Total != 3 {
				t.Errorf("%d containers, %v", list.Total, err)
			}
		})
	}
	wg.Wait()
}

func TestTheEngineGoesAwayAndComesBack(t *testing.T) {
	real := strings.TrimPrefix(dockertest.Engine(t), "unix://")
	line := &wire{to: real, at: filepath.Join(t.TempDir(), "d.sock")}
	line.restore(t)
	c := newClientWith(t, Config{Hosts: []string{"unix://" + line.at}, Timeout: 10 * time.Second})
	for round := range 3 {
		t.Run(fmt.Sprint("round ", round), func(t *testing.T) {
			if _, err := c.List(context.Background(), abi.ContainerQuery{}, anything); err != nil {
				t.Fatalf("the engine is there: %v", err)
			}
			line.cut()
			begin := time.Now()
			_, err := c.List(context.Background(), abi.ContainerQuery{}, anything)
			wantCode(t, err, abi.Unavailable)
			if took := time.Since(begin); took > DefaultTimeout {
				t.Errorf("said so after %v", took)
			}
			line.restore(t)
			if _, err = c.Info(context.Background(), ""); err != nil {
				t.Errorf("the first call after it came back: %v", err)
			}
		})
	}
	line.cut()
	line.restore(t)
	if err := c.Ping(context.Background(), ""); err != nil {
		t.Errorf("an outage that nobody saw: %v", err)
	}
	line.cut()
}

// wire leads from a socket of the test to the engine's and can be cut.
type wire struct {
	at, to   string
	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
	wg       sync.WaitGroup
}

func (w *wire) restore(t *testing.T) {
	t.Helper()
	l, err := net.Listen("unix", w.at)
	if err != nil {
		t.Fatal(err)
	}
	w.listener = l
	w.wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("unix", w.to)
			if err != nil {
				_ = in.Close()
				continue
			}
			w.mu.Lock()
			w.conns = append(w.conns, in, out)
			w.mu.Unlock()
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				w.wg.Go(func() { _, _ = io.Copy(pair[0], pair[1]); _ = pair[0].Close() })
			}
		}
	})
}

func (w *wire) cut() {
	_ = w.listener.Close()
	w.mu.Lock()
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
	w.mu.Unlock()
	w.wg.Wait()
}

func BenchmarkList(b *testing.B) {
	c, bare := realClient(b), dockertest.Client(b)
	made := 0
	for _, n := range []int{5, 200} {
		dockertest.RunMany(b, n-made, func(int) dockertest.Container {
			return dockertest.Container{State: dockertest.Created, Labels: map[string]string{"com.docker.compose.project": "bench"}}
		})
		made = n
		b.Run(fmt.Sprintf("adapter/%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := c.List(context.Background(), abi.ContainerQuery{Count: 10}, anything); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("bare-client/%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := bare.ContainerList(context.Background(), container.ListOptions{All: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkInspect(b *testing.B) {
	c := realClient(b)
	ref := abi.ContainerRef{ID: dockertest.Run(b, dockertest.Container{State: dockertest.Created})}
	for b.Loop() {
		if _, err := c.Inspect(context.Background(), ref, anything); err != nil {
			b.Fatal(err)
		}
	}
}
