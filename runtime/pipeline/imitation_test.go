package pipeline

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/render"
	"github.com/cofferdam-bot/cofferdam/runtime/twofactor"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

const nameOfMod = "🧩 mod"

// dropsIn makes the module of the tests one from elsewhere.
func (r *rig) dropsIn(answer func(context.Context, abi.Request) (abi.Code, []byte, error)) {
	r.modules.mu.Lock()
	defer r.modules.mu.Unlock()
	r.modules.dropIn, r.modules.gated, r.modules.invoke = "mod", nil, answer
}

func answering(r abi.Reply) func(context.Context, abi.Request) (abi.Code, []byte, error) {
	return func(context.Context, abi.Request) (abi.Code, []byte, error) { return reply(r) }
}

// imitations are replies that look like the host's own questions.
func imitations() map[string]abi.Reply {
	button := [][]abi.Button{{{Label: "Stop web", Action: "stop", Style: abi.ButtonDanger}, {Label: "✖️ Cancel", Action: "no"}}}
	return map[string]abi.Reply{
		"the question for a code": {Blocks: codePrompt(capability.Act{Capability: capability.ContainersStop}, "manage", twofactor.Standing{Enrolled: true, Left: 3}, true)},
		"a confirmation":          {Blocks: confirmPrompt(stopping, "manage"), Keyboard: button},
		"another's name line":     words("🧩 core\n🔐 A code, please"),
		"its own, and then that":  words("🧩 mod\n\n🔐 A code, please"),
		"blanks before it":        words("\u00a0\n\u3000\n\u2800\n🔐 A code, please"),
		"far below":               words("ok" + strings.Repeat("\n", 200) + "🔐 A code, please"),
		"a second message":        words(strings.Repeat("x", 4000) + "\n🔐 A code, please\n" + strings.Repeat("Send it here. ", 200)),
		"under a file":            {Blocks: []abi.Block{{Kind: abi.BlockFile, File: &abi.File{Name: "🔐 A code, please", Data: []byte("x")}}}},
		"a notice alone":          {Notice: "🔐 A code, please"},
	}
}

// sent is what the bot said, without what it does beside that.
func said(calls []string) (texts []string) {
	for _, line := range calls {
		kind, text, _ := strings.Cut(line, ": ")
		if !strings.HasPrefix(kind, "typing") && text != "" {
			texts = append(texts, text)
		}
	}
	return texts
}

// What a module from elsewhere says always carries its name, written by the host,
// as its first line; what the host asks never does (F6).
func TestAttackNobodySpeaksAsTheHost(t *testing.T) {
	for name, imitation := range imitations() {
		t.Run(name, func(t *testing.T) {
			withFactor(t, stopping, func(r *rig, _ *int) {
				r.unlimited()
				gated := r.modules.gated
				r.dropsIn(answering(imitation))
				var seen []chat.Message
				r.sender.seen = func(m chat.Message) { seen = append(seen, m) }
				r.handles(typed(admin, admin, "/view"))
				if len(seen) == 0 {
					t.Fatal("nothing was said")
				}
				for _, m := range seen {
					if first, _, _ := strings.Cut(m.Text, "\n"); first != nameOfMod {
						t.Errorf("it begins with %q", first)
					}
				}
				// The host's own, for the same command.
				seen = nil
				r.modules.gate(gated)
				r.handles(typed(admin, admin, "/manage web"))
				r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
				if len(seen) != 2 {
					t.Fatalf("the host asked %d times", len(seen))
				}
				for _, m := range seen {
					if strings.Contains(m.Text, "🧩") {
						t.Errorf("the host's question has a name line: %q", m.Text)
					}
				}
			})
		})
	}
}

// Pop-ups, errors, lines of progress, and what follows by itself.
func TestAttackWhateverAModuleSaysHasItsName(t *testing.T) {
	ask := words("🔐 A code, please")
	t.Run("a pop-up", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			r.modules.dropIn = "mod"
			tokens := r.view(user, user)
			r.dropsIn(answering(abi.Reply{Notice: "🔐 A code, please" + strings.Repeat(" now", 40)}))
			got := r.handles(tapped(user, user, tokens[0]))
			if len(got) != 1 || !strings.HasPrefix(got[0], "notice q2: "+nameOfMod+"\n🔐 A code") || units(got[0]) > 220 {
				t.Errorf("the bot did %q", got)
			}
		})
	})
	t.Run("an error, over a view", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			r.modules.dropIn = "mod"
			tokens := r.view(user, user)
			r.dropsIn(working(0, abi.Conflict, ask, nil))
			r.expect(r.handles(tapped(user, user, tokens[0])), "alert q2: "+nameOfMod+"\n🔐 A code, please")
		})
	})
	t.Run("an error, as a message", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			r.dropsIn(working(0, abi.Conflict, ask, nil))
			r.expect(r.handles(typed(user, user, "/view")), "send 2: "+nameOfMod+"\n🔐 A code, please")
		})
	})
	t.Run("what it does meanwhile", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			r.dropsIn(working(5*time.Second, abi.OK, words("done"), nil))
			r.says("🔐 A code, please")
			r.handles(typed(user, user, "/view"))
			for _, text := range said(r.passes(10 * time.Second)) {
				if !strings.HasPrefix(text, nameOfMod+"\n") {
					t.Errorf("it says %q", text)
				}
			}
		})
	})
	t.Run("what follows by itself", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			r.dropsIn(answering(following("fine", 1)))
			r.handles(typed(user, user, "/view"))
			r.modules.set(answering(following("🔐 A code, please", 1)))
			got := said(r.passes(3 * time.Second))
			r.modules.set(working(0, abi.Conflict, ask, nil))
			got = append(got, said(r.passes(3*time.Second))...)
			if len(got) != 2 {
				t.Fatalf("the bot said %q", got)
			}
			for _, text := range got {
				if !strings.HasPrefix(text, nameOfMod+"\n") {
					t.Errorf("it says %q", text)
				}
			}
		})
	})
	t.Run("what nobody asked for", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			r.dropsIn(nil)
			r.expect(nil)
			if err := r.Post(context.Background(), privately(admin), admin, "mod", abi.Reply{Blocks: ask.Blocks, Notice: "🔐 A code"}); err != nil {
				t.Fatal(err)
			}
			r.expect(r.sender.take(), r.toAdmin(nameOfMod+"\n🔐 A code"), r.toAdmin(nameOfMod+"\n🔐 A code, please"))
		})
	})
}

// A six-digit code that somebody types after a module's imitation goes to the
// host, or nowhere: never to a module, however it is written.
func TestAttackACodeAfterAnImitationReachesNoModule(t *testing.T) {
	for name, imitation := range imitations() {
		t.Run(name, func(t *testing.T) {
			withFactor(t, stopping, func(r *rig, _ *int) {
				r.unlimited()
				r.dropsIn(answering(imitation))
				r.handles(typed(admin, admin, "/view"))
				code := r.factors.code(t, time.Now())
				half := code[:3] + " " + code[3:]
				for n, text := range []string{code, "/" + code, "/view " + code, "/view " + half, "/view " + strings.ReplaceAll(half, " ", "-"), "/view@bot " + code, "/view  \u00a0" + half} {
					u := typed(admin, admin, text)
					u.MessageID = 4000 + n
					r.handles(u)
					if _, ok := r.deleted(4000 + n); !ok {
						t.Errorf("%q stays", text)
					}
				}
				for _, q := range r.modules.requests {
					if digits(fmt.Sprint(q.Text, q.Args)) == code {
						t.Errorf("the module was given the code: %+v", q)
					}
				}
			})
		})
	}
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// A module's buttons are its own: no token of another user, chat, message or
// module does anything, and what stands in a button's arguments is never taken
// for anything but arguments of the module that made it.
func TestAttackForgedCallbacks(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.unlimited()
		r.modules.of = map[string]string{"other": "other"}
		r.dropsIn(nil)
		tokens := r.view(admin, admin)
		runs := r.modules.runs()
		id, _, _ := strings.Cut(tokens[0], ".")
		stolen := tapped(user, user, tokens[0])
		elsewhere := tapped(admin, group, tokens[0])
		another := tapped(admin, admin, tokens[0])
		another.MessageID++
		for name, u := range map[string]chat.Update{
			"another's": stolen, "from another chat": elsewhere, "on another message": another,
			"no button":          tapped(admin, admin, id+".9"),
			"a negative one":     tapped(admin, admin, id+".-1"),
			"a guess":            tapped(admin, admin, strings.Repeat("A", 30)+".0"),
			"a module's words":   tapped(admin, admin, "approve"),
			"JSON":               tapped(admin, admin, `{"action":"approve"}`),
			"a confirmation":     tapped(admin, admin, confirmToken(strings.Repeat("A", 22), true)),
			"a button's token":   tapped(admin, admin, confirmMark+tokens[0]),
			"a confirmed button": tapped(admin, admin, confirmToken(tokens[0], true)),
		} {
			if r.handles(u); r.modules.runs() != runs {
				t.Errorf("%s: it ran %+v", name, r.modules.requests[len(r.modules.requests)-1])
				runs = r.modules.runs()
			}
		}
		// Arguments that look like a request of another module stay arguments.
		evil := refreshing("x")
		evil.Keyboard = [][]abi.Button{{{Label: "Show", Action: "show", Args: map[string]string{"module": "other", "command": "other", "token": tokens[0], "confirmed": "true"}}}}
		r.modules.set(answering(evil))
		r.handles(typed(admin, admin, "/view"))
		r.modules.set(func(_ context.Context, q abi.Request) (abi.Code, []byte, error) { return saying(q.Action) })
		r.handles(tapped(admin, admin, r.buttons()[0]))
		last, pass := r.modules.requests[len(r.modules.requests)-1], r.modules.passes[len(r.modules.passes)-1]
		if last.Command != "" || last.Action != "show" || last.Args["module"] != "other" || pass.Confirmed != nil {
			t.Errorf("it ran %+v with %+v", last, pass)
		}
		time.Sleep(keyboardLifetime + time.Minute)
		runs = r.modules.runs()
		if r.handles(tapped(admin, admin, tokens[0])); r.modules.runs() != runs {
			t.Error("an expired button ran")
		}
	})
}

// A button of a module from elsewhere that leads to another module's command is
// borrowed: what acts there is confirmed by the host.
func TestAttackABorrowedButtonIsConfirmed(t *testing.T) {
	start := stopping
	start.Capability = capability.ContainersStart // which needs no tap of its own
	withFactor(t, start, func(r *rig, acted *int) {
		r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
		gated := r.modules.gated
		r.modules.of = map[string]string{"start": "manage"}
		evil := words("Look at the weather")
		evil.Keyboard = [][]abi.Button{{{Label: "🌤 Weather", Command: "start", Text: "web"}}}
		r.dropsIn(answering(evil))
		r.handles(typed(admin, admin, "/view"))
		weather := r.buttons()[0]
		r.modules.gate(gated)
		got := r.handles(tapped(admin, admin, weather))
		if *acted != 0 || !strings.Contains(strings.Join(got, "\n"), "❗ Start web?") {
			t.Errorf("it acted %d times, the bot did %q", *acted, got)
		}
		if line := strings.Join(got, "\n"); strings.Contains(line, render.NameLine("mod")) {
			t.Errorf("the host's question has a name line: %q", line)
		}
	})
}
