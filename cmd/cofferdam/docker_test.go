package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/go-connections/nat"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// The conversations below are about containers of a real engine.

// scene is a test's own containers on an engine that others use as well: a
// label marks them, and the bot is granted that label only.
type scene struct {
	t    testing.TB
	host string
	mark string // value of the label "test"
}

func newScene(t testing.TB) scene {
	t.Helper()
	return scene{t: t, host: dockertest.Engine(t), mark: dockertest.Unique("scene")}
}

// only shows the bot nothing but the scene.
func (s scene) only(b *bot) {
	b.cfg.Docker.Host = []string{s.host}
	b.cfg.Modules.Grants = seeing("label:test=" + s.mark)
	b.cfg.Modules.Grants["images"] = s.images("cofferdam-dockertest")
}

// images grants the images module those of some repositories, and the scene's
// containers.
func (s scene) images(repositories ...string) []config.Grant {
	return []config.Grant{
		{Capability: "docker.info"},
		{Capability: "docker.images.list", Scope: repositories},
		{Capability: "docker.images.inspect", Scope: repositories},
		{Capability: "docker.images.history", Scope: repositories},
		{Capability: "docker.containers.list", Scope: []string{"label:test=" + s.mark}},
	}
}

// seeing grants the containers module those containers that the patterns match.
func seeing(scope ...string) map[string][]config.Grant {
	return map[string][]config.Grant{"containers": {
		{Capability: "docker.info"},
		{Capability: "docker.containers.list", Scope: scope},
		{Capability: "docker.containers.inspect", Scope: scope},
		{Capability: "docker.containers.stats", Scope: scope},
	}}
}

// grants gives capabilities in one scope, and one that takes none.
func grants(unscoped string, scope []string, names ...string) []config.Grant {
	list := []config.Grant{{Capability: unscoped}}
	for _, name := range names {
		list = append(list, config.Grant{Capability: name, Scope: scope})
	}
	return list
}

// has adds containers to the scene and returns their ids.
func (s scene) has(containers ...dockertest.Container) []string {
	s.t.Helper()
	return dockertest.RunMany(s.t, len(containers), func(i int) dockertest.Container {
		c := containers[i]
		labels := map[string]string{"test": s.mark}
		for name, value := range c.Labels {
			labels[name] = value
		}
		c.Labels = labels
		return c
	})
}

// buttonOf is the label of the button of the list that opens a container.
func buttonOf(t testing.TB, list emulator.Message, name string) string {
	t.Helper()
	for _, label := range slices.Concat(list.Labels()...) {
		if _, after, _ := strings.Cut(label, " "); after == name {
			return label
		}
	}
	t.Fatalf("there is no button for %s:\n%q", name, list.Labels())
	return ""
}

// opens goes from the list to a container's page.
func (p person) opens(name string) emulator.Message {
	p.t.Helper()
	return p.taps(buttonOf(p.t, p.says("/containers"), name))
}

// lacks fails if a message contains one of the texts.
func (p person) lacks(m emulator.Message, texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		if strings.Contains(m.Styled(), text) {
			p.t.Errorf("the message has %q:\n%s", text, m.Styled())
		}
	}
}

// tapsOn is taps for a view that need not be the newest message.
func (p person) tapsOn(id int, label string) emulator.Message {
	p.t.Helper()
	edits := p.message(id).Edits
	query, err := p.TapOn(id, label)
	if err != nil {
		p.t.Fatal(err)
	}
	if answer := p.answer(query); answer.Text != "" {
		p.t.Fatalf("tapping %q was answered with %q", label, answer.Text)
	}
	p.await(func([]emulator.Message) bool { return p.message(id).Edits > edits && !working(p.message(id)) })
	return p.message(id)
}

func (p person) message(id int) emulator.Message {
	for _, m := range p.Messages() {
		if m.ID == id {
			return m
		}
	}
	return emulator.Message{}
}

// until taps a button again and again until the view has a text.
func (p person) until(label, text string) emulator.Message {
	p.t.Helper()
	for deadline := timeout(); ; {
		m := p.taps(label)
		if strings.Contains(m.Styled(), text) {
			return m
		}
		select {
		case <-deadline:
			p.t.Fatalf("the view never has %q:\n%s", text, m.Styled())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func TestTheSectionCountsWhatTheEngineCounts(t *testing.T) {
	s := newScene(t)
	s.has(dockertest.Container{}, dockertest.Container{State: dockertest.Created})
	p := startBot(t, s.only).person(user, user)
	p.expect(p.says("/docker"), "<b>🐳 Docker</b>")
	if got := p.Keyboard(); !slices.EqualFunc(got, [][]string{{"🖼 Images", "📦 Containers", "⬅️ Back"}}, slices.Equal[[]string]) {
		t.Errorf("the section's keyboard: %v", got)
	}
	// Other tests make and remove containers: a moment counts in which the
	// engine says the same before and after.
	for deadline := timeout(); ; {
		before := counted(t)
		m := p.says("/docker")
		if slices.Equal(before, counted(t)) {
			p.expect(m, before...)
			return
		}
		select {
		case <-deadline:
			t.Fatal("the engine is never at rest")
		default:
		}
	}
}

// counted is what the engine says of itself, as the section writes it.
func counted(t testing.TB) []string {
	t.Helper()
	info, err := dockertest.Client(t).Info(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{"Engine: <code>" + info.ServerVersion + "</code>", "Storage: " + info.Driver}
	for _, count := range []struct {
		name string
		of   func(system.Info) int
	}{
		{"Containers", func(i system.Info) int { return i.Containers }},
		{"Running", func(i system.Info) int { return i.ContainersRunning }},
		{"Paused", func(i system.Info) int { return i.ContainersPaused }},
		{"Stopped", func(i system.Info) int { return i.ContainersStopped }},
		{"Images", func(i system.Info) int { return i.Images }},
	} {
		lines = append(lines, "\n"+count.name+": "+strconv.Itoa(count.of(info))+"\n")
	}
	return lines
}

func TestALongListHasPages(t *testing.T) {
	s := newScene(t)
	base := dockertest.Unique("page")
	name := func(i int) string { return fmt.Sprintf("%s-%02d", base, i) }
	var containers []dockertest.Container
	for i := range 23 {
		c := dockertest.Container{Name: name(i), State: dockertest.Created}
		if i >= 20 {
			c.State = dockertest.Running
		}
		containers = append(containers, c)
	}
	ids := s.has(containers...)
	b := startBot(t, s.only)
	p := b.person(user, user)
	p.says("/docker")
	view := p.presses("📦 Containers")

	// Running ones first, then by name.
	order := []int{20, 21, 22, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}
	isPage := func(m emulator.Message, n int, paging ...string) {
		t.Helper()
		p.expect(m, fmt.Sprintf("<b>📦 23 containers, 3 running, page %d of 3</b>", n))
		var want []string
		for _, i := range order[(n-1)*10 : min(n*10, len(order))] {
			want = append(want, name(i))
		}
		if got := listed(m, base); !slices.Equal(got, want) {
			t.Errorf("page %d lists %q, want %q", n, got, want)
		}
		if !slices.ContainsFunc(m.Labels(), func(row []string) bool { return slices.Equal(row, paging) }) {
			t.Errorf("page %d lacks the buttons %q: %q", n, paging, m.Labels())
		}
		if m.ID != view.ID {
			t.Errorf("page %d is another message: a view is edited in place", n)
		}
	}
	isPage(view, 1, "2/3 ▶️")
	isPage(p.taps("2/3 ▶️"), 2, "◀️ 1/3", "3/3 ▶️")
	p.expect(p.taps("⚪️ "+name(9)), "<code>"+name(9)+"</code>", "State: created")
	p.expect(p.taps("🔄 Refresh"), name(9))
	isPage(p.taps("⬅️ Back"), 2, "◀️ 1/3", "3/3 ▶️")
	isPage(p.taps("3/3 ▶️"), 3, "⏮ 1/3", "◀️ 2/3")
	p.taps("⚪️ " + name(19))
	isPage(p.taps("⬅️ Back"), 3, "⏮ 1/3", "◀️ 2/3")
	isPage(p.taps("◀️ 2/3"), 2, "◀️ 1/3", "3/3 ▶️")
	p.taps("3/3 ▶️")
	isPage(p.taps("⏮ 1/3"), 1, "2/3 ▶️")

	// A page that is no longer there is the last one.
	p.taps("2/3 ▶️")
	p.taps("3/3 ▶️")
	for _, id := range ids[17:20] {
		remove(t, id)
	}
	p.expect(p.taps("🔄 Refresh"), "20 containers, 3 running, page 2 of 2")
	p.expect(p.taps("⬅️ Back"), "🐳 Docker", "Engine")
	p.expect(p.taps("📦 Containers"), "page 1 of 2")
}

// listed are the names on a list's buttons, in their order.
func listed(m emulator.Message, base string) (names []string) {
	for _, label := range slices.Concat(m.Labels()...) {
		if _, name, _ := strings.Cut(label, " "); strings.HasPrefix(name, base) {
			names = append(names, name)
		}
	}
	return names
}

func remove(t testing.TB, id string) {
	t.Helper()
	if err := dockertest.Client(t).ContainerRemove(context.Background(), id, container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
}

func TestAContainersPageHasLiveFigures(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	name := dockertest.Unique("busy")
	ids := s.has(dockertest.Container{
		Name: name, Args: []string{"burn", "2"},
		Labels: map[string]string{"com.docker.compose.project": "shop", "com.example.team": "blue", "API_TOKEN": "hunter2"},
		Adjust: func(cfg *container.Config, host *container.HostConfig) {
			cfg.ExposedPorts = nat.PortSet{"443/tcp": {}, "80/tcp": {}}
			cfg.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "/probe", "exit", "0"}, Interval: time.Second}
			host.PortBindings = nat.PortMap{"80/tcp": {{HostIP: "127.0.0.1"}}}
			host.NetworkMode, host.Memory = "bridge", 64<<20
		},
	})
	p := startBot(t, s.only).person(user, user)
	m := p.opens(name)
	p.expect(m, "<b>", "<code>"+name+"</code>", "Id: <code>"+ids[0][:12]+"</code>", "Project: <code>shop</code>",
		"Command: <code>/probe burn 2</code>", "State: running", "Restarts: 0", " of 64.0 MiB",
		" → 80/tcp</code>", "<code>443/tcp</code>", "com.example.team=blue", "API_TOKEN=•••")
	figure(t, m, `127\.0\.0\.1:([0-9]+) → 80/tcp`)
	p.lacks(m, "hunter2")
	for range 2 {
		if percent := figure(t, m, `CPU: ([0-9.]+) % of one`); percent < 1 {
			t.Errorf("a container that burns two cores uses %v %% of one", percent)
		}
		if n := figure(t, m, `Processes and threads: ([0-9]+)`); n < 1 {
			t.Errorf("a running container has %v processes", n)
		}
		m = p.taps("🔄 Refresh")
	}
	p.expect(p.until("🔄 Refresh", "Health: healthy"), "🟢")
	p.expect(p.taps("⬅️ Back"), "(healthy)")
}

func figure(t testing.TB, m emulator.Message, pattern string) float64 {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(m.Text)
	if found == nil {
		t.Fatalf("the message lacks %s:\n%s", pattern, m.Text)
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNamesAndLabelsAreShownAsTheyAre(t *testing.T) {
	s := newScene(t)
	unique := dockertest.Unique("X")
	names := []string{unique + "_a_b__", unique + ".a..b.", unique + "-a--b-", unique + strings.Repeat("n", 63-len(unique))}
	labels := map[string]string{
		"html": `<b>bold</b> & <a href="https://example.org">`, "emoji": "🦀🏳️‍🌈", "marks": "a\u202eb\u2066c\u200fd",
		"markdown": "*_`[x](y)", "two lines": "one\ntwo", "hebrew": "שלום",
	}
	for i, name := range names {
		c := dockertest.Container{Name: name, State: dockertest.Created}
		if i == 0 {
			c.Labels, c.Args = labels, []string{"log", "<i>&amp;", "🦀\u202e"}
		}
		s.has(c)
	}
	b := startBot(t, s.only)
	p := b.person(user, user)
	list := p.says("/containers")
	for _, name := range names {
		p.expect(list, "<code>"+name+"</code>")
	}
	for i, name := range names {
		label := "⚪️ " + name
		if i == 3 {
			label = cutLabel(t, p.says("/containers"), name)
		}
		m := p.taps(label)
		p.expect(m, "<code>"+name+"</code>")
		if i == 0 {
			p.expect(m, `<code>html=&lt;b>bold&lt;/b> &amp; &lt;a href="https://example.org"></code>`, "<code>emoji=🦀🏳️‍🌈</code>",
				"<code>markdown=*_`[x](y)</code>", "<code>hebrew=שלום</code>", "&lt;i>&amp;amp; 🦀")
			p.lacks(m, "\u202e", "\u2066", "one\ntwo")
		}
		p.taps("⬅️ Back")
	}
}

// cutLabel is the button of a name that is too long for one: its two ends.
func cutLabel(t testing.TB, list emulator.Message, name string) string {
	t.Helper()
	for _, label := range slices.Concat(list.Labels()...) {
		_, shown, _ := strings.Cut(label, " ")
		if head, tail, cut := strings.Cut(shown, "…"); cut && strings.HasPrefix(name, head) && strings.HasSuffix(name, tail) {
			return label
		}
	}
	t.Fatalf("there is no button for %s:\n%q", name, list.Labels())
	return ""
}

func TestEveryStateHasItsWords(t *testing.T) {
	s := newScene(t)
	name := func(state string) string { return s.mark + "-" + state }
	unhealthy := func(cfg *container.Config, _ *container.HostConfig) {
		cfg.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "/probe", "exit", "1"}, Interval: 500 * time.Millisecond, Retries: 1}
	}
	again := func(_ *container.Config, host *container.HostConfig) {
		host.RestartPolicy.Name = container.RestartPolicyAlways
	}
	s.has(
		dockertest.Container{Name: name("exited"), State: dockertest.Exited, Args: []string{"exit", "3"}},
		dockertest.Container{Name: name("paused"), State: dockertest.Paused},
		dockertest.Container{Name: name("created"), State: dockertest.Created},
		dockertest.Container{Name: name("unhealthy"), Adjust: unhealthy},
		dockertest.Container{Name: name("restarting"), Args: []string{"exit", "1"}, Adjust: again},
	)
	p := startBot(t, s.only).person(user, user)
	for _, test := range []struct {
		state, mark string
		has, lacks  []string
	}{
		{"exited", "🔴", []string{"State: exited", "Exit code: 3", "Ended: "}, []string{"Processes", "CPU"}},
		{"paused", "⏸", []string{"State: paused", "Started: "}, []string{"Ended"}},
		{"created", "⚪️", []string{"State: created", "Created: "}, []string{"Started", "Ended", "CPU"}},
		{"unhealthy", "🟠", []string{"State: running", "Health: unhealthy", "Processes and threads: "}, nil},
		{"restarting", "🔁", []string{"State: restarting", "Restarts: "}, []string{"Processes"}},
	} {
		p.opens(name(test.state))
		m := p.until("🔄 Refresh", test.mark+" <code>"+name(test.state)+"</code>")
		p.expect(m, test.has...)
		p.lacks(m, test.lacks...)
	}
	p.expect(p.says("/containers"), "Exited (3)", "(Paused)", "(unhealthy)", "Created, created ")
}

func TestNoContainers(t *testing.T) {
	s := newScene(t)
	p := startBot(t, s.only).person(user, user)
	m := p.says("/containers")
	p.expect(m, "<b>📦 There are no containers</b>")
	if got := m.Labels(); !slices.EqualFunc(got, [][]string{{"🔄 Refresh", "⬅️ Back"}}, slices.Equal[[]string]) {
		t.Errorf("buttons: %q", got)
	}
	s.has(dockertest.Container{Name: s.mark, State: dockertest.Created})
	p.expect(p.taps("🔄 Refresh"), "1 container, 0 running", s.mark)
	p.expect(p.taps("⬅️ Back"), "🐳 Docker")
}

func TestAContainerIsRemovedMeanwhile(t *testing.T) {
	s := newScene(t)
	ids := s.has(dockertest.Container{Name: s.mark + "-a"}, dockertest.Container{Name: s.mark + "-b"}, dockertest.Container{Name: s.mark + "-c"})
	p := startBot(t, s.only).person(user, user)
	const gone = "This container is not there any more."

	p.says("/containers")
	remove(t, ids[0])
	p.expect(p.taps("🟢 "+s.mark+"-a"), gone)
	p.expect(p.taps("⬅️ Back to the list"), "2 containers")

	p.taps("🟢 " + s.mark + "-b")
	remove(t, ids[1])
	p.expect(p.taps("🔄 Refresh"), gone)
	m := p.taps("⬅️ Back to the list")
	p.expect(m, "1 container", s.mark+"-c")
	p.lacks(m, s.mark+"-a", s.mark+"-b")
}

func TestTheListAsAFile(t *testing.T) {
	s := newScene(t)
	ids := s.has(dockertest.Container{Name: s.mark + "-a"}, dockertest.Container{Name: s.mark + "-b", State: dockertest.Created})
	p := startBot(t, s.only).person(user, user)
	list := p.says("/containers")
	p.taps("📄 As file")
	p.await(func([]emulator.Message) bool { return p.Last().Document != nil })
	file := p.Last().Document
	if file.Name != "containers.csv" {
		t.Errorf("the file is called %q", file.Name)
	}
	rows := strings.Split(strings.TrimSpace(string(file.Bytes)), "\r\n")
	if len(rows) != 3 || !strings.HasPrefix(rows[1], `"`+ids[0][:12]+`","`+s.mark+`-a"`) || !strings.Contains(rows[2], `"created"`) {
		t.Errorf("the file's lines are %q", rows)
	}
	p.expect(p.message(list.ID), "2 containers")
	p.expect(p.tapsOn(list.ID, "⬅️ Back"), "<b>📦 2 containers, 1 running</b>")
}
