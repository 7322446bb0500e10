package main

import (
	"crypto/rand"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/go-connections/nat"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/modules"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
)

// everything lets the bot run all built-in modules, with all that their
// manifests ask for, on the scene's containers and on the images of tests.
func (s scene) everything(b *bot) {
	s.t.Helper()
	files, err := modules.Builtin()
	if err != nil {
		s.t.Fatal(err)
	}
	b.cfg.Docker.Host = []string{s.host}
	b.cfg.Modules.Grants = map[string][]config.Grant{}
	for _, file := range files {
		manifest, err := abi.ReadManifest(file.Data)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, asked := range manifest.Capabilities {
			grant := config.Grant{Capability: asked.Name}
			switch {
			case strings.HasPrefix(asked.Name, "docker.containers."):
				grant.Scope = []string{"label:test=" + s.mark}
			case strings.HasPrefix(asked.Name, "docker.images."):
				grant.Scope = []string{"cofferdam-dockertest"}
			}
			b.cfg.Modules.Grants[file.Name] = append(b.cfg.Modules.Grants[file.Name], grant)
		}
	}
}

// unseen is the value of what must be masked.
var unseen = rand.Text()

// zoo is containers of all sorts. Names that differ in their numbers only make
// views of one kind.
func zoo() []dockertest.Container {
	containers := append(running(), notRunning()...)
	for len(containers) < 23 {
		containers = append(containers, dockertest.Container{Name: dockertest.Unique("plain"), State: dockertest.Created})
	}
	return containers
}

func running() []dockertest.Container {
	health := func(code string) func(*container.Config, *container.HostConfig) {
		return func(cfg *container.Config, _ *container.HostConfig) {
			cfg.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "/probe", "exit", code}, Interval: time.Second, Retries: 1}
		}
	}
	return []dockertest.Container{
		{Name: dockertest.Unique("healthy"), Adjust: health("0")},
		{Name: dockertest.Unique("unhealthy"), Adjust: health("1")},
		{Name: dockertest.Unique("talks"), Args: []string{"log", "3000"}},
		{Name: dockertest.Unique("terminal"), Args: []string{"log", "40"}, Adjust: func(cfg *container.Config, _ *container.HostConfig) { cfg.Tty = true }},
		{Name: dockertest.Unique("mute"), Adjust: func(_ *container.Config, host *container.HostConfig) { host.LogConfig.Type = "none" }},
		{Name: dockertest.Unique("secret"), Adjust: func(cfg *container.Config, _ *container.HostConfig) {
			cfg.Env = []string{"DB_PASSWORD=" + unseen, "TZ=UTC", "PLAIN=" + strings.Repeat("long ", 200)}
		}},
		{Name: dockertest.Unique("stubborn"), Args: []string{"trap"}, Adjust: func(cfg *container.Config, _ *container.HostConfig) {
			soon := 1
			cfg.StopTimeout = &soon
		}},
		{Name: dockertest.Unique("published"), Adjust: func(cfg *container.Config, host *container.HostConfig) {
			host.NetworkMode = "bridge"
			cfg.ExposedPorts = nat.PortSet{"80/tcp": {}, "53/udp": {}}
			host.PortBindings = nat.PortMap{"80/tcp": {{HostIP: "127.0.0.1"}}}
		}},
		{Name: dockertest.Unique("mounted"), Adjust: func(_ *container.Config, host *container.HostConfig) {
			host.Mounts = []mount.Mount{{Type: mount.TypeTmpfs, Target: "/scratch"}, {Type: mount.TypeBind, Source: "/proc", Target: "/host", ReadOnly: true}}
		}},
		{Name: dockertest.Unique("fenced"), Adjust: func(_ *container.Config, host *container.HostConfig) {
			host.Memory, host.NanoCPUs, host.ReadonlyRootfs = 64<<20, 500_000_000, true
			host.CapDrop, host.SecurityOpt = []string{"ALL"}, []string{"no-new-privileges"}
		}},
		{Name: dockertest.Unique("A_name.with-every_kind.of-character.and-63-characters")},
		{Name: dockertest.Unique("labelled"), Labels: map[string]string{"com.docker.compose.project": "shop", "token": unseen, "long": strings.Repeat("x", 4000)}},
	}
}

func notRunning() []dockertest.Container {
	return []dockertest.Container{
		{Name: dockertest.Unique("paused"), State: dockertest.Paused},
		{Name: dockertest.Unique("ended"), State: dockertest.Exited, Args: []string{"exit", "0"}},
		{Name: dockertest.Unique("failed"), State: dockertest.Exited, Args: []string{"exit", "3"}},
		{Name: dockertest.Unique("again"), Args: []string{"exit", "1"}, Adjust: func(_ *container.Config, host *container.HostConfig) {
			host.RestartPolicy.Name = container.RestartPolicyAlways // every second or so
		}},
		{Name: dockertest.Unique("new"), State: dockertest.Created},
	}
}
