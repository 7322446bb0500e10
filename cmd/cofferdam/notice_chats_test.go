package main

import (
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
)

// What is about the bot's own work goes to the notification chats, into a topic if
// the config names one; what is about persons goes to the admins alone.
func TestNotificationChats(t *testing.T) {
	const topic = 45
	b := newBot(t, onDisk, withMoody, inForum)
	b.cfg.ChatID.GlobalChatID = []config.Chat{{ID: forum, Topic: topic}, {ID: group}, {ID: user}, {ID: admin}}
	b.start()
	boss, p, other := b.person(admin, admin), b.person(user, user), b.person(stranger, stranger)
	inTopic, inGroup := b.person(user, forum), b.person(user, group)
	boss.expect(boss.says("/back"), "Main menu") // a bot cannot begin to talk to somebody
	b.person(user, forum).TypeIn(topic, "The bot tells here what is wrong with it.")

	other.expect(other.says("/containers"), "not on this bot's list")
	boss.lately("Somebody who is on no list")

	trap := "/load " + strings.Repeat("x", 1500)
	for range 5 {
		p.expect(p.says(trap), "The module server failed")
	}
	const off = "The module server failed again and again"
	for _, chat := range []person{boss, p, inTopic, inGroup} {
		chat.lately(off)
	}
	for _, chat := range []person{inTopic, inGroup} {
		for _, m := range chat.Messages() {
			if m.From.IsBot && !strings.Contains(m.Text, off) {
				t.Errorf("a chat is told %q", m.Text)
			}
		}
	}
	if got := inTopic.lately(off).ThreadID; got != topic {
		t.Errorf("it stands in topic %d", got)
	}
	if got := inGroup.lately(off).ThreadID; got != 0 {
		t.Errorf("in a group without topics it stands in topic %d", got)
	}
	if n := boss.said(off); n != 1 {
		t.Errorf("an admin whose chat is named as well is told %d times", n)
	}
	if p.said("on no list") != 0 {
		t.Error("a user is told of a stranger")
	}
}

// A chat that is gone costs the others nothing, and a reload changes where notices
// go.
func TestNotificationChatsChange(t *testing.T) {
	const gone = -100999
	r := startReloadable(t, func(f *configFile) { f.groups = []int64{gone, group} })
	boss, inGroup := r.person(admin, admin), r.person(user, group)
	boss.expect(boss.says("/back"), "Main menu")
	r.app.tellWritable(false)
	boss.lately("cannot write its state")
	inGroup.lately("cannot write its state")
	r.await("notice.undelivered", 1)
	r.reload(func(f *configFile) { f.groups = nil })
	r.app.tellWritable(true)
	boss.lately("can write its state again")
	r.app.webhookChanged("")
	boss.lately("The webhook works again") // notices go out one after the other
	if inGroup.said("can write its state again") != 0 {
		t.Error("a chat is told that is not named any more")
	}
}
