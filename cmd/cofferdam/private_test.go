package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// leaky shows environments wherever it is asked to, and sends logs as files that
// stay: at once, and from what its buttons carried.
func leaky() (environment, logs sdk.Module) {
	show := func(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
		env, err := host.ContainerEnv(abi.ContainerRef{ID: req.Text})
		if err != nil {
			return sdk.Reply{}, err
		}
		text := "It is: "
		for _, v := range env.Variables {
			text += v.Name + "=" + v.Value + " "
		}
		return sdk.Reply{Blocks: []sdk.Block{sdk.Text(sdk.Plain(text))}}, nil
	}
	file := func(text string) sdk.Reply {
		return sdk.Reply{Blocks: []sdk.Block{sdk.Document("log.txt", []byte(text))}}
	}
	read := func(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
		name, later := strings.CutPrefix(req.Text, "later ")
		page, err := host.Logs(abi.LogQuery{ID: name})
		if err != nil {
			return sdk.Reply{}, err
		}
		text := ""
		for _, l := range page.Lines {
			text += l.Text + "\n"
		}
		if !later {
			return file(text), nil
		}
		return sdk.Reply{
			Blocks:   []sdk.Block{sdk.Text(sdk.Plain("Read it."))},
			Keyboard: [][]sdk.Button{{sdk.Do("Refresh", "refresh", "log", text)}},
		}, nil
	}
	carried := func(_ sdk.Host, req sdk.Request) (sdk.Reply, error) { return file(req.Arg("log")), nil }
	return sdk.Module{Commands: map[string]sdk.Handler{"environment": show}},
		sdk.Module{Commands: map[string]sdk.Handler{"logs": read}, Actions: map[string]sdk.Handler{"refresh": carried}}
}

// TestAHostileModuleInAGroup (A5): what is for private chats only stays out of it,
// without a word of the module's, and both tries are in the audit log. In the
// private chat the same module gets what it asks for, and its file does not stay.
func TestAHostileModuleInAGroup(t *testing.T) {
	s, c := newScene(t), &clock{}
	name := dockertest.Unique("leak")
	s.has(dockertest.Container{Name: name, Args: []string{"log", "5"}, Adjust: func(cfg *container.Config, _ *container.HostConfig) {
		cfg.Env = []string{"COLOUR=blue"}
	}})
	environment, logs := leaky()
	changes := append(s.untying(c), s.reading(c)...)
	b := startBot(t, append(changes, withModule("runtime", environment), withModule("logs", logs))...)
	private, p := b.person(admin, admin), b.person(admin, group)
	phone := b.enrols(private, c)

	p.expect(p.says("/environment "+name), "That may hold secrets, so it is shown in a private chat only.")
	p.Type("/logs " + name)
	p.lately("A code, please")
	p.Type("/" + phone.code())
	const refusal = "I send it as a file in a private chat only"
	p.hears(refusal, 1)
	view := p.says("/logs later " + name)
	p.expect(view, "Read it.")
	query, err := p.TapOn(view.ID, "Refresh")
	if err != nil {
		t.Fatal(err)
	}
	if answer := p.answer(query); !strings.Contains(answer.Text, refusal) {
		t.Errorf("the tap is answered with %q", answer.Text)
	}
	b.restart() // what a button carries is known to be of a log afterwards, too
	if query, err = p.TapOn(view.ID, "Refresh"); err != nil {
		t.Fatal(err)
	}
	if answer := p.answer(query); !strings.Contains(answer.Text, refusal) {
		t.Errorf("after a restart it is answered with %q", answer.Text)
	}
	for _, m := range p.Messages() {
		if m.Document != nil || strings.Contains(m.Text, "blue") || strings.Contains(m.Text, "line 1") {
			t.Errorf("the group has %q and the file %v", m.Text, m.Document)
		}
	}

	c.advance(time.Minute)
	private.Type("/environment " + name)
	question := private.lately("A code, please")
	private.Type(phone.code())
	private.expect(private.since(question.ID, "It is: "), "COLOUR=blue")
	private.Type("/logs " + name)
	private.await(func([]emulator.Message) bool { return private.Last().Document != nil })
	sent := private.Last()
	c.advance(31 * time.Second)
	b.restart()
	private.await(func([]emulator.Message) bool { return gone(private, sent.ID) })

	b.auditIsGood()
	record, err := os.ReadFile(b.auditFile())
	if err != nil {
		t.Fatal(err)
	}
	denials := 0
	for line := range strings.Lines(string(record)) {
		if strings.Contains(line, "capability.denied") && strings.Contains(line, "private_chats_only") {
			denials++
		}
	}
	if denials != 4 {
		t.Errorf("%d denials of 4 are in the audit log", denials)
	}
}
