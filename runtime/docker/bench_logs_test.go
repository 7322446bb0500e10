package docker

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/docker/docker/api/types/container"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
)

// bigLog is a container with a log of 50 MB in 500,000 lines.
func bigLog(b *testing.B) string {
	b.Helper()
	const lines = 500_000
	return logged(b, fmt.Sprintf("line %07d", lines), dockertest.Container{Args: []string{"fill", fmt.Sprint(lines)}})
}

// BenchmarkLogs reads the last page of a log of 50 MB, beside the engine's own
// share: what its bare client takes to look at the container and to copy the
// same lines.
func BenchmarkLogs(b *testing.B) {
	id := bigLog(b)
	ctx := context.Background()
	bare, c := dockertest.Client(b), realClient(b)
	b.Run("engine", func(b *testing.B) {
		for b.Loop() {
			if _, err := bare.ContainerInspect(ctx, id); err != nil {
				b.Fatal(err)
			}
			body, err := bare.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Tail: "57"})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, body); err != nil {
				b.Fatal(err)
			}
			_ = body.Close()
		}
	})
	older := logs(b, c, abi.LogQuery{ID: id, Count: 25})
	for _, view := range []struct {
		name string
		q    abi.LogQuery
	}{
		{"last_page", abi.LogQuery{}},
		{"page_before", abi.LogQuery{Before: older.Older}},
		{"nothing_new", abi.LogQuery{After: older.Newer}},
	} {
		view.q.ID, view.q.Count = id, 25
		b.Run(view.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Logs(ctx, view.q, anything); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	// A search for what stands at the log's beginning ends at its bound of time.
	b.Run("search_until_partial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			page, err := c.Logs(ctx, abi.LogQuery{ID: id, Count: 25, Contains: "line 0000007 "}, anything)
			if err != nil {
				b.Fatal(err)
			}
			if page.Partial {
				at, err := parseCursor(page.Older)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(at.depth), "lines")
			}
		}
	})
}
