package main

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// feeding gives the bot a feed of releases over TLS on this machine, and lets it
// run a release.
func feeding(t *testing.T, current string, serve http.HandlerFunc) setup {
	t.Helper()
	feed := httptest.NewTLSServer(serve)
	t.Cleanup(feed.Close)
	before := release
	release = current
	t.Cleanup(func() { release = before })
	return func(b *bot) {
		b.cfg.Releases.Feed, b.o.feed = feed.URL+"/latest", feed.Client()
	}
}

func TestANewerReleaseIsTold(t *testing.T) {
	var asked atomic.Int64
	var answer atomic.Value
	answer.Store(`{"tag_name":"v1.3.0","html_url":"https://example.org/v1.3.0","published_at":"2025-12-24T18:00:00Z","body":"<b>New</b> &amp; *more*"}`)
	c := &clock{}
	b := startBot(t, c.setup, feeding(t, "v1.2.3", func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write([]byte(answer.Load().(string)))
	}))
	p := b.person(user, user)
	p.expect(p.says("/about"), "Version: <code>v1.2.3</code>", "Licence: MIT", "Running since: ")
	m := p.taps("⬆️ Newer version?")
	p.expect(m, "There is a newer version of me.", "Runs: <code>v1.2.3</code>", "Newest release: <code>v1.3.0</code>",
		"Page: <code>https://example.org/v1.3.0</code>", "Published: ", "&lt;b>New&lt;/b> &amp;amp; *more*")
	p.expect(p.taps("⬅️ Back"), "About me")

	// What is known counts for an hour.
	answer.Store(`{"tag_name":"v1.2.3"}`)
	boss := b.person(admin, admin)
	boss.expect(boss.says("/check_bot_updates"), "v1.3.0")
	c.advance(time.Hour)
	boss.expect(boss.says("/check_bot_updates"), "There is none newer than what runs.", "Newest release: <code>v1.2.3</code>")
	if asked.Load() != 2 {
		t.Errorf("the feed was asked %d times", asked.Load())
	}

	// A feed that breaks is a plain sentence, and a view from which one gets on.
	answer.Store(`{"tag_name":"javascript:alert(1)"}`)
	c.advance(time.Hour)
	m = boss.says("/check_bot_updates")
	boss.expect(m, "The release feed is of no use now: its answer is no release.")
	boss.lacks(m, "javascript")
	answer.Store(`{"tag_name":"v2.0.0","html_url":"javascript:alert(1)"}`)
	c.advance(5 * time.Minute)
	m = boss.taps("🔄 Refresh")
	boss.expect(m, "Newest release: <code>v2.0.0</code>")
	boss.lacks(m, "javascript")
}

func TestWithoutAFeedTheKeyIsNamed(t *testing.T) {
	p := startBot(t).person(user, user)
	p.expect(p.says("/check_bot_updates"), "no feed of releases is configured", "releases.feed")
	p.expect(p.taps("⬅️ Back"), "About me")
}
