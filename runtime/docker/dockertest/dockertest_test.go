package dockertest

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/docker/docker/api/types/container"
)

func TestContainersReachTheirState(t *testing.T) {
	cli := Client(t)
	for want, c := range map[string]Container{
		"running": {},
		"paused":  {State: Paused},
		"exited":  {State: Exited, Args: []string{"exit", "3"}},
		"created": {State: Created},
	} {
		got, err := cli.ContainerInspect(context.Background(), Run(t, c))
		if err != nil {
			t.Fatal(err)
		}
		if got.State.Status != want {
			t.Errorf("state %s, want %s", got.State.Status, want)
		}
	}
}

func TestContainersGoWithTheirTest(t *testing.T) {
	cli := Client(t)
	var id string
	t.Run("inner", func(t *testing.T) { id = Run(t, Container{State: Created}) })
	if _, err := cli.ContainerInspect(context.Background(), id); err == nil {
		t.Errorf("container %.12s outlived its test", id)
	}
}

func TestLeftoversOfADeadRunAreRemovedAndOthersStay(t *testing.T) {
	cli := Client(t)
	mine := Run(t, Container{State: Created})
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	left, err := cli.ContainerCreate(context.Background(), &container.Config{
		Image:  Image(t),
		Labels: map[string]string{Label: owner(dead.Process.Pid)},
	}, &container.HostConfig{NetworkMode: "none"}, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	removeLeftovers(t, cli)
	if _, err := cli.ContainerInspect(context.Background(), left.ID); err == nil {
		t.Error("the container of a dead run is still there")
	}
	if _, err := cli.ContainerInspect(context.Background(), mine); err != nil {
		t.Errorf("the container of a live run is gone: %v", err)
	}
}

func TestAProcessIsKnownByItsIDAndStart(t *testing.T) {
	for label, want := range map[string]bool{
		owner(os.Getpid()):           true,
		owner(os.Getpid()) + "1":     false,
		"":                           false,
		"image":                      false,
		"999999999/":                 false,
		"nonsense with spaces / 1/2": false,
	} {
		if got := alive(label); got != want {
			t.Errorf("alive(%q) = %v, want %v", label, got, want)
		}
	}
}
