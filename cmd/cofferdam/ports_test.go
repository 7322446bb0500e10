package main

import (
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
)

// TestAStrangersPorts: a module in C from the folder, over a real engine.
func TestAStrangersPorts(t *testing.T) {
	s := newScene(t)
	publish := func(cfg *container.Config, host *container.HostConfig) {
		cfg.ExposedPorts, host.NetworkMode = nat.PortSet{"80/tcp": {}, "81/tcp": {}}, "bridge"
		host.PortBindings = nat.PortMap{
			"80/tcp": {{HostIP: "127.0.0.1"}}, "81/tcp": {{HostIP: "0.0.0.0"}},
		}
	}
	s.has(dockertest.Container{Name: s.mark, State: dockertest.Running, Adjust: publish})
	scope := []string{"label:test=" + s.mark}
	b := startBot(t, s.only, dropIn(t, "ports",
		config.Grant{Capability: "docker.containers.list", Scope: scope},
		config.Grant{Capability: "docker.containers.inspect", Scope: scope}))
	b.awaitLines(`"module":"ports"`, 1)
	p := b.person(user, user)
	view := p.says("/ports")
	p.expect(view, "2 published ports, 1 running container", "<code>"+s.mark+"</code> port 80, on this machine only",
		"<code>"+s.mark+"</code> port 81, on all IPv4 interfaces", "⚠️ 1 port can be reached", "As of")
	p.expect(p.taps("🔄 Refresh"), "2 published ports")
}
