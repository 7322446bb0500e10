package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// reading is a scene in which the bot may read its containers' logs, with a
// clock and state on disk.
func (s scene) reading(c *clock) []setup {
	return []setup{s.only, onDisk, c.setup, func(b *bot) {
		b.cfg.Modules.Grants["logs"] = grants("docker.info", []string{"label:test=" + s.mark},
			"docker.containers.list", "docker.containers.logs")
	}}
}

// opensSession asks for what needs one, and sends the code that is asked for.
func (p person) opensSession(a authenticator, text string) emulator.Message {
	p.t.Helper()
	before := p.Last().ID
	p.Type(text)
	question := p.since(before, "A code, please")
	p.Type(a.code())
	return p.since(question.ID, "As of")
}

// lines are those of the listing in a view.
func lines(m emulator.Message) []string {
	_, listing, _ := strings.Cut(m.Styled(), "<pre>")
	listing, _, _ = strings.Cut(listing, "</pre>")
	return strings.Split(listing, "\n")
}

func numbered(from, to int) (all []string) {
	for i := from; i <= to; i++ {
		all = append(all, fmt.Sprintf("line %d", i))
	}
	return all
}

func TestAnAdminReadsALog(t *testing.T) {
	s, c := newScene(t), &clock{}
	name := dockertest.Unique("web")
	s.has(dockertest.Container{Name: name, Args: []string{"log", "80"}})
	b := startBot(t, s.reading(c)...)
	p := b.person(admin, admin)
	phone := b.enrols(p, c)

	view := p.opensSession(phone, "/logs "+name)
	p.expect(view, "📜 <code>"+name+"</code>", "25 lines", "As of", "/logs "+name+" error")
	shows := func(m emulator.Message, want []string) {
		t.Helper()
		if got := lines(m); !slices.Equal(got, want) {
			t.Errorf("the view shows %q, want %q", got, want)
		}
		if m.ID != view.ID {
			t.Errorf("it is another message: a view is edited in place")
		}
	}
	shows(view, numbered(56, 80))
	shows(p.tapsOn(view.ID, "◀️ Older"), numbered(31, 55))
	shows(p.tapsOn(view.ID, "◀️ Older"), numbered(6, 30))
	shows(p.tapsOn(view.ID, "Newer ▶️"), numbered(31, 55))
	shows(p.tapsOn(view.ID, "🔄 Refresh"), numbered(31, 55))
	shows(p.tapsOn(view.ID, "⏭ Newest"), numbered(56, 80))
	m := p.tapsOn(view.ID, "15 min")
	p.expect(m, "the last 15 minutes")
	if !slices.Contains(slices.Concat(m.Labels()...), "✅ 15 min") {
		t.Errorf("the range is not marked: %q", m.Labels())
	}
	p.expect(p.tapsOn(view.ID, "stderr"), "There is no line on stderr in the last 15 minutes.")
	shows(p.tapsOn(view.ID, "Both"), numbered(56, 80))
	p.expect(p.tapsOn(view.ID, "⬅️ Back"), "Whose log?", "1 container")
	shows(p.tapsOn(view.ID, "🟢 "+name), numbered(56, 80))

	// A text to look for.
	view = p.says("/logs " + name + " LINE 7")
	shows(view, append([]string{"line 7"}, numbered(70, 79)...))
	p.expect(view, "with “LINE 7”")
	shows(p.tapsOn(view.ID, "✖️ “LINE 7”"), numbered(56, 80))

	// As a file, which goes after half a minute.
	if _, err := p.TapOn(view.ID, "📄 As file"); err != nil {
		t.Fatal(err)
	}
	p.await(func([]emulator.Message) bool { return p.Last().Document != nil })
	file := p.Last()
	rows := strings.Split(strings.TrimSpace(string(file.Document.Bytes)), "\n")
	if file.Document.Name != "log-"+name+".txt" || len(rows) != 80 || !strings.HasSuffix(rows[79], "Z stdout line 80") {
		t.Errorf("the file %q has %d lines, the last %q", file.Document.Name, len(rows), rows[len(rows)-1])
	}
	p.says("/back") // the tap before it has ended, and the file's end is scheduled
	c.advance(31 * time.Second)
	b.restart() // its schedule looks at the clock when it begins
	p.await(func([]emulator.Message) bool { return gone(p, file.ID) })
	shows(p.message(view.ID), numbered(56, 80))
	b.auditIsGood()
}

// TestALogNeedsASession: who has none sees nothing of it.
func TestALogNeedsASession(t *testing.T) {
	s, c := newScene(t), &clock{}
	name := dockertest.Unique("secret")
	s.has(dockertest.Container{Name: name, Args: []string{"log", "5"}})
	b := startBot(t, s.reading(c)...)
	p := b.person(admin, admin)
	phone := b.enrols(p, c)
	p.opensSession(phone, "/logs "+name)
	c.advance(11 * time.Minute)
	view := p.lately("5 lines")
	if _, err := p.TapOn(view.ID, "🔄 Refresh"); err != nil {
		t.Fatal(err)
	}
	p.since(view.ID, "A code, please")
	u := b.person(user, user)
	u.Type("/logs " + name)
	u.await(func([]emulator.Message) bool { return u.Last().Text != "" })
	u.lacks(u.Last(), "line 1")
}

// TestFollowingALog: the view goes on by itself with what is new, ends when its
// user says so, and says so when the bot stops.
func TestFollowingALog(t *testing.T) {
	t.Parallel()
	s, c := newScene(t), &clock{}
	name := dockertest.Unique("ticking")
	s.has(dockertest.Container{Name: name, Args: []string{"tick", "50"}})
	b := startBot(t, s.reading(c)...)
	p := b.person(admin, admin)
	view := p.opensSession(b.enrols(p, c), "/logs "+name)
	m := p.tapsOn(view.ID, "👁 Follow")
	p.expect(m, "Following for ", "tick ")
	if !slices.Contains(slices.Concat(m.Labels()...), "⏹ Stop") {
		t.Errorf("there is no way to stop: %q", m.Labels())
	}
	for seen := m; ; {
		p.await(func([]emulator.Message) bool { return p.message(view.ID).Edits > seen.Edits })
		now := p.message(view.ID)
		if got := lines(now); got[len(got)-1] == lines(seen)[len(lines(seen))-1] {
			t.Errorf("nothing is new in\n%s", now.Styled())
		}
		if seen = now; seen.Edits > m.Edits+1 {
			break
		}
	}
	query, err := p.TapOn(view.ID, "⏹ Stop")
	if err != nil {
		t.Fatal(err)
	}
	if answer := p.answer(query); answer.Text != "Following was stopped." {
		t.Errorf("stopping is answered with %q", answer.Text)
	}
	p.await(func([]emulator.Message) bool { return !strings.Contains(p.message(view.ID).Text, "Following for ") })
	m = p.message(view.ID)
	if !slices.Contains(slices.Concat(m.Labels()...), "👁 Follow") {
		t.Errorf("after it: %q", m.Labels())
	}
	p.expect(p.tapsOn(view.ID, "👁 Follow"), "Following for ")
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	p.expect(p.message(view.ID), "the bot stops")
}

// TestLogsThatCannotBeRead are told in a sentence, with a way on.
func TestLogsThatCannotBeRead(t *testing.T) {
	s, c := newScene(t), &clock{}
	never, none, dirty := dockertest.Unique("never"), dockertest.Unique("none"), dockertest.Unique("dirty")
	s.has(
		dockertest.Container{Name: never, State: dockertest.Created},
		dockertest.Container{Name: none, Args: []string{"log", "5"}, Adjust: func(_ *container.Config, host *container.HostConfig) {
			host.LogConfig.Type = "none"
		}},
		dockertest.Container{Name: dirty, Args: []string{"say", `1\x1b[31m<b>red</b>\x1b[0m ` + "``` 🦀" + `\u202e\n`, `2` + strings.Repeat("long ", 1000) + `\n`}},
	)
	b := startBot(t, s.reading(c)...)
	p := b.person(admin, admin)
	p.expect(p.opensSession(b.enrols(p, c), "/logs "+never), "There is no line.")
	m := p.says("/logs " + none)
	p.expect(m, "cannot be read", "log driver", "none")
	if got := slices.Concat(m.Labels()...); !slices.Contains(got, "🔄 Try again") || !slices.Contains(got, "⬅️ Back") {
		t.Errorf("buttons: %q", got)
	}
	m = p.says("/logs " + dirty)
	p.expect(m, "&lt;b>red&lt;/b> ``` 🦀", "long long", "…", "▸ marks stderr")
	p.lacks(m, "[31m", "\u202e")
	p.expect(p.says("/logs nothing-of-that-name"), "not")
}
