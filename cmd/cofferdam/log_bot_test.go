package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/runtime/registry"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// Rule D2: what people type is in no log, not even at DEBUG; least of all what
// they should not have typed.
func TestWhatIsTypedIsNotLogged(t *testing.T) {
	b := startBot(t, quick)
	code := fmt.Sprintf("%06d", 100_000+rand.IntN(900_000))
	secrets := []string{madeToken(), made(20, wordLetters), code, made(5, "abcdefgh234567") + "-" + made(5, "abcdefgh234567")}
	for _, who := range []person{b.person(admin, admin), b.person(user, user), b.person(stranger, stranger)} {
		for i, typed := range []string{secrets[0], "https://joe:" + secrets[1] + "@db/", code, secrets[3]} {
			who.Type(typed)
			who.Type("/" + typed)
			who.Type(fmt.Sprint("/load ", typed, " ", i))
		}
	}
	p := b.person(admin, admin)
	p.Type("/uptime")
	p.hears("Uptime", 1)
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	log := b.log.String()
	if strings.Count(log, `"event":"update.`) < 3 || !strings.Contains(log, `"level":"debug"`) {
		t.Errorf("this is no log at DEBUG: %s", log)
	}
	for _, secret := range secrets {
		if form := formOf(log, secret); form != "" {
			t.Errorf("%s is in the log %s", secret, form)
		}
	}
}

// Rule D2: a stranger cannot make a word unreadable by being called that.
func TestAStrangersNameIsNoSecret(t *testing.T) {
	const name = "containers-restarted-by-the-engine"
	var scrubber *scrub.Scrubber
	b := newBot(t, quick, func(b *bot) {
		scrubber = scrub.New(b.cfg.Secrets())
		b.o.log = newLogger(b.log, "DEBUG", "json", scrubber)
	})
	b.world.AddUser(emulator.User{ID: stranger, FirstName: name, Username: "restarted_by_the_engine"})
	b.start()
	p := b.person(stranger, stranger)
	p.expect(p.says("/getmyid"), "5003")
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{name, "restarted_by_the_engine"} {
		if got := scrubber.String(text); got != text {
			t.Errorf("%q is hidden: %q", text, got)
		}
		if strings.Contains(b.log.String(), text) {
			t.Errorf("%q is in the log", text)
		}
	}
}

// lines is how many lines of the log are about an event and have the texts.
func (b *bot) lines(event string, texts ...string) (n int) {
	for line := range strings.Lines(b.log.String()) {
		lacks := func(text string) bool { return !strings.Contains(line, text) }
		if !lacks(`"event":"`+event+`"`) && !slices.ContainsFunc(texts, lacks) {
			n++
		}
	}
	return n
}

// Rule D4: each session that ends is in the log, once, with the reason.
func TestTheEndOfASessionIsLogged(t *testing.T) {
	c := &clock{}
	b := startBot(t, onDisk, quick, c.setup)
	p := b.person(admin, admin)
	phone := b.enrols(p, c) // which ends with a /logout
	whose := `"user":"` + scrub.ID(admin) + `"`
	if n := b.lines("session.closed", `"reason":"logout"`, whose); n != 1 {
		t.Errorf("a /logout is in the log %d times", n)
	}
	for _, rule := range []struct {
		how, event, reason string
		end                func()
	}{
		{"rights are taken away", "session.closed", `"reason":"rights_changed"`, func() {
			if err := b.app.pipeline.Forget(t.Context(), func(user, _ int64) bool { return user == admin }); err != nil {
				t.Fatal(err)
			}
		}},
		{"ten minutes are over", "session.expired", "", func() { c.advance(10 * time.Minute); b.cleans() }},
		{"wrong codes", "session.closed", `"reason":"blocked"`, func() {
			for range 3 {
				p.says(phone.wrong())
			}
		}},
	} {
		p.expect(p.says(phone.code()), "That code is right")
		closed := b.lines("session.closed") + b.lines("session.expired")
		rule.end()
		if n := b.lines(rule.event, rule.reason, whose); n != 1 {
			t.Errorf("%s: in the log %d times", rule.how, n)
		}
		if n := b.lines("session.closed") + b.lines("session.expired") - closed; n != 1 {
			t.Errorf("%s: %d sessions ended, says the log", rule.how, n)
		}
		c.advance(time.Minute)
	}
}

// Rule D3: a stack is for DEBUG, whoever made it.
func TestStacksAreLoggedAtDebugOnly(t *testing.T) {
	for name, c := range map[string]struct {
		invoke func(context.Context) error
		stack  string
	}{
		"a part panics": {func(context.Context) error { panic(errPart) }, "goroutine "},
		"a guest traps": {trap, "wasm stack trace:"},
	} {
		for _, level := range []string{"INFO", "DEBUG"} {
			t.Run(name+" at "+level, func(t *testing.T) {
				b := startBot(t, func(b *bot) {
					b.o.log = newLogger(b.log, level, "json", scrub.New(b.cfg.Secrets()))
					b.o.load = func([]hostcall.Operation) loader {
						return func(context.Context, engine.Source) (registry.Runner, error) { return failing{c.invoke}, nil }
					}
				})
				p := b.person(user, user)
				p.says("/uptime")
				if err := b.stop(); err != nil {
					t.Fatal(err)
				}
				stacks := 0
				for line := range strings.Lines(b.log.String()) {
					var fields struct{ Level string }
					if err := json.Unmarshal([]byte(line), &fields); err != nil {
						t.Fatal(err)
					}
					if !strings.Contains(line, c.stack) {
						continue
					}
					if stacks++; fields.Level != "debug" {
						t.Errorf("a stack at %s: %s", fields.Level, line)
					}
				}
				if (stacks > 0) != (level == "DEBUG") {
					t.Errorf("%d stacks", stacks)
				}
			})
		}
	}
}

var errPart = errors.New("a part of the bot broke")

// failing is a module that does not get to an answer.
type failing struct{ invoke func(context.Context) error }

func (f failing) Invoke(ctx context.Context, _ *hostcall.Caller, _ []byte) (engine.Answer, error) {
	return engine.Answer{}, f.invoke(ctx)
}

func (failing) Close(context.Context) error { return nil }

// trap runs a guest that traps, and makes of it what the engine does.
func trap(ctx context.Context) error {
	const program = "\x00asm\x01\x00\x00\x00" + // one function, exported, that is unreachable
		"\x01\x04\x01\x60\x00\x00" + "\x03\x02\x01\x00" + "\x07\x0a\x01\x06handle\x00\x00" + "\x0a\x05\x01\x03\x00\x00\x0b"
	runtime := wazero.NewRuntime(ctx)
	defer runtime.Close(ctx)
	guest, err := runtime.Instantiate(ctx, []byte(program))
	if err != nil {
		return err
	}
	_, err = guest.ExportedFunction("handle").Call(ctx)
	reason, _, _ := strings.Cut(err.Error(), "\n")
	return &engine.Fault{Code: abi.Internal, Reason: reason, Stack: err.Error()}
}

// Rule D3: at INFO and above a stack does not get through either if a part of
// the bot, or a library, puts it into an error.
func TestAStackInAnErrorIsCutOff(t *testing.T) {
	const stack = "it broke\ngoroutine 7 [running]:\nmain.f()\n\t/x.go:1"
	for level, want := range map[string]bool{"debug": true, "info": false, "error": false} {
		var out logBuffer
		log := newLogger(&out, "debug", "json", nil)
		put := map[string]func(string, ...zap.Field){"debug": log.Debug, "info": log.Info, "error": log.Error}[level]
		put(stack, zap.Error(errors.New(stack)))
		if got := strings.Contains(out.String(), "main.f"); got != want || !strings.Contains(out.String(), "it broke") {
			t.Errorf("%s: %s", level, out.String())
		}
	}
}
