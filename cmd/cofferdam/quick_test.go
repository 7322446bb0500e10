package main

import (
	"testing"

	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
)

func TestTheQuickView(t *testing.T) {
	s := newScene(t)
	s.has(dockertest.Container{State: dockertest.Created})
	b := startBot(t, s.only)
	for _, who := range []int64{user, admin} {
		p := b.person(who, who)
		p.says("/start")
		view := p.presses("⚡ Quick view")
		p.expect(view, "<b>⚡ Quick view</b>", "Uptime: ", "Load: ", "CPU: ", " of ", "Memory: ", "Processes: ", " running", "Containers: ", "Images: ", "As of")
		for _, page := range []struct {
			label string
			has   []string
		}{
			{"🗂 Overview", []string{"🗂 Overview", "Kernel: ", "Sleeping: ", "Zombie: "}},
			{"🧠 Memory", []string{"🧠 Memory", "Available: ", "Busiest processes", "1. <code>"}},
			{"🌡 Temperature", []string{"🌡 Temperature"}},
			{"🧮 CPU", []string{"🧮 CPU", "Logical cores: ", "Busiest processes", "1. <code>"}},
			{"💾 Disk", []string{"💾 Disk"}},
		} {
			m := p.taps(page.label)
			p.expect(m, page.has...)
			p.expect(p.taps("🔄 Refresh"), page.has...)
			if m.ID != view.ID {
				t.Errorf("%s is another message", page.label)
			}
			p.expect(p.taps("⬅️ Back"), "<b>⚡ Quick view</b>")
		}
		p.expect(p.taps("🔄 Refresh"), "Processes: ")
	}
}
