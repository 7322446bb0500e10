package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// otherPoller is Telegram's answer while somebody else polls.
var otherPoller = emulator.Fault{
	Method: "getUpdates", Status: http.StatusConflict,
	Description: "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
}

// hotLoop is more calls of a method than backing off makes in a few seconds.
const hotLoop = 60

// notHot fails if a method was called in a loop.
func (b *bot) notHot(methods ...string) {
	b.t.Helper()
	for _, method := range methods {
		if n := b.world.Count(method); n >= hotLoop {
			b.t.Errorf("%d calls of %s", n, method)
		}
	}
}

// The first seconds decide nothing: whatever Telegram does then, the bot is
// there when Telegram is.
func TestATroubledStart(t *testing.T) {
	for name, faults := range map[string][]emulator.Fault{
		"a conflict at the first call":  {otherPoller},
		"conflicts":                     {otherPoller, otherPoller},
		"no answers at all":             {{Drop: true, Times: 3}},
		"errors of the server":          {{Status: http.StatusBadGateway, Times: 3}},
		"a page of a proxy":             {{Body: []byte("<html><body>502</body></html>"), Times: 3}},
		"an answer without a result":    {{Method: "getUpdates", Body: []byte(`{"ok":true}`), Times: 2}},
		"a result that is no list":      {{Method: "getUpdates", Body: []byte(`{"ok":true,"result":{"update_id":1}}`), Times: 2}},
		"an answer that ends too early": {{Method: "getUpdates", Body: []byte(`{"ok":true,"result":[{"upda`), Times: 2}},
		"no JSON":                       {{Method: "getUpdates", Body: []byte("\x00\xff"), Times: 2}},
		"a flood limit":                 {{Method: "getUpdates", RetryAfter: 1}},
		"no identity":                   {{Method: "getMe", Drop: true, Times: 2}, {Method: "setMyCommands", Status: http.StatusBadRequest, Times: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBot(t, quick)
			p := b.person(user, user)
			p.Type("/back") // waits from before the start
			for _, f := range faults {
				b.world.Fail(f)
			}
			b.start()
			p.hears("Main menu", 1)
			p.expect(p.says("/back"), "Main menu")
			b.notHot("getUpdates", "getMe", "setMyCommands")
		})
	}
}

func TestTelegramGoesAwayAndComesBack(t *testing.T) {
	b := startBot(t, onDisk, quick)
	p := b.person(user, user)
	p.says("/back")
	// In the middle of polling.
	b.world.Fail(otherPoller)
	p.says("/back")
	p.says("/back")
	// While an answer goes out: it is kept, in order.
	b.world.Fail(emulator.Fault{Method: "sendMessage", Drop: true, Times: 2})
	p.Type("/load")
	p.Type("/uptime")
	p.hears("Uptime", 1)
	if m := p.Messages(); !strings.Contains(m[len(m)-2].Text, "Load average") {
		t.Errorf("the answers are out of order: %q stands before the last", m[len(m)-2].Text)
	}
	b.world.Fail(emulator.Fault{Method: "sendMessage", Body: []byte("<html>"), Times: 1})
	p.expect(p.says("/memory"), "Available")
	b.notHot("getUpdates", "sendMessage")
	b.await("telegram.recovered", 1)
	b.journalEmpty()
}

func TestTwoBotsOnOneToken(t *testing.T) {
	b := startBot(t, quick, byPolling)
	second := &bot{t: t, world: b.world, cfg: b.cfg, log: b.log, o: b.o}
	second.start()
	time.Sleep(2 * time.Second) // they take turns, ever more slowly
	b.notHot("getUpdates")
	b.await("telegram.conflict", 1)
	if err := second.stop(); err != nil {
		t.Errorf("the second bot ended with: %v", err)
	}
	p := b.person(user, user)
	p.expect(p.says("/back"), "Main menu")
}

func TestAWebhookFromBeforeIsRemoved(t *testing.T) {
	b := newBot(t, quick, byPolling)
	client, err := telegram.New(telegram.Options{Token: b.world.Token(), APIURL: b.cfg.Telegram.APIURL})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.SetWebhook(context.Background(), telegram.Webhook{URL: "https://bot.example.org/hook"}); err != nil {
		t.Fatal(err)
	}
	p := b.person(user, user)
	p.Type("/back")
	b.start()
	p.hears("Main menu", 1)
	if hook := b.world.Webhook(); hook.URL != "" {
		t.Errorf("the webhook %s is still set", hook.URL)
	}
}

func TestARefusedTokenEndsTheProgram(t *testing.T) {
	other := emulator.New(emulator.Options{})
	defer other.Close()
	b := newBot(t, quick, func(b *bot) { b.cfg.BotToken.ProdToken = config.Secret(other.Token()) })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := serveUntil(ctx, b.cfg, b.o)
	var exit *exitError
	if !errors.As(err, &exit) || exit.code != exitUnauthorized || !strings.Contains(err.Error(), "@BotFather") {
		t.Errorf("ended with %v, want exit code %d", err, exitUnauthorized)
	}
	if strings.Contains(err.Error(), other.Token()) {
		t.Error("the error holds the token")
	}
	b.log.check(t, other.Token())
}

func TestATokenThatIsRefusedLater(t *testing.T) {
	b := newBot(t, quick, byPolling)
	b.world.Fail(emulator.Fault{Method: "getUpdates", Status: http.StatusUnauthorized, Description: "Unauthorized"})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var exit *exitError
	if err := serveUntil(ctx, b.cfg, b.o); !errors.As(err, &exit) || exit.code != exitUnauthorized {
		t.Errorf("ended with %v, want exit code %d", err, exitUnauthorized)
	}
	if n := b.world.Count("getUpdates"); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
}

func TestFloodLimitsAreObeyed(t *testing.T) {
	b := startBot(t, quick)
	p, other := b.person(user, user), b.person(admin, admin)
	p.says("/back")
	before := b.world.Count("sendMessage")
	b.world.Fail(emulator.Fault{Method: "sendMessage", ChatID: user, RetryAfter: 1})
	p.Type("/load")
	p.Type("/uptime")
	other.expect(other.says("/back"), "Main menu")
	p.hears("Uptime", 1)
	var calls []emulator.Call
	for _, call := range b.world.Calls("sendMessage")[before:] {
		if call.Int("chat_id") == user {
			calls = append(calls, call)
		}
	}
	if len(calls) != 3 || calls[0].Status != http.StatusTooManyRequests {
		t.Fatalf("%d calls, want the refused one, its repeat and the next", len(calls))
	}
	if wait := calls[1].At.Sub(calls[0].At); wait < time.Second {
		t.Errorf("repeated after %v, want at least the second that Telegram asked for", wait)
	}
	if answers(p) != 3 {
		t.Errorf("%d messages, want 3", answers(p))
	}
}

func TestAUserWhoBlockedTheBotCostsNothing(t *testing.T) {
	b := newBot(t, onDisk, quick)
	p, other := b.person(user, user), b.person(admin, admin)
	p.Type("/load")
	p.Type("/nonsense")
	b.world.Block(user)
	b.start()
	b.await("update.undelivered", 1)
	b.await("telegram.send", 2)
	other.expect(other.says("/load"), "Load average")
	if n := answers(p); n != 0 {
		t.Errorf("%d messages reached somebody who blocked the bot", n)
	}
	b.world.Unblock(user)
	p.expect(p.says("/load"), "Load average")
	b.journalEmpty()
}

func TestEditsThatTelegramRefuses(t *testing.T) {
	b := startBot(t, onDisk, quick)
	p := b.person(user, user)
	view := p.says("/load")
	refuse := func(description string) {
		b.world.Fail(emulator.Fault{Method: "editMessageText", Status: http.StatusBadRequest, Description: description})
	}
	// Nothing has changed: that is what was wanted.
	refuse("Bad Request: message is not modified: specified new message content and reply markup are exactly the same")
	if answer := p.tapsOnly("🔄 Refresh"); answer.Text != "" {
		t.Errorf("answered with %q", answer.Text)
	}
	b.await("update.answered", 2)
	if p.Last().ID != view.ID || answers(p) != 1 {
		t.Error("an edit that changed nothing made a message")
	}
	// Twice within the same second.
	for range 2 {
		p.tapsOnly("🔄 Refresh")
	}
	b.await("update.answered", 4)
	// The message is gone: there is a new one.
	refuse("Bad Request: message to edit not found")
	if fresh := p.taps("🔄 Refresh"); fresh.ID == view.ID || !strings.Contains(fresh.Text, "Load average") {
		t.Errorf("instead of a message that is gone: %d %q", fresh.ID, fresh.Text)
	}
	p.expect(p.taps("🔄 Refresh"), "Load average")
	b.journalEmpty()
}
