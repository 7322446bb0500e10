package main

import (
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
	"github.com/cofferdam-bot/cofferdam/runtime/twofactor"
)

// What is typed in place of a code, over HTTP: what the bot says, whether the
// message goes, and that none of it counts as a wrong code but what is one.
func TestWhatIsTypedInPlaceOfACode(t *testing.T) {
	c := &clock{}
	b := startBot(t, onDisk, quick, c.setup)
	p := b.person(admin, admin)
	phone := b.enrols(p, c)
	old := phone.code()
	c.advance(2 * time.Minute)
	for _, rule := range []struct {
		name   string
		by     person
		text   string
		says   string // "": nothing
		goes   bool
		counts bool
	}{
		{"five digits", p, "12345", "I do not know that command", false, false},
		{"seven digits", p, "1234567", "I do not know that command", false, false},
		{"letters", p, "abcdef", "I do not know that command", false, false},
		{"full-width digits", p, "１２３４５６", "I do not know that command", false, false},
		{"an old code", p, old, "That code is wrong", true, true},
		{"of a user who is no admin", b.person(user, user), "123456", "for admins only", true, false},
		{"with a slash, of such a user", b.person(user, user), "/123456", "for admins only", true, false},
		{"in a group", b.person(admin, group), "123456", "", false, false},
		{"in a group, with a slash", b.person(admin, group), "/" + phone.code(), "Send codes in our private chat", false, false}, // a bot that is no admin cannot
		{"of a stranger", b.person(stranger, stranger), "123456", "not on this bot's list", false, false},
	} {
		t.Run(rule.name, func(t *testing.T) {
			before := b.app.standing(t)
			if rule.says == "" {
				rule.by.Type(rule.text)
				rule.by.expect(rule.by.says("/load"), "Load average")
				return
			}
			id := rule.by.Last().ID
			typed := rule.by.types(rule.text)
			rule.by.await(func([]emulator.Message) bool { return rule.by.Last().ID > max(id, typed) })
			if answer := rule.by.Last(); !strings.Contains(answer.Text, rule.says) {
				t.Errorf("answered with %q", answer.Text)
			}
			if rule.goes {
				rule.by.await(func([]emulator.Message) bool { return gone(rule.by, typed) })
			} else if gone(rule.by, typed) {
				t.Error("the message was deleted")
			}
			if counted := b.app.standing(t) != before; counted != rule.counts {
				t.Errorf("counted: %v", counted)
			}
		})
	}
	p.Type(phone.code())
	p.hears("That code is right", 2)
}

// The same while a command waits for its code: what was meant as one is told what
// a code looks like, and goes; it is not counted, and the command goes on waiting.
func TestWhatIsTypedWhileACommandWaits(t *testing.T) {
	s, c := newScene(t), &clock{}
	name := dockertest.Unique("web")
	s.has(dockertest.Container{Name: name})
	b := startBot(t, append(s.managing(c), quick)...)
	p := b.person(admin, admin)
	phone := b.enrols(p, c)
	old := phone.code()
	c.advance(2 * time.Minute)
	asked := p.types("/manage " + name)
	if _, err := p.TapOn(p.since(asked, "running").ID, "⏹ Stop"); err != nil {
		t.Fatal(err)
	}
	prompt := p.since(asked, "A code, please")
	const shape, unknown = "A code is exactly six digits", "I do not know that command"
	for _, rule := range []struct {
		name, text, says string
		goes, counts     bool
	}{
		{"five digits", "12345", shape, true, false},
		{"five digits, with a slash", "/12345", shape, true, false},
		{"seven digits", "1234567", shape, true, false},
		{"full-width digits", "１２３４５６", shape, true, false},
		{"Arabic digits", "١٢٣٤٥٦", shape, true, false},
		{"with a blank", "123 456", shape, true, false},
		{"letters", "abcdef", unknown, false, false},
		{"digits and letters", "12345a", unknown, false, false},
		{"an old code", old, "That code is wrong", true, true},
	} {
		t.Run(rule.name, func(t *testing.T) {
			before := b.app.standing(t)
			typed := p.types(rule.text)
			p.await(func([]emulator.Message) bool { return p.Last().ID > typed })
			if answer := p.Last(); !strings.Contains(answer.Text, rule.says) {
				t.Errorf("answered with %q", answer.Text)
			}
			if rule.goes {
				p.await(func([]emulator.Message) bool { return gone(p, typed) })
			} else if gone(p, typed) {
				t.Error("the message was deleted")
			}
			if counted := b.app.standing(t) != before; counted != rule.counts {
				t.Errorf("counted: %v", counted)
			}
			if gone(p, prompt.ID) {
				t.Error("the command does not wait any more")
			}
		})
	}
	p.expect(p.since(p.types(phone.code()), "Stop "+name+"?"), name)
}

// standing is how many wrong codes the admin may still send.
func (a *app) standing(t *testing.T) int {
	t.Helper()
	s, err := a.factors.Standing(twofactor.Person{ID: admin}, a.now())
	if err != nil {
		t.Fatal(err)
	}
	return s.Left
}

// A question is answered by whom it was put to, there, on that message, once,
// and in time; over HTTP, with a real engine behind.
func TestQuestionsCannotBeAnsweredByOthers(t *testing.T) {
	s, c := newScene(t), &clock{}
	name := dockertest.Unique("web")
	id := s.has(dockertest.Container{Name: name})[0]
	b := startBot(t, append(s.managing(c), quick)...)
	p := b.person(admin, group) // where others see the question
	boss := b.person(admin, admin)
	phone := b.enrols(boss, c)
	ask := func() (emulator.Message, string) {
		t.Helper()
		id := p.types("/manage " + name)
		if _, err := p.TapOn(p.since(id, "running").ID, "⏹ Stop"); err != nil {
			t.Fatal(err)
		}
		if p.said("A code, please") == 0 {
			p.lately("A code, please")
			p.Type("/" + phone.code())
		}
		question := p.since(id, "Stop "+name+"?")
		return question, question.Inline[0][0].Data
	}
	question, yes := ask()
	for _, rule := range []struct {
		name string
		by   person
		on   int
		data string
		says string
	}{
		{"by another user", b.person(user, group), question.ID, yes, "somebody else"},
		{"by a stranger", b.person(stranger, group), question.ID, yes, "not on this bot's list"},
		{"from another chat", boss, question.ID, yes, "another chat"},
		{"on another message", p, question.ID - 1, yes, "answered already, or a minute has passed"},
		{"forged", p, question.ID, "?AAAAAAAAAAAAAAAAAAAAAA.y", "answered already, or a minute has passed"},
		{"cut short", p, question.ID, yes[:len(yes)-2], "has expired"},
		{"with another end", p, question.ID, strings.TrimSuffix(yes, "y") + "x", "has expired"},
	} {
		if answer := rule.by.answer(rule.by.TapData(rule.on, rule.data)); !strings.Contains(answer.Text, rule.says) {
			t.Errorf("%s: answered with %q, want %q", rule.name, answer.Text, rule.says)
		}
	}
	c.advance(61 * time.Second)
	if answer := p.answer(p.TapData(question.ID, yes)); !strings.Contains(answer.Text, "a minute has passed") {
		t.Errorf("too late: answered with %q", answer.Text)
	}
	if got := s.state(id); got != "running" {
		t.Fatalf("it is %s", got)
	}
	question, yes = ask()
	p.answer(p.TapData(question.ID, yes))
	p.await(func([]emulator.Message) bool { return s.state(id) == "exited" })
	if answer := p.answer(p.TapData(question.ID, yes)); !strings.Contains(answer.Text, "answered already") {
		t.Errorf("twice: answered with %q", answer.Text)
	}
}
