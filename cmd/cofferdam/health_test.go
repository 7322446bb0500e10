package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
)

// sees narrows the health module to the scene.
func (s scene) sees(b *bot) {
	s.only(b)
	b.cfg.Modules.Grants["health"] = append(
		grants("bot.health", nil, "bot.modules", "metrics.host", "metrics.memory", "metrics.disk", "metrics.sensors", "docker.info"),
		config.Grant{Capability: "docker.containers.list", Scope: []string{"label:test=" + s.mark}})
}

func TestHealthWhereAllIsWell(t *testing.T) {
	s := newScene(t)
	s.has(dockertest.Container{}, dockertest.Container{State: dockertest.Paused}, dockertest.Container{State: dockertest.Created})
	b := startBot(t, onDisk, s.sees)
	for _, who := range []int64{user, admin} {
		p := b.person(who, who)
		p.says("/start")
		m := p.presses("❤️ Health")
		p.expect(m, "<b>❤️ Health: ", " of 100", "Telegram, receiving", "Telegram, sending", "Docker", "State", "Audit log", "Modules", "History", "Clock",
			"Load: ", " per core", "Memory: ", "Fullest disk: ", "Containers: 3, 1 running, 1 paused", "As of")
		p.lacks(m, "❌", b.o.stateDir, s.host)
		p.expect(p.taps("🔎 Parts of the bot"), "✅ Docker: Engine ", " answers in ", "✅ Telegram, receiving: ", "✅ Audit log: Records are written.", "✅ Modules: ", "Process: ")
		p.expect(p.taps("🔄 Refresh"), "Parts of the bot")
		p.taps("⬅️ Back")
		p.expect(p.taps("🧮 The score"), "It begins at 100")
		p.taps("⬅️ Back")
		p.expect(p.taps("🔄 Refresh"), "Health: ")
	}
}

func TestHealthNamesWhatIsIll(t *testing.T) {
	s := newScene(t)
	s.has(
		dockertest.Container{Name: s.mark + "-sick", Adjust: func(cfg *container.Config, _ *container.HostConfig) {
			cfg.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "/probe", "exit", "1"}, Interval: 500 * time.Millisecond, Retries: 1}
		}},
		dockertest.Container{Name: s.mark + "-loop", Args: []string{"exit", "1"}, Adjust: func(_ *container.Config, host *container.HostConfig) {
			host.RestartPolicy.Name = container.RestartPolicyAlways
		}},
	)
	p := startBot(t, s.sees).person(user, user)
	p.says("/health")
	m := p.until("🔄 Refresh", "1 unhealthy container: <code>"+s.mark+"-sick</code>.")
	p.expect(m, "What to do", "Look at its log.", "1 unhealthy")
	p.expect(p.until("🔄 Refresh", "1 restarting container: <code>"+s.mark+"-loop</code>."), "1 restarting")
	p.expect(p.taps("🧮 The score"), "−5 ")
	p.taps("⬅️ Back")
	p.expect(p.taps("📦 Containers"), s.mark+"-sick")
}

// Users are told that an engine is away; where it should be is for admins.
func TestHealthWithoutDocker(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.has(dockertest.Container{Name: s.mark})
	engine := newProxy(t, s.host, nil)
	b := startBot(t, s.sees, engine.in)
	boss, p := b.person(admin, admin), b.person(user, user)
	for _, test := range []struct {
		name   string
		away   func()
		reason string
	}{
		{"ended", engine.cut, "There is no Docker socket at " + engine.socket},
		{"hangs", engine.hang, "Docker did not answer"},
	} {
		test.away()
		m := p.says("/health")
		p.expect(m, "1. Docker: The engine does not answer. Tell an admin.", "❌ Docker: The engine does not answer.", "Containers: <i>the engine does not answer</i>", "Memory: ", "as far as known")
		p.lacks(m, engine.socket)
		m = boss.says("/health")
		boss.expect(m, "1. Docker: The engine does not answer. "+test.reason, "Look whether Docker runs there")
		boss.expect(boss.taps("🔎 Parts of the bot"), "❌ Docker: ", test.reason)
		boss.taps("⬅️ Back")
		boss.taps("🐳 Docker")
		boss.shows("ocker") // it may say first that it takes long
		engine.restore()
		p.expect(p.taps("🔄 Refresh"), "Containers: 1, 1 running")
	}
}

// Where the state is, is for admins too.
func TestHealthOnAFullDisk(t *testing.T) {
	dir, fill, empty := smallDisk(t, 40<<20)
	b := startBot(t, func(b *bot) {
		b.o.stateDir = filepath.Join(dir, "state")
		if err := os.Mkdir(b.o.stateDir, 0o700); err != nil {
			t.Fatal(err)
		}
	})
	p, boss := b.person(user, user), b.person(admin, admin)
	const little, full, unwritable = "⚠️ State: The disk of the state is nearly full: ", "❌ State: The disk of the state is full: 0 MiB are free.",
		"❌ State: The state cannot be written, so nothing is done that has to be recorded."
	p.expect(p.says("/health"), little)
	fill()
	m := p.says("/health") // the state file has room inside
	p.expect(m, full, "Tell an admin.")
	p.lacks(m, b.o.stateDir)
	boss.expect(boss.says("/health"), full+" It is in "+b.o.stateDir+".", "Make room on the state directory's disk")
	for tries := 0; b.app.store.Writable(); tries++ {
		if p.says("/load"); tries == 1000 {
			t.Fatal("what is full can be written")
		}
	}
	m = p.says("/health")
	p.expect(m, unwritable, "Tell an admin.")
	p.lacks(m, b.o.stateDir)
	boss.expect(boss.says("/health"), unwritable+" It is in "+b.o.stateDir+".")
	empty()
	b.until("the state can be written", b.app.store.Writable)
	m = boss.says("/health")
	boss.expect(m, little)
	boss.lacks(m, unwritable, full)
}

// until waits for what the bot does by itself.
func (b *bot) until(what string, done func() bool) {
	b.t.Helper()
	for deadline := timeout(); !done(); {
		select {
		case <-deadline:
			b.t.Fatalf("it never happens that %s", what)
		case <-tick():
		}
	}
}

// The same report answers whoever asks on the host.
func TestHealthAsAReport(t *testing.T) {
	b := startBot(t, onDisk)
	b.person(admin, admin).says("/start")
	r := b.app.health.Look(t.Context())
	var names []string
	for _, c := range r.For(abi.RoleAdmin).Components {
		names = append(names, c.Name+" "+c.State)
	}
	// The tests' config names an engine that is not there.
	want := []string{"Telegram, receiving ok", "Telegram, sending ok", "Docker fail", "State ok", "Audit log ok", "Modules ok", "History ok", "Clock ok"}
	if !slices.Equal(names, want) || r.State() != abi.HealthFail {
		t.Errorf("%s: %q", r.State(), names)
	}
}
