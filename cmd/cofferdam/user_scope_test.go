package main

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// restrict lets a user see some containers only.
func restrict(who int64, patterns ...string) setup {
	return func(b *bot) {
		if b.cfg.AccessControl.Containers == nil {
			b.cfg.AccessControl.Containers = map[string][]string{}
		}
		b.cfg.AccessControl.Containers[strconv.FormatInt(who, 10)] = patterns
	}
}

// denied fails unless a tap is answered with the sentence for what is out of
// reach.
func (p person) denied(id int, tap func() string) {
	p.t.Helper()
	if told := p.told(id, tap); !strings.Contains(told, "may not see that container") {
		p.t.Errorf("the tap is answered with %q", told)
	}
}

// told is what somebody hears who taps a button of a message in vain: over the chat, or, where
// the tap was answered before it was known, in the chat.
func (p person) told(id int, tap func() string) string {
	p.t.Helper()
	last, edits := p.Last().ID, p.message(id).Edits
	if answer := p.answer(tap()); answer.Text != "" {
		return answer.Text
	}
	text := ""
	p.await(func(all []emulator.Message) bool {
		for _, m := range all {
			if m.From.IsBot && !working(m) && (m.ID > last || m.ID == id && m.Edits > edits) {
				text = m.Text
			}
		}
		return text != ""
	})
	return text
}

// tap taps a button by its data, or by its label.
func (p person) tap(id int, data string) func() string {
	return func() string { return p.TapData(id, data) }
}

func (p person) tapLabel(id int, label string) func() string {
	return func() string {
		query, err := p.TapOn(id, label)
		if err != nil {
			p.t.Fatal(err)
		}
		return query
	}
}

func rename(t testing.TB, id, to string) {
	t.Helper()
	if err := dockertest.Client(t).ContainerRename(context.Background(), id, to); err != nil {
		t.Fatal(err)
	}
}

// counts are the numbers of containers in the Docker section.
func counts(t testing.TB, m emulator.Message) string {
	t.Helper()
	found := regexp.MustCompile(`Containers: (\d+)\s+Running: (\d+)\s+Paused: (\d+)\s+Stopped: (\d+)`).FindStringSubmatch(m.Text)
	if found == nil {
		t.Fatalf("there are no counts in\n%s", m.Text)
	}
	return strings.Join(found[1:], " ")
}

// Two users of one bot: one sees what the module may, the other less, in every
// view, and whatever a tap says.
func TestTwoUsersSeeWhatTheyMay(t *testing.T) {
	s := newScene(t)
	name := func(part string) string { return s.mark + "-" + part }
	ids := s.has(
		dockertest.Container{Name: name("web")},
		dockertest.Container{Name: name("mail"), State: dockertest.Created, Labels: map[string]string{"team": s.mark}},
		dockertest.Container{Name: name("db")},
		dockertest.Container{Name: name("vault"), State: dockertest.Paused},
	)
	b := startBot(t, s.only, restrict(user, name("web"), "label=team="+s.mark), func(b *bot) { b.o.stateDir = filepath.Join(t.TempDir(), "state") })
	all, some := b.person(admin, admin), b.person(user, user)

	all.expect(all.says("/containers"), "4 containers, 2 running", name("web"), name("mail"), name("db"), name("vault"))
	view := some.says("/containers")
	some.expect(view, "2 containers, 1 running", name("web"), name("mail"))
	some.expect(some.taps("🟢 "+name("web")), "State: running", "Processes")
	if got := counts(t, some.says("/docker")); got != "2 1 0 1" {
		t.Errorf("the section counts %s for a user of two containers", got)
	}
	if got := counts(t, all.says("/docker")); got == "2 1 0 1" {
		t.Error("the section counts the same for everybody")
	}
	some.expect(some.says("/containers"), "2 containers")
	some.taps("📄 As file")
	some.await(func([]emulator.Message) bool { return some.Last().Document != nil })
	file := some.Last().Document
	if !strings.Contains(string(file.Bytes), name("mail")) || strings.Contains(string(file.Bytes), name("db")) {
		t.Errorf("the list as a file: %q", file.Bytes)
	}

	show := func(id, host string) abi.Button {
		button := abi.Button{Label: "x", Action: "show", Args: map[string]string{"id": id}}
		if host != "" {
			button.Args["host"] = host
		}
		return button
	}
	for _, data := range b.forge(user, show(ids[2], ""), show(ids[2], abi.LocalHost), show(ids[3], "")) {
		some.denied(view.ID, some.tap(view.ID, data))
	}
	some.says("/load") // all views before it have been drawn
	for _, m := range some.Messages() {
		some.lacks(m, name("db"), name("vault"), ids[2][:12], ids[3][:12])
	}
	b.await("capability.denied", 3)
}

// What a name pattern admits follows the name, from the next tap on.
func TestNamesChangeBetweenListAndTap(t *testing.T) {
	s := newScene(t)
	name := func(part string) string { return s.mark + "-" + part }
	ids := s.has(dockertest.Container{Name: name("web-1")}, dockertest.Container{Name: name("web-2")}, dockertest.Container{Name: name("db")})
	b := startBot(t, s.only, restrict(user, name("web-*")))
	p := b.person(user, user)
	list := p.says("/containers")
	p.expect(list, "2 containers")
	tap := func(name string) func() string { return p.tapLabel(list.ID, "🟢 "+name) }
	rename(t, ids[0], name("other"))
	p.denied(list.ID, tap(name("web-1")))
	// Another container takes the name: the button means the one that was listed.
	rename(t, ids[2], name("web-1"))
	p.denied(list.ID, tap(name("web-1")))
	list = p.says("/containers")
	p.expect(list, "2 containers", ids[2][:12])
	p.lacks(list, name("other"))
	remove(t, ids[1])
	if answer := p.answer(tap(name("web-2"))()); answer.Text != "" {
		t.Errorf("a container that is gone: %q", answer.Text)
	}
	p.lately("This container is not there any more.")
}

// A reload narrows what a user sees at once, in views that are there too, and
// gives it back.
func TestReloadNarrowsAUser(t *testing.T) {
	s := newScene(t)
	name := func(part string) string { return s.mark + "-" + part }
	s.has(dockertest.Container{Name: name("web")}, dockertest.Container{Name: name("db")})
	scope := "label:test=" + s.mark
	r := startReloadable(t, func(f *configFile) {
		f.docker = s.host
		f.grants = fmt.Sprintf("containers: [docker.info, 'docker.containers.list{%s}', 'docker.containers.inspect{%s}', 'docker.containers.stats{%s}']", scope, scope, scope)
	})
	p, other := r.person(user, user), r.person(admin, admin)
	list := p.says("/containers")
	p.expect(list, "2 containers")
	p.says("/containers")
	open := p.taps("🟢 " + name("db"))
	r.reload(func(f *configFile) { f.containers = fmt.Sprintf("%d: [%s]", user, name("web")) })
	r.logged("config.reloaded")
	if line := r.told("config.restart_needed"); line != "" {
		t.Errorf("a restart is asked for: %s", line)
	}
	p.denied(list.ID, p.tapLabel(list.ID, "🟢 "+name("db")))
	p.denied(open.ID, p.tapLabel(open.ID, "🔄 Refresh"))
	p.expect(p.tapsOn(list.ID, "🔄 Refresh"), "1 container")
	other.expect(other.says("/containers"), "2 containers")

	// A list that is wrong changes nothing, and its ids stay out of the log.
	r.reload(func(f *configFile) { f.containers = fmt.Sprintf("%d: ['a b'], %d: [x]", user, stranger) })
	r.logged("config.refused", "access_control.containers.****[0]", "blanks", "allowed_user_ids")
	p.expect(p.says("/containers"), "1 container")
	r.reload(func(f *configFile) { f.containers = "" })
	p.expect(p.says("/containers"), "2 containers", name("db"))
}

// An admin can be restricted as well: nothing is done to what is out of reach,
// though it was confirmed before.
func TestAnAdminActsWithinReach(t *testing.T) {
	s, c := newScene(t), &clock{}
	name := func(part string) string { return s.mark + "-" + part }
	ids := s.has(dockertest.Container{Name: name("web")}, dockertest.Container{Name: name("db")})
	b := startBot(t, append(s.managing(c), restrict(admin, name("web")))...)
	p := b.person(admin, admin)
	phone := b.enrols(p, c)
	for _, typed := range []string{name("db"), name("db") + "@local", ids[1], ids[1] + "@local"} {
		p.expect(p.says("/manage "+typed), "may not see that container")
	}
	p.expect(p.says("/manage "+name("nothing")), "may not see that container") // so it tells nothing
	list := p.says("/manage")
	if got := listed(list, s.mark); !slices.Equal(got, []string{name("web")}) {
		t.Errorf("the list offers %q", got)
	}
	p.Type(phone.code())
	p.hears("That code is right", 2)
	view := p.says("/manage " + name("web"))
	if _, err := p.TapOn(view.ID, "⏹ Stop"); err != nil {
		t.Fatal(err)
	}
	p.lately("Stop " + name("web") + "?")
	// Between question and answer the container gets another name.
	rename(t, ids[0], name("moved"))
	p.confirm("Stop", name("web"))
	b.awaitTexts(5+1, `"event":"capability.denied"`)
	if got := s.state(ids[0]); got != "running" {
		t.Errorf("it is %s", got)
	}
	rename(t, ids[0], name("web"))
	before := p.Last().ID
	p.Type("/manage " + name("web"))
	if _, err := p.TapOn(p.since(before, "State: running").ID, "⏹ Stop"); err != nil {
		t.Fatal(err)
	}
	p.confirm("Stop", name("web"))
	p.await(func([]emulator.Message) bool { return s.state(ids[0]) == "exited" })
	if got := s.state(ids[1]); got != "running" {
		t.Errorf("the other one is %s", got)
	}
	b.auditIsGood()
}
