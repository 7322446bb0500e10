package main

import (
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// inSession is an admin with a live session.
func (b *bot) inSession(c *clock) person {
	b.t.Helper()
	p := b.person(admin, admin)
	phone := b.enrols(p, c)
	p.Type(phone.code())
	p.hears("That code is right", 2)
	return p
}

// gets is says for a chat in which notes and questions come and go: the newest
// message after the typed one that has a text.
func (p person) gets(typed, text string) emulator.Message {
	p.t.Helper()
	return p.since(p.types(typed), text)
}

func TestAnAdminRenamesAContainer(t *testing.T) {
	s, c := newScene(t), &clock{}
	name := func(part string) string { return s.mark + "-" + part }
	ids := s.has(dockertest.Container{Name: name("web")}, dockertest.Container{Name: name("db"), State: dockertest.Created})
	b := startBot(t, s.managing(c)...)
	p := b.inSession(c)

	how := p.gets("/manage "+name("web"), "State: running")
	how = p.tapsOn(how.ID, "✏️ Rename")
	p.expect(how, "Another name for", "/rename "+name("web")+" NEW-NAME")
	p.expect(p.tapsOn(how.ID, "⬅️ Back"), "State: running")

	done := p.gets("/rename "+name("web")+" "+name("old.web_1"), "It has a new name.")
	p.expect(done, name("old.web_1"), "State: running")
	if got := dockerName(t, ids[0]); got != name("old.web_1") {
		t.Errorf("the engine calls it %s", got)
	}
	p.gets("/rename "+name("old.web_1")+" "+name("old.web_1"), "That was its name already.")
	taken := p.gets("/rename "+ids[0]+" "+name("db"), "Another container is called "+name("db")+" already.")
	if _, err := p.TapOn(taken.ID, "⬅️ Back"); err != nil {
		t.Fatal(err)
	}
	p.since(taken.ID-1, "State: running")
	p.gets("/rename "+name("web")+" "+name("x"), "may not see that container") // which says nothing about whether there is one
	for _, bad := range []string{"-x", "a/b", "ä1", "a", strings.Repeat("n", 129), strings.Repeat("a", 64)} {
		p.gets("/rename "+name("old.web_1")+" "+bad, "name")
	}
	p.gets("/rename "+name("old.web_1"), "Send /rename with")
	p.gets("/rename "+name("old.web_1")+"@nowhere x1", "There is no Docker host named")
	if got := dockerName(t, ids[0]); got != name("old.web_1") {
		t.Errorf("after refusals the engine calls it %s", got)
	}
	u := b.person(user, user)
	u.expect(u.says("/rename "+name("db")+" "+name("mine")), "admins only")
	b.recorded("docker.action")
	b.auditIsGood()
}

func dockerName(t testing.TB, id string) string {
	t.Helper()
	got, err := dockertest.Client(t).ContainerInspect(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(got.Name, "/")
}

// Who has no session is asked for a code, and the rename happens after it.
func TestARenameWaitsForTheCode(t *testing.T) {
	s, c := newScene(t), &clock{}
	id := s.has(dockertest.Container{Name: s.mark, State: dockertest.Created})[0]
	b := startBot(t, s.managing(c)...)
	p := b.person(admin, admin)
	phone := b.enrols(p, c)
	p.gets("/rename "+s.mark+" "+s.mark+"-2", "A code, please")
	if got := dockerName(t, id); got != s.mark {
		t.Fatalf("without a session it became %s", got)
	}
	p.gets(phone.code(), "It has a new name.")
	if got := dockerName(t, id); got != s.mark+"-2" {
		t.Errorf("the engine calls it %s", got)
	}
}

// What is so already says so, and what takes longer than a command may is told,
// with the way to see how it ends.
func TestActsThatAreDoneAlreadyAndThatTakeLong(t *testing.T) {
	t.Parallel()
	s, c := newScene(t), &clock{}
	deaf := func(cfg *container.Config, _ *container.HostConfig) { seconds := 9; cfg.StopTimeout = &seconds }
	name := func(part string) string { return s.mark + "-" + part }
	ids := s.has(dockertest.Container{Name: name("quick")}, dockertest.Container{Name: name("deaf"), Args: []string{"trap"}, Adjust: deaf})
	b := startBot(t, s.managing(c)...)
	p := b.inSession(c)

	view := p.gets("/manage "+name("quick"), "State: running")
	if err := dockertest.Client(t).ContainerKill(t.Context(), ids[0], "SIGKILL"); err != nil {
		t.Fatal(err)
	}
	p.await(func([]emulator.Message) bool { return s.state(ids[0]) == "exited" })
	if _, err := p.TapOn(view.ID, "⏹ Stop"); err != nil {
		t.Fatal(err)
	}
	p.confirm("Stop", name("quick"))
	p.await(func([]emulator.Message) bool {
		return strings.Contains(p.message(view.ID).Text, "It was stopped already.")
	})
	p.expect(p.message(view.ID), "State: exited")
	view = p.tapsOn(view.ID, "▶️ Start")
	p.expect(view, "It was started.", "State: running")
	remove(t, ids[0])
	p.expect(p.tapsOn(view.ID, "⏸ Pause"), "There is no such container")

	view = p.gets("/manage "+name("deaf"), "State: running")
	began := time.Now()
	if _, err := p.TapOn(view.ID, "🔁 Restart"); err != nil {
		t.Fatal(err)
	}
	p.confirm("Restart", name("deaf"))
	p.await(func([]emulator.Message) bool {
		return strings.Contains(p.message(view.ID).Text, "Docker still works on it")
	})
	if took := time.Since(began); took < 5*time.Second {
		t.Errorf("patience ended after %v", took)
	}
	b.await("docker.late", 1)
	p.untilOn(view.ID, "🔄 Refresh", "State: running")
}

// untilOn taps a button of a view again and again until it has a text.
func (p person) untilOn(id int, label, text string) {
	p.t.Helper()
	for deadline := timeout(); !strings.Contains(p.tapsOn(id, label).Styled(), text); {
		select {
		case <-deadline:
			p.t.Fatalf("the view never has %q:\n%s", text, p.message(id).Styled())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
