package main

import (
	"strings"
	"testing"
)

// TestAUserLooksAroundByWebhook is the conversation that shows webhook mode: a
// user types, the bot answers, a button is tapped; Telegram brings each update.
func TestAUserLooksAroundByWebhook(t *testing.T) {
	b := startBot(t, byWebhook)
	p := b.person(user, user)
	p.expect(p.says("/start"), "User")
	p.says("/load")
	p.taps("🔄 Refresh")
	hook := b.world.Webhook()
	if !strings.HasPrefix(hook.URL, "https://bot.example.org/webhook/") || len(hook.SecretToken) != 43 {
		t.Errorf("Telegram was told %q", hook.URL)
	}
	for _, d := range b.world.Deliveries() {
		if d.Status != 200 {
			t.Errorf("delivery %+v", d)
		}
	}
	if got := b.world.Waiting(); got != 0 {
		t.Errorf("%d updates wait", got)
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	if b.world.Webhook().URL != hook.URL {
		t.Error("the webhook did not stay")
	}
	if log := b.log.String(); strings.Contains(log, hook.SecretToken) || strings.Contains(log, strings.Trim(strings.TrimPrefix(hook.URL, "https://bot.example.org/webhook/"), "/")) {
		t.Error("the log has the secret or the path")
	}
}
