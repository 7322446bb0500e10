package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	building "github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// Build makes an image from the test image and returns its full id: instructions
// are lines of a Dockerfile below its FROM, tags what the image is called, if
// anything. It is removed when the test ends.
func Build(tb testing.TB, instructions []string, tags ...string) string {
	tb.Helper()
	base, cli := Image(tb), dial(tb, engineURL())
	sweepImages.Do(func() { removeOldImages(tb, cli) })
	lines := append([]string{"FROM " + base, fmt.Sprintf("LABEL %s=%q", Label, owner(os.Getpid()))}, instructions...)
	id, err := buildImage(cli, strings.Join(lines, "\n")+"\n", tags)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := removeImage(cli, id); err != nil {
			tb.Errorf("remove image %s: %v", id, err)
		}
	})
	return id
}

var sweepImages sync.Once

func buildImage(cli *client.Client, dockerfile string, tags []string) (string, error) {
	var folder bytes.Buffer
	w := tar.NewWriter(&folder)
	if err := w.WriteHeader(&tar.Header{Name: "Dockerfile", Mode: 0o600, Size: int64(len(dockerfile))}); err != nil {
		return "", err
	}
	if _, err := io.WriteString(w, dockerfile); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	answer, err := cli.ImageBuild(context.Background(), &folder, building.ImageBuildOptions{Tags: tags, Remove: true, ForceRemove: true, NoCache: true})
	if err != nil {
		return "", fmt.Errorf("build an image: %w", err)
	}
	defer answer.Body.Close()
	return builtID(answer.Body)
}

// builtID reads the messages of a build.
func builtID(messages io.Reader) (id string, err error) {
	for decoder := json.NewDecoder(messages); ; {
		var m struct {
			Error string
			Aux   struct{ ID string }
		}
		switch err := decoder.Decode(&m); {
		case errors.Is(err, io.EOF) && id != "":
			return id, nil
		case err != nil:
			return "", fmt.Errorf("build an image: %w", err)
		case m.Error != "":
			return "", fmt.Errorf("build an image: %s", m.Error)
		case m.Aux.ID != "":
			id = m.Aux.ID
		}
	}
}

func removeImage(cli *client.Client, id string) error {
	_, err := cli.ImageRemove(context.Background(), id, image.RemoveOptions{Force: true, PruneChildren: true})
	if err != nil && strings.Contains(err.Error(), "No such image") {
		return nil
	}
	return err
}

// removeOldImages removes images of test processes that are no more.
func removeOldImages(tb testing.TB, cli *client.Client) {
	tb.Helper()
	all, err := cli.ImageList(context.Background(), image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", Label))})
	if err != nil {
		tb.Fatalf("list images of earlier runs: %v", err)
	}
	for _, i := range all {
		if made := i.Labels[Label]; made == "image" || alive(made) {
			continue
		}
		if err := removeImage(cli, i.ID); err != nil {
			tb.Logf("an image of an earlier run stays: %v", err)
		}
	}
}
