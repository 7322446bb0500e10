package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// TestAUserLooksAroundByWebhook is the conversation that shows webhook mode: a
// user types, the bot answers, a button is tapped; Telegram brings each update.
func TestAUserLooksAroundByWebhook(t *testing.T) {
	b := startBot(t, byWebhook)
	p := b.person(user, user)
	p.expect(p.says("/start"), "User")
	p.says("/load")
	p.taps("🔄 Refresh")
	// The answer to a user can overtake that to Telegram.
	b.awaits("Telegram has nothing left", func() bool { return b.world.Waiting() == 0 })
	hook := b.world.Webhook()
	if !strings.HasPrefix(hook.URL, "https://bot.example.org/webhook/") || len(hook.SecretToken) != 43 {
		t.Errorf("Telegram was told %q", hook.URL)
	}
	for _, d := range b.world.Deliveries() {
		if d.Status != 200 {
			t.Errorf("delivery %+v", d)
		}
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

// knock makes a request to the webhook from an address, and returns the status;
// 0: the connection was closed.
func (b *bot) knock(from, path, secret, forwarded string) int {
	b.t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := dialer.Dial("tcp", *b.listens.Load())
	if err != nil {
		return 0
	}
	defer c.Close()
	header := ""
	if forwarded != "" {
		header = "X-Forwarded-For: " + forwarded + "\r\n"
	}
	request := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: bot.example.org\r\nContent-Length: 0\r\n%sX-Telegram-Bot-Api-Secret-Token: %s\r\n\r\n", path, header, secret)
	status, err := exchange(c, bufio.NewReader(c), []byte(request))
	if err != nil {
		return 0
	}
	return status
}

// TestAKnockingStrangerIsBannedOverARestart: what is refused is in the log, with
// the reason and half of the address, and a ban is still there after a restart.
func TestAKnockingStrangerIsBannedOverARestart(t *testing.T) {
	b := startBot(t, byWebhook, onDisk)
	p := b.person(user, user)
	p.says("/start")
	hook := b.world.Webhook()
	path := strings.TrimPrefix(hook.URL, "https://bot.example.org")
	for range 2 {
		if status := b.knock("127.0.0.9", "/admin", "", ""); status != http.StatusNotFound {
			t.Errorf("a wrong path: %d", status)
		}
	}
	for range 4 {
		if status := b.knock("127.0.0.9", path, hook.SecretToken, ""); status != http.StatusForbidden {
			t.Errorf("path and secret, but no address of Telegram's: %d", status)
		}
	}
	if status := b.knock("127.0.0.9", path, hook.SecretToken, ""); status != 0 {
		t.Errorf("after six wrong requests: %d", status)
	}
	if status := b.knock("127.0.0.1", path, "wrong", "149.154.167.9"); status != http.StatusForbidden {
		t.Errorf("a wrong secret: %d", status)
	}
	for text, least := range map[string]int{
		`"event":"webhook.rejected","reason":"path","peer":"127.0.0.9"`:   2,
		`"event":"webhook.rejected","reason":"peer","peer":"127.0.0.9"`:   4,
		`"event":"webhook.rejected","reason":"secret","peer":"149.154.*`:  1,
		`"event":"webhook.rejected","reason":"banned","peer":"127.0.0.9"`: 1,
		`"event":"webhook.banned","peer":"127.0.0.9"`:                     1,
		`"event":"webhook.registered"`:                                    1,
	} {
		if n := strings.Count(b.log.String(), text); n < least {
			t.Errorf("the log has %s %d times, want %d", text, n, least)
		}
	}
	b.restart()
	p.expect(p.says("/start"), "User")
	if status := b.knock("127.0.0.9", "/admin", "", ""); status != 0 {
		t.Errorf("after a restart the ban is over: %d", status)
	}
	if next := b.world.Webhook(); next.URL == hook.URL || next.SecretToken == hook.SecretToken {
		t.Error("path or secret outlived the restart")
	}
	for _, secret := range []string{hook.SecretToken, strings.Split(path, "/")[2]} {
		if strings.Contains(b.log.String(), secret) {
			t.Error("the log has a path or a secret")
		}
	}
}

// TestAdminsAreToldOfAFallback: Telegram does not take the address, so the bot
// polls, and says so.
func TestAdminsAreToldOfAFallback(t *testing.T) {
	b := newBot(t, byWebhook)
	b.world.Fail(emulator.Fault{Method: "setWebhook", Status: 400, Description: "Bad Request: bad webhook: Failed to resolve host: Name or service not known", Times: -1})
	boss := b.person(admin, admin)
	boss.Type("/start")
	b.start()
	boss.hears("The webhook does not work", 1)
	boss.hears("Failed to resolve host", 1)
	p := b.person(user, user)
	p.expect(p.says("/start"), "User")
	b.await("webhook.fallback", 1)
}

// TestWebhookModeNeedsAnAddress: what is missing is said, and where it goes.
func TestWebhookModeNeedsAnAddress(t *testing.T) {
	b := newBot(t, byWebhook, func(b *bot) { b.cfg.Webhook.URL = "" })
	err := serveUntil(t.Context(), b.cfg, b.o)
	if err == nil || !strings.Contains(err.Error(), "webhook_config.url") {
		t.Errorf("ended with %v", err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	b = newBot(t, byWebhook, func(b *bot) { b.cfg.Webhook.LocalPort = taken.Addr().(*net.TCPAddr).Port })
	err = serveUntil(t.Context(), b.cfg, b.o)
	if err == nil || !strings.Contains(err.Error(), "webhook_config.local_port") || !strings.Contains(err.Error(), "in use") {
		t.Errorf("ended with %v", err)
	}
}
