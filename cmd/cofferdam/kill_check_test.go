package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/cofferdam-bot/cofferdam/runtime/store"
	"github.com/cofferdam-bot/cofferdam/security/audit"
)

// settle waits until everything that was typed is answered or reported: what is
// typed now comes after all that waited in its chat.
func (k *killing) settle() {
	k.t.Helper()
	for i := range int64(readers) + 1 {
		p := k.person(k.boss + i)
		p.Type("/nonsense")
		p.hears("I do not know that command", 1)
	}
}

// check holds what everybody heard against what they sent. What no kill found
// under way was answered once; what one did was reported, and may have its answer
// too, if it got to Telegram: so at a kill at most one update of each chat can
// have both. It was reported once, unless a kill found the report under way.
func (k *killing) check() {
	k.t.Helper()
	answered, reported, both, again := 0, 0, 0, 0
	for id, typed := range k.typed {
		p, least, most := k.person(id), 0, 0
		for i, a := range asked {
			n, cut := p.said(a.answer), k.started[keyOf(id, typed[i], "")]
			if n > 1 || n == 0 && cut == 0 {
				k.t.Errorf("%s was answered %d times, and under way at %d kills", a.command, n, cut)
			}
			answered, least, most = answered+n, least+min(cut, 1), most+cut
			if n > 0 && cut > 0 {
				both++
			}
		}
		told := p.said(wasInterrupted)
		if told < least || told > most {
			k.t.Errorf("%d reports of %d interrupted commands, which %d kills cut short", told, least, most)
		}
		reported, again = reported+told, again+told-least
	}
	if k.busy < kills/2 {
		k.t.Errorf("only %d of %d kills hit a burst", k.busy, kills)
	}
	k.t.Logf("%d updates of readers: %d answered, %d reports of interrupted ones, of which %d had their answer, and %d were reported before", readers*len(asked), answered, reported, both, again)
	k.checkAdmin()
	if left := pendingIn(k.t, k.state); len(left) > 0 {
		k.t.Errorf("the journal keeps %d updates", len(left))
	}
}

// checkAdmin holds what the admin heard against what the admin sent, kind by
// kind: at least an answer to each update that no kill found under way, and at
// most one to each. A tap on a question is answered above the chat; if it waited
// too long for that, by a message.
func (k *killing) checkAdmin() {
	k.t.Helper()
	p := k.person(k.boss)
	said := func(texts ...*regexp.Regexp) (n int) {
		for _, m := range p.Messages() {
			if m.From.IsBot && slices.ContainsFunc(texts, func(text *regexp.Regexp) bool { return text.MatchString(m.Text) }) {
				n++
			}
		}
		return n
	}
	for _, kind := range []struct {
		name    string
		answers []*regexp.Regexp
	}{
		{"commands", []*regexp.Regexp{anAnswer}},
		// A right code is answered by the question that waited for it.
		{"codes and taps that ask", []*regexp.Regexp{promptAnswer, codeAnswer}},
		{"taps that confirm", []*regexp.Regexp{tooLateToTap}},
	} {
		least, most := 0, 0
		for _, d := range k.did {
			if !slices.Contains(kind.answers, d.answer) {
				continue
			}
			// A tap that was answered may be answered again, by a message, if the
			// bot was killed before it had noted that it was.
			answered := d.answer == tooLateToTap && k.answered(p, d.key)
			if most++; k.started[d.key] == 0 && !answered {
				least++
			}
		}
		n := said(kind.answers...)
		if n < least || n > most {
			k.t.Errorf("%d answers to %d %s of the admin, of which %d were not cut short", n, most, kind.name, least)
		}
		k.t.Logf("the admin's %s: %d, of which %d were not cut short; %d answers", kind.name, most, least, n)
	}
	least, most := 0, 0
	for _, d := range k.did {
		least, most = least+min(k.started[d.key], 1), most+k.started[d.key]
	}
	if told := p.said(wasInterrupted); told < least || told > most {
		k.t.Errorf("%d reports of the admin's %d interrupted updates, which %d kills cut short", told, least, most)
	}
	for _, m := range p.Messages() {
		if sixDigits.MatchString(m.Text) && !m.Deleted {
			k.t.Errorf("the code %s was not deleted", m.Text)
		}
	}
}

var sixDigits = regexp.MustCompile(`^[0-9]{6}$`)

// checkActs holds what reached the engine against the audit log: no removal
// without a record before it, none twice for one confirming tap.
func (k *killing) checkActs() {
	k.t.Helper()
	file, err := os.Open(filepath.Join(k.state, store.AuditFile))
	if err != nil {
		k.t.Fatal(err)
	}
	defer file.Close()
	if _, err := audit.Verify(file, audit.Head{}); err != nil {
		k.t.Errorf("the audit log after %d kills: %v", kills, err)
	}
	text, err := os.ReadFile(file.Name())
	if err != nil {
		k.t.Fatal(err)
	}
	total := 0
	for name, id := range k.ids {
		begun := map[string]bool{} // by trace id
		for line := range strings.Lines(string(text)) {
			if !strings.Contains(line, id[:12]) || !strings.Contains(line, `"outcome":"begun"`) {
				continue
			}
			_, rest, _ := strings.Cut(line, `"trace_id":"`)
			trace, _, _ := strings.Cut(rest, `"`)
			if begun[trace] {
				k.t.Errorf("one tap removed %s twice", id[:12])
			}
			begun[trace] = true
		}
		n := k.ledger.removed[id]
		total += n
		// A command that ran again after a kill would remove it without a tap.
		if taps := k.taps[name]; n > taps {
			k.t.Errorf("%s was removed %d times, with %d confirming taps", name, n, taps)
		}
		if n > len(begun) {
			k.t.Errorf("%s was removed %d times, and %d records say so", id[:12], n, len(begun))
		}
		if n == 0 {
			k.t.Errorf("%s was never removed through the bot", id[:12])
		}
	}
	k.t.Logf("%d removals of %d containers reached the engine", total, len(k.ids))
}
