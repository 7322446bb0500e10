package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"

	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// untying is a scene in which the bot may show how its containers are tied to
// their host, with a clock and state on disk.
func (s scene) untying(c *clock) []setup {
	return []setup{s.only, onDisk, c.setup, func(b *bot) {
		b.cfg.Modules.Grants["runtime"] = grants("docker.info", []string{"label:test=" + s.mark},
			"docker.containers.list", "docker.containers.runtime", "docker.containers.env")
	}}
}

// tied is a container with secrets in its environment.
func (s scene) tied(name string) {
	s.has(dockertest.Container{Name: name, Adjust: func(cfg *container.Config, host *container.HostConfig) {
		cfg.Env = []string{"COLOUR=blue", "DB_PASSWORD=hunter2", "DB_URL=postgres://bob:hunter2@db/x"}
		cfg.Hostname = "inside"
		host.NetworkMode, host.Memory, host.NanoCPUs = "bridge", 64<<20, 500_000_000
		host.ReadonlyRootfs, host.CapDrop, host.SecurityOpt = true, []string{"ALL"}, []string{"no-new-privileges"}
		host.Tmpfs = map[string]string{"/run": "size=1m"}
		host.Binds = []string{"/proc/version:/version:ro"}
	}})
}

func TestAnAdminLooksAtHowAContainerIsTied(t *testing.T) {
	s, c := newScene(t), &clock{}
	name := dockertest.Unique("tied")
	s.tied(name)
	b := startBot(t, s.untying(c)...)
	p := b.person(admin, admin)
	phone := b.enrols(p, c)

	page := p.opens(name)
	for _, row := range [][]string{{"🔩 Runtime", "💾 Volumes"}, {"🌐 Networks", "🔑 Environment"}} {
		if !slices.ContainsFunc(page.Labels(), func(labels []string) bool { return slices.Equal(labels, row) }) {
			t.Errorf("the page lacks %q: %q", row, page.Labels())
		}
	}
	if _, err := p.TapOn(page.ID, "🔩 Runtime"); err != nil {
		t.Fatal(err)
	}
	question := p.since(page.ID, "A code, please")
	p.expect(question, "docker.containers.runtime")
	p.Type(phone.code())
	var view emulator.Message
	p.await(func(all []emulator.Message) bool {
		i := slices.IndexFunc(all, func(m emulator.Message) bool { return strings.Contains(m.Text, "Runtime of "+name) })
		if i >= 0 {
			view = all[i]
		}
		return i >= 0
	})
	p.expect(view, "Restart: never", "Host name: <code>inside</code>", "Memory: 64.0 MiB", "CPU: 0.5 cores", "Root file system: read-only",
		"Dropped capabilities: <code>ALL</code>", "no-new-privileges")
	p.expect(p.tapsOn(view.ID, "💾 Volumes"), "2 mounts", "<code>/run</code>\ntmpfs, writable, size=1m", "<code>/version</code>\nbind, read-only\n<code>/proc/version</code>")
	p.expect(p.tapsOn(view.ID, "🌐 Networks"), "1 network", "<b><code>bridge</code></b>", "IPv4: <code>", "Gateway: <code>", "MAC: <code>")
	p.expect(p.tapsOn(view.ID, "🔑 Environment"), "COLOUR=blue", "DB_PASSWORD=•••", "DB_URL=postgres://•••@db/x", "Values that look secret are masked.")
	p.expect(p.tapsOn(view.ID, "🔄 Refresh"), "COLOUR=blue")
	p.expect(p.tapsOn(view.ID, "🔩 Runtime"), "Memory: 64.0 MiB")

	// Without a name there is a list, and what is picked is what was asked for.
	list := p.says("/networks")
	p.expect(list, "🌐 Networks: 1 container", "Which one?")
	p.expect(p.tapsOn(list.ID, "🟢 "+name), "🌐 Networks of <code>"+name+"</code>", "bridge")
	p.expect(p.tapsOn(list.ID, "⬅️ Back"), "Which one?")
	p.expect(p.says("/volumes nobody-"+name), "may not see that container")

	for _, m := range p.Messages() {
		if strings.Contains(m.Text, "hunter2") {
			t.Errorf("a secret is in the chat:\n%s", m.Text)
		}
	}
	if strings.Contains(b.log.String(), "hunter2") {
		t.Error("a secret is in the log")
	}
	b.auditIsGood()
}

// TestTheEnvironmentIsForPrivateChats (A5): a group is told so, and nothing else.
func TestTheEnvironmentIsForPrivateChats(t *testing.T) {
	s, c := newScene(t), &clock{}
	name := dockertest.Unique("tied")
	s.tied(name)
	b := startBot(t, s.untying(c)...)
	phone := b.enrols(b.person(admin, admin), c)
	p := b.person(admin, group)
	m := p.says("/environment " + name)
	p.expect(m, "so I show it in a private chat only")
	p.lacks(m, "COLOUR")
	p.Type("/runtime " + name)
	p.expect(p.lately("A code, please"), "docker.containers.runtime")
	p.Type("/" + phone.code())
	view := p.lately("Runtime of " + name)
	m = p.tapsOn(view.ID, "🔑 Environment")
	p.expect(m, "so I show it in a private chat only")
	p.lacks(m, "COLOUR")
	p.expect(p.tapsOn(view.ID, "🔩 Runtime"), "Memory: 64.0 MiB")
}

func TestHowAContainerIsTiedIsForAdmins(t *testing.T) {
	s, c := newScene(t), &clock{}
	name := dockertest.Unique("tied")
	s.tied(name)
	p := startBot(t, s.untying(c)...).person(user, user)
	page := p.opens(name)
	for _, label := range slices.Concat(page.Labels()...) {
		if strings.Contains("🔩 Runtime 💾 Volumes 🌐 Networks 🔑 Environment", label) {
			t.Errorf("a user has the button %q", label)
		}
	}
	for _, command := range []string{"runtime", "volumes", "networks", "environment"} {
		p.expect(p.says("/"+command+" "+name), "for admins only")
	}
}
