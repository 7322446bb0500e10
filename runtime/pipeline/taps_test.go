package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

func TestTaps(t *testing.T) {
	notice, alert := func(who int64, text string) string { return fmt.Sprintf("notice q%d: %s", who, text) },
		func(who int64, text string) string { return fmt.Sprintf("alert q%d: %s", who, text) }
	edit := func(where int64, text string) string { return fmt.Sprintf("edit %d/80: %s", where, text) }
	for _, rule := range []struct {
		name string
		tap  func(tokens []string) chat.Update
		did  []string
	}{
		{"an action runs with its arguments", func(k []string) chat.Update { return tapped(user, user, k[0]) },
			[]string{notice(user, ""), edit(user, "tapped showx")}},
		{"a command runs", func(k []string) chat.Update { return tapped(user, user, k[1]) },
			[]string{notice(user, ""), edit(user, "tapped view")}},
		{"a command that is gone", func(k []string) chat.Update { return tapped(user, user, k[2]) },
			[]string{alert(user, textButtonDead), edit(user, textViewDead)}},
		{"a command above one's role", func(k []string) chat.Update { return tapped(user, user, k[3]) },
			[]string{alert(user, textNotForYou)}},
		{"another user's button", func(k []string) chat.Update { return tapped(admin, admin, k[0]) },
			[]string{alert(admin, textButtonOther)}},
		{"one's own, from another chat", func(k []string) chat.Update { return tapped(user, group, k[0]) },
			[]string{alert(user, textButtonOther)}},
		{"a stranger's tap", func(k []string) chat.Update { return tapped(stranger, stranger, k[0]) },
			[]string{alert(stranger, textStranger)}},
		{"a stranger's tap in a group", func(k []string) chat.Update { return tapped(stranger, group, k[0]) },
			[]string{alert(stranger, textStranger)}},
		{"one's own button, with another message's id", func(k []string) chat.Update {
			u := tapped(user, user, k[0])
			u.MessageID = viewID - 1
			return u
		}, []string{alert(user, textButtonExpired)}},
		{"an index out of range", func(k []string) chat.Update { return tapped(user, user, strings.TrimSuffix(k[0], "0")+"4") },
			[]string{alert(user, textButtonExpired)}},
		{"a negative index", func(k []string) chat.Update { return tapped(user, user, strings.TrimSuffix(k[0], "0")+"-1") },
			[]string{alert(user, textButtonExpired)}},
		{"a token without its index", func(k []string) chat.Update { return tapped(user, user, strings.TrimSuffix(k[0], ".0")) },
			[]string{alert(user, textButtonExpired)}},
		{"a token of another case", func(k []string) chat.Update { return tapped(user, user, strings.ToUpper(k[0])) },
			[]string{alert(user, textButtonExpired)}},
		{"64 forged bytes", func([]string) chat.Update { return tapped(user, user, strings.Repeat("x", 62)+".0") },
			[]string{alert(user, textButtonExpired)}},
		{"a name of an action", func([]string) chat.Update { return tapped(user, user, "show") },
			[]string{alert(user, textButtonExpired)}},
		{"nothing at all", func([]string) chat.Update { return tapped(user, user, "") },
			[]string{alert(user, textButtonExpired)}},
		{"a tap that nobody could classify", func([]string) chat.Update {
			u := tapped(user, user, "")
			u.Kind = chat.Ignored
			return u
		}, []string{notice(user, "")}},
	} {
		t.Run(rule.name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				tokens := r.view(user, user)
				u := rule.tap(tokens)
				r.expect(r.handles(u), rule.did...)
				if n := r.sender.answers[u.QueryID]; n != 1 {
					t.Errorf("the tap was answered %d times", n)
				}
				if left := r.journal.left(); len(left) > 0 {
					t.Error("the tap stays in the journal")
				}
			})
		})
	}
}

// A module was taken out of its folder: its buttons say so, and those of others
// that lead to it.
func TestButtonsOfAModuleThatIsGone(t *testing.T) {
	inBubble(t, func(r *rig) {
		tokens := r.view(user, user)
		r.modules.gone = "mod"
		for button, token := range map[string]string{"an action of its own": tokens[0], "its command": tokens[1]} {
			r.expect(r.handles(tapped(user, user, token)), "alert q2: "+textButtonDead, "edit 2/80: "+textViewDead)
			if n := len(r.modules.requests); n != 1 {
				t.Errorf("%s: %d requests reached the module, want the first alone", button, n)
			}
		}
	})
	inBubble(t, func(r *rig) { // only its command is gone, in a version that came meanwhile
		r.modules.of = map[string]string{"extra": "other"}
		r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) {
			return reply(abi.Reply{Blocks: []abi.Block{{Kind: abi.BlockText, Spans: []abi.Span{{Text: "x"}}}},
				Keyboard: [][]abi.Button{{{Label: "Extra", Command: "extra"}}}})
		})
		r.handles(typed(user, user, "/view"))
		token := r.sender.last.Inline[0][0].Data
		delete(r.modules.of, "extra")
		r.expect(r.handles(tapped(user, user, token)), "alert q2: "+textButtonDead, "edit 2/80: "+textViewDead)
	})
}

func TestAViewsButtonsLastADay(t *testing.T) {
	inBubble(t, func(r *rig) {
		token := r.view(user, user)[0]
		for range 3 {
			if did := r.handles(tapped(user, user, token)); len(did) != 2 {
				t.Errorf("a repeated tap: %v", did)
			}
		}
		time.Sleep(keyboardLifetime - time.Second)
		if did := r.handles(tapped(user, user, token)); len(did) != 2 {
			t.Errorf("in the last second: %v", did)
		}
		time.Sleep(time.Second)
		r.expect(r.handles(tapped(user, user, token)), "alert q2: "+textButtonExpired, "edit 2/80: "+textViewExpired)
	})
}

// Telegram takes no answer to a tap after some seconds, and only one. What the
// user did not see there must come as a message.
func TestWhatATapCannotTellIsSent(t *testing.T) {
	slowly := func(code abi.Code, answer abi.Reply) func(context.Context, abi.Request) (abi.Code, []byte, error) {
		return func(context.Context, abi.Request) (abi.Code, []byte, error) {
			time.Sleep(answerAfter + time.Second)
			_, data, err := reply(answer)
			return code, data, err
		}
	}
	words := func(text string) abi.Reply {
		return abi.Reply{Blocks: []abi.Block{{Kind: abi.BlockText, Spans: []abi.Span{{Text: text}}}}}
	}
	for _, rule := range []struct {
		name   string
		invoke func(context.Context, abi.Request) (abi.Code, []byte, error)
		did    []string
	}{
		{"a view is edited", slowly(abi.OK, words("new")), []string{"notice q2: ", "edit 2/80: new"}},
		{"a refusal is sent", slowly(abi.Unavailable, words("Docker is away")), []string{"notice q2: ", "send 2: Docker is away"}},
		{"a notice is sent", slowly(abi.OK, abi.Reply{Notice: "restarted"}), []string{"notice q2: ", "send 2: restarted"}},
		{"a fault is sent", func(context.Context, abi.Request) (abi.Code, []byte, error) {
			time.Sleep(answerAfter + time.Second)
			return 0, nil, fault(abi.Timeout)
		}, []string{"notice q2: ", "send 2: " + faultText(fault(abi.Timeout), "mod")}},
	} {
		t.Run(rule.name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				token := r.view(user, user)[0]
				r.modules.set(rule.invoke)
				r.sender.take()
				r.comes(tapped(user, user, token))
				time.Sleep(answerAfter + 2*time.Second)
				r.settle()
				r.expect(r.sender.take(), rule.did...)
			})
		})
	}
	t.Run("a dialog that Telegram does not take is sent", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			r.sender.refuse = errors.New("query is too old")
			r.expect(r.handles(tapped(user, user, "forged")), "alert q2: "+textButtonExpired, "send 2: "+textButtonExpired)
		})
	})
}

func TestQuickRefusalsKeepTheView(t *testing.T) {
	inBubble(t, func(r *rig) {
		token := r.view(user, user)[0]
		r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) {
			_, data, err := saying(strings.Repeat("no ", 100))
			return abi.Conflict, data, err
		})
		did := r.handles(tapped(user, user, token))
		if len(did) != 1 || !strings.HasPrefix(did[0], "alert q2: no no") || !strings.HasSuffix(did[0], "…") {
			t.Errorf("the bot did %q", did)
		}
	})
}

func TestClip(t *testing.T) {
	for _, rule := range []struct {
		text  string
		limit int
		want  string
	}{
		{"", 5, ""},
		{"12345", 5, "12345"},
		{"123456", 5, "1234…"},
		{"1234🦊", 6, "1234🦊"},
		{"1234🦊", 5, "1234…"},
		{"123🦊5", 5, "123…"},
		{"🦊🦊🦊", 5, "🦊🦊…"},
		{"\xff\xff\xff", 2, "\xff…"},
	} {
		if got := clip(rule.text, rule.limit); got != rule.want {
			t.Errorf("clip(%q, %d) = %q, want %q", rule.text, rule.limit, got, rule.want)
		} else if n := len(utf16.Encode([]rune(got))); n > rule.limit {
			t.Errorf("clip(%q, %d) has %d units", rule.text, rule.limit, n)
		}
	}
}

func TestTokensFitIntoCallbackData(t *testing.T) {
	inBubble(t, func(r *rig) {
		seen := map[string]bool{}
		for range 100 {
			id, err := r.keyboardID()
			if err != nil {
				t.Fatal(err)
			}
			seen[id] = true
			data := token(id, 99)
			if got, n, ok := readToken(data); got != id || n != 99 || !ok || len(data) > chat.MaxCallbackData {
				t.Errorf("%q reads as %q, %d, %v", data, got, n, ok)
			}
		}
		if len(seen) != 100 {
			t.Errorf("%d ids of 100 differ", len(seen))
		}
	})
}

func FuzzReadToken(f *testing.F) {
	for _, seed := range []string{"", ".", "id.0", "id.-1", "id.256", "id.99999999999999999999", "a.b.c", "\x00.1", "id.٣"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data string) {
		id, n, ok := readToken(data)
		if ok && (n < 0 || n > 255 || !strings.HasPrefix(data, id+".")) {
			t.Errorf("%q reads as %q, %d", data, id, n)
		}
	})
}
