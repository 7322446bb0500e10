package main

import (
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/modules/outline/outlinetest"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
)

// atOutline lets a bot know an Outline server, as Outline Manager shows it.
func atOutline(apiURL, certificate string) setup {
	return func(b *bot) {
		b.cfg.Plugins.Outline = config.Outline{APIURL: config.Secret(apiURL), Cert: strings.ToLower(certificate)}
		b.o.scrub.Learn(apiURL)
	}
}

func TestAnOutlineServer(t *testing.T) {
	server := outlinetest.New(12)
	b := startBot(t, atOutline(server.Start(t)))
	p := b.person(user, user)
	p.expect(p.says("/help"), "/outline")
	p.expect(p.says("/outline"), "<code>Home</code>", "Version: 1.12.3", "Keys: 12", "Traffic, 30 days: 19.3 GiB", "As of")
	p.expect(p.taps("🔑 Keys"), "12 keys, page 1 of 2", "<code>Phone 0</code>", "chacha20-ietf-poly1305")
	p.expect(p.taps("2/2 ▶️"), "<code>Phone 11</code>")
	p.expect(p.taps("📊 Traffic"), "19.3 GiB in 30 days", "Phone 11")
	p.expect(p.taps("⬅️ Back"), "<code>Home</code>")
	for _, secret := range server.Secrets() {
		for _, m := range p.Messages() {
			p.lacks(m, secret)
		}
		if strings.Contains(b.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

// TestAnotherCertificate: whoever answers in the server's place learns nothing, and
// the user learns what to look at.
func TestAnotherCertificate(t *testing.T) {
	server := outlinetest.New(1)
	apiURL, _ := server.Start(t)
	b := startBot(t, atOutline(apiURL, strings.Repeat("ab", 32)))
	p := b.person(user, user)
	p.expect(p.says("/outline"), "🔌", "api_url and cert in the config")
	if asked := server.Asked(); len(asked) != 0 {
		t.Errorf("it was asked %q", asked)
	}
}

func TestWithoutAnOutlineServer(t *testing.T) {
	b := startBot(t)
	p := b.person(user, user)
	p.lacks(p.says("/help"), "/outline")
	p.lacks(p.says("/outline"), "Outline")
}
