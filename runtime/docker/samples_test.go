package docker

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
)

// BenchmarkSamples takes one round over 50 containers of the real engine. ns/op
// is how long a round takes, which is mostly waiting; cpu-ms/round is what this
// process spends, engine-ms/round what the engine does.
func BenchmarkSamples(b *testing.B) {
	host := dockertest.Engine(b)
	const n = 50
	dockertest.RunMany(b, n, func(int) dockertest.Container {
		return dockertest.Container{Adjust: func(_ *container.Config, h *container.HostConfig) { h.NetworkMode = "bridge" }}
	})
	c := newClientWith(b, Config{Hosts: []string{host}})
	if _, err := c.Samples(b.Context()); err != nil {
		b.Fatal(err)
	}
	ours, theirs := ownCPU(b), engineCPU(b)
	rounds := 0
	for b.Loop() {
		got, err := c.Samples(b.Context())
		if err != nil || len(got) < n {
			b.Fatalf("%d samples, %v", len(got), err)
		}
		rounds++
	}
	b.ReportMetric(float64((ownCPU(b)-ours).Microseconds())/1000/float64(rounds), "cpu-ms/round")
	b.ReportMetric(float64((engineCPU(b)-theirs).Microseconds())/1000/float64(rounds), "engine-ms/round")
}

func ownCPU(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// engineCPU is the processor time of dockerd, or 0 if its process cannot be seen.
func engineCPU(tb testing.TB) time.Duration {
	tb.Helper()
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, name := range names {
		if comm, err := os.ReadFile(name); err != nil || strings.TrimSpace(string(comm)) != "dockerd" {
			continue
		}
		stat, err := os.ReadFile(filepath.Join(filepath.Dir(name), "stat"))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		user, _ := strconv.Atoi(fields[11])
		system, _ := strconv.Atoi(fields[12])
		return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
	}
	return 0
}

var _ = context.Background
