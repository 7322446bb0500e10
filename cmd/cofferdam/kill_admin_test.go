package main

import (
	"context"
	"regexp"
	"slices"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// deed is an update of the admin.
type deed struct {
	key    string         // of started
	answer *regexp.Regexp // what the bot says to such an update
}

func (k *killing) enrol() authenticator {
	k.t.Helper()
	p := k.person(k.boss)
	picture := p.message(k.types(p, "/qrcode", anAnswer) + 1)
	if picture.Photo == nil {
		k.t.Fatalf("there is no picture: %s", picture.Styled())
	}
	phone := newAuthenticator(k.t, scan(k.t, picture.Photo.Bytes), k.now)
	k.types(p, phone.code(), codeAnswer)
	p.hears("Your session in this chat lasts", 1)
	k.advance(time.Minute)
	return phone
}

// replay sends a code, kills the process when it was accepted, and sends it
// again: an accepted step is on disk before anybody hears of it (B2).
func (k *killing) replay(phone authenticator) {
	k.t.Helper()
	p, code := k.person(k.boss), phone.code()
	for i, says := range []string{"That code is right", "That code was used already"} {
		process := k.run()
		k.types(p, code, codeAnswer)
		p.hears(says, 2-i) // the first one was the enrolment's
		kill(process)
		k.autopsy()
	}
	k.advance(time.Minute)
}

// remove lets the admin remove containers, as people do whose bot dies all the
// time: look, tap, send a code if asked, confirm, and look again.
func (k *killing) remove(phone authenticator, names []string) {
	p := k.person(k.boss)
	for _, name := range names {
		for attempt := 0; !k.gone(k.ids[name]); attempt++ {
			if attempt == 100 {
				k.t.Errorf("%s is still there", name)
				return
			}
			k.tryToRemove(p, phone, name)
		}
	}
}

func (k *killing) tryToRemove(p person, phone authenticator, name string) {
	k.advance(10 * time.Second) // nobody is as quick as this test (A8)
	view, ok := k.sees(p, k.types(p, "/manage "+name, anAnswer), "🗑 Remove")
	if !ok {
		return
	}
	after := k.tapsOn(p, view, "🗑 Remove")
	question, ok := k.sees(p, after, "Remove "+name)
	if !ok && k.saw(p, after, promptAnswer) {
		k.advance(31 * time.Second)
		question, ok = k.sees(p, k.types(p, phone.code(), codeAnswer), "Remove "+name)
	}
	if !ok {
		return
	}
	k.taps[name]++
	k.tapsOn(p, question, "Remove "+name)
}

// What the bot says to the admin's updates, if it is not cut short.
var (
	anAnswer     = regexp.MustCompile(`^(🔐 Scan this|⚪️ doomed|🗑 doomed|✋ There is no such container)`)
	promptAnswer = regexp.MustCompile(`^(🔐 A code, please|❗ Remove doomed)`)
	codeAnswer   = regexp.MustCompile(`^(❗ Remove doomed|🔓 That code is right|♻️ That code was used already)`)
	aReport      = regexp.MustCompile(wasInterrupted)
	tooLateToTap = regexp.MustCompile(`^⌛ That question is answered already`)
)

// types types as the admin, and waits for what comes of it.
func (k *killing) types(p person, text string, answer *regexp.Regexp) (id int) {
	id = p.types(text)
	k.did = append(k.did, deed{key: keyOf(k.boss, id, ""), answer: answer})
	k.comes(p, func() bool { return k.saw(p, id, answer) || k.saw(p, id, aReport) })
	return id
}

// tapsOn taps as the admin, waits for what comes of it, and returns the last
// message from before.
func (k *killing) tapsOn(p person, m emulator.Message, label string) (after int) {
	all := p.Messages()
	after = all[len(all)-1].ID
	query, err := p.TapOn(m.ID, label)
	if err != nil {
		return after // it was there a moment ago
	}
	d := deed{key: query, answer: promptAnswer}
	if label != "🗑 Remove" {
		d.answer = tooLateToTap
	}
	k.did = append(k.did, d)
	k.comes(p, func() bool {
		return k.answered(p, query) || k.saw(p, after, d.answer) || k.saw(p, after, aReport)
	})
	return after
}

// comes waits until something of an answer, or of a report, is there. What the
// admin then makes of it may be wrong, if it is one to an earlier update; that
// costs another attempt.
func (k *killing) comes(p person, there func() bool) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.Wait(ctx, func([]emulator.Message) bool { return there() }); err != nil {
		k.t.Errorf("the admin hears nothing: %v", err)
	}
}

func (k *killing) answered(p person, query string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err := p.Answer(ctx, query)
	return err == nil
}

// sees finds a message behind another one, with such a button.
func (k *killing) sees(p person, after int, button string) (emulator.Message, bool) {
	for _, m := range p.Messages() {
		if m.ID > after && !m.Deleted && slices.Contains(slices.Concat(m.Labels()...), button) {
			return m, true
		}
	}
	return emulator.Message{}, false
}

func (k *killing) saw(p person, after int, text *regexp.Regexp) bool {
	return slices.ContainsFunc(p.Messages(), func(m emulator.Message) bool {
		return m.ID > after && m.From.IsBot && text.MatchString(m.Text)
	})
}

func (k *killing) gone(id string) bool {
	_, err := dockertest.Client(k.t).ContainerInspect(context.Background(), id)
	return err != nil
}
