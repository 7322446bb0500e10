package main

import (
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// forum is a group with topics.
const forum = -1001000200300

// inForum lets the bot's people meet in a forum.
func inForum(b *bot) {
	b.world.AddGroup(emulator.Group{ID: forum, Title: "Forum", Members: []int64{admin, user, stranger}, Forum: true})
	b.cfg.ChatID.GlobalChatID = append(b.cfg.ChatID.GlobalChatID, config.Chat{ID: forum})
}

// saysIn types a text in a topic, and returns the bot's next message.
func (p person) saysIn(topic int, text string) emulator.Message {
	p.t.Helper()
	return p.next(func() error { p.TypeIn(topic, text); return nil })
}

// tapsUntil taps a button of a message that is not the newest, and waits until it
// has a text.
func (p person) tapsUntil(m emulator.Message, label, text string) emulator.Message {
	p.t.Helper()
	query, err := p.TapOn(m.ID, label)
	if err != nil {
		p.t.Fatal(err)
	}
	if answer := p.answer(query); answer.Text != "" {
		p.t.Errorf("tapping %q was answered with %q", label, answer.Text)
	}
	p.await(func([]emulator.Message) bool { return strings.Contains(p.message(m.ID).Text, text) })
	return p.message(m.ID)
}

// in fails unless a message of a topic has these texts.
func (p person) in(topic int, m emulator.Message, texts ...string) {
	p.t.Helper()
	p.expect(m, texts...)
	if m.ThreadID != topic {
		p.t.Errorf("%q is in topic %d, and not in %d", m.Text, m.ThreadID, topic)
	}
}

// allWays are those in which a module answers.
func allWays(gate chan struct{}) sdk.Module {
	show := func(_ sdk.Host, req sdk.Request) (sdk.Reply, error) {
		return sdk.Reply{
			Blocks: []sdk.Block{sdk.Text(sdk.Plain("View of " + req.Text + req.Arg("of")))},
			Keyboard: [][]sdk.Button{{
				sdk.Do("Again", "show", "of", req.Text+req.Arg("of")), sdk.Do("Follow", "follow"), sdk.Do("File", "file"), sdk.Do("Work", "work"),
			}},
		}, nil
	}
	follow := func(_ sdk.Host, req sdk.Request) (sdk.Reply, error) {
		r := sdk.Reply{Blocks: []sdk.Block{sdk.Text(sdk.Plain("Followed" + req.Arg("on")))}}
		if req.Arg("on") == "" {
			r.Again = &sdk.Again{After: 1, Action: "follow", Args: map[string]string{"on": " on"}}
		}
		return r, nil
	}
	file := func(sdk.Host, sdk.Request) (sdk.Reply, error) {
		return sdk.Reply{Blocks: []sdk.Block{sdk.Document("a.csv", []byte("a,b"))}}, nil
	}
	work := func(host sdk.Host, _ sdk.Request) (sdk.Reply, error) {
		host.Progress("Working hard")
		<-gate
		return sdk.Reply{Blocks: []sdk.Block{sdk.Text(sdk.Plain("It worked."))}}, nil
	}
	return sdk.Module{
		Commands: map[string]sdk.Handler{"load": show, "uptime": work},
		Actions:  map[string]sdk.Handler{"show": show, "follow": follow, "file": file, "work": work},
	}
}

func TestWhatIsAskedInATopicIsAnsweredThere(t *testing.T) {
	gate := make(chan struct{})
	b := startBot(t, inForum, withModule("server", allWays(gate)))
	p := b.person(user, forum)
	three := p.saysIn(3, "/load three")
	p.in(3, three, "View of three")
	four := p.saysIn(4, "/load four")
	p.in(4, four, "View of four")
	p.in(0, p.saysIn(0, "/load general"), "View of general")

	// Each view has its own buttons, which change nothing elsewhere.
	p.in(3, p.tapsUntil(three, "Again", "View of three"))
	p.in(4, p.tapsUntil(four, "Follow", "Followed on"))
	if answer := p.answer(p.TapData(three.ID, four.Inline[0][0].Data)); !strings.Contains(answer.Text, "has expired") {
		t.Errorf("another topic's button was answered with %q", answer.Text)
	}
	p.in(3, p.message(three.ID), "View of three")

	// Files, and what is shown of long work.
	p.in(3, p.next(func() error { _, err := p.TapOn(three.ID, "File"); return err }))
	if p.Last().Document == nil {
		t.Error("it is no file")
	}
	p.TypeIn(4, "/uptime")
	p.in(4, p.shows("⏳ Working hard"))
	gate <- struct{}{}
	p.in(4, p.shows("It worked."))
	p.tapsUntil(three, "Work", "⏳ Working hard")
	gate <- struct{}{}
	p.await(func([]emulator.Message) bool { return p.message(three.ID).Text == "It worked." })
	p.in(3, p.message(three.ID))

	// What the host itself says.
	p.in(3, p.saysIn(3, "/nonsense@"+b.world.Bot().Username), "I do not know that command")
}

// A question stands in the topic of its command, and so does the answer, wherever
// the code was sent.
func TestQuestionsStandInTheirTopic(t *testing.T) {
	var c clock
	b := startBot(t, inForum, c.setup, withModule("manage", sdk.Module{Commands: map[string]sdk.Handler{
		"manage": func(host sdk.Host, _ sdk.Request) (sdk.Reply, error) {
			_, err := host.StartContainer(abi.ContainerRef{ID: "web"})
			return sdk.Reply{Blocks: []sdk.Block{sdk.Text(sdk.Plain("It ended: " + sdk.MessageOf(err)))}}, nil
		},
	}}))
	phone := b.enrols(b.person(admin, admin), &c)
	p := b.person(admin, forum)
	p.in(3, p.saysIn(3, "/manage"), "A code, please")
	p.in(3, p.saysIn(4, "/"+phone.code()), "It ended: ")
}

// A forum is a group like any other (A5): who is on the lists is nobody in one that
// is not.
func TestAForumThatIsNotListedHearsNothing(t *testing.T) {
	b := startBot(t, inForum, func(b *bot) { b.cfg.ChatID.GlobalChatID = nil })
	p := b.person(user, forum)
	p.TypeIn(3, "/load")
	b.await("access.denied", 1)
	if n := answers(p); n != 0 {
		t.Errorf("%d answers", n)
	}
}
