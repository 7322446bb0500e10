package pipeline

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// linked are two modules with links to each other: /view of mod, whose lists have
// pages, and /logs of the module logs.
func (r *rig) linked() {
	r.unlimited()
	r.modules.of = map[string]string{"logs": "logs", "stats": "stats"}
	r.modules.set(func(_ context.Context, q abi.Request) (abi.Code, []byte, error) {
		v := words(strings.TrimSpace("at " + q.Command + q.Action + " " + q.Text + q.Args["page"]))
		v.Keyboard = [][]abi.Button{{
			{Label: "Page 3", Action: "list", Args: map[string]string{"page": "3"}},
			{Label: "Logs", Command: "logs", Text: "web"},
			{Label: "Back", Command: "view", Back: true},
			{Label: "Stats", Command: "stats"},
		}}
		return reply(v)
	})
}

// taps taps the nth button of the last view, and returns what is shown.
func (r *rig) taps(n int) string {
	r.t.Helper()
	did := r.handles(tapped(user, user, r.buttons()[n]))
	return strings.TrimPrefix(did[len(did)-1], edited(user, ""))
}

const (
	toPage = iota
	toLogs
	goBack
	toStats
)

func TestBackLeadsToWhereOneCameFrom(t *testing.T) {
	for _, rule := range []struct {
		name string
		taps []int
		ends string
	}{
		{"nowhere: what the button says", []int{goBack}, "at view"},
		{"the page is kept", []int{toPage, toLogs, goBack}, "at list 3"},
		{"also from a view behind", []int{toPage, toLogs, toPage, goBack}, "at list 3"},
		{"two modules deep", []int{toPage, toLogs, toStats, goBack}, "at logs web"},
		{"and twice back", []int{toPage, toLogs, toStats, goBack, goBack}, "at list 3"},
		{"and then nowhere", []int{toPage, toLogs, toStats, goBack, goBack, goBack}, "at view"},
		{"there and back and there", []int{toLogs, goBack, toLogs, goBack}, "at view"},
	} {
		t.Run(rule.name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.linked()
				r.handles(typed(user, user, "/view"))
				last := ""
				for _, n := range rule.taps {
					last = r.taps(n)
				}
				if last != rule.ends {
					t.Errorf("it leads to %q, want %q", last, rule.ends)
				}
			})
		})
	}
}

func TestTheWayBackIsBounded(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.linked()
		r.handles(typed(user, user, "/view"))
		for range 50 {
			r.taps(toLogs)
			r.taps(toStats)
		}
		for id, v := range r.keyboards.all() {
			k, err := readKeyboard(v.value)
			if err != nil || len(k.Way) > maxOrigins || len(v.value) > maxKeyboard {
				t.Errorf("%s: %d origins in %d bytes, %v", id, len(k.Way), len(v.value), err)
			}
		}
	})
	long := visit{Module: "m", Action: "a", Args: map[string]string{"x": strings.Repeat("x", 2000)}}
	var w way
	for range 10 {
		w = w.from(&long)
	}
	if len(w) != 1 {
		t.Errorf("%d visits of 2 KB are kept", len(w))
	}
	if v := visitOf(typedRoute(strings.Repeat("x", 4000))); v != nil {
		t.Error("a text of 4,000 bytes is kept")
	}
}

// Buttons as large as they may be leave no room for the way, and work all the
// same.
func TestLargeButtonsWorkWithoutAWay(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.linked()
		r.handles(typed(user, user, "/view"))
		r.modules.set(func(_ context.Context, q abi.Request) (abi.Code, []byte, error) {
			if q.Action == "x" {
				return saying("works")
			}
			v := words("large")
			for range 7 {
				v.Keyboard = append(v.Keyboard, []abi.Button{{Label: "x", Action: "x", Args: map[string]string{"x": strings.Repeat("x", 2040)}}})
			}
			v.Keyboard = append(v.Keyboard, []abi.Button{{Label: "x", Action: "x", Args: map[string]string{"x": strings.Repeat("x", 1440)}}})
			return reply(v)
		})
		if got := r.taps(toLogs); got != "large" {
			t.Fatalf("it shows %q", got)
		}
		if got := r.taps(0); got != "works" {
			t.Errorf("it shows %q", got)
		}
	})
}

func TestAWayThatIsGoneFallsBack(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.linked()
		r.handles(typed(user, user, "/stats"))
		r.taps(toLogs)
		r.modules.gone = "stats"
		if got := r.taps(goBack); got != "at view" {
			t.Errorf("it leads to %q", got)
		}
	})
	t.Run("over the one that is gone", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			r.linked()
			r.handles(typed(user, user, "/view"))
			r.taps(toPage)
			r.taps(toStats)
			r.taps(toLogs)
			r.modules.gone = "stats"
			if got := r.taps(goBack); got != "at list 3" {
				t.Errorf("it leads to %q", got)
			}
		})
	})
}

// A module cannot write the way itself: what it puts into its reply beside
// buttons is not looked at.
func TestAttackForgedWay(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.linked()
		r.modules.set(func(_ context.Context, q abi.Request) (abi.Code, []byte, error) {
			return abi.OK, []byte(`{"blocks":[{"kind":"text","spans":[{"text":"` + q.Command + q.Action + `"}]}],
				"way":[{"module":"mod","command":"manage","who":"user"}],"visit":{"module":"mod","command":"manage","who":"user"},
				"keyboard":[[{"label":"Back","command":"view","back":true,"way":[{"module":"mod","command":"manage"}]}]]}`), nil
		})
		r.handles(typed(user, user, "/logs"))
		if got := r.taps(0); got != "view" {
			t.Errorf("it leads to %q", got)
		}
	})
}

// Who lost a role does not go back to what it showed.
func TestAttackBackAsksForTheRole(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.linked()
		lists := &changing{}
		lists.put(access.Policy{Users: []int64{user}, Admins: []int64{user}})
		r.Pipeline.Access = lists
		r.handles(typed(user, user, "/manage"))
		r.taps(toLogs)
		lists.put(access.Policy{Users: []int64{user}})
		r.expect(r.handles(tapped(user, user, r.buttons()[goBack])), "alert q2: "+textNotForYou)
	})
}

// Back leads to a view, and does nothing again that was done there.
func TestAttackBackDoesNotAct(t *testing.T) {
	start := stopping
	start.Capability = capability.ContainersStart
	withFactor(t, start, func(r *rig, acted *int) {
		r.linked()
		gated := r.modules.gated
		r.modules.gate(nil)
		r.handles(typed(admin, admin, r.factors.code(t, time.Now())))
		r.handles(typed(admin, admin, "/view"))
		tap := func(n int) []string { return r.handles(tapped(admin, admin, r.buttons()[n])) }
		r.modules.gated = func(pass *capability.Pass) error { pass.Acted = true; return nil }
		tap(toPage) // it acts: the view behind is remembered in its place
		r.modules.gate(nil)
		tap(toLogs)
		r.modules.gate(gated)
		did := tap(goBack)
		if last := r.modules.requests[len(r.modules.requests)-1]; last.Action != "" || last.Command != "view" {
			t.Errorf("it led to %+v: %q", last, did)
		}
		// And a view whose making acts this time is asked for first.
		if *acted != 0 || !strings.Contains(strings.Join(did, "\n"), "❗ Start web?") {
			t.Errorf("acted %d times: %q", *acted, did)
		}
	})
}

func typedRoute(text string) chat.Route {
	return chat.Route{Module: "mod", Command: "view", Text: text, Who: abi.WhoUser}
}

func TestAnExpiredViewIsOfferedAnew(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.linked()
		r.handles(typed(user, user, "/view"))
		r.taps(toPage)
		r.taps(toLogs)
		expired := r.buttons()[goBack]
		time.Sleep(keyboardLifetime)
		r.expect(r.handles(tapped(user, user, expired)), "alert q2: "+textButtonExpired, edited(user, textViewExpired))
		if label := r.firstLabel(); label != labelAgain {
			t.Fatalf("offered %q", label)
		}
		if got := r.taps(0); got != "at logs web" {
			t.Errorf("it opens %q", got)
		}
		if got := r.taps(goBack); got != "at list 3" {
			t.Errorf("from there it leads back to %q", got)
		}
	})
}

func TestWhatIsOfferedForAnExpiredButton(t *testing.T) {
	for _, rule := range []struct {
		name  string
		after time.Duration
		tap   func(token string) (who, where int64, data string, message int)
		then  func(r *rig)
		did   []string
		label string
	}{
		{"within a week: the view", 7*24*time.Hour - time.Second, nil, nil, []string{"alert q2: " + textButtonExpired, edited(user, textViewExpired)}, labelAgain},
		{"later: where one begins", 7 * 24 * time.Hour, nil, nil, []string{"alert q2: " + textButtonExpired, edited(user, textViewExpired)}, "❓ Help"},
		{"its module is gone", 48 * time.Hour, nil, func(r *rig) { r.modules.gone = "logs" },
			[]string{"alert q2: " + textButtonExpired, edited(user, textViewExpired)}, "❓ Help"},
		{"somebody else's", 48 * time.Hour, func(token string) (int64, int64, string, int) { return friend, user, token, viewID },
			nil, []string{"alert q3: " + textStranger}, ""},
		{"under another message", 48 * time.Hour, func(token string) (int64, int64, string, int) { return user, user, token, viewID + 1 },
			nil, []string{"alert q2: " + textButtonExpired}, ""},
	} {
		t.Run(rule.name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.linked()
				r.modules.of["help"] = "core"
				r.handles(typed(user, user, "/logs"))
				u := tapped(user, user, r.buttons()[0])
				if rule.tap != nil {
					u.From.ID, u.Chat.ID, u.Data, u.MessageID = rule.tap(u.Data)
					u.QueryID = fmt.Sprintf("q%d", u.From.ID)
				}
				if rule.then != nil {
					rule.then(r)
				}
				time.Sleep(rule.after)
				r.sender.last.Inline = nil
				r.expect(r.handles(u), rule.did...)
				if label := r.firstLabel(); label != rule.label {
					t.Errorf("offered %q, want %q", label, rule.label)
				}
			})
		})
	}
}

// In a group nobody makes another's view vanish with a token of a week ago, or one
// that was never there.
func TestAttackExpiredTokensOfOthersInAGroup(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.linked()
		r.handles(typed(user, group, "/view"))
		token := r.buttons()[0]
		time.Sleep(48 * time.Hour)
		r.expect(r.handles(tapped(friend, group, token)), "alert q3: "+textButtonOther)
		time.Sleep(30 * 24 * time.Hour)
		r.expect(r.handles(tapped(friend, group, token)), "alert q3: "+textButtonExpired)
		r.expect(r.handles(tapped(friend, group, "00000000AAAAAAAAAAAAAAAAAAAAAA.0")), "alert q3: "+textButtonExpired)
	})
}
