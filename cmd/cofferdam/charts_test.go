package main

import (
	"bytes"
	"image"
	"image/png"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// The conversations below are about what the bot measured itself, with a clock
// that lets hours go by.

// measures lets a bot take n samples of the machine, ten seconds apart.
func (b *bot) measures(c *clock, n int) {
	b.t.Helper()
	for range n {
		b.app.history.SampleMachine(b.t.Context())
		c.advance(10 * time.Second)
	}
}

// isPicture decodes the photo of a message.
func (p person) isPicture(m emulator.Message) image.Image {
	p.t.Helper()
	if m.Photo == nil || m.Photo.MIME != "image/png" {
		p.t.Fatalf("no picture:\n%s", m.Styled())
	}
	img, err := png.Decode(bytes.NewReader(m.Photo.Bytes))
	if err != nil {
		p.t.Fatal(err)
	}
	if size := img.Bounds().Size(); size != (image.Point{X: 1000, Y: 560}) {
		p.t.Errorf("a picture of %v", size)
	}
	return img
}

// isDark tells a picture's paper.
func isDark(img image.Image) bool {
	r, _, _, _ := img.At(0, 0).RGBA()
	return r < 0x8000
}

func TestChartsOfTheMachine(t *testing.T) {
	c := &clock{}
	b := startBot(t, func(b *bot) { b.o.now = c.now })
	p := b.person(user, user)

	m := p.says("/chart memory")
	p.expect(m, "📈 Memory, last hour", "Nothing was measured in the last hour.")
	if m.Photo != nil {
		t.Error("a picture of nothing")
	}
	b.measures(c, 200)
	m = p.taps("🔄 Refresh")
	img := p.isPicture(m)
	p.expect(m, "<b>📈 Memory, last hour</b>", "Memory: now ", " mean ", "Each point is the mean of 20 s. There are measurements of about ", "As of ")
	if isDark(img) {
		t.Error("it is dark from the beginning")
	}
	first := m
	for _, step := range []struct {
		label string
		has   []string
		dark  bool
	}{
		{"6 h", []string{"last 6 hours"}, false},
		{"24 h", []string{"last 24 hours"}, false},
		{"🌙 Dark", []string{"last 24 hours"}, true},
		{"7 d", []string{"last 7 days"}, true},
		{"1 h", []string{"last hour"}, true},
		{"☀️ Light", []string{"last hour"}, false},
	} {
		before := m
		m = p.taps(step.label)
		p.expect(m, step.has...)
		if dark := isDark(p.isPicture(m)); dark != step.dark {
			t.Errorf("after %q the picture is dark: %v", step.label, dark)
		}
		if m.ID != before.ID || bytes.Equal(m.Photo.Bytes, before.Photo.Bytes) {
			t.Errorf("%q: message %d after %d, another picture: %v", step.label, m.ID, before.ID, !bytes.Equal(m.Photo.Bytes, before.Photo.Bytes))
		}
	}
	if m.ID != first.ID {
		t.Error("the pictures are not one message")
	}

	m = p.taps("📈 All charts")
	p.expect(m, "📈 Charts")
	for _, row := range m.Labels()[:3] {
		for _, label := range row {
			m := p.taps(label)
			p.expect(m, "last hour")
			p.taps("📈 All charts")
		}
	}
	p.expect(p.says("/chart"), "What the machine and its containers used")
	p.expect(p.says("/chart weather"), "There is no chart of that.", "📈 Charts")
}

func TestChartsOutliveARestart(t *testing.T) {
	c := &clock{}
	dir := filepath.Join(t.TempDir(), "state")
	keep := func(b *bot) { b.o.now, b.o.stateDir = c.now, dir }
	b := startBot(t, keep)
	b.measures(c, 100)
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	c.advance(10 * time.Minute)
	p := startBot(t, keep).person(user, user)
	m := p.says("/chart cpu")
	p.isPicture(m)
	p.expect(m, "CPU: at last ")
	if minutes := figure(t, m, `There are measurements of about ([0-9]+) min`); minutes < 15 || minutes > 18 {
		t.Errorf("of 1,000 seconds %v minutes are there", minutes)
	}
}

func TestAChartOfAContainer(t *testing.T) {
	t.Parallel()
	c := &clock{}
	s := newScene(t)
	busy, hidden := dockertest.Unique("busy"), dockertest.Unique("hidden")
	s.has(dockertest.Container{Name: busy, Args: []string{"burn", "1"}})
	dockertest.Run(t, dockertest.Container{Name: hidden})
	b := startBot(t, s.only, func(b *bot) {
		b.o.now = c.now
		scope := []string{"label:test=" + s.mark}
		b.cfg.Modules.Grants["charts"] = append(grants("docker.info", scope, "docker.containers.list", "docker.containers.stats"), grants("metrics.history", nil)...)
	})
	for range 5 {
		b.app.history.SampleContainers(t.Context())
		c.advance(30 * time.Second)
	}
	p := b.person(user, user)
	p.opens(busy)
	m := p.taps("📈 Chart")
	p.isPicture(m)
	p.expect(m, "<code>"+busy+"</code> CPU, last hour", "CPU: now ")
	if percent := figure(t, m, `mean ([0-9.]+) %`); percent < 5 {
		t.Errorf("a container that burns a core used %v %%", percent)
	}
	for label, has := range map[string]string{"Memory": "Memory: now ", "Network": "in: now 0 B/s", "Disk I/O": "read: now "} {
		before := m.ID
		m = p.taps(label)
		p.isPicture(m)
		if p.expect(m, has); m.ID != before {
			t.Errorf("%s is another message", label)
		}
	}
	p.taps("📈 All charts")
	list := p.taps("📦 Containers")
	if labels := slices.Concat(list.Labels()...); !slices.Contains(labels, busy) || slices.Contains(labels, hidden) {
		t.Errorf("the list has %q", labels)
	}
	p.isPicture(p.taps(busy))
	m = p.says("/chart container " + hidden)
	if m.Photo != nil {
		t.Error("a chart of a container that may not be seen")
	}
	p.expect(m, "may not see")
	p.expect(p.says("/chart container"), "Send the container's name behind it")
}
