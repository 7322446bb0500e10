package docker

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
)

// What is tested here runs against a real engine.

func mustAct(t *testing.T, c *Client, id, act string) abi.ContainerDone {
	t.Helper()
	done, err := c.Act(t.Context(), "", id, act)
	if err != nil {
		t.Fatalf("%s: %v", act, err)
	}
	return done
}

// want is how an act ends: with a state, which may have been there already, or
// with a refusal that says so.
type want struct {
	state     string
	unchanged bool
	refusal   string
}

func TestActsOnEachState(t *testing.T) {
	c := realClient(t)
	stop, paused, only := "stop it first", "unpause it instead", "Only a"
	for start, tc := range map[dockertest.State]map[string]want{
		dockertest.Running: {
			abi.ActStart:   {state: "running", unchanged: true},
			abi.ActStop:    {state: "exited"},
			abi.ActRestart: {state: "running"},
			abi.ActPause:   {state: "paused"},
			abi.ActUnpause: {state: "running", unchanged: true},
			abi.ActKill:    {state: "exited"},
			abi.ActRemove:  {refusal: stop},
		},
		dockertest.Paused: {
			abi.ActStart:   {refusal: paused},
			abi.ActStop:    {state: "exited"},
			abi.ActRestart: {state: "running"},
			abi.ActPause:   {state: "paused", unchanged: true},
			abi.ActUnpause: {state: "running"},
			abi.ActKill:    {state: "exited"},
			abi.ActRemove:  {refusal: stop},
		},
		dockertest.Created: {
			abi.ActStart:   {state: "running"},
			abi.ActStop:    {state: "created", unchanged: true},
			abi.ActRestart: {state: "running"},
			abi.ActPause:   {refusal: only},
			abi.ActUnpause: {refusal: only},
			abi.ActKill:    {state: "created", unchanged: true},
			abi.ActRemove:  {state: ""},
		},
	} {
		for act, want := range tc {
			t.Run(act+" of state "+[]string{"running", "paused", "exited", "created"}[start], func(t *testing.T) {
				t.Parallel()
				name := dockertest.Unique("act")
				// A paused container cannot hear that it is to stop: the engine
				// kills it after its time.
				second := 1
				id := dockertest.Run(t, dockertest.Container{Name: name, State: start, Adjust: func(cfg *container.Config, _ *container.HostConfig) {
					cfg.StopTimeout = &second
				}})
				done, err := c.Act(t.Context(), "", id, act)
				if want.refusal != "" {
					wantCode(t, err, abi.Conflict)
					if err != nil && !strings.Contains(err.Error(), want.refusal) {
						t.Errorf("says %v, want %q in it", err, want.refusal)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if done != (abi.ContainerDone{Name: name, State: want.state, Unchanged: want.unchanged}) {
					t.Errorf("done %+v, want %+v", done, want)
				}
			})
		}
	}
}

// TestEachActTwice: the second time it is so already, says so, and is no error.
func TestEachActTwice(t *testing.T) {
	c := realClient(t)
	id := dockertest.Run(t, dockertest.Container{State: dockertest.Exited, Args: []string{"exit", "0"}})
	if done := mustAct(t, c, id, abi.ActStop); done.State != "exited" || !done.Unchanged {
		t.Errorf("stop of an exited one: %+v", done)
	}
	if done := mustAct(t, c, id, abi.ActKill); done.State != "exited" || !done.Unchanged {
		t.Errorf("kill of an exited one: %+v", done)
	}
	id = dockertest.Run(t, dockertest.Container{State: dockertest.Created})
	for _, step := range []struct{ act, state string }{
		{abi.ActStart, "running"}, {abi.ActPause, "paused"}, {abi.ActUnpause, "running"}, {abi.ActStop, "exited"},
		{abi.ActStart, "running"}, {abi.ActKill, "exited"},
	} {
		for _, again := range []bool{false, true} {
			if done := mustAct(t, c, id, step.act); done.State != step.state || done.Unchanged != again || done.Pending {
				t.Errorf("%s, again %v: %+v, want state %s", step.act, again, done, step.state)
			}
		}
	}
	for range 2 { // which is never so already
		if done := mustAct(t, c, id, abi.ActRestart); done.State != "running" || done.Unchanged {
			t.Errorf("restart: %+v", done)
		}
	}
	mustAct(t, c, id, abi.ActKill)
	// A busy engine says that it has killed a while before it says that nothing
	// runs.
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if got, err := c.Find(t.Context(), abi.ContainerRef{ID: id}, func(string, map[string]string) bool { return true }); err == nil && got.State == "exited" || time.Now().After(deadline) {
			break
		}
	}
	if done := mustAct(t, c, id, abi.ActRemove); done.State != "" || done.Unchanged || done.Pending {
		t.Errorf("remove: %+v", done)
	}
	for act := range orders {
		_, err := c.Act(t.Context(), "", id, act)
		wantCode(t, err, abi.NotFound)
	}
}

func TestRemoveLeavesVolumes(t *testing.T) {
	c, cli := realClient(t), dockertest.Client(t)
	id := dockertest.Run(t, dockertest.Container{State: dockertest.Created, Adjust: func(cfg *container.Config, _ *container.HostConfig) {
		cfg.Volumes = map[string]struct{}{"/data": {}}
	}})
	got, err := cli.ContainerInspect(t.Context(), id)
	if err != nil || len(got.Mounts) != 1 {
		t.Fatalf("%d mounts, %v", len(got.Mounts), err)
	}
	mustAct(t, c, id, abi.ActRemove)
	volume := got.Mounts[0].Name
	if _, err := cli.VolumeInspect(t.Context(), volume); err != nil {
		t.Errorf("the anonymous volume went with its container: %v", err)
	}
	if err := cli.VolumeRemove(context.Background(), volume, true); err != nil {
		t.Error(err)
	}
}

// TestAContainerThatTakesItsTimeToStop ignores SIGTERM and has three seconds.
func TestAContainerThatTakesItsTimeToStop(t *testing.T) {
	c := realClient(t)
	three := 3
	id := dockertest.Run(t, dockertest.Container{Args: []string{"trap"}, Adjust: func(cfg *container.Config, _ *container.HostConfig) {
		cfg.StopTimeout = &three
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
	defer cancel()
	begin := time.Now()
	done, err := c.Act(ctx, "", id, abi.ActStop)
	if err != nil || !done.Pending || done.Unchanged || done.State != "running" || ctx.Err() != nil {
		t.Fatalf("after %v: %+v, %v; want it pending before the caller's time is over", time.Since(begin), done, err)
	}
	cancel()
	// The engine's own wait ends when the container does.
	ended, failed := dockertest.Client(t).ContainerWait(t.Context(), id, container.WaitConditionNotRunning)
	select {
	case <-ended:
	case err := <-failed:
		t.Fatal(err)
	}
	if took := time.Since(begin); took < 2500*time.Millisecond {
		t.Errorf("it was stopped after %v, before its own time was over", took)
	}
	if done := mustAct(t, c, id, abi.ActStop); done.State != "exited" || !done.Unchanged {
		t.Errorf("afterwards: %+v", done)
	}
}

func TestAContainerThatRemovesItselfIsGone(t *testing.T) {
	c := realClient(t)
	id := dockertest.Run(t, dockertest.Container{Adjust: func(_ *container.Config, host *container.HostConfig) { host.AutoRemove = true }})
	done := mustAct(t, c, id, abi.ActStop)
	// The engine removes it right after it stopped.
	if !slices.Contains([]string{"", "exited", "removing"}, done.State) {
		t.Errorf("done %+v", done)
	}
}

func TestWhyAContainerDoesNotStartIsSaid(t *testing.T) {
	c := realClient(t)
	id := dockertest.Run(t, dockertest.Container{State: dockertest.Created, Adjust: func(cfg *container.Config, _ *container.HostConfig) {
		cfg.Entrypoint = []string{"/nothing-there"}
	}})
	for _, act := range []string{abi.ActStart, abi.ActRestart} {
		_, err := c.Act(t.Context(), "", id, act)
		wantCode(t, err, abi.Conflict)
		if err != nil && !strings.Contains(err.Error(), "/nothing-there") {
			t.Errorf("%s says %v", act, err)
		}
	}
}

func TestTheBotsOwnContainerIsNotTouched(t *testing.T) {
	labels, keep := mine(t)
	name := dockertest.Unique("own")
	id := dockertest.Run(t, dockertest.Container{Name: name, Labels: labels})
	other := dockertest.Run(t, dockertest.Container{Labels: labels})
	c := newClientWith(t, Config{Hosts: []string{dockertest.Engine(t)}, Timeout: 20 * time.Second, Self: id})
	for _, ref := range []string{id, name} {
		_, err := c.Find(t.Context(), abi.ContainerRef{ID: ref}, keep)
		wantCode(t, err, abi.Conflict)
		_, err = c.Find(t.Context(), abi.ContainerRef{ID: ref}, func(string, map[string]string) bool { return false })
		wantCode(t, err, abi.Denied) // not even that is told outside the scope
	}
	for act := range orders {
		_, err := c.Act(t.Context(), "", id, act)
		wantCode(t, err, abi.Conflict)
		if err != nil && !strings.Contains(err.Error(), "bot's own container") {
			t.Errorf("%s says %v", act, err)
		}
	}
	got, err := dockertest.Client(t).ContainerInspect(t.Context(), id)
	if err != nil || got.State.Status != "running" || got.RestartCount != 0 {
		t.Errorf("state %+v, %v", got.State, err)
	}
	if done := mustAct(t, c, other, abi.ActKill); done.State != "exited" {
		t.Errorf("another: %+v", done)
	}
}

func TestFindOnARealEngine(t *testing.T) {
	c := realClient(t)
	labels, keep := mine(t)
	name := dockertest.Unique("find")
	id := dockertest.Run(t, dockertest.Container{Name: name, Labels: labels, State: dockertest.Paused})
	for _, ref := range []string{id, name} {
		got, err := c.Find(t.Context(), abi.ContainerRef{ID: ref}, keep)
		if err != nil || got.ID != id || got.Name != name || got.State != "paused" || got.Created == 0 || got.Image == "" {
			t.Errorf("found %+v, %v", got, err)
		}
	}
	_, err := c.Find(t.Context(), abi.ContainerRef{ID: id[:12]}, anything)
	wantCode(t, err, abi.NotFound)
}
